// One browser is kept: started when needed, again after every end, and never two at once.
#include "tests/chat/account_fixture.h"

namespace chat_test {
namespace {

using namespace std::chrono_literals;
using Stage = chat::BrowserKeeper::Stage;

using Keeper = AccountTest;

const std::string one = "https://chat.test/c/one";

TEST_F(Keeper, NothingIsStartedBeforeSomebodyNeedsIt) {
  play([&]() -> Wait {
    co_await pass(1min);
    EXPECT_TRUE(world.starts.empty());

    co_await visit(one);

    EXPECT_EQ(world.starts.size(), 1u);
    EXPECT_EQ(account->keeper().condition().stage, Stage::up);
  });
  EXPECT_TRUE(browser().has_closed_well);
}

TEST_F(Keeper, AfterCrashesItStartsAgainAndWaitsLongerEachTime) {
  play([&]() -> Wait {
    account->start();
    for (unsigned crash = 1; crash <= 10; ++crash) {
      co_await until([&] { return world.starts.size() == crash; });
      browser().crash();
      co_await until([&] { return account->keeper().current() == nullptr; });
      EXPECT_EQ(account->keeper().condition().stage, Stage::waiting);
      EXPECT_TRUE(account->keeper().condition().next_start);
    }
    co_await until([&] { return world.starts.size() == 11; });
  });
  base::Instant::duration whole = limits::browser_backoff_min;
  for (std::size_t i = 1; i < world.starts.size(); ++i) {
    const auto pause = world.starts[i] - world.starts[i - 1];
    EXPECT_GE(pause, whole / 2) << i;
    EXPECT_LE(pause, whole + 100ms) << i;
    whole = std::min<base::Instant::duration>(whole * 2, limits::browser_backoff_max);
  }
}

TEST_F(Keeper, CrashesBeforeASteadyTimeAreForgotten) {
  play([&]() -> Wait {
    account->start();
    for (unsigned crash = 1; crash <= 5; ++crash) {
      co_await until([&] { return world.starts.size() == crash; });
      browser().crash();
    }
    co_await until([&] { return world.starts.size() == 6; });
    co_await pass(limits::browser_is_steady);
    const auto crashed_at = world.clock.now();
    browser().crash();
    co_await until([&] { return world.starts.size() == 7; });
    EXPECT_LE(world.starts.back() - crashed_at, limits::browser_backoff_min + 100ms);
  });
}

TEST_F(Keeper, TheNextOneStartsOnlyWhenTheLastIsCertainlyDead) {
  world.kills_that_fail = 5;
  play([&]() -> Wait {
    account->start();
    co_await until_up();
    EXPECT_FALSE(account->keeper().died_at());
    browser().crash();
    co_await until([&] { return world.kills_that_fail == 1; });
    EXPECT_EQ(world.starts.size(), 1u);
    EXPECT_FALSE(account->keeper().died_at());
    co_await until([&] { return world.starts.size() == 2; });
    EXPECT_LE(account->keeper().died_at(), world.starts.back());
    EXPECT_TRUE(account->keeper().died_at());
  });
}

TEST_F(Keeper, AHangingBrowserIsKilled) {
  play([&]() -> Wait {
    auto conversation = co_await open(one);
    browser().is_hung = true;
    co_await until([&] { return world.starts.size() == 2; });
    EXPECT_EQ(must_be_well(co_await conversation->state()).state, chat::State::tab_closed);
    EXPECT_FALSE(world.browsers.front()->has_closed_well);
  });
}

TEST_F(Keeper, ALockedProfileIsToldWithWhatToDoAndTriedSeldom) {
  const base::Error locked{base::Code::busy, "profile /p: in use by browser process 7"};
  world.start_errors.assign(200, locked);
  play([&]() -> Wait {
    const auto opened = co_await account->conversations().open(one);
    if (opened) throw std::runtime_error("a conversation without a browser");
    EXPECT_EQ(opened.error().reason, "browser_unavailable");
    EXPECT_NE(opened.error().message.find("process 7"), std::string::npos);
    EXPECT_NE(opened.error().message.find("close the browser"), std::string::npos);
    const auto view = must_be_well(co_await account->session().check());
    EXPECT_EQ(view.state, chat::State::browser_gone);
    EXPECT_NE(view.evidence.find("process 7"), std::string::npos);
    EXPECT_FALSE(view.advice.empty());
    EXPECT_TRUE(view.next_check);
    co_await pass(1h);
    EXPECT_LE(world.starts.size(), 150u);

    world.start_errors.clear();
    co_await until_up();
    co_await until([&] { return account_state() == "ready"; });
  });
  EXPECT_EQ(told.back(), "ready");
}

TEST_F(Keeper, AConversationWaitsForTheBrowserAfterACrash) {
  play([&]() -> Wait {
    co_await visit(one);
    browser().crash();
    co_await until([&] { return account->keeper().current() == nullptr; });
    co_await visit(one);
    EXPECT_EQ(world.starts.size(), 2u);
  });
}

TEST_F(Keeper, ClosingEndsAWaitForTheNextStart) {
  world.start_errors.assign(9, {base::Code::unavailable, "no program"});
  play([&]() -> Wait {
    account->start();
    co_await until([&] { return world.starts.size() == 6; });
  });
  EXPECT_EQ(world.starts.size(), 6u);
}

TEST_F(Keeper, AWindowIsShownAndHiddenAgain) {
  play([&]() -> Wait {
    co_await visit(one);
    must_be_well(co_await account->session().show_window());
    must_be_well(co_await account->session().show_window());
    co_await until([&] { return account_state() == "ready"; });
    must_be_well(co_await account->session().hide_window());
  });
  using cdp::Window;
  EXPECT_EQ(world.windows, (std::vector{Window::headless, Window::headed, Window::headless}));
  for (const auto* one_of_them : world.browsers) EXPECT_TRUE(one_of_them->has_closed_well);
}

TEST_F(Keeper, AWindowWaitsForConversationsInUseAndGivesUp) {
  play([&]() -> Wait {
    auto conversation = co_await open(one);
    const auto shown = co_await account->session().show_window();
    if (shown) throw std::runtime_error("a window is shown");
    EXPECT_EQ(shown.error().code, base::Code::busy);
    EXPECT_EQ(world.starts.size(), 1u);
    EXPECT_EQ(must_be_well(co_await conversation->state()).state, chat::State::ready);
    conversation.reset();
    must_be_well(co_await account->session().show_window());
  });
}

// A window that is to be hidden while a conversation is in use.
class WindowToHide : public AccountTest {
 protected:
  void play_in_window(const std::function<Wait()>& story) {
    play([&]() -> Wait {
      must_be_well(co_await account->session().show_window());
      in_use = co_await open(one);
      boost::asio::co_spawn(loop, account->session().hide_window(),
                            [this](const std::exception_ptr& error, base::Result<> result) {
                              EXPECT_FALSE(error);
                              hidden = std::move(result);
                            });
      co_await pass(1s);
      co_await story();
      in_use.reset();
    });
  }

  std::unique_ptr<chat::Conversation> in_use;
  std::optional<base::Result<>> hidden;
};

TEST_F(WindowToHide, HoldsNobodyUpAndGoesWhenNoConversationIsInUse) {
  play_in_window([&]() -> Wait {
    const base::Instant asked = world.clock.now();
    co_await visit("https://chat.test/c/two");
    EXPECT_EQ(world.clock.now(), asked);
    EXPECT_FALSE(hidden);
    in_use.reset();
    co_await until([&] { return hidden.has_value(); });
    must_be_well(*hidden);
  });
  using cdp::Window;
  EXPECT_EQ(world.windows, (std::vector{Window::headed, Window::headless}));
}

TEST_F(WindowToHide, StaysWhenItIsAskedForAgain) {
  play_in_window([&]() -> Wait {
    must_be_well(co_await account->session().show_window());
    in_use.reset();
    co_await pass(1min);
    EXPECT_TRUE(hidden && !*hidden && hidden->error().code == base::Code::busy);
  });
  EXPECT_EQ(world.windows, std::vector{cdp::Window::headed});
}

TEST_F(WindowToHide, StaysWhileAConversationIsInUse) {
  play_in_window([&]() -> Wait {
    co_await pass(limits::window_waits);
    EXPECT_TRUE(hidden && !*hidden && hidden->error().code == base::Code::busy);
  });
  EXPECT_EQ(world.windows, std::vector{cdp::Window::headed});
}

TEST_F(Keeper, WhereNoWindowCanBeShownTheBrowserRunsAsBefore) {
  play([&]() -> Wait {
    co_await visit(one);
    world.start_errors.push_back({base::Code::unavailable, "no display"});
    const auto shown = co_await account->session().show_window();
    if (shown) throw std::runtime_error("a window is shown");
    EXPECT_NE(shown.error().message.find("no display"), std::string::npos);
    co_await until_up();
    EXPECT_EQ(world.windows.back(), cdp::Window::headless);
    co_await visit(one);
  });
}

TEST_F(Keeper, ABrowserThatDoesNotCloseInTimeIsKilled) {
  play([&]() -> Wait {
    co_await visit(one);
    browser().does_not_close = true;
    const base::Instant by = world.clock.now() + 5s;
    co_await account->close(by);
    EXPECT_EQ(world.clock.now(), by);
    EXPECT_EQ(world.alive, 0);
    EXPECT_FALSE(browser().has_closed_well);
  });
}

TEST_F(Keeper, ABrowserThatIsBeingClosedAlreadyIsKilledInTimeToo) {
  play([&]() -> Wait {
    co_await visit(one);
    browser().does_not_close = true;
    std::optional<base::Result<>> shown;
    boost::asio::co_spawn(loop, account->session().show_window(),
                          [&](const std::exception_ptr& error, base::Result<> result) {
                            EXPECT_FALSE(error);
                            shown = std::move(result);
                          });
    co_await until(
        [&] { return account->keeper().condition().stage == chat::BrowserKeeper::Stage::ending; });
    const base::Instant by = world.clock.now() + 5s;
    co_await account->close(by);
    EXPECT_EQ(world.clock.now(), by);
    EXPECT_EQ(world.alive, 0);
    co_await until([&] { return shown.has_value(); });
    EXPECT_FALSE(*shown);
  });
}

}  // namespace
}  // namespace chat_test
