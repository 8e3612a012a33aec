#include "cdp/limits.h"
#include "cdp/outbox.h"
#include "cdp/read_buffer.h"
#include "cdp/transport.h"
#include "cdp/websocket_frames.h"

#include <cstring>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/url/parse.hpp>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

namespace cdp {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr std::size_t head_bytes_max = 8192;
constexpr std::size_t frame_head_bytes_max = 14;

// Nobody can foretell it, and a system call serves many.
class RandomBytes {
 public:
  template <std::size_t count>
  std::array<char, count> take() {
    if (left_ < count) {
      // Fails only when the system has no random bytes at all.
      if (::RAND_bytes(pool_.data(), static_cast<int>(pool_.size())) != 1) std::abort();
      left_ = pool_.size();
    }
    std::array<char, count> taken{};
    std::memcpy(taken.data(), pool_.data() + pool_.size() - left_, count);
    left_ -= count;
    return taken;
  }

 private:
  std::array<unsigned char, 1024> pool_{};
  std::size_t left_ = 0;
};

std::string base64_of(std::array<char, 16> bytes) {
  std::array<unsigned char, 25> text{};
  ::EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(bytes.data()), 16);
  return reinterpret_cast<const char*>(text.data());
}

// Speaks the protocol itself: a command is one write, and an event is read where it arrived.
class WebSocketTransport final : public Transport {
 public:
  explicit WebSocketTransport(const asio::any_io_executor& executor) : socket_(executor) {}

  Task<> connect(tcp::endpoint endpoint, std::string target) {
    auto [refused] = co_await socket_.async_connect(endpoint, asio::as_tuple(asio::use_awaitable));
    if (refused) co_return fail(Failure::launch, refused.message(), refused.value());
    boost::system::error_code ignored;  // The deadline may just have closed the socket.
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
    co_return co_await shake_hands(endpoint.port(), std::move(target));
  }

  void expire() {
    has_expired_ = true;
    close();
  }
  bool has_expired() const { return has_expired_; }

  Result<> send(std::string text) override { return send(Opcode::text, text); }

  Task<std::string_view> receive() override {
    whole_.clear();
    if (whole_.capacity() > limits::read_buffer_bytes_kept_max) whole_.shrink_to_fit();
    for (bool is_begun = false;;) {
      CO_TRY(const Frame frame, co_await next_frame());
      if (frame.opcode == Opcode::ping) {
        CO_TRY_OK(send(Opcode::pong, frame.payload));
        continue;
      }
      if (frame.opcode == Opcode::pong) continue;
      if (frame.opcode == Opcode::close) {
        co_return fail(Failure::closed, "the browser closed the connection");
      }
      if (is_begun != (frame.opcode == Opcode::continuation)) {
        co_return fail(Failure::closed, "the browser sent the pieces of a message out of order");
      }
      if (frame.is_final && !is_begun) co_return frame.payload;
      if (whole_.size() + frame.payload.size() > limits::message_bytes_max) {
        co_return too_long();
      }
      is_begun = true;
      whole_.append(frame.payload);
      if (frame.is_final) co_return std::string_view(whole_);
    }
  }

  // Without a closing handshake: the browser takes the end of the stream as well.
  void close() override {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  static std::unexpected<Error> too_long() {
    return fail(Failure::overflow, fmt::format("a message of the browser exceeds {} bytes",
                                               limits::message_bytes_max));
  }

  Result<> send(Opcode opcode, std::string_view payload) {
    return outbox_.send(masked_frame(opcode, payload, random_.take<4>()), shared_from_this());
  }

  // RFC 6455 section 4.1. Chrome answers 500 to a Host that is not this machine's, and 403 to an
  // Origin.
  Task<> shake_hands(std::uint16_t port, std::string target) {
    const std::string key = base64_of(random_.take<16>());
    http::request<http::empty_body> request(http::verb::get, target, 11);
    request.set(http::field::host, fmt::format("127.0.0.1:{}", port));
    request.set(http::field::upgrade, "websocket");
    request.set(http::field::connection, "Upgrade");
    request.set(http::field::sec_websocket_key, key);
    request.set(http::field::sec_websocket_version, "13");
    auto [broken, sent] =
        co_await http::async_write(socket_, request, asio::as_tuple(asio::use_awaitable));
    if (broken) co_return fail(Failure::launch, broken.message(), broken.value());
    boost::beast::flat_buffer read(head_bytes_max);
    http::response_parser<http::empty_body> parser;
    auto [denied, count] = co_await http::async_read_header(socket_, read, parser,
                                                            asio::as_tuple(asio::use_awaitable));
    if (denied) co_return fail(Failure::launch, denied.message(), denied.value());
    const auto& response = parser.get();
    if (response.result() != http::status::switching_protocols ||
        response[http::field::sec_websocket_accept] != accept_of(key)) {
      co_return fail(Failure::launch,
                     fmt::format("the WebSocket handshake was declined (HTTP status {})",
                                 response.result_int()),
                     static_cast<int>(response.result_int()));
    }
    // The browser may have begun to speak.
    const auto rest = read.cdata();
    const auto space = buffer_.space();
    if (rest.size() > space.size()) co_return too_long();
    if (rest.size() > 0) std::memcpy(space.data(), rest.data(), rest.size());
    buffer_.filled(rest.size());
    co_return Result<>();
  }

  Task<Frame> next_frame() {
    for (;;) {
      CO_TRY(const auto frame, take_frame(buffer_, limits::message_bytes_max));
      if (frame) co_return *frame;
      if (!socket_.is_open()) {
        co_return fail(Failure::closed, "the connection was closed on this side");
      }
      const auto space = buffer_.space();
      if (space.size() == 0) co_return too_long();
      auto [error, count] =
          co_await socket_.async_read_some(space, asio::as_tuple(asio::use_awaitable));
      if (!socket_.is_open()) {
        co_return fail(Failure::closed, "the connection was closed on this side");
      }
      if (error) {
        co_return fail(Failure::closed,
                       fmt::format("the browser closed the connection ({})", error.message()));
      }
      buffer_.filled(count);
    }
  }

  tcp::socket socket_;
  Outbox<tcp::socket> outbox_{socket_};
  ReadBuffer buffer_{limits::message_bytes_max + frame_head_bytes_max};
  std::string whole_;  // a message that came in pieces
  RandomBytes random_;
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
