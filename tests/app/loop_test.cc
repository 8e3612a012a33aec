// What a story is told of the terminal and the reader of its output.
#include "bridge/app/loop.h"

#include <csignal>
#include <optional>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

namespace app {
namespace {

// Sets what becomes of a signal while it lives.
class Disposition {
 public:
  Disposition(int number, void (*handler)(int))
      : number_(number), former_(std::signal(number, handler)) {}
  ~Disposition() { std::signal(number_, former_); }
  Disposition(const Disposition&) = delete;
  Disposition& operator=(const Disposition&) = delete;

 private:
  int number_;
  void (*former_)(int);
};

using Executor = boost::asio::any_io_executor;

TEST(Signals, ATerminalThatIsClosedLetsTheStoryEnd) {
  const Disposition usual(SIGHUP, SIG_DFL);
  const Disposition restored(SIGPIPE, SIG_DFL);
  const auto story = [](Executor, Signals& signals) -> boost::asio::awaitable<int> {
    std::raise(SIGHUP);
    std::raise(SIGHUP);
    co_await signals.wait();
    co_return 7;
  };
  EXPECT_EQ(run_with_signals(story), 7);
}

// `timeout 8h flywheel serve` tells the program, and then its whole group.
TEST(Signals, AnEndThatIsToldTwiceLetsTheStoryEnd) {
  const Disposition usual(SIGTERM, SIG_DFL);
  const Disposition restored(SIGPIPE, SIG_DFL);
  const auto story = [](Executor executor, Signals& signals) -> boost::asio::awaitable<int> {
    std::raise(SIGTERM);
    std::raise(SIGTERM);
    co_await signals.wait();
    // It takes its time, in which the second one comes.
    for (int i = 0; i < 100; ++i) co_await boost::asio::post(executor, boost::asio::use_awaitable);
    co_return 7;
  };
  EXPECT_EQ(run_with_signals(story), 7);
}

TEST(Signals, WhoeverShallOutliveItsTerminalDoes) {
  const Disposition as_by_nohup(SIGHUP, SIG_IGN);
  const Disposition restored(SIGPIPE, SIG_DFL);
  const auto story = [](Executor, Signals&) -> boost::asio::awaitable<int> {
    struct sigaction known{};
    co_return ::sigaction(SIGHUP, nullptr, &known) == 0 && known.sa_handler == SIG_IGN ? 7 : 1;
  };
  EXPECT_EQ(run_with_signals(story), 7);
}

TEST(Signals, AReaderOfTheLogThatGoesEndsNothing) {
  const Disposition usual(SIGPIPE, SIG_DFL);
  const auto story = [](Executor, Signals& signals) -> boost::asio::awaitable<int> {
    std::raise(SIGPIPE);
    co_return signals.has_come() ? 1 : 7;
  };
  EXPECT_EQ(run_with_signals(story), 7);
}

TEST(StoryLoop, WhatCannotBeInterruptedKeepsNoProgram) {
  const Disposition restored(SIGPIPE, SIG_DFL);
  // As a look-up that never ends does.
  std::optional<boost::asio::executor_work_guard<Executor>> left;
  const auto story = [&left](Executor executor, Signals&) -> boost::asio::awaitable<int> {
    left.emplace(executor);
    co_return 7;
  };
  EXPECT_EQ(run_with_signals(story), 7);
}

TEST(StoryLoop, WhatEndsByItselfAfterTheStoryMayStillEnd) {
  const Disposition restored(SIGPIPE, SIG_DFL);
  bool has_ended = false;
  const auto story = [&has_ended](Executor executor, Signals&) -> boost::asio::awaitable<int> {
    boost::asio::post(executor, [executor, &has_ended] {
      boost::asio::post(executor, [&has_ended] { has_ended = true; });
    });
    co_return 7;
  };
  EXPECT_EQ(run_with_signals(story), 7);
  EXPECT_TRUE(has_ended);
}

}  // namespace
}  // namespace app
