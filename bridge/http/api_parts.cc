#include "bridge/http/api_parts.h"

#include "bridge/base/ascii.h"
#include "bridge/base/hash.h"
#include "bridge/base/limits.h"
#include "bridge/schema/registry.h"
#include "bridge/schema/schema.h"

#include <algorithm>
#include <ranges>

#include <fmt/format.h>

namespace http {

namespace {

std::unexpected<base::Error> bad_key(std::string_view why) {
  return base::fail(base::Code::invalid, fmt::format("header Idempotency-Key: {}", why),
                    "bad_request");
}

// RFC 8941, 3.3.3: the text between the quotes, where a backslash stands before '"' and '\'.
std::optional<std::string> unquoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1 == text.size() ? std::optional(out) : std::nullopt;
    if (text[i] == '\\') {
      ++i;
      if (i == text.size() || (text[i] != '"' && text[i] != '\\')) return std::nullopt;
    }
    out += text[i];
  }
  return std::nullopt;
}

}  // namespace

Handler with(ApiNeeds& needs, Act act) {
  return [&needs, act](Request& request) { return act(needs, request); };
}

BodyCheck body_check(std::string_view schema, std::vector<BodyError> (*more)(const json::value&)) {
  auto document = base::parse_json(schema);
  BRIDGE_ASSERT(document.has_value());
  auto compiled = schema::Schema::compile(schema::Registry(), *std::move(document));
  BRIDGE_ASSERT(compiled.has_value());
  auto check = [compiled = *std::move(compiled), more](const json::value& body) {
    std::vector<BodyError> errors;
    auto found = compiled.check(body);
    if (!found) return std::vector{BodyError{"", "limits", found.error().message}};
    for (auto& violation : *found) {
      errors.push_back({std::move(violation.instance_location), std::move(violation.keyword),
                        std::move(violation.message)});
    }
    return errors.empty() && more ? more(body) : errors;
  };
  return {std::string(schema), std::move(check)};
}

base::Result<std::string> idempotency_key(const Request& request) {
  const auto header = request.header("idempotency-key");
  if (!header) return std::string();
  const auto text = base::without_blanks(*header);
  if (text.empty()) return bad_key("it is empty");
  if (text.size() > limits::idempotency_key_bytes_max) return bad_key("it is too long");
  const auto is_visible = [](char c) { return c >= ' ' && c <= '~'; };
  if (!std::ranges::all_of(text, is_visible)) return bad_key("it is no ASCII text");
  if (!text.starts_with('"')) return std::string(text);
  auto key = unquoted(text);
  if (!key || key->empty()) return bad_key("it is neither a bare word nor a quoted string");
  return *std::move(key);
}

std::vector<BodyError> errors_of(protocol::Refusal refusal) {
  std::vector<BodyError> errors;
  for (auto& violation : refusal.violations) {
    errors.push_back(
        {std::move(violation.pointer), std::move(violation.keyword), std::move(violation.detail)});
  }
  return errors;
}

Response refusal_response(protocol::Refusal refusal) {
  auto problem = problem_of(refusal);
  problem.errors = errors_of(std::move(refusal));
  return problem_response(std::move(problem));
}

services::Caller caller_of(const Principal& principal) {
  const bool is_bound = !principal.agent.empty();
  return {.principal = principal.id,
          .name = is_bound ? principal.agent : principal.name,
          .may_send_for_others = !is_bound && principal.has_scope("admin"),
          .agent = principal.agent_id.empty() ? principal.agent : principal.agent_id,
          .is_admin = !is_bound && principal.has_scope("admin"),
          .may_act = principal.has_scope("actions"),
          .may_post = principal.has_scope("packets"),
          .may_write = principal.has_scope("messages"),
          .only_decides = !principal.has_scope("workflows")};
}

std::string text_in(const json::value& body, std::string_view name) {
  const auto* object = body.if_object();
  const auto* value = object ? object->if_contains(name) : nullptr;
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

base::Result<AskedFor> asked_with(const Request& request, std::string_view param) {
  AskedFor asked;
  TRY(asked.key, idempotency_key(request));
  if (asked.key.empty()) asked.key = text_in(request.json, "idempotency_key");
  auto body = request.json.is_object() ? request.json.get_object() : json::object();
  for (const auto* apart : {"idempotency_key", "wait"}) body.erase(apart);
  if (!param.empty()) body[param] = request.param(param);
  asked.hash = base::sha256_hex(base::canonical_json(body));
  return asked;
}

json::value text_or_null(std::string_view text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

double seconds(std::chrono::milliseconds time) { return static_cast<double>(time.count()) / 1000; }

json::value time_or_null(const std::optional<base::WallTime>& time) {
  return time ? json::value(base::rfc3339(*time)) : json::value(nullptr);
}

bool accepts(const Request& request, std::string_view media_type) {
  for (const auto& header : request.headers) {
    if (!same_header(header.name, "accept")) continue;
    for (const auto part : std::views::split(header.value, ',')) {
      const std::string_view range(part.begin(), part.end());
      const auto end = std::min(range.find(';'), range.size());
      if (!same_header(base::without_blanks(range.substr(0, end)), media_type)) continue;
      const auto weight = base::without_blanks(range.substr(end));
      return weight.find("q=0") == std::string_view::npos ||
             weight.find_first_of("123456789", weight.find("q=0")) != std::string_view::npos;
    }
  }
  return false;
}

FindApiKey find_in(services::Keys& keys) {
  return [&keys](base::Sha256 digest) -> base::Task<std::optional<ApiKey>> {
    CO_TRY(auto key, co_await keys.find(digest));
    if (!key) co_return std::nullopt;
    co_return ApiKey{.id = std::move(key->id),
                     .name = std::move(key->name),
                     .agent = std::move(key->agent),
                     .agent_id = std::move(key->agent_id),
                     .scopes = std::move(key->scopes),
                     .digest = key->digest,
                     .expires = key->expires,
                     .is_revoked = key->revoked.has_value()};
  };
}

void add_api(Router& router, ApiNeeds& needs) {
  add_packet_routes(router, needs);
  add_queue_routes(router, needs);
  add_session_routes(router, needs);
  add_schedule_routes(router, needs);
  add_workflow_routes(router, needs);
  add_agent_routes(router, needs);
  add_message_routes(router, needs);
  add_action_routes(router, needs);
  add_fleet_routes(router, needs);
  add_orchestrate_routes(router, needs);
  add_memory_routes(router, needs);
  add_subscription_routes(router, needs);
  add_key_routes(router, needs);
  add_audit_routes(router, needs);
  add_event_routes(router, needs);
  add_health_routes(router, needs);
  add_dashboard_routes(router, needs);
  add_openapi_routes(router, needs);
}

}  // namespace http
