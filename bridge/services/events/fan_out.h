// From the journal to deliveries: whatever a webhook wants becomes a delivery in the transaction
// that moves the subscription's cursor, so that nothing is lost or sent out twice over a crash.
#pragma once

#include "bridge/services/events/deliveries.h"

namespace events {

struct FanOut {
  bool is_more = false;  // call again
  bool is_full = false;  // a subscription waits for room in its backlog
};

// One stretch of the journal, for the subscriptions that are furthest behind. A subscription whose
// backlog is full keeps its place, and takes nothing from the others.
base::Result<FanOut> fan_out(const Act& act);

}  // namespace events
