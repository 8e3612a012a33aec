#include "bridge/engine/crew.h"

#include "tests/engine/fixture.h"

#include <boost/asio/post.hpp>

namespace engine {
namespace {

namespace asio = boost::asio;

const LaneId quick{"hook:quick"}, slow{"hook:slow"}, foreign{"other:1"};

struct CrewTest : testing::Test {
  CrewTest()
      : f({.ring = [this](const std::string& bell) {
          if (bells) bells->ring(bell);
          if (crew) crew->rung(bell);
        }}) {
    bells.emplace(f.loop.get_executor());
    for (const auto& id : {quick, slow, foreign}) {
      EXPECT_TRUE(f.write([&](store::Tx& tx) { return f.queue.declare_lane(tx, id, "none"); }));
    }
    engine.emplace(*f.store, f.queue, f.clock, f.timeline, *bells, faults, f.holder);
    handlers["packet"] = [this](Claim claim, LaneContext&) -> base::Task<Outcome> {
      ++running;
      most = std::max(most, running);
      if (claim.job.lane == slow) co_await f.clock.sleep_until(f.clock.now() + 1h);
      --running;
      ran.push_back(claim.job.lane.text);
      co_return Outcome{Outcome::Done{base::json::object{}}};
    };
  }
  ~CrewTest() override {
    finish([&]() -> asio::awaitable<void> {
      crew->stop();
      co_await crew->idle(f.clock, f.clock.now() + 1h);
      co_await crew->join();
    }());
    crew.reset();  // while there is a loop
  }

  void begin(CrewOptions options = {}) {
    crew.emplace(f.loop.get_executor(), *engine, handlers, std::move(options));
    finish([&]() -> asio::awaitable<void> {
      const auto started = co_await crew->start();
      EXPECT_TRUE(started);
    }());
  }
  bool until(std::function<bool()> is_so, base::Instant::duration limit = 1000h) {
    return test::run_virtually(f.loop, f.clock, std::move(is_so), [] { return true; }, limit);
  }
  void finish(asio::awaitable<void> task) {
    bool is_done = false;
    asio::co_spawn(f.loop, std::move(task), [&](std::exception_ptr error) {
      EXPECT_FALSE(error);
      is_done = true;
    });
    EXPECT_TRUE(until([&] { return is_done; }));
  }
  void submit(const LaneId& to) {
    finish([&]() -> asio::awaitable<void> {
      auto job = f.job();
      job.lane = to;
      const auto accepted = co_await f.store->write(
          [&, job](store::Tx& tx) { return f.queue.submit(tx, job, f.now()); });
      EXPECT_TRUE(accepted);
    }());
  }

  std::optional<Bells> bells;
  std::optional<Crew> crew;
  Fixture f;
  base::Faults faults;
  std::optional<Engine> engine;
  std::map<std::string, Handler> handlers;
  std::vector<std::string> ran;
  int running = 0, most = 0;
};

TEST_F(CrewTest, WorksWhatItFindsAndWhatComesLater) {
  auto job = f.job();
  job.lane = quick;
  ASSERT_TRUE(f.submit(job));
  begin();
  ASSERT_TRUE(until([&] { return ran.size() == 1; }));
  submit(quick);
  ASSERT_TRUE(until([&] { return ran.size() == 2; }));
  ASSERT_TRUE(until([&] { return crew->is_idle(); }));
}

TEST_F(CrewTest, ASlowLaneDelaysNobody) {
  begin();
  submit(slow);
  submit(quick);
  const auto before = f.clock.now();
  ASSERT_TRUE(until([&] { return !ran.empty(); }));
  EXPECT_EQ(ran.front(), quick.text);
  EXPECT_EQ(f.clock.now(), before);
  ASSERT_TRUE(until([&] { return ran.size() == 2; }));
}

TEST_F(CrewTest, BeyondTheMostLanesOthersWaitTheirTurn) {
  begin({.lanes_max = 1});
  submit(slow);
  submit(quick);
  ASSERT_TRUE(until([&] { return ran.size() == 2; }));
  EXPECT_EQ(ran, (std::vector<std::string>{slow.text, quick.text}));
  EXPECT_EQ(most, 1);
}

TEST_F(CrewTest, LanesOfOthersAreLeftAlone) {
  begin({.works = [](const LaneId& id) { return id != foreign; }});
  submit(foreign);
  submit(quick);
  ASSERT_TRUE(until([&] { return ran.size() == 1 && crew->is_idle(); }));
  EXPECT_EQ(ran.front(), quick.text);
}

TEST_F(CrewTest, APausedLaneGoesOnWhenItIsResumed) {
  begin();
  const auto write = [&](auto work) {
    finish([&]() -> asio::awaitable<void> {
      const auto written = co_await f.store->write(work);
      EXPECT_TRUE(written);
    }());
  };
  write([&](store::Tx& tx) { return f.queue.pause(tx, quick, "maintenance"); });
  submit(quick);
  ASSERT_TRUE(until([&] { return crew->is_idle(); }));
  EXPECT_TRUE(ran.empty());
  write([&](store::Tx& tx) { return f.queue.resume(tx, quick); });
  ASSERT_TRUE(until([&] { return ran.size() == 1; }));
}

TEST_F(CrewTest, AllLanesGoOnWhenEverythingIsResumed) {
  begin();
  const auto write = [&](auto work) {
    finish([&]() -> asio::awaitable<void> {
      const auto written = co_await f.store->write(work);
      EXPECT_TRUE(written);
    }());
  };
  write([&](store::Tx& tx) { return f.queue.pause_everything(tx, "maintenance"); });
  submit(quick);
  submit(slow);
  ASSERT_TRUE(until([&] { return crew->is_idle(); }));
  EXPECT_TRUE(ran.empty());
  write([&](store::Tx& tx) { return f.queue.resume_everything(tx); });
  ASSERT_TRUE(until([&] { return ran.size() == 2; }));
}

TEST_F(CrewTest, AClosedAccountIsNotGivenUp) {
  begin();
  const auto write = [&](auto work) {
    finish([&]() -> asio::awaitable<void> {
      const auto written = co_await f.store->write(work);
      EXPECT_TRUE(written);
    }());
  };
  write([&](store::Tx& tx) {
    return f.queue.trip(tx, "none", Trip::login_required, "signed out", {}, f.now());
  });
  submit(quick);
  ASSERT_FALSE(until([&] { return !ran.empty(); }, 10h));
  write([&](store::Tx& tx) { return f.queue.close_breaker(tx, "none"); });
  ASSERT_TRUE(until([&] { return ran.size() == 1; }));
}

TEST(BellsTest, NothingIsKeptOfABellThatNobodyHears) {
  asio::io_context loop;
  Bells bells(loop.get_executor());
  bells.ring("job:1");
  const Bells::Ear ear(bells, "job:1");
  EXPECT_EQ(ear.count(), 0U);
  const Bells::Ear second(bells, "job:1");
  bells.ring("job:1");
  EXPECT_EQ(ear.count(), 1U);
  EXPECT_EQ(second.count(), 1U);
}

}  // namespace
}  // namespace engine
