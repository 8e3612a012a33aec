#include "bridge/engine/pacing.h"

#include <set>

#include <gtest/gtest.h>

namespace engine {
namespace {

using namespace std::chrono_literals;

std::vector<Milliseconds> times(std::initializer_list<int> seconds) {
  std::vector<Milliseconds> all;
  for (const int second : seconds) all.emplace_back(std::chrono::seconds(second));
  return all;
}

TEST(Cap, OneMoreWaitsUntilTheOldestThatCountsLeavesTheWindow) {
  const Cap cap{3, 100s};
  EXPECT_EQ(wait_for_cap(cap, times({}), 0, 50s), 0ms);
  EXPECT_EQ(wait_for_cap(cap, times({10, 20}), 0, 50s), 0ms);
  EXPECT_EQ(wait_for_cap(cap, times({10, 20, 30}), 0, 50s), 60s);
  EXPECT_EQ(wait_for_cap(cap, times({1, 10, 20, 30}), 0, 50s), 60s);
  EXPECT_EQ(wait_for_cap(cap, times({10, 20, 30}), 0, 110s), 0ms);
}

TEST(Cap, ReservationsCountAsSentAtAnyMoment) {
  const Cap cap{3, 100s};
  EXPECT_EQ(wait_for_cap(cap, times({10}), 1, 50s), 0ms);
  EXPECT_EQ(wait_for_cap(cap, times({10, 20}), 1, 50s), 60s);
  EXPECT_EQ(wait_for_cap(cap, times({}), 3, 50s), std::nullopt);
}

// Whatever the moments at which somebody tries, no window of any position holds more than the cap.
TEST(Cap, NoWindowEverHoldsMore) {
  const Cap cap{5, 60s};
  base::SeededRandom random(7);
  std::vector<Milliseconds> sent;
  Milliseconds now(0);
  for (int i = 0; i < 5000; ++i) {
    now += Milliseconds(static_cast<int>(random.below(9000)));
    if (wait_for_cap(cap, sent, 0, now) == 0ms) sent.push_back(now);
  }
  ASSERT_GT(sent.size(), 1000u);
  for (std::size_t i = 5; i < sent.size(); ++i) EXPECT_GE(sent[i] - sent[i - 5], 60s);
}

TEST(Cap, TheForecastIsWhenGreedySendingWouldGetThere) {
  const Cap cap{3, 100s};
  const auto log = times({10, 20, 90});
  Milliseconds now = 95s;
  auto sent = log;
  for (int ahead = 1; ahead <= 10; ++ahead) {
    now += *wait_for_cap(cap, sent, 0, now);
    sent.push_back(now);
    EXPECT_EQ(earliest_by_cap(cap, log, ahead, 95s), now) << ahead;
  }
}

TEST(Pace, SendsKeepThePauseAndABurstMayComeFirst) {
  base::SeededRandom random(1);
  const AccountLimits limits{.pause = 10s, .burst = 3};
  Milliseconds arrival(0);
  std::vector<Milliseconds> sent;
  Milliseconds now = 100s;
  for (int i = 0; i < 6; ++i) {
    now += wait_for_pace(limits, arrival, now);
    sent.push_back(now);
    arrival = arrival_after(limits, arrival, now, random);
  }
  EXPECT_EQ(sent, times({100, 100, 100, 110, 120, 130}));
}

TEST(Pace, JitterIsAddedAnewEachTime) {
  base::SeededRandom random(1);
  const AccountLimits limits{.pause = 10s, .pause_jitter = 5s};
  std::set<Milliseconds> pauses;
  for (int i = 0; i < 200; ++i) {
    const auto pause = arrival_after(limits, 0ms, 100s, random) - Milliseconds(100s);
    EXPECT_GE(pause, 10s);
    EXPECT_LE(pause, 15s);
    pauses.insert(pause);
  }
  EXPECT_GT(pauses.size(), 50u);
}

TEST(Backoff, HalfIsSureAndHalfIsDrawnUpToTheMost) {
  base::SeededRandom random(1);
  const Backoff backoff{1s, 10s};
  for (int i = 0; i < 200; ++i) {
    for (const auto& [failures, step] :
         {std::pair(1, 1000ms), {2, 2000ms}, {3, 4000ms}, {5, 10000ms}, {1000, 10000ms}}) {
      const auto pause = equal_jitter(backoff, failures, random);
      EXPECT_GE(pause, step / 2);
      EXPECT_LE(pause, step);
    }
  }
}

TEST(Breaker, IsOpenUntilItsTimeOrUntilClosed) {
  EXPECT_FALSE(Breaker{}.is_open(1s));
  EXPECT_TRUE((Breaker{.trip = Trip::challenge}.is_open(1000h)));
  EXPECT_TRUE((Breaker{.trip = Trip::usage_cap, .until = 10s}.is_open(9s)));
  EXPECT_FALSE((Breaker{.trip = Trip::usage_cap, .until = 10s}.is_open(10s)));
}

}  // namespace
}  // namespace engine
