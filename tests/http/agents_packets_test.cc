// The packets that a key sees which is bound to an agent, whatever agents are called.
#include "tests/http/api_fixture.h"

#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::ElementsAre;

TEST(AgentsPackets, WhoTakesTheNameOfAnotherAgentDoesNotTakeItsPackets) {
  ApiFixture f;
  f.run([&]() -> Story {
    const std::string all = "/api/packets", agents = "/api/gpt-agents/";
    const json::object heron{
        {"name", "Heron"}, {"kind", "cli"}, {"category", "Atlas"}, {"status", "active"}};
    const auto made = co_await f.call("POST", agents + "register", {.body = heron});
    EXPECT_EQ(made.status, 201) << made.body;
    const auto sees = [&](std::string key, std::string id) -> asio::awaitable<bool> {
      co_return (co_await f.call_as(key, "GET", all + "/" + id)).status == 200;
    };
    const auto listed = [&](std::string key) -> asio::awaitable<std::size_t> {
      co_return (co_await f.call_as(key, "GET", all)).json().at("items").as_array().size();
    };
    const auto hand_in = [&](std::string key,
                             std::string question) -> asio::awaitable<std::string> {
      const auto sent = co_await f.call_as(key, "POST", all, {.body = packet(question, "Heron")});
      EXPECT_EQ(sent.status, 202) << sent.body;
      co_return text(sent.json(), "id");
    };
    const auto old = co_await f.key("old", {"packets"}, "Heron");
    const auto first = co_await hand_in(old, "one?");
    EXPECT_TRUE(co_await sees(old, first));
    EXPECT_EQ(co_await listed(old), 1u);

    // It has another name now, and a file says that there is one more who has the old one.
    const auto renamed =
        co_await f.call("PATCH", agents + "heron", {.body = json::object{{"name", "Egret"}}});
    EXPECT_EQ(renamed.status, 200) << renamed.body;
    const auto imported = co_await f.call("POST", agents + "register",
                                          {.body = json::object{{"import", json::array{heron}}}});
    EXPECT_EQ(imported.json().at("created"), 1) << imported.body;
    const auto heir = co_await f.key("heir", {"packets"}, "Heron");
    EXPECT_FALSE(co_await sees(heir, first));
    EXPECT_EQ(co_await listed(heir), 0u);
    for (const std::string verb : {"/cancel", "/retry"}) {
      EXPECT_EQ((co_await f.call_as(heir, "POST", all + "/" + first + verb)).status, 404);
    }
    EXPECT_TRUE(co_await sees(old, first));
    const auto second = co_await hand_in(heir, "two?");
    EXPECT_TRUE(co_await sees(heir, second));
    EXPECT_EQ(co_await listed(heir), 1u);
    EXPECT_FALSE(co_await sees(old, second));

    // It is removed, and registered anew.
    EXPECT_EQ((co_await f.call("DELETE", agents + "Heron")).status, 204);
    const auto again = co_await f.call("POST", agents + "register",
                                       {.body = json::object{{"import", json::array{heron}}}});
    EXPECT_EQ(again.json().at("created"), 1) << again.body;
    const auto anew = co_await f.key("anew", {"packets"}, "Heron");
    EXPECT_FALSE(co_await sees(anew, second));
    EXPECT_EQ(co_await listed(anew), 0u);
    // What an administrator sends in its name is its own.
    const auto third = co_await hand_in(f.admin, "three?");
    EXPECT_TRUE(co_await sees(anew, third));
    EXPECT_EQ(co_await listed(anew), 1u);
  });
}

TEST(AgentsPackets, AnAgentsListHoldsWhatItHasSentUnderEveryNameItHad) {
  ApiFixture f;
  f.run([&]() -> Story {
    const std::string all = "/api/packets", agents = "/api/gpt-agents/";
    const auto made = co_await f.call("POST", agents + "register",
                                      {.body = json::object{{"name", "Heron"}, {"kind", "cli"}}});
    EXPECT_EQ(made.status, 201) << made.body;
    const auto own = co_await f.key("own", {"packets"}, "Heron");
    const auto hand_in = [&](std::string key, std::string question,
                             std::string name) -> asio::awaitable<std::string> {
      const auto sent = co_await f.call_as(key, "POST", all, {.body = packet(question, name)});
      EXPECT_EQ(sent.status, 202) << sent.body;
      co_return text(sent.json(), "id");
    };
    const auto listed = [&](std::string query) -> asio::awaitable<std::vector<std::string>> {
      const auto page = co_await f.call_as(own, "GET", all + query);
      EXPECT_EQ(page.status, 200) << page.body;
      std::vector<std::string> ids;
      const auto items = page.json().at("items").as_array();
      for (const auto& item : items) ids.push_back(text(item, "id"));
      co_return ids;
    };
    const auto one = co_await hand_in(own, "one?", "Heron");
    const auto two = co_await hand_in(own, "two?", "Heron");
    // What others send in its name is its own as long as it is called so.
    const auto by_others = co_await hand_in(f.admin, "three?", "Heron");
    EXPECT_THAT(co_await listed(""), ElementsAre(by_others, two, one));

    const auto renamed =
        co_await f.call("PATCH", agents + "heron", {.body = json::object{{"name", "Egret"}}});
    EXPECT_EQ(renamed.status, 200) << renamed.body;
    const auto four = co_await hand_in(own, "four?", "Egret");
    const auto five = co_await hand_in(f.admin, "five?", "Egret");
    co_await hand_in(f.admin, "six?", "planner");
    EXPECT_THAT(co_await listed(""), ElementsAre(five, four, two, one));
    EXPECT_THAT(co_await listed("?sender=Heron"), ElementsAre(two, one));
    EXPECT_THAT(co_await listed("?sender=Egret"), ElementsAre(five, four));
    EXPECT_THAT(co_await listed("?sender=planner"), ElementsAre());
    EXPECT_THAT(co_await listed("?state=done"), ElementsAre());

    std::vector<std::string> paged;
    for (std::string next; paged.size() <= 4;) {
      const auto page = co_await f.call_as(own, "GET", all + "?limit=1" + next);
      const auto items = page.json().at("items").as_array();
      EXPECT_LE(items.size(), 1u);
      for (const auto& item : items) paged.push_back(text(item, "id"));
      if (page.json().at("next_cursor").is_null()) break;
      next = "&cursor=" + text(page.json(), "next_cursor");
    }
    EXPECT_THAT(paged, ElementsAre(five, four, two, one));
  });
}

}  // namespace
}  // namespace http_test
