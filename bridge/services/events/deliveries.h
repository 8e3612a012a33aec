// The rules of deliveries and of the subscriptions they belong to: functions of one transaction.
//
// Every attempt is a job in the lane of its subscription, so subscriptions never wait for one
// another. The job of the next attempt is handed in by the transaction that records the last one,
// so a delivery that is pending has exactly one unfinished job.
#pragma once

#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/services/events/attempt.h"
#include "bridge/services/events/subscription.h"
#include "bridge/store/store.h"

#include <string>
#include <string_view>

namespace events {

inline constexpr std::string_view webhook_kind = "webhook";  // of jobs

// What is done, when and by whom. The members outlive it.
struct Act {
  store::Tx& tx;
  const engine::Queue& queue;
  const engine::Journal& journal;
  const engine::Now& now;
  std::string actor = "bridge";

  // Writes that it happened to the subscription.
  base::Result<> tell(std::string type, const Subscription& subscription,
                      json::object more = {}) const;
};

// A subscription does not hear of itself: telling of every delivery would make another.
bool is_about(const engine::Entry& entry, const Subscription& subscription);

// How many deliveries of one subscription may be unfinished.
int backlog_max(const engine::Queue& queue);

base::Result<> declare_lane(const Act& act, const Subscription& subscription);

// Begins the delivery of an entry. The caller has seen that the backlog has room.
base::Result<> begin(const Act& act, const Subscription& subscription, const engine::Entry& entry);
// Tells of entries that are passed over, since the subscription is too far behind.
base::Result<> pass_over(const Act& act, const Subscription& subscription, std::int64_t from,
                         std::int64_t through);
// Records an attempt of a delivery that is pending, with all that follows from it.
base::Result<> finish(const Act& act, Delivery delivery, Subscription subscription,
                      const Attempt& attempt);
// Forgets what ended long ago, with the jobs of its attempts: of those the journal knows nothing.
base::Result<> forget_old(const Act& act, const Subscription& subscription);
// Forgets some of what has ended in the same way; whether there may be more.
base::Result<bool> forget_some(const Act& act, const std::string& subscription);
// Sends it (again) from now on, with the whole schedule before it. conflict: it is being sent, or
// stands for events that were passed over; busy, reason backlog_full and retry_after.
base::Result<Delivery> replay(const Act& act, const Subscription& subscription, Delivery delivery);

struct Replayed {
  int count = 0;
  std::int64_t through = 0;  // events up to here were looked at
  bool is_end = false;       // nothing of the range is left
};
// Sends the events from `from` to `through` that the subscription wants, once more or for the first
// time, as far as its backlog has room; those that are pending are left alone.
base::Result<Replayed> replay_range(const Act& act, Subscription subscription, std::int64_t from,
                                    std::int64_t through);
// Gives every pending delivery a job, if its own has come to an end without it.
base::Result<> mend(const Act& act, const Subscription& subscription);

// Nothing is sent until it is enabled; what is pending stays so.
base::Result<> disable(const Act& act, Subscription& subscription, std::string why);
// Goes on where it stopped.
base::Result<> enable(const Act& act, Subscription& subscription);
// With its deliveries and their jobs; what is queued is cancelled. Those that have ended are better
// forgotten before, in transactions that are not so long.
base::Result<> remove(const Act& act, const Subscription& subscription);

}  // namespace events
