#include "bridge/app/loop.h"

#include "bridge/app/exit_status.h"

#include <csignal>
#include <cstdlib>
#include <exception>

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

}  // namespace

int run_to_end(Console& console, const std::function<asio::awaitable<int>()>& story) {
  asio::io_context loop(1);
  asio::cancellation_signal cancel;
  asio::signal_set signals(loop, SIGINT, SIGTERM);
  bool is_interrupted = false;
  std::function<void(boost::system::error_code, int)> on_signal =
      [&](const boost::system::error_code& error, int) {
        if (error) return;
        if (is_interrupted) std::_Exit(exit_interrupted);
        is_interrupted = true;
        cancel.emit(asio::cancellation_type::terminal);
        signals.async_wait(on_signal);
      };
  signals.async_wait(on_signal);
  int status = exit_bug;
  std::exception_ptr bug;
  asio::co_spawn(
      loop, story(),
      asio::bind_cancellation_slot(cancel.slot(), [&](const std::exception_ptr& thrown, int given) {
        status = given;
        bug = thrown;
        signals.cancel();
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
  asio::io_context loop(1);
  Signals told(loop.get_executor());
  asio::signal_set signals(loop, SIGINT, SIGTERM);
  if (hears_hangups()) signals.add(SIGHUP);
  // Whoever reads the log or the output may go before the story ends.
  std::signal(SIGPIPE, SIG_IGN);
  bool is_over = false;  // a signal may be on its way then
  std::function<void(boost::system::error_code, int)> on_signal =
      [&](const boost::system::error_code& error, int number) {
        if (error || is_over) return;
        // A terminal that is closed may say so more than once.
        if (told.has_come() && number != SIGHUP) std::_Exit(exit_interrupted);
        told.raise();
        signals.async_wait(on_signal);
      };
  signals.async_wait(on_signal);
  int status = exit_bug;
  std::exception_ptr bug;
  asio::co_spawn(loop, story(loop.get_executor(), told),
                 [&](const std::exception_ptr& thrown, int given) {
                   status = given;
                   bug = thrown;
                   is_over = true;
                   signals.cancel();
                 });
  loop.run();
  if (bug) std::rethrow_exception(bug);
  return status;
}

}  // namespace app
