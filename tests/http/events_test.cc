#include "bridge/http/events.h"

#include "bridge/base/limits.h"
#include "bridge/base/scope.h"
#include "bridge/http/client.h"
#include "tests/http/fixture.h"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

namespace http_test {
namespace {

using http::EventFeed;
using http::Method;

EventFeed::Entry entry(std::uint64_t number, std::string_view data) {
  return {number, http::event_bytes(std::to_string(number), "test", data)};
}

// A server whose GET /events follows a feed.
struct FeedFixture : Fixture {
  explicit FeedFixture(http::ServerOptions given = {}) : Fixture(std::move(given)) {
    add(Method::get, "/events", [this](http::Request& request) -> base::Task<http::Response> {
      const auto id = http::last_event_id(request);
      const auto after = id.empty() ? feed->last_number() : std::stoull(id);
      co_return http::event_response(feed->reader(after, nullptr, older));
    });
  }

  asio::awaitable<RawClient> subscribe(std::string headers = "", std::string query = "") {
    auto client = co_await connect();
    co_await client.send(request("GET /events" + query, headers));
    co_await client.read_until("retry: 3000\n\n");
    co_return client;
  }

  std::shared_ptr<EventFeed> feed = std::make_shared<EventFeed>(executor(), 0);
  EventFeed::Older older;
};

TEST(Events, AreWrittenAsBrowsersReadThem) {
  EXPECT_EQ(*http::event_bytes("7", "noun.verb", "{\"a\": 1}"),
            "id: 7\nevent: noun.verb\ndata: {\"a\": 1}\n\n");
  EXPECT_EQ(*http::event_bytes("", "", "a\nb\r\nc\rd\n"),
            "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
  EXPECT_EQ(*http::event_bytes("", "", ""), "data: \n\n");
}

TEST(Events, ComeInOrderFromWhereTheReaderStopped) {
  FeedFixture f;
  for (int i = 1; i <= 3; ++i) f.feed->publish(entry(i, fmt::format("old {}", i)));
  f.run([&]() -> Story {
    auto fresh = co_await f.subscribe();
    auto by_header = co_await f.subscribe("Last-Event-ID: 1\r\n");
    auto by_query = co_await f.subscribe("", "?last_event_id=2");
    f.feed->publish(entry(10, "new"));
    const std::string end = "id: 10\nevent: test\ndata: new\n\n";
    EXPECT_EQ((co_await fresh.read_until(end)).find("old"), std::string::npos);
    const auto two = co_await by_header.read_until(end);
    EXPECT_EQ(two.find("old 1"), std::string::npos);
    EXPECT_LT(two.find("old 2"), two.find("old 3"));
    const auto one = co_await by_query.read_until(end);
    EXPECT_EQ(one.find("old 2"), std::string::npos);
    EXPECT_NE(one.find("old 3"), std::string::npos);
  });
}

TEST(Events, AReaderTooFarBehindIsCaughtUpOrReset) {
  FeedFixture f;
  const auto count = limits::http_event_feed_max + 10;
  for (std::size_t i = 1; i <= count; ++i) f.feed->publish(entry(i, "x"));
  f.run([&]() -> Story {
    auto reset = co_await f.subscribe("Last-Event-ID: 3\r\n");
    EXPECT_EQ(
        (co_await reset.read_until("\n\n")).find("id: 10\nevent: reset\n") != std::string::npos,
        true);
    EXPECT_NE((co_await reset.read_until("\n\n")).find("id: 11\n"), std::string::npos);
    auto ahead = co_await f.subscribe("Last-Event-ID: 999999\r\n");
    EXPECT_NE((co_await ahead.read_until("\n\n")).find("event: reset\n"), std::string::npos);

    f.older = [&](std::uint64_t after) -> base::Task<std::vector<EventFeed::Entry>> {
      std::vector<EventFeed::Entry> entries;
      for (auto i = after + 1; i <= 12 && entries.size() < 4; ++i)
        entries.push_back(entry(i, "from the store"));
      co_return entries;
    };
    auto caught_up = co_await f.subscribe("Last-Event-ID: 3\r\n");
    for (int i = 4; i <= 20; ++i) {
      const auto text = co_await caught_up.read_until("\n\n");
      EXPECT_NE(text.find(fmt::format("id: {}\n", i)), std::string::npos) << text;
    }
  });
}

TEST(Events, WhatWasSkippedIsAskedOfTheLog) {
  FeedFixture f;
  f.feed->publish(entry(1, "x"));
  f.feed->skip(2);
  const auto older = [](std::uint64_t after) -> base::Task<std::vector<EventFeed::Entry>> {
    EXPECT_EQ(after, 1u);
    co_return std::vector{entry(2, "of the log")};
  };
  EXPECT_FALSE(f.feed->has_readers());
  const auto reader = f.feed->reader(1, nullptr, older);
  EXPECT_TRUE(f.feed->has_readers());
  f.run([&]() -> Story {
    const auto found = co_await reader->next(f.clock.now());
    EXPECT_TRUE(found && found->size() == 1 && found->front()->contains("of the log"));
  });
  EXPECT_EQ(f.feed->last_number(), 2u);
}

// Between its commit and its publication an entry is in the log alone.
TEST(Events, WhatTheLogHasBeforeTheFeedComesOnceAndWithoutAReset) {
  for (const bool has_skipped_one : {true, false}) {
    FeedFixture f;
    f.feed->publish(entry(1, "x"));
    f.feed->skip(2);
    const auto older =
        [has_skipped_one](std::uint64_t after) -> base::Task<std::vector<EventFeed::Entry>> {
      EXPECT_EQ(after, 1u);
      std::vector<EventFeed::Entry> entries;
      if (has_skipped_one) entries.push_back(entry(2, "of the log"));
      entries.push_back(entry(3, "of the log"));
      co_return entries;
    };
    const auto reader = f.feed->reader(1, nullptr, older);
    f.run([&]() -> Story {
      std::string read;
      const auto read_on = [&]() -> Story {
        const auto batch = co_await reader->next(f.clock.now());
        EXPECT_TRUE(batch);
        if (!batch) co_return;
        for (const auto& bytes : *batch) read += *bytes;
      };
      co_await read_on();
      EXPECT_EQ(read, has_skipped_one ? "id: 2\nevent: test\ndata: of the log\n\n" : "");
      f.feed->publish(entry(3, "published"));
      read.clear();
      co_await read_on();
      EXPECT_EQ(read, "id: 3\nevent: test\ndata: published\n\n");
      read.clear();
      co_await read_on();
      EXPECT_EQ(read, "");
    });
  }
}

TEST(Events, AReaderFarBehindMissesNothingItWants) {
  FeedFixture f;
  const auto count = limits::http_event_feed_max + 10;
  for (std::size_t i = 1; i <= count; ++i) f.feed->publish(entry(i, "x"));
  const auto older = [](std::uint64_t after) -> base::Task<std::vector<EventFeed::Entry>> {
    co_return std::vector{entry(after + 1, "y"), entry(after + 2, "y")};
  };
  const auto ninth = [](const EventFeed::Entry& one) { return one.number == 9; };
  const auto reader = f.feed->reader(3, ninth, older);
  f.run([&]() -> Story {
    const auto found = co_await reader->next(f.clock.now());
    EXPECT_TRUE(found && found->size() == 1);
    if (!found || found->empty()) co_return;
    EXPECT_NE(found->front()->find("id: 9\n"), std::string::npos);
  });
}

TEST(Events, CommentsKeepAQuietStreamAlive) {
  FeedFixture f({.limits = {.event_comment = std::chrono::milliseconds(5)}});
  f.run([&]() -> Story {
    auto client = co_await f.subscribe();
    for (int i = 0; i < 3; ++i) co_await client.read_until(":\n\n");
    f.feed->publish(entry(1, "hello"));
    co_await client.read_until("data: hello\n\n");
  });
}

TEST(Events, AStalledReaderIsDroppedAndOthersGoOn) {
  FeedFixture f;
  f.run([&]() -> Story {
    auto stalled = co_await f.subscribe();
    auto good = co_await f.subscribe();
    const std::string large(256u << 10, 'x');
    std::uint64_t number = 0;
    for (int i = 0; i < 64; ++i) {
      f.feed->publish(entry(++number, large));
      co_await good.read_until(fmt::format("id: {}\n", number));
      co_await good.read_until("\n\n");
    }
    EXPECT_EQ(f.server->connection_count(), 2u);
    f.clock.advance(limits::http_write_stall + std::chrono::seconds(2));
    while (f.server->connection_count() > 1) co_await asio::post(f.executor(), asio::use_awaitable);
    f.feed->publish(entry(++number, "still here"));
    co_await good.read_until("data: still here\n\n");
  });
}

TEST(Events, AReaderThatGoesIsForgottenAtOnce) {
  FeedFixture f;
  f.run([&]() -> Story {
    {
      auto client = co_await f.subscribe();
      EXPECT_EQ(f.server->connection_count(), 1u);
    }
    while (f.server->connection_count() > 0) co_await asio::post(f.executor(), asio::use_awaitable);
  });
}

TEST(Events, AThousandReadersShareTheBytesOfAnEvent) {
  FeedFixture f;
  f.run([&]() -> Story {
    std::vector<RawClient> readers;
    for (int i = 0; i < 1000; ++i) readers.push_back(co_await f.subscribe());
    auto shared = entry(1, "for all");
    const std::weak_ptr<const std::string> bytes = shared.bytes;
    f.feed->publish(std::move(shared));
    EXPECT_EQ(bytes.use_count(), 1);
    for (auto& reader : readers) co_await reader.read_until("data: for all\n\n");
    EXPECT_EQ(bytes.use_count(), 1) << "only the feed still holds them";
  });
}

TEST(Events, StopEndsStreamsProperly) {
  FeedFixture f;
  std::string rest;
  f.run([&]() -> Story {
    auto client = co_await f.subscribe();
    auto http_1_0 = co_await f.connect();
    co_await http_1_0.send("GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n");
    const auto head = co_await http_1_0.read_until("retry: 3000\n\n");
    EXPECT_EQ(head.find("chunked"), std::string::npos);
    co_await f.server->stop(std::chrono::seconds(10));
    rest = co_await client.rest();
  });
  EXPECT_TRUE(rest.ends_with("0\r\n\r\n")) << rest;
}

TEST(Events, OurClientReadsThem) {
  FeedFixture f;
  f.run([&]() -> Story {
    http::Client client(f.server->url(), "");
    f.feed->publish(entry(1, "one"));
    f.feed->publish(entry(2, "two\nlines"));
    std::vector<http::ClientEvent> seen;
    const auto done = co_await client.events({.target = "/events?last_event_id=0"},
                                             [&](const http::ClientEvent& event) {
                                               seen.push_back(event);
                                               if (seen.size() == 2)
                                                 f.feed->publish(entry(3, "three"));
                                               return seen.size() < 3;
                                             });
    EXPECT_TRUE(done) << done.error().message;
    EXPECT_EQ(seen.size(), 3u);
    EXPECT_EQ(seen.at(1).data, "two\nlines");
    EXPECT_EQ(seen.at(2).id, "3");
    EXPECT_EQ(seen.at(2).name, "test");

    const auto missing =
        co_await client.events({.target = "/nothing"}, [](const auto&) { return true; });
    EXPECT_FALSE(missing);
    EXPECT_EQ(missing.error().code, base::Code::not_found);
    const auto silent =
        co_await client.events({.target = "/events", .limit = std::chrono::milliseconds(20)},
                               [](const auto&) { return true; });
    EXPECT_EQ(silent.error().code, base::Code::timeout);
  });
}

TEST(Events, CurlReadsThem) {
  FeedFixture f;
  f.feed->publish(entry(1, "hello"));
  f.run([&]() -> Story {
    base::Scope scope(f.executor());
    Finished curl;
    auto story = [&]() -> Story {
      curl = co_await run_program("curl -sSN -m 20 " + f.server->url() + "/events?last_event_id=0");
    };
    scope.spawn(story());
    while (f.server->connection_count() == 0)
      co_await asio::post(f.executor(), asio::use_awaitable);
    f.feed->publish(entry(2, "bye"));
    f.feed->close();
    while (scope.size() > 0) co_await asio::post(f.executor(), asio::use_awaitable);
    EXPECT_EQ(curl.status, 0);
    EXPECT_EQ(
        curl.out,
        "retry: 3000\n\nid: 1\nevent: test\ndata: hello\n\nid: 2\nevent: test\ndata: bye\n\n");
  });
}

}  // namespace
}  // namespace http_test
