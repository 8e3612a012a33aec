// The client for servers that somebody else chose, against real ones on loopback.
#include "bridge/http/outbound.h"

#include "bridge/base/scope.h"
#include "bridge/http/reply_reader.h"
#include "tests/http/certificate.h"
#include "tests/http/fixture.h"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <gmock/gmock.h>

namespace http_test {
namespace {

using namespace std::chrono_literals;
using events::OutboundRequest;
using http::Method;
using testing::HasSubstr;

const auto loopback = asio::ip::make_address("127.0.0.1");

// The target's host is whatever the test says: only the address decides where it goes.
OutboundRequest request_to(const std::string& url, std::string body = "") {
  return {.target = *events::Target::parse(url),
          .addresses = {loopback},
          .headers = {{"Content-Type", "application/json"}},
          .body = std::move(body),
          .limit = 20s,
          .answer_bytes_max = 1000};
}

struct PlainTest : testing::Test, Fixture {
  PlainTest() {
    add(
        Method::post, "/echo",
        [this](http::Request& request) -> base::Task<http::Response> {
          host = request.header("host").value_or("");
          co_return http::text_response(request.body, "text/plain");
        },
        http::Body::bytes);
    add(
        Method::post, "/elsewhere",
        [](http::Request&) -> base::Task<http::Response> {
          auto response = http::text_response("", "text/plain", 307);
          response.add("Location", "/echo");
          response.add("Retry-After", "7");
          co_return response;
        },
        http::Body::bytes);
    internet = *http::Internet::create();
    options.host_names = {"hooks.example"};
  }
  std::string url(std::string_view path) const {
    return fmt::format("http://hooks.example:{}{}", server->port(), path);
  }
  std::unique_ptr<http::Internet> internet;
  std::string host;
};

TEST_F(PlainTest, TheCheckedAddressIsConnectedToWhateverTheName) {
  run([&]() -> Story {
    const auto answer = co_await internet->send(request_to(url("/echo"), "hello"));
    EXPECT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "hello");
    EXPECT_EQ(answer->header("content-type"), "text/plain");
    EXPECT_EQ(host, fmt::format("hooks.example:{}", server->port()));
  });
}

TEST_F(PlainTest, TheNextAddressIsTriedWhereNobodyListens) {
  run([&]() -> Story {
    auto request = request_to(url("/echo"), "hello");
    request.addresses.insert(request.addresses.begin(), asio::ip::make_address("127.9.9.9"));
    request.addresses.insert(request.addresses.begin(), asio::ip::make_address("::1"));
    const auto answer = co_await internet->send(std::move(request));
    EXPECT_TRUE(answer) << answer.error().message;
  });
}

TEST_F(PlainTest, ARedirectIsAnAnswer) {
  run([&]() -> Story {
    const auto answer = co_await internet->send(request_to(url("/elsewhere"), "hello"));
    EXPECT_EQ(answer->status, 307);
    EXPECT_EQ(answer->header("retry-after"), "7");
    EXPECT_EQ(host, "");
  });
}

TEST_F(PlainTest, NoMoreOfAnAnswerIsReadThanIsWanted) {
  run([&]() -> Story {
    const auto answer =
        co_await internet->send(request_to(url("/echo"), std::string(200'000, 'a')));
    EXPECT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, std::string(1000, 'a'));
  });
}

TEST_F(PlainTest, WhereNobodyListensIsUnavailable) {
  run([&]() -> Story {
    auto request = request_to("http://hooks.example:1024/");
    request.addresses = {asio::ip::make_address("127.9.9.9")};
    const auto answer = co_await internet->send(std::move(request));
    EXPECT_EQ(answer.error().code, base::Code::unavailable);
  });
}

TEST_F(PlainTest, WhatIsNoAnswerIsUnavailableAndSilenceIsATimeout) {
  run([&]() -> Story {
    asio::ip::tcp::acceptor acceptor(loop, {loopback, 0});
    const auto to_it = [&] {
      return fmt::format("http://hooks.example:{}/", acceptor.local_endpoint().port());
    };
    base::Scope tasks(loop.get_executor());
    for (const std::string_view said : {"HTTP/1.1 200 OK\r\nContent-", "SSH-2.0-x\r\n", ""}) {
      tasks.spawn([](asio::ip::tcp::acceptor& at, std::string_view text) -> Story {
        RawClient client(co_await at.async_accept(asio::use_awaitable));
        co_await client.send(text);
      }(acceptor, said));
      const auto answer = co_await internet->send(request_to(to_it(), "x"));
      EXPECT_FALSE(answer) << said;
    }
    auto request = request_to(to_it());
    request.limit = 50ms;
    const auto answer = co_await internet->send(std::move(request));
    EXPECT_EQ(answer.error().code, base::Code::timeout);
    co_await tasks.join();
  });
}

TEST_F(PlainTest, NoMoreIsKeptOfWhatStandsBetweenThePiecesOfAnAnswer) {
  run([&]() -> Story {
    asio::ip::tcp::acceptor acceptor(loop, {loopback, 0});
    for (const std::string_view said : {"5;", "5\r\nhello\r\n0\r\nX: "}) {
      bool is_all_taken = false;
      base::Scope tasks(loop.get_executor());
      tasks.spawn([](asio::ip::tcp::acceptor& at, std::string_view start, bool& is_taken) -> Story {
        RawClient client(co_await at.async_accept(asio::use_awaitable));
        std::string text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        text += start;
        // More than the buffers of a connection hold.
        text.append(std::size_t{64} << 20, 'a');
        is_taken = co_await client.send(text);
      }(acceptor, said, is_all_taken));
      const auto answer = co_await internet->send(
          request_to(fmt::format("http://hooks.example:{}/", acceptor.local_endpoint().port())));
      co_await tasks.join();
      EXPECT_TRUE(answer) << answer.error().message;
      EXPECT_EQ(answer->status, 200);
      EXPECT_FALSE(is_all_taken) << said;
    }
  });
}

// A peer that always has more to say, until it is told to stop or has said a great deal.
class Talker final : public http::Stream {
 public:
  std::ptrdiff_t read(std::span<char> into) override {
    if (is_stopped || ++reads > 10'000) return gone;
    std::string_view text = reads == 1 ? "HTTP/1.1 200 OK\r\n\r\n" : "more";
    std::ranges::copy(text, into.begin());
    return std::ssize(text);
  }
  std::ptrdiff_t write(std::span<const asio::const_buffer>) override { return gone; }
  asio::awaitable<bool> readable() override { co_return true; }
  asio::awaitable<bool> writable() override { co_return false; }
  bool may_hold_bytes() const override { return true; }
  asio::awaitable<bool> handshake() override { co_return true; }
  void interrupt() override {}
  void end() override {}
  void close() override {}

  bool is_stopped = false;
  int reads = 0;
};

TEST_F(PlainTest, OthersHaveTheirTurnWhileAPeerTalksOn) {
  run([&]() -> Story {
    Talker talker;
    http::ClientReply reply;
    http::ReplyReader reader([](std::string_view) { return true; });
    asio::post(loop, [&talker] { talker.is_stopped = true; });
    EXPECT_EQ(co_await reader.read(talker, reply), http::ReplyReader::End::whole);
    EXPECT_TRUE(talker.is_stopped) << talker.reads;
  });
}

TEST_F(PlainTest, NamesAreLookedUp) {
  run([&]() -> Story {
    const auto found = co_await internet->resolve("localhost");
    EXPECT_TRUE(found) << found.error().message;
    EXPECT_THAT(*found, testing::Contains(loopback));
    // Too long for a name, so nobody on the network is asked.
    const auto none = co_await internet->resolve(std::string(70, 'a') + ".example");
    EXPECT_EQ(none.error().reason, "no_address");
  });
}

TEST(OutboundTls, OnlyATrustedCertificateForTheHostIsSpokenTo) {
  const Certificate certificate;
  Fixture f({.certificate_file = certificate.file(), .key_file = certificate.key()});
  f.options.host_names = {"other.example"};
  f.add(Method::post, "/echo", echo(), http::Body::bytes);
  f.run([&]() -> Story {
    const auto trusting = *http::Internet::create(certificate.file());
    const auto careful = *http::Internet::create();
    const auto url = [&](std::string_view host) {
      return fmt::format("https://{}:{}/echo", host, f.server->port());
    };
    const auto good = co_await trusting->send(request_to(url("localhost"), "hello"));
    EXPECT_TRUE(good) << good.error().message;
    EXPECT_EQ(good->body, "hello");
    const auto wrong_host = co_await trusting->send(request_to(url("other.example"), "hello"));
    EXPECT_FALSE(wrong_host);
    const auto untrusted = co_await careful->send(request_to(url("localhost"), "hello"));
    EXPECT_FALSE(untrusted);
    EXPECT_THAT(untrusted.error().message, HasSubstr("certificate"));
  });
}

}  // namespace
}  // namespace http_test
