// Fleets over HTTP, with the example registry. Their rules are proven beside the service.
#include "tests/http/pages.h"

#include <fstream>
#include <iterator>

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::ElementsAre;

json::array registry() {
  std::ifstream in(std::string(SOURCE_DIR) + "/fixtures/registry/registry.json");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  return json::parse(text).as_array();
}

Story import_registry(ApiFixture& f) {
  const auto done = co_await f.call("POST", "/api/gpt-agents/register",
                                    {.body = json::object{{"import", registry()}}});
  EXPECT_EQ(done.status, 201) << done.body;
}

TEST(ApiFleets, TheyAreListedInPages) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await import_registry(f);
    const std::string path = "/api/custom-gpt-fleets";
    const auto all = co_await paged(f, path, "key", 500);
    EXPECT_GE(all.size(), 8u);
    EXPECT_EQ(co_await paged(f, path, "key", 3), all);
    EXPECT_EQ(co_await paged(f, path, "key", 1), all);
  });
}

TEST(ApiFleets, TheExampleRegistryIsRegisteredWholeOverAllEcosystems) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto entries = registry();
    EXPECT_GE(entries.size(), 40u);
    co_await import_registry(f);
    const auto stats = (co_await f.call("GET", "/api/gpt-agents/stats")).json();
    EXPECT_EQ(stats.at("total"), entries.size());
    EXPECT_EQ(stats.at("by_category").as_object().size(), 8u);
    for (const auto& entry : entries) {
      const auto name = text(entry, "name");
      const auto found = co_await f.call(
          "GET", "/api/gpt-agents?limit=500&q=" + std::string(name.substr(0, name.find(' '))));
      std::size_t same = 0;
      for (const auto& agent : found.json().at("items").as_array()) {
        if (text(agent, "name") != name) continue;
        ++same;
        EXPECT_EQ(agent.at("link"), entry.at("link"));
        EXPECT_EQ(agent.at("category"), entry.at("category"));
        EXPECT_EQ(agent.at("date_added"), entry.at("date_added"));
      }
      EXPECT_EQ(same, 1u) << name;
    }
    EXPECT_EQ((co_await f.call("GET", "/api/gpt-agents/aero")).status, 404);
    EXPECT_EQ((co_await f.call("GET", "/api/gpt-agents/aeromax-optimizer")).status, 200);
    EXPECT_EQ((co_await f.call("GET", "/api/gpt-agents/Returns%20%2F%20Refunds%20Desk")).status,
              200);
    const auto again = co_await f.call("POST", "/api/gpt-agents/register",
                                       {.body = json::object{{"import", registry()}}});
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(again.json().at("unchanged"), entries.size());
  });
}

TEST(ApiFleets, OneIsSentOnAMissionAndCalledBack) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await import_registry(f);
    const std::string fleet = "/api/custom-gpt-fleets/Travel%20%26%20Commerce";
    const Call asked{.body = json::object{{"objective", "A week in May"}},
                     .headers = {{"Idempotency-Key", "m-1"}}};
    const auto sent = co_await f.call("POST", fleet + "/deploy", asked);
    EXPECT_EQ(sent.status, 201) << sent.body;
    const auto mission = text(sent.json(), "id");
    const auto target = "/api/custom-gpt-fleets/travel-commerce/missions/" + mission;
    EXPECT_EQ(sent.header("location"), target);
    EXPECT_EQ(sent.json().at("members").as_array().size(), 4u);
    const auto again = co_await f.call("POST", fleet + "/deploy", asked);
    EXPECT_EQ(again.header("idempotency-replayed"), "true");
    EXPECT_EQ(text(again.json(), "id"), mission);
    EXPECT_EQ((co_await f.call("POST", fleet + "/deploy",
                               {.body = json::object{{"objective", "Another"}}}))
                  .status,
              409);

    const auto own = co_await f.key("weaver", {"agents:write"}, "wanderweave");
    const auto report = co_await f.call_as(
        own, "POST", target + "/progress",
        {.body = json::object{{"progress", 80}, {"note", "Two trains are left."}}});
    EXPECT_EQ(report.status, 200) << report.body;
    EXPECT_EQ(report.json().at("progress"), 20);
    const auto shown = co_await f.call("GET", "/api/custom-gpt-fleets/travel-commerce");
    EXPECT_EQ(shown.json().at("by_status").at("deployed"), 4);
    EXPECT_EQ(text(shown.json().at("mission"), "id"), mission);
    EXPECT_EQ(shown.json().at("members").as_array().size(), 6u);
    const auto stats = (co_await f.call("GET", "/api/custom-gpt-fleets/stats")).json();
    EXPECT_EQ(stats.at("missions").at("running"), 1);
    EXPECT_EQ(stats.at("deployed"), 4);

    EXPECT_EQ((co_await f.call("POST", fleet + "/recall")).json().at("state"), "recalled");
    const auto missions = co_await f.call("GET", fleet + "/missions");
    EXPECT_EQ(missions.json().at("items").as_array().size(), 1u);
    const auto gpts = co_await f.call("GET", "/api/custom-gpts?category=Travel%20%26%20Commerce");
    EXPECT_EQ(gpts.json().at("items").as_array().size(), 6u);
    EXPECT_EQ(gpts.json().at("items").at(0).at("status"), "active");
  });
}

TEST(ApiFleets, AnEmptyOneIsAConflictAndAnUnknownOneIsNotFound) {
  ApiFixture f;
  f.run([&]() -> Story {
    const Call asked{.body = json::object{{"objective", "Go"}}};
    const auto empty = co_await f.call("POST", "/api/custom-gpt-fleets/core/deploy", asked);
    EXPECT_EQ(empty.status, 409) << empty.body;
    EXPECT_EQ(empty.json().at("code"), "empty_fleet");
    EXPECT_EQ((co_await f.call("GET", "/api/custom-gpt-fleets/core")).json().at("size"), 0);
    EXPECT_EQ((co_await f.call("POST", "/api/custom-gpt-fleets/nowhere/deploy", asked)).status,
              404);
    const auto wrong = co_await f.call("POST", "/api/custom-gpt-fleets/core/deploy",
                                       {.body = json::object{{"objectives", "Go"}}});
    EXPECT_EQ(wrong.status, 422);
    EXPECT_THAT(pointers(wrong.json()), testing::UnorderedElementsAre("", "/objectives"));
  });
}

TEST(ApiFleets, AgentsArePutToWorkInARun) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto target = [](std::string fleet) {
      return "/api/gpt-fleets/" + fleet + "/orchestrate";
    };
    const Call asked{.body = json::object{{"objective", "Go"}}};
    const auto empty = co_await f.call("POST", target("core"), asked);
    EXPECT_EQ(empty.status, 409) << empty.body;
    EXPECT_EQ(empty.json().at("code"), "empty_fleet");
    EXPECT_EQ((co_await f.call("POST", target("nowhere"), asked)).status, 404);
    const auto reader = co_await f.key("reader", {"agents:read"});
    EXPECT_EQ((co_await f.call_as(reader, "POST", target("core"), asked)).status, 403);

    for (const auto* name : {"Scout", "Judge"}) {
      co_await f.call(
          "POST", "/api/gpt-agents/register",
          {.body = json::object{
               {"name", name}, {"kind", "cli"}, {"category", "Core"}, {"status", "active"}}});
    }
    const json::object steps{
        {"objective", "Go"},
        {"steps", json::array{"Look around", json::object{{"id", "judge"},
                                                          {"agent", "Judge"},
                                                          {"task", "Judge it"},
                                                          {"needs", json::array{"step_1"}}}}},
        {"idempotency_key", "k"}};
    // A fleet is no way round the scopes of a key either, and nothing of the attempt stays.
    const auto poor = co_await f.key("poor", {"workflows"});
    const auto refused = co_await f.call_as(poor, "POST", target("core"), {.body = steps});
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.json().at("code"), "no_messages");
    const auto none = co_await f.call("GET", "/api/gpt-workflows");
    EXPECT_TRUE(none.json().at("items").as_array().empty()) << none.body;
    const auto begun = co_await f.call("POST", target("core"), {.body = steps});
    EXPECT_EQ(begun.status, 202) << begun.body;
    const auto run = "/api/gpt-workflows/runs/" + text(begun.json(), "id");
    EXPECT_EQ(begun.header("location"), run);
    EXPECT_EQ(begun.json().at("jobs").at("judge").at("uses"), "gpt/judge");
    EXPECT_EQ(begun.json().at("inputs").at("objective"), "Go");
    const auto again = co_await f.call("POST", target("core"), {.body = steps});
    EXPECT_EQ(again.header("idempotency-replayed"), "true");
    EXPECT_EQ((co_await f.call("GET", run)).json().at("state"), "running");
    const auto wrong = co_await f.call(
        "POST", target("core"),
        {.body = json::object{
             {"objective", "Go"},
             {"steps", json::array{json::object{{"task", "x"}, {"agent", "Nobody"}}}}}});
    EXPECT_EQ(wrong.status, 422);
    EXPECT_THAT(pointers(wrong.json()), ElementsAre("/steps/0/agent"));
  });
}

}  // namespace
}  // namespace http_test
