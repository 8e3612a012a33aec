#include "bridge/http/request.h"

#include "bridge/base/ascii.h"
#include "bridge/base/limits.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace http {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::unexpected<base::Error> bad_query(std::string_view parameter, std::string_view why) {
  return base::fail(base::Code::invalid, fmt::format("query parameter {}: {}", parameter, why),
                    "invalid_query");
}

bool is_among(std::span<const QueryParameter> declared, std::string_view name) {
  return std::ranges::find(declared, name, &QueryParameter::name) != declared.end();
}

constexpr std::pair<Method, std::string_view> method_names[] = {
    {Method::get, "GET"},        {Method::head, "HEAD"},   {Method::post, "POST"},
    {Method::put, "PUT"},        {Method::patch, "PATCH"}, {Method::del, "DELETE"},
    {Method::options, "OPTIONS"}};

// The value of `wait` in Prefer (RFC 7240): preferences by comma, their parameters by semicolon.
std::optional<std::string_view> preferred_wait(const Request& request) {
  for (const auto& [name, value] : request.headers) {
    if (!same_header(name, "prefer")) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      std::string_view item = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(item.size() + 1, rest.size()));
      item = item.substr(0, item.find(';'));
      const auto equals = item.find('=');
      if (equals == std::string_view::npos) continue;
      if (same_header(base::without_blanks(item.substr(0, equals)), "wait")) {
        return base::without_blanks(item.substr(equals + 1));
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view name(Method method) {
  for (const auto& [known, text] : method_names) {
    if (known == method) return text;
  }
  return {};
}

Method method_of(std::string_view name) {
  for (const auto& [method, text] : method_names) {
    if (text == name) return method;
  }
  return Method::unknown;
}

bool same_header(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [](char left, char right) { return lower(left) == lower(right); });
}

bool Principal::has_scope(std::string_view scope) const {
  if (scope == "admin" && !agent.empty()) return false;
  return std::ranges::any_of(
      scopes, [scope](const std::string& own) { return own == scope || own == "admin"; });
}

std::optional<std::string_view> Request::header(std::string_view wanted) const {
  for (const auto& [own, value] : headers) {
    if (same_header(own, wanted)) return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> Request::query_value(std::string_view wanted) const {
  if (declared && !is_among(*declared, wanted)) return std::nullopt;
  for (const auto& [own, value] : query) {
    if (own == wanted) return value;
  }
  return std::nullopt;
}

const std::string& Request::param(std::string_view wanted) const {
  const auto found = std::ranges::find(params, wanted, [](const auto& pair) { return pair.first; });
  BRIDGE_ASSERT(found != params.end());
  return found->second;
}

base::Result<std::optional<std::uint64_t>> Request::query_number(std::string_view wanted,
                                                                 std::uint64_t low,
                                                                 std::uint64_t high) const {
  const auto text = query_value(wanted);
  if (!text) return std::nullopt;
  const auto value = number(*text);
  if (!value || *value < low || *value > high) {
    return bad_query(wanted, fmt::format("not a number from {} to {}", low, high));
  }
  return value;
}

base::Result<bool> Request::query_flag(std::string_view wanted) const {
  const auto text = query_value(wanted);
  if (!text || *text == "false" || *text == "0") return false;
  if (*text == "true" || *text == "1") return true;
  return bad_query(wanted, "neither true nor false");
}

base::Result<> Request::check_query() const {
  if (!declared) return {};
  for (const auto& [own, value] : query) {
    if (!is_among(*declared, own)) return bad_query(own, "not known here");
  }
  return {};
}

base::Result<std::chrono::seconds> Request::wait() const {
  constexpr auto most = std::chrono::seconds(limits::http_wait_max);
  TRY(auto seconds, query_number("wait", 0, 1'000'000));
  if (!seconds) {
    // A preference that cannot be read is ignored, as RFC 7240 wants it.
    if (const auto preferred = preferred_wait(*this)) seconds = number(*preferred);
  }
  if (!seconds) return std::chrono::seconds(0);
  return std::min(most, std::chrono::seconds(std::min<std::uint64_t>(*seconds, 1'000'000)));
}

void Request::clear() {
  method = Method::get;
  method_name = target = path = route = {};
  headers.clear();
  is_http_1_0 = is_secure = has_body = false;
  body.clear();
  json = nullptr;
  id.clear();
  traceparent.clear();
  address.clear();
  principal = {};
  matched = nullptr;
  declared.reset();
  query.clear();
  params.clear();
}

}  // namespace http
