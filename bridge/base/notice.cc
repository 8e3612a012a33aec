#include "bridge/base/notice.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace base {

namespace asio = boost::asio;

void Notice::notify() {
  for (auto& waiter : waiters_) waiter.cancel();
}

asio::awaitable<void> Notice::wait(Instant deadline) {
  struct Place {
    std::list<asio::steady_timer>& all;
    std::list<asio::steady_timer>::iterator mine;
    ~Place() { all.erase(mine); }
  } place{waiters_, waiters_.emplace(waiters_.end(), executor_, deadline)};
  boost::system::error_code ignored;
  co_await place.mine->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  const auto cancelled = (co_await asio::this_coro::cancellation_state).cancelled();
  if (cancelled != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
}

}  // namespace base
