// Schedules: made, looked at, paused and run by people.
#include "bridge/base/limits.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"

#include <fmt/format.h>

namespace http {

namespace {

using base::Task;

constexpr std::string_view new_schedule_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
    "cron": {"type": "string", "minLength": 1, "maxLength": 1000},
    "interval": {"type": "string", "minLength": 1, "maxLength": 100},
    "time_zone": {"type": "string", "minLength": 1, "maxLength": 64},
    "packet": {"type": "object"},
    "workflow": {"type": "string", "minLength": 1, "maxLength": 128},
    "inputs": {"type": "object"},
    "session_check": {"const": true},
    "priority": {"enum": ["P0", "P1", "P2", "P3"]},
    "deadline_seconds": {"type": "integer", "minimum": 1, "maximum": 2678400},
    "paused": {"type": "boolean"},
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  }
})json";

constexpr std::string_view run_schema = R"json({
  "type": ["object", "null"],
  "additionalProperties": false,
  "properties": {"idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}}
})json";

constexpr std::string_view resume_schema = R"json({
  "type": ["object", "null"],
  "additionalProperties": false,
  "properties": {"newest_version": {"type": "boolean"}}
})json";

constexpr std::string_view nothing_schema = R"json({
  "type": ["object", "null"], "additionalProperties": false
})json";

// What no schema says in words that help.
std::vector<BodyError> choices(const json::value& body) {
  std::vector<BodyError> errors;
  const auto has = [&](std::string_view name) { return body.get_object().contains(name); };
  const auto one_of = [&](std::string_view a, std::string_view b, std::string_view what) {
    if (has(a) == has(b)) {
      errors.push_back({"", "oneOf", fmt::format("{}: give one of \"{}\" and \"{}\"", what, a, b)});
    }
  };
  one_of("cron", "interval", "when");
  const int whats = has("packet") + has("workflow") + has("session_check");
  if (whats != 1) {
    errors.push_back(
        {"", "oneOf", R"(what: give one of "packet", "workflow" and "session_check")"});
  }
  const auto only_with = [&](std::string_view name, std::string_view other) {
    if (has(name) && !has(other)) {
      errors.push_back({"/" + std::string(name), "dependentRequired",
                        fmt::format("means something only with \"{}\"", other)});
    }
  };
  only_with("time_zone", "cron");
  only_with("priority", "packet");
  only_with("deadline_seconds", "packet");
  only_with("inputs", "workflow");
  return errors;
}

constexpr std::string_view runs_path = "/api/gpt-workflows/runs/";

json::object view_of(const services::ScheduleRun& run) {
  json::object view{{"number", run.number},
                    {"due", base::rfc3339(run.due)},
                    {"started", base::rfc3339(run.started)},
                    {"outcome", run.outcome},
                    {"job", text_or_null(run.job)},
                    {"workflow_run", text_or_null(run.flow)},
                    {"detail", text_or_null(run.detail)}};
  if (!run.job.empty()) view["links"] = json::object{{"packet", "/api/packets/" + run.job}};
  if (!run.flow.empty())
    view["links"] = json::object{{"run", fmt::format("{}{}", runs_path, run.flow)}};
  return view;
}

json::object view_of(const services::Schedule& schedule) {
  constexpr std::string_view every = "every ";
  const std::string_view rule = schedule.rule;
  const bool is_interval = rule.starts_with(every);
  const std::string self = "/api/schedules/" + schedule.id;
  return {{"id", schedule.id},
          {"name", text_or_null(schedule.name)},
          {"cron", text_or_null(is_interval ? "" : rule)},
          {"interval", text_or_null(is_interval ? rule.substr(every.size()) : "")},
          {"time_zone", text_or_null(is_interval ? "" : schedule.zone)},
          {"does", schedule.flow     ? "workflow"
                   : schedule.packet ? "packet"
                                     : "session_check"},
          {"workflow", text_or_null(schedule.flow ? schedule.flow->workflow : "")},
          {"workflow_version",
           schedule.flow ? json::value(schedule.flow->version) : json::value(nullptr)},
          {"priority", fmt::format("P{}", schedule.band)},
          {"deadline_seconds",
           schedule.patience ? json::value(schedule.patience->count()) : json::value(nullptr)},
          {"paused", schedule.is_paused},
          {"created", base::rfc3339(schedule.created)},
          {"created_by", schedule.creator},
          {"next_run", time_or_null(schedule.next)},
          {"runs", schedule.runs},
          {"last_run", schedule.last ? json::value(view_of(*schedule.last)) : json::value(nullptr)},
          {"links", json::object{{"self", self},
                                 {"run", self + "/run"},
                                 {"pause", self + "/pause"},
                                 {"resume", self + "/resume"},
                                 {"events", "/api/events?subject=" + schedule.id}}}};
}

json::object with_packet(const services::Schedule& schedule) {
  auto view = view_of(schedule);
  view["packet"] = schedule.packet ? json::value(*schedule.packet) : json::value(nullptr);
  view["inputs"] = schedule.flow ? json::value(schedule.flow->inputs) : json::value(nullptr);
  return view;
}

Task<Response> create(ApiNeeds& needs, Request& request) {
  CO_TRY(auto keyed, asked_with(request));
  const auto& body = request.json.get_object();
  services::NewSchedule asked{.name = text_in(body, "name"),
                              .cron = text_in(body, "cron"),
                              .interval = text_in(body, "interval"),
                              .request = std::move(keyed.key),
                              .request_hash = std::move(keyed.hash)};
  if (const auto zone = text_in(body, "time_zone"); !zone.empty()) asked.zone = zone;
  if (const auto* packet = body.if_contains("packet")) asked.packet = *packet;
  if (const auto workflow = text_in(body, "workflow"); !workflow.empty()) {
    asked.flow = services::WorkflowCall{.workflow = workflow};
    if (const auto* inputs = body.if_contains("inputs")) asked.flow->inputs = inputs->get_object();
  }
  if (const auto band = text_in(body, "priority"); !band.empty()) asked.band = band[1] - '0';
  if (const auto* seconds = body.if_contains("deadline_seconds")) {
    asked.patience = std::chrono::seconds(seconds->to_number<std::int64_t>());
  }
  const auto* paused = body.if_contains("paused");
  asked.is_paused = paused && paused->get_bool();
  auto created = co_await needs.schedules.create(caller_of(request.principal), std::move(asked));
  if (!created) co_return refusal_response(std::move(created).error());
  auto response = json_response(with_packet(created->schedule), 201);
  response.add("Location", "/api/schedules/" + created->schedule.id);
  if (created->is_replay) response.add("Idempotency-Replayed", "true");
  co_return response;
}

Task<Response> list(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto page, page_of(request));
  CO_TRY(const auto found, co_await needs.schedules.list(page.after, page.limit));
  json::array items;
  for (const auto& schedule : found.schedules) items.push_back(view_of(schedule));
  const auto next = found.is_end ? std::nullopt : std::optional(found.schedules.back().id);
  co_return page_response(request, std::move(items), next);
}

Task<Response> look(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto schedule, co_await needs.schedules.get(request.param("id")));
  CO_TRY(const auto runs, co_await needs.schedules.runs(schedule.id, limits::schedule_runs_kept));
  auto view = with_packet(schedule);
  json::array recent;
  for (const auto& run : runs) recent.push_back(view_of(run));
  view["recent_runs"] = std::move(recent);
  co_return json_response(view);
}

Task<Response> pause(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto schedule,
         co_await needs.schedules.pause(request.param("id"), request.principal.id));
  co_return json_response(view_of(schedule));
}

Task<Response> resume(ApiNeeds& needs, Request& request) {
  using Version = services::Schedules::Version;
  const auto* body = request.json.if_object();
  const auto* newest = body ? body->if_contains("newest_version") : nullptr;
  const auto version = newest && newest->get_bool() ? Version::newest : Version::kept;
  CO_TRY(const auto schedule, co_await needs.schedules.resume(
                                  request.param("id"), caller_of(request.principal), version));
  co_return json_response(view_of(schedule));
}

Task<Response> run(ApiNeeds& needs, Request& request) {
  CO_TRY(auto asked, asked_with(request));
  CO_TRY(const auto ran, co_await needs.schedules.run_now(request.param("id"), std::move(asked.key),
                                                          request.principal.id));
  const auto& started = ran.run;
  auto response = json_response(view_of(started), 202);
  if (!started.job.empty()) response.add("Location", "/api/packets/" + started.job);
  if (!started.flow.empty()) response.add("Location", fmt::format("{}{}", runs_path, started.flow));
  if (ran.is_replay) response.add("Idempotency-Replayed", "true");
  co_return response;
}

Task<Response> remove(ApiNeeds& needs, Request& request) {
  CO_TRY_OK(co_await needs.schedules.remove(request.param("id"), request.principal.id));
  co_return Response();
}

}  // namespace

// What runs by itself for months is an operator's business.
void add_schedule_routes(Router& router, ApiNeeds& needs) {
  const auto add = [&](Method method, std::string path, Act act, Body body = Body::none,
                       std::function<std::vector<BodyError>(const json::value&)> check = {}) {
    add_declared(router,
                 {.method = method,
                  .path = "/api/schedules" + std::move(path),
                  .scope = "admin",
                  .body = body,
                  .check = std::move(check)},
                 with(needs, act));
  };
  add(Method::post, "", create, Body::json, body_check(new_schedule_schema, choices));
  add(Method::get, "", list);
  add(Method::get, "/{id}", look);
  add(Method::del, "/{id}", remove);
  add(Method::post, "/{id}/pause", pause, Body::optional, body_check(nothing_schema));
  add(Method::post, "/{id}/resume", resume, Body::optional, body_check(resume_schema));
  add(Method::post, "/{id}/run", run, Body::optional, body_check(run_schema));
}

}  // namespace http
