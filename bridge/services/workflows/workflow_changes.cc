// What happens to runs by the ends of their jobs, and by time.
#include "bridge/services/workflows/workflows.h"

#include <algorithm>
#include <array>

namespace services {

namespace asio = boost::asio;
namespace rows = workflow_rows;
using base::Result;
using base::Task;

namespace {

// Ends of which it is not known that the same again does no harm.
bool may_try_again(const std::string& code) {
  static constexpr std::array<std::string_view, 3> doubtful = {"unknown_outcome", "fork_detected",
                                                               "cancelled"};
  return std::ranges::find(doubtful, code) == doubtful.end();
}

workflow::Ending ending_of(const engine::Job& job) {
  using workflow::Outcome;
  const auto error = job.error.value_or(engine::JobError{std::string(engine::name(job.state)), ""});
  switch (job.state) {
    case engine::State::done:
      return {.outcome = Outcome::success};
    case engine::State::cancelled:
      return {.outcome = Outcome::cancelled,
              .error = workflow::StepError{"cancelled", error.detail}};
    case engine::State::expired:
      return {.outcome = Outcome::failure,
              .error = workflow::StepError{"timeout", "it did not begin in time"}};
    default:
      return {.outcome = Outcome::failure,
              .error = workflow::StepError{error.code, error.detail},
              .may_retry = may_try_again(error.code)};
  }
}

}  // namespace

Result<> Workflows::change(store::Tx& tx, rows::Run run, const engine::Now& now, std::string actor,
                           const Act& work) const {
  RunWorld world(tx, parts_, now, std::move(run), std::move(actor));
  workflow::Machine machine(world, world.run().state);
  TRY_OK(work(tx, world, machine));
  TRY(const bool is_due, world.close());
  if (is_due) tx.after_commit([this] { tell_change(); });
  return {};
}

void Workflows::tell_change() const {
  ++changes_;
  notice_.notify();
}

Result<> Workflows::on_job_change(store::Tx& tx, const engine::Change& change,
                                  const engine::Now& now) const {
  if (!engine::is_final(change.job.state)) return {};
  return job_ended(tx, change.job, change.actor.empty() ? "bridge" : change.actor, now);
}

Result<> Workflows::job_ended(store::Tx& tx, const engine::Job& job, std::string actor,
                              const engine::Now& now) const {
  const auto place = step_of_job(job);
  if (!place) return {};
  TRY(auto run, rows::run(tx, place->run));
  if (!run || run->state.has_ended()) return {};
  TRY(const auto state, rows::state(tx, run->id, place->step));
  // One that was taken back, or of an attempt before.
  if (state.phase != workflow::Phase::running || state.job != job.id.text) return {};
  return change(tx, *std::move(run), now, std::move(actor),
                [&](store::Tx& inner, RunWorld& world, workflow::Machine& machine) -> Result<> {
                  world.use_state(place->step, state);
                  auto ending = ending_of(job);
                  if (ending.outcome == workflow::Outcome::success) {
                    TRY(ending, take_outputs(inner, world, place->step, job));
                  }
                  return machine.ended(place->step, job.id.text, std::move(ending));
                });
}

Result<> Workflows::errand_ended(store::Tx& tx, const std::string& principal, const std::string& id,
                                 const engine::Now& now) const {
  const auto named = run_of_principal(principal);
  if (!named) return {};
  TRY(auto run, rows::run(tx, *named));
  if (!run || run->state.has_ended()) return {};
  TRY(const auto step, rows::step_with(tx, run->id, id));
  // One that was taken back, or of an attempt before.
  if (!step) return {};
  return change(tx, *std::move(run), now, "bridge",
                [&](store::Tx& inner, RunWorld& world, workflow::Machine& machine) -> Result<> {
                  TRY(const auto* plan, world.plan(*step));
                  const auto kind = kinds_.find(plan->kind);
                  if (kind == kinds_.end() || !kind->second.errand) return {};
                  TRY(const auto end, kind->second.errand->end_of(inner, id));
                  if (!end) return {};
                  workflow::Ending ending{.outcome = workflow::Outcome::failure,
                                          .error = end->error,
                                          .may_retry = end->may_retry};
                  if (!end->error) {
                    TRY(ending, keep(world, *step, end->outputs));
                  }
                  return machine.ended(*step, id, std::move(ending));
                });
}

namespace {

workflow::Ending failed(std::string code, std::string detail) {
  return {.outcome = workflow::Outcome::failure,
          .error = workflow::StepError{std::move(code), std::move(detail)},
          .may_retry = false};
}

}  // namespace

Result<workflow::Ending> Workflows::keep(RunWorld& world, std::size_t step,
                                         const base::json::value& outputs) const {
  TRY(const bool is_kept, world.keep_outputs(step, outputs));
  if (!is_kept) return failed("too_big", "what it gave is too big to be kept");
  return workflow::Ending{.outcome = workflow::Outcome::success};
}

// What the job gave becomes what the step gives; if it cannot, the step has failed.
Result<workflow::Ending> Workflows::take_outputs(store::Tx& tx, RunWorld& world, std::size_t step,
                                                 const engine::Job& ended) const {
  TRY(const auto* plan, world.plan(step));
  const auto kind = kinds_.find(plan->kind);
  if (kind == kinds_.end()) {
    return failed("unknown_service", "nothing here does " + plan->uses());
  }
  TRY(const auto job, needs_.queue.with_texts(tx, ended));
  const auto outputs = kind->second.outputs_of(job);
  if (!outputs) return failed("invalid_reply", outputs.error().message);
  return keep(world, step, *outputs);
}

Task<> Workflows::start(base::Scope& tasks) {
  CO_TRY_OK(co_await catch_up());
  tasks.spawn(watch_time());
  co_return base::Result<>();
}

// A packet may be sent by a program that knows nothing of workflows, while no daemon runs.
Task<> Workflows::catch_up() {
  const auto now = needs_.timeline.now();
  rows::Running last;
  for (;;) {
    CO_TRY(const auto running, co_await needs_.store.read([last](store::Tx& tx) {
      return rows::running(tx, last, limits::workflow_timers_at_once);
    }));
    if (running.empty()) co_return base::Result<>();
    last = running.back();
    CO_TRY_OK(co_await needs_.store.write([this, running, now](store::Tx& tx) -> Result<> {
      for (const auto& one : running) {
        const auto job = needs_.queue.get(tx, {one.job});
        if (job && engine::is_final(job->state)) TRY_OK(job_ended(tx, *job, "bridge", now));
        if (job) continue;
        if (job.error().code != base::Code::not_found) return std::unexpected(job.error());
        // No job does it: an errand.
        TRY_OK(errand_ended(tx, principal_of_run(one.run), one.job, now));
      }
      return {};
    }));
  }
}

asio::awaitable<void> Workflows::watch_time() {
  for (;;) {
    const auto seen = changes_;
    const auto next = co_await run_due();
    base::Instant::duration pause = limits::workflow_look;
    if (next && *next) {
      pause = std::clamp<base::Instant::duration>(**next - needs_.clock.wall(),
                                                  base::Instant::duration(0), pause);
    }
    if (changes_ == seen) co_await notice_.wait(needs_.clock, needs_.clock.now() + pause);
  }
}

// Does what is due; when the next thing is.
Task<std::optional<base::WallTime>> Workflows::run_due() {
  const auto now = needs_.timeline.now();
  CO_TRY(const auto due, co_await needs_.store.read([now](store::Tx& tx) {
    return rows::due(tx, now.wall, limits::workflow_timers_at_once);
  }));
  bool is_stuck = false;
  for (const auto& one : due) {
    const auto done = co_await needs_.store.write([this, one, now](store::Tx& tx) -> Result<> {
      TRY(auto run, rows::run(tx, one.run));
      BRIDGE_ASSERT(run);
      return change(tx, *std::move(run), now, "bridge",
                    [&](store::Tx&, RunWorld& world, workflow::Machine& machine) -> Result<> {
                      TRY(const auto* state, world.state(one.step));
                      // It ended, or began again, since the look.
                      if (!state->due || *state->due > now.wall) return {};
                      return machine.due(one.step);
                    });
    });
    is_stuck |= !done;
  }
  // One that cannot be dealt with now does not hold up the others, nor is it tried without a pause.
  if (is_stuck) co_return now.wall + limits::workflow_look;
  co_return co_await needs_.store.read([](store::Tx& tx) { return rows::next_due(tx); });
}

}  // namespace services
