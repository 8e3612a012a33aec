// Fleets put to work: one objective, a run of a workflow over their agents.
#include "bridge/base/limits.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"
#include "bridge/services/workflows/fleet_runs.h"

#include <fmt/format.h>

namespace http {

namespace {

using base::Task;

constexpr std::string_view orchestrate_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["objective"],
  "properties": {
    "objective": {"type": "string", "minLength": 1, "maxLength": 4000},
    "steps": {
      "type": "array",
      "maxItems": 100,
      "items": {
        "type": ["string", "object"],
        "minLength": 1,
        "maxLength": 4000,
        "additionalProperties": false,
        "required": ["task"],
        "properties": {
          "id": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,63}$"},
          "agent": {"type": "string", "minLength": 1, "maxLength": 200},
          "task": {"type": "string", "minLength": 1, "maxLength": 4000},
          "needs": {
            "type": "array",
            "maxItems": 100,
            "items": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,63}$"}
          }
        }
      }
    },
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  }
})json";

services::FleetStep step_in(const json::value& given) {
  if (given.is_string()) return {.task = std::string(given.get_string())};
  services::FleetStep step{
      .id = text_in(given, "id"), .agent = text_in(given, "agent"), .task = text_in(given, "task")};
  if (const auto* needs = given.get_object().if_contains("needs")) {
    step.needs.emplace();
    for (const auto& need : needs->get_array()) step.needs->emplace_back(need.get_string());
  }
  return step;
}

Task<Response> orchestrate(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto wait, request.wait());
  CO_TRY(auto key, idempotency_key(request));
  if (key.empty()) key = text_in(request.json, "idempotency_key");
  services::FleetPlan plan{.objective = text_in(request.json, "objective")};
  if (const auto* steps = request.json.get_object().if_contains("steps")) {
    for (const auto& step : steps->get_array()) plan.steps.push_back(step_in(step));
  }
  services::FleetRuns runs(needs.store, needs.workflows, needs.agents.settings().catalogue,
                           needs.timeline);
  auto begun = co_await runs.begin(caller_of(request.principal), request.param("category"),
                                   std::move(plan), std::move(key));
  if (!begun) co_return refusal_response(std::move(begun).error());
  auto view = std::move(begun->view);
  if (wait.count() > 0) {
    CO_TRY(view, co_await needs.workflows.wait(caller_of(request.principal), begun->run,
                                               needs.clock.now() + wait));
  }
  auto response = json_response(view, view.at("state") == "finished" ? 200 : 202);
  response.add("Location", "/api/gpt-workflows/runs/" + begun->run);
  if (begun->is_replay) response.add("Idempotency-Replayed", "true");
  if (wait.count() > 0 && !request.query_value("wait")) {
    response.add("Preference-Applied", fmt::format("wait={}", wait.count()));
  }
  co_return response;
}

}  // namespace

void add_orchestrate_routes(Router& router, ApiNeeds& needs) {
  add_declared(router,
               {.method = Method::post,
                .path = "/api/gpt-fleets/{category}/orchestrate",
                .scope = "workflows",
                .body = Body::json,
                .check = body_check(orchestrate_schema)},
               with(needs, orchestrate));
}

}  // namespace http
