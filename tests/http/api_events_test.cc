#include "bridge/base/limits.h"
#include "tests/http/api_fixture.h"

#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A reader of the stream as the server writes it.
asio::awaitable<RawClient> subscribe(ApiFixture& f, std::string query, std::string headers = "") {
  auto client = co_await f.connect();
  co_await client.send(
      fmt::format("GET /api/events{} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                  "Authorization: Bearer {}\r\n{}\r\n",
                  query, f.admin, headers));
  co_await client.read_until("retry: 3000\n\n");
  co_return client;
}

// The next event's data.
asio::awaitable<json::object> next(RawClient& client) {
  for (;;) {
    const std::string text = co_await client.read_until("\n\n");
    BRIDGE_ASSERT(text.ends_with("\n\n"));
    const auto data = text.find("data: ");
    if (data == std::string::npos) continue;
    co_return json::parse(text.substr(data + 6)).as_object();
  }
}

asio::awaitable<std::int64_t> append(ApiFixture& f, std::string type, std::string subject) {
  const auto sequence = co_await f.write([&f, type, subject](store::Tx& tx) {
    engine::NewEntry entry{.type = type,
                           .subject = subject,
                           .actor = "key:1",
                           .thread = "t-1",
                           .cause = "7",
                           .data = {{"state", "queued"}}};
    return f.journal.append(tx, std::move(entry), f.clock.wall());
  });
  BRIDGE_ASSERT(sequence);
  co_return *sequence;
}

TEST(ApiEvents, AFormatThatIsAskedForGoesBeforeWhatIsAccepted) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await append(f, "thing.happened", "job-1");
    const auto page = co_await f.call("GET", "/api/events?types=thing.happened&format=json",
                                      {.headers = {{"Accept", "text/event-stream"}}});
    EXPECT_EQ(page.status, 200) << page.body;
    EXPECT_EQ(page.json().at("items").at(0).at("subject"), "job-1");
    auto client =
        co_await subscribe(f, "?format=sse&subject=job-2", "Accept: application/json\r\n");
    co_await append(f, "thing.happened", "job-2");
    EXPECT_EQ((co_await next(client)).at("subject"), "job-2");
    const auto wrong = co_await f.call("GET", "/api/events?format=xml");
    EXPECT_EQ(wrong.status, 400);
    EXPECT_EQ(wrong.json().at("code"), "invalid_query");
    EXPECT_THAT(text(wrong.json(), "detail"), HasSubstr("format"));
  });
}

TEST(ApiEvents, AreCloudEvents) {
  const engine::Entry entry{{.type = "packet.sent",
                             .subject = "job-1",
                             .actor = "bridge",
                             .thread = "t",
                             .cause = {},
                             .data = {{"stage", "sent"}}},
                            12,
                            base::WallTime(std::chrono::milliseconds(1)),
                            {}};
  const json::object expected{{"specversion", "1.0"},
                              {"id", "12"},
                              {"source", "flywheel/x"},
                              {"type", "flywheel.packet.sent.v1"},
                              {"time", "1970-01-01T00:00:00.001Z"},
                              {"datacontenttype", "application/json"},
                              {"data", json::object{{"stage", "sent"}}},
                              {"subject", "job-1"},
                              {"thread", "t"},
                              {"actor", "bridge"}};
  EXPECT_EQ(http::cloud_event(entry, "flywheel/x"), expected);
}

TEST(ApiEvents, WishesNameTypesInEveryWayPeopleWriteThem) {
  const auto wants = [](std::string_view types, std::string type) {
    engine::Entry entry;
    entry.type = std::move(type);
    const auto wish = events::wish_of(types, {});
    EXPECT_TRUE(wish) << types;
    return wish && wish->matches(entry);
  };
  EXPECT_TRUE(wants("", "packet.sent"));
  for (const auto* same : {"packet.sent", "flywheel.packet.sent.v1", "key.created, packet.sent"}) {
    EXPECT_TRUE(wants(same, "packet.sent")) << same;
    EXPECT_FALSE(wants(same, "packet.sent_twice")) << same;
  }
  for (const auto* all : {"packet", "packet.", "packet.*", "flywheel.packet.*"}) {
    EXPECT_TRUE(wants(all, "packet.sent")) << all;
    EXPECT_FALSE(wants(all, "packets.sent")) << all;
  }
}

TEST(ApiEvents, AreReplayedFromTheLastSeenAndThenFollowed) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto seen = co_await append(f, "thing.happened", "a");
    const auto second = co_await append(f, "thing.happened", "b");
    auto by_header = co_await subscribe(f, "", fmt::format("Last-Event-ID: {}\r\n", seen));
    auto by_query = co_await subscribe(f, fmt::format("?last_event_id={}", seen));
    auto fresh = co_await subscribe(f, "");
    for (auto* reader : {&by_header, &by_query}) {
      const auto event = co_await next(*reader);
      EXPECT_EQ(text(event, "id"), std::to_string(second));
      EXPECT_EQ(event.at("subject"), "b");
      EXPECT_EQ(event.at("thread"), "t-1");
      EXPECT_EQ(event.at("cause"), "7");
      EXPECT_EQ(event.at("actor"), "key:1");
    }
    const auto id = co_await f.submit(packet());
    for (auto* reader : {&by_header, &by_query, &fresh}) {
      const auto event = co_await next(*reader);
      EXPECT_EQ(event.at("type"), "flywheel.packet.accepted.v1");
      EXPECT_EQ(text(event, "subject"), id);
      EXPECT_EQ(event.at("source"), "flywheel/test");
    }
  });
}

TEST(ApiEvents, TheIdOfTheStreamIsTheSequence) {
  ApiFixture f;
  f.run([&]() -> Story {
    auto reader = co_await subscribe(f, "");
    const auto sequence = co_await append(f, "thing.happened", "a");
    const auto text = co_await reader.read_until("\n\n");
    EXPECT_THAT(text, HasSubstr(fmt::format("\r\nid: {}\ndata: {{", sequence)));
  });
}

TEST(ApiEvents, AReaderGetsWhatItWants) {
  ApiFixture f;
  f.run([&]() -> Story {
    auto reader = co_await subscribe(f, "?types=thing.*,packet.sent&subject=b,c");
    co_await append(f, "thing.happened", "a");
    co_await append(f, "other.happened", "b");
    co_await append(f, "thing.happened", "b");
    co_await append(f, "packet.sent", "c");
    EXPECT_EQ((co_await next(reader)).at("subject"), "b");
    EXPECT_EQ((co_await next(reader)).at("type"), "flywheel.packet.sent.v1");
  });
}

TEST(ApiEvents, WhoAsksForEveryTypeGetsAllAndAStarElsewhereIsRefused) {
  ApiFixture f;
  f.run([&]() -> Story {
    const Call pages{.headers = {{"Accept", "application/json"}}};
    co_await append(f, "thing.happened", "a");
    for (const auto* all : {"flywheel.*", "*"}) {
      const auto page =
          co_await f.call("GET", fmt::format("/api/events?types={}&subject=a", all), pages);
      EXPECT_EQ(page.status, 200) << page.body;
      EXPECT_EQ(page.json().at("items").as_array().size(), 1u) << all;
    }
    const auto refused = co_await f.call("GET", "/api/events?types=packet.sent,a.*.b", pages);
    EXPECT_EQ(refused.status, 400) << refused.body;
    EXPECT_EQ(refused.json().at("code"), "invalid_query");
    EXPECT_THAT(text(refused.json(), "detail"), HasSubstr("\"a.*.b\""));
  });
}

TEST(ApiEvents, AReaderFarBehindMissesNothingItWants) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto start = co_await append(f, "thing.happened", "first");
    const auto crowd = co_await f.write([&](store::Tx& tx) -> base::Result<> {
      // More than the memory of the feed and several reads of the store hold.
      for (std::size_t i = 0; i < limits::http_event_feed_max + 1000; ++i) {
        const bool is_wanted = i == 700;
        TRY_OK(f.journal.append(tx, {.type = "crowd.came", .subject = is_wanted ? "x" : "y"},
                                f.clock.wall()));
      }
      return {};
    });
    EXPECT_TRUE(crowd);
    auto live = co_await subscribe(f, fmt::format("?last_event_id={}", start));
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(text(co_await next(live), "id"), std::to_string(start + 1 + i));
    }
    auto choosy = co_await subscribe(f, fmt::format("?last_event_id={}&subject=x,z", start));
    EXPECT_EQ((co_await next(choosy)).at("subject"), "x");
    co_await append(f, "crowd.left", "z");
    EXPECT_EQ((co_await next(choosy)).at("subject"), "z");
  });
}

TEST(ApiEvents, AReaderOfAnotherLogIsToldToStartOver) {
  ApiFixture f;
  f.run([&]() -> Story {
    auto reader = co_await subscribe(f, "?last_event_id=999999");
    EXPECT_THAT(co_await reader.read_until("\n\n"), HasSubstr("event: reset\n"));
    const auto bad = co_await f.call("GET", "/api/events?last_event_id=abc");
    EXPECT_EQ(bad.status, 400);
  });
}

TEST(ApiEvents, OfAllAreNotForAgents) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto agent = co_await f.key("ann", {"events"}, "ann");
    const auto operators = co_await f.key("eve", {"events"});
    const Call pages{.headers = {{"Accept", "application/json"}}};
    const auto refused = co_await f.call_as(agent, "GET", "/api/events", pages);
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.json().at("code"), "other_agent");
    EXPECT_EQ((co_await f.call_as(agent, "GET", "/api/events")).status, 403) << "nor as a stream";
    EXPECT_EQ((co_await f.call_as(operators, "GET", "/api/events", pages)).status, 200);
  });
}

TEST(ApiEvents, WhoCannotStreamGetsPages) {
  ApiFixture f;
  f.run([&]() -> Story {
    for (const auto* subject : {"a", "b", "c"}) co_await append(f, "thing.happened", subject);
    const Call more{.headers = {{"Accept", "application/json"}}};
    std::vector<std::string> seen;
    std::string target = "/api/events?types=thing&limit=2";
    for (int pages = 0; !target.empty() && pages < 5; ++pages) {
      const auto page = co_await f.call("GET", target, more);
      EXPECT_EQ(page.status, 200) << page.body;
      EXPECT_EQ(page.header("content-type"), "application/json");
      for (const auto& item : page.json().at("items").as_array()) {
        seen.push_back(text(item, "subject"));
      }
      const auto link = page.header("link");
      target = link ? std::string(link->substr(1, link->find('>') - 1)) : "";
    }
    EXPECT_THAT(seen, ElementsAre("a", "b", "c"));
  });
}

TEST(ApiEvents, CurlFollowsThem) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await append(f, "thing.happened", "for-curl");
    // Leaves when it has read the first event.
    const auto done = co_await run_program(
        fmt::format("curl -sSN -m 60 -H 'Authorization: Bearer {}' '{}/api/events?last_event_id=0"
                    "&subject=for-curl' | sed '/^data: /q'",
                    f.admin, f.server->url()));
    EXPECT_THAT(done.out, HasSubstr("\"type\":\"flywheel.thing.happened.v1\""));
  });
}

}  // namespace
}  // namespace http_test
