// Drives one lane: claims, calls the handler of the job's kind, records.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/faults.h"
#include "bridge/base/random.h"
#include "bridge/base/scope.h"
#include "bridge/engine/bells.h"
#include "bridge/engine/queue.h"
#include "bridge/store/store.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>

namespace engine {

// How a handler's work ended. `record`, if given, runs in the same transaction as the change of the
// job, before it: the place for the handler's own rows. An error of it undoes both and counts as
// the job's failure; but one that is busy or unavailable is taken for the store's, and the lane
// tries the same again until it is recorded. So jobs that it hands in have room (NewJob::has_room).
struct Outcome {
  struct Done {
    base::json::value result;
  };
  struct Held {
    JobError why;
  };
  struct Failed {  // final; an error of the handler's Result is Queue::fail, which may retry
    JobError error;
  };
  struct Released {};  // given back unharmed
  std::variant<Done, Held, Failed, Released> end;
  std::function<base::Result<>(store::Tx&)> record = {};
  // Runs once the end is recorded, while the lane is still this runner's: what the next job of the
  // lane must wait for, and nobody else.
  std::function<boost::asio::awaitable<void>()> after = {};
};

// What all runners of a program share. Everything outlives them.
struct Engine {
  store::Store& store;
  const Queue& queue;
  base::Clock& clock;
  const Timeline& timeline;
  Bells& bells;
  base::Faults& faults;
  std::string holder;  // this life of the program
};

// What a handler may use while its job runs.
class LaneContext {
 public:
  LaneContext(Engine& engine, Lease lease) : engine_(engine), lease_(std::move(lease)) {}

  Engine& engine() { return engine_; }
  const Lease& lease() const { return lease_; }
  // True once the runner is told to stop or drain: begin nothing long.
  bool is_stopping() const { return is_stopping_; }

  // Makes the stage durable, with the handler's own rows in the same transaction. A child's lease
  // may be given. conflict: the lease is lost or the job cancelled; end at once.
  base::Task<> set_stage(Lease lease, Stage stage,
                         std::function<base::Result<>(store::Tx&, const Now&)> record = {},
                         Arming arming = Arming::asked);
  // Waits until the account's limits grant `armed`; busy, reason rate, if that takes longer than
  // `most`, or reason breaker, if only evidence can tell, or reason paused, if only a person can.
  base::Task<> wait_to_arm(Lease lease, Milliseconds most);

 private:
  friend class Runner;
  Engine& engine_;
  Lease lease_;
  bool is_stopping_ = false;
};

// Cancelled when the lease is lost, the job is cancelled or the runner stops: the current await
// throws, destructors clean up, and the job goes where Queue::release puts it.
using Handler = std::function<base::Task<Outcome>(Claim, LaneContext&)>;

// Called on the loop for what people should see: claimed, idle with its reason, lost, failed.
struct LaneNotice {
  LaneId lane;
  std::string what;
  std::string detail;
  std::optional<JobId> job;
};

class Runner {
 public:
  // `handlers` by kind; a job of another kind fails with reason unknown_kind. Both outlive this.
  Runner(Engine& engine, LaneId lane, const std::map<std::string, Handler>& handlers,
         std::function<void(const LaneNotice&)> tell = {});

  // Works the lane until stopped, drained or at rest. Store errors are waited out with backoff:
  // while the store is full or away nothing is claimed. Cancelling it is `stop` without the
  // release: the lease ends by itself or at the next start.
  boost::asio::awaitable<void> run();
  // No new claims; a running handler is cancelled, its job released; `run` returns.
  void stop();
  // Works the lane until it is empty: `run` returns when only a person, evidence, a new job or more
  // than drain_waits_max could let it go on.
  void drain();
  // From now on `run` also returns when nothing but the lane's bell could let it go on. Then
  // is_called tells whether it has rung since: run again.
  void rest_when_idle() { rests_ = true; }
  bool is_called() const { return !is_stopping_ && listens_.count() > looked_; }

  const LaneId& lane() const { return lane_; }
  bool is_busy() const { return context_ != nullptr; }
  bool is_stopping() const { return is_stopping_; }

 private:
  enum class Ending { outcome, stopped, lost };

  base::Task<Turn> claim();
  boost::asio::awaitable<void> work(Claim claim);
  base::Task<Outcome> handle(Claim claim, LaneContext& context);
  boost::asio::awaitable<Ending> keep_lease(Lease lease);
  boost::asio::awaitable<void> record(Lease lease, base::Result<Outcome> outcome);
  // claims_next: takes the lane's next job in the same transaction.
  enum class Then { ends, claims_next };
  base::Task<> write_end(Lease lease, base::Result<Outcome> outcome, Then then);
  boost::asio::awaitable<void> see_to(std::function<boost::asio::awaitable<void>()> after);
  boost::asio::awaitable<void> pause_after(const base::Error& error, int failures);
  void tell(std::string what, std::string detail, std::optional<JobId> job = {}) const;

  Engine& engine_;
  LaneId lane_;
  const std::map<std::string, Handler>& handlers_;
  std::function<void(const LaneNotice&)> tell_;
  LaneContext* context_ = nullptr;  // while a handler runs
  std::optional<Claim> next_;       // came with the end of the last one
  Bells::Ear listens_;              // to the bell of the last idle turn
  Bells::Ear own_;                  // rung by `stop`
  Bells::Ear lease_ear_;
  std::string told_;               // the reason people were told last
  std::uint64_t looked_ = 0;       // rings before the last claim
  std::uint64_t lease_rings_ = 0;  // before the last claim
  bool is_stopping_ = false;
  bool is_draining_ = false;
  bool rests_ = false;
};

}  // namespace engine
