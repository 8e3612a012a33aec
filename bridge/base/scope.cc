#include "bridge/base/scope.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>

namespace base {

namespace asio = boost::asio;

Scope::Scope(asio::any_io_executor executor)
    : executor_(executor), ended_(executor, asio::steady_timer::time_point::max()) {}

Scope::~Scope() { BRIDGE_ASSERT(tasks_.empty()); }

void Scope::spawn(asio::awaitable<void> task) {
  auto signal = tasks_.emplace(tasks_.end());
  auto done = [this, signal](std::exception_ptr error) {
    if (error) {
      try {
        std::rethrow_exception(error);
      } catch (const boost::system::system_error& cancelled) {
        BRIDGE_ASSERT(cancelled.code() == asio::error::operation_aborted);
      }
    }
    tasks_.erase(signal);
    if (tasks_.empty()) ended_.cancel();
  };
  asio::co_spawn(executor_, std::move(task),
                 asio::bind_cancellation_slot(signal->slot(), std::move(done)));
}

asio::awaitable<void> Scope::join() {
  for (auto signal = tasks_.begin(); signal != tasks_.end();) {
    // Emitting may end the task at once and erase this element.
    (signal++)->emit(asio::cancellation_type::terminal);
  }
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!tasks_.empty()) {
    boost::system::error_code ignored;
    co_await ended_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

}  // namespace base
