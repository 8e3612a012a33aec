#include "cdp/limits.h"
#include "cdp/transport.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <new>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

namespace cdp {
namespace {

namespace asio = boost::asio;

// Bytes read and not yet taken. Grows by doubling (realloc moves pages, it does not copy them), and
// no byte is searched twice.
class ReadBuffer {
 public:
  ReadBuffer() { resize(limits::read_buffer_bytes); }

  // The next complete message, without its NUL; valid until `space`.
  std::optional<std::string_view> take() {
    const void* nul = std::memchr(bytes_.get() + searched_, '\0', end_ - searched_);
    if (nul == nullptr) {
      searched_ = end_;
      return std::nullopt;
    }
    auto stop = static_cast<std::size_t>(static_cast<const char*>(nul) - bytes_.get());
    std::string_view message(bytes_.get() + begin_, stop - begin_);
    begin_ = searched_ = stop + 1;
    return message;
  }

  // Room for the next read; empty when the message being read exceeds its bound.
  asio::mutable_buffer space() {
    if (begin_ > 0) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
      searched_ -= begin_;
      end_ -= begin_;
      begin_ = 0;
      if (end_ <= limits::read_buffer_bytes / 2 && size_ > limits::read_buffer_bytes_kept_max) {
        resize(limits::read_buffer_bytes);
      }
    }
    if (end_ == size_ && size_ < limits::message_bytes_max) {
      resize(std::min(size_ * 2, limits::message_bytes_max));
    }
    return {bytes_.get() + end_, size_ - end_};
  }

  void filled(std::size_t count) { end_ += count; }

 private:
  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };

  void resize(std::size_t size) {
    auto* bytes = static_cast<char*>(std::realloc(bytes_.get(), size));
    if (bytes == nullptr) throw std::bad_alloc();
    static_cast<void>(bytes_.release());
    bytes_.reset(bytes);
    size_ = size;
  }

  std::unique_ptr<char, Free> bytes_;
  std::size_t size_ = 0;
  std::size_t begin_ = 0;     // of the message being read
  std::size_t searched_ = 0;  // no NUL from begin_ to here
  std::size_t end_ = 0;
};

class PipeTransport final : public Transport {
 public:
  PipeTransport(const asio::any_io_executor& executor, int read_fd, int write_fd)
      : read_(executor, read_fd), write_(executor, asio::local::stream_protocol(), write_fd) {
    write_.non_blocking(true);
  }

  Result<> send(std::string text) override {
    if (!write_.is_open()) return fail(Failure::closed, "the pipe to the browser is closed");
    if (outbox_bytes_ + text.size() > limits::outbox_bytes_max) {
      return fail(Failure::overflow,
                  fmt::format("the browser has {} bytes left to read already", outbox_bytes_));
    }
    text.push_back('\0');
    std::size_t written = 0;
    if (outbox_.empty()) {
      boost::system::error_code error;
      written = write_.write_some(asio::buffer(text), error);
      if (error && error != asio::error::would_block && error != asio::error::try_again) {
        return fail(Failure::closed, fmt::format("write to the browser: {}", error.message()));
      }
      if (written == text.size()) return {};
    }
    outbox_bytes_ += text.size();
    outbox_.push_back(std::move(text));
    if (outbox_.size() == 1) write_front(written);
    return {};
  }

  Task<std::string_view> receive() override {
    for (;;) {
      if (auto message = buffer_.take()) co_return *message;
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
  void write_front(std::size_t offset) {
    asio::async_write(
        write_, asio::buffer(outbox_.front()) + offset,
        [this, self = shared_from_this()](boost::system::error_code error, std::size_t) {
          if (error) return close();
          outbox_bytes_ -= outbox_.front().size();
          outbox_.pop_front();
          if (!outbox_.empty()) write_front(0);
        });
  }

  asio::posix::stream_descriptor read_;
  asio::local::stream_protocol::socket write_;
  ReadBuffer buffer_;
  std::deque<std::string> outbox_;  // its front is being written
  std::size_t outbox_bytes_ = 0;
};

}  // namespace

std::shared_ptr<Transport> pipe_transport(const asio::any_io_executor& executor, int read_fd,
                                          int write_fd) {
  return std::make_shared<PipeTransport>(executor, read_fd, write_fd);
}

}  // namespace cdp
