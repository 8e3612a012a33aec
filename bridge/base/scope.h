// Structured concurrency: tasks that end with their owner, and waits that end in time.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"

#include <exception>
#include <list>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/core/ignore_unused.hpp>

namespace base {

// Owns concurrent tasks on one loop thread. A task that throws anything but its cancellation
// aborts the process: tasks report failures as values.
class Scope {
 public:
  explicit Scope(boost::asio::any_io_executor executor);
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  // All tasks must have ended: call `join` (or let the loop run out) first.
  ~Scope();

  void spawn(boost::asio::awaitable<void> task);
  // Cancels every task and returns when the last one has ended.
  boost::asio::awaitable<void> join();
  std::size_t size() const { return tasks_.size(); }

 private:
  boost::asio::any_io_executor executor_;
  std::list<boost::asio::cancellation_signal> tasks_;
  boost::asio::steady_timer ended_;
};

// Starts a task that nobody waits for. `owner` keeps `cancel` until the task has ended: the task's
// last steps look at its cancellation once more, when its own frame and arguments are gone.
template <class Owner>
void spawn_owned(const boost::asio::any_io_executor& executor, std::shared_ptr<Owner> owner,
                 boost::asio::cancellation_signal& cancel, boost::asio::awaitable<void> task) {
  boost::asio::co_spawn(
      executor, std::move(task),
      boost::asio::bind_cancellation_slot(
          cancel.slot(), [kept = std::move(owner)](const std::exception_ptr& cancelled) {
            boost::ignore_unused(kept, cancelled);
          }));
}

// The task's own result, or timeout after `limit` with `doing` in the message. The task is
// cancelled and has unwound when this returns. Exceptions of the task come out here.
template <class T>
Task<T> with_deadline(Task<T> task, std::chrono::steady_clock::duration limit, std::string doing) {
  namespace asio = boost::asio;
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, limit);
  auto [order, task_error, result, timer_error] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, std::move(task), asio::deferred),
          timer.async_wait(asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  if (order[0] == 0) {
    if (task_error) std::rethrow_exception(task_error);
    co_return std::move(result);
  }
  co_return fail(Code::timeout, std::move(doing) + ": no answer in time");
}

// The same by the time of `clock`, which outlives it.
template <class T>
Task<T> with_deadline(Clock& clock, Task<T> task, Instant::duration limit, std::string doing) {
  namespace asio = boost::asio;
  auto executor = co_await asio::this_coro::executor;
  auto [order, task_error, result, clock_error] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, std::move(task), asio::deferred),
          asio::co_spawn(executor, clock.sleep_until(clock.now() + limit), asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  if (order[0] == 0) {
    if (task_error) std::rethrow_exception(task_error);
    co_return std::move(result);
  }
  co_return fail(Code::timeout, std::move(doing) + ": no answer in time");
}

// The task's own result, with `helper` running beside it until then. Both have unwound when this
// returns or throws. A helper that ends early is not missed.
template <class T>
Task<T> beside(boost::asio::awaitable<void> helper, Task<T> task) {
  namespace asio = boost::asio;
  auto executor = co_await asio::this_coro::executor;
  auto lasting = [](boost::asio::awaitable<void> inner) -> asio::awaitable<void> {
    co_await std::move(inner);
    asio::steady_timer never(co_await asio::this_coro::executor,
                             asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
  };
  auto [order, helper_error, task_error, result] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, lasting(std::move(helper)), asio::deferred),
          asio::co_spawn(executor, std::move(task), asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  if (order[0] == 0 && helper_error) std::rethrow_exception(helper_error);
  if (task_error) std::rethrow_exception(task_error);
  co_return std::move(result);
}

}  // namespace base
