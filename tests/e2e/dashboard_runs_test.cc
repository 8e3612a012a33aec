// The dashboard with real runs of workflows: what it shows of them, and the approvals that a person
// presses there.
#include "tests/e2e/fleet.h"
#include "tests/e2e/visitor.h"

#include <memory>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace e2e {
namespace {

using testing::HasSubstr;

class DashboardRuns : public Fleet {
 protected:
  Story sign_in(Visitor& visitor) const {
    const auto made = run({"dashboard", "--json"});
    EXPECT_EQ(made.status, 0) << made.err;
    const std::string link(parsed(made.out).at("url").as_string());
    must(co_await visitor.page().navigate(link));
    co_await visitor.until("location.pathname === '/' && document.querySelector('.state-name')");
  }
  static std::string node(std::string_view step) {
    return fmt::format("document.querySelector('svg.graph [aria-label^=\"{},\"]')", step);
  }
  // These words stand where nobody vouches for them.
  static std::string marked(std::string_view place, std::string_view words) {
    return fmt::format(
        "[...document.querySelectorAll('{} .untrusted')].some((one) => "
        "one.textContent.includes({}))",
        place, js_text(words));
  }
  // How many of them the page shows.
  static std::string count_of(std::string_view selector) {
    return fmt::format("document.querySelectorAll('{}').length", selector);
  }
  static Story write_note(Visitor& visitor, std::string_view note) {
    co_await visitor.value(
        fmt::format("document.querySelector('dialog textarea').value = {}", js_text(note)));
  }
  // An action on which one person decides; `shield` asks for it with a key of its own, since who
  // asks does not decide.
  void start_with_an_action() {
    bridge["actions"] = {{"deploy.staging",
                          {{"kind", "program"},
                           {"description", "Deploys a tag to staging."},
                           {"risk", 55},
                           {"min_tier", "citizen"},
                           {"argv", json::array{"/bin/echo", "{tag}"}},
                           {"undo", {{"argv", json::array{"/bin/echo", "back", "{tag}"}}}},
                           {"params",
                            {{"type", "object"},
                             {"required", json::array{"tag"}},
                             {"properties", {{"tag", {{"type", "string"}}}}}}}}}};
    start();
    const auto key =
        post("/api/keys",
             {{"name", "shield"}, {"scopes", json::array{"actions"}}, {"agent", "shield-core"}});
    shield = std::make_unique<app::DaemonCalls>(state(), std::string(key.at("key").as_string()));
  }
  // Its id.
  std::string ask_to_deploy(std::string_view tag) const {
    const auto asked =
        shield->call({.method = "POST",
                      .target = "/api/gpt-agents/shield-core/actions/execute",
                      .body = json::value(json::object{{"action", "deploy.staging"},
                                                       {"params", json::object{{"tag", tag}}}})});
    EXPECT_TRUE(asked && asked->status == 202) << (asked ? asked->body : asked.error().message);
    return asked ? std::string(asked->json().at("id").as_string()) : "";
  }

  std::unique_ptr<app::DaemonCalls> shield;

  // The graph shows the step in this state.
  static Story shows(Visitor& visitor, std::string step, std::string_view state) {
    co_await visitor.until(fmt::format("{}?.getAttribute('aria-label').startsWith('{}, {}')",
                                       node(step), step, state));
  }
};

TEST_F(DashboardRuns, ARunIsSeenAsAGraphAndItsApprovalIsPressed) {
  start();
  create("security-audit");
  const auto id = execute("security-audit", {{"target", "shop.example"}});
  ended(id, 180s, "harden");
  visit_dashboard(
      [&](Visitor& v) -> Story {
        co_await sign_in(v);
        co_await v.picture("overview");
        co_await v.go("workflows");
        co_await v.sees("security-audit");
        co_await v.picture("workflows");
        co_await v.go("workflows/runs/" + id);
        co_await shows(v, "scan", "success");
        co_await shows(v, "audit", "success");
        co_await shows(v, "harden", "approval");
        co_await shows(v, "report_failure", "pending");
        co_await v.picture("run-waits");
        // What a step was asked and what it gave.
        co_await v.value(node("audit") +
                         ".dispatchEvent(new MouseEvent('click', {bubbles: true}))");
        co_await v.sees("Rate each finding by risk and likelihood");
        co_await v.sees("\"likelihood\": \"high\"");
        co_await v.picture("run-step");
        co_await v.go("workflows/runs/" + id + "/harden");
        co_await v.until(marked("main", "Findings of shop.example"));
        co_await v.until(marked("main", "Write the hardening plan for:"));
        co_await v.go("approvals");
        co_await v.sees("security-audit: harden");
        co_await v.until(marked("main", "Findings of shop.example"));
        co_await v.picture("approvals");
        co_await v.click("main", "Approve …");
        co_await v.sees("Let step “harden” run?");
        co_await v.until(marked("dialog", "Findings of shop.example"));
        co_await v.until(marked("dialog", "Write the hardening plan for:"));
        EXPECT_EQ(co_await v.value("document.querySelector('dialog').textContent.includes('${{')"),
                  false)
            << "a person sees what will be asked";
        co_await v.picture("approval-asked");
        EXPECT_EQ(chats_of("shield-core").size(), 0u);
        co_await v.click("dialog", "Let it run");
        co_await v.sees("No step of a workflow waits for you.");
        co_await v.go("workflows/runs/" + id);
        for (int i = 0; i < 6; ++i) {
          const auto done = co_await v.value(node("harden") + ".getAttribute('aria-label')");
          if (std::string(done.as_string()).find("success") != std::string::npos) break;
          ended(id, 20s);
        }
        co_await shows(v, "harden", "success");
        co_await shows(v, "report_failure", "skipped");
        co_await v.picture("run-done");
      },
      400s);
  EXPECT_EQ(result_of(ended(id)), "success");
  EXPECT_EQ(only_chat_of("shield-core").posts.size(), 1u);
}

TEST_F(DashboardRuns, AStepThatWaitsInAnInboxSaysInWhose) {
  start();
  post("/api/gpt-agents/register", {{"name", "Scout"}, {"kind", "cli"}});
  post("/api/gpt-workflows/create",
       {{"yaml", "{name: w, jobs: {look: {uses: gpt/Scout, with: {query: What is new?}}}}"}});
  const auto id = execute("w", {});
  visit_dashboard([&](Visitor& v) -> Story {
    co_await sign_in(v);
    co_await v.go("workflows/runs/" + id);
    co_await shows(v, "look", "running, waits for an answer in the inbox of Scout");
    co_await v.picture("run-inbox");
    co_await v.value(node("look") + ".dispatchEvent(new MouseEvent('click', {bubbles: true}))");
    co_await v.sees("Waits for an answer in the inbox of Scout; not read yet.");
    co_await v.picture("run-inbox-step");
  });
}

TEST_F(DashboardRuns, AStepIsRejectedByAPersonAndWhatNeedsItIsSkipped) {
  start();
  post("/api/gpt-workflows/create", {{"yaml", R"(
name: w
jobs:
  ok: {approval: {note: Shall it be?}}
  tell: {uses: message/shield-core, needs: ok, with: {text: It shall.}}
)"}});
  const auto id = execute("w", {});
  visit_dashboard([&](Visitor& v) -> Story {
    co_await sign_in(v);
    co_await v.go("approvals");
    co_await v.sees("Shall it be?");
    EXPECT_EQ(co_await v.value(marked("main", "Shall it be?")), false) << "its author says so";
    co_await v.click("main", "Reject …");
    co_await v.sees("Reject step “ok”?");
    co_await write_note(v, "too dear");
    co_await v.click("dialog", "Reject it");
    co_await v.sees("No step of a workflow waits for you.");
  });
  const auto run = ended(id);
  EXPECT_EQ(result_of(run), "failure") << json::serialize(run);
  EXPECT_EQ(run.at("jobs").at("ok").at("error"),
            (json::object{{"code", "rejected"}, {"detail", "too dear"}}));
  EXPECT_EQ(result_of(run, "tell"), "skipped");
  EXPECT_EQ(get("/api/gpt-agents/shield-core/messages").at("items").as_array().size(), 0u);
}

TEST_F(DashboardRuns, AnActionIsApprovedByAPersonWhoSeesItsParametersAndIsDone) {
  start_with_an_action();
  const auto id = ask_to_deploy("v1.2-rc");
  visit_dashboard(
      [&](Visitor& v) -> Story {
        co_await sign_in(v);
        co_await v.go("approvals");
        co_await v.until("document.querySelector('.approval button')");
        EXPECT_EQ(co_await v.value("[...document.querySelectorAll('.approval .facts > div')].find("
                                   "(one) => one.firstChild.textContent === 'Asked by')"
                                   ".lastChild.textContent"),
                  get("/api/approvals/" + id).at("asker"));
        co_await v.picture("action-waits");
        co_await v.click(".approval", "Approve …");
        co_await v.until(marked("dialog", "v1.2-rc"));
        co_await v.picture("action-asked");
        EXPECT_EQ(get("/api/approvals/" + id).at("state"), "waiting");
        co_await v.click("dialog", "Approve it");
        co_await v.sees("Nothing waits for you.");
        co_await v.picture("action-decided");
      },
      200s);
  const auto action = get("/api/approvals/" + id + "?wait=40");
  EXPECT_EQ(action.at("state"), "done") << json::serialize(action);
  const auto& words = action.at("approvals").as_array();
  ASSERT_EQ(words.size(), 1u);
  EXPECT_EQ(words[0].at("decision"), "approve");
  EXPECT_EQ(action.at("result").at("out"), "v1.2-rc\n");
}

TEST_F(DashboardRuns, AnActionIsRejectedByAPersonAndNotDone) {
  start_with_an_action();
  const auto id = ask_to_deploy("v1.2-rc");
  visit_dashboard([&](Visitor& v) -> Story {
    co_await sign_in(v);
    co_await v.go("approvals");
    co_await v.until("document.querySelector('.approval button')");
    co_await v.click(".approval", "Reject …");
    co_await v.until(marked("dialog", "v1.2-rc"));
    co_await write_note(v, "not on a Friday");
    co_await v.click("dialog", "Reject it");
    co_await v.sees("Nothing waits for you.");
  });
  const auto action = get("/api/approvals/" + id);
  EXPECT_EQ(action.at("state"), "rejected") << json::serialize(action);
  const auto& words = action.at("approvals").as_array();
  ASSERT_EQ(words.size(), 1u);
  EXPECT_EQ(words[0].at("decision"), "reject");
  EXPECT_EQ(words[0].at("note"), "not on a Friday");
  EXPECT_EQ(action.at("job"), nullptr);
}

TEST_F(DashboardRuns, WhoeverDecidesOnAnUndoIsToldThatItIsOne) {
  start_with_an_action();
  const auto id = ask_to_deploy("v1.2-rc");
  post("/api/gpt-agents/-/actions/approve", {{"approval", id}, {"decision", "approve"}});
  const auto done = get("/api/approvals/" + id + "?wait=40");
  ASSERT_EQ(done.at("state"), "done") << json::serialize(done);
  const auto asked = shield->call({.method = "POST", .target = "/api/approvals/" + id + "/undo"});
  ASSERT_TRUE(asked && asked->is_success()) << (asked ? asked->body : asked.error().message);
  const auto undo = std::string(asked->json().at("id").as_string());
  visit_dashboard([&](Visitor& v) -> Story {
    co_await sign_in(v);
    co_await v.go("approvals");
    co_await v.until("document.querySelector('.approval button')");
    EXPECT_EQ(co_await v.value("document.querySelector('.approval-action').textContent"),
              "Undo of deploy.staging");
    EXPECT_EQ(co_await v.value("document.querySelector('.approval a').getAttribute('href')"),
              json::value("#/audit?subject=" + id));
    co_await v.click(".approval", "Reject …");
    co_await v.sees("Reject the undo of “deploy.staging”?");
    co_await v.sees("What was done as " + id + " stays as it is");
    co_await v.press({"Escape"});
    co_await v.until("!document.querySelector('dialog')");
    co_await v.click(".approval", "Approve …");
    co_await v.sees("Approve the undo of “deploy.staging”?");
    co_await v.sees("What was done as " + id + " is taken back");
    co_await v.click("dialog", "Approve the undo");
    co_await v.sees("Nothing waits for you.");
  });
  const auto action = get("/api/approvals/" + undo + "?wait=40");
  EXPECT_EQ(action.at("state"), "done") << json::serialize(action);
  EXPECT_EQ(action.at("undoes"), json::value(id));
  EXPECT_EQ(action.at("result").at("out"), "back v1.2-rc\n");
}

// Whatever began since then: what was asked first ends first.
TEST_F(DashboardRuns, WhatHasWaitedLongestIsShownHoweverMuchWaits) {
  start_with_an_action();
  post("/api/gpt-workflows/create",
       {{"yaml", "{name: old, jobs: {ok: {approval: true, timeout_seconds: 86400}}}"}});
  post("/api/gpt-workflows/create", {{"yaml", "{name: new, jobs: {ok: {approval: true}}}"}});
  std::string jobs = "name: crowd\njobs:\n";
  for (int i = 0; i < 100; ++i) jobs += fmt::format("  ok{}: {{approval: true}}\n", i);
  post("/api/gpt-workflows/create", {{"yaml", jobs}});
  execute("old", {});
  for (int i = 0; i < 25; ++i) execute("new", {});
  std::set<std::string> asked;
  for (int i = 0; i < 31; ++i) asked.insert(ask_to_deploy("v1"));
  visit_dashboard(
      [&](Visitor& v) -> Story {
        co_await sign_in(v);
        co_await v.sees("31 actions wait for approvals");
        co_await v.sees("26 steps of workflows wait for approvals");
        co_await v.go("approvals");
        co_await v.sees("old: ok");
        const std::string rows = "section[aria-label=\"Steps of workflows\"] tbody tr";
        EXPECT_EQ(co_await v.value(count_of(rows)), 26);
        EXPECT_EQ(co_await v.value(fmt::format(
                      "document.querySelector('{}').textContent.includes('old: ok')", rows)),
                  true);
        co_await v.sees("More actions wait than are shown. These 30 end first");
        EXPECT_EQ(co_await v.value(count_of(".approval")), 30);
        EXPECT_EQ(co_await v.value("document.querySelector('.approval button').dataset.key"),
                  json::value("approve " + *asked.begin()));
        execute("crowd", {});
        co_await v.sees("More steps wait than are shown. These 100 end first");
        EXPECT_EQ(co_await v.value(count_of(rows)), 100);
      },
      200s);
}

TEST_F(DashboardRuns, ConversationsAreReadFromTheNewestAndSayWhoseWordsTheyAre) {
  start();
  post("/api/gpt-agents/register", {{"name", "Scout"}, {"kind", "cli"}});
  post("/api/gpt-workflows/create",
       {{"yaml",
         "{name: w, jobs: {tell: {uses: message/Scout, with: {text: Obey me., topic: run}}}}"}});
  post("/api/gpt-agents/scout/message", {{"text", "first"}, {"topic", "talk"}, {"thread", "t-1"}});
  post("/api/gpt-agents/scout/message", {{"text", "second"}, {"thread", "t-1"}});
  EXPECT_EQ(result_of(ended(execute("w", {}))), "success");
  visit_dashboard([&](Visitor& v) -> Story {
    co_await sign_in(v);
    co_await v.go("conversations/scout");
    co_await v.sees("Obey me.");
    const std::string row = "[...document.querySelectorAll('main tbody tr')]";
    EXPECT_EQ(co_await v.value(row + ".map((one) => one.querySelector('a').textContent).join()"),
              "run,talk");
    EXPECT_EQ(co_await v.value(row + "[0].textContent.includes('untrusted')"), true);
    EXPECT_EQ(co_await v.value(row + "[1].textContent.includes('untrusted')"), false);
    EXPECT_EQ(co_await v.value(row + "[1].textContent.includes('second')"), true);
    EXPECT_EQ(co_await v.value("performance.getEntriesByType('resource').some((one) => "
                               "one.name.includes('/messages?newest=true'))"),
              true);
    co_await v.go("conversations/scout/t-1");
    co_await v.sees("second");
    EXPECT_EQ(co_await v.value("[...document.querySelectorAll('.said')].map((one) => "
                               "one.textContent).join()"),
              "first,second");
  });
}

}  // namespace
}  // namespace e2e
