#include "bridge/services/workflows/run_world.h"

#include "bridge/services/workflows/step_scopes.h"
#include "bridge/services/workflows/template.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include <boost/json/serialize.hpp>
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

// Of what is read and made at a time: others have their turn before the rest.
constexpr std::string_view evaluated_enough = "too_much_at_once";
constexpr auto evaluation_pause = std::chrono::milliseconds(100);

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
  return fmt::format("{}{}", run_principal_prefix, run);
}
std::string key_of_attempt(std::size_t step, int attempt) {
  return fmt::format("{}:{}", step, attempt);
}
std::optional<std::string> run_of_principal(std::string_view principal) {
  if (!principal.starts_with(run_principal_prefix)) return std::nullopt;
  return std::string(principal.substr(run_principal_prefix.size()));
}
std::string bell_of_run(std::string_view run) { return fmt::format("run:{}", run); }

std::optional<rows::Due> step_of_job(const engine::Job& job) {
  auto run = run_of_principal(job.principal);
  if (!run) return std::nullopt;
  rows::Due found{.run = *std::move(run)};
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

void RunWorld::use_state(std::size_t step, StepState state) {
  slots_.try_emplace(step, state, state);
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

// Those who wait for a step read what it has just given.
Result<std::optional<std::string>> RunWorld::outputs_of(std::size_t step) {
  const auto found = given_.find(step);
  if (found != given_.end()) return found->second;
  return rows::step_outputs(tx_, run_.id, step);
}

Result<json::value> RunWorld::known_job(std::size_t step, std::size_t& room) {
  TRY(const auto* state, this->state(step));
  json::object job{{"result", nullptr}, {"outputs", json::object()}, {"error", nullptr}};
  if (state->outcome) job["result"] = workflow::name(*state->outcome);
  if (state->error && state->outcome != workflow::Outcome::success) {
    job["error"] = json::object{{"code", state->error->code}, {"detail", state->error->detail}};
  }
  if (state->outcome != workflow::Outcome::success) return job;
  TRY(const auto outputs, outputs_of(step));
  if (!outputs) return job;
  evaluated_bytes_ += outputs->size();
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
  workflow::Budget budget;
  const std::size_t before = budget.bytes;
  auto value = work({inputs_ ? *inputs_ : nothing, jobs, about_, situation}, budget);
  evaluated_bytes_ += before - budget.bytes;
  return value;
}

Result<> RunWorld::may_evaluate() const {
  if (evaluated_bytes_ < limits::run_evaluation_bytes_max) return {};
  return std::unexpected(base::Error{
      .code = Code::invalid,
      .message = fmt::format(": the jobs that were looked at before it read {} MiB, and no more is "
                             "read at a time",
                             limits::run_evaluation_bytes_max >> 20),
      .reason = std::string(evaluated_enough),
      .retry_after = evaluation_pause});
}

Result<workflow::World::Asked> RunWorld::asks(std::size_t step,
                                              const workflow::Situation& situation) {
  TRY(const auto* plan, this->plan(step));
  if (plan->condition.empty()) return Asked(situation.is_success());
  const auto condition_of = [&](const workflow::Known& known,
                                workflow::Budget& budget) -> Result<json::value> {
    TRY(const auto condition, workflow::parse_condition(plan->condition));
    const bool may_run = condition.asks_status() || situation.is_success();
    if (!may_run) return false;
    return condition.evaluate(known, budget);
  };
  const auto may = may_evaluate();
  const auto value = may ? evaluate(plan->reads, plan->reads_inputs, situation, condition_of)
                         : Result<json::value>(std::unexpected(may.error()));
  if (value) return Asked(workflow::is_true(*value));
  if (!is_about_step(value.error())) return std::unexpected(value.error());
  const auto& message = value.error().message;
  return Asked(std::unexpected(
      StepError{value.error().reason, (message.starts_with(": ") ? "if" : "if: ") + message}));
}

Result<std::string> RunWorld::text_of(std::size_t step, std::string_view text) {
  TRY(const auto* plan, this->plan(step));
  TRY(const auto value, evaluate(plan->reads, plan->reads_inputs, {},
                                 [&](const workflow::Known& known, workflow::Budget& budget) {
                                   return workflow::fill(json::value(text), known, budget);
                                 }));
  return workflow::as_text(value);
}

// ---- attempts

const Errand* RunWorld::errand_in(const Step& plan) const {
  const auto kind = parts_.kinds.find(plan.kind);
  return kind == parts_.kinds.end() || !kind->second.errand ? nullptr : &*kind->second.errand;
}

Result<const Errand*> RunWorld::errand_for(const Step& plan) {
  const auto* errand = errand_in(plan);
  if (!errand || !errand->takes) return errand;
  TRY(const bool is_taken, errand->takes(tx_, plan.target));
  return is_taken ? errand : nullptr;
}

Result<const Errand*> RunWorld::errand_of(const Step& plan, const std::string& id) {
  const auto* errand = errand_in(plan);
  if (!errand || !errand->owns) return errand;
  TRY(const bool is_own, errand->owns(tx_, id));
  return is_own ? errand : nullptr;
}

Result<std::optional<RunWorld::ErrandView>> RunWorld::errand_view(const Step& plan,
                                                                  const StepState& state) {
  if (state.job.empty()) return std::nullopt;
  TRY(const auto* errand, errand_of(plan, state.job));
  if (!errand) return std::nullopt;
  TRY(auto view, errand->view(tx_, state.job));
  return ErrandView{errand->noun, std::move(view)};
}

// `with` as this attempt is given it.
Result<json::object> RunWorld::filled(const Step& plan) {
  const auto fill = [&](const workflow::Known& known, workflow::Budget& budget) {
    return workflow::fill(json::value(plan.with), known, budget);
  };
  const auto may = may_evaluate();
  auto with = may ? evaluate(plan.reads, plan.reads_inputs, {}, fill)
                  : Result<json::value>(std::unexpected(may.error()));
  if (!with) {
    with.error().message.insert(0, "/with");
    return std::unexpected(std::move(with).error());
  }
  if (depth_of(*with) > depth_max) {
    return base::fail(Code::invalid, "/with is nested too deep with what the other jobs gave",
                      "too_big");
  }
  return std::move(with->as_object());
}

Result<RunWorld::Input> RunWorld::input_of(std::size_t step) {
  TRY(const auto* plan, this->plan(step));
  auto with = filled(*plan);
  if (with) return Input(*std::move(with));
  if (!is_about_step(with.error())) return std::unexpected(std::move(with).error());
  return Input(std::unexpected(step_error(with.error())));
}

Result<std::string> RunWorld::begin(std::size_t step, const Step& plan, json::object with,
                                    std::optional<base::WallTime> not_before,
                                    std::optional<base::WallTime> deadline) {
  TRY(const auto* state, this->state(step));
  const auto kind = parts_.kinds.find(plan.kind);
  if (kind == parts_.kinds.end()) {
    return base::fail(Code::invalid, fmt::format("nothing here does {}", plan.uses()),
                      "unknown_service");
  }
  TRY_OK(check_step_scope(tx_, run_.behind, plan.id, plan.kind, now_.wall));
  const StepStart start{.run = run_.id,
                        .step = plan.id,
                        .target = plan.target,
                        .with = std::move(with),
                        .caller = {.principal = principal_of_run(run_.id),
                                   .name = run_.sender,
                                   .may_send_for_others = run_.may_send_for_others,
                                   .agent = run_.agent,
                                   .behind = run_.behind},
                        .now = now_,
                        .key = key_of_attempt(step, state->attempts)};
  TRY(const auto* errand, errand_for(plan));
  if (errand) return errand->begin(tx_, start);
  TRY(auto job, kind->second.job_of(tx_, start));
  job.principal = start.caller.principal;
  job.key = start.key;
  job.thread = run_.id;
  job.not_before = not_before;
  job.deadline = deadline;
  TRY(auto queued, parts_.queue.enqueue(tx_, job, now_));
  return std::move(queued.text);
}

Result<workflow::World::Submitted> RunWorld::submit(std::size_t step,
                                                    std::optional<base::WallTime> not_before,
                                                    std::optional<base::WallTime> deadline) {
  TRY(const auto* plan, this->plan(step));
  TRY(const auto* state, this->state(step));
  TRY(const auto* errand, errand_for(*plan));
  if (errand && not_before && *not_before > now_.wall) {
    // No queue keeps it until then.
    const auto pause = std::chrono::ceil<std::chrono::milliseconds>(*not_before - now_.wall);
    return Submitted(std::unexpected(Refused{state->error.value_or(StepError{}), pause}));
  }
  auto with = filled(*plan);
  auto begun = with ? begin(step, *plan, *std::move(with), not_before, deadline)
                    : Result<std::string>(std::unexpected(std::move(with).error()));
  if (begun) return Submitted(*std::move(begun));
  const auto& error = begun.error();
  static constexpr std::array<std::string_view, 4> full = {"queue_full", "too_many_waiting",
                                                           "inbox_full", evaluated_enough};
  if (std::ranges::find(full, error.reason) != full.end()) {
    const auto pause = error.retry_after.value_or(limits::workflow_look);
    return Submitted(std::unexpected(Refused{step_error(error), pause}));
  }
  if (!is_about_step(error)) return std::unexpected(error);
  return Submitted(std::unexpected(Refused{step_error(error), std::nullopt}));
}

Result<bool> RunWorld::withdraw(std::size_t step) {
  TRY(auto* state, this->state(step));
  auto& slot = slots_.at(step);
  // Its end is told at once; it must not be the step's any more.
  const std::string job = std::exchange(state->job, "");
  TRY_OK(flush(step, slot));
  TRY(const auto* plan, this->plan(step));
  TRY(const auto* errand, errand_of(*plan, job));
  if (errand) {
    TRY(const bool is_back, errand->withdraw(tx_, job, now_, actor_));
    state->job = job;
    return is_back;
  }
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
  auto text = json::serialize(outputs);
  if (text.size() > limits::step_outputs_bytes_max) return false;
  TRY_OK(rows::set_step_outputs(tx_, run_.id, step, text));
  given_.insert_or_assign(step, std::move(text));
  return true;
}

Result<> RunWorld::tell(std::size_t step, std::string_view what) {
  TRY(const auto* plan, this->plan(step));
  TRY(const auto* state, this->state(step));
  auto data = rows::facts(run_);
  data["step"] = plan->id;
  data["uses"] = plan->uses();
  if (!state->job.empty()) {
    TRY(const auto* errand, errand_of(*plan, state->job));
    data[errand ? std::string_view(errand->noun) : "job"] = state->job;
  }
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
    const auto outputs = evaluate(version.output_reads, true, {},
                                  [&](const workflow::Known& known, workflow::Budget& budget) {
                                    return workflow::fill(*wanted, known, budget);
                                  });
    if (!outputs && !is_about_step(outputs.error())) return std::unexpected(outputs.error());
    if (outputs && depth_of(*outputs) <= depth_max) {
      TRY_OK(rows::set_outputs(tx_, run_.id, *outputs));
    } else {
      run_.error = outputs ? "/outputs is nested too deep" : "/outputs" + outputs.error().message;
      // What it was begun for is not there.
      ++run_.state.failed;
    }
  }
  auto data = rows::facts(run_);
  data["result"] = workflow::name(run_.state.result());
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
