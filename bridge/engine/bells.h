// Wakes what waits for a lane. Lives on the loop thread.
#pragma once

#include "bridge/base/notice.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace engine {

class Bells {
  struct Tower;
  struct Bell;

 public:
  explicit Bells(boost::asio::any_io_executor executor);

  // A bell that nobody listens to is nothing: it is rung in vain and leaves no trace.
  void ring(std::string_view name);

  // Hears one bell from its making on, also while nobody waits.
  class Ear {
   public:
    Ear(Bells& bells, std::string name);

    const std::string& name() const;
    // How often it rang: read before looking at what it tells of, so that no ring is missed.
    std::uint64_t count() const;
    // Until the bell has rung more than `seen` times, or the deadline.
    boost::asio::awaitable<void> wait(std::uint64_t seen, base::Clock& clock,
                                      base::Instant deadline) const;

   private:
    std::shared_ptr<Bell> bell_;
  };

 private:
  boost::asio::any_io_executor executor_;
  std::shared_ptr<Tower> tower_;
};

}  // namespace engine
