// What the bridge does and tells besides working its queue.
#include "bridge/app/bridge.h"

#include "bridge/services/agents/catalogue.h"
#include "bridge/services/agents/rules.h"
#include "tests/app/process.h"
#include "tests/support/virtual_clock.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace app {
namespace {

using testing::ElementsAre;

const std::string bridged_page = "https://chat.test/c/own";
const std::string bridged_account = "chatgpt:test";

// A bridge whose browser never starts, in virtual time; its store works on threads of its own.
class BridgeTest : public testing::Test {
 protected:
  BridgeTest() {
    BridgeSettings settings;
    settings.state = folder.path();
    settings.store = (folder.path() / "flywheel.db").string();
    settings.account = bridged_account;
    settings.writer = "flywheel";
    settings.exchange.reply = std::chrono::minutes(1);
    settings.packets.url = bridged_page;
    settings.browser.care.home_url = bridged_page;
    settings.chrome.launch.executable = "/nonexistent/browser";
    auto opened = Bridge::open(loop.get_executor(), clock, faults, std::move(settings));
    if (!opened) throw std::runtime_error(opened.error().message);
    bridge = *std::move(opened);
  }
  ~BridgeTest() override { finish(bridge->stop()); }

  // Time passes when nothing has happened for a moment.
  template <class Until>
  void until(Until holds) {
    while (!holds()) {
      loop.restart();
      if (loop.run_one_for(std::chrono::milliseconds(20)) == 0) clock.jump();
    }
  }
  void finish(boost::asio::awaitable<void> task) {
    bool has_ended = false;
    boost::asio::co_spawn(loop, std::move(task), [&](const std::exception_ptr& error) {
      EXPECT_FALSE(error);
      has_ended = true;
    });
    until([&] { return has_ended; });
  }
  void start() { must(bridge->start()); }
  void must(base::Task<> task) {
    std::optional<base::Result<>> done;
    boost::asio::co_spawn(loop, std::move(task),
                          [&](const std::exception_ptr& error, base::Result<> result) {
                            EXPECT_FALSE(error);
                            done = std::move(result);
                          });
    until([&] { return done.has_value(); });
    ASSERT_TRUE(*done) << done->error().message;
  }
  void write(std::function<base::Result<>(store::Tx&)> work) {
    must(bridge->store().write(std::move(work)));
  }
  void sql(std::string text) {
    write([text](store::Tx& tx) -> base::Result<> {
      TRY_OK(tx.execute(text));
      return {};
    });
  }

  // A query to a GPT whose link is the conversation that packets go to.
  services::messages::Message ask_in_the_own_lane() {
    write([this](store::Tx& tx) -> base::Result<> {
      TRY_OK(services::agents::add(
          {tx, bridge->journal(), clock.wall(), "test"}, services::agents::Catalogue::built_in(),
          {.name = "Neighbour", .kind = services::agents::Kind::custom_gpt, .link = bridged_page}));
      return {};
    });
    const services::Caller root{
        .principal = "key:root", .name = "root", .may_send_for_others = true, .is_admin = true};
    services::messages::Message asked;
    auto ask = [](Bridge& asking, services::Caller caller,
                  services::messages::Message& query) -> base::Task<> {
      CO_TRY(auto sent, co_await asking.messages().ask(
                            std::move(caller), {.to = "Neighbour", .text = "What is new?"}, {}));
      query = std::move(sent.message);
      co_return base::Result<>();
    };
    must(ask(*bridge, root, asked));
    return asked;
  }
  services::messages::Message query(const std::string& id) {
    services::messages::Message found;
    write([&](store::Tx& tx) -> base::Result<> {
      TRY(found, services::messages::get(tx, id));
      return {};
    });
    return found;
  }
  engine::Job job(const std::string& id) {
    engine::Job found;
    write([&](store::Tx& tx) -> base::Result<> {
      TRY(found, bridge->queue().get(tx, {id}));
      return {};
    });
    return found;
  }
  // A job that fails for good when it is begun: it is no packet.
  engine::JobId submit(const std::string& sender) {
    engine::JobId id;
    write([&](store::Tx& tx) -> base::Result<> {
      TRY(id, bridge->queue().enqueue(tx,
                                      {.kind = std::string(services::packet_kind),
                                       .lane = services::lane_of(bridged_page),
                                       .sender = sender,
                                       .principal = "test"},
                                      bridge->timeline().now()));
      return {};
    });
    return id;
  }

  boost::asio::io_context loop{1};
  TestFolder folder;
  test::VirtualClock clock;
  base::Faults faults;
  base::Metrics metrics;
  std::vector<std::string> told;
  std::unique_ptr<Bridge> bridge;
};

TEST_F(BridgeTest, ACheckpointThatCannotBeMadeIsToldOfUntilOneIsMade) {
  bridge->count_in(metrics);
  bridge->on_trouble = [&](std::string_view what, const base::Error* error) {
    told.push_back(fmt::format("{}: {}", what, error ? "failed" : "works"));
  };
  sql("CREATE TRIGGER none BEFORE INSERT ON journal_checkpoints "
      "BEGIN SELECT RAISE(ABORT, 'no room'); END");
  start();
  until([&] { return !bridge->troubles().empty(); });
  EXPECT_EQ(bridge->troubles().begin()->first, checkpoint_trouble);
  EXPECT_GE(metrics.counter("flywheel_checkpoint_failures_total", "").value(), 1u);
  EXPECT_THAT(told, ElementsAre("make a checkpoint: failed"));
  sql("DROP TRIGGER none");
  until([&] { return bridge->troubles().empty(); });
  EXPECT_THAT(told, ElementsAre("make a checkpoint: failed", "make a checkpoint: works"));
}

TEST_F(BridgeTest, AnEndedChildThatNobodyWaitsForIsReaped) {
  start();
  const pid_t orphan = ::fork();
  ASSERT_GE(orphan, 0);
  if (orphan == 0) {
    ::setsid();
    ::_exit(0);
  }
  const auto look = [orphan](int how) {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(orphan), &info, WEXITED | WNOWAIT | how);
  };
  ASSERT_EQ(look(0), 0);
  until([&] { return look(WNOHANG) != 0; });
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(BridgeTest, WhatAnEarlierLifeLeftShutIsToldAndLookedInto) {
  const engine::LaneId other{"gpt:1"};
  write([&](store::Tx& tx) -> base::Result<> {
    const auto now = bridge->timeline().now();
    TRY_OK(bridge->queue().declare_lane(tx, other, bridged_account, "https://chat.test/g/g-1"));
    TRY_OK(bridge->queue().block(tx, other, "a dialog", "https://chat.test/g/g-1", now));
    return bridge->queue().trip(tx, bridged_account, engine::Trip::challenge, "prove it", {}, now);
  });
  bridge->work_all_lanes();
  EXPECT_FALSE(bridge->waits_for_evidence());
  start();
  until([&] { return bridge->closures().size() == 2; });
  EXPECT_EQ(bridge->closures()[0].shut.lane, std::nullopt);
  EXPECT_FALSE(bridge->closures()[0].is_partial);
  EXPECT_EQ(bridge->closures()[1].shut.lane, other);
  EXPECT_TRUE(bridge->closures()[1].is_partial) << "packets do not need it";
  EXPECT_TRUE(bridge->waits_for_evidence());
  until([&] {
    return bridge->account().keeper().condition().stage != chat::BrowserKeeper::Stage::idle;
  });
  write([&](store::Tx& tx) -> base::Result<> {
    TRY_OK(bridge->queue().unblock(tx, other));
    return bridge->queue().close_breaker(tx, bridged_account);
  });
  until([&] { return bridge->closures().empty(); });
  EXPECT_FALSE(bridge->waits_for_evidence());
}

// The life before ended in the middle, and then the profile was given another name.
TEST_F(BridgeTest, WhatWaitsUnderAnotherNameOfTheProfileIsUnderThisOnesLimits) {
  const std::vector<engine::LaneId> lanes{services::lane_of(bridged_page), {"gpt:1"}};
  write([&](store::Tx& tx) -> base::Result<> {
    for (const auto& lane : lanes) {
      TRY_OK(bridge->queue().declare_lane(tx, lane, "chatgpt:before"));
    }
    return bridge->queue().declare_lane(tx, {"webhook:1"}, "webhooks");
  });
  sql("UPDATE lanes SET holder = 'life-before', lease_until_et = 1000000000");
  bridge->work_all_lanes();
  start();
  std::vector<std::string> accounts;
  write([&](store::Tx& tx) -> base::Result<> {
    TRY(const auto all, bridge->queue().lanes(tx, bridge->timeline().now()));
    for (const auto& lane : all) accounts.push_back(lane.id.text + " " + lane.account);
    return {};
  });
  EXPECT_THAT(accounts, testing::UnorderedElementsAre(lanes[0].text + " " + bridged_account,
                                                      lanes[1].text + " " + bridged_account,
                                                      "webhook:1 webhooks"));
}

TEST_F(BridgeTest, ALimitIsToldUntilItsTime) {
  start();
  const base::Instant begun = clock.now();
  write([&](store::Tx& tx) {
    const auto now = bridge->timeline().now();
    return bridge->queue().trip(tx, bridged_account, engine::Trip::rate_limited, "too fast",
                                now.wall + std::chrono::minutes(20), now);
  });
  until([&] { return !bridge->closures().empty(); });
  EXPECT_FALSE(bridge->waits_for_evidence()) << "time ends it";
  EXPECT_TRUE(bridge->closures().front().until);
  until([&] { return bridge->closures().empty(); });
  EXPECT_GE(clock.now() - begun, std::chrono::minutes(20));
}

// Queries to a GPT whose link is one conversation wait in the lane of that conversation.
TEST_F(BridgeTest, AQueryInThePacketsLaneIsWorkedByWhoeverWorksTheLane) {
  must(bridge->recover());
  const auto asked = ask_in_the_own_lane();
  ASSERT_EQ(job(asked.job).lane, services::lane_of(bridged_page));
  start();
  // There is no browser here: it goes again later.
  until(
      [&] { return job(asked.job).attempt > 0 && job(asked.job).state != engine::State::running; });
  EXPECT_EQ(job(asked.job).state, engine::State::queued);
  EXPECT_TRUE(services::messages::is_open(query(asked.id)));
  write([&](store::Tx& tx) -> base::Result<> {
    TRY_OK(bridge->queue().cancel(tx, {asked.job}, "", bridge->timeline().now()));
    return {};
  });
  EXPECT_EQ(query(asked.id).outcome, "cancelled") << "its asker is told";
}

TEST_F(BridgeTest, AQueryThatEndedWhileNobodyListenedIsToldOfAtTheStart) {
  must(bridge->recover());
  const auto asked = ask_in_the_own_lane();
  base::SystemRandom random;
  const engine::Queue deaf({}, random);
  write([&](store::Tx& tx) -> base::Result<> {
    TRY_OK(deaf.cancel(tx, {asked.job}, "", bridge->timeline().now()));
    return {};
  });
  ASSERT_TRUE(services::messages::is_open(query(asked.id)));
  must(bridge->messages().catch_up());
  EXPECT_EQ(query(asked.id).outcome, "cancelled");
  must(bridge->messages().catch_up());
  EXPECT_EQ(query(asked.id).outcome, "cancelled");
}

TEST_F(BridgeTest, WhatIsRecoveredIsNotWorkedBeforeTheStart) {
  must(bridge->recover());
  const auto waiting = submit("somebody");
  finish(clock.sleep_until(clock.now() + std::chrono::minutes(5)));
  EXPECT_EQ(job(waiting.text).attempt, 0);
  start();
  until([&] { return job(waiting.text).attempt > 0; });
}

TEST_F(BridgeTest, NothingIsBegunOnceTheJobThatItEndsWithHasEnded) {
  must(bridge->recover());
  const auto own = submit("own");
  const auto other = submit("other");
  bridge->end_with(own);
  start();
  until([&] { return engine::is_final(job(own.text).state); });
  finish(clock.sleep_until(clock.now() + std::chrono::minutes(5)));
  EXPECT_EQ(job(other.text).attempt, 0);
}

TEST_F(BridgeTest, NothingIsBegunOnceTheJobThatItEndsWithGoesAgainLater) {
  must(bridge->recover());
  const auto own = ask_in_the_own_lane().job;
  bridge->end_with({own});
  start();
  until([&] { return job(own).attempt > 0 && job(own).state != engine::State::running; });
  ASSERT_EQ(job(own).state, engine::State::queued);
  const auto other = submit("other");
  finish(clock.sleep_until(clock.now() + std::chrono::minutes(5)));
  EXPECT_EQ(job(other.text).attempt, 0);
  EXPECT_EQ(job(own).attempt, 1);
}

}  // namespace
}  // namespace app
