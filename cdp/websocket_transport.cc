#include "cdp/limits.h"
#include "cdp/transport.h"

#include <deque>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/url/parse.hpp>
#include <fmt/format.h>

namespace cdp {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using asio::ip::tcp;

namespace {

class WebSocketTransport final : public Transport {
 public:
  explicit WebSocketTransport(const asio::any_io_executor& executor) : stream_(executor) {
    stream_.read_message_max(limits::message_bytes_max);
    stream_.auto_fragment(false);
    stream_.text(true);
  }

  Task<> connect(tcp::endpoint endpoint, std::string target) {
    auto& socket = stream_.next_layer();
    auto [refused] = co_await socket.async_connect(endpoint, asio::as_tuple(asio::use_awaitable));
    if (refused) co_return fail(Failure::launch, refused.message(), refused.value());
    boost::system::error_code ignored;  // The deadline may just have closed the socket.
    socket.set_option(tcp::no_delay(true), ignored);
    // Chrome answers 500 to a Host that is not this machine's, and 403 to an Origin.
    auto host = fmt::format("127.0.0.1:{}", endpoint.port());
    websocket::response_type response;
    auto [denied] = co_await stream_.async_handshake(response, host, target,
                                                     asio::as_tuple(asio::use_awaitable));
    if (denied) {
      co_return fail(Failure::launch,
                     fmt::format("{} (HTTP status {})", denied.message(), response.result_int()),
                     static_cast<int>(response.result_int()));
    }
    co_return Result<>();
  }

  void expire() {
    has_expired_ = true;
    close();
  }
  bool has_expired() const { return has_expired_; }

  Result<> send(std::string text) override {
    if (is_closed_) return fail(Failure::closed, "the connection to the browser is closed");
    if (outbox_bytes_ + text.size() > limits::outbox_bytes_max) {
      return fail(Failure::overflow,
                  fmt::format("the browser has {} bytes left to read already", outbox_bytes_));
    }
    outbox_bytes_ += text.size();
    outbox_.push_back(std::move(text));
    if (outbox_.size() == 1) write_front();
    return {};
  }

  Task<std::string_view> receive() override {
    buffer_.consume(buffer_.size());
    if (buffer_.capacity() > limits::read_buffer_bytes_kept_max) buffer_.shrink_to_fit();
    auto [error, count] = co_await stream_.async_read(buffer_, asio::as_tuple(asio::use_awaitable));
    if (error == websocket::error::message_too_big) {
      co_return fail(Failure::overflow, fmt::format("a message of the browser exceeds {} bytes",
                                                    limits::message_bytes_max));
    }
    if (is_closed_) co_return fail(Failure::closed, "the connection was closed on this side");
    if (error) {
      co_return fail(Failure::closed,
                     fmt::format("the browser closed the connection ({})", error.message()));
    }
    auto data = buffer_.cdata();
    co_return std::string_view(static_cast<const char*>(data.data()), data.size());
  }

  // Without a closing handshake: the browser takes the end of the stream as well.
  void close() override {
    is_closed_ = true;
    boost::system::error_code ignored;
    stream_.next_layer().close(ignored);
  }

 private:
  void write_front() {
    stream_.async_write(
        asio::buffer(outbox_.front()),
        [this, self = shared_from_this()](boost::system::error_code error, std::size_t) {
          if (error) return close();
          outbox_bytes_ -= outbox_.front().size();
          outbox_.pop_front();
          if (!outbox_.empty()) write_front();
        });
  }

  websocket::stream<tcp::socket, false> stream_;  // without the deflate extension
  boost::beast::flat_buffer buffer_{limits::message_bytes_max};
  std::deque<std::string> outbox_;  // its front is being written
  std::size_t outbox_bytes_ = 0;
  bool is_closed_ = false;
  bool has_expired_ = false;
};

struct Address {
  tcp::endpoint endpoint;
  std::string target;
};

Result<Address> parse_address(std::string_view url) {
  auto bad = [&](std::string_view why) {
    return fail(Failure::invalid, fmt::format("{:?}: {}; expected something like "
                                              "ws://127.0.0.1:9222/devtools/browser/…",
                                              url, why));
  };
  auto parsed = boost::urls::parse_uri(url);
  if (!parsed) return bad("not a URL");
  if (parsed->scheme() != "ws") return bad("not a ws:// URL");
  std::string host(parsed->host_address());
  if (host == "localhost") host = "127.0.0.1";
  boost::system::error_code error;
  auto address = asio::ip::make_address(host, error);
  if (error) return bad("the host is neither an IP address nor localhost");
  auto port = parsed->port_number();
  if (port == 0) return bad("no port");
  return Address{{address, port}, std::string(parsed->encoded_target())};
}

}  // namespace

Task<std::shared_ptr<Transport>> websocket_transport(std::string url, Duration limit) {
  CO_TRY(auto address, parse_address(url));
  auto executor = co_await asio::this_coro::executor;
  auto transport = std::make_shared<WebSocketTransport>(executor);
  // The deadline closes the socket, which ends whatever the connection waits for.
  asio::steady_timer timer(executor, limit);
  timer.async_wait([transport](boost::system::error_code error) {
    if (!error) transport->expire();
  });
  auto connected = co_await transport->connect(address.endpoint, address.target);
  timer.cancel();
  if (transport->has_expired())
    co_return fail(Failure::timeout, fmt::format("connect to {}: no answer", url));
  if (!connected) {
    auto& error = connected.error();
    co_return fail(error.failure, fmt::format("connect to {}: {}", url, error.message), error.code);
  }
  co_return transport;
}

}  // namespace cdp
