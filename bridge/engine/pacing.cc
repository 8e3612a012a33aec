#include "bridge/engine/pacing.h"

#include "bridge/base/result.h"

#include <algorithm>
#include <array>

namespace engine {
namespace {

constexpr std::array<std::string_view, 5> trips = {"rate_limited", "usage_cap", "login_required",
                                                   "challenge", "blocked"};

std::int64_t below(base::Random& random, std::int64_t bound) {
  return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(bound)));
}

}  // namespace

std::optional<Milliseconds> wait_for_cap(const Cap& cap, std::span<const Milliseconds> sent,
                                         int reserved, Milliseconds now) {
  BRIDGE_ASSERT(cap.count > 0 && cap.window.count() > 0 && reserved >= 0);
  const int room = cap.count - reserved;
  if (room <= 0) return std::nullopt;
  if (sent.size() < static_cast<std::size_t>(room)) return Milliseconds(0);
  const Milliseconds leaves = sent[sent.size() - static_cast<std::size_t>(room)] + cap.window;
  return std::max(leaves - now, Milliseconds(0));
}

Milliseconds earliest_by_cap(const Cap& cap, std::span<const Milliseconds> sent, int ahead,
                             Milliseconds now) {
  BRIDGE_ASSERT(cap.count > 0 && ahead >= 1);
  // Every `count` sends later is a window later; what remains is a send after those of the log.
  const int rounds = (ahead - 1) / cap.count;
  const int first = (ahead - 1) % cap.count;
  const auto back = static_cast<std::size_t>(cap.count - first);
  Milliseconds at = now;
  if (sent.size() >= back) at = std::max(now, sent[sent.size() - back] + cap.window);
  return at + rounds * cap.window;
}

Milliseconds wait_for_pace(const AccountLimits& limits, Milliseconds arrival, Milliseconds now) {
  const Milliseconds tolerance = limits.pause * (std::max(limits.burst, 1) - 1);
  return std::max(arrival - tolerance - now, Milliseconds(0));
}

Milliseconds arrival_after(const AccountLimits& limits, Milliseconds arrival, Milliseconds now,
                           base::Random& random) {
  const Milliseconds jitter(below(random, limits.pause_jitter.count() + 1));
  return std::max(arrival, now) + limits.pause + jitter;
}

Milliseconds equal_jitter(const Backoff& backoff, int failures, base::Random& random) {
  BRIDGE_ASSERT(failures >= 1);
  Milliseconds step = backoff.first;
  for (int i = 1; i < failures && step < backoff.most; ++i) step *= 2;
  step = std::min(step, backoff.most);
  const std::int64_t half = step.count() / 2;
  return Milliseconds(step.count() - half + below(random, half + 1));
}

std::string_view name(Trip trip) { return trips[static_cast<std::size_t>(trip)]; }

std::optional<Trip> trip_named(std::string_view word) {
  const auto found = std::ranges::find(trips, word);
  if (found == trips.end()) return std::nullopt;
  return static_cast<Trip>(found - trips.begin());
}

bool forbids_reading(Trip trip) { return trip != Trip::rate_limited && trip != Trip::usage_cap; }

}  // namespace engine
