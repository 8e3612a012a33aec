// One transaction's work on the queue: the steps that Queue's methods share. Internal.
#pragma once

#include "bridge/engine/job_row.h"
#include "bridge/engine/queue.h"

#include <string_view>

namespace engine {

struct LaneRow {
  LaneId id;
  std::string account, paused, holder;
  std::int64_t epoch = 0;
  Milliseconds lease_until{0};
  Milliseconds mean_run{0};
  std::optional<std::string> blocked;  // what its page shows; see Queue::block
  bool is_leased(Milliseconds now) const { return !holder.empty() && now < lease_until; }
};

struct AccountRow {
  std::string id;
  Milliseconds arrival{0};
  Breaker breaker;
};

class Desk {
 public:
  // `random` may be null where nothing is drawn.
  Desk(store::Tx& tx, const QueueOptions& options, const Now& now, base::Random* random = nullptr)
      : tx(tx), options(options), now(now), random_(random) {}

  store::Tx& tx;
  const QueueOptions& options;
  const Now& now;
  std::string_view actor = {};  // who wants what is done; empty: the bridge itself

  base::Random& random() const {
    BRIDGE_ASSERT(random_);
    return *random_;
  }
  // Engine time of this transaction.
  base::Result<Milliseconds> time() const;

  // Lanes and accounts.
  base::Result<LaneRow> lane(const LaneId& id) const;
  base::Result<AccountRow> account(const std::string& id) const;
  const AccountLimits* limits(const std::string& account) const;
  const RetryPolicy& policy(const std::string& kind) const;
  base::Result<> free_lane(const LaneId& lane, std::int64_t epoch) const;
  // The account's sends that any cap looks at, ascending.
  base::Result<std::vector<Milliseconds>> sends(const std::string& account) const;
  // When the leases of the account's other lanes end that still last, ascending.
  base::Result<std::vector<Milliseconds>> leases_beside(const LaneRow& lane,
                                                        Milliseconds time) const;
  // True if other lanes of the account have all of its places.
  base::Result<bool> has_lost_place(const LaneRow& lane, Milliseconds time) const;
  // Started jobs of the account that may still send.
  base::Result<int> reserved(const std::string& account) const;
  // Until one more send keeps pace and caps; nullopt: time alone does not tell.
  base::Result<std::optional<Milliseconds>> wait_for_limits(const AccountRow& account, int reserved,
                                                            Milliseconds time) const;

  // When the store was last found to be a restored backup; nullopt: never.
  base::Result<std::optional<Milliseconds>> restored() const;

  // The running job of a lease that still holds; conflict, reason stale_lease, if it does not.
  base::Result<JobRow> leased(const Lease& lease) const;
  base::Result<std::vector<JobRow>> children(const JobId& parent, State state) const;

  // The only way a job changes: compare-and-set, the counts of its lane, on_change, bells.
  base::Result<> change(const JobRow& before, JobRow after, std::string_view verb,
                        std::string_view note = {}) const;
  // A job that was just inserted.
  base::Result<> welcome(const JobRow& row) const;
  // Moves the job to a final state or to held, its running children with it, and frees the lane.
  base::Result<> end(const JobRow& root, State state, std::optional<JobError> error,
                     std::string_view verb, std::string_view note = {}) const;
  base::Result<> ring(std::string bell) const;

 private:
  base::Result<> count(const JobRow& before, const JobRow& after) const;
  base::Result<> join_line(const JobRow& row) const;
  base::Result<> leave_line(const JobRow& row) const;
  base::Result<> tell(const JobRow& row, std::optional<State> from, Stage from_stage,
                      std::string_view verb, std::string_view note) const;

  base::Random* random_;
  mutable std::optional<Milliseconds> time_;  // the same all through the transaction
  // The lane looked at last and its account, which changes only while the lane is idle.
  mutable LaneId looked_at_;
  mutable std::string account_;
};

// Back into the line as if never started.
JobRow queued_again(JobRow row, Milliseconds ready);
std::string bell_of_lease(const LaneId& lane);
// Why nothing is begun in any lane; empty: it is.
base::Result<std::string> everything_paused(store::Tx& tx);
// The job for which its lane waits until a person has decided; nullopt: there is none.
base::Result<std::optional<JobId>> held_in(store::Tx& tx, const LaneId& lane);

}  // namespace engine
