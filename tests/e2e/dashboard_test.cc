// The dashboard in a real Chromium, over a real daemon.
#include "tests/app/daemon_process.h"
#include "tests/e2e/project.h"
#include "tests/e2e/visitor.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace e2e {
namespace {

using app::DaemonCalls;
using app::DaemonProcess;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using namespace std::chrono_literals;
class Dashboard : public Project {
 protected:
  void SetUp() override {
    bridge["listen"] = "127.0.0.1:0";
    bridge["limits"] = json::object{{"pause_seconds", 0}};
    configure();
    daemon = std::make_unique<DaemonProcess>(
        DaemonProcess::Options{.project = folder.path(), .arguments = {"--headless"}});
    ASSERT_TRUE(daemon->wait_ready(std::chrono::steady_clock::now() + 60s)) << daemon->log();
    calls = std::make_unique<DaemonCalls>(folder.path() / ".flywheel" / "state");
  }
  void TearDown() override {
    Project::TearDown();
    if (HasFailure() && daemon) std::cerr << daemon->log();
  }

  json::value post(std::string path, json::object body) const {
    const auto reply = calls->call(
        {.method = "POST", .target = "/api/" + path, .body = json::value(std::move(body))});
    EXPECT_TRUE(reply && reply->is_success()) << path << (reply ? reply->body : "");
    return reply ? reply->json() : json::value();
  }
  std::string link() const {
    const auto made = run({"dashboard", "--json"});
    EXPECT_EQ(made.status, 0) << made.err;
    return std::string(parsed(made.out).at("url").as_string());
  }

  void visit(const std::function<Story(Visitor&)>& story) { visit_dashboard(story); }
  Story sign_in(Visitor& visitor) const {
    must(co_await visitor.page().navigate(link()));
    co_await visitor.until("location.pathname === '/' && document.querySelector('.state-name')");
  }

  std::unique_ptr<DaemonProcess> daemon;
  std::unique_ptr<DaemonCalls> calls;
};

TEST_F(Dashboard, ALinkSignsInOnceAndSigningOutEndsIt) {
  visit([&](Visitor& v) -> Story {
    const auto url = link();
    const auto token = url.substr(url.find('#') + 1);
    must(co_await v.page().navigate(url));
    co_await v.until("location.pathname === '/' && document.querySelector('.state-name')");
    co_await v.sees("What to do next");
    EXPECT_THAT(std::string((co_await v.value("location.href + document.cookie")).as_string()),
                Not(HasSubstr(token)));
    EXPECT_EQ(co_await v.value("document.cookie"), "") << "scripts must not see the session";
    co_await v.until("document.getElementById('live').textContent === 'live'");

    co_await v.value("document.getElementById('sign-out').click()");
    co_await v.sees("You are not signed in");
    EXPECT_EQ(must(co_await v.page().evaluate("fetch('/api/queue').then((r) => r.status)",
                                              {.await_promise = true})),
              401);
    must(co_await v.page().navigate(url));
    co_await v.sees("This link was used before");
    EXPECT_THAT(daemon->log(), Not(HasSubstr(token)));
  });
}

TEST_F(Dashboard, HostileTextIsShownAndRunsNothing) {
  const std::string evil = "<img src=x onerror=alert(1)>";
  const std::string script = "<script>alert(2)</script><svg onload=alert(3)>";
  const auto agent = post("gpt-agents/register", {{"name", evil},
                                                  {"category", "Evil & Sons"},
                                                  {"purpose", script},
                                                  {"aliases", json::array{"javascript:alert(4)"}}});
  const std::string slug(agent.at("slug").as_string());
  post("gpt-agents/register", {{"name", "Reader"}});
  post("gpt-agents/" + slug + "/message",
       {{"from", "reader"}, {"text", script}, {"topic", evil}, {"thread", "t-1"}});
  visit([&](Visitor& v) -> Story {
    co_await sign_in(v);
    co_await v.go("agents");
    co_await v.sees(evil);
    co_await v.go("agents/" + slug);
    co_await v.sees(script);
    co_await v.go("conversations/" + slug);
    co_await v.sees(evil);
    co_await v.go("conversations/" + slug + "/t-1");
    co_await v.sees(script);
    co_await v.go("audit?subject=" + evil);
    co_await v.go("events?words=" + evil);
    co_await v.go(script);
    co_await v.sees("There is no such view");
    EXPECT_EQ(co_await v.value("document.querySelectorAll('main img, main script, main svg, "
                               "main iframe, [onerror], [onload]').length"),
              0);
    EXPECT_THAT(v.faults(), IsEmpty());
    // Even a view that were careless could not: the policy refuses markup made of text.
    EXPECT_EQ(co_await v.value("(() => { try { document.body['inner' + 'HTML'] = '<b>x</b>'; "
                               "return 'made'; } catch { return 'refused'; } })()"),
              "refused");
    v.faults();  // this one was meant
  });
}

TEST_F(Dashboard, EveryViewIsReachedByKeysAndShowsWhatHappensLive) {
  visit([&](Visitor& v) -> Story {
    co_await sign_in(v);
    co_await v.press({"Tab"});
    EXPECT_EQ(co_await v.value("document.activeElement.id"), "skip");
    co_await v.press({"Enter"});
    EXPECT_EQ(co_await v.value("document.activeElement.id"), "main");
    const std::vector<std::pair<std::string, std::string>> views{
        {"p", "Packets"},       {"a", "Agents and fleets"},
        {"c", "Conversations"}, {"w", "Workflows"},
        {"v", "Approvals"},     {"m", "Memory"},
        {"u", "Audit"},         {"e", "Events"},
        {"s", "Schedules"},     {"k", "Keys"},
        {"o", "Overview"}};
    for (const auto& [key, title] : views) {
      co_await v.press({"g", key});
      co_await v.until(
          fmt::format("document.querySelector('h1')?.textContent === {} && "
                      "!document.querySelector('main [aria-busy]')",
                      js_text(title)));
      EXPECT_EQ(co_await v.value("document.activeElement.id"), "main") << title;
      EXPECT_EQ(co_await v.value("document.querySelectorAll('nav [aria-current=page]').length"), 1);
      EXPECT_EQ(co_await v.value("document.documentElement.scrollWidth <= innerWidth"), true);
    }
    co_await v.press({"g", "p"});
    co_await v.types("/");
    co_await v.until("document.activeElement.id === 'field-state'");
    co_await v.go("overview");
    co_await v.types("?");
    co_await v.until("document.querySelector('dialog[open]')");
    co_await v.press({"Escape"});
    co_await v.until("!document.querySelector('dialog')");

    co_await v.until("document.getElementById('live').textContent === 'live'");
    post("gpt-agents/register", {{"name", "Late Comer"}});
    co_await v.sees("agent.registered");
  });
}

TEST_F(Dashboard, APacketIsCancelledByAPersonWhoWasAsked) {
  ASSERT_EQ(run({"queue", "pause"}).status, 0);
  const auto sent = run({"send", "--no-wait", "--json", packets + "spec-lock.json"});
  const std::string id(parsed(sent.out).at("id").as_string());
  visit([&](Visitor& v) -> Story {
    co_await sign_in(v);
    co_await v.sees("is paused");
    co_await v.go("packets/" + id);
    const auto click = [](std::string_view place, std::string_view label) {
      return fmt::format(
          "[...document.querySelectorAll('{} button')].find((one) => "
          "one.textContent === {}).click()",
          place, js_text(label));
    };
    co_await v.value(click("main", "Cancel …"));
    co_await v.sees("Cancel this packet?");
    co_await v.value(click("dialog", "Do nothing"));
    EXPECT_EQ(parsed(run({"packet", "show", id, "--json"}).out).at("state"), "queued");
    co_await v.value(click("main", "Cancel …"));
    co_await v.sees("Cancel this packet?");
    co_await v.value(click("dialog", "Cancel it"));
    co_await v.until("document.querySelector('main .badge').textContent === 'cancelled'");
    EXPECT_EQ(parsed(run({"packet", "show", id, "--json"}).out).at("state"), "cancelled");
  });
}

}  // namespace
}  // namespace e2e
