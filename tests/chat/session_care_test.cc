// What blocks the session is told when it shows, and told again when it has gone.
#include "bridge/chat/tab_health.h"
#include "tests/chat/account_fixture.h"

namespace chat_test {
namespace {

using namespace std::chrono_literals;
using chat::State;

using SessionCare = AccountTest;

const std::string one = "https://chat.test/c/one";
const std::string two = "https://chat.test/c/two";
const std::string home = "https://chat.test/c/home";

TEST_F(SessionCare, ACheckOpensTheHomePageIfNoneIsOpen) {
  play([&]() -> Wait {
    const auto view = must_be_well(co_await account->session().check());
    EXPECT_EQ(view.state, State::ready);
    EXPECT_EQ(view.conversation, home);
    EXPECT_EQ(view.shell, "B");
    EXPECT_EQ(view.browser, "Chrome/1.2.3.4");
    EXPECT_TRUE(view.can_send);
    EXPECT_TRUE(view.next_check);
  });
}

TEST_F(SessionCare, EveryChangeIsToldOnceWithEvidenceAndWhatToDo) {
  play([&]() -> Wait {
    auto conversation = co_await open(one);
    co_await until([&] { return account_state() == "ready"; });
    const auto shown_at = world.clock.wall();
    browser().tab(one).show(blocked(State::login_required));
    co_await pass(1s);
    EXPECT_EQ(told.back(), "login_required");
    EXPECT_EQ(views.back().evidence, "a sign");
    EXPECT_EQ(views.back().conversation, one);
    EXPECT_NE(views.back().advice.find("flywheel session login"), std::string::npos);
    EXPECT_GE(views.back().since, shown_at);
    const auto count = told.size();
    co_await pass(1min);
    EXPECT_EQ(told.size(), count);
    browser().tab(one).show(ready());
    co_await pass(1s);
    EXPECT_EQ(told.back(), "ready");
  });
}

TEST_F(SessionCare, ATroubleOfOneConversationIsNotOfTheAccount) {
  play([&]() -> Wait {
    co_await visit(one);
    co_await visit(two);
    co_await until([&] { return account_state() == "ready"; });
    browser().tab(two).show(blocked(State::conversation_full));
    co_await pass(1s);
    EXPECT_EQ(account_state(), "ready");
    EXPECT_EQ(told_of.back(), two + " conversation_full");
    EXPECT_EQ(account->session().conversations().size(), 2u);
  });
}

TEST_F(SessionCare, ChecksComeFromTimeToTimeAndReloadWhereNobodyTypes) {
  world.shows[home] = blocked(State::login_required);
  play([&]() -> Wait {
    (void)co_await account->session().check();
    EXPECT_EQ(account_state(), "login_required");
    const auto reloads = std::ranges::count(world.log, "reload " + home);
    co_await pass(13min);
    EXPECT_EQ(std::ranges::count(world.log, "reload " + home), reloads + 1);
    world.shows.clear();
    co_await until([&] { return account_state() == "ready"; });
  });
  EXPECT_EQ(told.back(), "ready");
}

TEST_F(SessionCare, WhereNobodySeesItAPageThatHasGrownOldIsLoadedAnew) {
  play([&]() -> Wait {
    co_await visit(one);
    co_await pass(limits::page_grows_old - 1min);
    EXPECT_EQ(std::ranges::count(world.log, "reload " + one), 0);
    co_await pass(1h);
    EXPECT_EQ(std::ranges::count(world.log, "reload " + one), 1);
  });
}

TEST_F(SessionCare, InAWindowAPageIsLoadedAnewOnlyOnceSomebodySignedIn) {
  options.window = cdp::Window::headed;
  world.shows[home] = blocked(State::login_required);
  world.is_signed_in = false;
  play([&]() -> Wait {
    (void)co_await account->session().check();
    co_await pass(1h);
    EXPECT_EQ(std::ranges::count(world.log, "reload " + home), 0);
    world.shows.clear();
    world.is_signed_in = true;
    const auto view = must_be_well(co_await account->session().check());
    EXPECT_EQ(view.state, State::ready);
  });
}

TEST_F(SessionCare, ASignInInOneTabIsFoundInTheOthers) {
  world.shows[one] = world.shows[two] = blocked(State::login_required);
  options.window = cdp::Window::headed;
  play([&]() -> Wait {
    co_await visit(one);
    co_await visit(two);
    co_await until([&] { return account_state() == "login_required"; });
    world.shows.clear();
    world.is_signed_in = true;
    browser().tab(two).show(ready());
    co_await pass(1s);
    EXPECT_EQ(account_state(), "ready");
  });
  EXPECT_EQ(std::ranges::count(world.log, "reload " + one), 1);
}

TEST_F(SessionCare, AReachedLimitIsLookedAtAgainAfterItsTime) {
  world.shows[home] = blocked(State::usage_cap);
  play([&]() -> Wait {
    (void)co_await account->session().check();
    EXPECT_EQ(account_state(), "usage_cap");
    const auto reloads = std::ranges::count(world.log, "reload " + home);
    co_await pass(limits::limit_check_pause - 1s);
    EXPECT_EQ(std::ranges::count(world.log, "reload " + home), reloads);
    world.shows.clear();
    co_await until([&] { return account_state() == "ready"; });
  });
}

TEST_F(SessionCare, ABrowserThatWentIsToldAndSoIsItsReturn) {
  play([&]() -> Wait {
    (void)co_await account->session().check();
    browser().crash();
    co_await until([&] { return account->keeper().generation() == 2; });
    co_await until([&] { return account_state() == "ready"; });
  });
  const auto gone = std::ranges::find(told, "browser_gone");
  EXPECT_NE(gone, told.end());
  EXPECT_NE(std::ranges::find(gone, told.end(), "ready"), told.end());
}

TEST_F(SessionCare, AScreenshotIsOfThePageThatTells) {
  play([&]() -> Wait {
    EXPECT_EQ((co_await account->session().screenshot()).error().code, base::Code::not_found);
    co_await visit(one);
    co_await visit(two);
    co_await pass(1s);
    browser().tab(one).show(blocked(State::challenge));
    co_await pass(1s);
    EXPECT_EQ(must_be_well(co_await account->session().screenshot()), "PNG of " + one);
  });
}

TEST_F(SessionCare, AScreenshotMustBeEnabled) {
  options.care.may_take_screenshots = false;
  play([&]() -> Wait {
    co_await visit(one);
    EXPECT_EQ((co_await account->session().screenshot()).error().code, base::Code::denied);
  });
}

TEST_F(SessionCare, AnInspectionOpensThePageItIsAskedForAndSharesThoseInUse) {
  play([&]() -> Wait {
    EXPECT_EQ(must_be_well(co_await account->session().inspect("")).seen.url, home);
    const auto in_use = co_await open(one);
    browser().tab(one).show(blocked(State::generating));
    co_await pass(1s);
    EXPECT_EQ(must_be_well(co_await account->session().inspect(one)).judged.state,
              State::generating);
    EXPECT_EQ(must_be_well(co_await account->session().inspect(two)).seen.url, two);
    EXPECT_EQ(browser().tabs(), 2u);
    // Every tab is in use.
    const auto also_in_use = co_await open(two);
    EXPECT_EQ((co_await account->session().inspect(home)).error().code, base::Code::timeout);
    EXPECT_EQ((co_await account->session().inspect("no address")).error().code,
              base::Code::invalid);
  });
}

TEST_F(SessionCare, ADoubtedPageIsLoadedAnewThoughItLooksWell) {
  play([&]() -> Wait {
    co_await visit(one);
    co_await visit(two);
    co_await until([&] { return account->session().conversations().size() == 2; });
    co_await pass(1min);
    account->doubt({one + "?from=elsewhere"});
    const auto asked = world.clock.now();
    (void)co_await account->session().check();
    EXPECT_EQ(std::ranges::count(world.log, "reload " + one), 1);
    EXPECT_EQ(std::ranges::count(world.log, "reload " + two), 0);
    EXPECT_EQ(account->session().conversations().size(), 2u);
    for (const auto& view : account->session().conversations()) {
      EXPECT_TRUE(view.can_send);
      EXPECT_EQ(view.loaded >= asked, view.conversation == one) << view.conversation;
      EXPECT_GE(view.looked, view.loaded);
    }
  });
}

TEST_F(SessionCare, DoubtedPagesThatNoTabShowsAreOpenedAFewAtATime) {
  std::vector<std::string> doubted;
  for (std::size_t i = 0; i < limits::doubted_pages_opened + 2; ++i) {
    doubted.push_back("https://chat.test/c/" + std::to_string(i));
  }
  const auto opened = [&] {
    return static_cast<std::size_t>(std::ranges::count_if(doubted, [&](const std::string& url) {
      return std::ranges::count(world.log, "open " + url) > 0;
    }));
  };
  play([&]() -> Wait {
    (void)co_await account->session().check();
    account->doubt(doubted);
    (void)co_await account->session().check();
    EXPECT_EQ(opened(), limits::doubted_pages_opened);
    (void)co_await account->session().check();
    EXPECT_EQ(opened(), doubted.size());
  });
}

TEST_F(SessionCare, ADialogThatNobodySeesMayBeGoneAfterANewLoad) {
  world.shows[home] = blocked(State::unknown_dialog);
  play([&]() -> Wait {
    EXPECT_EQ(must_be_well(co_await account->session().check()).state, State::unknown_dialog);
    world.shows.clear();
    EXPECT_EQ(must_be_well(co_await account->session().check()).state, State::ready);
  });
}

TEST_F(SessionCare, InAWindowADialogIsLeftToThePersonWhoReadsIt) {
  options.window = cdp::Window::headed;
  world.shows[home] = blocked(State::unknown_dialog);
  world.is_signed_in = true;
  play([&]() -> Wait {
    (void)co_await account->session().check();
    world.shows.clear();
    EXPECT_EQ(must_be_well(co_await account->session().check()).state, State::unknown_dialog);
    browser().tab(home).show(ready());
    co_await until([&] { return account_state() == "ready"; });
  });
  EXPECT_EQ(std::ranges::count(world.log, "reload " + home), 0);
}

chat::Glance shows(chat::Judgement judged, base::Instant::duration age = 1min) {
  return {.judged = std::move(judged), .shell = "B", .document_age = age, .is_over = false};
}

constexpr auto start = base::Instant(1h);

TEST(TabHealth, WhatBlocksIsToldAtOnce) {
  chat::TabHealth health;
  EXPECT_TRUE(health.take(shows(blocked(State::challenge), 0s), chat::Use::leased, start));
  EXPECT_EQ(health.judged()->state, State::challenge);
}

TEST(TabHealth, APageThatIsBuiltIsToldOnlyWhenItLasts) {
  chat::TabHealth health;
  health.take(shows(blocked(State::login_required)), chat::Use::idle, start);
  health.restart();
  EXPECT_FALSE(health.take(shows(blocked(State::hydrating), 0s), chat::Use::idle, start));
  EXPECT_FALSE(health.is_decided());
  EXPECT_EQ(health.judged()->state, State::login_required);
  EXPECT_EQ(health.wake(), start + limits::page_settles);
  EXPECT_TRUE(health.take(shows(blocked(State::hydrating)), chat::Use::idle, health.wake()));
  EXPECT_EQ(health.judged()->state, State::hydrating);
}

TEST(TabHealth, WhatOnlyLooksOddWaitsForThePageToBeBuilt) {
  chat::TabHealth health;
  chat::Judgement odd{.state = State::unknown_ui, .evidence = "no shell", .is_weak = true};
  EXPECT_FALSE(health.take(shows(odd, 1s), chat::Use::idle, start));
  EXPECT_EQ(health.wake(), start + limits::unknown_page_grace - 1s);
  EXPECT_TRUE(health.take(shows(odd, limits::unknown_page_grace), chat::Use::idle, health.wake()));
}

TEST(TabHealth, WhatBelongsToAnExchangeIsNoTrouble) {
  chat::TabHealth health;
  const auto draft = shows(blocked(State::draft_present));
  EXPECT_TRUE(health.take(draft, chat::Use::leased, start));
  EXPECT_EQ(health.judged()->state, State::ready);
  EXPECT_FALSE(health.take(shows(blocked(State::generating)), chat::Use::leased, start));
  EXPECT_TRUE(health.take(draft, chat::Use::idle, start));
  EXPECT_EQ(health.judged()->state, State::draft_present);
}

}  // namespace
}  // namespace chat_test
