// Memory over HTTP. What is found and who may read it is proven beside the service.
#include "bridge/services/memory/memory_limits.h"
#include "tests/http/api_fixture.h"

#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Remembering : ApiFixture {
  Story begin() {
    for (const auto* name : {"Planner", "Critic"}) {
      co_await call("POST", "/api/gpt-agents/register",
                    {.body = json::object{{"name", name}, {"kind", "cli"}, {"category", "Core"}}});
    }
    planner = co_await key("planner", {"memory"}, "Planner");
    critic = co_await key("critic", {"memory"}, "Critic");
  }
  asio::awaitable<http::ClientReply> store(std::string as, std::string agent, json::object body) {
    co_return co_await call_as(as, "POST", "/api/gpt-agents/" + agent + "/memory/store",
                               {.body = std::move(body)});
  }
  asio::awaitable<http::ClientReply> search(std::string as, std::string agent, json::object body) {
    co_return co_await call_as(as, "POST", "/api/gpt-agents/" + agent + "/memory/search",
                               {.body = std::move(body)});
  }
  std::string planner, critic;
};

TEST(ApiMemory, AnEntryIsStoredShownFoundListedAndDeleted) {
  Remembering f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto made = co_await f.store(f.planner, "planner",
                                       {{"title", "Retry policy"},
                                        {"content", "Back off, then try again.\nNever twice."},
                                        {"type", "knowledge"},
                                        {"tags", json::array{"queue"}},
                                        {"sharing", "fleet"},
                                        {"metadata", json::object{{"source", "review"}}}});
    EXPECT_EQ(made.status, 201) << made.body;
    const auto self = std::string(made.header("location").value_or(""));
    EXPECT_EQ(made.json().at("trust"), "untrusted");
    EXPECT_EQ(made.json().at("origin"), "agent");
    EXPECT_EQ(made.json().at("sharing"), "fleet");

    const auto shown = co_await f.call("GET", self);
    EXPECT_EQ(shown.json().at("content"), "Back off, then try again.\nNever twice.");
    EXPECT_EQ(shown.json().at("metadata").at("source"), "review");
    EXPECT_THAT(text(shown.json().at("provenance"), "stored_by"), testing::StartsWith("key:"));

    const auto found = co_await f.search(f.critic, "critic", {{"query", "again never"}});
    EXPECT_EQ(found.status, 200) << found.body;
    EXPECT_EQ(found.json().at("bounded"), false);
    const auto hit = found.json().at("items").at(0);
    EXPECT_EQ(hit.at("id"), made.json().at("id"));
    EXPECT_EQ(hit.at("trust"), "untrusted");
    EXPECT_THAT(text(hit, "snippet"), HasSubstr("[again].\n[Never]"));
    EXPECT_EQ((co_await f.call_as(f.critic, "GET", text(hit.at("links"), "self"))).status, 200);

    const auto list =
        co_await f.call("GET", "/api/gpt-agents/planner/memory?type=knowledge&tag=queue");
    EXPECT_EQ(list.json().at("items").as_array().size(), 1u);
    EXPECT_THAT(text(list.json().at("items").at(0), "excerpt"), HasSubstr("Back off"));

    EXPECT_EQ((co_await f.call_as(f.critic, "DELETE", self)).status, 403);
    EXPECT_EQ((co_await f.call_as(f.planner, "DELETE", self)).status, 204);
    const auto gone = co_await f.call("GET", self);
    EXPECT_EQ(gone.status, 404);
    EXPECT_EQ(gone.json().at("code"), "deleted");
    EXPECT_EQ((co_await f.call("GET", "/api/audit/verify")).json().at("valid"), true);
  });
}

TEST(ApiMemory, WhatIsWrongIsNamed) {
  Remembering f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto wrong = [&](http::ClientReply reply) {
      EXPECT_EQ(reply.status, 422) << reply.body;
      return pointers(reply.json());
    };
    for (const auto* query : {"", "?!", "\"\"", "ab*"}) {
      EXPECT_THAT(wrong(co_await f.search(f.planner, "planner", {{"query", query}})),
                  ElementsAre("/query"));
    }
    EXPECT_THAT(
        wrong(co_await f.search(f.planner, "planner", {{"query", "word"}, {"since", "yesterday"}})),
        ElementsAre("/since"));
    EXPECT_THAT(wrong(co_await f.store(f.planner, "planner", {{"content", "x"}, {"extra", 1}})),
                ElementsAre("/extra"));
    EXPECT_THAT(wrong(co_await f.store(f.planner, "planner", {{"content", ""}})),
                ElementsAre("/content"));
    EXPECT_THAT(
        wrong(co_await f.store(f.planner, "planner", {{"content", "x"}, {"sharing", "world"}})),
        ElementsAre("/sharing"));
    // Characters are counted by the schema, bytes by the service.
    std::string wide;
    for (int i = 0; i < 200; ++i) wide += "–";
    EXPECT_THAT(wrong(co_await f.store(f.planner, "planner", {{"content", "x"}, {"title", wide}})),
                ElementsAre("/title"));
    const auto since = co_await f.call("GET", "/api/gpt-agents/planner/memory?since=soon");
    EXPECT_EQ(since.status, 400);
    EXPECT_EQ((co_await f.store(f.admin, "nobody", {{"content", "x"}})).status, 404);
  });
}

TEST(ApiMemory, AllIsSinceLongAgoAndNothingSinceTheFarFuture) {
  Remembering f;
  f.run([&]() -> Story {
    co_await f.begin();
    co_await f.store(f.planner, "planner", {{"content", "a word"}});
    const auto listed = [&](std::string since) -> asio::awaitable<std::size_t> {
      const auto list = co_await f.call("GET", "/api/gpt-agents/planner/memory?since=" + since);
      EXPECT_EQ(list.status, 200) << list.body;
      co_return list.json().at("items").as_array().size();
    };
    const auto found = [&](std::string since) -> asio::awaitable<std::size_t> {
      const auto hits =
          co_await f.search(f.planner, "planner", {{"query", "word"}, {"since", since}});
      EXPECT_EQ(hits.status, 200) << hits.body;
      co_return hits.json().at("items").as_array().size();
    };
    for (const std::string past : {"0000-01-01", "1500-01-01", "1677-09-21T00:12:43Z"}) {
      EXPECT_EQ(co_await listed(past), 1u) << past;
      EXPECT_EQ(co_await found(past), 1u) << past;
    }
    for (const std::string future :
         {"2262-04-11T23:47:17Z", "9999-12-31", "9999-12-31T23:59:59Z"}) {
      EXPECT_EQ(co_await listed(future), 0u) << future;
      EXPECT_EQ(co_await found(future), 0u) << future;
    }
    for (const std::string year : {"26-11-21", "20260-01-01", "300000000000-01-01"}) {
      const auto list = co_await f.call("GET", "/api/gpt-agents/planner/memory?since=" + year);
      EXPECT_EQ(list.status, 400) << year;
    }
  });
}

TEST(ApiMemory, AKeyActsAsItsAgentOnly) {
  Remembering f;
  f.run([&]() -> Story {
    co_await f.begin();
    EXPECT_EQ((co_await f.store(f.critic, "planner", {{"content", "x"}})).status, 403);
    EXPECT_EQ((co_await f.search(f.critic, "planner", {{"query", "x"}})).status, 403);
    co_await f.store(f.planner, "planner", {{"content", "a private word"}});
    const auto seen = co_await f.call_as(f.critic, "GET", "/api/gpt-agents/planner/memory");
    EXPECT_TRUE(seen.json().at("items").as_array().empty());
    const auto dreams = co_await f.call("GET", "/api/gpt-agents/planner/dreams");
    EXPECT_EQ(dreams.json().at("knowledge_base").as_array().size(), 1u);
    EXPECT_EQ(dreams.json().at("entries"), 1);
    const auto other = co_await f.key("other", {"packets"});
    EXPECT_EQ((co_await f.call_as(other, "GET", "/api/gpt-agents/planner/memory")).status, 403);
  });
}

TEST(ApiMemory, ReplyOfAPacketIsRemembered) {
  Remembering f;
  f.run([&]() -> Story {
    const auto job = co_await f.submit(packet());
    co_await f.finish({{"plan", json::array{"measure twice"}}, {"verdict", "ok"}});
    const auto found = co_await f.search(f.admin, "conversation", {{"query", "\"measure twice\""}});
    EXPECT_EQ(found.status, 200) << found.body;
    const auto hit = found.json().at("items").at(0);
    EXPECT_EQ(hit.at("type"), "reply");
    EXPECT_EQ(hit.at("trust"), "untrusted");
    EXPECT_EQ(text(hit.at("provenance"), "job"), job);
    const auto dreams = co_await f.call("GET", "/api/gpt-agents/conversation/dreams");
    EXPECT_EQ(dreams.json().at("conversation_logs").as_array().size(), 1u);
    EXPECT_EQ(text(dreams.json().at("expertise").at(0), "topic"), "RFP_PLAN");
    const auto told = co_await f.call("GET", "/api/audit?type=memory.&thread=" + job);
    EXPECT_EQ(told.json().at("items").as_array().size(), 1u);
  });
}

TEST(ApiMemory, KeysAndListsBehaveAsElsewhere) {
  Remembering f;
  f.run([&]() -> Story {
    const std::string target = "/api/gpt-agents/conversation/memory/store";
    const json::object body{{"content", "once"}};
    const Call asked{.body = body, .headers = {{"Idempotency-Key", "m-1"}}};
    const auto first = co_await f.call("POST", target, asked);
    const auto again = co_await f.call("POST", target, asked);
    EXPECT_EQ(again.status, 201);
    EXPECT_EQ(again.header("idempotency-replayed"), "true");
    EXPECT_EQ(text(again.json(), "id"), text(first.json(), "id"));
    const auto other = co_await f.call(
        "POST", target,
        {.body = json::object{{"content", "twice"}}, .headers = {{"Idempotency-Key", "m-1"}}});
    EXPECT_EQ(other.status, 422);
    for (const auto* content : {"second", "third"}) {
      co_await f.call("POST", target, {.body = json::object{{"content", content}}});
    }
    std::vector<std::string> contents;
    std::string next = "/api/gpt-agents/conversation/memory?limit=2";
    for (int pages = 0; !next.empty() && pages < 5; ++pages) {
      const auto page = co_await f.call("GET", next);
      for (const auto& item : page.json().at("items").as_array()) {
        contents.push_back(text(item, "excerpt"));
      }
      const auto link = page.header("link");
      next = link ? std::string(link->substr(1, link->find('>') - 1)) : "";
    }
    EXPECT_THAT(contents, ElementsAre("third", "second", "once"));
  });
}

}  // namespace
}  // namespace http_test
