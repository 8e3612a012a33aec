// Times as columns. Internal.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/store/store.h"

#include <chrono>
#include <cstdint>
#include <optional>

namespace events {

inline std::int64_t stamp(base::WallTime time) {
  return std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
}

inline std::optional<std::int64_t> maybe_stamp(const std::optional<base::WallTime>& time) {
  if (!time) return std::nullopt;
  return stamp(*time);
}

inline base::WallTime time_of(const store::Value& value) {
  return base::WallTime(std::chrono::milliseconds(value.integer()));
}

inline std::optional<base::WallTime> maybe_time_of(const store::Value& value) {
  if (value.is_null()) return std::nullopt;
  return time_of(value);
}

}  // namespace events
