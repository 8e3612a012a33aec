#include "bridge/base/json.h"
#include "tests/http/fixture.h"

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

namespace http_test {
namespace {

using http::Method;

http::Handler naming(std::string name) {
  return [name](http::Request& request) -> base::Task<http::Response> {
    std::string text = name;
    for (const auto& [key, value] : request.params) text += " " + std::string(key) + "=" + value;
    co_return http::text_response(text, "text/plain");
  };
}

TEST(Router, LiteralPathsWinOverParameters) {
  Fixture f;
  f.add(Method::get, "/api/things/{id}", naming("one"));
  f.add(Method::get, "/api/things/stats", naming("stats"));
  f.add(Method::get, "/api/things/{id}/parts", naming("parts"));
  f.add(Method::get, "/api/things/stats/{day}", naming("day"));
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    const auto get = [&](std::string_view path) -> asio::awaitable<std::string> {
      co_return (co_await client.ask(f.request("GET " + std::string(path)))).body;
    };
    EXPECT_EQ(co_await get("/api/things/stats"), "stats");
    EXPECT_EQ(co_await get("/api/things/7"), "one id=7");
    EXPECT_EQ(co_await get("/api/things/a%2Fb%20c"), "one id=a/b c");
    EXPECT_EQ(co_await get("/api/things/stats/parts"), "day day=parts");
    EXPECT_EQ(co_await get("/api/things/7/parts?x=1"), "parts id=7");
    for (const std::string_view path :
         {"/api/things", "/api/things/", "/api//things/7", "/api/things/7/", "/api/things/7/other",
          "/a/b/c/d/e/f/g/h"}) {
      EXPECT_EQ((co_await client.ask(f.request("GET " + std::string(path)))).status, 404) << path;
    }
    const std::string deep(2000, '/');
    EXPECT_EQ((co_await client.ask(f.request("GET " + deep))).status, 404);
  });
}

TEST(Router, TellsWhatAPathAllows) {
  Fixture f;
  f.add(Method::get, "/thing", naming("get"));
  f.add(Method::del, "/thing", naming("delete"));
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    auto reply = co_await client.ask(f.request("POST /thing"));
    EXPECT_EQ(reply.status, 405);
    EXPECT_EQ(reply.headers.at("allow"), "GET, HEAD, DELETE, OPTIONS");
    reply = co_await client.ask(f.request("OPTIONS /thing"));
    EXPECT_EQ(reply.status, 204);
    EXPECT_EQ(reply.headers.at("allow"), "GET, HEAD, DELETE, OPTIONS");
    EXPECT_EQ((co_await client.ask(f.request("OPTIONS *"))).status, 204);
    EXPECT_EQ((co_await client.ask(f.request("BREW /thing"))).status, 501);
    EXPECT_EQ((co_await client.ask(f.request("TRACE /thing"))).status, 501);
  });
}

TEST(Router, RefusesBodiesThatARouteDoesNotTake) {
  Fixture f;
  f.add(Method::post, "/json", echo(), http::Body::json);
  f.add(Method::post, "/maybe", echo(), http::Body::optional);
  f.add(Method::get, "/none", answering("hello"));
  f.run([&]() -> Story {
    const auto ask = [&](std::string line, std::string headers,
                         std::string body) -> asio::awaitable<int> {
      auto client = co_await f.connect();
      co_return (co_await client.ask(f.request(line, headers, body))).status;
    };
    const auto type = [](std::string value) { return "Content-Type: " + value + "\r\n"; };
    EXPECT_EQ(co_await ask("POST /json", "", "{}"), 200);
    EXPECT_EQ(co_await ask("POST /json", type("Application/JSON; charset=UTF-8"), "{}"), 200);
    EXPECT_EQ(co_await ask("POST /json", type("application/json;charset=latin1"), "{}"), 415);
    EXPECT_EQ(co_await ask("POST /json", type("text/plain"), "{}"), 415);
    EXPECT_EQ(co_await ask("POST /json", type("application/x-www-form-urlencoded"), "{}"), 415);
    EXPECT_EQ(co_await ask("POST /json", type("application/jsonx"), "{}"), 415);
    EXPECT_EQ(
        co_await ask("POST /json", type("application/json") + "Content-Encoding: gzip\r\n", "{}"),
        415);
    EXPECT_EQ(co_await ask("POST /json", "", ""), 400);
    EXPECT_EQ(co_await ask("POST /maybe", "", ""), 200);
    EXPECT_EQ(co_await ask("GET /none", "", "{}"), 400);
  });
}

TEST(Router, ReportsEverythingWrongWithABody) {
  Fixture f;
  f.router.add({.method = Method::post,
                .path = "/checked",
                .is_public = true,
                .body = http::Body::json,
                .check = [](const json::value&) -> std::vector<http::BodyError> {
                  return {{"/a", "type", "must be a text"}, {"/b", "required", "is missing"}};
                }},
               echo());
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    const auto reply = co_await client.ask(f.request("POST /checked", "", R"({"a": 1})"));
    EXPECT_EQ(reply.status, 422);
    const auto errors = reply.problem().at("errors").get_array();
    EXPECT_EQ(errors.size(), 2u);
    EXPECT_EQ(errors.at(1).at("pointer"), "/b");
  });
}

TEST(Router, ErrorsOfHandlersBecomeProblems) {
  Fixture f;
  f.add(Method::get, "/busy", [](http::Request&) -> base::Task<http::Response> {
    co_return base::fail(base::Code::busy, "submit: the queue is full", "queue_full");
  });
  f.add(Method::get, "/changed", [](http::Request&) -> base::Task<http::Response> {
    co_return base::fail(base::Code::conflict, "change it: it has changed", "precondition_failed");
  });
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    const auto reply = co_await client.ask(f.request("GET /busy"));
    EXPECT_EQ(reply.status, 429);
    EXPECT_EQ(reply.problem().at("code"), "queue_full");
    EXPECT_EQ(reply.problem().at("retryable"), true);
    EXPECT_EQ((co_await client.ask(f.request("GET /changed"))).status, 412);
  });
}

TEST(Router, QueriesAreReadStrictly) {
  Fixture f;
  const auto answer = [](http::Request& request) -> base::Task<http::Response> {
    CO_TRY(const auto number, request.query_number("n", 1, 10));
    CO_TRY(const auto flag, request.query_flag("flag"));
    CO_TRY(const auto wait, request.wait());
    co_return http::text_response(fmt::format("{} {} {} {}", request.query_value("a").value_or("-"),
                                              number.value_or(0), flag, wait.count()),
                                  "text/plain");
  };
  std::vector<http::QueryParameter> known;
  for (const auto* name : {"a", "n", "wait", "flag"}) known.push_back({name, "true", ""});
  f.router.add({.path = "/q", .is_public = true, .query = std::move(known)}, answer);
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    const auto get = [&](std::string query, std::string headers = "") -> asio::awaitable<Reply> {
      co_return co_await client.ask(f.request("GET /q" + query, headers));
    };
    EXPECT_EQ((co_await get("")).body, "- 0 false 0");
    EXPECT_EQ((co_await get("?a=x+y%26&n=7&flag=true&wait=5")).body, "x y& 7 true 5");
    EXPECT_EQ((co_await get("?wait=500")).body, "- 0 false 40");
    EXPECT_EQ((co_await get("", "Prefer: respond-async, Wait = 7;x\r\n")).body, "- 0 false 7");
    EXPECT_EQ((co_await get("?wait=3", "Prefer: wait=7\r\n")).body, "- 0 false 3");
    EXPECT_EQ((co_await get("", "Prefer: wait=soon\r\n")).body, "- 0 false 0");
    for (const std::string bad : {"?a=1&a=2", "?n=11", "?n=x", "?n=", "?b=1", "?a=%00", "?a=%ff",
                                  "?=x", "?flag=yes", "?wait=-1", "?a=%"}) {
      const auto reply = co_await get(bad);
      EXPECT_EQ(reply.status, 400) << bad;
      EXPECT_EQ(reply.problem().at("code"), "invalid_query");
    }
  });
}

}  // namespace
}  // namespace http_test
