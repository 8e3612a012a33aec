// Pages of other origins: those that are listed may call, others not even read why.
#include "bridge/http/events.h"
#include "tests/http/fixture.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace http_test {
namespace {

using http::Method;
using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Not;
using testing::StartsWith;

const std::string listed = "Origin: https://dash.example\r\n";
const std::string unlisted = "Origin: https://evil.example\r\n";

// What a browser asks before a page's call that a form could not have made.
std::string preflight(const std::string& origin, std::string_view more = "") {
  return fmt::format(
      "{}Access-Control-Request-Method: POST\r\n"
      "Access-Control-Request-Headers: authorization,content-type\r\n{}",
      origin, more);
}

// Nothing there may let a page use what the browser adds by itself, or any page read anything.
void expect_page_may_read(const Reply& reply) {
  EXPECT_EQ(reply.headers.at("access-control-allow-origin"), "https://dash.example");
  EXPECT_EQ(reply.headers.at("vary"), "Origin");
  EXPECT_THAT(reply.headers.at("access-control-expose-headers"), HasSubstr("Retry-After"));
  EXPECT_THAT(reply.headers, Not(Contains(Key("access-control-allow-credentials"))));
}

void expect_page_may_not_read(const Reply& reply) {
  for (const auto& [name, value] : reply.headers) {
    EXPECT_THAT(name, Not(StartsWith("access-control-"))) << value;
  }
}

struct OriginsFixture : Fixture {
  OriginsFixture() : Fixture({.allowed_origins = {"https://dash.example"}}) {
    add(Method::post, "/echo", echo(), http::Body::json);
    router.add({.method = Method::get, .path = "/secret"}, answering("secret"));
    add(Method::get, "/events", [this](http::Request&) -> base::Task<http::Response> {
      co_return http::event_response(feed->reader(0, nullptr, {}));
    });
  }
  std::shared_ptr<http::EventFeed> feed = std::make_shared<http::EventFeed>(executor(), 0);
};

TEST(Origins, AListedPageIsToldWhatItMaySend) {
  OriginsFixture f;
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    for (const std::string_view path : {"OPTIONS /echo", "OPTIONS /secret"}) {
      const auto reply = co_await client.ask(f.request(path, preflight(listed)));
      EXPECT_EQ(reply.status, 204) << path;
      expect_page_may_read(reply);
      EXPECT_THAT(reply.headers.at("access-control-allow-methods"), HasSubstr("POST"));
      for (const auto* header : {"Authorization", "Content-Type", "Idempotency-Key", "If-Match",
                                 "Last-Event-ID", "Prefer"}) {
        EXPECT_THAT(reply.headers.at("access-control-allow-headers"), HasSubstr(header));
      }
      EXPECT_THAT(reply.headers, Not(Contains(Key("access-control-allow-private-network"))));
    }
    const auto reply = co_await client.ask(f.request(
        "OPTIONS /echo", preflight(listed, "Access-Control-Request-Private-Network: true\r\n")));
    EXPECT_EQ(reply.headers.at("access-control-allow-private-network"), "true");
  });
}

TEST(Origins, AListedPageReadsWhateverIsAnswered) {
  OriginsFixture f;
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    const auto key = "Authorization: Bearer " + f.new_key({"packets"}) + "\r\n";
    auto reply = co_await client.ask(f.request("POST /echo", listed, "{}"));
    EXPECT_EQ(reply.status, 200);
    expect_page_may_read(reply);
    EXPECT_THAT(reply.headers, Not(Contains(Key("access-control-allow-methods"))));
    reply = co_await client.ask(f.request("GET /secret", listed + key));
    EXPECT_EQ(reply.status, 200);
    expect_page_may_read(reply);
    reply = co_await client.ask(f.request("GET /secret", listed));
    EXPECT_EQ(reply.status, 401);
    expect_page_may_read(reply);
    reply = co_await client.ask(f.request("GET /nowhere", listed));
    EXPECT_EQ(reply.status, 404);
    expect_page_may_read(reply);
    reply = co_await client.ask(f.request("POST /echo", listed, "{"));
    EXPECT_EQ(reply.status, 400);
    expect_page_may_read(reply);
  });
}

TEST(Origins, AListedPageReadsEvents) {
  OriginsFixture f;
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    co_await client.send(f.request("GET /events", listed));
    const auto head = co_await client.read_until("\r\n\r\n");
    EXPECT_THAT(head, HasSubstr("Content-Type: text/event-stream\r\n"));
    EXPECT_THAT(head, HasSubstr("Access-Control-Allow-Origin: https://dash.example\r\n"));
    f.feed->close();
  });
}

TEST(Origins, OtherPagesAreRefusedAndCannotReadWhy) {
  OriginsFixture f;
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    auto reply = co_await client.ask(f.request("OPTIONS /echo", preflight(unlisted)));
    EXPECT_EQ(reply.status, 403);
    expect_page_may_not_read(reply);
    client = co_await f.connect();
    reply = co_await client.ask(f.request("POST /echo", unlisted, "{}"));
    EXPECT_EQ(reply.status, 403);
    expect_page_may_not_read(reply);
    client = co_await f.connect();
    reply = co_await client.ask(f.request("GET /secret"));
    EXPECT_EQ(reply.status, 401);
    EXPECT_EQ(reply.headers.at("vary"), "Origin") << "no cache gives it to a page";
    expect_page_may_not_read(reply);
  });
}

// A browser adds the cookie by itself to what a page of the same site asks for.
TEST(Origins, WhatIsAskedWithTheDashboardsCookieNoListedPageReads) {
  OriginsFixture f;
  f.run([&]() -> Story {
    const auto asked = [&](std::string_view host,
                           std::string_view cookie) -> asio::awaitable<Reply> {
      auto client = co_await f.connect();
      co_return co_await client.ask(fmt::format(
          "GET /secret HTTP/1.1\r\nHost: {}\r\n{}Cookie: {}\r\n\r\n", host, listed, cookie));
    };
    for (const auto& [host, cookie] : {std::pair("localhost", "a=b; flywheel_session=x"),
                                       std::pair("localhost:8765", "flywheel_session_8765=x")}) {
      const auto reply = co_await asked(host, cookie);
      expect_page_may_not_read(reply);
      EXPECT_EQ(reply.headers.at("vary"), "Origin");
    }
    expect_page_may_read(co_await asked("localhost:8765", "flywheel_session_1=x; other=y"));
  });
}

TEST(Origins, WithoutAListNothingIsSaidOfThem) {
  Fixture f;
  f.add(Method::post, "/echo", echo(), http::Body::json);
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    const auto own = std::string("Origin: http://127.0.0.1:80\r\n");
    const auto reply = co_await client.ask(f.request("POST /echo", own, "{}"));
    EXPECT_EQ(reply.status, 200);
    EXPECT_THAT(reply.headers, Not(Contains(Key("vary"))));
    expect_page_may_not_read(reply);
  });
}

}  // namespace
}  // namespace http_test
