#include "cdp/limits.h"
#include "cdp/outbox.h"
#include "cdp/read_buffer.h"
#include "cdp/transport.h"

#include <optional>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace cdp {
namespace {

namespace asio = boost::asio;

class PipeTransport final : public Transport {
 public:
  PipeTransport(const asio::any_io_executor& executor, int read_fd, int write_fd)
      : read_(executor, read_fd), write_(executor, asio::local::stream_protocol(), write_fd) {
    write_.non_blocking(true);
  }

  Result<> send(std::string text) override {
    text.push_back('\0');
    return outbox_.send(std::move(text), shared_from_this());
  }

  Task<std::string_view> receive() override {
    for (;;) {
      if (auto message = take()) co_return *message;
      if (!read_.is_open()) co_return fail(Failure::closed, "the pipe was closed on this side");
      auto space = buffer_.space();
      if (space.size() == 0) {
        co_return fail(Failure::overflow, fmt::format("a message of the browser exceeds {} bytes",
                                                      limits::message_bytes_max));
      }
      auto [error, count] =
          co_await read_.async_read_some(space, asio::as_tuple(asio::use_awaitable));
      if (error == asio::error::operation_aborted) {
        co_return fail(Failure::closed, "the pipe was closed on this side");
      }
      if (error) co_return fail(Failure::closed, "the browser closed its end of the pipe");
      buffer_.filled(count);
    }
  }

  void close() override {
    boost::system::error_code ignored;
    read_.close(ignored);
    write_.close(ignored);
  }

 private:
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
};

}  // namespace

std::shared_ptr<Transport> pipe_transport(const asio::any_io_executor& executor, int read_fd,
                                          int write_fd) {
  return std::make_shared<PipeTransport>(executor, read_fd, write_fd);
}

}  // namespace cdp
