// Event streams of a connection.
#include "bridge/base/scope.h"
#include "bridge/http/connection.h"
#include "bridge/http/events.h"

#include <array>

#include <fmt/format.h>

namespace http {

namespace asio = boost::asio;

asio::awaitable<void> Connection::stream_events(std::unique_ptr<EventSource> events,
                                                bool is_chunked) {
  is_streaming_ = true;
  deadline_ = base::Instant::max();
  const auto executor = co_await asio::this_coro::executor;
  const auto [order, write_error, watch_error] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, write_events(*events, is_chunked), asio::deferred),
          asio::co_spawn(executor, watch_peer(), asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  is_streaming_ = false;
  const auto& first_error = order[0] == 0 ? write_error : watch_error;
  if (first_error) std::rethrow_exception(first_error);
  // Said only if it can be said at once: a stream that was cut off shows by its missing end.
  if (is_chunked && (order[0] == 0 || hub_.is_stopping) && !is_late_) {
    const std::array end{asio::const_buffer("0\r\n\r\n", 5)};
    stream_->write(end);
  }
}

asio::awaitable<void> Connection::write_events(EventSource& events, bool is_chunked) {
  static const auto comment = std::make_shared<const std::string>(":\n\n");
  std::vector<EventBytes> batch{std::make_shared<const std::string>(fmt::format(
      "retry: {}\n\n",
      std::chrono::duration_cast<std::chrono::milliseconds>(limits::http_event_retry).count()))};
  while (true) {
    if (!co_await write_events(batch, is_chunked)) co_return;
    batch.clear();  // a quiet reader holds no bytes
    const auto quiet_until = hub_.clock.now() + hub_.options.limits.event_comment;
    auto next = co_await events.next(quiet_until);
    if (!next) co_return;
    batch = *std::move(next);
    if (batch.empty()) batch.push_back(comment);
  }
}

asio::awaitable<bool> Connection::write_events(std::span<const EventBytes> batch, bool is_chunked) {
  std::size_t size = 0;
  for (const auto& bytes : batch) size += bytes->size();
  const std::string start = is_chunked ? fmt::format("{:x}\r\n", size) : std::string();
  std::vector<asio::const_buffer> buffers;
  buffers.reserve(batch.size() + 2);
  buffers.push_back(asio::buffer(start));
  for (const auto& bytes : batch) buffers.push_back(asio::buffer(*bytes));
  if (is_chunked) buffers.emplace_back("\r\n", 2);
  co_return co_await write_all(buffers);
}

// Returns when the reader has gone, or says something, which readers of events do not.
asio::awaitable<void> Connection::watch_peer() {
  std::array<char, 1> byte;
  while (stream_->read(byte) == Stream::not_now && co_await stream_->readable()) {
  }
}

}  // namespace http
