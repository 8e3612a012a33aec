// Caps, pace and breaker through the queue, and the clocks under them.
#include "tests/engine/fixture.h"

#include <algorithm>
#include <map>
#include <string_view>

#include <fmt/format.h>

namespace engine {
namespace {

QueueOptions capped(int count, Milliseconds window, Milliseconds pause = 0ms) {
  QueueOptions options;
  options.accounts["account"] = {.caps = {{count, window}}, .pause = pause, .parallel_max = 8};
  return options;
}

// One job from submission to its end; what it waited for.
Milliseconds send_one(Fixture& f) {
  const auto began = f.clock.now();
  f.add();
  for (;;) {
    auto turn = f.turn();
    if (const auto* claim = std::get_if<Claim>(&turn)) {
      EXPECT_TRUE(f.advance(claim->lease, Stage::replied));
      EXPECT_TRUE(f.complete(claim->lease));
      return std::chrono::duration_cast<Milliseconds>(f.clock.now() - began);
    }
    const auto& idle = std::get<Idle>(turn);
    EXPECT_EQ(idle.reason, "rate");
    f.pass(idle.wait.value());
  }
}

TEST(EngineTime, IsTheSteadyClockWhateverTheCalendarDoes) {
  Fixture f;
  const auto read = [&] {
    return f.write([&](store::Tx& tx) { return engine_now(tx, f.now()); }).value();
  };
  const auto began = read();
  f.clock.step_wall(1h);
  f.pass(5s);
  f.clock.step_wall(-2h);
  EXPECT_EQ(read() - began, 5s);
}

// A transaction that had to wait comes with the time at which it was asked for.
TEST(EngineTime, DoesNotRunFastAfterAnOldReading) {
  Fixture f;
  const auto advance = [&](const Now& now) {
    return f.write([&](store::Tx& tx) { return advance_engine_time(tx, now); }).value();
  };
  const Now old = f.now();
  f.pass(1min);
  const auto newest = advance(f.now());
  EXPECT_EQ(advance(old), newest);
  f.pass(1s);
  EXPECT_EQ(advance(f.now()), newest + 1s);
}

TEST(EngineTime, AfterARebootIsWhatTheCalendarSaysLessAnHourAndNeverLess) {
  Fixture f;
  const auto read = [&](const char* boot) {
    return f
        .write([&](store::Tx& tx) {
          auto now = f.now();
          now.boot = boot;
          return advance_engine_time(tx, now);
        })
        .value();
  };
  const auto first = read("boot");
  f.pass(3h);
  const auto second = read("second boot");
  EXPECT_EQ(second - first, 2h);
  f.clock.step_wall(-24h);
  EXPECT_EQ(read("third boot"), second);
  f.pass(1min);
  EXPECT_EQ(read("third boot") - second, 1min);
}

struct Step {
  const char* name;
  std::chrono::minutes by;
  bool reboots;
};

class CapUnderSteps : public testing::TestWithParam<Step> {};

// Steps in the middle of everything: the true distances keep the cap, and nothing parks for ever.
TEST_P(CapUnderSteps, NoWindowHoldsMoreAndTheLaneGoesOn) {
  Fixture f(capped(4, 3h));
  std::vector<base::Instant> sent;
  for (int i = 0; i < 20; ++i) {
    if (i % 3 == 2) {
      f.clock.step_wall(i % 2 == 0 ? GetParam().by : -GetParam().by);
      if (GetParam().reboots) {
        f.boot = "boot " + std::to_string(i);
        ASSERT_TRUE(f.recover(1));
      }
    }
    EXPECT_LE(send_one(f), 3h + 1h);
    sent.push_back(f.clock.now());
    f.pass(7min);
  }
  for (std::size_t i = 4; i < sent.size(); ++i) EXPECT_GE(sent[i] - sent[i - 4], 3h);
}

INSTANTIATE_TEST_SUITE_P(Steps, CapUnderSteps,
                         testing::Values(Step{"none", 0min, false}, Step{"forward", 60min, false},
                                         Step{"back", -60min, false}, Step{"reboots", 60min, true},
                                         Step{"reboots_back", -60min, true}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Limits, AClaimReservesItsSlotUntilItEndsUnsent) {
  Fixture f(capped(1, 3h));
  const LaneId other{"chat:2"};
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.declare_lane(tx, other, "account"); }));
  f.add();
  auto elsewhere = f.job();
  elsewhere.lane = other;
  ASSERT_TRUE(f.submit(elsewhere));

  const auto first = f.claim();
  const auto waits = f.idle(other);
  EXPECT_EQ(waits.reason, "rate");
  EXPECT_EQ(waits.wait, std::nullopt);
  EXPECT_EQ(waits.bell, bell_of_account("account"));
  ASSERT_TRUE(f.fail(first.lease, base::Code::invalid));

  EXPECT_EQ(f.claim(other).job.lane, other);
}

TEST(Limits, AChildNeedsASlotOfItsOwn) {
  Fixture f(capped(1, 1h));
  f.add();
  const auto claim = f.claim();
  ASSERT_TRUE(f.advance(claim.lease, Stage::replied));
  const auto begun = f.write(
      [&](store::Tx& tx) { return f.queue.begin_child(tx, claim.lease, f.job(), f.now()); });
  ASSERT_TRUE(begun);
  const auto& child = *begun;
  ASSERT_TRUE(f.stage(child.lease, Stage::intent));
  const auto refused = f.stage(child.lease, Stage::armed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::busy);
  EXPECT_EQ(refused.error().reason, "rate");
  const auto wait =
      f.write([&](store::Tx& tx) { return f.queue.wait_to_arm(tx, child.lease, f.now()); });
  EXPECT_EQ(wait.value(), Milliseconds(1h));
  f.pass(1h);
  EXPECT_TRUE(f.stage(child.lease, Stage::armed));
}

TEST(Limits, ThePauseLiesBetweenTwoSends) {
  Fixture f(capped(100, 1h, 30s));
  EXPECT_EQ(send_one(f), 0ms);
  EXPECT_EQ(send_one(f), 30s);
  f.pass(10s);
  EXPECT_EQ(send_one(f), 20s);
}

// An account that works one lane at a time, and a job in each of two.
struct OnePlace : Fixture {
  OnePlace() : Fixture(options()) {
    EXPECT_TRUE(write([&](store::Tx& tx) { return queue.declare_lane(tx, other, "account"); }));
    add();
    auto elsewhere = job();
    elsewhere.lane = other;
    EXPECT_TRUE(submit(elsewhere));
  }
  static QueueOptions options() {
    auto made = capped(100, 1h);
    made.accounts["account"].parallel_max = 1;
    return made;
  }

  const LaneId other{"chat:2"};
};

TEST(Limits, AMovedLaneAndWhatItSentCountForTheAccountItComesTo) {
  Fixture f(capped(1, 1h));
  auto job = f.job();
  job.lane = LaneId{"chat:2"};
  ASSERT_TRUE(
      f.write([&](store::Tx& tx) { return f.queue.declare_lane(tx, job.lane, "account-before"); }));
  const auto move = [&] {
    return f.write([&](store::Tx& tx) { return f.queue.move_lanes(tx, "account-", "account"); })
        .value();
  };
  ASSERT_TRUE(f.submit(job));
  const auto claim = f.claim(job.lane);
  ASSERT_TRUE(f.advance(claim.lease, Stage::replied));
  EXPECT_EQ(move(), 0) << "it is in use";
  ASSERT_TRUE(f.complete(claim.lease));
  ASSERT_TRUE(f.write([&](store::Tx& tx) {
    return f.queue.trip(tx, "account-before", Trip::challenge, "prove it", {}, f.now());
  }));
  EXPECT_EQ(move(), 1);
  EXPECT_EQ(move(), 0);
  ASSERT_TRUE(f.submit(job));
  EXPECT_EQ(f.idle(job.lane).reason, "rate");
  const auto open = f.write([&](store::Tx& tx) { return open_breakers(tx, f.now()); });
  EXPECT_TRUE(open.value().empty());
}

TEST(Limits, LanesOfAnAccountRunAtOnceUpToItsNumber) {
  OnePlace f;
  const auto first = f.claim();
  EXPECT_EQ(f.idle(f.other).reason, "parallel");
  ASSERT_TRUE(f.complete(first.lease));
  f.claim(f.other);
}

// The store may be slow for longer than a lease lasts.
TEST(Limits, ALeaseThatRanOutLastsOnOnlyWhileItsPlaceIsFree) {
  OnePlace f;
  const auto first = f.claim();
  ASSERT_TRUE(f.stage(first.lease, Stage::intent));
  f.pass(f.queue.options().lease);
  EXPECT_TRUE(f.renew(first.lease));

  f.pass(f.queue.options().lease);
  const auto second = f.claim(f.other);
  const auto renewed = f.renew(first.lease);
  ASSERT_FALSE(renewed);
  EXPECT_EQ(renewed.error().reason, "stale_lease");
  const auto armed = f.stage(first.lease, Stage::armed);
  ASSERT_FALSE(armed);
  EXPECT_EQ(armed.error().code, base::Code::busy);
  EXPECT_EQ(armed.error().reason, "parallel");

  ASSERT_TRUE(f.complete(second.lease));
  EXPECT_EQ(f.claim().job.id, first.job.id);
}

// Who holds a place of the account and has more to do would come before the others every time.
TEST(Limits, ALaneOfALimitedAccountStandsBackAfterEachJob) {
  const auto reason_after_one = [](const QueueOptions& options) {
    Fixture f(options);
    f.add();
    f.add();
    const auto first = f.claim();
    const auto turn = f.write([&](store::Tx& tx) -> base::Result<Turn> {
      TRY_OK(f.queue.complete(tx, first.lease, {}, f.now()));
      return f.queue.claim_next(tx, lane, "next", f.now());
    });
    const auto* idle = std::get_if<Idle>(&turn.value());
    return idle ? idle->reason : std::string();
  };
  EXPECT_EQ(reason_after_one(capped(100, 1h)), "shared");
  EXPECT_EQ(reason_after_one({}), "");
}

// The most lanes of the account that held a live lease at once in a long life of chance.
std::size_t most_lanes_at_once(std::uint64_t seed, int parallel_max, std::string_view sabotage) {
  auto options = capped(1000, 1h);
  options.accounts["account"].parallel_max = parallel_max;
  Fixture f(options);
  base::SeededRandom random(seed);
  std::vector<LaneId> lanes{lane};
  for (int i = 2; i <= 6; ++i) lanes.push_back({fmt::format("chat:{}", i)});
  for (const auto& one : lanes) {
    EXPECT_TRUE(f.write([&](store::Tx& tx) { return f.queue.declare_lane(tx, one, "account"); }));
  }
  if (!sabotage.empty()) {
    EXPECT_TRUE(f.write([&](store::Tx& tx) { return tx.execute(sabotage); }));
  }
  struct Held {
    Lease lease;
    base::Instant until;
  };
  std::map<LaneId, Held> held;
  std::size_t most = 0;
  for (int step = 0; step < 300; ++step) {
    std::erase_if(held, [&](const auto& one) { return one.second.until <= f.clock.now(); });
    const LaneId& at = lanes[random.below(lanes.size())];
    const auto mine = held.find(at);
    if (mine == held.end()) {
      auto job = f.job();
      job.lane = at;
      EXPECT_TRUE(f.submit(std::move(job)));
      auto turn = f.turn(at);
      if (auto* claim = std::get_if<Claim>(&turn)) {
        held.emplace(at, Held{claim->lease, f.clock.now() + f.queue.options().lease});
      }
    } else if (random.below(3) == 0) {
      EXPECT_TRUE(f.renew(mine->second.lease));
      mine->second.until = f.clock.now() + f.queue.options().lease;
    } else {
      EXPECT_TRUE(random.below(2) == 0 ? f.complete(mine->second.lease)
                                       : f.release(mine->second.lease));
      held.erase(mine);
    }
    most = std::max(most, held.size());
    if (random.below(4) == 0) f.pass(Milliseconds(random.below(40'000)));
  }
  return most;
}

TEST(Limits, NeverMoreLanesRunAtOnceThanTheAccountAllowsAndSometimesThatMany) {
  for (const int parallel_max : {1, 2, 4}) {
    std::size_t most = 0;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      most = std::max(most, most_lanes_at_once(seed, parallel_max, {}));
    }
    EXPECT_EQ(most, static_cast<std::size_t>(parallel_max));
  }
}

// The check before it notices a queue that does not count what runs.
TEST(Limits, LanesThatAreNotCountedAreSeenToRunAtOnce) {
  constexpr std::string_view leases_for_no_time = R"(
CREATE TRIGGER sabotage AFTER UPDATE OF lease_until_et ON lanes
WHEN NEW.holder IS NOT NULL
BEGIN
  UPDATE lanes SET lease_until_et = 0 WHERE id = NEW.id;
END)";
  EXPECT_GT(most_lanes_at_once(1, 2, leases_for_no_time), 2u);
}

TEST(Breaker, OutlivesARestartAndClosesByEvidence) {
  Fixture f;
  f.add();
  ASSERT_TRUE(f.write([&](store::Tx& tx) {
    return f.queue.trip(tx, "account", Trip::login_required, "signed out", std::nullopt, f.now());
  }));
  f.holder = "life-2";
  ASSERT_TRUE(f.recover(1));
  f.pass(1000h);
  const auto idle = f.idle();
  EXPECT_EQ(idle.reason, "breaker");
  EXPECT_EQ(idle.wait, std::nullopt);
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.close_breaker(tx, "account"); }));
  f.claim();
}

TEST(Breaker, EndsAtItsTimeThoughTheCalendarSteps) {
  Fixture f;
  f.add();
  ASSERT_TRUE(f.write([&](store::Tx& tx) {
    return f.queue.trip(tx, "account", Trip::usage_cap, "until four", f.clock.wall() + 30min,
                        f.now());
  }));
  f.clock.step_wall(-1h);
  EXPECT_EQ(f.idle().wait, Milliseconds(30min));
  f.clock.step_wall(2h);
  EXPECT_EQ(f.idle().wait, Milliseconds(30min));
  f.pass(30min);
  f.claim();
}

// Of two conversations one was told to come back in hours, the other only that it was too fast.
TEST(Breaker, AShorterPauseDoesNotEndALongerOne) {
  Fixture f;
  f.add();
  const auto trip = [&](Trip why, std::optional<Milliseconds> pause) {
    std::optional<base::WallTime> until;
    if (pause) until = f.clock.wall() + *pause;
    return f.write(
        [&](store::Tx& tx) { return f.queue.trip(tx, "account", why, "", until, f.now()); });
  };
  ASSERT_TRUE(trip(Trip::usage_cap, 5h));
  ASSERT_TRUE(trip(Trip::rate_limited, 15min));
  EXPECT_EQ(f.idle().wait, Milliseconds(5h));
  ASSERT_TRUE(trip(Trip::usage_cap, 6h));
  EXPECT_EQ(f.idle().wait, Milliseconds(6h));
  ASSERT_TRUE(trip(Trip::challenge, std::nullopt));
  EXPECT_EQ(f.idle().wait, std::nullopt);
  ASSERT_TRUE(trip(Trip::rate_limited, 15min));
  EXPECT_EQ(f.idle().wait, std::nullopt);
  EXPECT_EQ(f.idle().detail, "challenge: ");
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.close_breaker(tx, "account"); }));
  ASSERT_TRUE(trip(Trip::rate_limited, 15min));
  EXPECT_EQ(f.idle().wait, Milliseconds(15min));
}

TEST(Breaker, EvidenceIsWhatBeganAfterTheTripThoughTheCalendarSteps) {
  for (const auto step : {-60min, 60min}) {
    Fixture f;
    f.pass(1min);
    ASSERT_TRUE(f.write([&](store::Tx& tx) {
      return f.queue.trip(tx, "account", Trip::login_required, "", std::nullopt, f.now());
    }));
    f.clock.step_wall(step);
    f.pass(10s);
    ASSERT_TRUE(f.write([&](store::Tx& tx) -> base::Result<> {
      TRY(const auto lanes, f.queue.lanes(tx, f.now()));
      TRY(const auto time, engine_now(tx, f.now()));
      const Breaker& breaker = lanes.front().breaker;
      EXPECT_TRUE(breaker.is_older_than(5s, time));
      EXPECT_FALSE(breaker.is_older_than(15s, time));
      return {};
    }));
  }
}

TEST(Breaker, ACapLetsWhatWasSentBeReadAndASignOutDoesNot) {
  Fixture f;
  f.add();
  const auto claim = f.claim();
  ASSERT_TRUE(f.advance(claim.lease, Stage::sent));
  ASSERT_TRUE(f.release(claim.lease));
  const auto trip = [&](Trip why) {
    return f.write(
        [&](store::Tx& tx) { return f.queue.trip(tx, "account", why, "", std::nullopt, f.now()); });
  };
  ASSERT_TRUE(trip(Trip::login_required));
  EXPECT_EQ(f.idle().reason, "breaker");
  ASSERT_TRUE(trip(Trip::rate_limited));
  EXPECT_TRUE(f.claim().is_reconcile);
}

TEST(Breaker, OpenedAfterTheClaimItForbidsTheSend) {
  Fixture f;
  f.add();
  const auto claim = f.claim();
  ASSERT_TRUE(f.stage(claim.lease, Stage::intent));
  ASSERT_TRUE(f.write([&](store::Tx& tx) {
    return f.queue.trip(tx, "account", Trip::rate_limited, "", std::nullopt, f.now());
  }));
  const auto refused = f.stage(claim.lease, Stage::armed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "breaker");
}

std::vector<Shut> shut(Fixture& f) {
  auto found = f.write([&](store::Tx& tx) { return open_breakers(tx, f.now()); });
  BRIDGE_ASSERT(found);
  return *std::move(found);
}

base::Result<> block(Fixture& f, const LaneId& which) {
  return f.write([&](store::Tx& tx) {
    return f.queue.block(tx, which, "a dialog", "https://chat.test/c/1", f.now());
  });
}

TEST(Breaker, ABlockedLaneWaitsAloneAndGoesOnByEvidence) {
  Fixture f;
  const LaneId other{"chat:2"};
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.declare_lane(tx, other, "account"); }));
  auto elsewhere = f.job();
  elsewhere.lane = other;
  f.add();
  ASSERT_TRUE(f.submit(elsewhere));
  const auto failed = f.claim();
  ASSERT_TRUE(block(f, lane));
  // It backs off, and need not once the page works again.
  ASSERT_TRUE(f.fail(failed.lease, base::Code::login_required, "ui_changed"));
  const auto idle = f.idle();
  EXPECT_EQ(idle.reason, "breaker");
  EXPECT_EQ(idle.detail, "blocked: a dialog");
  EXPECT_EQ(idle.wait, std::nullopt);
  EXPECT_EQ(idle.bell, bell_of(lane));
  ASSERT_TRUE(f.complete(f.claim(other).lease));
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.unblock(tx, lane); }));
  f.claim();
}

// A chat that one of its jobs began asks something; the next job may begin another.
TEST(Breaker, ThePageThatBlocksALaneNeedNotBeTheOneItsJobsBeginAt) {
  Fixture f;
  const std::string home = "https://chat.test/g/g-1";
  const auto declare = [&] {
    return f.write([&](store::Tx& tx) { return f.queue.declare_lane(tx, lane, "account", home); });
  };
  ASSERT_TRUE(declare());
  ASSERT_TRUE(block(f, lane));
  ASSERT_TRUE(declare());
  ASSERT_EQ(shut(f).size(), 1u);
  EXPECT_EQ(shut(f).front().breaker.url, "https://chat.test/c/1");
  const auto pages =
      f.write([&](store::Tx& tx) { return f.queue.lane_pages(tx, "account"); }).value();
  ASSERT_EQ(pages.size(), 1u);
  EXPECT_EQ(pages.front().url, home);
}

TEST(Breaker, ABlockedLaneArmsNothing) {
  Fixture f;
  f.add();
  const auto claim = f.claim();
  ASSERT_TRUE(f.stage(claim.lease, Stage::intent));
  ASSERT_TRUE(block(f, lane));
  const auto refused = f.stage(claim.lease, Stage::armed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "breaker");
}

TEST(Breaker, WhoResumesABlockedLaneHasLooked) {
  Fixture f;
  f.add();
  ASSERT_TRUE(block(f, lane));
  EXPECT_EQ(f.idle().reason, "breaker");
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.resume(tx, lane); }));
  f.claim();
}

TEST(Breaker, WhatIsOpenIsToldWithThePageThatShowsIt) {
  int changes = 0;
  Fixture f({.breaker_changed = [&] { ++changes; }});
  EXPECT_TRUE(shut(f).empty());
  ASSERT_TRUE(f.write([&](store::Tx& tx) {
    return f.queue.trip(tx, "account", Trip::challenge, "prove it", std::nullopt, f.now(),
                        "https://chat.test/c/2");
  }));
  ASSERT_TRUE(block(f, lane));
  EXPECT_EQ(changes, 2);
  const auto both = shut(f);
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].account, "account");
  EXPECT_EQ(both[0].lane, std::nullopt);
  EXPECT_EQ(both[0].breaker.trip, Trip::challenge);
  EXPECT_EQ(both[0].breaker.url, "https://chat.test/c/2");
  EXPECT_EQ(both[1].lane, lane);
  EXPECT_EQ(both[1].breaker.detail, "a dialog");
  EXPECT_EQ(both[1].breaker.url, "https://chat.test/c/1");
  ASSERT_TRUE(f.write([&](store::Tx& tx) -> base::Result<> {
    TRY_OK(f.queue.close_breaker(tx, "account"));
    return f.queue.unblock(tx, lane);
  }));
  EXPECT_TRUE(shut(f).empty());
  EXPECT_EQ(changes, 4);
}

TEST(Breaker, OfAnAccountThatClosedByItsTimeNothingIsTold) {
  Fixture f;
  ASSERT_TRUE(f.write([&](store::Tx& tx) {
    return f.queue.trip(tx, "account", Trip::rate_limited, "", f.clock.wall() + 15min, f.now());
  }));
  EXPECT_EQ(shut(f).size(), 1u);
  f.pass(15min);
  EXPECT_TRUE(shut(f).empty());
}

TEST(Lanes, ARetiredOneIsToldOfWhileSomethingInItIsUnfinished) {
  Fixture f;
  const auto told = [&] {
    const auto lanes = f.write([&](store::Tx& tx) { return f.queue.lanes(tx, f.now()); });
    BRIDGE_ASSERT(lanes);
    return lanes->size();
  };
  const auto retire = [&] {
    ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.retire_lane(tx, lane); }));
  };
  f.add();
  ASSERT_TRUE(block(f, lane));
  retire();
  EXPECT_EQ(told(), 1u);
  EXPECT_EQ(shut(f).size(), 1u);
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.unblock(tx, lane); }));
  const auto claim = f.claim();
  EXPECT_EQ(told(), 1u);
  ASSERT_TRUE(f.hold(claim.lease));
  EXPECT_EQ(told(), 1u);
  ASSERT_TRUE(f.resolve(claim.job.id, Verdict::abandon));
  EXPECT_EQ(told(), 0u);
  ASSERT_TRUE(block(f, lane));
  EXPECT_TRUE(shut(f).empty());
  // What was done in it is still there, and so is the lane for whoever comes again.
  EXPECT_EQ(f.get(claim.job.id).lane, lane);
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.declare_lane(tx, lane, "account"); }));
  EXPECT_EQ(told(), 1u);
}

}  // namespace
}  // namespace engine
