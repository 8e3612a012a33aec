#include "bridge/http/name_lookup.h"

#include "bridge/base/limits.h"
#include "bridge/base/notice.h"

#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>

namespace http {

namespace asio = boost::asio;
using asio::ip::tcp;

void start_system_lookup(const asio::any_io_executor& executor, std::string host, std::string port,
                         LookedUp then) {
  // Not the resolver's own thread, which it has one of: a name server that says nothing would keep
  // everybody else's names waiting. Never destroyed, because that would wait as well.
  static auto& threads = *new asio::thread_pool(limits::http_lookups_max);
  auto back = asio::prefer(executor, asio::execution::outstanding_work.tracked);
  asio::post(threads, [back = std::move(back), host = std::move(host), port = std::move(port),
                       then = std::move(then)]() mutable {
    boost::system::error_code error;
    Endpoints endpoints;
    for (const auto& entry : tcp::resolver(threads).resolve(host, port, error)) {
      endpoints.push_back(entry.endpoint());
    }
    asio::post(back, [then = std::move(then), error, endpoints = std::move(endpoints)]() mutable {
      then(error, std::move(endpoints));
    });
  });
}

base::Task<Endpoints> look_up(std::string host, std::string port, StartLookup start) {
  struct Outcome {
    explicit Outcome(const asio::any_io_executor& executor) : notice(executor) {}
    base::Notice notice;
    std::optional<boost::system::error_code> error;
    Endpoints endpoints;
  };
  const auto executor = co_await asio::this_coro::executor;
  const auto outcome = std::make_shared<Outcome>(executor);
  start(executor, std::move(host), std::move(port),
        [outcome](boost::system::error_code error, Endpoints found) {
          outcome->error = error;
          outcome->endpoints = std::move(found);
          outcome->notice.notify();
        });
  while (!outcome->error) co_await outcome->notice.wait(base::Instant::max());
  if (*outcome->error) co_return base::fail(base::Code::unavailable, outcome->error->message());
  co_return std::move(outcome->endpoints);
}

}  // namespace http
