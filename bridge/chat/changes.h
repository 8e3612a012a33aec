// A notice that counts, waited for by an injected clock.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/notice.h"

#include <cstdint>

namespace chat {

// For one loop thread. A waiter reads `count` before it looks at the state, so it misses nothing.
class Changes {
 public:
  explicit Changes(boost::asio::any_io_executor executor) : notice_(std::move(executor)) {}

  void tell() {
    ++count_;
    notice_.notify();
  }
  std::uint64_t count() const { return count_; }
  // Returns once there has been a change after `seen`, or at the deadline. Both outlive the wait.
  boost::asio::awaitable<void> after(std::uint64_t seen, base::Clock& clock,
                                     base::Instant deadline);

 private:
  boost::asio::awaitable<void> told(std::uint64_t seen);

  base::Notice notice_;
  std::uint64_t count_ = 0;
};

}  // namespace chat
