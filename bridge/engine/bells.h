// Wakes what waits for a lane. Lives on the loop thread.
#pragma once

#include "bridge/base/notice.h"

#include <cstdint>
#include <map>
#include <string>

namespace engine {

class Bells {
 public:
  explicit Bells(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  void ring(const std::string& name);
  // How often it rang: read before looking at what it tells of, so that no ring is missed.
  std::uint64_t count(const std::string& name) const;
  // Until the bell has rung more than `seen` times, or the deadline.
  boost::asio::awaitable<void> wait(std::string name, std::uint64_t seen, base::Clock& clock,
                                    base::Instant deadline);

 private:
  struct Bell {
    explicit Bell(boost::asio::any_io_executor executor) : notice(std::move(executor)) {}
    base::Notice notice;
    std::uint64_t count = 0;
  };
  Bell& bell(const std::string& name);

  boost::asio::any_io_executor executor_;
  std::map<std::string, Bell, std::less<>> bells_;
};

}  // namespace engine
