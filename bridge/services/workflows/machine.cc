#include "bridge/services/workflows/machine.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace workflow {

using base::Code;
using base::Result;

namespace {

constexpr std::array<std::string_view, 4> outcomes = {"success", "failure", "cancelled", "skipped"};
constexpr std::array<std::string_view, 5> phases = {"pending", "ready", "approval", "running",
                                                    "finished"};

template <class Enum, std::size_t n>
std::optional<Enum> named(const std::array<std::string_view, n>& names, std::string_view word) {
  const auto found = std::ranges::find(names, word);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

std::unexpected<base::Error> wrong_state(std::string what) {
  return base::fail(Code::conflict, std::move(what), "wrong_state");
}

}  // namespace

std::string_view name(Outcome outcome) { return outcomes[static_cast<std::size_t>(outcome)]; }
std::optional<Outcome> outcome_named(std::string_view word) {
  return named<Outcome>(outcomes, word);
}
std::string_view name(Phase phase) { return phases[static_cast<std::size_t>(phase)]; }
std::optional<Phase> phase_named(std::string_view word) { return named<Phase>(phases, word); }

Outcome RunState::result() const {
  if (cancelled > 0) return Outcome::cancelled;
  return failed > 0 ? Outcome::failure : Outcome::success;
}

std::chrono::milliseconds pause_after(const Retry& retry, int tries) {
  const double factor = std::pow(retry.backoff_rate, tries - 1);
  const double wanted = static_cast<double>(retry.interval.count()) * factor;
  const double most = static_cast<double>(retry.delay_max.count());
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(wanted, most)));
}

void Machine::enter(StepState& state, Phase phase) {
  const auto count = [&](Phase which, int by) {
    if (which == Phase::running) run_.running += by;
    if (which == Phase::ready) run_.ready += by;
  };
  count(state.phase, -1);
  count(phase, 1);
  BRIDGE_ASSERT(run_.running >= 0 && run_.ready >= 0);
  state.phase = phase;
}

Result<> Machine::begin() {
  for (std::size_t i = 0; i < world_.steps(); ++i) {
    TRY(const auto* state, world_.state(i));
    // Ending one, which skips the next, may have settled it already.
    if (state->waiting == 0 && state->phase == Phase::pending) TRY_OK(settle(i));
  }
  return advance();
}

Result<> Machine::ended(std::size_t step, std::string_view job, Ending ending) {
  TRY(auto* state, world_.state(step));
  if (state->phase != Phase::running || state->job != job) return {};
  if (ending.outcome == Outcome::failure) {
    BRIDGE_ASSERT(ending.error);
    TRY_OK(failed(step, *std::move(ending.error), ending.may_retry));
  } else {
    TRY_OK(finish(step, ending.outcome, std::move(ending.error)));
  }
  return advance();
}

Result<> Machine::approve(std::size_t step) {
  TRY(auto* state, world_.state(step));
  if (state->phase != Phase::approval) {
    return wrong_state("approve step: it does not wait for an approval");
  }
  state->is_approved = true;
  TRY_OK(make_ready(step));
  return advance();
}

Result<> Machine::reject(std::size_t step, std::string detail) {
  TRY(auto* state, world_.state(step));
  if (state->phase != Phase::approval) {
    return wrong_state("reject step: it does not wait for an approval");
  }
  TRY_OK(finish(step, Outcome::failure, StepError{"rejected", std::move(detail)}));
  return advance();
}

Result<> Machine::due(std::size_t step) {
  TRY(auto* state, world_.state(step));
  state->due.reset();
  if (state->phase == Phase::approval) {
    TRY_OK(finish(step, Outcome::failure, StepError{"timeout", "nobody decided in time"}));
  } else if (state->phase == Phase::running) {
    TRY(const bool is_unsent, world_.withdraw(step));
    const std::string_view detail =
        is_unsent ? "it did not end in time"
                  : "it did not end in time, and was too far to be taken back";
    // What may have been done is not done again.
    TRY_OK(failed(step, {"timeout", std::string(detail)}, is_unsent));
  } else if (state->phase == Phase::ready && is_too_late(*state)) {
    TRY_OK(give_up(step));
  }
  return advance();
}

Result<> Machine::cancel(Wish wish) {
  if (run_.has_ended()) return wrong_state("cancel run: it has ended");
  const bool is_second = run_.wish != Wish::none;
  run_.wish = is_second || wish == Wish::stop ? Wish::stop : Wish::cancel;
  TRY(const auto active, world_.active());
  for (const auto step : active) {
    TRY(auto* state, world_.state(step));
    if (state->phase == Phase::running) {
      TRY(const bool is_unsent, world_.withdraw(step));
      if (!is_unsent && run_.wish == Wish::cancel) continue;
      TRY_OK(
          finish(step, Outcome::cancelled,
                 StepError{"cancelled", is_unsent ? "the run was cancelled"
                                                  : "the run was stopped; it may have been done"}));
    } else if (state->phase == Phase::approval || state->phase == Phase::ready) {
      TRY_OK(finish(step, Outcome::cancelled, StepError{"cancelled", "the run was cancelled"}));
    }
  }
  return advance();
}

Result<> Machine::reopen() {
  if (!run_.has_ended()) return wrong_state("retry run: it has not ended");
  TRY(const auto again, to_reopen());
  if (std::ranges::find(again, true) == again.end()) {
    return wrong_state("retry run: nothing in it failed");
  }
  run_ = {.parallel_max = run_.parallel_max};
  std::vector<std::size_t> first;
  for (std::size_t i = 0; i < again.size(); ++i) {
    if (!again[i]) continue;
    ++run_.unfinished;
    TRY(const auto* plan, world_.plan(i));
    TRY(auto* state, world_.state(i));
    *state = {.attempts = state->attempts};
    for (const auto need : plan->needs) {
      if (again[need]) {
        ++state->waiting;
      } else {
        TRY_OK(meet(*state, need));
      }
    }
    if (state->waiting == 0) first.push_back(i);
  }
  for (const auto step : first) TRY_OK(settle(step));
  return advance();
}

// What failed or was cancelled, and everything below it.
Result<std::vector<bool>> Machine::to_reopen() {
  std::vector<bool> again(world_.steps());
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < again.size(); ++i) {
    TRY(const auto* state, world_.state(i));
    TRY(const auto* plan, world_.plan(i));
    const bool is_failed = state->outcome == Outcome::failure && !plan->continue_on_error;
    if (!is_failed && state->outcome != Outcome::cancelled) continue;
    again[i] = true;
    open.push_back(i);
  }
  while (!open.empty()) {
    TRY(const auto* plan, world_.plan(open.back()));
    open.pop_back();
    for (const auto dependant : plan->dependants) {
      if (again[dependant]) continue;
      again[dependant] = true;
      open.push_back(dependant);
    }
  }
  return again;
}

// ---- the steps between

Result<> Machine::advance() {
  for (;;) {
    while (!ended_.empty()) {
      const auto step = ended_.front();
      ended_.pop_front();
      TRY_OK(release(step));
    }
    TRY(const bool has_moved, fill());
    if (!has_moved) return {};
  }
}

// Starts as many as there is room for. True: one of them ended at once.
Result<bool> Machine::fill() {
  const int room = run_.parallel_max - run_.running;
  if (room <= 0 || run_.ready == 0) {
    fresh_.clear();
    return false;
  }
  std::vector<std::size_t> next = std::move(fresh_);
  fresh_.clear();
  if (static_cast<std::size_t>(run_.ready) == next.size()) {
    std::ranges::sort(next);
  } else {
    TRY(next, world_.ready(room));
  }
  if (next.size() > static_cast<std::size_t>(room)) next.resize(static_cast<std::size_t>(room));
  for (const auto step : next) TRY_OK(start(step, std::nullopt));
  return !ended_.empty();
}

// Tells those who need it that it has ended.
Result<> Machine::release(std::size_t step) {
  TRY(const auto* plan, world_.plan(step));
  for (const auto dependant : plan->dependants) {
    TRY(auto* state, world_.state(dependant));
    if (state->phase != Phase::pending) continue;
    TRY_OK(meet(*state, step));
    BRIDGE_ASSERT(state->waiting > 0);
    if (--state->waiting == 0) TRY_OK(settle(dependant));
  }
  return {};
}

// Takes note of how a need ended. A failure passes through what was skipped for it.
Result<> Machine::meet(StepState& dependant, std::size_t need) {
  TRY(const auto* state, world_.state(need));
  TRY(const auto* plan, world_.plan(need));
  Situation& situation = dependant.upstream;
  switch (*state->outcome) {
    case Outcome::success:
      break;
    case Outcome::failure:
      situation.is_failed |= !plan->continue_on_error;
      break;
    case Outcome::skipped:
      situation.is_skipped = true;
      situation.is_failed |= state->upstream.is_failed;
      break;
    case Outcome::cancelled:
      situation.is_cancelled = true;
      situation.is_failed |= state->upstream.is_failed;
      break;
  }
  return {};
}

// All its needs have ended.
Result<> Machine::settle(std::size_t step) {
  TRY(auto* state, world_.state(step));
  TRY(const auto* plan, world_.plan(step));
  if (run_.wish == Wish::stop) {
    return finish(step, Outcome::cancelled, StepError{"cancelled", "the run was stopped"});
  }
  Situation situation = state->upstream;
  situation.is_cancelled |= run_.wish != Wish::none;
  TRY(auto asked, world_.asks(step, situation));
  if (!asked) return finish(step, Outcome::failure, std::move(asked).error());
  if (!*asked) {
    return finish(step, situation.is_cancelled ? Outcome::cancelled : Outcome::skipped,
                  std::nullopt);
  }
  if (!plan->needs_approval) return make_ready(step);
  enter(*state, Phase::approval);
  if (plan->timeout) state->due = world_.now() + *plan->timeout;
  return world_.tell(step, "approval");
}

Result<> Machine::make_ready(std::size_t step) {
  TRY(auto* state, world_.state(step));
  TRY(const auto* plan, world_.plan(step));
  state->due.reset();
  // Nothing is left to be done.
  if (plan->kind.empty()) return finish(step, Outcome::success, std::nullopt);
  enter(*state, Phase::ready);
  fresh_.push_back(step);
  return {};
}

// An attempt has as much time from its first try to begin as from its beginning: what finds no room
// does not go on trying for ever.
Result<> Machine::start(std::size_t step, std::optional<base::WallTime> not_before) {
  TRY(auto* state, world_.state(step));
  TRY(const auto* plan, world_.plan(step));
  // There was no room in the run either when it was to be tried again.
  if (is_too_late(*state)) return give_up(step);
  ++state->attempts;
  ++state->tries;
  const auto now = world_.now();
  if (plan->timeout && !state->begin_by) {
    state->begin_by = not_before.value_or(now) + *plan->timeout;
  }
  TRY(auto submitted, world_.submit(step, not_before, state->begin_by));
  if (submitted) {
    state->job = *std::move(submitted);
    state->due = std::exchange(state->begin_by, std::nullopt);
    if (!state->started) state->started = now;
    // What it waited for is there, and no attempt has failed.
    if (state->tries == 1) state->error.reset();
    enter(*state, Phase::running);
    return world_.tell(step, not_before ? "retrying" : "started");
  }
  auto refused = std::move(submitted).error();
  if (!refused.retry_after) return finish(step, Outcome::failure, std::move(refused.error));
  --state->attempts;
  --state->tries;
  enter(*state, Phase::ready);
  state->error = std::move(refused.error);
  state->due = std::max(now + *refused.retry_after, not_before.value_or(now));
  if (state->begin_by) state->due = std::min(*state->due, *state->begin_by);
  return {};
}

bool Machine::is_too_late(const StepState& state) const {
  return state.begin_by && *state.begin_by <= world_.now();
}

// The attempt's time is over, and it has not begun.
Result<> Machine::give_up(std::size_t step) {
  TRY(auto* state, world_.state(step));
  ++state->attempts;
  ++state->tries;
  state->begin_by.reset();
  const auto why = state->error.value_or(StepError{"busy", "there was no room"});
  return failed(
      step, {"timeout", fmt::format("it could not begin in time: {}: {}", why.code, why.detail)},
      true);
}

Result<> Machine::failed(std::size_t step, StepError error, bool may_retry) {
  TRY(auto* state, world_.state(step));
  TRY(const auto* plan, world_.plan(step));
  const bool is_last = state->tries >= plan->retry.attempts_max;
  if (!may_retry || is_last || run_.wish != Wish::none) {
    return finish(step, Outcome::failure, std::move(error));
  }
  const auto pause = pause_after(plan->retry, state->tries);
  state->error = std::move(error);
  return start(step, world_.now() + pause);
}

Result<> Machine::finish(std::size_t step, Outcome outcome, std::optional<StepError> error) {
  TRY(auto* state, world_.state(step));
  TRY(const auto* plan, world_.plan(step));
  enter(*state, Phase::finished);
  state->outcome = outcome;
  state->error = std::move(error);
  state->finished = world_.now();
  state->due.reset();
  state->begin_by.reset();
  --run_.unfinished;
  BRIDGE_ASSERT(run_.unfinished >= 0);
  if (outcome == Outcome::failure && !plan->continue_on_error) ++run_.failed;
  if (outcome == Outcome::cancelled) ++run_.cancelled;
  ended_.push_back(step);
  return world_.tell(step, "finished");
}

}  // namespace workflow
