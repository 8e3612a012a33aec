// What happens next in a run. Decides alone: no store, no queue, no clock.
//
// A step waits for its needs, is put to its condition, waits for a person where it must be approved
// and for room among those that run, and runs as a job, again after a failure if it may. Ending it
// touches the steps that need it and no others. Everything here is called inside one transaction,
// and an error of the World means that the transaction fails.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/services/workflows/definition.h"
#include "bridge/services/workflows/expression.h"

#include <deque>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace workflow {

enum class Outcome { success, failure, cancelled, skipped };
std::string_view name(Outcome outcome);
std::optional<Outcome> outcome_named(std::string_view word);

// pending: needs have not ended. ready: it waits for room. approval: it waits for a person.
enum class Phase { pending, ready, approval, running, finished };
std::string_view name(Phase phase);
std::optional<Phase> phase_named(std::string_view word);

struct StepError {
  std::string code;  // "timeout", "rejected", or the job's own
  std::string detail;
  friend bool operator==(const StepError&, const StepError&) = default;
};

struct StepState {
  Phase phase = Phase::pending;
  std::optional<Outcome> outcome;  // of a finished one
  std::optional<StepError> error;  // of the last attempt, or why there is no room for it now
  int waiting = 0;                 // needs that have not ended
  Situation upstream;              // what those that have ended leave it
  int attempts = 0;                // in all
  int tries = 0;                   // since the run began or was retried
  bool is_approved = false;
  std::string job;  // of the running attempt, or of the last one
  std::optional<base::WallTime> started, finished;
  std::optional<base::WallTime> due;  // when time alone does something: see Machine::due
  // Of an attempt that has found no room: the end of its time, which its first try began.
  std::optional<base::WallTime> begin_by;

  friend bool operator==(const StepState&, const StepState&) = default;
};

// What a person wants of a run that has not ended.
enum class Wish { none, cancel, stop };

struct RunState {
  int parallel_max = 1;
  int unfinished = 0, running = 0, ready = 0;  // steps
  int failed = 0, cancelled = 0;               // that count for the result; outputs fail it too
  Wish wish = Wish::none;

  bool has_ended() const { return unfinished == 0; }
  Outcome result() const;  // of one that has ended
};

// Where the steps of one run live and act.
class World {
 public:
  virtual ~World() = default;
  virtual base::WallTime now() const = 0;
  virtual std::size_t steps() const = 0;
  // To be read and changed; stays where it is until the machine's caller is done.
  virtual base::Result<StepState*> state(std::size_t step) = 0;
  virtual base::Result<const Step*> plan(std::size_t step) = 0;

  // What the step's condition says. The inner error is the definition's: the step fails.
  using Asked = std::expected<bool, StepError>;
  virtual base::Result<Asked> asks(std::size_t step, const Situation& situation) = 0;
  struct Refused {
    StepError error;
    std::optional<std::chrono::milliseconds> retry_after;  // there is no room now
  };
  // Hands the step's next attempt to the queue; gives the job's id.
  using Submitted = std::expected<std::string, Refused>;
  virtual base::Result<Submitted> submit(std::size_t step, std::optional<base::WallTime> not_before,
                                         std::optional<base::WallTime> deadline) = 0;
  // Takes the running attempt back. False: it is too late for that.
  virtual base::Result<bool> withdraw(std::size_t step) = 0;

  // Steps that are ready, without those that are due later; the first ones.
  virtual base::Result<std::vector<std::size_t>> ready(int most) = 0;
  // Steps that wait for an approval, are ready or run.
  virtual base::Result<std::vector<std::size_t>> active() = 0;

  // approval, started, retrying, finished: the step's state has become so.
  virtual base::Result<> tell(std::size_t step, std::string_view what) = 0;
};

// How a job ended.
struct Ending {
  Outcome outcome = Outcome::success;
  std::optional<StepError> error = {};
  bool may_retry = true;  // the same again does no harm
};

class Machine {
 public:
  // Both outlive it.
  Machine(World& world, RunState& run) : world_(world), run_(run) {}

  // Of a new run, whose states are fresh.
  base::Result<> begin();
  // The end of `job`; nothing if the step no longer runs it.
  base::Result<> ended(std::size_t step, std::string_view job, Ending ending);
  // conflict, reason wrong_state: it does not wait for an approval.
  base::Result<> approve(std::size_t step);
  base::Result<> reject(std::size_t step, std::string detail);
  // The step's `due` has come: an attempt or an approval took too long, there may be room in the
  // queue, or there was none for too long.
  base::Result<> due(std::size_t step);
  // What runs is taken back where it is not too late for that; what comes after does not begin,
  // except where its condition wants it, as always() does. A second time, or with Wish::stop: all
  // ends now. conflict, reason wrong_state: the run has ended.
  base::Result<> cancel(Wish wish);
  // Runs what failed or was cancelled again, and all that comes after it. conflict, reason
  // wrong_state: the run has not ended, or nothing in it failed.
  base::Result<> reopen();

 private:
  base::Result<> advance();
  base::Result<bool> fill();
  base::Result<> settle(std::size_t step);
  base::Result<> make_ready(std::size_t step);
  base::Result<> start(std::size_t step, std::optional<base::WallTime> not_before);
  bool is_too_late(const StepState& state) const;
  base::Result<> give_up(std::size_t step);
  base::Result<> failed(std::size_t step, StepError error, bool may_retry);
  base::Result<> finish(std::size_t step, Outcome outcome, std::optional<StepError> error);
  base::Result<> release(std::size_t step);
  base::Result<> meet(StepState& dependant, std::size_t need);
  void enter(StepState& state, Phase phase);
  base::Result<std::vector<bool>> to_reopen();

  World& world_;
  RunState& run_;
  std::deque<std::size_t> ended_;   // whose dependants have not been told
  std::vector<std::size_t> fresh_;  // became ready just now
};

// The pause before the attempt that follows `tries`.
std::chrono::milliseconds pause_after(const Retry& retry, int tries);

}  // namespace workflow
