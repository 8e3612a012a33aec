#include "bridge/app/loop.h"

#include "bridge/app/exit_status.h"
#include "bridge/base/limits.h"

#include <csignal>
#include <cstdlib>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/system/system_error.hpp>

namespace app {

namespace asio = boost::asio;

namespace {

// Whoever set it to be ignored (nohup) wants the program to outlive its terminal.
bool hears_hangups() {
  struct sigaction known{};
  return ::sigaction(SIGHUP, nullptr, &known) == 0 && known.sa_handler != SIG_IGN;
}

// Ends the process for a person who presses Ctrl-C once more. Other signals may come twice for one
// wish: `timeout` tells its program and then the whole group, and a terminal that closes both.
void end_if_urged(int signal) {
  if (signal == SIGINT) std::_Exit(exit_interrupted);
}

// The loop of one story. What cannot be interrupted, such as a name that is looked up, does not
// keep the program once its story is over.
class StoryLoop {
 public:
  StoryLoop() : loop_(std::make_unique<asio::io_context>(1)) {}
  StoryLoop(const StoryLoop&) = delete;
  StoryLoop& operator=(const StoryLoop&) = delete;
  ~StoryLoop() {
    // Its destructor would wait; nothing of it runs any more.
    static auto& abandoned = *new std::vector<std::unique_ptr<asio::io_context>>();
    if (!loop_->stopped()) abandoned.push_back(std::move(loop_));
  }

  asio::io_context& context() { return *loop_; }

  void run() {
    loop_->run();
    if (!is_over_) return;
    loop_->restart();
    loop_->run_for(limits::loose_ends);
  }
  void story_is_over() {
    is_over_ = true;
    loop_->stop();
  }
  bool is_over() const { return is_over_; }

 private:
  std::unique_ptr<asio::io_context> loop_;
  bool is_over_ = false;
};

}  // namespace

int run_to_end(Console& console, const std::function<asio::awaitable<int>()>& story) {
  StoryLoop loop;
  asio::cancellation_signal cancel;
  asio::signal_set signals(loop.context(), SIGINT, SIGTERM);
  bool is_interrupted = false;
  std::function<void(boost::system::error_code, int)> on_signal =
      [&](const boost::system::error_code& error, int number) {
        if (error) return;
        if (is_interrupted) end_if_urged(number);
        if (!std::exchange(is_interrupted, true)) cancel.emit(asio::cancellation_type::terminal);
        signals.async_wait(on_signal);
      };
  signals.async_wait(on_signal);
  int status = exit_bug;
  std::exception_ptr bug;
  asio::co_spawn(
      loop.context(), story(),
      asio::bind_cancellation_slot(cancel.slot(), [&](const std::exception_ptr& thrown, int given) {
        status = given;
        bug = thrown;
        signals.cancel();
        loop.story_is_over();
      }));
  loop.run();
  if (is_interrupted) {
    print_error(console, "interrupted");
    return exit_interrupted;
  }
  if (bug) std::rethrow_exception(bug);
  return status;
}

void Signals::raise() {
  has_come_ = true;
  notice_.notify();
}

asio::awaitable<void> Signals::wait() {
  while (!has_come_) co_await notice_.wait(base::Instant::max());
}

int run_with_signals(
    const std::function<asio::awaitable<int>(asio::any_io_executor, Signals&)>& story) {
  StoryLoop loop;
  const auto executor = loop.context().get_executor();
  Signals told(executor);
  asio::signal_set signals(executor, SIGINT, SIGTERM);
  if (hears_hangups()) signals.add(SIGHUP);
  // Whoever reads the log or the output may go before the story ends.
  std::signal(SIGPIPE, SIG_IGN);
  std::function<void(boost::system::error_code, int)> on_signal =
      [&](const boost::system::error_code& error, int number) {
        if (error || loop.is_over()) return;  // a signal may be on its way then
        if (told.has_come()) end_if_urged(number);
        told.raise();
        signals.async_wait(on_signal);
      };
  signals.async_wait(on_signal);
  int status = exit_bug;
  std::exception_ptr bug;
  asio::co_spawn(executor, story(executor, told), [&](const std::exception_ptr& thrown, int given) {
    status = given;
    bug = thrown;
    signals.cancel();
    loop.story_is_over();
  });
  loop.run();
  if (bug) std::rethrow_exception(bug);
  return status;
}

}  // namespace app
