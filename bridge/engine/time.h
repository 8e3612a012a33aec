// Time as the engine's transactions see it.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/store/store.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace engine {

using Milliseconds = std::chrono::milliseconds;

// Read once on the loop and handed into a transaction, which sees one time only.
struct Now {
  base::WallTime wall;  // the calendar: stamps, ids, deadlines; may step
  Milliseconds steady;  // since some moment of this boot; never steps
  std::string boot;     // two readings of `steady` compare only if this is equal
};

// The calendar as a column holds it: milliseconds since 1970.
std::int64_t to_stamp(base::WallTime time);
base::WallTime from_stamp(std::int64_t stamp);
store::Value stamp_or_null(const std::optional<base::WallTime>& time);
std::optional<base::WallTime> time_or_none(const store::Value& value);

// Makes `Now` from a clock. `boot` names the life of the clock's steady time: the kernel's boot id,
// or a constant where the clock outlives the program (a simulator, a database's clock).
class Timeline {
 public:
  Timeline(const base::Clock& clock, std::string boot) : clock_(clock), boot_(std::move(boot)) {}
  Now now() const;

 private:
  const base::Clock& clock_;
  std::string boot_;
};

// The id of this boot of the machine; empty if the system does not tell.
std::string system_boot_id();

// Engine time: milliseconds that certainly passed, kept in the store. Leases, backoff, pacing, caps
// and the breaker are measured in it, so a calendar that steps neither lets a send go early nor
// parks a lane. Within a boot it is the steady clock, whatever the calendar does and however often
// the program restarts; a reading older than the last one changes nothing. Over a reboot, where
// nothing but the calendar tells how long it took, it advances by what the calendar claims less
// `limits::clock_step` (an hour), and never backwards: a cap stays whole if the calendar stepped by
// up to an hour meanwhile, and nothing waits for more than its own length plus that hour.
base::Result<Milliseconds> engine_now(store::Tx& tx, const Now& now);
// The same, and remembers it. Called where a send is armed and where the program starts.
base::Result<Milliseconds> advance_engine_time(store::Tx& tx, const Now& now);

}  // namespace engine
