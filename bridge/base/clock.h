// All a component may know of time.
#pragma once

#include <chrono>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace base {

using Instant = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic; for measuring and deadlines.
  virtual Instant now() const = 0;
  // The calendar's time; may step.
  virtual WallTime wall() const = 0;
  // Throws operation_aborted when cancelled.
  virtual boost::asio::awaitable<void> sleep_until(Instant when) = 0;
};

class SystemClock final : public Clock {
 public:
  Instant now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall() const override { return std::chrono::system_clock::now(); }
  boost::asio::awaitable<void> sleep_until(Instant when) override;
};

// RFC 3339 in UTC with milliseconds: 2026-11-21T05:06:07.089Z.
std::string rfc3339(WallTime time);

}  // namespace base
