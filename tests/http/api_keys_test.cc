#include "tests/http/api_fixture.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::ElementsAre;

json::object new_key(std::string_view name = "ci") {
  return {{"name", name}, {"scopes", json::array{"packets", "session"}}};
}

TEST(ApiKeys, OneIsShownOnceAndWorks) {
  ApiFixture f;
  f.run([&]() -> Story {
    auto body = new_key();
    body["agent"] = "planner";
    body["expires_in_days"] = 30;
    const auto made = co_await f.call("POST", "/api/keys", {.body = body});
    EXPECT_EQ(made.status, 201) << made.body;
    const auto view = made.json().as_object();
    const auto key = text(view, "key");
    const auto id = text(view, "id");
    EXPECT_EQ(made.header("location"), "/api/keys/" + id);
    EXPECT_EQ(view.at("agent"), "planner");
    EXPECT_TRUE(view.at("expires").is_string());
    EXPECT_EQ((co_await f.call_as(key, "GET", "/api/session")).status, 200);
    EXPECT_EQ((co_await f.call_as(key, "GET", "/api/keys")).status, 403);
    EXPECT_EQ((co_await f.call_as(key, "POST", "/api/packets", {.body = packet()})).status, 202);

    const std::vector<std::string> targets = {"/api/keys", "/api/keys/" + id.substr(0, 30),
                                              "/api/audit"};
    for (const auto& target : targets) {
      const auto reply = co_await f.call("GET", target);
      EXPECT_EQ(reply.status, 200) << target;
      EXPECT_EQ(reply.body.find(key), std::string::npos) << target;
    }
  });
}

TEST(ApiKeys, WhoSpeaksForAnAgentIsNoAdministrator) {
  ApiFixture f;
  f.run([&]() -> Story {
    auto body = new_key();
    body["agent"] = "planner";
    body["scopes"] = json::array{"packets", "admin"};
    const auto refused = co_await f.call("POST", "/api/keys", {.body = body});
    EXPECT_EQ(refused.status, 422) << refused.body;
    EXPECT_EQ(refused.json().at("errors").at(0).at("pointer"), "/scopes");
    // One that was made before, or a token that says both.
    const auto both = co_await f.key("both", {"admin"}, "planner");
    EXPECT_EQ((co_await f.call_as(both, "POST", "/api/keys", {.body = new_key()})).status, 403);
    EXPECT_EQ((co_await f.call_as(both, "GET", "/api/session")).status, 200);
  });
}

TEST(ApiKeys, ARevokedOneStopsWorkingAtOnce) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto made = co_await f.call("POST", "/api/keys", {.body = new_key()});
    const auto key = text(made.json(), "key");
    const auto target = "/api/keys/" + text(made.json(), "id");
    EXPECT_EQ((co_await f.call_as(key, "GET", "/api/session")).status, 200);
    EXPECT_EQ((co_await f.call("DELETE", target)).status, 204);
    const auto refused = co_await f.call_as(key, "GET", "/api/session");
    EXPECT_EQ(refused.status, 401);
    EXPECT_EQ(refused.json().at("code"), "invalid_token");
    EXPECT_EQ((co_await f.call("DELETE", target)).status, 204);
    EXPECT_TRUE((co_await f.call("GET", target)).json().at("revoked").is_string());
    EXPECT_EQ((co_await f.call("DELETE", "/api/keys/ffffffff")).status, 404);
    const auto told = co_await f.call("GET", "/api/audit?type=key.revoked");
    EXPECT_EQ(told.json().at("items").as_array().size(), 1u);
  });
}

TEST(ApiKeys, AnExpiredOneStopsWorking) {
  ApiFixture f;
  f.run([&]() -> Story {
    auto body = new_key();
    body["expires_in_days"] = 1;
    const auto made = co_await f.call("POST", "/api/keys", {.body = body});
    const auto key = text(made.json(), "key");
    EXPECT_EQ((co_await f.call_as(key, "GET", "/api/session")).status, 200);
    f.clock.advance(std::chrono::hours(25));
    EXPECT_EQ((co_await f.call_as(key, "GET", "/api/session")).status, 401);
  });
}

TEST(ApiKeys, TheSameRequestMakesOneKey) {
  ApiFixture f;
  f.run([&]() -> Story {
    const Call asked{.body = new_key(), .headers = {{"Idempotency-Key", "make-1"}}};
    const auto first = co_await f.call("POST", "/api/keys", asked);
    const auto again = co_await f.call("POST", "/api/keys", asked);
    EXPECT_EQ(again.status, 201);
    EXPECT_EQ(again.header("idempotency-replayed"), "true");
    EXPECT_EQ(again.json().at("id"), first.json().at("id"));
    EXPECT_TRUE(again.json().at("key").is_null());
    const auto other =
        co_await f.call("POST", "/api/keys",
                        {.body = new_key("other"), .headers = {{"Idempotency-Key", "make-1"}}});
    EXPECT_EQ(other.status, 422);
    EXPECT_EQ(other.json().at("code"), "idempotency_mismatch");
  });
}

TEST(ApiKeys, BadBodiesAreRefusedWithTheirPointers) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto refused = [&](json::object body) -> asio::awaitable<std::vector<std::string>> {
      const auto reply = co_await f.call("POST", "/api/keys", {.body = std::move(body)});
      EXPECT_EQ(reply.status, 422) << reply.body;
      co_return pointers(reply.json());
    };
    auto body = new_key();
    body["color"] = "red";
    EXPECT_THAT(co_await refused(body), ElementsAre("/color"));
    body = new_key();
    body["scopes"] = json::array{"packets", "everything"};
    EXPECT_THAT(co_await refused(body), ElementsAre("/scopes/1"));
    body = new_key("");
    EXPECT_THAT(co_await refused(body), ElementsAre("/name"));
    body = new_key();
    body["expires_in_days"] = 1e300;
    EXPECT_THAT(co_await refused(body), ElementsAre("/expires_in_days"));
    EXPECT_EQ((co_await f.call("POST", "/api/keys")).status, 400);
  });
}

TEST(ApiKeys, ListsComeInPages) {
  ApiFixture f;
  f.run([&]() -> Story {
    for (int i = 0; i < 3; ++i) {
      co_await f.call("POST", "/api/keys", {.body = new_key(fmt::format("key {}", i))});
    }
    std::vector<std::string> names;
    std::string target = "/api/keys?limit=2";
    for (int pages = 0; !target.empty() && pages < 5; ++pages) {
      const auto page = co_await f.call("GET", target);
      for (const auto& item : page.json().at("items").as_array()) {
        names.push_back(text(item, "name"));
      }
      const auto link = page.header("link");
      target = link ? std::string(link->substr(1, link->find('>') - 1)) : "";
    }
    EXPECT_THAT(names, testing::UnorderedElementsAre("key 2", "key 1", "key 0", "root"));
  });
}

}  // namespace
}  // namespace http_test
