// How often a caller may call: GCRA, and the headers that tell about it.
#pragma once

#include "bridge/base/clock.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace http {

struct RatePolicy {
  std::string name = "default";
  std::uint32_t quota = 100;  // at once, and per window
  std::chrono::seconds window{60};
};

// The key of a caller that is not known yet starts with the whole quota. Remembers at most
// limits::http_rate_keys_max callers; beyond, new ones share one quota.
class RateLimiter {
 public:
  struct Verdict {
    bool is_allowed = true;
    std::uint32_t remaining = 0;
    std::chrono::seconds refill{0};       // until the whole quota is back
    std::chrono::seconds retry_after{0};  // when refused
  };

  explicit RateLimiter(RatePolicy policy, const base::Clock& clock);

  // Counts one call.
  Verdict take(std::string_view key);
  // What `take` would say, without counting.
  Verdict look(std::string_view key) const;

  const RatePolicy& policy() const { return policy_; }
  std::size_t size() const { return due_.size(); }
  // `"default";q=100;w=60`
  std::string policy_header() const;
  // `"default";r=50;t=30`
  std::string state_header(const Verdict& verdict) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  Verdict verdict(base::Instant due, base::Instant now) const;
  void forget_idle(base::Instant now);

  RatePolicy policy_;
  const base::Clock& clock_;
  std::chrono::nanoseconds interval_;
  // When each caller's bucket is full again ("theoretical arrival time").
  std::unordered_map<std::string, base::Instant, Hash, std::equal_to<>> due_;
};

}  // namespace http
