// The dashboard with real runs of workflows: what it shows of them, and the approvals that a person
// presses there.
#include "tests/e2e/fleet.h"
#include "tests/e2e/visitor.h"

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
        co_await v.go("approvals");
        co_await v.sees("security-audit: harden");
        co_await v.sees("Findings of shop.example");
        co_await v.picture("approvals");
        co_await v.click("main", "Approve …");
        co_await v.sees("Let step “harden” run?");
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

TEST_F(DashboardRuns, AnActionIsApprovedByAPersonWhoSeesItsParameters) {
  bridge["actions"] = {{"deploy.staging",
                        {{"kind", "program"},
                         {"description", "Deploys a tag to staging."},
                         {"risk", 65},
                         {"min_tier", "citizen"},
                         {"argv", json::array{"/bin/echo", "{tag}"}},
                         {"params",
                          {{"type", "object"},
                           {"required", json::array{"tag"}},
                           {"properties", {{"tag", {{"type", "string"}}}}}}}}}};
  start();
  // Who asks does not decide, so the agent asks with a key of its own.
  const auto key =
      post("/api/keys",
           {{"name", "shield"}, {"scopes", json::array{"actions"}}, {"agent", "shield-core"}});
  app::DaemonCalls shield(state(), std::string(key.at("key").as_string()));
  const auto asked =
      shield.call({.method = "POST",
                   .target = "/api/gpt-agents/shield-core/actions/execute",
                   .body = json::value(json::object{{"action", "deploy.staging"},
                                                    {"params", {{"tag", "v1.2-rc"}}}})});
  ASSERT_TRUE(asked && asked->status == 202) << (asked ? asked->body : "");
  visit_dashboard(
      [&](Visitor& v) -> Story {
        co_await sign_in(v);
        co_await v.go("approvals");
        co_await v.sees("deploy.staging");
        co_await v.picture("action-waits");
        co_await v.click(".approval", "Approve …");
        co_await v.sees("v1.2-rc");
        co_await v.picture("action-asked");
        co_await v.click("dialog", "Approve it");
        co_await v.until("document.querySelector('.problem, .toast, [role=alert], [role=status]')");
        co_await v.picture("action-decided");
      },
      200s);
  const auto approvals = get("/api/approvals").at("items").as_array();
  ASSERT_EQ(approvals.size(), 1u);
  std::cout << json::serialize(approvals[0]) << std::endl;
}

}  // namespace
}  // namespace e2e
