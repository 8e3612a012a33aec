// Which entries of the journal are an agent's own.
#pragma once

#include "bridge/engine/journal.h"

#include <string>

namespace events {

// An agent that hears of what is its own, and in whose name it asked to.
struct Listener {
  std::string agent;      // its id
  std::string principal;  // of its key
  friend bool operator==(const Listener&, const Listener&) = default;
};

// True for the messages, queries and answers from it and to it, the runs that it began, the jobs
// that its key handed in, the actions asked for it, what is remembered as its own, its
// subscriptions, and its own life. What is not known to be its own is not.
bool is_own(const engine::Entry& entry, const Listener& listener);

}  // namespace events
