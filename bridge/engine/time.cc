#include "bridge/engine/time.h"

#include "bridge/base/limits.h"
#include "cdp/try.h"

#include <algorithm>
#include <fstream>

namespace engine {
namespace {

using base::Result;

// What was known last, and what that makes of now.
struct Reading {
  Milliseconds engine{0};
  bool is_newest = true;  // false: a later reading is known already
};

Result<Reading> look(store::Tx& tx, const Now& now) {
  TRY(auto row, tx.query_one("SELECT boot, steady, wall_at, engine_et FROM engine_clock "
                             "WHERE id = 1"));
  if (!row) return Reading{};
  const std::int64_t engine = (*row)[3].integer();
  const std::int64_t steady = now.steady.count() - (*row)[1].integer();
  if ((*row)[0].text() == now.boot && (steady >= 0 || !now.boot.empty())) {
    // A reading from before the last one had to wait for its transaction: that is no new boot.
    return Reading{Milliseconds(engine + std::max<std::int64_t>(steady, 0)), steady >= 0};
  }
  const std::int64_t calendar_says = to_stamp(now.wall) - (*row)[2].integer();
  const std::int64_t certain = calendar_says - Milliseconds(limits::clock_step).count();
  return Reading{Milliseconds(engine + std::max<std::int64_t>(certain, 0)), true};
}

}  // namespace

std::int64_t to_stamp(base::WallTime time) {
  return std::chrono::floor<Milliseconds>(time.time_since_epoch()).count();
}

base::WallTime from_stamp(std::int64_t stamp) { return base::WallTime(Milliseconds(stamp)); }

store::Value stamp_or_null(const std::optional<base::WallTime>& time) {
  return time ? store::Value(to_stamp(*time)) : store::Value();
}

std::optional<base::WallTime> time_or_none(const store::Value& value) {
  if (value.is_null()) return std::nullopt;
  return from_stamp(value.integer());
}

Now Timeline::now() const {
  return {clock_.wall(), std::chrono::duration_cast<Milliseconds>(clock_.now().time_since_epoch()),
          boot_};
}

std::string system_boot_id() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(in, id);
  return id;
}

Result<Milliseconds> engine_now(store::Tx& tx, const Now& now) {
  TRY(const auto reading, look(tx, now));
  return reading.engine;
}

Result<Milliseconds> advance_engine_time(store::Tx& tx, const Now& now) {
  TRY(const auto reading, look(tx, now));
  if (!reading.is_newest) return reading.engine;
  TRY_OK(
      tx.execute("INSERT INTO engine_clock (id, boot, steady, wall_at, engine_et) "
                 "VALUES (1, $1, $2, $3, $4) "
                 "ON CONFLICT (id) DO UPDATE SET boot = excluded.boot, "
                 "steady = excluded.steady, wall_at = excluded.wall_at, "
                 "engine_et = excluded.engine_et",
                 {now.boot, now.steady.count(), to_stamp(now.wall), reading.engine.count()}));
  return reading.engine;
}

}  // namespace engine
