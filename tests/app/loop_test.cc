// What a story is told of the terminal and the reader of its output.
#include "bridge/app/loop.h"

#include <csignal>

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

}  // namespace
}  // namespace app
