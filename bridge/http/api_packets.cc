// Packets: handed in, looked at, and what a person decides about them.
#include "bridge/base/limits.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"
#include "bridge/protocol/packet.h"

#include <charconv>

#include <fmt/format.h>

namespace http {

namespace {

using base::Code;
using base::Result;
using base::Task;

constexpr std::string_view note_schema = R"json({
  "type": ["object", "null"],
  "additionalProperties": false,
  "properties": {"note": {"type": "string", "maxLength": 4096}}
})json";

constexpr std::string_view nothing_schema = R"json({
  "type": ["object", "null"], "additionalProperties": false
})json";

constexpr std::string_view resolve_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["verdict"],
  "properties": {
    "verdict": {"enum": ["sent", "not-sent", "abandon"]},
    "note": {"type": "string", "maxLength": 4096}
  }
})json";

engine::State state_of(const json::object& view) {
  const auto state = engine::state_named(std::string_view(view.at("state").as_string()));
  BRIDGE_ASSERT(state);
  return *state;
}

// A job as the API shows it: every member of the contract, and where to go from here.
json::object shown(const ApiNeeds& needs, json::object view) {
  for (const std::string_view name : {"response", "error", "position"}) {
    if (!view.contains(name)) view[name] = nullptr;
  }
  if (!view.contains("warnings")) view["warnings"] = json::array();
  view["eta"] = nullptr;
  if (const auto* wait = view.if_contains("eta_seconds")) {
    const std::chrono::duration<double> until_start(wait->to_number<double>());
    view["eta"] = base::rfc3339(needs.clock.wall() +
                                std::chrono::duration_cast<std::chrono::milliseconds>(until_start));
  }
  const std::string_view id = view.at("id").as_string();
  const auto self = fmt::format("/api/packets/{}", id);
  json::object links(view.storage());
  links.reserve(7);
  links.emplace("self", self);
  for (const std::string_view way : {"response", "raw", "cancel", "retry", "resolve"}) {
    links.emplace(way, fmt::format("{}/{}", self, way));
  }
  links.emplace("events", fmt::format("/api/events?subject={}", id));
  view["links"] = std::move(links);
  return view;
}

// Tells a caller who preferred to wait that the wish was heard (RFC 7240).
void add_preference(const Request& request, std::chrono::seconds wait, Response& response) {
  if (wait.count() == 0 || request.query_value("wait")) return;
  response.add("Preference-Applied", fmt::format("wait={}", wait.count()));
}

Result<services::SubmitOptions> submit_options(const Request& request, std::string key) {
  services::SubmitOptions options{.key = std::move(key)};
  TRY(const auto deadline,
      request.query_number("deadline_seconds", 1, limits::packet_deadline_max.count()));
  if (deadline) options.deadline = std::chrono::seconds(*deadline);
  if (const auto priority = request.query_value("priority")) {
    if (priority->size() != 2 || !priority->starts_with('P') || (*priority)[1] < '0' ||
        (*priority)[1] >= '0' + engine::bands) {
      return base::fail(Code::invalid, "query parameter priority: must be P0, P1, P2 or P3",
                        "invalid_query");
    }
    options.band = (*priority)[1] - '0';
  }
  return options;
}

Task<Response> submit(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto wait, request.wait());
  CO_TRY(const auto key, idempotency_key(request));
  CO_TRY(auto options, submit_options(request, key));
  auto submitted = co_await needs.packets.submit(caller_of(request.principal),
                                                 std::move(request.json), std::move(options));
  if (!submitted) {
    co_return refusal_response(std::move(submitted).error());
  }

  auto view = std::move(submitted->view);
  if (wait.count() > 0 && !engine::is_final(state_of(view))) {
    CO_TRY(view, co_await needs.packets.wait(submitted->id, needs.clock.now() + wait));
  }
  const bool is_finished = engine::is_final(state_of(view));
  auto response = json_response(shown(needs, std::move(view)), is_finished ? 200 : 202);
  response.add("Location", fmt::format("/api/packets/{}", submitted->id.text));
  if (submitted->is_replay) response.add("Idempotency-Replayed", "true");
  add_preference(request, wait, response);
  co_return response;
}

services::Packets::Sender sender_of(const Principal& bound) {
  return {.name = bound.agent, .agent_id = bound.agent_id};
}

// The packet that the path names. A caller who is bound to an agent knows only that agent's.
Task<engine::JobId> named(ApiNeeds& needs, const Request& request) {
  const std::string& prefix = request.param("id");
  CO_TRY(auto id, co_await needs.packets.find(prefix));
  if (!request.principal.agent.empty()) {
    CO_TRY(const bool is_own, co_await needs.packets.is_of(id, sender_of(request.principal)));
    if (!is_own) {
      co_return base::fail(Code::not_found, fmt::format("find packet {}: there is none", prefix));
    }
  }
  co_return id;
}

// The same, or, for people, what else waits for their word.
Task<engine::JobId> named_or_held(ApiNeeds& needs, const Request& request) {
  if (!request.principal.agent.empty()) co_return co_await named(needs, request);
  co_return co_await needs.packets.find_to_decide(request.param("id"));
}

Task<Response> look(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto wait, request.wait());
  CO_TRY(auto id, co_await named_or_held(needs, request));
  CO_TRY(auto view, co_await needs.packets.wait(std::move(id), needs.clock.now() + wait));
  auto response = json_response(shown(needs, std::move(view)));
  add_preference(request, wait, response);
  co_return response;
}

Task<Response> response_alone(ApiNeeds& needs, Request& request) {
  CO_TRY(auto id, co_await named(needs, request));
  CO_TRY(const auto reply, co_await needs.packets.response(std::move(id)));
  co_return json_response(reply);
}

Task<Response> raw(ApiNeeds& needs, Request& request) {
  CO_TRY(auto id, co_await named(needs, request));
  CO_TRY(auto text, co_await needs.packets.raw(std::move(id)));
  co_return text_response(std::move(text), "text/plain; charset=utf-8");
}

Result<engine::Filter> filter_of(const Request& request) {
  engine::Filter filter;
  if (const auto word = request.query_value("state")) {
    filter.state = engine::state_named(*word);
    if (!filter.state) {
      return base::fail(Code::invalid, fmt::format("query parameter state: \"{}\" is none", *word),
                        "invalid_query");
    }
  }
  filter.sender = request.query_value("sender").value_or("");
  filter.subject = request.query_value("bead").value_or("");
  return filter;
}

Task<Response> list(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto page, page_of(request));
  CO_TRY(auto filter, filter_of(request));
  std::optional<services::Packets::Sender> who;
  if (!request.principal.agent.empty()) who = sender_of(request.principal);
  std::optional<std::int64_t> before;
  if (!page.after.empty()) {
    std::int64_t number = 0;
    const auto end = page.after.data() + page.after.size();
    if (std::from_chars(page.after.data(), end, number).ptr != end) {
      co_return base::fail(Code::invalid, "query parameter cursor: it is of another list",
                           "invalid_query");
    }
    before = number;
  }
  CO_TRY(auto found, co_await needs.packets.list(std::move(filter), before,
                                                 static_cast<int>(page.limit), std::move(who)));
  for (auto& item : found.items) {
    auto& object = item.as_object();
    object["links"] = json::object{
        {"self", fmt::format("/api/packets/{}", std::string_view(object.at("id").as_string()))}};
  }
  const auto next = found.cursor ? std::optional(std::to_string(*found.cursor)) : std::nullopt;
  co_return page_response(request, std::move(found.items), next);
}

Task<Response> cancel(ApiNeeds& needs, Request& request) {
  CO_TRY(auto id, co_await named(needs, request));
  CO_TRY(auto view, co_await needs.packets.cancel(std::move(id), text_in(request.json, "note"),
                                                  request.principal.id));
  co_return json_response(shown(needs, std::move(view)));
}

Task<Response> retry(ApiNeeds& needs, Request& request) {
  CO_TRY(auto id, co_await named(needs, request));
  CO_TRY(auto view, co_await needs.packets.retry(std::move(id), request.principal.id));
  co_return json_response(shown(needs, std::move(view)));
}

Task<Response> resolve(ApiNeeds& needs, Request& request) {
  const auto verdict = engine::verdict_named(text_in(request.json, "verdict"));
  BRIDGE_ASSERT(verdict);  // the body was checked
  if (!request.principal.agent.empty()) {
    co_return base::fail(Code::denied, "resolve a packet: only a person may", "not_a_person");
  }
  CO_TRY(auto id, co_await needs.packets.find_to_decide(request.param("id")));
  CO_TRY(auto view,
         co_await needs.packets.resolve(std::move(id), *verdict, text_in(request.json, "note"),
                                        request.principal.id));
  co_return json_response(shown(needs, std::move(view)));
}

Task<Response> validate(ApiNeeds& needs, Request& request) {
  json::object verdict{{"valid", true}, {"errors", json::array()}};
  auto checked = protocol::check_message(request.json, needs.types);
  if (checked) {
    verdict["msg_type"] = *checked;
    if (const auto packet = protocol::Packet::from_json(request.json, needs.types)) {
      const auto advice = protocol::advice_on(*packet);
      verdict["warnings"] = json::array(advice.begin(), advice.end());
    }
    co_return json_response(verdict);
  }
  verdict["valid"] = false;
  verdict["code"] = checked.error().reason;
  auto errors = errors_of(checked.error());
  if (errors.empty()) errors = {{"", checked.error().reason, checked.error().message}};
  for (auto& error : errors) {
    verdict["errors"].get_array().push_back(json::object{
        {"pointer", error.pointer}, {"keyword", error.keyword}, {"detail", error.detail}});
  }
  co_return json_response(verdict);
}

}  // namespace

void add_packet_routes(Router& router, ApiNeeds& needs) {
  const auto add = [&](Method method, std::string path, Act act, Body body = Body::none,
                       std::string_view schema = {}, std::string scope = "packets") {
    Route route{.method = method,
                .path = "/api/packets" + std::move(path),
                .scope = std::move(scope),
                .body = body};
    if (!schema.empty()) route.check = body_check(schema);
    add_declared(router, std::move(route), with(needs, act));
  };
  add_declared(router,
               {.method = Method::post,
                .path = "/api/packets",
                .scope = "packets",
                .body = Body::json,
                .body_schema = "RequestPacket"},
               with(needs, submit));
  add(Method::get, "", list);
  add(Method::post, "/validate", validate, Body::json);
  add(Method::get, "/{id}", look);
  add(Method::get, "/{id}/response", response_alone);
  add(Method::get, "/{id}/raw", raw);
  add(Method::post, "/{id}/cancel", cancel, Body::optional, note_schema);
  add(Method::post, "/{id}/retry", retry, Body::optional, nothing_schema);
  // Only a person knows what became of a message that the bridge has lost sight of.
  add(Method::post, "/{id}/resolve", resolve, Body::json, resolve_schema, "approve");
}

}  // namespace http
