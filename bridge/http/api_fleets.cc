// Fleets: looked at, sent on missions and called back.
#include "bridge/base/limits.h"
#include "bridge/http/api_agents.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"

#include <fmt/format.h>

namespace http {

namespace {

namespace agents = services::agents;
using base::Task;

constexpr std::string_view deploy_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["objective"],
  "properties": {
    "objective": {"type": "string", "minLength": 1, "maxLength": 4000},
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  }
})json";

constexpr std::string_view report_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "minProperties": 1,
  "properties": {
    "agent": {"type": "string", "minLength": 1, "maxLength": 200},
    "progress": {"type": "integer", "minimum": 0, "maximum": 100},
    "state": {"enum": ["working", "done", "failed"]},
    "note": {"type": "string", "maxLength": 4000}
  }
})json";

constexpr std::string_view nothing_schema = R"json({
  "type": ["object", "null"], "additionalProperties": false
})json";

std::string path_of(std::string_view key) { return fmt::format("/api/custom-gpt-fleets/{}", key); }

json::object view_of(const agents::Mission& mission) {
  json::array members;
  for (const auto& member : mission.members) {
    members.push_back(json::object{
        {"id", member.agent},
        {"slug", member.slug},
        {"name", member.name},
        {"state", agents::name(member.state)},
        {"progress", member.progress},
        {"note", member.note.empty() ? json::value(nullptr) : json::value(member.note)},
        {"changed", base::rfc3339(member.changed)}});
  }
  return {{"id", mission.id},
          {"category", mission.category},
          {"category_key", mission.category_key},
          {"objective", mission.objective},
          {"state", agents::name(mission.state)},
          {"progress", mission.progress()},
          {"members", std::move(members)},
          {"created", base::rfc3339(mission.created)},
          {"created_by", mission.creator},
          {"ended", time_or_null(mission.ended)},
          {"links", json::object{{"self", fmt::format("{}/missions/{}",
                                                      path_of(mission.category_key), mission.id)},
                                 {"fleet", path_of(mission.category_key)},
                                 {"events", "/api/events?subject=" + mission.id}}}};
}

json::object view_of(const ApiNeeds& needs, const agents::Fleet& fleet) {
  std::map<std::string_view, std::int64_t> statuses;
  std::map<std::string_view, std::int64_t> livenesses;
  for (const auto& agent : fleet.members) {
    ++statuses[agents::name(agent.status)];
    ++livenesses[agents::name(needs.agents.liveness(agent))];
  }
  const auto counts = [](const auto& counted) {
    json::object object;
    for (const auto& [name, count] : counted) object[name] = count;
    return object;
  };
  const bool is_known = needs.agents.settings().catalogue.ecosystem(fleet.key) != nullptr;
  return {{"category", fleet.category},
          {"key", fleet.key},
          {"ecosystem", is_known},
          {"purpose", fleet.purpose},
          {"size", fleet.members.size()},
          {"by_status", counts(statuses)},
          {"by_liveness", counts(livenesses)},
          {"mission", fleet.mission ? json::value(view_of(*fleet.mission)) : json::value(nullptr)},
          {"links", json::object{{"self", path_of(fleet.key)},
                                 {"missions", path_of(fleet.key) + "/missions"},
                                 {"agents", "/api/gpt-agents?category=" + fleet.key}}}};
}

Task<Response> list(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto fleets, co_await needs.fleets.list());
  json::array items;
  for (const auto& fleet : fleets) items.push_back(view_of(needs, fleet));
  CO_TRY(auto cut, page_from(request, items, "key"));
  co_return page_response(request, std::move(cut.items), cut.next);
}

Task<Response> look(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto fleet, co_await needs.fleets.get(request.param("category")));
  auto view = view_of(needs, fleet);
  json::array members;
  for (const auto& agent : fleet.members) members.push_back(agent_view(needs, agent));
  view["members"] = std::move(members);
  co_return json_response(view);
}

Task<Response> stats(ApiNeeds& needs, Request&) {
  CO_TRY(const auto found, co_await needs.fleets.stats());
  json::array fleets;
  std::size_t size = 0;
  std::int64_t deployed = 0;
  int progress = 0;
  std::int64_t empty = 0;
  for (const auto& fleet : found.fleets) {
    size += fleet.members.size();
    if (fleet.members.empty()) ++empty;
    deployed += std::ranges::count(fleet.members, agents::Status::deployed, &agents::Agent::status);
    if (fleet.mission) progress += fleet.mission->progress();
    fleets.push_back(json::object{
        {"category", fleet.category},
        {"key", fleet.key},
        {"size", fleet.members.size()},
        {"deployed",
         std::ranges::count(fleet.members, agents::Status::deployed, &agents::Agent::status)},
        {"mission_progress",
         fleet.mission ? json::value(fleet.mission->progress()) : json::value(nullptr)}});
  }
  json::object missions;
  for (const auto& [state, count] : found.missions) missions[state] = count;
  const auto running = found.missions.at("running");
  co_return json_response(json::object{
      {"total", found.fleets.size()},
      {"empty", empty},
      {"agents", size},
      {"deployed", deployed},
      {"missions", std::move(missions)},
      {"mean_progress", running > 0 ? json::value(progress / running) : json::value(nullptr)},
      {"fleets", std::move(fleets)}});
}

Task<Response> deploy(ApiNeeds& needs, Request& request) {
  const auto& category = request.param("category");
  CO_TRY(auto asked, asked_with(request, "category"));
  CO_TRY(const auto sent,
         co_await needs.fleets.deploy(caller_of(request.principal), category,
                                      text_in(request.json, "objective"),
                                      {std::move(asked.key), std::move(asked.hash)}));
  const auto view = view_of(sent.mission);
  auto response = json_response(view, 201);
  response.add("Location", text_in(view.at("links"), "self"));
  if (sent.is_replay) response.add("Idempotency-Replayed", "true");
  co_return response;
}

Task<Response> recall(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto mission,
         co_await needs.fleets.recall(caller_of(request.principal), request.param("category")));
  co_return json_response(view_of(mission));
}

Task<Response> missions(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto page, page_of(request));
  CO_TRY(const auto found,
         co_await needs.fleets.missions(request.param("category"), page.after, page.limit));
  json::array items;
  for (const auto& mission : found.missions) items.push_back(view_of(mission));
  const auto next = found.is_end ? std::nullopt : std::optional(found.missions.back().id);
  co_return page_response(request, std::move(items), next);
}

Task<Response> mission(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto found,
         co_await needs.fleets.mission(request.param("category"), request.param("mission")));
  co_return json_response(view_of(found));
}

Task<Response> report(ApiNeeds& needs, Request& request) {
  const auto& body = request.json.get_object();
  agents::Report said;
  if (const auto* progress = body.if_contains("progress")) {
    said.progress = progress->to_number<int>();
  }
  if (body.contains("state")) said.state = agents::member_state_of(text_in(body, "state"));
  if (body.contains("note")) said.note = text_in(body, "note");
  CO_TRY(const auto mission,
         co_await needs.fleets.report(caller_of(request.principal), request.param("category"),
                                      request.param("mission"), text_in(body, "agent"),
                                      std::move(said)));
  co_return json_response(view_of(mission));
}

}  // namespace

void add_fleet_routes(Router& router, ApiNeeds& needs) {
  const auto add = [&](Method method, std::string path, std::string scope, Act act,
                       Body body = Body::none, std::string_view schema = {}) {
    Route route{.method = method,
                .path = "/api/custom-gpt-fleets" + std::move(path),
                .scope = std::move(scope),
                .body = body};
    if (!schema.empty()) route.check = body_check(schema);
    add_declared(router, std::move(route), with(needs, act));
  };
  add(Method::get, "", "agents:read", list);
  add(Method::get, "/stats", "agents:read", stats);
  add(Method::get, "/{category}", "agents:read", look);
  add(Method::post, "/{category}/deploy", "agents:write", deploy, Body::json, deploy_schema);
  add(Method::post, "/{category}/recall", "agents:write", recall, Body::optional, nothing_schema);
  add(Method::get, "/{category}/missions", "agents:read", missions);
  add(Method::get, "/{category}/missions/{mission}", "agents:read", mission);
  add(Method::post, "/{category}/missions/{mission}/progress", "agents:write", report, Body::json,
      report_schema);
}

}  // namespace http
