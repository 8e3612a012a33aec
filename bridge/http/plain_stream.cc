#include "bridge/http/stream.h"

#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace http {
namespace {

namespace asio = boost::asio;

class PlainStream final : public Stream {
 public:
  explicit PlainStream(TcpSocket socket) : socket_(std::move(socket)) {
    boost::system::error_code ignored;  // A peer that has gone shows at the first read.
    socket_.non_blocking(true, ignored);
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  }

  std::ptrdiff_t read(std::span<char> into) override {
    boost::system::error_code error;
    const auto count = socket_.read_some(asio::buffer(into.data(), into.size()), error);
    return outcome(count, error);
  }

  std::ptrdiff_t write(std::span<const asio::const_buffer> buffers) override {
    boost::system::error_code error;
    const auto count = socket_.write_some(buffers, error);
    return outcome(count, error);
  }

  asio::awaitable<bool> readable() override { return wait(TcpSocket::wait_read); }
  asio::awaitable<bool> writable() override { return wait(TcpSocket::wait_write); }
  bool may_hold_bytes() const override { return false; }
  asio::awaitable<bool> handshake() override { co_return true; }

  void interrupt() override {
    boost::system::error_code ignored;
    socket_.cancel(ignored);
  }
  void end() override {
    boost::system::error_code ignored;
    socket_.shutdown(TcpSocket::shutdown_send, ignored);
  }
  void close() override {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  static std::ptrdiff_t outcome(std::size_t count, const boost::system::error_code& error) {
    if (error == asio::error::would_block || error == asio::error::try_again) return not_now;
    if (error || count == 0) return gone;
    return static_cast<std::ptrdiff_t>(count);
  }

  asio::awaitable<bool> wait(TcpSocket::wait_type what) {
    boost::system::error_code error;
    co_await socket_.async_wait(what, asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
  }

  TcpSocket socket_;
};

}  // namespace

std::unique_ptr<Stream> plain_stream(TcpSocket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

}  // namespace http
