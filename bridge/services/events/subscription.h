// Who wants to hear of which events, and how.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/json.h"
#include "bridge/engine/job.h"
#include "bridge/services/events/cloud_event.h"
#include "bridge/services/events/signature.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace events {

enum class Via { sse, webhook };
std::string_view name(Via via);

// What the receiver said to the OPTIONS handshake of CloudEvents' HTTP webhooks. It is asked when a
// subscription is made or enabled, and decides nothing unless the bridge is configured so.
struct Handshake {
  // allowed, refused (it answered, and not for us), unanswered (it does not know the handshake),
  // unreachable; empty: it was not asked.
  std::string result;
  std::string detail;
  int per_minute = 0;  // the rate it allows; 0: any
};

struct Subscription {
  std::string id;  // a UUID of version 7
  std::string agent;
  Wish wish;  // `only` the agent's own, if its own key made it
  Via via = Via::sse;
  std::string creator;  // the principal
  base::WallTime created;

  // The rest is of webhooks.
  std::string url;
  std::string secret;      // as WebhookSecret::text
  std::string old_secret;  // signs as well until `old_until`
  std::optional<base::WallTime> old_until = {};
  std::string disabled;  // why nothing is sent; empty: it is active
  Handshake handshake = {};
  std::int64_t cursor = 0;  // entries up to here are deliveries, or are not wanted
  int failures = 0;         // attempts in a row
  std::optional<base::WallTime> failing_since = {};
  int throttles = 0;  // in a row
  std::optional<base::WallTime> throttled_until = {};

  int pending = 0;  // deliveries that have not ended; not written

  engine::LaneId lane() const { return {"webhook:" + id}; }
};

// One event on its way to one webhook.
struct Delivery {
  enum class State { pending, delivered, dead };

  std::int64_t number = 0;  // order of creation
  std::string id;           // the webhook-id
  std::string subscription;
  std::int64_t event = 0;  // the entry's sequence
  std::string type;        // of the event; empty: it stands for events that were passed over
  State state = State::pending;
  int attempts = 0;  // in all
  int round = 0;     // since it began, or was replayed
  int jobs = 0;      // handed in so far; only the newest counts
  std::string job;   // the newest
  int status = 0;    // of the last answer; 0: there was none
  std::string detail;
  base::WallTime created;
  std::optional<base::WallTime> last = {};  // attempt
  std::optional<base::WallTime> next = {};  // attempt, while pending
  std::optional<base::WallTime> ended = {};
};
std::string_view name(Delivery::State state);
std::optional<Delivery::State> delivery_state_named(std::string_view word);

}  // namespace events
