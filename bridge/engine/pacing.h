// How often an account may act. Pure: times in, verdicts out. Times are engine time (time.h).
#pragma once

#include "bridge/base/random.h"
#include "bridge/engine/time.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace engine {

// At most `count` in any half-open interval of length `window`.
struct Cap {
  int count = 0;
  Milliseconds window{0};
};

struct AccountLimits {
  std::vector<Cap> caps = {};
  Milliseconds pause{0};         // least time between two sends
  Milliseconds pause_jitter{0};  // up to this is added, drawn anew each time
  int burst = 1;                 // sends that may follow one another without the pause
  int parallel_max = 1;          // lanes of the account that run at once
};

// The sliding log. `sent` is every remembered send, ascending; `reserved` more may come at any
// moment. Returns how long to wait until one more keeps the cap: 0 is now, nullopt never by time
// alone (the reservations fill the cap).
std::optional<Milliseconds> wait_for_cap(const Cap& cap, std::span<const Milliseconds> sent,
                                         int reserved, Milliseconds now);
// When the `ahead`-th send from now (1 is the next) keeps the cap if each goes as early as it may.
Milliseconds earliest_by_cap(const Cap& cap, std::span<const Milliseconds> sent, int ahead,
                             Milliseconds now);

// The generic cell rate algorithm: one number remembers the past, the theoretical arrival time.
Milliseconds wait_for_pace(const AccountLimits& limits, Milliseconds arrival, Milliseconds now);
Milliseconds arrival_after(const AccountLimits& limits, Milliseconds arrival, Milliseconds now,
                           base::Random& random);

// Half of the exponential step, and a random part of the other half. `failures` ≥ 1.
struct Backoff {
  Milliseconds first{5'000};
  Milliseconds most{600'000};
};
Milliseconds equal_jitter(const Backoff& backoff, int failures, base::Random& random);

// Why an account is closed. The first two forbid new sends but not reading; the others both.
// `blocked` is never of an account: the page of one lane stands in the way of that lane alone.
enum class Trip { rate_limited, usage_cap, login_required, challenge, blocked };
std::string_view name(Trip trip);
std::optional<Trip> trip_named(std::string_view word);
bool forbids_reading(Trip trip);

// The persisted breaker. Open until a time, or (without one) until evidence closes it. There is no
// half-open state and no probe: what comes next is the next job, or a person.
struct Breaker {
  std::optional<Trip> trip = {};
  std::string detail = {};                 // the page's words
  base::WallTime since = {};               // for people: the calendar may have stepped since
  Milliseconds tripped{0};                 // engine time
  std::optional<Milliseconds> until = {};  // engine time
  std::string url = {};                    // of the page that showed it; empty: not known
  bool is_open(Milliseconds now) const { return trip && (!until || now < *until); }
  // True if what began so long before `now` began after the trip, and so can be evidence against
  // it.
  bool is_older_than(Milliseconds age, Milliseconds now) const { return tripped < now - age; }
};

}  // namespace engine
