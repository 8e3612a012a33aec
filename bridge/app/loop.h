// Runs one command's coroutine to its end, or until a person interrupts it.
#pragma once

#include "bridge/app/console.h"
#include "bridge/base/clock.h"
#include "bridge/base/notice.h"

#include <exception>
#include <functional>
#include <optional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace app {

// The exit status that `story` gives, or exit_interrupted after SIGINT or SIGTERM: the story is
// cancelled, cleans up and its result is dropped. After that a SIGINT ends the process at once.
int run_to_end(Console& console, const std::function<boost::asio::awaitable<int>()>& story);

// What a person or the service manager asked for.
class Signals {
 public:
  explicit Signals(boost::asio::any_io_executor executor) : notice_(std::move(executor)) {}

  bool has_come() const { return has_come_; }
  // Returns at the first SIGINT, SIGTERM or SIGHUP.
  boost::asio::awaitable<void> wait();
  // The task's result, or nothing after a signal: then the task has been cancelled and has unwound.
  template <class T>
  boost::asio::awaitable<std::optional<T>> until(boost::asio::awaitable<T> task) {
    namespace asio = boost::asio;
    auto executor = co_await asio::this_coro::executor;
    auto [order, task_error, value, signal_error] =
        co_await asio::experimental::make_parallel_group(
            asio::co_spawn(executor, std::move(task), asio::deferred),
            asio::co_spawn(executor, wait(), asio::deferred))
            .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    if (order[0] != 0) co_return std::nullopt;
    if (task_error) std::rethrow_exception(task_error);
    co_return std::move(value);
  }
  void raise();

 private:
  base::Notice notice_;
  bool has_come_ = false;
};

// Runs a story that ends by itself after a signal, with time to clean up; a SIGINT after that ends
// the process at once. A reader of the output that goes ends nothing. Returns what the story gives.
int run_with_signals(const std::function<boost::asio::awaitable<int>(boost::asio::any_io_executor,
                                                                     Signals&)>& story);

}  // namespace app
