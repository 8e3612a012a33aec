// Every conversation has a tab of its own, and whoever uses one is not disturbed.
#include "tests/chat/account_fixture.h"

#include <boost/asio/detached.hpp>

namespace chat_test {
namespace {

using namespace std::chrono_literals;

using TabPool = AccountTest;

const std::string one = "https://chat.test/c/one";
const std::string two = "https://chat.test/c/two";
const std::string three = "https://chat.test/c/three";
const std::string four = "https://chat.test/c/four";

TEST_F(TabPool, AConversationKeepsItsTabForTheNextUse) {
  play([&]() -> Wait {
    co_await visit(one);
    co_await visit(one + "?model=x");
  });
  EXPECT_EQ(std::ranges::count(world.log, "open " + one), 1);
}

TEST_F(TabPool, BeyondTheCapTheTabThatWasUsedLeastRecentlyGoes) {
  play([&]() -> Wait {
    co_await visit(one);
    co_await pass(1s);
    co_await visit(two);
    co_await pass(1s);
    co_await visit(one);
    co_await visit(three);
    EXPECT_EQ(browser().tabs(), 2u);
    const std::vector<std::string> all{"open " + one, "ask " + one, "open " + two, "close " + two,
                                       "open " + three};
    EXPECT_EQ(world.log, all);
  });
}

TEST_F(TabPool, WhoFindsAllTabsInUseWaitsInOrder) {
  std::vector<std::string> order;
  play([&]() -> Wait {
    auto first = co_await open(one);
    auto second = co_await open(two);
    const auto wait_for = [&](std::string url) -> Wait {
      co_await visit(url);
      order.push_back(url);
    };
    boost::asio::co_spawn(loop, wait_for(three), boost::asio::detached);
    boost::asio::co_spawn(loop, wait_for(four), boost::asio::detached);
    co_await pass(1min);
    EXPECT_TRUE(order.empty());
    EXPECT_EQ(browser().tabs(), 2u);
    second.reset();
    co_await until([&] { return order.size() == 2; });
    EXPECT_EQ(must_be_well(co_await first->state()).state, chat::State::ready);
    EXPECT_EQ(std::ranges::count(world.log, "close " + one), 0);
  });
  EXPECT_EQ(order, (std::vector{three, four}));
}

TEST_F(TabPool, AConversationInUseIsGivenToNobodyElse) {
  bool has_second = false;
  play([&]() -> Wait {
    auto first = co_await open(one);
    const auto wait_for = [&]() -> Wait {
      co_await visit(one);
      has_second = true;
    };
    boost::asio::co_spawn(loop, wait_for(), boost::asio::detached);
    co_await visit(two);
    co_await pass(1min);
    EXPECT_FALSE(has_second);
    first.reset();
    co_await until([&] { return has_second; });
  });
}

// A message that the site refused, and its page.
class PageThatWasRefused : public AccountTest {
 protected:
  // The reason with which the send in the conversation ends.
  boost::asio::awaitable<std::string> send_in_vain(chat::Conversation& conversation) {
    world.refusal = chat::as_error(chat::State::session_expired, "401");
    struct : chat::SendSteps {
      base::Task<> intent(const chat::Baseline&) override { co_return base::Result<>(); }
      base::Task<> armed() override { co_return base::Result<>(); }
    } steps;
    const auto sent =
        co_await conversation.send({.text = "m", .marker = "m", .end_marker = "e"}, steps);
    co_return sent ? "sent" : sent.error().reason;
  }
};

TEST_F(PageThatWasRefused, IsClosedBeforeThatIsTold) {
  play([&]() -> Wait {
    auto conversation = co_await open(one);
    co_await until([&] { return account_state() == "ready"; });
    EXPECT_EQ(co_await send_in_vain(*conversation), "login_required");
    EXPECT_EQ(browser().tabs(), 0u);
    conversation.reset();
    co_await pass(1s);
    EXPECT_EQ(account_state(), "ready") << "what it showed last";
    conversation = co_await open(one);
    EXPECT_EQ(must_be_well(co_await conversation->state()).state, chat::State::ready);
  });
  EXPECT_EQ(std::ranges::count(world.log, "open " + one), 2);
}

TEST_F(PageThatWasRefused, IsLoadedAnewAndStaysInAWindow) {
  options.window = cdp::Window::headed;
  play([&]() -> Wait {
    auto conversation = co_await open(one);
    world.shows[one] = blocked(chat::State::login_required);
    EXPECT_EQ(co_await send_in_vain(*conversation), "login_required");
    conversation.reset();
    co_await until([&] { return account_state() == "login_required"; });
    co_await visit(one);
    EXPECT_EQ(browser().tabs(), 1u);
    EXPECT_EQ(std::ranges::count(world.log, "close " + one), 0);
  });
  EXPECT_EQ(std::ranges::count(world.log, "leave " + one), 1);
  EXPECT_EQ(std::ranges::count(world.log, "open " + one), 1);
}

TEST_F(PageThatWasRefused, IsClosedInAWindowTooIfItCannotBeLeft) {
  options.window = cdp::Window::headed;
  world.does_not_leave_pages = true;
  play([&]() -> Wait {
    const auto conversation = co_await open(one);
    EXPECT_EQ(co_await send_in_vain(*conversation), "login_required");
    EXPECT_EQ(browser().tabs(), 0u);
  });
}

TEST_F(PageThatWasRefused, LeavesItUnknownWhatItPostedByItself) {
  world.posts_again = true;
  play([&]() -> Wait {
    const auto conversation = co_await open(one);
    EXPECT_EQ(co_await send_in_vain(*conversation), "unknown_outcome");
  });
}

TEST_F(PageThatWasRefused, LeavesItUnknownWhatItMayPostIfItDoesNotGo) {
  world.does_not_close_tabs = true;
  play([&]() -> Wait {
    const auto conversation = co_await open(one);
    EXPECT_EQ(co_await send_in_vain(*conversation), "unknown_outcome");
    world.does_not_close_tabs = false;
  });
}

// Where nothing was posted, the page has nothing to repeat.
TEST_F(PageThatWasRefused, StaysIfItHasPostedNothing) {
  play([&]() -> Wait {
    auto conversation = co_await open(one);
    chat::Conversation& page = *conversation;
    browser().tab(one).vanish(chat::State::tab_crashed);
    EXPECT_EQ(co_await send_in_vain(page), "");
    EXPECT_EQ(std::ranges::count(world.log, "close " + one), 0);
  });
}

// Two uses of a page that shows a dialog; how often it was opened.
class PageThatAsks : public AccountTest {
 protected:
  std::ptrdiff_t times_opened() {
    world.shows[one] = blocked(chat::State::unknown_dialog);
    play([&]() -> Wait {
      co_await visit(one);
      co_await until(
          [&] { return std::ranges::find(told_of, one + " unknown_dialog") != told_of.end(); });
      co_await visit(one);
    });
    return std::ranges::count(world.log, "open " + one);
  }
};

// The dialog may be gone elsewhere.
TEST_F(PageThatAsks, IsOpenedAnewForItsNextUse) { EXPECT_EQ(times_opened(), 2); }

TEST_F(PageThatAsks, IsLeftAsItIsInAWindowWhereSomebodyMayBeReading) {
  options.window = cdp::Window::headed;
  EXPECT_EQ(times_opened(), 1);
}

TEST_F(TabPool, AWaitEndsWithTheBridge) {
  base::Result<std::unique_ptr<chat::Conversation>> waited;
  bool has_ended = false;
  std::unique_ptr<chat::Conversation> held;
  const auto wait_for = [&]() -> Wait {
    waited = co_await account->conversations().open(one);
    has_ended = true;
  };
  play([&]() -> Wait {
    held = co_await open(one);
    boost::asio::co_spawn(loop, wait_for(), boost::asio::detached);
    co_await pass(1s);
  });
  EXPECT_TRUE(has_ended);
  EXPECT_FALSE(waited);
  held.reset();  // It may outlive the account.
}

TEST_F(TabPool, ATabThatWentIsOpenedAgainAtTheNextUseAndOthersStay) {
  play([&]() -> Wait {
    co_await visit(two);
    auto conversation = co_await open(one);
    browser().tab(one).vanish(chat::State::tab_crashed);
    EXPECT_EQ(must_be_well(co_await conversation->state()).state, chat::State::tab_closed);
    co_await pass(1s);
    conversation.reset();
    conversation = co_await open(one);
    EXPECT_EQ(must_be_well(co_await conversation->state()).state, chat::State::ready);
  });
  EXPECT_EQ(world.starts.size(), 1u);
  EXPECT_EQ(std::ranges::count(world.log, "open " + one), 2);
  EXPECT_EQ(std::ranges::count(world.log, "open " + two), 1);
  EXPECT_NE(std::ranges::find(told_of, one + " tab_crashed"), told_of.end());
}

// As after an upgrade of the browser under the one that runs.
TEST_F(TabPool, ABrowserInWhichNoTabLivesIsStartedAnew) {
  play([&]() -> Wait {
    co_await visit(two);
    co_await pass(1s);
    world.opens_that_crash = limits::tab_crashes_max;
    while (world.opens_that_crash > 0) {
      EXPECT_FALSE(co_await account->conversations().open(one));
    }
    EXPECT_EQ(world.starts.size(), 1u);
    const auto conversation = co_await open(one);
    EXPECT_EQ(must_be_well(co_await conversation->state()).state, chat::State::ready);
    EXPECT_EQ(world.starts.size(), 2u);
  });
}

TEST_F(TabPool, ABrowserIsNotStartedAnewUnderAConversationInUse) {
  play([&]() -> Wait {
    const auto other = co_await open(two);
    world.opens_that_crash = limits::tab_crashes_max;
    while (world.opens_that_crash > 0) {
      EXPECT_FALSE(co_await account->conversations().open(one));
    }
    co_await visit(one);
    EXPECT_EQ(must_be_well(co_await other->state()).state, chat::State::ready);
  });
  EXPECT_EQ(world.starts.size(), 1u);
}

TEST_F(TabPool, CrashesBeforeATabThatWorksAreForgotten) {
  play([&]() -> Wait {
    for (int i = 0; i < 2 * limits::tab_crashes_max; ++i) {
      co_await visit(one);
      co_await pass(1s);
      browser().tab(one).vanish(chat::State::tab_crashed);
      co_await pass(1s);
    }
    co_await visit(one);
  });
  EXPECT_EQ(world.starts.size(), 1u);
}

// In a window nobody's page is loaded anew while it lies there.
TEST_F(TabPool, APageThatHasGrownOldIsOpenedAfreshBeforeItIsUsed) {
  options.window = cdp::Window::headed;
  play([&]() -> Wait {
    co_await visit(one);
    co_await pass(limits::page_grows_old - 1h);
    co_await visit(one);
    EXPECT_EQ(std::ranges::count(world.log, "open " + one), 1);
    co_await pass(1h);
    const auto conversation = co_await open(one);
    EXPECT_EQ(must_be_well(co_await conversation->state()).state, chat::State::ready);
  });
  EXPECT_EQ(std::ranges::count(world.log, "open " + one), 2);
  EXPECT_EQ(std::ranges::count(world.log, "reload " + one), 0);
}

TEST_F(TabPool, ADraftInAnOldPageIsNotThrownAway) {
  options.window = cdp::Window::headed;
  play([&]() -> Wait {
    co_await visit(one);
    browser().tab(one).show(blocked(chat::State::draft_present));
    co_await pass(limits::page_grows_old);
    co_await visit(one);
  });
  EXPECT_EQ(std::ranges::count(world.log, "open " + one), 1);
}

TEST_F(TabPool, ANewChatKeepsItsAddressAndTheNextNewChatGetsAnotherPage) {
  play([&]() -> Wait {
    auto chat = co_await open("https://chat.test/");
    browser().tab("https://chat.test/").move_to(one);
    chat.reset();
    co_await visit("https://chat.test/");
    co_await visit(one);
  });
  EXPECT_EQ(std::ranges::count(world.log, "open https://chat.test/"), 2);
  EXPECT_EQ(std::ranges::count(world.log, "open " + one), 0);
}

TEST_F(TabPool, ASilencedConversationIsClosedUnderWhoeverHoldsIt) {
  play([&]() -> Wait {
    auto other = co_await open(two);
    auto held = co_await open(one);
    const auto before = world.clock.now();
    const auto since = must_be_well(co_await account->conversations().silence(one));
    EXPECT_GE(since, before);
    EXPECT_EQ(must_be_well(co_await held->state()).state, chat::State::tab_closed);
    EXPECT_EQ(must_be_well(co_await other->state()).state, chat::State::ready);
    const auto fresh = co_await open(one);
    EXPECT_EQ(must_be_well(co_await fresh->state()).state, chat::State::ready);
  });
  EXPECT_EQ(world.starts.size(), 1u);
}

// What is certain already need not be waited for once more.
TEST_F(TabPool, SilenceIsAsOldAsTheBrowserOrTheLastClosedTab) {
  play([&]() -> Wait {
    account->start();
    co_await until_up();
    const auto up = account->keeper().up_since();
    co_await pass(1h);
    EXPECT_EQ(must_be_well(co_await account->conversations().silence(one)), up);
    co_await visit(one);
    co_await pass(1h);
    const auto before = world.clock.now();
    const auto closed = must_be_well(co_await account->conversations().silence(one));
    EXPECT_GE(closed, before);
    co_await pass(1h);
    EXPECT_EQ(must_be_well(co_await account->conversations().silence(one)), closed);
    EXPECT_EQ(must_be_well(co_await account->conversations().alone_since()), up);
    browser().crash();
    co_await until([&] { return world.starts.size() == 2; });
    const auto since = must_be_well(co_await account->conversations().silence(one));
    EXPECT_EQ(since, account->keeper().up_since());
    EXPECT_GT(since, closed);
  });
}

// Whoever let it go did not close it for certain.
TEST_F(TabPool, ATabThatDidNotCloseEarlierIsSilencedWithItsBrowser) {
  world.does_not_close_tabs = true;
  play([&]() -> Wait {
    co_await visit(one);
    browser().tab(one).show(blocked(chat::State::wrong_conversation));
    co_await pass(1s);
    co_await visit(one);
    world.does_not_close_tabs = false;
    must_be_well(co_await account->conversations().silence(two));
    EXPECT_EQ(world.starts.size(), 2u);
  });
}

TEST_F(TabPool, ABrowserThatCannotSilenceATabIsKilled) {
  world.does_not_close_tabs = true;
  play([&]() -> Wait {
    co_await visit(one);
    const auto since = must_be_well(co_await account->conversations().silence(one));
    EXPECT_EQ(world.starts.size(), 2u);
    EXPECT_GE(since, *account->keeper().died_at());
  });
}

TEST_F(TabPool, SilenceOfWhatThisProcessNeverOpenedNeedsABrowserThatRuns) {
  world.start_errors.push_back({base::Code::busy, "profile /p: in use"});
  play([&]() -> Wait {
    const auto early = co_await account->conversations().silence(one);
    EXPECT_FALSE(early);
    co_await until_up();
    must_be_well(co_await account->conversations().silence(one));
  });
}

TEST_F(TabPool, APageThatMayShowSomethingOldIsOpenedAfresh) {
  play([&]() -> Wait {
    co_await visit(one);
    browser().tab(one).show(blocked(chat::State::wrong_conversation));
    co_await pass(1s);
    const auto conversation = co_await open(one);
    EXPECT_EQ(must_be_well(co_await conversation->state()).state, chat::State::ready);
  });
  EXPECT_EQ(std::ranges::count(world.log, "open " + one), 2);
}

TEST_F(TabPool, WhatIsNoAddressIsRefused) {
  play([&]() -> Wait {
    const auto opened = co_await account->conversations().open("chat.test");
    EXPECT_FALSE(opened);
    if (!opened) EXPECT_EQ(opened.error().code, base::Code::invalid);
  });
}

}  // namespace
}  // namespace chat_test
