#include "bridge/services/actions/http_call.h"

#include "bridge/base/ascii.h"
#include "bridge/services/actions/action_limits.h"
#include "bridge/services/actions/place.h"
#include "cdp/json_text.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>

#include <boost/json/serialize.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <fmt/format.h>

namespace services::actions {

namespace json = boost::json;
using base::Code;
using base::Result;

namespace {

auto wrong(std::string_view pointer, std::string_view why) {
  return base::fail(Code::invalid, fmt::format("{}: {}", pointer, why), "configuration");
}

auto misfit(std::string_view name, std::string_view why) {
  return base::fail(Code::invalid, fmt::format("the parameter {} {}", name, why), "invalid_params");
}

std::string encoded(std::string_view text) {
  return boost::urls::encode(text, boost::urls::unreserved_chars);
}

// Calls `literal` and `place` for the parts of a template in their order.
template <class Literal, class Place>
void walk(std::string_view text, Literal literal, Place place) {
  while (!text.empty()) {
    const auto open = text.find('{');
    const auto close = open == std::string_view::npos ? open : text.find('}', open);
    if (close == std::string_view::npos) break;
    literal(text.substr(0, open));
    place(text.substr(open + 1, close - open - 1));
    text.remove_prefix(close + 1);
  }
  literal(text);
}

Result<events::Target> target_of(const std::string& url) {
  const auto scheme = url.find("://");
  const auto slash = scheme == std::string::npos ? scheme : url.find('/', scheme + 3);
  const auto path = slash == std::string::npos ? std::string("/") : url.substr(slash);
  if (url.find('?') != std::string::npos) return wrong("/url", "give the query as \"query\"");
  if (url.substr(0, slash).find_first_of("{}") != std::string::npos) {
    return wrong("/url", "parameters have their places in the path alone");
  }
  std::string plain = url.substr(0, slash);
  walk(
      path, [&](std::string_view literal) { plain += literal; },
      [&](std::string_view) { plain += 'x'; });
  auto target = events::Target::parse(plain);
  if (!target) return wrong("/url", target.error().message);
  target->path = path;
  return target;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return base::is_alphanumeric(c) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_header_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

bool is_ours(std::string_view name) {
  constexpr std::array ours = {"host",   "content-length", "content-type",      "connection",
                               "te",     "upgrade",        "transfer-encoding", "trailer",
                               "expect", "idempotency-key"};
  return std::ranges::find(ours, base::lower(name)) != ours.end();
}

Result<std::string> secret_of(std::string_view pointer, const json::object& given) {
  std::string secret = cdp::text_in(given, "secret");
  if (const auto name = cdp::text_in(given, "secret_env"); !name.empty()) {
    const char* value = std::getenv(name.c_str());
    if (!value) return wrong(pointer, "the environment has no variable " + name);
    secret = value;
  }
  if (const auto path = cdp::text_in(given, "secret_file"); !path.empty()) {
    std::ifstream file(path);
    secret.resize(limits::action_secret_bytes_max + 1);
    file.read(secret.data(), static_cast<std::streamsize>(secret.size()));
    secret.resize(static_cast<std::size_t>(file.gcount()));
    if (secret.empty()) return wrong(pointer, "cannot read " + path);
  }
  while (secret.ends_with('\n') || secret.ends_with('\r')) secret.pop_back();
  if (secret.size() < limits::action_secret_bytes_min ||
      secret.size() > limits::action_secret_bytes_max) {
    return wrong(pointer,
                 fmt::format("the secret must have {} to {} bytes", limits::action_secret_bytes_min,
                             limits::action_secret_bytes_max));
  }
  return secret;
}

Result<> add_headers(HttpCall& call, const json::object& given) {
  const auto* headers = given.if_contains("headers");
  if (!headers) return {};
  for (const auto& [name, value] : headers->as_object()) {
    const auto pointer = fmt::format("/headers/{}", std::string_view(name));
    if (!is_token(name) || is_ours(name)) return wrong(pointer, "this header cannot be set");
    std::string text;
    if (const auto* object = value.if_object()) {
      TRY(const auto secret, secret_of(pointer, *object));
      call.secrets.push_back(secret);
      text = cdp::text_in(*object, "prefix") + secret;
    } else {
      text = std::string(value.as_string());
    }
    if (!is_header_text(text)) return wrong(pointer, "must be printable ASCII");
    call.headers.emplace_back(name, std::move(text));
  }
  return {};
}

// Whether the segments of a path are what the template says, and no way to somewhere else.
bool leads_away(std::string_view segment) {
  return segment.empty() || segment == "." || segment == "..";
}

Result<std::string> path_of(const HttpCall& call, const json::value& params) {
  std::string path, segment;
  bool is_filled = false;
  std::optional<std::unexpected<base::Error>> trouble;
  std::string last;
  const auto end_segment = [&] {
    if (is_filled && leads_away(segment)) {
      trouble = misfit(last, "would lead to another address");
    }
    segment.clear();
    is_filled = false;
  };
  walk(
      call.target.path,
      [&](std::string_view literal) {
        for (const char c : literal) {
          path += c;
          if (c == '/') end_segment();
          if (c != '/') segment += c;
        }
      },
      [&](std::string_view name) {
        last = name;
        const auto* value = value_of(params, name);
        const bool is_plain =
            value && (value->is_string() || value->is_number() || value->is_bool());
        const auto text = is_plain ? text_of(*value) : std::string();
        // Servers decode paths before they look at them, some of them twice.
        const bool is_safe = std::ranges::none_of(text, [](char c) {
          return c == '/' || c == '\\' || c == '%' || (c >= 0 && c < ' ') || c == 0x7f;
        });
        if (!is_plain) trouble = misfit(name, "must be a text, a number or a boolean");
        if (!is_safe) trouble = misfit(name, "holds what cannot stand in an address");
        segment += text;
        is_filled = true;
        path += encoded(text);
      });
  end_segment();
  if (trouble) return *std::move(trouble);
  return path;
}

Result<std::string> query_of(const HttpCall& call, const json::value& params) {
  std::string query;
  for (const auto& [name, given] : call.query) {
    const auto place = place_in(given.as_string());
    const auto* value = place ? value_of(params, *place) : &given;
    if (!value) continue;
    if (value->is_structured() || value->is_null()) {
      return misfit(*place, "must be a text, a number or a boolean");
    }
    query += fmt::format("{}{}={}", query.empty() ? '?' : '&', encoded(std::string_view(name)),
                         encoded(text_of(*value)));
  }
  return query;
}

Result<> add_request(HttpCall& call, const json::object& given) {
  call.method = cdp::text_in(given, "method");
  TRY(call.target, target_of(cdp::text_in(given, "url")));
  call.query = given.contains("query") ? given.at("query").as_object() : json::object();
  call.body = given.contains("body") ? given.at("body") : json::value();
  if (call.is_read() && !call.body.is_null()) {
    return wrong("/body", fmt::format("{} has no body", call.method));
  }
  return {};
}

}  // namespace

Result<HttpCall> http_call_of(const json::object& given) {
  HttpCall call;
  TRY_OK(add_request(call, given));
  TRY_OK(add_headers(call, given));
  if (const auto* timeout = given.if_contains("timeout_seconds")) {
    call.timeout_s = timeout->to_number<int>();
  }
  if (const auto* most = given.if_contains("output_bytes_max")) {
    call.answer_bytes_max = most->to_number<std::size_t>();
  }
  return call;
}

Result<HttpCall> http_undo_of(const json::object& given, const HttpCall& call) {
  HttpCall undo = call;
  TRY_OK(add_request(undo, given));
  // Credentials are for the host that they were given for.
  if (undo.target.authority() != call.target.authority() ||
      undo.target.is_secure != call.target.is_secure) {
    return wrong("/url", "must be on the action's own host");
  }
  return undo;
}

std::vector<std::string> path_places(const HttpCall& call) {
  std::vector<std::string> names;
  walk(
      call.target.path, [](std::string_view) {},
      [&](std::string_view name) { names.emplace_back(name); });
  return names;
}

std::vector<std::string> other_places(const HttpCall& call) {
  std::vector<std::string> names;
  collect_places(call.query, names);
  collect_places(call.body, names);
  return names;
}

Result<events::OutboundRequest> request_of(const HttpCall& call, const json::value& params) {
  events::OutboundRequest request{.method = call.method,
                                  .target = call.target,
                                  .addresses = {},
                                  .headers = call.headers,
                                  .body = {},
                                  .limit = std::chrono::seconds(call.timeout_s),
                                  .answer_bytes_max = call.answer_bytes_max + 1};
  TRY(const auto path, path_of(call, params));
  TRY(const auto query, query_of(call, params));
  request.target.path = path + query;
  if (request.target.path.size() > limits::action_address_bytes_max) {
    return base::fail(Code::invalid, "the parameters make the address too long", "invalid_params");
  }
  if (!call.body.is_null()) {
    request.body = json::serialize(filled(call.body, params));
    request.headers.emplace_back("Content-Type", "application/json");
  }
  return request;
}

std::string without_secrets(const HttpCall& call, std::string text) {
  constexpr std::string_view shown = "[secret]";
  for (const auto& secret : call.secrets) {
    const auto quoted = json::serialize(json::value(secret));
    for (const auto& form : {secret, encoded(secret), quoted.substr(1, quoted.size() - 2)}) {
      for (auto at = text.find(form); at != text.npos; at = text.find(form, at)) {
        text.replace(at, form.size(), shown);
        at += shown.size();
      }
    }
  }
  return text;
}

json::object result_of(const HttpCall& call, events::OutboundAnswer answer) {
  const bool is_clipped = answer.body.size() > call.answer_bytes_max;
  auto body = without_secrets(call, as_text(answer.body));
  if (is_clipped) {
    // The beginning of a secret may be left at the end.
    std::size_t longest = 0;
    for (const auto& secret : call.secrets) longest = std::max(longest, 3 * secret.size());
    body.resize(body.size() - std::min(body.size(), longest));
    body = as_text(body);
  }
  json::object result{{"status", answer.status}, {"clipped", is_clipped}};
  result["body"] = body;
  if (is_clipped || answer.header("content-type").find("json") == std::string_view::npos) {
    return result;
  }
  // Written anew, a secret has no other escapes than those that are looked for.
  if (const auto parsed = base::parse_json(body)) {
    const auto whole = without_secrets(call, json::serialize(*parsed));
    if (auto clean = base::parse_json(whole)) result["body"] = *std::move(clean);
  }
  return result;
}

}  // namespace services::actions
