#include "bridge/http/client.h"

#include "bridge/base/scope.h"
#include "tests/http/fixture.h"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

namespace http_test {
namespace {

using http::Method;

TEST(Client, SendsJsonAndKeepsItsConnection) {
  Fixture f;
  f.router.add(
      {.method = Method::post, .path = "/double", .scope = "packets", .body = http::Body::json},
      [](http::Request& request) -> base::Task<http::Response> {
        co_return http::json_response(
            json::object{{"result", 2 * request.json.at("value").to_number<int>()}});
      });
  const auto key = f.new_key({"packets"});
  f.run([&]() -> Story {
    http::Client client(f.server->url(), key);
    for (int i = 1; i <= 3; ++i) {
      const auto reply = co_await client.call_json(
          {.method = "POST", .target = "/double", .body = json::object{{"value", i}}});
      EXPECT_TRUE(reply);
      EXPECT_EQ(*reply, (json::value{{"result", 2 * i}}));
    }
    EXPECT_EQ(f.server->connection_count(), 1u);
  });
}

TEST(Client, ProblemsBecomeErrors) {
  Fixture f;
  f.add(Method::get, "/busy", [](http::Request&) -> base::Task<http::Response> {
    co_return base::fail(base::Code::busy, "submit: the queue is full", "queue_full");
  });
  f.router.add({.path = "/closed"}, answering(""));
  f.run([&]() -> Story {
    http::Client client(f.server->url(), "");
    const auto busy = co_await client.call_json({.target = "/busy"});
    EXPECT_EQ(busy.error().code, base::Code::busy);
    EXPECT_EQ(busy.error().reason, "queue_full");
    EXPECT_NE(busy.error().message.find("the queue is full"), std::string::npos);
    EXPECT_EQ((co_await client.call_json({.target = "/closed"})).error().code, base::Code::denied);
    EXPECT_EQ((co_await client.call_json({.target = "/none"})).error().code, base::Code::not_found);
  });
}

TEST(Client, SaysWhenNobodyAnswers) {
  Fixture f;
  f.add(Method::get, "/never", [&](http::Request&) -> base::Task<http::Response> {
    asio::steady_timer never(f.executor(), asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
    co_return http::Response();
  });
  f.add(Method::get, "/", answering("hello"));
  f.run([&]() -> Story {
    asio::ip::tcp::acceptor closed(f.executor(), {asio::ip::address_v4::loopback(), 0});
    const auto port = closed.local_endpoint().port();
    closed.close();
    http::Client nobody(fmt::format("http://127.0.0.1:{}", port), "");
    EXPECT_EQ((co_await nobody.call({})).error().code, base::Code::unavailable);
    EXPECT_EQ((co_await http::Client("ftp://x:1", "").call({})).error().code, base::Code::invalid);

    http::Client client(f.server->url(), "");
    const auto late =
        co_await client.call({.target = "/never", .limit = std::chrono::milliseconds(20)});
    EXPECT_EQ(late.error().code, base::Code::timeout);
    const auto next = co_await client.call({.target = "/"});
    EXPECT_TRUE(next);
    EXPECT_EQ(next->body, "hello") << "the late answer must not be taken for this one";
    co_await f.server->stop(std::chrono::milliseconds(1));
  });
}

TEST(Client, ReadsALastChunkThatComesByteByByte) {
  Fixture f;
  f.run([&]() -> Story {
    asio::ip::tcp::acceptor acceptor(f.executor(), {asio::ip::address_v4::loopback(), 0});
    auto serve = [&]() -> Story {
      RawClient peer(co_await acceptor.async_accept(asio::use_awaitable));
      peer.socket().set_option(asio::ip::tcp::no_delay(true));
      co_await peer.read_until("\r\n\r\n");
      co_await peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      for (const char c : std::string_view("5\r\nhello\r\n0\r\n\r\n")) {
        co_await peer.send(std::string_view(&c, 1));
        co_await asio::post(f.executor(), asio::use_awaitable);
        co_await asio::post(f.executor(), asio::use_awaitable);
      }
    };
    base::Scope scope(f.executor());
    scope.spawn(serve());
    http::Client client(fmt::format("http://127.0.0.1:{}", acceptor.local_endpoint().port()), "");
    const auto reply = co_await client.call({});
    EXPECT_TRUE(reply);
    EXPECT_EQ(reply->body, "hello");
    co_await scope.join();
  });
}

TEST(Client, ReopensAConnectionThatTheDaemonClosed) {
  Fixture f;
  f.add(Method::get, "/", answering("hello"));
  f.run([&]() -> Story {
    http::Client client(f.server->url(), "");
    EXPECT_TRUE(co_await client.call({}));
    f.clock.advance(std::chrono::seconds(70));
    while (f.server->connection_count() > 0) co_await asio::post(f.executor(), asio::use_awaitable);
    EXPECT_TRUE(co_await client.call({}));
  });
}

// A new one may be what starts a daemon.
TEST(Client, OpensNoConnectionWhereItMayNot) {
  Fixture f;
  f.add(Method::get, "/", answering("hello"));
  f.run([&]() -> Story {
    http::Client client(f.server->url(), "");
    const auto none = co_await client.call({.may_connect = false});
    EXPECT_EQ(none.error().code, base::Code::unavailable);
    EXPECT_TRUE(co_await client.call({}));
    EXPECT_TRUE(co_await client.call({.may_connect = false}));
    f.clock.advance(std::chrono::seconds(70));
    while (f.server->connection_count() > 0) co_await asio::post(f.executor(), asio::use_awaitable);
    const auto gone = co_await client.call({.may_connect = false});
    EXPECT_EQ(gone.error().code, base::Code::unavailable);
    EXPECT_EQ(f.server->connection_count(), 0u);
  });
}

}  // namespace
}  // namespace http_test
