#include "bridge/http/rate_limiter.h"

#include "bridge/base/limits.h"
#include "bridge/base/result.h"

#include <algorithm>

#include <fmt/format.h>

namespace http {
namespace {

// The key of those who come when the memory is full; no caller's key is empty.
constexpr std::string_view everybody_else;

std::chrono::seconds rounded_up(std::chrono::nanoseconds time) {
  return std::chrono::ceil<std::chrono::seconds>(std::max(time, std::chrono::nanoseconds(0)));
}

}  // namespace

RateLimiter::RateLimiter(RatePolicy policy, const base::Clock& clock)
    : policy_(std::move(policy)), clock_(clock) {
  BRIDGE_ASSERT(policy_.quota > 0 && policy_.window.count() > 0);
  interval_ = std::chrono::nanoseconds(policy_.window) / policy_.quota;
}

RateLimiter::Verdict RateLimiter::verdict(base::Instant due, base::Instant now) const {
  const std::chrono::nanoseconds debt = std::max(due, now) - now;
  const auto whole = interval_ * policy_.quota;
  Verdict verdict;
  verdict.is_allowed = debt + interval_ <= whole;
  verdict.remaining =
      static_cast<std::uint32_t>(std::max<std::int64_t>((whole - debt) / interval_, 0));
  verdict.refill = rounded_up(debt);
  if (!verdict.is_allowed) {
    verdict.retry_after = std::max(std::chrono::seconds(1), rounded_up(debt + interval_ - whole));
  }
  return verdict;
}

RateLimiter::Verdict RateLimiter::take(std::string_view key) {
  const auto now = clock_.now();
  auto found = due_.find(key);
  if (found == due_.end() && due_.size() >= limits::http_rate_keys_max) {
    forget_idle(now);
    if (due_.size() >= limits::http_rate_keys_max) key = everybody_else;
    found = due_.find(key);
  }
  if (found == due_.end()) found = due_.emplace(std::string(key), now).first;
  Verdict told = verdict(found->second, now);
  if (!told.is_allowed) return told;
  found->second = std::max(found->second, now) + interval_;
  Verdict after = verdict(found->second, now);
  after.is_allowed = true;
  after.retry_after = std::chrono::seconds(0);
  return after;
}

RateLimiter::Verdict RateLimiter::look(std::string_view key) const {
  const auto now = clock_.now();
  const auto found = due_.find(key);
  return verdict(found == due_.end() ? now : found->second, now);
}

void RateLimiter::forget_idle(base::Instant now) {
  std::erase_if(due_, [now](const auto& entry) { return entry.second <= now; });
}

std::string RateLimiter::policy_header() const {
  return fmt::format("\"{}\";q={};w={}", policy_.name, policy_.quota, policy_.window.count());
}

std::string RateLimiter::state_header(const Verdict& verdict) const {
  return fmt::format("\"{}\";r={};t={}", policy_.name, verdict.remaining, verdict.refill.count());
}

}  // namespace http
