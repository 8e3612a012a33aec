#include "bridge/services/events/attempt.h"

#include "bridge/services/events/event_limits.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace events {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;
using Fate = Verdict::Fate;

TEST(WebhookAttempt, GoesAgainByTheScheduleAndThenIsDead) {
  std::vector<seconds> pauses;
  int attempts = 1;
  for (;; ++attempts) {
    const auto verdict = judge({.status = 500}, attempts, 0);
    if (verdict.fate != Fate::again) break;
    EXPECT_EQ(verdict.throttle, 0s);
    pauses.push_back(verdict.pause);
  }
  EXPECT_THAT(pauses, testing::ElementsAre(5s, 5min, 30min, 2h, 5h, 10h, 14h, 20h, 24h));
  EXPECT_EQ(attempts, 10);
  EXPECT_EQ(judge({.status = 500}, 10, 0).fate, Fate::dead);
}

TEST(WebhookAttempt, WhatMayNeverBeSentIsDeadAtOnceAndHoldsUpNobody) {
  const auto verdict = judge({.detail = "it is another's", .is_pointless = true}, 1, 0);
  EXPECT_EQ(verdict.fate, Fate::dead);
  EXPECT_EQ(verdict.throttle, 0s);
  EXPECT_FALSE(verdict.disables);
  EXPECT_THAT(verdict.detail, testing::HasSubstr("it is another's"));
}

TEST(WebhookAttempt, AnyStatusOf200IsSuccessAndNothingElse) {
  for (const int status : {200, 201, 202, 204, 299}) {
    EXPECT_EQ(judge({.status = status}, 10, 0).fate, Fate::delivered) << status;
  }
  for (const int status : {0, 100, 301, 302, 304, 307, 308, 400, 401, 404, 500, 502}) {
    EXPECT_EQ(judge({.status = status}, 1, 0).fate, Fate::again) << status;
  }
  EXPECT_THAT(judge({.status = 307}, 1, 0).detail, testing::HasSubstr("not followed"));
}

TEST(WebhookAttempt, GoneDisables) {
  const auto verdict = judge({.status = 410}, 1, 0);
  EXPECT_EQ(verdict.fate, Fate::dead);
  EXPECT_TRUE(verdict.disables);
  EXPECT_FALSE(judge({.status = 404}, 10, 0).disables);
}

TEST(WebhookAttempt, AReceiverThatIsTooBusyIsLeftAloneForLongerAndLonger) {
  for (const int status : {0, 429, 502, 503, 504}) {
    EXPECT_EQ(judge({.status = status}, 1, 0).throttle, 15s) << status;
  }
  EXPECT_EQ(judge({.status = 429}, 1, 1).throttle, 30s);
  EXPECT_EQ(judge({.status = 429}, 1, 3).throttle, 2min);
  EXPECT_EQ(judge({.status = 429}, 1, 1000).throttle, 15min);
  // Nothing was asked of the receiver.
  EXPECT_EQ(judge({.status = 0, .is_forbidden = true}, 1, 0).throttle, 0s);
}

TEST(WebhookAttempt, WhatTheReceiverAsksForIsHonouredWithinBounds) {
  const auto asked = [](seconds time) { return judge({.status = 429, .retry_after = time}, 1, 0); };
  EXPECT_EQ(asked(90s).pause, 90s);
  EXPECT_EQ(asked(90s).throttle, 90s);
  EXPECT_EQ(asked(1s).pause, 5s);
  EXPECT_EQ(asked(1s).throttle, 1s);
  EXPECT_EQ(asked(0s).throttle, 1s);
  EXPECT_EQ(asked(240h).pause, 24h);
  EXPECT_EQ(asked(240h).throttle, 1h);
  EXPECT_EQ(judge({.status = 500, .retry_after = 60s}, 1, 0).throttle, 0s);
  EXPECT_EQ(judge({.status = 500, .retry_after = 60s}, 1, 0).pause, 60s);
}

TEST(WebhookAttempt, RetryAfterIsSecondsOrADate) {
  const base::WallTime now{seconds(1'445'412'420)};  // Wed, 21 Oct 2015 07:27:00 GMT
  EXPECT_EQ(retry_after_of("120", now), 120s);
  EXPECT_EQ(retry_after_of("0", now), 0s);
  EXPECT_EQ(retry_after_of("Wed, 21 Oct 2015 07:28:00 GMT", now), 60s);
  EXPECT_EQ(retry_after_of("Wed, 21 Oct 2015 07:26:00 GMT", now), 0s);
  EXPECT_GT(retry_after_of("99999999999999999999999", now), 24h);
  EXPECT_EQ(retry_after_of("Wed, 21 Oct 2015 07:28:00 GMT", now + 300ms), 60s);
  EXPECT_GT(retry_after_of("Fri, 31 Dec 9999 23:59:59 GMT", now), 24h);
  for (const auto* past : {"Sat, 01 Jan 1400 00:00:00 GMT", "Fri, 01 Jan 1700 00:00:00 GMT"}) {
    EXPECT_EQ(retry_after_of(past, now), 0s) << past;
  }
  for (const auto* bad : {"", "-1", "1.5", "soon", "2015-10-21", "12 "}) {
    EXPECT_EQ(retry_after_of(bad, now), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace events
