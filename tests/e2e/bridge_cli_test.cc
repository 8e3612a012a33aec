// The program as a person runs it, against the look-alike site in a real browser; the site's ledger
// is the judge.
#include "cdp/profile.h"
#include "tests/app/service.h"
#include "tests/cdp/browser_fixture.h"
#include "tests/e2e/project.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace e2e {
namespace {

class Shells : public Project, public testing::WithParamInterface<const char*> {};

TEST_P(Shells, DemoPostsEachTypeOnceAndPrintsTheReplies) {
  const auto demo = flywheel({"demo", "--json", "--shell", GetParam()});
  EXPECT_EQ(demo.status, 0) << demo.err;
  EXPECT_EQ(std::ranges::count(demo.out, '\n'), 5) << demo.out;
  EXPECT_NE(demo.err.find("5 messages accepted for 5 packets, 0 sent twice, 0 forbidden clicks"),
            std::string::npos)
      << demo.err;
}

TEST_P(Shells, SendPrintsTheValidatedReply) {
  fixture::Knobs knobs;
  knobs.shell = GetParam();
  configure(knobs);
  const auto sent = run({"send", "--json", packets + "rfp-plan.json"});
  EXPECT_EQ(sent.status, 0) << sent.err;
  const auto result = parsed(sent.out);
  EXPECT_EQ(result.at("state"), "done");
  EXPECT_EQ(result.at("response").at("msg_type"), "RFP_PLAN_RESPONSE");
  EXPECT_EQ(result.at("response_trust"), "untrusted");
  EXPECT_EQ(result.at("in_process"), true);
  EXPECT_NE(sent.err.find("no daemon is running here"), std::string::npos) << sent.err;
  EXPECT_EQ(site->ledger(url).accepted().size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Bridge, Shells, testing::Values("B", "C", "D"));

TEST_F(Project, AnInvalidReplyIsAskedForAgainAndThenAccepted) {
  fixture::Knobs knobs;
  knobs.reply = "schema";
  knobs.reply_times = 1;
  configure(knobs);
  const auto sent = run({"send", "--json", "--wait", packets + "spec-lock.json"});
  ASSERT_EQ(sent.status, 0) << sent.err << sent.out;
  EXPECT_EQ(parsed(sent.out).at("repairs"), 1);
  const auto accepted = site->ledger(url).accepted();
  ASSERT_EQ(accepted.size(), 2u);
  EXPECT_NE(accepted[1].text.find("REPAIR:"), std::string::npos);
}

TEST_F(Project, AReplyThatStaysInvalidFailsWithItsText) {
  fixture::Knobs knobs;
  knobs.reply = "wrong_bead";
  bridge["limits"] = json::object{{"repairs", 1}};
  configure(knobs);
  const auto sent = run({"send", "--json", packets + "spec-lock.json"});
  EXPECT_EQ(sent.status, 76) << sent.err;
  const auto result = parsed(sent.out);
  EXPECT_EQ(result.at("state"), "failed");
  EXPECT_EQ(result.at("error").at("code"), "invalid_reply");
  EXPECT_NE(result.at("error").at("raw").as_string().find("SPEC_LOCK_RESPONSE"), std::string::npos);
  EXPECT_EQ(result.at("error").at("raw_trust"), "untrusted");
  EXPECT_EQ(site->ledger(url).accepted().size(), 2u);
}

TEST_F(Project, SignedOutEndsIn77AndSendsNothing) {
  fixture::Knobs knobs;
  knobs.state = "login_modal";
  configure(knobs);
  const auto sent = run({"send", "--json", packets + "rfp-plan.json"});
  EXPECT_EQ(sent.status, 77) << sent.err;
  EXPECT_EQ(parsed(sent.out).at("error").at("code"), "login_required");
  EXPECT_NE(sent.err.find("flywheel session login"), std::string::npos) << sent.err;
  const auto check = run({"session", "check", "--json", "--wait", "5"});
  EXPECT_EQ(check.status, 77);
  EXPECT_EQ(parsed(check.out).at("state"), "login_required");
  EXPECT_TRUE(site->ledger(url).posts.empty());
}

// Absent from two fresh loads, long enough after the page died: certainly unsent, and nothing is
// left that could send it later.
TEST_F(Project, ALostAnswerToThePostThatIsNowhereIsUnsentAndGivenUp) {
  fixture::Knobs knobs;
  knobs.send = "unreachable";
  configure(knobs);
  const auto sent = run({"send", "--json", packets + "rfp-plan.json"});
  EXPECT_EQ(sent.status, 76) << sent.err;
  const auto result = parsed(sent.out);
  EXPECT_EQ(result.at("state"), "failed");
  EXPECT_EQ(result.at("error").at("code"), "ui_changed");
  EXPECT_EQ(site->ledger(url).posts.size(), 1u);
}

TEST_F(Project, ALostAnswerToThePostIsFoundByItsMarker) {
  fixture::Knobs knobs;
  knobs.send = "lost";
  configure(knobs);
  const auto sent = run({"send", "--json", packets + "rfp-plan.json"});
  EXPECT_EQ(sent.status, 0) << sent.err;
  EXPECT_EQ(site->ledger(url).accepted().size(), 1u);
  EXPECT_EQ(site->ledger(url).posts.size(), 1u);
}

TEST_F(Project, CheckAndInspectSayWhatIsThere) {
  fixture::Knobs knobs;
  knobs.history = 2;
  configure(knobs);
  const auto check = run({"session"});
  EXPECT_EQ(check.status, 0) << check.err;
  EXPECT_NE(check.out.find("state         ready"), std::string::npos) << check.out;
  const auto inspect = run({"session", "inspect", "--json"});
  EXPECT_EQ(inspect.status, 0) << inspect.err;
  const auto seen = parsed(inspect.out);
  EXPECT_EQ(seen.at("shell"), "C");
  EXPECT_EQ(seen.at("turns").as_array().size(), 4u);
  EXPECT_TRUE(site->ledger(url).posts.empty());
}

TEST_F(Project, AnUnknownShellIsRefusedWithItsShapeAndNoneOfItsText) {
  fixture::Knobs knobs;
  knobs.shell = "unknown";
  knobs.history = 1;
  knobs.draft = "a secret draft";
  configure(knobs);
  const auto sent = run({"send", packets + "rfp-plan.json"});
  EXPECT_EQ(sent.status, 76) << sent.err;
  const auto inspect = run({"session", "inspect", "--json", "--wait", "3"});
  EXPECT_EQ(inspect.status, 1);
  const auto seen = parsed(inspect.out);
  EXPECT_EQ(seen.at("state"), "unknown_ui");
  const std::string_view digest(seen.at("digest").as_string());
  EXPECT_NE(digest.find("role=textbox"), std::string::npos) << digest;
  EXPECT_NE(digest.find("article"), std::string::npos) << digest;
  for (const auto* words : {"Question 1", "Answer 1", "That is all", "secret draft"}) {
    EXPECT_EQ(digest.find(words), std::string::npos) << digest;
    EXPECT_EQ(sent.err.find(words), std::string::npos) << sent.err;
  }
  EXPECT_TRUE(site->ledger(url).posts.empty());
}

json::object cookie(std::string_view name, std::string_view value, double expires) {
  return {{"name", name},       {"value", value},   {"domain", "127.0.0.1"}, {"path", "/"},
          {"expires", expires}, {"httpOnly", true}, {"secure", false},       {"sameSite", "Lax"}};
}

// A cookie that lasts, one of the session and one that has expired; and an item in local storage.
std::string storage_state(const std::string& origin) {
  json::array items{json::object{{"name", "theme"}, {"value", "dark"}}};
  json::array origins{json::object{{"origin", origin}, {"localStorage", std::move(items)}}};
  json::array cookies{cookie("session-token", "s3cret", 4102444800.0),
                      cookie("csrf", "of-the-session", -1), cookie("old", "of-1970", 1)};
  return json::serialize(
      json::object{{"cookies", std::move(cookies)}, {"origins", std::move(origins)}});
}

// What a browser with this profile has in local storage.
std::string stored_item(const std::filesystem::path& profile, const std::string& url,
                        const std::string& name) {
  std::string item;
  cdp_test::run([&]() -> cdp_test::Story {
    auto browser = cdp_test::must(co_await cdp::Browser::launch({.profile_dir = profile}));
    const auto page = cdp_test::must(co_await browser->open(url));
    const auto value = cdp_test::must(
        co_await page->evaluate("localStorage.getItem(" + json::serialize(name) + ")"));
    item = json::serialize(value);
    cdp_test::must(co_await browser->close());
  });
  return item;
}

TEST_F(Project, WhatAStorageStateHoldsIsThereForTheNextCommand) {
  configure();
  const auto imported = run({"session", "import", "-", "--json"}, storage_state(site->origin()));
  ASSERT_EQ(imported.status, 0) << imported.err;
  const auto told = parsed(imported.out);
  EXPECT_EQ(told.at("cookies"), 2);
  EXPECT_EQ(told.at("session_cookies"), 1);
  EXPECT_EQ(told.at("expired_cookies"), 1);
  EXPECT_EQ(told.at("items"), 1);
  EXPECT_EQ(imported.out.find("s3cret"), std::string::npos);
  EXPECT_EQ(imported.err.find("s3cret"), std::string::npos);

  EXPECT_EQ(run({"session", "check"}).status, 0);
  const auto requests = site->ledger(url).requests;
  ASSERT_FALSE(requests.empty());
  for (const auto& request : requests) {
    EXPECT_NE(request.cookie.find("session-token=s3cret"), std::string::npos) << request.target;
    EXPECT_NE(request.cookie.find("csrf=of-the-session"), std::string::npos) << request.target;
    EXPECT_EQ(request.cookie.find("old="), std::string::npos) << request.target;
  }
  const auto profile = folder.path() / ".flywheel/state/profiles/test";
  EXPECT_EQ(stored_item(profile, url, "theme"), "\"dark\"");
}

bool has_cookie(const json::object& answer, std::string_view name) {
  for (const auto& one : answer.at("cookies").as_array()) {
    if (one.at("name").as_string() == name) return true;
  }
  return false;
}

// A browser that others can attach to, as flywheel-browser.service runs one.
cdp::Task<std::unique_ptr<cdp::Browser>> launch_for_all(std::filesystem::path profile) {
  cdp::LaunchOptions options;
  options.profile_dir = profile;
  options.extra_args = {"--remote-debugging-port=0"};
  auto browser = co_await cdp::Browser::launch(std::move(options));
  if (!browser) co_return browser;
  const auto found = co_await cdp::find_debugging_url(profile, std::chrono::seconds(20));
  if (!found) co_return std::unexpected(found.error());
  co_return browser;
}

// Beside a daemon that uses it.
TEST_F(Project, ASessionIsBroughtIntoTheBrowserThatTheDaemonUses) {
  fixture::Knobs knobs;
  knobs.state = "login_modal";
  bridge["listen"] = "127.0.0.1:0";
  configure(knobs);
  const app::TestFolder profile;
  const auto story = [&]() -> cdp_test::Story {
    auto browser = cdp_test::must(co_await launch_for_all(profile.path()));
    const auto tabs = cdp_test::must(co_await browser->pages()).size();
    {
      const app::Manager manager(folder.path() / "notify");
      const app::Environment environment({{"NOTIFY_SOCKET", folder.path() / "notify"}});
      app::Service daemon({"serve", "--headless", "--attach", profile.path().string()}, folder);
      EXPECT_FALSE(manager.until("READY=1").empty()) << folder.read("log");
      const auto login = run({"session", "login"});
      EXPECT_EQ(login.status, 69) << login.err;
      EXPECT_NE(login.err.find("no window is opened"), std::string::npos) << login.err;
      const auto imported = run({"session", "import", "-"}, storage_state(site->origin()));
      EXPECT_EQ(imported.status, 0) << imported.err;
      EXPECT_NE(imported.out.find("are now in the browser at " + profile.path().string()),
                std::string::npos)
          << imported.out;
      EXPECT_EQ(daemon.stop(), 0) << folder.read("log");
    }
    const auto kept = cdp_test::must(co_await browser->call("Storage.getCookies"));
    EXPECT_TRUE(has_cookie(kept, "session-token"));
    EXPECT_EQ(cdp_test::must(co_await browser->pages()).size(), tabs);
    cdp_test::must(co_await browser->close());
  };
  cdp_test::run(story, std::chrono::seconds(150));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / ".flywheel/state/profiles/test"));
}

// Its profile of the shell has a selector that no browser can read.
void break_page_profile(const app::TestFolder& project) {
  std::ifstream built_in(std::string(SOURCE_DIR) + "/.flywheel/pages/shell-c.json");
  auto profile = parsed(std::string(std::istreambuf_iterator<char>(built_in), {})).as_object();
  profile.at("turns").as_object()["user"] = "[[";
  project.write(".flywheel/pages/shell-c.json", json::serialize(profile));
}

using Tabs = std::vector<cdp::TargetInfo>;

// Asks for the tabs until they are so; what a command leaves to be closed closes after its end.
cdp_test::Story until_tabs(cdp::Browser& browser, std::function<bool(const Tabs&)> are_so) {
  while (!are_so(cdp_test::must(co_await browser.pages()))) continue;
}

TEST_F(Project, NoCommandLeavesATabInABrowserThatWasRunningBefore) {
  configure();
  const app::TestFolder profile;
  const auto attached = [&](std::vector<std::string> words, std::string_view input = {}) {
    words.insert(words.end(), {"--attach", profile.path().string()});
    return run(std::move(words), input);
  };
  const auto story = [&]() -> cdp_test::Story {
    auto browser = cdp_test::must(co_await launch_for_all(profile.path()));
    const auto count = cdp_test::must(co_await browser->pages()).size();
    const auto are_as_before = [count](const Tabs& tabs) { return tabs.size() == count; };
    const std::string picture = (folder.path() / "page.png").string();
    const std::vector<std::vector<std::string>> commands{{"session", "check"},
                                                         {"session", "inspect"},
                                                         {"session", "screenshot", picture},
                                                         {"doctor"}};
    for (const auto& words : commands) {
      const auto done = attached(words);
      EXPECT_EQ(done.status, 0) << words.back() << done.out << done.err;
      co_await until_tabs(*browser, are_as_before);
    }
    const auto imported = attached({"session", "import", "-"}, storage_state(site->origin()));
    EXPECT_EQ(imported.status, 0) << imported.err;
    co_await until_tabs(*browser, are_as_before);
    break_page_profile(folder);
    EXPECT_EQ(attached({"session", "check"}).status, 65);
    co_await until_tabs(*browser, are_as_before);
    std::filesystem::remove_all(folder.path() / ".flywheel/pages");

    fixture::Knobs never_ready;
    never_ready.state = "hydrating_forever";
    site->set_knobs(url, never_ready);
    app::Service check({"session", "check", "--wait", "600", "--attach", profile.path().string()},
                       folder);
    co_await until_tabs(*browser, [&](const Tabs& tabs) {
      return std::ranges::find(tabs, url, &cdp::TargetInfo::url) != tabs.end();
    });
    EXPECT_EQ(check.stop(), 130) << folder.read("log");
    co_await until_tabs(*browser, are_as_before);

    // But for the one that a person signs in in.
    site->set_knobs(url, {});
    const auto login = attached({"session", "login"});
    EXPECT_EQ(login.status, 0) << login.err;
    EXPECT_EQ(cdp_test::must(co_await browser->pages()).size(), count + 1);
    cdp_test::must(co_await browser->close());
  };
  cdp_test::run(story, std::chrono::seconds(150));
}

// A browser that believes to have a window, and that others can attach to.
std::string windowless_browser(const app::TestFolder& where) {
  const auto found = cdp::find_browser();
  EXPECT_TRUE(found);
  const std::string file =
      where.write("browser", fmt::format("#!/bin/sh\nexec '{}' --headless=new --disable-gpu "
                                         "--remote-debugging-port=0 \"$@\"\n",
                                         found ? found->string() : ""));
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  return file;
}

// What the site gives to whoever signs in, while the command waits for that: the browser takes its
// time to write it down.
cdp_test::Story sign_in(const app::TestFolder& where, const std::filesystem::path& profile) {
  cdp_test::must(co_await cdp::find_debugging_url(profile, std::chrono::seconds(30)));
  const auto browser = cdp_test::must(co_await cdp::Browser::attach(profile.string()));
  while (where.read("log").find("  login_required: ") == std::string::npos) {
    cdp_test::must(co_await browser->version());
  }
  json::array given{cookie("session-token", "s3cret", 4102444800.0)};
  cdp_test::must(co_await browser->call("Storage.setCookies", {{"cookies", std::move(given)}}));
}

TEST_F(Project, AnInterruptedLoginKeepsTheSignInThatWasMade) {
  fixture::Knobs knobs;
  knobs.state = "login_modal";
  bridge["browser"] = json::object{{"executable", windowless_browser(folder)}};
  configure(knobs);
  const auto profile = folder.path() / ".flywheel/state/profiles/test";
  std::filesystem::create_directories(profile);
  {
    const app::Environment environment({{"DISPLAY", ":of-this-test"}});
    app::Service login({"session", "login"}, folder);
    cdp_test::run([&] { return sign_in(folder, profile); });
    EXPECT_EQ(login.stop(), 130) << folder.read("log");
  }
  cdp_test::run([&]() -> cdp_test::Story {
    auto browser = cdp_test::must(co_await cdp::Browser::launch({.profile_dir = profile}));
    const auto kept = cdp_test::must(co_await browser->call("Storage.getCookies"));
    EXPECT_TRUE(has_cookie(kept, "session-token"));
    cdp_test::must(co_await browser->close());
  });
}

TEST_F(Project, WhatIsNoStorageStateIsRefusedWithoutItsValues) {
  configure();
  const auto broken = run({"session", "import", "-"}, R"({"cookies":[{"name":"s3cret"}]})");
  EXPECT_EQ(broken.status, 65);
  EXPECT_NE(broken.err.find("/cookies/0/value"), std::string::npos) << broken.err;
  EXPECT_EQ(broken.err.find("s3cret"), std::string::npos);
}

TEST_F(Project, AnImportSaysWhatItKeepsAndHowLong) {
  configure();
  const auto imported = run({"session", "import", "-"}, storage_state(site->origin()));
  ASSERT_EQ(imported.status, 0) << imported.err;
  EXPECT_NE(imported.out.find("2 cookies and 1 stored items are now in "), std::string::npos);
  EXPECT_NE(imported.out.find("1 of the cookies have no date of their own; they are kept for 30 "
                              "days\n1 more had expired and were left out\n"),
            std::string::npos)
      << imported.out;
}

TEST_F(Project, BadInputIsRefusedBeforeAnyBrowserStarts) {
  configure();
  EXPECT_EQ(run({"send", "-"}, "{\"proto\":1}").status, 65);
  EXPECT_EQ(run({"send", "missing.json"}).status, 74);
  EXPECT_EQ(run({"send"}).status, 64);
  EXPECT_EQ(run({"send", packets + "rfp-plan.json", "--no-wait"}).status, 69);
  folder.write(".flywheel/chatgpt.json", "{\"crt_ulr\":\"http://x\"}");
  const auto config = run({"send", packets + "rfp-plan.json"});
  EXPECT_EQ(config.status, 78);
  EXPECT_NE(config.err.find("crt_url"), std::string::npos) << config.err;
  EXPECT_TRUE(site->ledger().requests.empty());
}

TEST_F(Project, DoctorNamesEveryCheckAndWhatToDo) {
  configure();
  const auto healthy = run({"doctor", "--json"});
  EXPECT_EQ(healthy.status, 0) << healthy.out;
  EXPECT_EQ(parsed(healthy.out).at("healthy"), true);
  folder.write(".flywheel/pages/shell-c.json", "{\"name\": 1}");
  const auto ill = run({"doctor", "--offline"});
  EXPECT_EQ(ill.status, 1);
  EXPECT_NE(ill.out.find("shell-c.json"), std::string::npos) << ill.out;
  EXPECT_NE(ill.out.find("->"), std::string::npos);
}

TEST_F(Project, ASelectorThatTheBrowserCannotReadIsToldWithItsFile) {
  configure();
  break_page_profile(folder);
  const auto check = run({"session", "check"});
  EXPECT_EQ(check.status, 65) << check.err;
  EXPECT_NE(check.err.find(".flywheel/pages/shell-c.json: /turns/user: \"[[\""), std::string::npos)
      << check.err;
  const auto ill = run({"doctor"});
  EXPECT_EQ(ill.status, 1);
  EXPECT_NE(ill.out.find(".flywheel/pages/shell-c.json: /turns/user"), std::string::npos)
      << ill.out;
  EXPECT_NE(ill.out.find("-> mend or remove the file in "), std::string::npos) << ill.out;
}

}  // namespace
}  // namespace e2e
