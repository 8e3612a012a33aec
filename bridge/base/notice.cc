#include "bridge/base/notice.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace base {

namespace asio = boost::asio;

namespace {

struct Place {
  std::list<asio::steady_timer>& all;
  std::list<asio::steady_timer>::iterator mine;
  ~Place() { all.erase(mine); }
};

asio::awaitable<void> throw_if_cancelled() {
  const auto cancelled = (co_await asio::this_coro::cancellation_state).cancelled();
  if (cancelled != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
}

}  // namespace

void Notice::notify() {
  for (auto& waiter : waiters_) waiter.cancel();
}

asio::awaitable<void> Notice::wait(Instant deadline) {
  Place place{waiters_, waiters_.emplace(waiters_.end(), executor_, deadline)};
  boost::system::error_code ignored;
  co_await place.mine->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_await throw_if_cancelled();
}

asio::awaitable<void> Notice::wait(Clock& clock, Instant deadline) {
  // What a SystemClock sleeps, a timer waits as well: nothing beside it has to be cancelled.
  const bool is_timers_time = dynamic_cast<const SystemClock*>(&clock) != nullptr;
  if (deadline == Instant::max() || is_timers_time) {
    co_await wait(deadline);
    co_return;
  }
  auto executor = co_await asio::this_coro::executor;
  Place place{waiters_, waiters_.emplace(waiters_.end(), executor_, Instant::max())};
  // The wait for the notice begins at once: none is missed while the sleep is being started.
  auto [order, noticed, slept] =
      co_await asio::experimental::make_parallel_group(
          place.mine->async_wait(asio::deferred),
          asio::co_spawn(executor, clock.sleep_until(deadline), asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  co_await throw_if_cancelled();
}

}  // namespace base
