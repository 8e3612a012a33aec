// A running daemon as an operator meets it: every command asks it, none starts a second browser.
// The look-alike site's ledger is the judge.
#include "bridge/base/json.h"
#include "fixtures/chatgpt/site.h"
#include "tests/app/daemon_process.h"
#include "tests/app/service.h"

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

namespace json = boost::json;
using app::Finished;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const std::string plan = std::string(SOURCE_DIR) + "/fixtures/packets/rfp-plan.json";

json::value parsed(const std::string& text) {
  auto value = base::parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : json::value();
}

class DaemonCli : public testing::Test {
 protected:
  void start(const fixture::Knobs& knobs = {}) {
    auto started = fixture::Site::start({});
    ASSERT_TRUE(started) << started.error().message;
    site = *std::move(started);
    url = site->new_conversation(knobs);
    const json::object bridge{{"listen", "127.0.0.1:0"},
                              {"session", json::object{{"screenshots", true}}},
                              {"limits", json::object{{"pause_seconds", 0}}},
                              {"timeouts", json::object{{"ready_seconds", 10}}}};
    folder.write(".flywheel/chatgpt.json", json::serialize(json::object{{"crt_url", url},
                                                                        {"mcp_server", "test"},
                                                                        {"writer_agent", "tester"},
                                                                        {"bridge", bridge}}));
    serve();
  }
  void serve() {
    std::filesystem::remove(folder.path() / "notify");
    const app::Manager manager(folder.path() / "notify");
    const app::Environment environment({{"NOTIFY_SOCKET", folder.path() / "notify"}});
    service.emplace(std::vector<std::string>{"serve", "--headless"}, folder);
    ASSERT_FALSE(manager.until("READY=1").empty()) << folder.read("log");
  }
  Finished run(std::vector<std::string> arguments, std::string_view input = {}) const {
    return app::flywheel(std::move(arguments), input, folder.path());
  }
  void TearDown() override {
    if (service) EXPECT_EQ(service->stop(), 0) << folder.read("log");
    if (!site) return;
    EXPECT_EQ(site->ledger().duplicates(), 0u);
    for (const auto& wire : site->ledger().forbidden) ADD_FAILURE() << wire.wire;
  }

  // The states that the events tell of the session, in their order.
  std::vector<std::string> states_told() const {
    std::vector<std::string> states;
    app::DaemonCalls calls(folder.path() / ".flywheel" / "state");
    const auto reply =
        calls.call({.target = "/api/events?types=session.changed&format=json&limit=50"});
    EXPECT_TRUE(reply && reply->status == 200);
    if (!reply) return states;
    const auto page = reply->json();
    for (const auto& event : page.at("items").as_array()) {
      EXPECT_EQ(event.at("type"), "flywheel.session.changed.v1");
      EXPECT_EQ(event.at("subject"), "session");
      EXPECT_EQ(event.at("data").at("evidence_trust"), "untrusted");
      states.emplace_back(event.at("data").at("state").as_string());
    }
    return states;
  }

  app::TestFolder folder;
  std::unique_ptr<fixture::Site> site;
  std::optional<app::Service> service;
  std::string url;
};

TEST_F(DaemonCli, TheSessionIsCheckedInspectedAndPhotographed) {
  fixture::Knobs knobs;
  knobs.history = 2;
  start(knobs);
  const auto check = run({"session", "check"});
  EXPECT_EQ(check.status, 0) << check.err << folder.read("log");
  EXPECT_THAT(check.out, StartsWith("state         ready\nsince         20"));
  EXPECT_THAT(check.out, HasSubstr("next check    20"));
  const auto inspect = run({"session", "inspect", "--json"});
  EXPECT_EQ(inspect.status, 0) << inspect.err;
  EXPECT_EQ(parsed(inspect.out).at("turns").as_array().size(), 4u);
  const auto other = site->new_conversation({});
  const auto elsewhere = run({"session", "inspect", "--json", "--url", other});
  EXPECT_EQ(elsewhere.status, 0) << elsewhere.err;
  EXPECT_EQ(parsed(elsewhere.out).at("conversation").as_string(), other);
  EXPECT_TRUE(parsed(elsewhere.out).at("turns").as_array().empty());
  EXPECT_EQ(run({"session", "screenshot", "page.png"}).status, 0);
  EXPECT_THAT(folder.read("page.png"), StartsWith("\x89PNG"));
  const auto import = run({"session", "import", "-"}, "{}");
  EXPECT_EQ(import.status, 75);
  EXPECT_THAT(import.err, HasSubstr("stop it, import, and start it again"));
  EXPECT_TRUE(site->ledger().posts.empty());
}

// Also when the daemon that told it is another by now.
TEST_F(DaemonCli, AChangeOfTheSessionIsToldOnce) {
  fixture::Knobs knobs;
  knobs.state = "login_modal";
  start(knobs);
  EXPECT_EQ(run({"session", "check"}).status, 77);
  EXPECT_THAT(states_told(), ElementsAre("login_required"));
  EXPECT_EQ(service->stop(), 0) << folder.read("log");
  serve();
  EXPECT_EQ(run({"session", "check"}).status, 77);
  EXPECT_THAT(states_told(), ElementsAre("login_required"));
  site->set_knobs(url, {});
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (run({"session", "check"}).status != 0 && std::chrono::steady_clock::now() < until) {
  }
  EXPECT_THAT(states_told(), ElementsAre("login_required", "ready"));
}

TEST_F(DaemonCli, SignedOutIsToldWithWhatToDoAndEndsIn77) {
  fixture::Knobs knobs;
  knobs.state = "login_modal";
  start(knobs);
  const auto check = run({"session", "check", "--json"});
  EXPECT_EQ(check.status, 77) << check.out << check.err;
  EXPECT_EQ(parsed(check.out).at("state"), "login_required");
  EXPECT_THAT(run({"session"}).out, HasSubstr("flywheel session login"));
  const auto doctor = run({"doctor", "--json"});
  EXPECT_EQ(doctor.status, 1);
  EXPECT_THAT(doctor.out, HasSubstr("login_required since"));
}

TEST_F(DaemonCli, AScheduleHandsInPacketsAndThePersonSeesWhatBecameOfThem) {
  start();
  const auto made =
      run({"schedule", "create", "--name", "often", "--every", "1s", "--packet", plan, "--paused"});
  EXPECT_EQ(made.status, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("none: it is paused"));
  const auto ran = run({"schedule", "run", "often", "--json"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  const auto job = std::string(parsed(ran.out).at("job").as_string());
  const auto reply = run({"packet", "show", job, "--wait", "60", "--json"});
  EXPECT_EQ(parsed(reply.out).at("state"), "done") << reply.out;
  EXPECT_EQ(site->ledger(url).accepted().size(), 1u);
  EXPECT_THAT(run({"schedule", "list"}).out, HasSubstr("every 1s"));
  EXPECT_THAT(run({"schedule", "show", "often"}).out, HasSubstr("submitted  " + job));
  EXPECT_THAT(run({"audit", "tail", "--type", "schedule."}).out, HasSubstr("schedule.ran"));
  EXPECT_EQ(run({"schedule", "delete", "often"}).status, 0);
  const auto bad = run({"schedule", "create", "--cron", "0 99 * * *", "--session-check"});
  EXPECT_EQ(bad.status, 65);
  EXPECT_THAT(bad.err, HasSubstr("hour (column 3): 99 is not between 0 and 23"));
}

// The lane goes on when the page has been compared, so a second packet is not sent before.
TEST_F(DaemonCli, WhatThePageShowsOtherwiseStandsAmongThePacketsWarnings) {
  start({.page_replaces = "\"verdict\": \"ok\"", .page_shows = "\"verdict\": \"no\""});
  const auto sent = run({"send", plan, "--json"});
  ASSERT_EQ(sent.status, 0) << sent.err;
  const auto job = std::string(parsed(sent.out).at("id").as_string());
  const auto next = std::string(SOURCE_DIR) + "/fixtures/packets/spec-lock.json";
  ASSERT_EQ(run({"send", next}).status, 0);

  const auto shown = run({"packet", "show", job, "--json"});
  EXPECT_EQ(parsed(shown.out).at("state"), "done") << shown.out;
  EXPECT_THAT(json::serialize(parsed(shown.out).at("warnings")), HasSubstr("another code block"));
}

TEST_F(DaemonCli, RepliesAndNotesAreRememberedFoundAndForgotten) {
  start();
  const auto sent = run({"send", plan, "--json"});
  ASSERT_EQ(sent.status, 0) << sent.err;
  const auto job = std::string(parsed(sent.out).at("id").as_string());
  const auto replies = run({"memory", "list", "--type", "reply", "--json"});
  ASSERT_EQ(replies.status, 0) << replies.err;
  const auto listed = parsed(replies.out);
  const auto& reply = listed.at("items").at(0);
  EXPECT_EQ(reply.at("provenance").at("job").as_string(), job);
  EXPECT_EQ(reply.at("trust"), "untrusted");
  const auto noted = run({"memory", "store", plan, "--title", "What was asked", "--tag", "plans"});
  ASSERT_EQ(noted.status, 0) << noted.err;
  const auto id = noted.out.substr(0, noted.out.find('\n'));
  EXPECT_THAT(run({"memory", "search", "asked", "--tag", "plans"}).out, HasSubstr(id));
  EXPECT_THAT(run({"memory", "show", id.substr(0, 30)}).out, HasSubstr("What was asked"));
  EXPECT_EQ(run({"memory", "delete", id}).status, 0);
  EXPECT_THAT(run({"memory", "search", "asked", "--tag", "plans"}).err, HasSubstr("nothing found"));
  const auto nothing = run({"memory", "search", "?!"});
  EXPECT_EQ(nothing.status, 65);
  EXPECT_THAT(nothing.err, HasSubstr("a letter or a digit"));
  EXPECT_EQ(run({"audit", "verify"}).status, 0);
}

TEST_F(DaemonCli, TheDoctorAsksTheDaemonAndFindsAllWell) {
  start();
  ASSERT_EQ(run({"session", "check"}).status, 0);
  const auto doctor = run({"doctor"});
  EXPECT_EQ(doctor.status, 0) << doctor.out;
  for (const auto* line : {"daemon", "session", "store", "schema", "audit", "clock", "admin.key"}) {
    EXPECT_THAT(doctor.out, HasSubstr(fmt::format("\nok    {}", line))) << doctor.out;
  }
  EXPECT_THAT(doctor.out, HasSubstr("open in flywheel serve, writer tester (pid "));
}

}  // namespace
