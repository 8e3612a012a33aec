// What follows from one attempt to deliver. Pure.
#pragma once

#include "bridge/base/clock.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace events {

// What came of an attempt.
struct Attempt {
  int status = 0;      // of the answer; 0: there was none
  std::string detail;  // why there was none, or the beginning of the answer
  std::optional<std::chrono::seconds> retry_after = {};  // what the receiver asked for
  bool is_forbidden = false;  // nothing was sent: the target's addresses may not be used
  bool is_pointless = false;  // nothing was sent, and never will be
};

// Retry-After: seconds, or an HTTP date. Nothing for anything else; 0 for the past.
std::optional<std::chrono::seconds> retry_after_of(std::string_view header, base::WallTime now);

struct Verdict {
  enum class Fate { delivered, again, dead };
  Fate fate = Fate::again;
  std::chrono::seconds pause{0};  // before the next attempt of this delivery
  // Before the next attempt of any of the subscription's; 0: at once.
  std::chrono::seconds throttle{0};
  bool disables = false;  // the receiver wants no more
  std::string detail;     // for people
};

// `attempts`: made since the delivery began or was replayed, this one included. `throttles`: how
// often in a row the subscription was told to slow down before.
Verdict judge(const Attempt& attempt, int attempts, int throttles);

}  // namespace events
