// API keys: made, listed and revoked.
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"

#include <algorithm>

#include <fmt/format.h>

namespace http {

namespace {

using base::Task;

constexpr std::string_view new_key_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["name", "scopes"],
  "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 100},
    "scopes": {
      "type": "array",
      "minItems": 1,
      "uniqueItems": true,
      "items": {
        "enum": ["packets", "agents:read", "agents:write", "messages", "workflows", "memory",
                 "events", "actions", "approve", "session", "audit", "admin"]
      }
    },
    "agent": {"type": "string", "minLength": 1, "maxLength": 200},
    "expires_in_days": {"type": "integer", "minimum": 1, "maximum": 3650},
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  }
})json";

json::object view_of(const services::Key& key) {
  return {{"id", key.id},
          {"name", key.name},
          {"agent", key.agent.empty() ? json::value(nullptr) : json::value(key.agent)},
          {"agent_id", key.agent_id.empty() ? json::value(nullptr) : json::value(key.agent_id)},
          {"scopes", json::array(key.scopes.begin(), key.scopes.end())},
          {"created", base::rfc3339(key.created)},
          {"created_by", key.creator},
          {"expires", time_or_null(key.expires)},
          {"revoked", time_or_null(key.revoked)}};
}

Task<Response> create(ApiNeeds& needs, Request& request) {
  CO_TRY(auto asked, asked_with(request));
  const auto& body = request.json.get_object();
  const std::string text = new_api_key();
  services::NewKey key{.name = text_in(request.json, "name"),
                       .agent = text_in(request.json, "agent"),
                       .scopes = {},
                       .digest = *api_key_digest(text),
                       .creator = request.principal.id,
                       .request = std::move(asked.key),
                       .request_hash = std::move(asked.hash)};
  for (const auto& scope : body.at("scopes").get_array()) {
    key.scopes.emplace_back(scope.get_string());
  }
  if (!key.agent.empty() && std::ranges::find(key.scopes, "admin") != key.scopes.end()) {
    Problem problem{.status = 422, .code = "invalid"};
    problem.detail = "a key that speaks for an agent cannot be an administrator's";
    problem.errors = {{"/scopes", "not", "must not hold admin where there is an agent"}};
    co_return problem_response(std::move(problem));
  }
  if (const auto* days = body.if_contains("expires_in_days")) {
    key.expires = needs.clock.wall() + std::chrono::days(days->to_number<int>());
  }
  CO_TRY(const auto created, co_await needs.keys.create(std::move(key)));
  auto view = view_of(created.key);
  // It is shown to nobody twice: whoever missed it revokes it and makes another.
  view["key"] = created.is_replay ? json::value(nullptr) : json::value(text);
  auto response = json_response(view, 201);
  response.add("Location", "/api/keys/" + created.key.id);
  if (created.is_replay) response.add("Idempotency-Replayed", "true");
  co_return response;
}

Task<Response> list(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto page, page_of(request));
  CO_TRY(const auto found, co_await needs.keys.list(page.after, page.limit));
  json::array items;
  for (const auto& key : found.keys) items.push_back(view_of(key));
  const auto next = found.is_end ? std::nullopt : std::optional(found.keys.back().id);
  co_return page_response(request, std::move(items), next);
}

Task<Response> look(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto key, co_await needs.keys.get(request.param("id")));
  co_return json_response(view_of(key));
}

Task<Response> revoke(ApiNeeds& needs, Request& request) {
  CO_TRY_OK(co_await needs.keys.revoke(request.param("id"), request.principal.id));
  needs.authenticator.forget_keys();
  co_return Response();
}

}  // namespace

void add_key_routes(Router& router, ApiNeeds& needs) {
  add_declared(router,
               {.method = Method::post,
                .path = "/api/keys",
                .scope = "admin",
                .body = Body::json,
                .check = body_check(new_key_schema)},
               with(needs, create));
  add_declared(router, {.method = Method::get, .path = "/api/keys", .scope = "admin"},
               with(needs, list));
  add_declared(router, {.method = Method::get, .path = "/api/keys/{id}", .scope = "admin"},
               with(needs, look));
  add_declared(router, {.method = Method::del, .path = "/api/keys/{id}", .scope = "admin"},
               with(needs, revoke));
}

}  // namespace http
