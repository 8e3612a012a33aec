#include "bridge/chat/changes.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace chat {

namespace asio = boost::asio;

asio::awaitable<void> Changes::told(std::uint64_t seen) {
  while (count_ == seen) co_await notice_.wait(base::Instant::max());
}

asio::awaitable<void> Changes::after(std::uint64_t seen, base::Clock& clock,
                                     base::Instant deadline) {
  if (count_ != seen) co_return;
  if (deadline == base::Instant::max()) {
    co_await told(seen);
    co_return;
  }
  const auto executor = co_await asio::this_coro::executor;
  auto [order, told_error, clock_error] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, told(seen), asio::deferred),
          asio::co_spawn(executor, clock.sleep_until(deadline), asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  const auto first_error = order[0] == 0 ? told_error : clock_error;
  if (first_error) std::rethrow_exception(first_error);
}

}  // namespace chat
