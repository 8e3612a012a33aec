// Wakes coroutines that wait for something to change.
#pragma once

#include "bridge/base/clock.h"

#include <list>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace base {

// For one loop thread. Notices are not counted: a waiter looks at the state itself before it waits.
class Notice {
 public:
  explicit Notice(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  // Everybody who waits now goes on.
  void notify();
  // Returns at the next notice or at the deadline. The Notice must outlive the wait.
  boost::asio::awaitable<void> wait(Instant deadline);
  // The same by the time of `clock`, which outlives the wait.
  boost::asio::awaitable<void> wait(Clock& clock, Instant deadline);

 private:
  boost::asio::any_io_executor executor_;
  std::list<boost::asio::steady_timer> waiters_;
};

}  // namespace base
