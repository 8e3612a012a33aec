// Agents of subscriptions are those of the registry.
#pragma once

#include "bridge/services/events/subscriptions.h"

namespace events {

// A FindAgent.
base::Result<std::string> find_registered(store::Tx& tx, const std::string& which,
                                          const Actor& actor);

}  // namespace events
