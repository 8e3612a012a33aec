#include "bridge/services/workflows/run_world.h"

#include "bridge/services/workflows/template.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace services {

namespace json = boost::json;
namespace rows = workflow_rows;
using base::Code;
using base::Result;
using workflow::Step;
using workflow::StepError;
using workflow::StepState;

namespace {

constexpr std::string_view principal_prefix = "workflow:";
// Payloads and outputs must be readable again, wrapped as they are.
constexpr std::size_t depth_max = 40;

std::size_t depth_of(const json::value& value) {
  std::size_t deepest = 0;
  if (const auto* list = value.if_array()) {
    for (const auto& item : *list) deepest = std::max(deepest, depth_of(item));
    return deepest + 1;
  }
  if (const auto* object = value.if_object()) {
    for (const auto& [key, member] : *object) deepest = std::max(deepest, depth_of(member));
    return deepest + 1;
  }
  return 0;
}

// An error that says something about the step, not about the store.
bool is_about_step(const base::Error& error) {
  static constexpr std::array<std::string_view, 4> constraints = {"unique", "check", "foreign_key",
                                                                  "not_null"};
  if (std::ranges::find(constraints, error.reason) != constraints.end()) return false;
  return error.code == Code::invalid || error.code == Code::denied ||
         error.code == Code::not_found || error.code == Code::conflict;
}

StepError step_error(const base::Error& error) {
  return {error.reason.empty() ? std::string(base::name(error.code)) : error.reason, error.message};
}

}  // namespace

std::string principal_of_run(std::string_view run) {
  return fmt::format("{}{}", principal_prefix, run);
}
std::string key_of_attempt(std::size_t step, int attempt) {
  return fmt::format("{}:{}", step, attempt);
}
std::string bell_of_run(std::string_view run) { return fmt::format("run:{}", run); }

std::optional<rows::Due> step_of_job(const engine::Job& job) {
  if (!job.principal.starts_with(principal_prefix)) return std::nullopt;
  rows::Due found{.run = job.principal.substr(principal_prefix.size())};
  const char* end = job.key.data() + job.key.size();
  const auto read = std::from_chars(job.key.data(), end, found.step);
  if (read.ec != std::errc() || read.ptr == end || *read.ptr != ':') return std::nullopt;
  return found;
}

RunWorld::RunWorld(store::Tx& tx, const Parts& parts, const engine::Now& now, rows::Run run,
                   std::string actor)
    : tx_(tx), parts_(parts), now_(now), run_(std::move(run)), actor_(std::move(actor)) {
  about_ = {{"id", run_.id},
            {"workflow", run_.workflow_name},
            {"version", run_.version},
            {"created", base::rfc3339(run_.created)}};
}

void RunWorld::use_new_steps(std::vector<Step> steps) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    slots_[i].now.waiting = static_cast<int>(steps[i].needs.size());
    plans_.emplace(i, std::move(steps[i]));
  }
}

Result<> RunWorld::load_all() {
  TRY(auto states, rows::states(tx_, run_.id));
  for (std::size_t i = 0; i < states.size(); ++i) slots_.try_emplace(i, states[i], states[i]);
  TRY(auto plans, rows::plans(tx_, run_.workflow, run_.version));
  for (std::size_t i = 0; i < plans.size(); ++i) plans_.try_emplace(i, std::move(plans[i]));
  return {};
}

Result<StepState*> RunWorld::state(std::size_t step) {
  const auto found = slots_.find(step);
  if (found != slots_.end()) return &found->second.now;
  BRIDGE_ASSERT(step < steps());
  TRY(auto kept, rows::state(tx_, run_.id, step));
  return &slots_.emplace(step, Slot{kept, kept}).first->second.now;
}

Result<const Step*> RunWorld::plan(std::size_t step) {
  const auto found = plans_.find(step);
  if (found != plans_.end()) return &found->second;
  TRY(auto plan, rows::plan(tx_, run_.workflow, run_.version, step));
  return &plans_.emplace(step, std::move(plan)).first->second;
}

// ---- expressions

Result<json::value> RunWorld::known_job(std::size_t step, std::size_t& room) {
  TRY(const auto* state, this->state(step));
  json::object job{{"result", nullptr}, {"outputs", json::object()}, {"error", nullptr}};
  if (state->outcome) job["result"] = workflow::name(*state->outcome);
  if (state->error && state->outcome != workflow::Outcome::success) {
    job["error"] = json::object{{"code", state->error->code}, {"detail", state->error->detail}};
  }
  if (state->outcome != workflow::Outcome::success) return job;
  TRY(const auto outputs, rows::step_outputs(tx_, run_.id, step));
  if (!outputs) return job;
  if (outputs->size() > room) {
    return base::fail(Code::invalid, ": what it reads of other jobs is too much", "too_big");
  }
  room -= outputs->size();
  TRY(job["outputs"], rows::parsed_outputs(*outputs));
  return job;
}

Result<json::value> RunWorld::evaluate(const std::vector<std::size_t>& reads, bool reads_inputs,
                                       const workflow::Situation& situation,
                                       const Evaluation& work) {
  static const json::object nothing;
  if (reads_inputs && !inputs_) {
    TRY(inputs_, rows::inputs(tx_, run_.id));
  }
  json::object jobs;
  std::size_t room = limits::step_reads_bytes_max;
  for (const auto number : reads) {
    TRY(const auto* plan, this->plan(number));
    TRY(jobs[plan->id], known_job(number, room));
  }
  return work({inputs_ ? *inputs_ : nothing, jobs, about_, situation});
}

Result<workflow::World::Asked> RunWorld::asks(std::size_t step,
                                              const workflow::Situation& situation) {
  TRY(const auto* plan, this->plan(step));
  if (plan->condition.empty()) return Asked(situation.is_success());
  const auto value =
      evaluate(plan->reads, plan->reads_inputs, situation,
               [&](const workflow::Known& known) -> Result<json::value> {
                 TRY(const auto condition, workflow::parse_condition(plan->condition));
                 const bool may_run = condition.asks_status() || situation.is_success();
                 if (!may_run) return false;
                 workflow::Budget budget;
                 return condition.evaluate(known, budget);
               });
  if (value) return Asked(workflow::is_true(*value));
  if (!is_about_step(value.error())) return std::unexpected(value.error());
  return Asked(std::unexpected(StepError{value.error().reason, "if: " + value.error().message}));
}

Result<std::string> RunWorld::text_of(std::size_t step, std::string_view text) {
  TRY(const auto* plan, this->plan(step));
  TRY(const auto value,
      evaluate(plan->reads, plan->reads_inputs, {}, [&](const workflow::Known& known) {
        workflow::Budget budget;
        return workflow::fill(json::value(text), known, budget);
      }));
  return workflow::as_text(value);
}

// ---- jobs

Result<engine::NewJob> RunWorld::job_of(const Step& step, json::value with) {
  if (depth_of(with) > depth_max) {
    return base::fail(Code::invalid, "/with is nested too deep with what the other jobs gave",
                      "too_big");
  }
  const auto kind = parts_.kinds.find(step.kind);
  if (kind == parts_.kinds.end()) {
    return base::fail(Code::invalid, fmt::format("nothing here does {}", step.uses()),
                      "unknown_service");
  }
  return kind->second.job_of(tx_, {.run = run_.id,
                                   .step = step.id,
                                   .target = step.target,
                                   .with = std::move(with.as_object()),
                                   .caller = {.principal = principal_of_run(run_.id),
                                              .name = run_.sender,
                                              .may_send_for_others = run_.may_send_for_others,
                                              .agent = run_.agent},
                                   .now = now_});
}

Result<workflow::World::Submitted> RunWorld::submit(std::size_t step,
                                                    std::optional<base::WallTime> not_before,
                                                    std::optional<base::WallTime> deadline) {
  TRY(const auto* plan, this->plan(step));
  TRY(const auto* state, this->state(step));
  auto with = evaluate(plan->reads, plan->reads_inputs, {}, [&](const workflow::Known& known) {
    workflow::Budget budget;
    return workflow::fill(json::value(plan->with), known, budget);
  });
  if (!with) {
    const auto& error = with.error();
    if (!is_about_step(error)) return std::unexpected(error);
    return Submitted(
        std::unexpected(Refused{{error.reason, "/with" + error.message}, std::nullopt}));
  }
  auto job = job_of(*plan, *std::move(with));
  if (job) {
    job->principal = principal_of_run(run_.id);
    job->key = key_of_attempt(step, state->attempts);
    job->thread = run_.id;
    job->not_before = not_before;
    job->deadline = deadline;
  }
  auto accepted = job ? parts_.queue.submit(tx_, *job, now_)
                      : Result<engine::Accepted>(std::unexpected(job.error()));
  if (accepted) return Submitted(accepted->job.id.text);
  const auto& error = accepted.error();
  if (error.reason == "queue_full") {
    return Submitted(std::unexpected(Refused{step_error(error), error.retry_after}));
  }
  if (!is_about_step(error)) return std::unexpected(error);
  return Submitted(std::unexpected(Refused{step_error(error), std::nullopt}));
}

Result<bool> RunWorld::withdraw(std::size_t step) {
  TRY(auto* state, this->state(step));
  auto& slot = slots_.at(step);
  // The queue tells of the job's end at once; it must not be the step's any more.
  const std::string job = std::exchange(state->job, "");
  TRY_OK(flush(step, slot));
  auto cancelled = parts_.queue.cancel(tx_, {job}, "the run takes it back", now_, actor_);
  state->job = job;
  if (!cancelled && !is_about_step(cancelled.error())) return std::unexpected(cancelled.error());
  return cancelled.has_value();
}

Result<std::vector<std::size_t>> RunWorld::ready(int most) {
  TRY_OK(flush());
  return rows::ready(tx_, run_.id, now_.wall, most);
}

Result<std::vector<std::size_t>> RunWorld::active() {
  TRY_OK(flush());
  return rows::active(tx_, run_.id);
}

// ---- what is kept and told

Result<bool> RunWorld::keep_outputs(std::size_t step, const json::value& outputs) {
  if (depth_of(outputs) > depth_max) return false;
  return rows::set_step_outputs(tx_, run_.id, step, outputs);
}

Result<> RunWorld::tell(std::size_t step, std::string_view what) {
  TRY(const auto* plan, this->plan(step));
  TRY(const auto* state, this->state(step));
  json::object data{{"workflow", run_.workflow_name}, {"step", plan->id}, {"uses", plan->uses()}};
  if (!state->job.empty()) data["job"] = state->job;
  if (state->attempts > 0) data["attempt"] = state->attempts;
  if (state->outcome) data["result"] = workflow::name(*state->outcome);
  if (state->error) data["error"] = json::object{{"code", state->error->code}};
  TRY_OK(parts_.journal.append(tx_,
                               {.type = fmt::format("workflow.step_{}", what),
                                .subject = run_.id,
                                .actor = actor_,
                                .thread = run_.id,
                                .data = std::move(data)},
                               now_.wall));
  return {};
}

Result<> RunWorld::flush(std::size_t step, Slot& slot) {
  if (slot.kept && *slot.kept == slot.now) return {};
  if (slot.kept) {
    TRY_OK(rows::update_state(tx_, run_.id, step, slot.now));
  } else {
    TRY_OK(rows::insert_state(tx_, run_.id, step, slot.now));
  }
  slot.kept = slot.now;
  return {};
}

Result<> RunWorld::flush() {
  for (auto& [step, slot] : slots_) TRY_OK(flush(step, slot));
  return {};
}

Result<bool> RunWorld::close() {
  const bool is_due = std::ranges::any_of(
      slots_, [](const auto& entry) { return entry.second.now.due.has_value(); });
  TRY_OK(flush());
  if (run_.state.has_ended() && !run_.finished) TRY_OK(end_run());
  TRY_OK(rows::update(tx_, run_));
  return is_due;
}

Result<> RunWorld::end_run() {
  run_.finished = now_.wall;
  TRY(const auto version, rows::version(tx_, run_.workflow, run_.version));
  const auto* wanted = version.document.if_contains("outputs");
  if (wanted) {
    const auto outputs =
        evaluate(version.output_reads, true, {}, [&](const workflow::Known& known) {
          workflow::Budget budget;
          return workflow::fill(*wanted, known, budget);
        });
    if (!outputs && !is_about_step(outputs.error())) return std::unexpected(outputs.error());
    if (outputs && depth_of(*outputs) <= depth_max) {
      TRY_OK(rows::set_outputs(tx_, run_.id, *outputs));
    } else {
      run_.error = outputs ? "/outputs is nested too deep" : "/outputs" + outputs.error().message;
    }
  }
  json::object data{{"workflow", run_.workflow_name},
                    {"result", workflow::name(run_.state.result())}};
  TRY_OK(parts_.journal.append(tx_,
                               {.type = "workflow.run_finished",
                                .subject = run_.id,
                                .actor = actor_,
                                .thread = run_.id,
                                .data = std::move(data)},
                               now_.wall));
  if (const auto& ring = parts_.queue.options().ring) {
    tx_.after_commit([ring, bell = bell_of_run(run_.id)] { ring(bell); });
  }
  return {};
}

}  // namespace services
