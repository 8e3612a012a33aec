#include "cdp/limits.h"
#include "cdp/outbox.h"
#include "cdp/read_buffer.h"
#include "cdp/transport.h"

#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace cdp {
namespace {

namespace asio = boost::asio;

class PipeTransport final : public Transport {
 public:
  PipeTransport(const asio::any_io_executor& executor, int read_fd, int write_fd)
      : read_(executor, read_fd),
        write_(executor, asio::local::stream_protocol(), write_fd),
        pause_(executor) {
    read_.non_blocking(true);
    write_.non_blocking(true);
  }
  ~PipeTransport() override { close(); }

  Result<> send(std::string text) override {
    eager_until_ = Clock::now() + limits::eager_after_send;
    pause_.cancel();
    text.push_back('\0');
    return outbox_.send(std::move(text), shared_from_this());
  }

  Task<std::string_view> receive() override {
    for (;;) {
      if (auto message = take()) co_return *message;
      if (is_closed_) co_return fail(Failure::closed, "the pipe was closed on this side");
      auto space = buffer_.space();
      if (space.size() == 0) {
        co_return fail(Failure::overflow, fmt::format("a message of the browser exceeds {} bytes",
                                                      limits::message_bytes_max));
      }
      if (is_patient() && co_await gather(space)) continue;
      if (is_closed_) continue;
      watch();
      auto [error, count] =
          co_await read_.async_read_some(space, asio::as_tuple(asio::use_awaitable));
      if (error == asio::error::operation_aborted) {
        co_return fail(Failure::closed, "the pipe was closed on this side");
      }
      if (error) co_return fail(Failure::closed, "the browser closed its end of the pipe");
      is_more_likely_ = count == space.size();
      buffer_.filled(count);
    }
  }

  void set_patience(Duration patience) override {
    patience_ = patience;
    if (patience == Duration::zero()) pause_.cancel();
  }

  void close() override {
    boost::system::error_code ignored;
    read_.close(ignored);
    write_.close(ignored);
    is_closed_ = true;
    if (unwatched_fd_ >= 0) ::close(std::exchange(unwatched_fd_, -1));
    pause_.cancel();
  }

 private:
  bool is_patient() const {
    return patience_ != Duration::zero() && !is_more_likely_ && Clock::now() >= eager_until_;
  }

  // Lets messages come together for as long as the patience lasts, and whether it read some. The
  // reactor wakes up for everything that happens to a descriptor it has, so it loses this one.
  asio::awaitable<bool> gather(asio::mutable_buffer space) {
    if (unwatched_fd_ < 0) unwatched_fd_ = read_.release();
    pause_.expires_after(patience_);
    co_await pause_.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto count = unwatched_fd_ < 0 ? -1 : ::read(unwatched_fd_, space.data(), space.size());
    if (count <= 0) co_return false;
    is_more_likely_ = static_cast<std::size_t>(count) == space.size();
    buffer_.filled(static_cast<std::size_t>(count));
    co_return true;
  }

  // What `read` cannot tell, an end or a failure, is told there.
  void watch() {
    if (unwatched_fd_ >= 0) read_.assign(std::exchange(unwatched_fd_, -1));
  }

  // The next complete message, without its NUL. No byte is searched twice.
  std::optional<std::string_view> take() {
    const std::string_view bytes = buffer_.bytes();
    const auto end = bytes.find('\0', searched_);
    if (end == std::string_view::npos) {
      searched_ = bytes.size();
      return std::nullopt;
    }
    searched_ = 0;
    buffer_.take(end + 1);
    return bytes.substr(0, end);
  }

  asio::posix::stream_descriptor read_;
  asio::local::stream_protocol::socket write_;
  ReadBuffer buffer_{limits::message_bytes_max};
  std::size_t searched_ = 0;  // no NUL in so many of the buffer's bytes
  Outbox<asio::local::stream_protocol::socket> outbox_{write_};
  asio::steady_timer pause_;
  Duration patience_ = Duration::zero();
  Clock::time_point eager_until_;
  int unwatched_fd_ = -1;        // read_'s, while the reactor must not have it
  bool is_more_likely_ = false;  // the last read took all that there was room for
  bool is_closed_ = false;
};

}  // namespace

std::shared_ptr<Transport> pipe_transport(const asio::any_io_executor& executor, int read_fd,
                                          int write_fd) {
  return std::make_shared<PipeTransport>(executor, read_fd, write_fd);
}

}  // namespace cdp
