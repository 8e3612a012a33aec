#include "bridge/services/workflows/fleet_runs.h"

#include <algorithm>

#include <fmt/format.h>

namespace services {

namespace asio = boost::asio;
namespace json = boost::json;
namespace rows = workflow_rows;
using agents::Agent;
using base::Code;
using base::Result;
using protocol::Refusal;
using protocol::Violation;

namespace {

struct Drawn {
  json::object document;
  std::vector<Violation> violations;  // of the steps that were asked for
};

json::object with_answers(json::object jobs, json::object answers) {
  return {{"description", "Made by the bridge: a fleet's agents on one objective."},
          {"inputs",
           json::object{{"objective", json::object{{"type", "string"}}},
                        {"tasks", json::object{{"type", "array"}, {"default", json::array()}}}}},
          {"jobs", std::move(jobs)},
          {"outputs", json::object{{"answers", std::move(answers)}}}};
}

std::string output_of(std::string_view job) {
  return fmt::format("${{{{ jobs.{}.outputs.text }}}}", job);
}

// Everybody at one time.
Drawn all_at_once(const std::vector<const Agent*>& active) {
  json::object jobs;
  json::object answers;
  for (std::size_t i = 0; i < active.size(); ++i) {
    const std::string id = fmt::format("part_{}", i + 1);
    jobs[id] = json::object{{"uses", "gpt/" + active[i]->slug},
                            {"with", json::object{{"query", "${{ inputs.objective }}"}}}};
    answers[active[i]->slug] = output_of(id);
  }
  return {with_answers(std::move(jobs), std::move(answers)), {}};
}

// What people wrote is an input and no part of the definition: no text of theirs is an expression.
Drawn in_steps(store::Tx& tx, const agents::Fleet& fleet, const std::vector<const Agent*>& active,
               const std::vector<FleetStep>& steps) {
  Drawn drawn;
  json::object jobs;
  json::object answers;
  std::string before;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& step = steps[i];
    const std::string pointer = fmt::format("/steps/{}", i);
    std::string id = step.id.empty() ? fmt::format("step_{}", i + 1) : step.id;
    std::string agent;
    if (step.agent.empty()) {
      agent = active[i % active.size()]->slug;
    } else if (const auto named = agents::find(tx, step.agent);
               named && std::ranges::count(fleet.members, named->id, &Agent::id) > 0) {
      agent = named->slug;
    } else {
      drawn.violations.push_back(
          {pointer + "/agent", "agent", fmt::format("is not in the fleet {}", fleet.category)});
    }
    if (jobs.contains(id)) {
      drawn.violations.push_back({pointer + "/id", "unique", "another step has it"});
    }
    std::vector<std::string> needs = step.needs.value_or(
        before.empty() ? std::vector<std::string>() : std::vector<std::string>{before});
    std::string context = "The objective of all: ${{ inputs.objective }}";
    for (const auto& need : needs) {
      context += fmt::format("\n\n{} gave:\n{}", need, output_of(need));
    }
    jobs[id] =
        json::object{{"uses", "gpt/" + agent},
                     {"needs", json::array(needs.begin(), needs.end())},
                     {"with", json::object{{"query", fmt::format("${{{{ inputs.tasks[{}] }}}}", i)},
                                           {"context", std::move(context)}}}};
    answers[id] = output_of(id);
    before = std::move(id);
  }
  drawn.document = with_answers(std::move(jobs), std::move(answers));
  return drawn;
}

// What is wrong with "/jobs/b/needs/0" is wrong with "/steps/1/needs/0".
std::vector<Violation> of_steps(std::vector<Violation> violations, const json::object& document) {
  const auto& jobs = document.at("jobs").as_object();
  for (auto& violation : violations) {
    std::size_t number = 0;
    for (const auto& [id, job] : jobs) {
      const std::string place = "/jobs/" + std::string(id);
      const auto& pointer = violation.pointer;
      if (pointer == place || pointer.starts_with(place + "/")) {
        violation.pointer = fmt::format("/steps/{}{}", number, pointer.substr(place.size()));
        break;
      }
      ++number;
    }
  }
  return violations;
}

Workflows::Begun refused(std::vector<Violation> violations) {
  std::string message = "orchestrate fleet: " + to_line(violations.front());
  return {.refusal =
              Refusal{{Code::invalid, std::move(message), "invalid"}, std::move(violations)}};
}

}  // namespace

Result<Workflows::Begun> FleetRuns::begin(store::Tx& tx, const Caller& caller,
                                          const std::string& category, const FleetPlan& plan,
                                          const rows::Request& asked,
                                          const engine::Now& now) const {
  // A request that came before is answered whatever has become of the fleet.
  TRY(const auto known, rows::run_of_request(tx, asked));
  if (known) return Workflows::Begun{.run = known->id, .is_replay = true};
  TRY_OK(room_for_new(store_));
  TRY(const auto fleet, agents::fleet(tx, catalogue_, category));
  TRY_OK(agents::check_manned(fleet));
  std::vector<const Agent*> active;
  for (const auto& agent : fleet.members) {
    const bool is_active =
        agent.status == agents::Status::active || agent.status == agents::Status::deployed;
    if (is_active) active.push_back(&agent);
  }
  if (active.empty()) {
    return base::fail(
        Code::conflict,
        fmt::format("orchestrate fleet {}: none of its members is active", fleet.category),
        "no_active_member");
  }
  auto drawn = plan.steps.empty() ? all_at_once(active) : in_steps(tx, fleet, active, plan.steps);
  if (!drawn.violations.empty()) return refused(std::move(drawn.violations));
  drawn.document["name"] = "fleet";
  auto definition = workflow::Definition::from_json(drawn.document);
  if (!definition) {
    return refused(of_steps(std::move(definition).error().violations, drawn.document));
  }
  // No definition of anybody's may be called so.
  definition->name = "fleet:" + fleet.key;
  definition->document["name"] = definition->name;
  json::array tasks;
  for (const auto& step : plan.steps) tasks.push_back(json::value(step.task));
  return workflows_.execute_own(
      tx, caller, *definition,
      json::object{{"objective", plan.objective}, {"tasks", std::move(tasks)}}, asked, now);
}

asio::awaitable<protocol::Checked<Workflows::Executed>> FleetRuns::begin(Caller caller,
                                                                         std::string category,
                                                                         FleetPlan plan,
                                                                         std::string request) {
  json::array steps;
  for (const auto& step : plan.steps) {
    json::value needs;
    if (step.needs) needs = json::array(step.needs->begin(), step.needs->end());
    steps.push_back(json::array{step.id, step.agent, step.task, std::move(needs)});
  }
  const auto asked = request_of(caller, std::move(request),
                                json::array{"fleet", category, plan.objective, std::move(steps)});
  const auto now = timeline_.now();
  const Caller asker = caller;
  auto made = co_await store_.write(
      [this, caller = std::move(caller), category, plan = std::move(plan), asked,
       now](store::Tx& tx) { return begin(tx, caller, category, plan, asked, now); });
  if (!made) co_return std::unexpected(Refusal{std::move(made).error(), {}});
  if (made->refusal) co_return std::unexpected(*std::move(made->refusal));
  auto view = co_await workflows_.run(asker, made->run);
  if (!view) co_return std::unexpected(Refusal{std::move(view).error(), {}});
  co_return Workflows::Executed{*std::move(view), made->run, made->is_replay};
}

}  // namespace services
