// The WebSocket transport against servers that speak it well, oddly and wrongly.
#include "cdp/transport.h"
#include "cdp/websocket_frames.h"
#include "tests/cdp/browser_fixture.h"

#include <cstring>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <fmt/format.h>

namespace cdp {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using cdp_test::must;
using cdp_test::run;
using cdp_test::Story;
using namespace std::chrono_literals;

void fill(ReadBuffer& buffer, std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto space = buffer.space();
    const std::size_t count = std::min(space.size(), bytes.size() - at);
    std::memcpy(space.data(), bytes.data() + at, count);
    buffer.filled(count);
    at += count;
  }
}

TEST(WebSocketFrames, AFrameIsTakenOnceItIsWhole) {
  using namespace std::string_literals;
  const std::string long_text(300, 'x');
  const std::string bytes = "\x81\x02hi\x89\x00\x01\x7e\x01\x2c"s + long_text;
  ReadBuffer buffer(1 << 20);
  std::vector<std::string> taken;
  for (const char byte : bytes) {
    fill(buffer, {&byte, 1});
    const auto frame = must(take_frame(buffer, 1000));
    if (!frame) continue;
    taken.push_back(
        fmt::format("{} {} {}", static_cast<int>(frame->opcode), frame->is_final, frame->payload));
  }
  EXPECT_EQ(taken, (std::vector<std::string>{"1 true hi", "9 true ", "1 false " + long_text}));
}

TEST(WebSocketFrames, WhatTheStandardForbidsIsNamed) {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\xc1\x00"s, "a reserved bit is set"},
      {"\x81\x80"s, "the server masks its frames"},
      {"\x83\x00"s, "unknown opcode"},
      {"\x09\x00"s, "a control frame is long or in pieces"},
      {"\x88\x7e\x00\x7e"s, "a control frame is long or in pieces"},
      {"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"s, "a message of the browser exceeds 1000 bytes"}};
  for (const auto& [bytes, reason] : cases) {
    ReadBuffer buffer(1 << 20);
    fill(buffer, bytes);
    const auto frame = take_frame(buffer, 1000);
    ASSERT_FALSE(frame) << reason;
    EXPECT_NE(frame.error().message.find(reason), std::string::npos) << frame.error().message;
  }
}

TEST(WebSocketFrames, TheHandshakeIsThatOfTheStandardsExample) {
  EXPECT_EQ(accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(masked_frame(Opcode::text, "Hello", {'\x37', '\xfa', '\x21', '\x3d'}),
            "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
}

// Another implementation's server.
class WebSocketPeer : public testing::Test {
 protected:
  using Stream = boost::beast::websocket::stream<tcp::socket>;

  // Runs both sides to their end.
  void meet(std::function<asio::awaitable<void>(Stream)> server,
            std::function<Story(std::shared_ptr<Transport>)> client) {
    run([&]() -> Story {
      const auto executor = co_await asio::this_coro::executor;
      tcp::acceptor acceptor(executor, {asio::ip::make_address("127.0.0.1"), 0});
      bool has_served = false;
      auto serve = [&]() -> asio::awaitable<void> {
        Stream stream(co_await acceptor.async_accept(asio::use_awaitable));
        co_await stream.async_accept(asio::use_awaitable);
        co_await server(std::move(stream));
        has_served = true;
      };
      asio::co_spawn(executor, serve(), [](const std::exception_ptr& error) {
        if (error) std::rethrow_exception(error);
      });
      auto transport = must(co_await websocket_transport(
          fmt::format("ws://127.0.0.1:{}/devtools", acceptor.local_endpoint().port()), 10s));
      co_await client(transport);
      transport->close();
      while (!has_served) co_await asio::post(executor, asio::use_awaitable);
    });
  }
};

asio::awaitable<std::string> read_text(boost::beast::websocket::stream<tcp::socket>& stream) {
  boost::beast::flat_buffer buffer;
  co_await stream.async_read(buffer, asio::use_awaitable);
  co_return std::string(static_cast<const char*>(buffer.cdata().data()), buffer.size());
}

TEST_F(WebSocketPeer, MessagesOfEverySizeArriveBothWays) {
  const std::vector<std::size_t> sizes = {0, 1, 7, 125, 126, 65535, 65536, 3'000'001};
  meet(
      [&](Stream stream) -> asio::awaitable<void> {
        stream.auto_fragment(false);
        for (std::size_t i = 0; i < sizes.size(); ++i) {
          const std::string text = co_await read_text(stream);
          co_await stream.async_write(asio::buffer(text), asio::use_awaitable);
        }
      },
      [&](std::shared_ptr<Transport> transport) -> Story {
        for (const auto size : sizes) {
          std::string text(size, ' ');
          for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 26);
          must(transport->send(text));
          const auto back = must(co_await transport->receive());
          EXPECT_TRUE(back == text) << size;
        }
      });
}

TEST_F(WebSocketPeer, PiecesAreJoinedAndPingsAreAnsweredBetweenThem) {
  std::string ponged;
  meet(
      [&](Stream stream) -> asio::awaitable<void> {
        stream.control_callback([&](boost::beast::websocket::frame_type type, auto payload) {
          if (type == boost::beast::websocket::frame_type::pong) ponged = std::string(payload);
        });
        co_await stream.async_write_some(false, asio::buffer("one ", 4), asio::use_awaitable);
        co_await stream.async_ping("are you there", asio::use_awaitable);
        co_await stream.async_write_some(false, asio::buffer("two ", 4), asio::use_awaitable);
        co_await stream.async_write_some(true, asio::buffer("three", 5), asio::use_awaitable);
        EXPECT_EQ(co_await read_text(stream), "thanks");
      },
      [&](std::shared_ptr<Transport> transport) -> Story {
        EXPECT_EQ(must(co_await transport->receive()), "one two three");
        must(transport->send("thanks"));
      });
  EXPECT_EQ(ponged, "are you there");
}

TEST_F(WebSocketPeer, AClosingServerEndsIt) {
  meet(
      [&](Stream stream) -> asio::awaitable<void> {
        boost::system::error_code ignored;
        co_await stream.async_close(boost::beast::websocket::close_code::going_away,
                                    asio::redirect_error(asio::use_awaitable, ignored));
      },
      [&](std::shared_ptr<Transport> transport) -> Story {
        const auto message = co_await transport->receive();
        EXPECT_FALSE(message);
        if (!message) EXPECT_EQ(message.error().failure, Failure::closed);
      });
}

// A server that answers the handshake with these bytes.
Result<std::string> first_message_after(std::string answer) {
  Result<std::string> outcome = fail(Failure::invalid, "nothing happened");
  run([&]() -> Story {
    const auto executor = co_await asio::this_coro::executor;
    tcp::acceptor acceptor(executor, {asio::ip::make_address("127.0.0.1"), 0});
    auto serve = [&]() -> asio::awaitable<void> {
      auto socket = co_await acceptor.async_accept(asio::use_awaitable);
      std::string request;
      co_await asio::async_read_until(socket, asio::dynamic_buffer(request), "\r\n\r\n",
                                      asio::use_awaitable);
      const std::string_view name = "Sec-WebSocket-Key: ";
      const auto at = request.find(name) + name.size();
      const auto accept = accept_of(request.substr(at, request.find('\r', at) - at));
      if (const auto place = answer.find("ACCEPT"); place != std::string::npos) {
        answer.replace(place, 6, accept);
      }
      co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
    };
    asio::co_spawn(executor, serve(), [](const std::exception_ptr& error) {
      if (error) std::rethrow_exception(error);
    });
    auto transport = co_await websocket_transport(
        fmt::format("ws://127.0.0.1:{}/", acceptor.local_endpoint().port()), 10s);
    if (!transport) {
      outcome = std::unexpected(transport.error());
      co_return;
    }
    const auto message = co_await (*transport)->receive();
    if (message) outcome = std::string(*message);
    if (!message) outcome = std::unexpected(message.error());
  });
  return outcome;
}

TEST(WebSocketHandshake, WhatTheServerSaysWithItsAnswerIsNotLost) {
  EXPECT_EQ(must(first_message_after("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                     "Connection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"
                                     "\x81\x05hello")),
            "hello");
}

TEST(WebSocketHandshake, ARefusalNamesItsStatus) {
  for (const std::string_view answer :
       {"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: wrong\r\n\r\n"}) {
    const auto outcome = first_message_after(std::string(answer));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().failure, Failure::launch);
    EXPECT_NE(outcome.error().message.find(answer.substr(9, 3)), std::string::npos)
        << outcome.error().message;
  }
}

}  // namespace
}  // namespace cdp
