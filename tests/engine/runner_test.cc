#include "bridge/engine/runner.h"

#include "tests/engine/fixture.h"

namespace engine {
namespace {

namespace asio = boost::asio;

// Fails at chosen points.
class Faulty final : public base::Faults {
 public:
  base::Result<> at(std::string_view point) override {
    passed.emplace_back(point);
    if (point != fails_at || times == 0) return {};
    --times;
    return base::fail(base::Code::unavailable, "fault");
  }
  std::vector<std::string> passed;
  std::string fails_at;
  int times = 0;
};

struct Bench {
  explicit Bench(QueueOptions options = {}) : f(with_bells(std::move(options))) {}

  QueueOptions with_bells(QueueOptions options) {
    options.ring = [this](const std::string& bell) { bells->ring(bell); };
    return options;
  }

  std::optional<Bells> bells;
  Fixture f;
  Faulty faults;
  std::map<std::string, Handler> handlers;
  std::vector<std::string> told;
  bool is_running = false;
  std::optional<Engine> engine;
  std::optional<Runner> runner;

  void start() {
    engine.emplace(*f.store, f.queue, f.clock, f.timeline, *bells, faults, f.holder);
    runner.emplace(*engine, lane, handlers,
                   [this](const LaneNotice& notice) { told.push_back(notice.what); });
    is_running = true;
    asio::co_spawn(f.loop, runner->run(), [this](std::exception_ptr error) {
      EXPECT_FALSE(error);
      is_running = false;
    });
  }
  template <class Until>
  bool until(Until until, base::Instant::duration limit = 1000h) {
    return test::run_virtually(f.loop, f.clock, std::move(until), [] { return true; }, limit);
  }
  bool ends() {
    return until([this] { return !is_running; });
  }
  // In the loop, for a test that has not begun to run it.
  JobId add() { return f.add(); }
  State state(const JobId& id) {
    std::optional<State> found;
    asio::co_spawn(f.loop, f.store->read([&](store::Tx& tx) { return f.queue.get(tx, id); }),
                   [&](std::exception_ptr, base::Result<Job> job) { found = job->state; });
    EXPECT_TRUE(until([&] { return found.has_value(); }));
    return *found;
  }
  // What the queue says of all lanes, as Runner::drain does of its own.
  bool is_drained() {
    std::optional<bool> found;
    asio::co_spawn(f.loop,
                   f.store->read([&](store::Tx& tx) { return f.queue.is_drained(tx, f.now()); }),
                   [&](std::exception_ptr, base::Result<bool> told) { found = told.value(); });
    EXPECT_TRUE(until([&] { return found.has_value(); }));
    return *found;
  }
  template <class Work>
  void write(Work work) {
    bool is_done = false;
    asio::co_spawn(f.loop, f.store->write(std::move(work)), [&](std::exception_ptr, auto result) {
      EXPECT_TRUE(result);
      is_done = true;
    });
    EXPECT_TRUE(until([&] { return is_done; }));
  }
};

struct RunnerTest : testing::Test, Bench {
  RunnerTest() { bells.emplace(f.loop.get_executor()); }
};

base::Task<Outcome> done(Claim, LaneContext&) {
  co_return Outcome{Outcome::Done{base::json::object{{"ok", true}}}};
}

TEST_F(RunnerTest, WorksTheLaneInOrderAndDrains) {
  std::vector<JobId> ran;
  handlers["packet"] = [&](Claim claim, LaneContext& context) -> base::Task<Outcome> {
    ran.push_back(claim.job.id);
    co_return co_await done(std::move(claim), context);
  };
  const std::vector<JobId> added{add(), add(), add()};
  start();
  runner->drain();
  ASSERT_TRUE(ends());
  EXPECT_EQ(ran, added);
  for (const auto& id : added) EXPECT_EQ(state(id), State::done);
}

TEST_F(RunnerTest, ADrainWaitsForWhatIsDueSoonAndNotForWhatIsWantedMuchLater) {
  handlers["packet"] = done;
  std::vector<JobId> added;
  for (const auto wait : {10min, 60min}) {
    write([&](store::Tx& tx) -> base::Result<> {
      auto later = f.job();
      later.key.clear();
      later.not_before = f.clock.wall() + wait;
      TRY(const auto accepted, f.queue.submit(tx, later, f.now()));
      added.push_back(accepted.job.id);
      return {};
    });
  }
  EXPECT_FALSE(is_drained());
  start();
  runner->drain();
  ASSERT_TRUE(ends());
  EXPECT_EQ(state(added[0]), State::done);
  EXPECT_EQ(state(added[1]), State::queued);
  EXPECT_TRUE(is_drained());
}

TEST_F(RunnerTest, ANewJobWakesAnIdleLaneWithoutAnyTimePassing) {
  handlers["packet"] = done;
  start();
  ASSERT_FALSE(until([] { return false; }));
  const auto before = f.clock.now();
  JobId id;
  write([&](store::Tx& tx) -> base::Result<> {
    TRY(const auto accepted, f.queue.submit(tx, f.job(), f.now()));
    id = accepted.job.id;
    return {};
  });
  ASSERT_TRUE(until([&] { return state(id) == State::done; }));
  EXPECT_EQ(f.clock.now(), before);
  runner->stop();
  ASSERT_TRUE(ends());
}

TEST_F(RunnerTest, ALongHandlerKeepsItsLease) {
  handlers["packet"] = [&](Claim claim, LaneContext& context) -> base::Task<Outcome> {
    co_await f.clock.sleep_until(f.clock.now() + 10min);
    co_return co_await done(std::move(claim), context);
  };
  const auto id = add();
  start();
  runner->drain();
  ASSERT_TRUE(ends());
  EXPECT_EQ(state(id), State::done);
}

// A handler that waits until it is cancelled, and counts its cleanups.
struct Patient {
  Fixture& f;
  Stage stage = Stage::none;
  int cleaned = 0;
  bool is_waiting = false;
  base::Task<Outcome> run(Claim claim, LaneContext& context) {
    struct Cleanup {
      int& count;
      ~Cleanup() { ++count; }
    } cleanup{cleaned};
    for (const Stage next : {Stage::intent, Stage::armed, Stage::sent}) {
      if (next <= stage) CO_TRY_OK(co_await context.set_stage(claim.lease, next));
    }
    is_waiting = true;
    co_await f.clock.sleep_until(f.clock.now() + 10h);
    co_return Outcome{Outcome::Done{}};
  }
};

TEST_F(RunnerTest, StopCancelsTheHandlerAndGivesTheJobBackUnharmed) {
  Patient patient{f};
  handlers["packet"] = [&](Claim claim, LaneContext& context) {
    return patient.run(std::move(claim), context);
  };
  const auto id = add();
  start();
  ASSERT_TRUE(until([&] { return patient.is_waiting; }));
  const auto before = f.clock.now();
  runner->stop();
  ASSERT_TRUE(ends());
  EXPECT_EQ(f.clock.now(), before);
  EXPECT_EQ(patient.cleaned, 1);
  EXPECT_EQ(state(id), State::queued);
}

TEST_F(RunnerTest, StoppedAfterArmedTheJobWaitsToBeReconciled) {
  Patient patient{f, Stage::armed};
  handlers["packet"] = [&](Claim claim, LaneContext& context) {
    return patient.run(std::move(claim), context);
  };
  add();
  start();
  ASSERT_TRUE(until([&] { return patient.is_waiting; }));
  runner->stop();
  ASSERT_TRUE(ends());
  EXPECT_TRUE(f.claim().is_reconcile);
}

TEST_F(RunnerTest, ACancelledJobsHandlerEndsAtOnceAndTheNextJobRuns) {
  Patient patient{f};
  int calls = 0;
  handlers["packet"] = [&](Claim claim, LaneContext& context) {
    return ++calls == 1 ? patient.run(std::move(claim), context) : done(std::move(claim), context);
  };
  const auto first = add();
  const auto second = add();
  start();
  ASSERT_TRUE(until([&] { return patient.is_waiting; }));
  const auto before = f.clock.now();
  write([&](store::Tx& tx) { return f.queue.cancel(tx, first, "no", f.now()); });
  runner->drain();
  ASSERT_TRUE(ends());
  EXPECT_EQ(f.clock.now(), before);
  EXPECT_EQ(patient.cleaned, 1);
  EXPECT_EQ(state(first), State::cancelled);
  EXPECT_EQ(state(second), State::done);
}

TEST_F(RunnerTest, ALostLeaseEndsTheHandlerAndNothingIsWritten) {
  Patient patient{f, Stage::armed};
  handlers["packet"] = [&](Claim claim, LaneContext& context) {
    return patient.run(std::move(claim), context);
  };
  const auto id = add();
  start();
  ASSERT_TRUE(until([&] { return patient.is_waiting; }));
  // Somebody else took the lane.
  write([&](store::Tx& tx) {
    return tx.execute(
        "UPDATE lanes SET epoch = epoch + 1, holder = 'other', "
        "lease_until_et = 4000000000000 WHERE id = 'chat:1'");
  });
  ASSERT_TRUE(until([&] { return patient.cleaned == 1; }));
  EXPECT_EQ(state(id), State::running);
  EXPECT_EQ(std::ranges::count(told, "lost"), 1);
  runner->stop();
  ASSERT_TRUE(ends());
}

TEST_F(RunnerTest, FailuresGoAgainAndAnUnknownKindIsFinal) {
  int calls = 0;
  handlers["packet"] = [&](Claim claim, LaneContext& context) -> base::Task<Outcome> {
    if (++calls < 3) co_return base::fail(base::Code::unavailable, "not now");
    co_return co_await done(std::move(claim), context);
  };
  const auto id = add();
  auto other = f.job();
  other.kind = "unheard";
  const auto unknown = f.submit(other).value().job.id;
  start();
  runner->drain();
  ASSERT_TRUE(ends());
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(state(id), State::done);
  EXPECT_EQ(state(unknown), State::failed);
}

TEST_F(RunnerTest, AnEndThatTheStoreRefusesForNowIsWrittenLater) {
  int calls = 0;
  handlers["packet"] = [&](Claim claim, LaneContext& context) -> base::Task<Outcome> {
    ++calls;
    co_return co_await done(std::move(claim), context);
  };
  faults.fails_at = "runner.before_record";
  faults.times = 4;
  const auto id = add();
  start();
  runner->drain();
  ASSERT_TRUE(ends());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(state(id), State::done);
}

TEST_F(RunnerTest, ARecordThatFailsUndoesTheEndAndFailsTheJob) {
  handlers["packet"] = [&](Claim, LaneContext&) -> base::Task<Outcome> {
    co_return Outcome{Outcome::Done{}, [](store::Tx&) -> base::Result<> {
                        return base::fail(base::Code::conflict, "no room", "no_room");
                      }};
  };
  const auto id = add();
  start();
  runner->drain();
  ASSERT_TRUE(ends());
  EXPECT_EQ(state(id), State::failed);
  EXPECT_EQ(f.get(id).error->code, "no_room");
}

TEST_F(RunnerTest, APausedLaneGoesOnWhenItIsResumed) {
  handlers["packet"] = done;
  const auto id = add();
  start();
  write([&](store::Tx& tx) { return f.queue.pause(tx, lane, "for a look"); });
  // The runner looked before it was paused.
  EXPECT_EQ(state(id), State::done);
  JobId second;
  write([&](store::Tx& tx) -> base::Result<> {
    TRY(const auto accepted, f.queue.submit(tx, f.job(), f.now()));
    second = accepted.job.id;
    return {};
  });
  ASSERT_FALSE(until([] { return false; }));
  EXPECT_EQ(state(second), State::queued);
  write([&](store::Tx& tx) { return f.queue.resume(tx, lane); });
  ASSERT_TRUE(until([&] { return state(second) == State::done; }));
  runner->stop();
  ASSERT_TRUE(ends());
}

TEST_F(RunnerTest, WaitingToArmEndsWhenTheLimitsGrantIt) {
  QueueOptions options;
  options.accounts["account"] = {.pause = 1min};
  Bench slow(options);
  slow.bells.emplace(slow.f.loop.get_executor());
  std::vector<base::Instant> armed;
  slow.handlers["packet"] = [&](Claim claim, LaneContext& context) -> base::Task<Outcome> {
    CO_TRY_OK(co_await context.set_stage(claim.lease, Stage::intent));
    CO_TRY_OK(co_await context.wait_to_arm(claim.lease, 2min));
    CO_TRY_OK(co_await context.set_stage(claim.lease, Stage::armed));
    armed.push_back(slow.f.clock.now());
    CO_TRY_OK(co_await context.set_stage(claim.lease, Stage::sent));
    co_return co_await done(std::move(claim), context);
  };
  slow.add();
  slow.add();
  slow.start();
  slow.runner->drain();
  ASSERT_TRUE(slow.ends());
  ASSERT_EQ(armed.size(), 2u);
  EXPECT_GE(armed[1] - armed[0], 1min);
}

// Works a lane with a handler that is done at once, and remembers what changed and when it was
// durable.
struct Turns {
  Turns() : bench(options()) {
    bench.bells.emplace(bench.f.loop.get_executor());
    bench.handlers["packet"] = [this](Claim claim, LaneContext& context) -> base::Task<Outcome> {
      ++calls;
      CO_TRY(auto outcome, co_await done(std::move(claim), context));
      outcome.after = after;
      co_return outcome;
    };
    added = {bench.add(), bench.add()};
    seen.clear();
    bench.start();
    bench.runner->drain();
  }
  QueueOptions options() {
    QueueOptions made;
    made.on_change = [this](store::Tx& tx, const Change& change, const Now&) -> base::Result<> {
      seen.emplace_back(change.verb);
      tx.after_commit([this] { seen.emplace_back("durable"); });
      return changed ? changed(change) : base::Result<>();
    };
    return made;
  }

  std::vector<std::string> seen;
  std::function<base::Result<>(const Change&)> changed;
  std::function<asio::awaitable<void>()> after;
  int calls = 0;
  Bench bench;
  std::vector<JobId> added;
};

TEST(RunnerTurns, TheNextJobIsTakenInTheCommitThatEndsTheOneBefore) {
  Turns turns;
  ASSERT_TRUE(turns.bench.ends());
  EXPECT_EQ(turns.seen, (std::vector<std::string>{"claimed", "durable", "completed", "claimed",
                                                  "durable", "durable", "completed", "durable"}));
}

TEST(RunnerTurns, WhatFollowsAnEndIsWaitedForBeforeTheNextJobIsTaken) {
  Turns turns;
  turns.after = [&]() -> asio::awaitable<void> {
    co_await turns.bench.f.clock.sleep_until(turns.bench.f.clock.now() + 1min);
    turns.seen.emplace_back("after");
  };
  ASSERT_TRUE(turns.bench.ends());
  EXPECT_EQ(turns.seen,
            (std::vector<std::string>{"claimed", "durable", "completed", "durable", "after",
                                      "claimed", "durable", "completed", "durable", "after"}));
}

TEST(RunnerTurns, WhatFollowsAnEndKeepsNoStopWaiting) {
  Turns turns;
  auto& clock = turns.bench.f.clock;
  bool has_begun = false;
  turns.after = [&]() -> asio::awaitable<void> {
    has_begun = true;
    co_await clock.sleep_until(clock.now() + 1h);
    turns.seen.emplace_back("after");
  };
  ASSERT_TRUE(turns.bench.until([&] { return has_begun; }));
  const auto told = clock.now();
  turns.bench.runner->stop();
  ASSERT_TRUE(turns.bench.ends());
  EXPECT_EQ(clock.now(), told);
  EXPECT_EQ(turns.seen, (std::vector<std::string>{"claimed", "durable", "completed", "durable"}));
  EXPECT_EQ(turns.bench.state(turns.added[1]), State::queued);
}

TEST(RunnerTurns, ANextJobThatCannotBeTakenLeavesTheEndAsItIs) {
  for (const auto code : {base::Code::unavailable, base::Code::internal}) {
    Turns turns;
    int refusals = 0;
    turns.changed = [&](const Change& change) -> base::Result<> {
      if (change.verb != "claimed" || change.job.id != turns.added[1] || refusals > 0) return {};
      ++refusals;
      return base::fail(code, "not now");
    };
    ASSERT_TRUE(turns.bench.ends());
    EXPECT_EQ(refusals, 1);
    EXPECT_EQ(turns.calls, 2);
    for (const auto& id : turns.added) EXPECT_EQ(turns.bench.state(id), State::done);
  }
}

TEST(RunnerTurns, StoppedMeanwhileItGivesTheNextJobBackUntouched) {
  Turns turns;
  turns.changed = [&](const Change& change) -> base::Result<> {
    if (change.verb == "completed") turns.bench.runner->stop();
    return {};
  };
  ASSERT_TRUE(turns.bench.ends());
  EXPECT_EQ(turns.calls, 1);
  EXPECT_EQ(turns.bench.state(turns.added[0]), State::done);
  EXPECT_EQ(turns.bench.state(turns.added[1]), State::queued);
}

}  // namespace
}  // namespace engine
