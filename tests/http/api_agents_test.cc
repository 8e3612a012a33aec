// The registry of agents over HTTP. Its rules are proven beside the service.
#include "bridge/services/agents/agent_limits.h"
#include "tests/http/api_fixture.h"

#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

json::object gpt(std::string_view name = "Culture Code") {
  return {{"name", name},       {"link", "https://chatgpt.com/g/g-0a1b2c3d4-culture-code"},
          {"category", "Core"}, {"purpose", "Keeps the house style."},
          {"status", "Active"}, {"date_added", "2025-05-01"}};
}

TEST(ApiAgents, OneIsRegisteredShownChangedAndRemoved) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto made = co_await f.call("POST", "/api/gpt-agents/register", {.body = gpt()});
    EXPECT_EQ(made.status, 201) << made.body;
    const auto view = made.json().as_object();
    EXPECT_EQ(made.header("location"), "/api/gpt-agents/" + text(view, "id"));
    EXPECT_EQ(view.at("slug"), "culture-code");
    EXPECT_EQ(view.at("kind"), "custom_gpt");
    EXPECT_EQ(view.at("tier"), "architect");
    EXPECT_EQ(view.at("status"), "active");
    EXPECT_EQ(view.at("liveness"), "unknown");
    EXPECT_EQ(view.at("ecosystem"), "Core");

    const auto shown = co_await f.call("GET", "/api/gpt-agents/Culture%20Code");
    EXPECT_EQ(shown.json().at("id"), view.at("id"));
    EXPECT_EQ((co_await f.call("GET", "/api/gpt-agents/culture")).status, 404);

    const auto changed =
        co_await f.call("PATCH", "/api/gpt-agents/culture-code",
                        {.body = json::object{{"aliases", json::array{"cc"}}, {"link", nullptr}}});
    EXPECT_EQ(changed.status, 200) << changed.body;
    EXPECT_TRUE(changed.json().at("link").is_null());
    EXPECT_EQ(changed.json().at("revision"), 2);
    EXPECT_EQ((co_await f.call("GET", "/api/gpt-agents/cc")).status, 200);

    EXPECT_EQ((co_await f.call("DELETE", "/api/gpt-agents/cc")).status, 204);
    EXPECT_EQ((co_await f.call("GET", "/api/gpt-agents/culture-code")).status, 404);
    std::vector<std::string> told;
    const auto audit = co_await f.call("GET", "/api/audit?type=agent.");
    for (const auto& entry : audit.json().at("items").as_array()) {
      told.push_back(text(entry, "type"));
    }
    EXPECT_THAT(told, ElementsAre("agent.registered", "agent.changed", "agent.removed"));
  });
}

TEST(ApiAgents, AHeartbeatTellsThatOneLives) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await f.call("POST", "/api/gpt-agents/register", {.body = gpt()});
    const auto beaten = co_await f.call(
        "POST", "/api/gpt-agents/culture-code/heartbeat",
        {.body = json::object{{"status", "busy"}, {"metrics", json::object{{"queue", 3}}}}});
    EXPECT_EQ(beaten.status, 200) << beaten.body;
    EXPECT_EQ(beaten.json().at("liveness"), "active");
    EXPECT_EQ(beaten.json().at("previous_liveness"), "unknown");
    const auto bare = co_await f.call("POST", "/api/gpt-agents/culture-code/heartbeat");
    EXPECT_EQ(bare.json().at("heartbeats"), 2);
    const auto shown = co_await f.call("GET", "/api/gpt-agents/culture-code");
    EXPECT_EQ(shown.json().at("metrics").at("queue"), 3);
    EXPECT_EQ(shown.json().at("status"), "active");
    const auto history = co_await f.call("GET", "/api/gpt-agents/culture-code/heartbeats");
    EXPECT_EQ(history.json().at("items").as_array().size(), 2u);
    EXPECT_EQ((co_await f.call("POST", "/api/gpt-agents/nobody/heartbeat")).status, 404);
  });
}

TEST(ApiAgents, AHeartbeatThatIsWrongIsRefusedWithThePlaceAndDoesNotCount) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await f.call("POST", "/api/gpt-agents/register", {.body = gpt()});
    const std::string heartbeat = "/api/gpt-agents/culture-code/heartbeat";
    const json::object big{{"log", std::string(limits::agent_metrics_bytes_max, 'x')}};
    const auto large = co_await f.call("POST", heartbeat, {.body = json::object{{"metrics", big}}});
    EXPECT_EQ(large.status, 422) << large.body;
    EXPECT_THAT(pointers(large.json()), ElementsAre("/metrics"));
    const auto words =
        co_await f.call("POST", heartbeat, {.body = json::object{{"status", "very busy"}}});
    EXPECT_EQ(words.status, 422) << words.body;
    EXPECT_THAT(pointers(words.json()), ElementsAre("/status"));
    const auto shown = co_await f.call("GET", "/api/gpt-agents/culture-code");
    EXPECT_EQ(shown.json().at("heartbeats"), 0);
  });
}

TEST(ApiAgents, EveryKindIsRegisteredAndListsMeetEveryFilter) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto add = [&](std::string name, std::string kind, std::string status,
                         std::string tier) -> Story {
      const auto made =
          co_await f.call("POST", "/api/gpt-agents/register",
                          {.body = json::object{{"name", name},
                                                {"kind", kind},
                                                {"status", status},
                                                {"tier", tier},
                                                {"category", "Atlas"},
                                                {"capabilities", json::array{kind}}}});
      EXPECT_EQ(made.status, 201) << made.body;
      EXPECT_EQ(text(made.json(), "kind"), kind);
    };
    const auto found = [&](std::string query) -> asio::awaitable<std::vector<std::string>> {
      const auto page = co_await f.call("GET", "/api/gpt-agents?" + query);
      EXPECT_EQ(page.status, 200) << page.body;
      std::vector<std::string> slugs;
      for (const auto& item : page.json().at("items").as_array()) {
        slugs.push_back(text(item, "slug"));
      }
      co_return slugs;
    };
    co_await add("Gpt", "custom_gpt", "active", "citizen");
    co_await add("Plug", "plugin", "draft", "visitor");
    co_await add("Client", "mcp_client", "standby", "operator");
    co_await add("Peer", "a2a_agent", "active", "architect");
    co_await add("Tool", "cli", "Active", "founder");

    EXPECT_THAT(co_await found("kind=custom_gpt"), ElementsAre("gpt"));
    EXPECT_THAT(co_await found("kind=plugin"), ElementsAre("plug"));
    EXPECT_THAT(co_await found("kind=mcp_client"), ElementsAre("client"));
    EXPECT_THAT(co_await found("kind=a2a_agent"), ElementsAre("peer"));
    EXPECT_THAT(co_await found("kind=cli"), ElementsAre("tool"));
    EXPECT_THAT(co_await found("status=active"), ElementsAre("gpt", "peer", "tool"));
    EXPECT_THAT(co_await found("status=Standby"), ElementsAre("client"));
    EXPECT_THAT(co_await found("tier=architect"), ElementsAre("peer"));
    EXPECT_THAT(co_await found("capability=cli"), ElementsAre("tool"));
    EXPECT_THAT(co_await found("q=PLU"), ElementsAre("plug"));
    EXPECT_THAT(co_await found("category=atlas&status=active&kind=cli"), ElementsAre("tool"));
    EXPECT_THAT(co_await found("category=core"), ElementsAre());
    for (const auto* query : {"kind=robot", "status=busy", "tier=king", "colour=red"}) {
      const auto refused = co_await f.call("GET", std::string("/api/gpt-agents?") + query);
      EXPECT_EQ(refused.status, 400) << query << refused.body;
    }
  });
}

TEST(ApiAgents, AnAgentsOwnKeySpeaksForItAlone) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await f.call("POST", "/api/gpt-agents/register", {.body = gpt()});
    co_await f.call("POST", "/api/gpt-agents/register", {.body = gpt("Other")});
    const auto own = co_await f.key("cc", {"agents:write"}, "Culture Code");
    const auto call = [&](std::string method, std::string path,
                          std::optional<json::value> body = {}) -> asio::awaitable<int> {
      const auto reply = co_await f.call_as(own, std::move(method), "/api/gpt-agents/" + path,
                                            {.body = std::move(body)});
      co_return reply.status;
    };
    EXPECT_EQ(co_await call("POST", "culture-code/heartbeat"), 200);
    EXPECT_EQ(co_await call("POST", "other/heartbeat"), 403);
    EXPECT_EQ(co_await call("PATCH", "culture-code", json::object{{"purpose", "x"}}), 200);
    EXPECT_EQ(co_await call("PATCH", "other", json::object{{"purpose", "x"}}), 403);
    EXPECT_EQ(co_await call("PATCH", "culture-code", json::object{{"tier", "founder"}}), 403);
    EXPECT_EQ(co_await call("PATCH", "culture-code", json::object{{"category", "Atlas"}}), 403);
    EXPECT_EQ(co_await call("PATCH", "culture-code", json::object{{"link", nullptr}}), 403);
    EXPECT_EQ(co_await call("POST", "register", gpt("New")), 403);
    EXPECT_EQ(co_await call("DELETE", "culture-code"), 403);

    EXPECT_EQ((co_await f.call("DELETE", "/api/gpt-agents/culture-code")).status, 204);
    EXPECT_EQ(co_await call("POST", "other/heartbeat"), 401) << "its key was revoked with it";
  });
}

TEST(ApiAgents, OneMayGetAKeyOfItsOwnWithItsRegistration) {
  ApiFixture f;
  f.run([&]() -> Story {
    auto body = gpt();
    body["key"] = true;
    const Call asked{.body = body, .headers = {{"Idempotency-Key", "r-1"}}};
    const auto made = co_await f.call("POST", "/api/gpt-agents/register", asked);
    EXPECT_EQ(made.status, 201) << made.body;
    const auto own = text(made.json(), "key");
    const auto beaten = co_await f.call_as(own, "POST", "/api/gpt-agents/culture-code/heartbeat");
    EXPECT_EQ(beaten.status, 200) << beaten.body;
    const auto key = co_await f.call("GET", "/api/keys/" + text(made.json(), "key_id"));
    EXPECT_EQ(text(key.json(), "agent_id"), text(made.json(), "id"));
    const auto again = co_await f.call("POST", "/api/gpt-agents/register", asked);
    EXPECT_EQ(again.header("idempotency-replayed"), "true");
    EXPECT_FALSE(again.json().as_object().contains("key"));

    const auto writer = co_await f.key("writer", {"agents:write"});
    body["name"] = "Another";
    const auto denied =
        co_await f.call_as(writer, "POST", "/api/gpt-agents/register", {.body = body});
    EXPECT_EQ(denied.status, 403);
    EXPECT_THAT(pointers(denied.json()), ElementsAre("/key"));
  });
}

TEST(ApiAgents, AnOldTagChangesNothing) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto made = co_await f.call("POST", "/api/gpt-agents/register", {.body = gpt()});
    const Call asked{.body = json::object{{"purpose", "x"}},
                     .headers = {{"If-Match", std::string(*made.header("etag"))}}};
    co_await f.call("POST", "/api/gpt-agents/culture-code/heartbeat");
    EXPECT_EQ((co_await f.call("PATCH", "/api/gpt-agents/culture-code", asked)).status, 200)
        << "a heartbeat is no change";
    EXPECT_EQ((co_await f.call("PATCH", "/api/gpt-agents/culture-code", asked)).status, 412);
  });
}

TEST(ApiAgents, WrongOnesAreRefusedWithThePlace) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto refused = [&](json::value body, int status) -> asio::awaitable<json::value> {
      const auto reply =
          co_await f.call("POST", "/api/gpt-agents/register", {.body = std::move(body)});
      EXPECT_EQ(reply.status, status) << reply.body;
      co_return reply.json();
    };
    auto body = gpt();
    body["extra"] = 1;
    EXPECT_THAT(pointers(co_await refused(body, 422)), ElementsAre("/extra"));
    for (const auto* link : {"https://chatgpt.com/c/1", "https://chatgpt.com.evil.example/g/g-1",
                             "http://chatgpt.com/g/g-1", "javascript:alert(1)",
                             "https://chatgpt.com/g/", "https://chatgpt.com/g/g 1"}) {
      body = gpt();
      body["link"] = link;
      EXPECT_THAT(pointers(co_await refused(body, 422)), ElementsAre("/link")) << link;
    }
    body = gpt();
    body["kind"] = "mcp_client";
    body["link"] = "https://agents.example/mcp";
    co_await refused(body, 201);
    EXPECT_THAT(pointers(co_await refused(gpt(), 409)), ElementsAre("/name"));
  });
}

TEST(ApiAgents, AFileIsImportedWholeOrNotAtAll) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto import = [&](json::array entries) {
      return f.call("POST", "/api/gpt-agents/register",
                    {.body = json::object{{"import", std::move(entries)}}});
    };
    auto wrong = gpt("B");
    wrong["link"] = "ftp://chatgpt.com/g/g-1";
    const auto refused = co_await import({gpt("A"), wrong});
    EXPECT_EQ(refused.status, 422) << refused.body;
    EXPECT_THAT(pointers(refused.json()), ElementsAre("/import/1/link"));
    EXPECT_EQ((co_await f.call("GET", "/api/gpt-agents/a")).status, 404);

    const auto created = co_await import({gpt("A"), gpt("B")});
    EXPECT_EQ(created.status, 201) << created.body;
    EXPECT_EQ(created.json().at("created"), 2);
    auto changed = gpt("B");
    changed["purpose"] = "Another.";
    const auto updated = co_await import({gpt("A"), changed, gpt("C")});
    std::vector<std::string> results;
    for (const auto& result : updated.json().at("results").as_array()) {
      results.push_back(text(result, "result"));
    }
    EXPECT_THAT(results, ElementsAre("unchanged", "updated", "created"));
  });
}

}  // namespace
}  // namespace http_test
