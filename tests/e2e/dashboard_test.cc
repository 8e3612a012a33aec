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

TEST_F(Dashboard, HostileTextOfRunsMemoriesAndKeysIsShownAndRunsNothing) {
  const std::string evil = "<img src=x onerror=alert(1)>";
  const std::string script = "<script>alert(2)</script><svg onload=alert(3)>";
  post("gpt-agents/register", {{"name", "Reader"}});
  const auto entry = post("gpt-agents/reader/memory/store",
                          {{"title", evil}, {"content", script}, {"tags", json::array{evil}}});
  post("keys", {{"name", evil}, {"scopes", json::array{"packets"}}});
  post("gpt-workflows/create", {{"yaml", R"(
name: w
description: "<svg onload=alert(4)>"
inputs: {what: {type: string}}
jobs: {ok: {approval: {note: "Shall it be ${{ inputs.what }}?"}}}
)"}});
  const auto begun = post("gpt-workflows/w/execute", {{"inputs", json::object{{"what", script}}}});
  const auto id_in = [](const json::value& view, std::string_view name) {
    return std::string(view.at(name).as_string());
  };
  visit([&](Visitor& v) -> Story {
    const auto shows = [&v](std::string view, std::string words) -> Story {
      co_await v.go(view);
      co_await v.sees(words);
      EXPECT_EQ(co_await v.value("document.querySelectorAll('main img, main script, main iframe, "
                                 "main svg:not(.graph), [onerror], [onload]').length"),
                0)
          << view;
    };
    co_await sign_in(v);
    co_await shows("memory/reader", script);
    co_await shows("memory/reader?query=alert", "[alert]");
    co_await shows("memory/reader/" + id_in(entry, "id"), script);
    co_await shows("keys", evil);
    co_await shows("workflows/" + id_in(begun, "workflow_id"), "<svg onload=alert(4)>");
    co_await shows("workflows/runs/" + id_in(begun, "id") + "/ok", script);
    co_await shows("approvals", script);
    EXPECT_THAT(v.faults(), IsEmpty());
  });
}

TEST_F(Dashboard, AnApprovalIsGivenByKeysAlone) {
  post("gpt-workflows/create",
       {{"yaml", "{name: w, jobs: {ok: {approval: {note: Shall it be?}}}}"}});
  const auto begun = post("gpt-workflows/w/execute", {});
  const std::string id(begun.at("id").as_string());
  visit([&](Visitor& v) -> Story {
    const auto tab_to = [&v](std::string label) -> Story {
      for (int i = 0; i < 60; ++i) {
        const auto on = co_await v.value("document.activeElement.textContent");
        if (on == json::value(label)) co_return;
        co_await v.press({"Tab"});
      }
      ADD_FAILURE() << "no key leads to " << label;
    };
    co_await sign_in(v);
    co_await v.press({"g", "v"});
    co_await v.sees("Shall it be?");
    co_await tab_to("Approve …");
    co_await v.press({"Enter"});
    co_await v.sees("Let step “ok” run?");
    co_await v.press({"Escape"});
    co_await v.until("!document.querySelector('dialog')");
    // Whoever thinks again is where he was.
    co_await v.until("document.activeElement.textContent === 'Approve …'");
    co_await v.press({"Enter"});
    co_await v.sees("Let step “ok” run?");
    co_await tab_to("Let it run");
    co_await v.press({"Enter"});
    co_await v.sees("No step of a workflow waits for you.");
  });
  const auto ended = calls->call({.target = "/api/gpt-workflows/runs/" + id});
  ASSERT_TRUE(ended) << ended.error().message;
  EXPECT_EQ(ended->json().at("result"), "success") << ended->body;
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
    const auto shows = [&v](std::string_view title) {
      return v.until(
          fmt::format("document.querySelector('h1')?.textContent === {} && "
                      "!document.querySelector('main [aria-busy]')",
                      js_text(title)));
    };
    for (const auto& [key, title] : views) {
      co_await v.press({"g", key});
      co_await shows(title);
      EXPECT_EQ(co_await v.value("document.activeElement.id"), "main") << title;
      EXPECT_EQ(co_await v.value("document.querySelectorAll('nav [aria-current=page]').length"), 1);
      EXPECT_EQ(co_await v.value("document.documentElement.scrollWidth <= innerWidth"), true);
    }
    co_await v.press({"g", "p"});
    co_await shows("Packets");
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

TEST_F(Dashboard, AMemoryIsFoundByItsWords) {
  post("gpt-agents/register", {{"name", "Ann"}});
  const std::string memory = "gpt-agents/ann/memory/store";
  post(memory, {{"title", "Retry policy"}, {"content", "Back off, then try again."}});
  post(memory, {{"title", "Colours"}, {"content", "Blue, and nothing else."}});
  visit([&](Visitor& v) -> Story {
    co_await sign_in(v);
    co_await v.go("memory/ann");
    co_await v.until("document.querySelectorAll('.hits > li').length === 2");
    co_await v.value("document.getElementById('field-query').value = 'again'");
    co_await v.click("form.filters", "Search");
    co_await v.until("document.querySelectorAll('.hits > li').length === 1");
    co_await v.until("document.querySelector('.hits').textContent.includes('Retry policy')");
    co_await v.go("memory/ann?query=nowhere");
    co_await v.sees("Nothing has these words.");
  });
}

TEST_F(Dashboard, EventsAndAuditShowWhatTheirFiltersAskFor) {
  post("gpt-agents/register", {{"name", "Ann"}});
  const auto ben = post("gpt-agents/register", {{"name", "Ben"}});
  post("gpt-agents/ben/message", {{"from", "ann"}, {"text", "hello"}, {"topic", "weather"}});
  post("gpt-agents/ben/message", {{"from", "ann"}, {"text", "hello"}, {"topic", "trains"}});
  visit([&](Visitor& v) -> Story {
    co_await sign_in(v);
    // The page shows so many events, and each is of this type.
    const auto shows = [](int count, std::string_view type) {
      return fmt::format(
          "(() => {{ const all = [...document.querySelectorAll('.events.long .event-type')];"
          " return all.length === {} && all.every((one) => one.textContent === {}); }})()",
          count, js_text(type));
    };
    co_await v.go("events?types=message");
    co_await v.until(shows(2, "message.sent"));
    co_await v.go("events?words=weather");
    co_await v.until(shows(1, "message.sent"));
    co_await v.go("audit?type=message.");
    co_await v.until(shows(2, "message.sent"));
    co_await v.go("audit?subject=" + std::string(ben.at("id").as_string()));
    co_await v.until(shows(1, "agent.registered"));
    co_await v.go("audit?actor=nobody");
    co_await v.sees("There are no such entries here.");
  });
}

TEST_F(Dashboard, ALanesLineAndAHeartbeatsAgeChangeWhileTheyAreWatched) {
  ASSERT_EQ(run({"queue", "pause"}).status, 0);
  ASSERT_EQ(run({"send", "--no-wait", packets + "spec-lock.json"}).status, 0);
  post("gpt-agents/register", {{"name", "Beater"}, {"category", "Core"}});
  visit([&](Visitor& v) -> Story {
    co_await sign_in(v);
    co_await v.sees("is paused");
    co_await v.until("document.getElementById('live').textContent === 'live'");
    const std::string queued = "document.querySelector('td[data-label=Queued]')?.textContent";
    co_await v.until(queued + " === '1'");
    EXPECT_EQ(run({"send", "--no-wait", packets + "rfp-plan.json"}).status, 0);
    co_await v.until(queued + " === '2'");

    co_await v.go("agents");
    co_await v.sees("last heard of: never");
    post("gpt-agents/beater/heartbeat", {});
    co_await v.until(
        "/^(now|\\d+ s ago)$/.test(document.querySelector('.agent.active time')"
        "?.textContent ?? '')");
  });
}

TEST_F(Dashboard, EveryViewFitsATelephoneAndFollowsTheSystemIntoTheDark) {
  post("gpt-agents/register", {{"name", "Ann"}, {"purpose", std::string(200, 'x')}});
  post("gpt-agents/ann/message", {{"text", std::string(500, 'y')}, {"thread", "t-1"}});
  post("gpt-agents/ann/memory/store", {{"title", "Long"}, {"content", std::string(500, 'z')}});
  post("gpt-workflows/create", {{"yaml", R"(
name: w
inputs: {what: {type: string}}
jobs: {ok: {approval: {note: "Shall it be ${{ inputs.what }}?"}}}
)"}});
  const auto begun =
      post("gpt-workflows/w/execute", {{"inputs", json::object{{"what", std::string(500, 'w')}}}});
  const std::string id(begun.at("id").as_string());
  visit([&](Visitor& v) -> Story {
    co_await sign_in(v);
    const auto ground_in = [&v](std::string_view scheme) -> boost::asio::awaitable<json::value> {
      json::object feature{{"name", "prefers-color-scheme"}, {"value", scheme}};
      json::object media{{"features", json::array{std::move(feature)}}};
      must(co_await v.page().call("Emulation.setEmulatedMedia", std::move(media)));
      co_return co_await v.value("getComputedStyle(document.documentElement).backgroundColor");
    };
    const auto light = co_await ground_in("light");
    const auto dark = co_await ground_in("dark");
    EXPECT_NE(light, dark);
    json::object telephone{
        {"width", 360}, {"height", 740}, {"deviceScaleFactor", 1}, {"mobile", false}};
    must(co_await v.page().call("Emulation.setDeviceMetricsOverride", std::move(telephone)));
    co_await v.until("innerWidth === 360");
    const std::vector<std::string> views{"overview",
                                         "packets",
                                         "agents",
                                         "agents/ann",
                                         "conversations/ann",
                                         "conversations/ann/t-1",
                                         "workflows",
                                         "workflows/runs/" + id + "/ok",
                                         "approvals",
                                         "memory/ann",
                                         "audit",
                                         "events",
                                         "schedules",
                                         "keys"};
    for (const auto& view : views) {
      co_await v.go(view);
      EXPECT_EQ(co_await v.value("document.documentElement.scrollWidth <= innerWidth"), true)
          << view;
      co_await v.picture("telephone-" + view.substr(0, view.find('/')));
    }
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
