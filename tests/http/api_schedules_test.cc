// Schedules over HTTP. When they run is proven beside the service, in virtual time.
#include "tests/http/api_fixture.h"

#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

json::object weekly() {
  return {{"name", "weekly-plan"}, {"cron", "0 3 * * mon"}, {"time_zone", "Europe/Berlin"},
          {"packet", packet()},    {"priority", "P1"},      {"deadline_seconds", 3600}};
}

TEST(ApiSchedules, OneIsMadeShownListedPausedResumedAndDeleted) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto made = co_await f.call("POST", "/api/schedules", {.body = weekly()});
    EXPECT_EQ(made.status, 201) << made.body;
    const auto view = made.json().as_object();
    const auto target = "/api/schedules/" + text(view, "id");
    EXPECT_EQ(made.header("location"), target);
    EXPECT_EQ(view.at("cron"), "0 3 * * mon");
    EXPECT_TRUE(view.at("interval").is_null());
    EXPECT_EQ(view.at("time_zone"), "Europe/Berlin");
    EXPECT_EQ(view.at("does"), "packet");
    EXPECT_EQ(view.at("priority"), "P1");
    EXPECT_EQ(view.at("deadline_seconds"), 3600);
    EXPECT_TRUE(view.at("next_run").is_string());
    EXPECT_TRUE(view.at("last_run").is_null());

    const auto shown = co_await f.call("GET", "/api/schedules/weekly-plan");
    EXPECT_EQ(shown.json().at("id"), view.at("id"));
    EXPECT_EQ(shown.json().at("packet").at("bead_id"), "bd-12");
    EXPECT_TRUE(shown.json().at("recent_runs").as_array().empty());
    const auto list = co_await f.call("GET", "/api/schedules");
    EXPECT_EQ(list.json().at("items").as_array().size(), 1u);
    EXPECT_FALSE(list.json().at("items").at(0).as_object().contains("packet"));

    const auto paused = co_await f.call("POST", target + "/pause");
    EXPECT_EQ(paused.status, 200) << paused.body;
    EXPECT_EQ(paused.json().at("paused"), true);
    EXPECT_TRUE(paused.json().at("next_run").is_null());
    const auto resumed = co_await f.call("POST", target + "/resume");
    EXPECT_EQ(resumed.json().at("next_run"), view.at("next_run"));
    EXPECT_EQ((co_await f.call("DELETE", target)).status, 204);
    EXPECT_EQ((co_await f.call("GET", target)).status, 404);
    std::vector<std::string> told;
    const auto audit = co_await f.call("GET", "/api/audit?type=schedule.");
    for (const auto& entry : audit.json().at("items").as_array()) {
      told.push_back(text(entry, "type"));
      EXPECT_THAT(text(entry, "actor"), testing::StartsWith("key:"));
    }
    EXPECT_THAT(told, ElementsAre("schedule.created", "schedule.paused", "schedule.resumed",
                                  "schedule.deleted"));
  });
}

TEST(ApiSchedules, RunNowHandsThePacketInOnceForAKey) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await f.call("POST", "/api/schedules", {.body = weekly()});
    const Call asked{.headers = {{"Idempotency-Key", "now-1"}}};
    const auto ran = co_await f.call("POST", "/api/schedules/weekly-plan/run", asked);
    EXPECT_EQ(ran.status, 202) << ran.body;
    EXPECT_EQ(ran.json().at("outcome"), "submitted");
    const auto job = text(ran.json(), "job");
    EXPECT_EQ(ran.header("location"), "/api/packets/" + job);
    const auto again = co_await f.call("POST", "/api/schedules/weekly-plan/run", asked);
    EXPECT_EQ(text(again.json(), "job"), job);
    EXPECT_FALSE(ran.header("idempotency-replayed"));
    EXPECT_EQ(again.header("idempotency-replayed"), "true");
    const auto packets = co_await f.call("GET", "/api/packets");
    EXPECT_EQ(packets.json().at("items").as_array().size(), 1u);
    EXPECT_EQ((co_await f.call("GET", "/api/packets/" + job)).json().at("sender"), "planner");
    const auto shown = co_await f.call("GET", "/api/schedules/weekly-plan");
    EXPECT_EQ(shown.json().at("recent_runs").as_array().size(), 1u);
    EXPECT_EQ(text(shown.json().at("last_run"), "job"), job);
  });
}

TEST(ApiSchedules, ASessionCheckRunsByItself) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto made =
        co_await f.call("POST", "/api/schedules",
                        {.body = json::object{{"interval", "1s"}, {"session_check", true}}});
    EXPECT_EQ(made.status, 201) << made.body;
    EXPECT_EQ(made.json().at("does"), "session_check");
    EXPECT_TRUE(made.json().at("time_zone").is_null());
    co_await f.written("schedule.checked");
    EXPECT_GE(f.session.checks, 1);
  });
}

TEST(ApiSchedules, AWorkflowIsBegunNowAndShown) {
  ApiFixture f;
  f.run([&]() -> Story {
    const json::object agree{{"approval", true}};
    const json::object definition{
        {"name", "w"},
        {"inputs", json::object{{"city", json::object{{"type", "string"}}}}},
        {"jobs", json::object{{"agree", agree}}}};
    co_await f.call("POST", "/api/gpt-workflows/create", {.body = definition});
    json::object body{{"name", "trip"},
                      {"interval", "1h"},
                      {"workflow", "w"},
                      {"inputs", json::object{{"city", 7}}}};
    const auto wrong = co_await f.call("POST", "/api/schedules", {.body = body});
    EXPECT_EQ(wrong.status, 422);
    EXPECT_THAT(pointers(wrong.json()), ElementsAre("/inputs/city"));
    body["inputs"] = json::object{{"city", "Rome"}};
    const auto made = co_await f.call("POST", "/api/schedules", {.body = body});
    EXPECT_EQ(made.status, 201) << made.body;
    EXPECT_EQ(made.json().at("does"), "workflow");
    EXPECT_EQ(made.json().at("inputs").at("city"), "Rome");
    EXPECT_EQ(made.json().at("workflow_version"), 1);
    // What another makes of the workflow since then is not begun by itself.
    auto later = definition;
    later["jobs"].as_object()["stop"] = agree;
    const auto boss = co_await f.key("boss", {"admin"});
    EXPECT_EQ((co_await f.call_as(boss, "POST", "/api/gpt-workflows/create", {.body = later}))
                  .json()
                  .at("version"),
              2);
    const auto begun = co_await f.call("POST", "/api/schedules/trip/run");
    EXPECT_EQ(begun.status, 202) << begun.body;
    EXPECT_EQ(begun.json().at("outcome"), "started");
    const std::string run(begun.header("location").value_or(""));
    const auto shown = co_await f.call("GET", run);
    EXPECT_EQ(shown.json().at("inputs").at("city"), "Rome") << shown.body;
    EXPECT_EQ(shown.json().at("version"), 1);
    EXPECT_EQ((co_await f.call("POST", "/api/schedules/trip/pause")).status, 200);
    const auto resumed = co_await f.call("POST", "/api/schedules/trip/resume");
    EXPECT_EQ(resumed.json().at("workflow_version"), 1) << resumed.body;
    const Call newest{.body = json::object{{"newest_version", true}}};
    const auto renewed = co_await f.call("POST", "/api/schedules/trip/resume", newest);
    EXPECT_EQ(renewed.json().at("workflow_version"), 2) << renewed.body;
    const auto list = co_await f.call("GET", "/api/schedules");
    EXPECT_EQ(list.json().at("items").at(0).at("workflow"), "w");
    EXPECT_EQ(list.json().at("items").at(0).at("last_run").at("workflow_run"),
              shown.json().at("id"));
  });
}

TEST(ApiSchedules, WrongOnesAreRefusedWithThePlace) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto refused = [&](json::object body) -> asio::awaitable<json::object> {
      const auto reply = co_await f.call("POST", "/api/schedules", {.body = std::move(body)});
      EXPECT_EQ(reply.status, 422) << reply.body;
      co_return reply.json().as_object();
    };
    auto body = weekly();
    body["cron"] = "0 3 * * mnday";
    auto problem = co_await refused(body);
    EXPECT_THAT(pointers(problem), ElementsAre("/cron"));
    EXPECT_THAT(text(problem, "detail"), HasSubstr("day of week (column 9)"));
    body = weekly();
    body["packet"].as_object().erase("ts");
    EXPECT_THAT(pointers(co_await refused(body)), ElementsAre("/packet"));
    body = weekly();
    body.erase("cron");
    problem = co_await refused(body);
    EXPECT_THAT(pointers(problem), ElementsAre("", "/time_zone"));
    EXPECT_THAT(text(problem.at("errors").at(0), "detail"),
                HasSubstr("give one of \"cron\" and \"interval\""));
    body = weekly();
    body["session_check"] = true;
    body["extra"] = 1;
    EXPECT_THAT(pointers(co_await refused(body)), ElementsAre("/extra"));
    body.erase("extra");
    EXPECT_THAT(pointers(co_await refused(body)), ElementsAre(""));
    co_await f.call("POST", "/api/schedules", {.body = weekly()});
    const auto taken = co_await f.call("POST", "/api/schedules", {.body = weekly()});
    EXPECT_EQ(taken.status, 409);
    EXPECT_EQ(taken.json().at("code"), "name_taken");
  });
}

TEST(ApiSchedules, AFullQueueSaysWhenToComeBack) {
  ApiFixture f(1);
  f.run([&]() -> Story {
    co_await f.submit(packet("one?"));
    co_await f.call("POST", "/api/schedules", {.body = weekly()});
    const auto full = co_await f.call("POST", "/api/schedules/weekly-plan/run");
    EXPECT_EQ(full.status, 429) << full.body;
    EXPECT_TRUE(full.header("retry-after"));
  });
}

TEST(ApiSchedules, KeysAndListsBehaveAsElsewhere) {
  ApiFixture f;
  f.run([&]() -> Story {
    const Call asked{.body = weekly(), .headers = {{"Idempotency-Key", "s-1"}}};
    const auto first = co_await f.call("POST", "/api/schedules", asked);
    const auto again = co_await f.call("POST", "/api/schedules", asked);
    EXPECT_EQ(again.header("idempotency-replayed"), "true");
    EXPECT_EQ(text(again.json(), "id"), text(first.json(), "id"));
    auto changed = weekly();
    changed["paused"] = true;
    const auto other = co_await f.call("POST", "/api/schedules",
                                       {.body = changed, .headers = {{"Idempotency-Key", "s-1"}}});
    EXPECT_EQ(other.status, 422);
    for (const auto* name : {"a", "b"}) {
      f.clock.advance(std::chrono::milliseconds(5));  // ids tell apart what is no more than that
      co_await f.call(
          "POST", "/api/schedules",
          {.body = json::object{{"name", name}, {"interval", "1d"}, {"session_check", true}}});
    }
    std::vector<std::string> names;
    std::string target = "/api/schedules?limit=2";
    for (int pages = 0; !target.empty() && pages < 5; ++pages) {
      const auto page = co_await f.call("GET", target);
      for (const auto& item : page.json().at("items").as_array()) {
        names.push_back(text(item, "name"));
      }
      const auto link = page.header("link");
      target = link ? std::string(link->substr(1, link->find('>') - 1)) : "";
    }
    EXPECT_THAT(names, ElementsAre("b", "a", "weekly-plan"));
  });
}

}  // namespace
}  // namespace http_test
