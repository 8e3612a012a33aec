// The small pieces: limits, tags, pages, texts, logs and metrics.
#include "bridge/base/limits.h"
#include "bridge/base/metrics.h"
#include "bridge/http/access_log.h"
#include "bridge/http/base64url.h"
#include "bridge/http/caching.h"
#include "bridge/http/event_reader.h"
#include "bridge/http/problem.h"
#include "bridge/http/rate_limiter.h"
#include "bridge/http/uri_text.h"
#include "tests/http/fixture.h"

#include <boost/json/parse.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace http_test {
namespace {

using http::Request;

TEST(RateLimiter, GivesTheQuotaAtOnceAndThenByTime) {
  TestClock clock;
  http::RateLimiter limiter({.name = "default", .quota = 10, .window = std::chrono::seconds(1000)},
                            clock);
  for (std::uint32_t i = 0; i < 10; ++i) {
    const auto verdict = limiter.take("a");
    EXPECT_TRUE(verdict.is_allowed);
    EXPECT_NEAR(verdict.remaining, 9 - i, 1);
  }
  const auto refused = limiter.take("a");
  EXPECT_FALSE(refused.is_allowed);
  EXPECT_GE(refused.retry_after.count(), 95);
  EXPECT_LE(refused.retry_after.count(), 100);
  EXPECT_TRUE(limiter.take("b").is_allowed) << "callers do not share";
  clock.advance(refused.retry_after);
  EXPECT_TRUE(limiter.take("a").is_allowed);
  EXPECT_FALSE(limiter.take("a").is_allowed);
  EXPECT_EQ(limiter.policy_header(), "\"default\";q=10;w=1000");
  EXPECT_EQ(limiter.state_header({.remaining = 5, .refill = std::chrono::seconds(30)}),
            "\"default\";r=5;t=30");
}

TEST(RateLimiter, RemembersABoundedNumberOfCallers) {
  TestClock clock;
  http::RateLimiter limiter({.quota = 2, .window = std::chrono::seconds(1000)}, clock);
  for (std::size_t i = 0; i < limits::http_rate_keys_max + 50; ++i)
    limiter.take(fmt::format("{}", i));
  EXPECT_LE(limiter.size(), limits::http_rate_keys_max + 1);
  EXPECT_FALSE(limiter.take("one more").is_allowed) << "those beyond share one quota";
  clock.advance(std::chrono::seconds(2000));
  EXPECT_TRUE(limiter.take("one more").is_allowed);
  EXPECT_LT(limiter.size(), 10u);
}

TEST(RateLimiter, HeadersTellTheCaller) {
  Fixture f;
  http::RateLimiter limiter({.quota = 1, .window = std::chrono::seconds(60)}, f.clock);
  http::Router limited(&f.authenticator, &limiter);
  limited.add({.path = "/"}, answering("hello"));
  const auto key = f.new_key({}, "probe");
  const auto another = f.new_key({}, "probe");
  const auto operators = f.new_key({"admin"});
  auto started = http::Server::start(f.executor(), f.clock, limited, {.listen = "127.0.0.1:0"});
  ASSERT_TRUE(started);
  f.server = *std::move(started);
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    const auto text = f.request("GET /", "Authorization: Bearer " + key + "\r\n");
    auto reply = co_await client.ask(text);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.headers.at("ratelimit-policy"), "\"default\";q=1;w=60");
    EXPECT_EQ(reply.headers.at("ratelimit"), "\"default\";r=0;t=60");
    reply = co_await client.ask(text);
    EXPECT_EQ(reply.status, 429);
    EXPECT_EQ(reply.problem().at("code"), "rate_limited");
    EXPECT_EQ(reply.headers.at("retry-after"), "60");
    reply = co_await client.ask(f.request("GET /", "Authorization: Bearer " + another + "\r\n"));
    EXPECT_EQ(reply.status, 429) << "it is the same agent";
    for (int i = 0; i < 3; ++i) {
      reply =
          co_await client.ask(f.request("GET /", "Authorization: Bearer " + operators + "\r\n"));
      EXPECT_EQ(reply.status, 200);
      EXPECT_FALSE(reply.headers.contains("ratelimit"));
    }
  });
}

TEST(Problem, TellsWhatACallerCanDo) {
  const base::Error full{base::Code::busy, "the queue is full", "queue_full",
                         std::chrono::milliseconds(1200)};
  const auto busy = http::problem_of(full);
  EXPECT_EQ(busy.status, 429);
  EXPECT_EQ(busy.code, "queue_full");
  EXPECT_EQ(busy.retry_after, std::chrono::seconds(2));
  const base::Error reused{base::Code::conflict, "another body", "idempotency_mismatch"};
  EXPECT_EQ(http::problem_of(reused).status, 422);
  EXPECT_EQ(http::problem_of({base::Code::conflict, "armed"}).status, 409);
}

TEST(Caching, TagsDecideAboutReadingAndWriting) {
  const auto tag = http::entity_tag("content");
  Request request;
  request.method = http::Method::get;
  EXPECT_EQ(http::with_entity_tag(request, http::text_response("x", "text/plain"), tag).status,
            200);
  EXPECT_TRUE(http::check_if_match(request, tag));
  const auto with = [&](std::string_view name, std::string_view value) {
    request.headers = {{name, value}};
    return request;
  };
  const std::string list = "\"other\", W/" + tag;
  EXPECT_EQ(http::with_entity_tag(with("if-none-match", list),
                                  http::text_response("x", "text/plain"), tag)
                .status,
            304);
  EXPECT_EQ(http::with_entity_tag(with("if-none-match", "\"no\""),
                                  http::text_response("x", "text/plain"), tag)
                .status,
            200);
  EXPECT_EQ(http::check_if_match(with("if-match", list), tag).error().reason,
            "precondition_failed");
  EXPECT_TRUE(http::check_if_match(with("if-match", tag), tag));
  EXPECT_TRUE(http::check_if_match(with("if-match", "*"), tag));
  EXPECT_FALSE(http::check_if_match(with("if-match", "garbage"), tag));
}

TEST(Caching, CursorsComeBackOnlyAsTheyWereGiven) {
  for (const std::string position : {"", "42", "a b", "\xFF"}) {
    EXPECT_EQ(http::cursor_position(http::cursor(position)), position);
  }
  auto forged = http::cursor("42");
  forged.back() = forged.back() == 'A' ? 'B' : 'A';
  for (const std::string& bad :
       {forged, std::string(), std::string("c1"), std::string("42"), std::string(5000, 'a')}) {
    EXPECT_EQ(http::cursor_position(bad).error().reason, "invalid_query") << bad;
  }
}

TEST(Caching, PagesLinkToTheNext) {
  Request request;
  request.path = "/api/things";
  request.query = {{"state", "a b"}, {"cursor", http::cursor("3")}, {"limit", "2"}};
  const auto page = http::page_of(request);
  ASSERT_TRUE(page);
  EXPECT_EQ(page->limit, 2u);
  EXPECT_EQ(page->after, "3");
  const auto response = http::page_response(request, {1, 2}, "5");
  const auto next = http::cursor("5");
  EXPECT_EQ(response.header_lines,
            "Link: </api/things?state=a%20b&limit=2&cursor=" + next + ">; rel=\"next\"\r\n");
  EXPECT_EQ(json::parse(response.body), (json::value{{"items", {1, 2}}, {"next_cursor", next}}));
  EXPECT_EQ(http::page_response(request, {}, std::nullopt).header_lines, "");
}

TEST(Caching, APageOfAShortListGoesOnBehindTheLastItem) {
  const auto from = [](const json::array& all, std::string after) {
    Request request;
    request.query = {{"limit", "2"}};
    if (!after.empty()) request.query.emplace_back("cursor", http::cursor(after));
    auto cut = http::page_from(request, all, "name");
    BRIDGE_ASSERT(cut);
    std::string told;
    for (const auto& item : cut->items) told += std::string(item.at("name").as_string());
    return told + (cut->next ? ">" + *cut->next : "");
  };
  const auto named = [](std::initializer_list<const char*> names) {
    json::array all;
    for (const auto* name : names) all.push_back(json::object{{"name", name}});
    return all;
  };
  const auto all = named({"z", "a", "c", "e"});  // one is first for another reason than its name
  EXPECT_EQ(from(all, ""), "za>a");
  EXPECT_EQ(from(all, "a"), "ce");
  EXPECT_EQ(from(all, "e"), "");
  // The last one of the page before is gone.
  EXPECT_EQ(from(all, "b"), "ce");
  EXPECT_EQ(from(all, "d"), "e");
  EXPECT_EQ(from(all, "f"), "");
  EXPECT_EQ(from({}, "a"), "");
  EXPECT_EQ(from({}, ""), "");
}

TEST(Base64Url, KnowsOnlyCanonicalText) {
  EXPECT_EQ(http::base64url_encoded("\xFB\xFF"), "-_8");
  for (const std::string_view bytes : {"", "a", "ab", "abc", "abcd"}) {
    EXPECT_EQ(http::base64url_decoded(http::base64url_encoded(bytes)), bytes);
  }
  for (const std::string_view bad : {"A", "AB", "QQ==", "+/8", "QR", "Q Q", "QQ\n"}) {
    EXPECT_FALSE(http::base64url_decoded(bad)) << bad;
  }
}

TEST(AccessLog, IsOneJsonLineWithoutSecrets) {
  Request request;
  const auto key = http::new_api_key();
  const auto path = "/api/keys/" + key + "\"x";
  request.method_name = "GET";
  request.path = path;
  request.id = "r-1";
  request.principal.id = "key:k1";
  request.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto line = http::AccessLog::line({.request = request,
                                           .status = 200,
                                           .bytes_sent = 12,
                                           .took = std::chrono::milliseconds(3),
                                           .when = {}});
  const auto parsed = json::parse(line);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(parsed.at("path"), "/api/keys/fwk_***\"x");
  EXPECT_EQ(parsed.at("status"), 200);
  EXPECT_EQ(parsed.at("caller"), "key:k1");
  EXPECT_EQ(parsed.at("trace_id"), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(http::redact("a eyJhbGciOiJIUzI1NiJ9.e30.abc-_ b whsec_0123456789abcdef fwk_x"),
            "a eyJ*** b whsec_*** fwk_x");
}

TEST(AccessLog, LinesOfATurnAreWrittenTogetherAtItsEnd) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK), 0);
  const auto written = [&] {
    char text[4096];
    const auto count = ::read(ends[0], text, sizeof text);
    return count < 0 ? std::string() : std::string(text, static_cast<std::size_t>(count));
  };
  asio::io_context loop;
  Request request;
  const http::Access access{.request = request, .status = 200};
  const auto line = http::AccessLog::line(access) + "\n";
  {
    http::AccessLog log(loop.get_executor(), ends[1]);
    log.write(access);
    log.write(access);
    EXPECT_EQ(written(), "");
    loop.run();
    EXPECT_EQ(written(), line + line);
    log.write(access);
  }
  EXPECT_EQ(written(), line);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Metrics, AreWrittenAsPrometheusReadsThem) {
  base::Metrics metrics;
  metrics.counter("jobs_total", "Jobs \\ of\nall kinds.", {{"state", "a\"b\\"}}).add(3);
  metrics.gauge("depth", "How deep.").set(1.5);
  auto& seconds = metrics.histogram("wait_seconds", "How long.", {0.1, 1});
  seconds.observe(0.1);
  seconds.observe(0.5);
  seconds.observe(7);
  EXPECT_EQ(metrics.prometheus(),
            "# HELP depth How deep.\n# TYPE depth gauge\ndepth 1.5\n"
            "# HELP jobs_total Jobs \\\\ of\\nall kinds.\n# TYPE jobs_total counter\n"
            "jobs_total{state=\"a\\\"b\\\\\"} 3\n"
            "# HELP wait_seconds How long.\n# TYPE wait_seconds histogram\n"
            "wait_seconds_bucket{le=\"0.1\"} 1\nwait_seconds_bucket{le=\"1\"} 2\n"
            "wait_seconds_bucket{le=\"+Inf\"} 3\nwait_seconds_sum 7.6\nwait_seconds_count 3\n");
  const auto open = metrics.open_metrics();
  EXPECT_NE(open.find("# TYPE jobs counter\njobs_total{"), std::string::npos);
  EXPECT_NE(open.find("le=\"1.0\""), std::string::npos);
  EXPECT_TRUE(open.ends_with("# EOF\n"));
  EXPECT_EQ(&metrics.gauge("depth", ""), &metrics.gauge("depth", ""));
}

TEST(Metrics, CountRequestsByRouteAndNeverByPath) {
  base::Metrics metrics;
  Fixture f({.metrics = &metrics});
  f.add(http::Method::get, "/things/{id}", answering("hello"));
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    for (int i = 0; i < 20; ++i) co_await client.ask(f.request(fmt::format("GET /things/{}", i)));
    for (int i = 0; i < 20; ++i) co_await client.ask(f.request(fmt::format("GET /none/{}", i)));
    const auto text = metrics.prometheus();
    EXPECT_NE(
        text.find("http_requests_total{route=\"/things/{id}\",method=\"GET\",status=\"200\"} 20\n"),
        std::string::npos)
        << text;
    EXPECT_NE(text.find("http_requests_total{route=\"none\",method=\"GET\",status=\"404\"} 20\n"),
              std::string::npos);
    EXPECT_NE(text.find("http_connections 1\n"), std::string::npos);
  });
}

TEST(EventReader, ReadsTheSameWhereverTheBytesAreCut) {
  const std::string text =
      ":comment\r\nid: 1\r\nevent: a\r\ndata: x\r\ndata:  y\r\n\r\ndata\r\rid\ndata: z\n\nevent: "
      "b\n\ndata: cut";
  std::string whole;
  for (std::size_t step = 1; step <= text.size(); ++step) {
    std::string seen;
    http::EventReader reader;
    for (std::size_t i = 0; i < text.size(); i += step) {
      reader.feed(std::string_view(text).substr(i, step), [&](const http::ClientEvent& event) {
        seen += fmt::format("[{}|{}|{}]", event.id, event.name, event.data);
      });
    }
    EXPECT_EQ(seen, "[1|a|x\n y][1|message|][|message|z]") << step;
  }
}

}  // namespace
}  // namespace http_test
