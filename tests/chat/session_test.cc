// The care of a real browser with the look-alike site in its tabs: whatever goes wrong with one of
// them is told and mended, and the others do not notice.
#include "bridge/chat/account.h"
#include "bridge/chat/chrome.h"
#include "cdp/profile.h"
#include "tests/chat/conversation_fixture.h"

#include <csignal>
#include <fstream>
#include <map>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

namespace chat_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;

// The processes whose command line names the directory, each with it.
std::map<int, std::string> processes_of(const fs::path& directory) {
  std::map<int, std::string> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "cmdline");
    std::string line((std::istreambuf_iterator<char>(file)), {});
    if (line.find(directory.string()) == std::string::npos) continue;
    found.emplace(std::stoi(name), std::move(line));
  }
  return found;
}

class SessionTest : public testing::Test {
 protected:
  void play(const std::function<Story()>& story) {
    run(
        [&]() -> Story {
          chat::Changes changes(co_await boost::asio::this_coro::executor);
          news = &changes;
          chat::ChromeLauncher launcher(chrome(), must_be(chat::Profiles::load({})), clock);
          options.care.home_url = site->new_conversation(with("B"));
          chat::Account under_test(co_await boost::asio::this_coro::executor, launcher, clock,
                                   random, options, listener());
          account = &under_test;
          try {
            co_await story();
          } catch (const std::runtime_error& error) {
            ADD_FAILURE() << error.what();
          }
          hand.reset();
          co_await under_test.close();
          EXPECT_TRUE(processes_of(profile.path()).empty()) << "a process outlived the shutdown";
        },
        100s);
  }

  chat::ChromeOptions chrome() {
    chat::ChromeOptions settings;
    settings.launch.profile_dir = profile.path();
    // A second door, for the test alone.
    settings.launch.extra_args = {"--remote-debugging-port=0"};
    settings.ping_limit = 2s;
    return settings;
  }

  chat::SessionListener listener() {
    return {.on_account =
                [this](const chat::SessionView& view) {
                  told.emplace_back(chat::name(view.state));
                  news->tell();
                },
            .on_conversation =
                [this](const chat::SessionView& view) {
                  told_of.push_back(view.conversation + " " + std::string(chat::name(view.state)));
                  news->tell();
                }};
  }

  // Waits for listeners to be told until this holds.
  Story until(std::function<bool()> holds) {
    const auto deadline = clock.now() + 60s;
    while (!holds()) {
      if (clock.now() >= deadline) throw std::runtime_error("it was never told");
      co_await news->after(news->count(), clock, deadline);
    }
  }
  Story until_told(std::string_view state) {
    co_await until([&] { return !told.empty() && told.back() == state; });
  }
  Story until_told_of(std::string what) {
    co_await until([&] { return std::ranges::find(told_of, what) != told_of.end(); });
  }

  boost::asio::awaitable<std::unique_ptr<chat::Conversation>> open(std::string url) {
    co_return must_be(co_await account->conversations().open(std::move(url)));
  }
  // The tab that shows the address, through the test's own door.
  boost::asio::awaitable<std::unique_ptr<cdp::Page>> other_hand(std::string url) {
    const auto door = must(co_await cdp::find_debugging_url(profile.path(), 10s));
    hand = must(co_await cdp::Browser::attach(door));
    for (const auto& target : must(co_await hand->pages())) {
      if (target.url == url) co_return must(co_await hand->attach_page(target.id));
    }
    throw std::runtime_error("no tab shows " + url);
  }
  // One whole exchange; the answer must have come.
  Story exchange(chat::Conversation& conversation, int job) {
    const auto prompt = packet_prompt(job);
    Steps steps;
    const auto sent = must_be(co_await conversation.send(prompt, steps));
    Marked finish(prompt.end_marker);
    const auto reply = must_be(co_await conversation.reply(sent, prompt, finish, 40s));
    EXPECT_NE(reply.text.find(prompt.end_marker), std::string::npos);
    must_be(co_await conversation.settle(sent, prompt, reply));
  }
  std::string new_conversation(std::string_view changes = "{}") {
    return site->new_conversation(with("B", changes));
  }
  int browser_process() const {
    for (const auto& [process, line] : processes_of(profile.path())) {
      const bool is_part = line.find("--type=") != std::string::npos;
      if (!is_part && line.find("--remote-debugging-pipe") != std::string::npos) return process;
    }
    throw std::runtime_error("no browser runs");
  }

  std::unique_ptr<fixture::Site> site = must_be(fixture::Site::start({}));
  cdp_test::TemporaryDirectory profile;
  base::SystemClock clock;
  base::SystemRandom random;
  chat::AccountOptions options{
      .care = {.home_url = {}, .check_pause = std::chrono::hours(1), .may_take_screenshots = true},
      .tabs_max = 4,
      .window = cdp::Window::headless,
      .ping_pause = 200ms};
  chat::Account* account = nullptr;
  chat::Changes* news = nullptr;
  std::unique_ptr<cdp::Browser> hand;
  std::vector<std::string> told;
  std::vector<std::string> told_of;
};

TEST_F(SessionTest, ConversationsInParallelTabsDoNotDisturbOneAnother) {
  play([&]() -> Story {
    const std::vector<std::string> urls{new_conversation(), new_conversation(), new_conversation()};
    const auto work = [&](std::size_t i) -> Story {
      auto conversation = co_await open(urls[i]);
      co_await exchange(*conversation, static_cast<int>(i) + 1);
    };
    co_await (work(0) && work(1) && work(2));
    for (const auto& url : urls) EXPECT_EQ(site->ledger(url).accepted().size(), 1u);
    co_await until_told("ready");
  });
}

TEST_F(SessionTest, BeyondTheCapAConversationWaitsForATab) {
  options.tabs_max = 1;
  play([&]() -> Story {
    std::vector<std::string> order;
    const auto work = [&](std::string url, int job) -> Story {
      auto conversation = co_await open(url);
      order.push_back("in");
      co_await exchange(*conversation, job);
      order.push_back("out");
    };
    co_await (work(new_conversation(), 1) && work(new_conversation(), 2));
    EXPECT_EQ(order, (std::vector<std::string>{"in", "out", "in", "out"}));
  });
}

TEST_F(SessionTest, ATabThatAPersonClosesIsOpenedAgainAtTheNextUse) {
  play([&]() -> Story {
    const auto url = new_conversation();
    const auto other_url = new_conversation();
    auto other = co_await open(other_url);
    (void)co_await open(url);
    co_await until_told_of(url + " ready");
    must(co_await (co_await other_hand(url))->close());
    co_await until_told_of(url + " tab_closed");
    co_await exchange(*other, 1);
    co_await exchange(*co_await open(url), 2);
    hand.reset();
  });
  EXPECT_EQ(std::ranges::count(told, "browser_gone"), 0);
}

TEST_F(SessionTest, ACrashedTabIsOpenedAgainAtTheNextUse) {
  play([&]() -> Story {
    const auto url = new_conversation();
    const auto other_url = new_conversation();
    auto other = co_await open(other_url);
    auto held = co_await open(url);
    co_await until_told_of(url + " ready");
    auto page = co_await other_hand(url);
    EXPECT_FALSE(co_await page->call("Page.crash", {}, 5s));
    co_await until_told_of(url + " tab_crashed");
    Steps steps;
    EXPECT_FALSE(co_await held->send(packet_prompt(1), steps));
    EXPECT_EQ(steps.log, "");
    page.reset();
    hand.reset();
    held.reset();
    co_await exchange(*other, 2);
    co_await exchange(*co_await open(url), 3);
    EXPECT_EQ(site->ledger(url).accepted().size(), 1u);
  });
}

TEST_F(SessionTest, AKilledBrowserIsStartedAgainAfterItIsCertainlyDead) {
  play([&]() -> Story {
    const auto url = new_conversation();
    auto held = co_await open(url);
    co_await until_told("ready");
    const int process = browser_process();
    ::kill(process, SIGKILL);
    co_await until_told("browser_gone");
    Steps steps;
    EXPECT_FALSE(co_await held->send(packet_prompt(1), steps));
    held.reset();
    co_await exchange(*co_await open(url), 2);
    EXPECT_EQ(account->keeper().generation(), 2u);
    EXPECT_TRUE(account->keeper().died_at());
    EXPECT_NE(browser_process(), process);
    co_await until_told("ready");
  });
}

TEST_F(SessionTest, AStoppedBrowserIsKilledAndStartedAgain) {
  play([&]() -> Story {
    const auto url = new_conversation();
    (void)co_await open(url);
    co_await until_told("ready");
    const int process = browser_process();
    ::kill(process, SIGSTOP);
    co_await until_told("browser_gone");
    co_await exchange(*co_await open(url), 1);
    EXPECT_EQ(account->keeper().generation(), 2u);
    EXPECT_NE(::kill(process, 0), 0) << "the stopped browser still runs";
  });
}

TEST_F(SessionTest, AProfileInUseIsToldAndTakenOnceItIsFree) {
  play([&]() -> Story {
    auto holder = must(co_await cdp::Browser::launch({.profile_dir = profile.path()}));
    const auto opened = co_await account->conversations().open(new_conversation());
    if (opened) throw std::runtime_error("two browsers with one profile");
    EXPECT_EQ(opened.error().reason, "browser_unavailable");
    const auto view = must_be(co_await account->session().check());
    EXPECT_EQ(view.state, chat::State::browser_gone);
    EXPECT_NE(view.evidence.find("in use"), std::string::npos) << view.evidence;
    EXPECT_FALSE(view.advice.empty());
    must(co_await holder->close());
    co_await until_told("ready");
  });
}

TEST_F(SessionTest, ALoginThatIsRequiredIsToldAndSoIsItsEnd) {
  play([&]() -> Story {
    const auto url = new_conversation();
    (void)co_await open(url);
    co_await until_told("ready");
    site->set_knobs(url, with("B", R"({"state": "login_modal"})"));
    co_await until_told("login_required");
    const auto view = account->session().account();
    EXPECT_EQ(view.conversation, url);
    EXPECT_EQ(view.shell, "B");
    EXPECT_FALSE(view.evidence.empty());
    site->set_knobs(url, with("B"));
    EXPECT_EQ(must_be(co_await account->session().check()).state, chat::State::ready);
    co_await until_told("ready");
    EXPECT_TRUE(site->ledger().forbidden.empty());
  });
}

TEST_F(SessionTest, ASessionThatEndedIsFoundByACheckAndSoIsTheNextOne) {
  play([&]() -> Story {
    (void)co_await open(new_conversation());
    co_await until_told("ready");
    site->set_session(fixture::Session::none);
    (void)co_await account->session().check();
    co_await until_told("login_required");
    site->set_session(fixture::Session::ok);
    EXPECT_EQ(must_be(co_await account->session().check()).state, chat::State::ready);
  });
}

TEST_F(SessionTest, WhatShowsDuringAnExchangeIsToldByThePageItself) {
  play([&]() -> Story {
    const auto url = new_conversation(R"({"state": "rate_limit_modal", "state_when": "done"})");
    auto conversation = co_await open(url);
    const auto prompt = packet_prompt(1);
    Steps steps;
    (void)must_be(co_await conversation->send(prompt, steps));
    co_await until_told("rate_limited");
    EXPECT_TRUE(site->ledger().forbidden.empty());
  });
}

TEST_F(SessionTest, ADialogOfThePageIsToldAndLeftAlone) {
  play([&]() -> Story {
    const auto url = new_conversation();
    (void)co_await open(url);
    co_await until_told_of(url + " ready");
    auto page = co_await other_hand(url);
    const auto ask = [&]() -> Story { (void)co_await page->evaluate("confirm('Leave?')"); };
    co_await ask();
    co_await until_told_of(url + " unknown_dialog");
    const auto ready_before = std::ranges::count(told_of, url + " ready");
    must(co_await page->handle_dialog(cdp::DialogAnswer::dismiss));
    co_await until([&] { return std::ranges::count(told_of, url + " ready") > ready_before; });
    page.reset();
    hand.reset();
  });
}

TEST_F(SessionTest, AnUnreachableSiteIsToldAndSoIsItsReturn) {
  play([&]() -> Story {
    const auto url = new_conversation();
    site->stop_listening();
    (void)co_await open(url);
    co_await until_told("offline");
    must_be(site->listen_again());
    EXPECT_EQ(must_be(co_await account->session().check()).state, chat::State::ready);
  });
}

TEST_F(SessionTest, ASilencedConversationIsClosedUnderItsHolder) {
  play([&]() -> Story {
    const auto url = new_conversation();
    auto other = co_await open(new_conversation());
    auto held = co_await open(url);
    must_be(co_await account->conversations().silence(url));
    Steps steps;
    EXPECT_FALSE(co_await held->send(packet_prompt(1), steps));
    EXPECT_EQ(steps.log, "");
    held.reset();
    co_await exchange(*co_await open(url), 2);
    co_await exchange(*other, 3);
    EXPECT_EQ(account->keeper().generation(), 1u);
  });
}

// Each in a conversation of its own, at the address that its next use has too.
TEST_F(SessionTest, AMessageThatWasRefusedOnceGoesOutAtTheNextUseOfItsConversation) {
  play([&]() -> Story {
    const auto send = [&](const std::string& url, int job) -> boost::asio::awaitable<std::string> {
      auto conversation = co_await open(url);
      Steps steps;
      co_return outcome(co_await conversation->send(packet_prompt(job), steps));
    };
    int job = 0;
    for (const char* kind : {"unauthorized", "challenge", "forbidden", "too_many_requests"}) {
      const std::string once = fmt::format(R"({{"send": "{}", "send_times": 1}})", kind);
      const auto url = new_conversation(once);
      EXPECT_NE(co_await send(url, ++job), "sent") << kind;
      EXPECT_EQ(co_await send(url, job), "sent") << kind;
      EXPECT_EQ(site->ledger(url).posts.size(), 2u) << kind;
      EXPECT_EQ(site->ledger(url).accepted().size(), 1u) << kind;
    }
    EXPECT_TRUE(site->ledger().forbidden.empty());
  });
}

// The next use begins before the page would have posted again.
TEST_F(SessionTest, APageThatWasRefusedPostsNothingByItselfOnceThatIsTold) {
  play([&]() -> Story {
    const auto url =
        new_conversation(R"({"send": "unauthorized", "send_times": 1, "posts_again_ms": 8000})");
    auto conversation = co_await open(url);
    const auto prompt = packet_prompt(1);
    Steps steps;
    EXPECT_EQ(outcome(co_await conversation->send(prompt, steps)), "login_required");
    conversation.reset();
    conversation = co_await open(url);
    const auto sent = must_be(co_await conversation->send(prompt, steps));
    Marked finish(prompt.end_marker);
    (void)must_be(co_await conversation->reply(sent, prompt, finish, 40s));
    EXPECT_EQ(site->ledger(url).posts.size(), 2u);
    EXPECT_EQ(site->ledger(url).accepted().size(), 1u);
  });
}

TEST_F(SessionTest, AScreenshotIsAPngFile) {
  play([&]() -> Story {
    (void)co_await account->session().check();
    const auto picture = must_be(co_await account->session().screenshot());
    EXPECT_TRUE(picture.starts_with("\x89PNG\r\n\x1a\n"));
  });
}

}  // namespace
}  // namespace chat_test
