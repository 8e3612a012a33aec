// What the pages show closes an account or one lane of it, and what they show later opens it again.
#include "bridge/services/session_watch.h"

#include "tests/engine/fixture.h"

#include <map>

namespace services {
namespace {

using namespace std::chrono_literals;
using chat::State;
using engine::Trip;

const std::string own_page = "https://chat.test/c/own";
const std::string gpt_page = "https://chat.test/g/g-1";
const engine::LaneId own_lane{"chat:own"};
const engine::LaneId gpt_lane{"gpt:1"};
const std::string watched_account = "account";

// Two conversations of an account, whose pages have long been open and ready.
struct SessionWatch : testing::Test {
  SessionWatch() {
    const auto declared = f.write([&](store::Tx& tx) -> base::Result<> {
      TRY_OK(f.queue.declare_lane(tx, own_lane, watched_account, own_page));
      return f.queue.declare_lane(tx, gpt_lane, watched_account, gpt_page);
    });
    BRIDGE_ASSERT(declared);
    view.began = f.clock.now();
    show(own_page, State::ready);
    show(gpt_page, State::ready);
    f.pass(1min);
  }

  // The page is loaded now, and shows this.
  void show(const std::string& url, State state) {
    pages[url] = {.state = state,
                  .can_send = state == State::ready,
                  .evidence = "a sign",
                  .conversation = url,
                  .since = f.clock.wall(),
                  .looked = f.clock.now(),
                  .loaded = f.clock.now()};
  }
  // Is seen to show what it showed.
  void look_at(const std::string& url) { pages[url].looked = f.clock.now(); }
  void become(State state) {
    view.state = state;
    view.evidence = "a sign";
    view.since = f.clock.wall();
    view.began = f.clock.now();
    view.conversation = own_page;
  }
  void block(const engine::LaneId& lane, const std::string& url) {
    ASSERT_TRUE(
        f.write([&](store::Tx& tx) { return f.queue.block(tx, lane, "a dialog", url, f.now()); }));
    f.pass(10s);
  }
  void trip(Trip why, std::optional<base::WallTime> until = {}) {
    ASSERT_TRUE(f.write([&](store::Tx& tx) {
      return f.queue.trip(tx, watched_account, why, "by the server", until, f.now(), gpt_page);
    }));
    f.pass(10s);
  }
  void follow() {
    Sights sights{.account = view, .pages = {}, .at = f.clock.now()};
    for (const auto& [url, page] : pages) sights.pages.push_back(page);
    const WatchedAccount watched{.name = watched_account, .cooldown = 15min};
    ASSERT_TRUE(f.write(
        [&](store::Tx& tx) { return follow_sights(tx, f.queue, watched, sights, f.now()); }));
    f.pass(10s);
  }
  // "<lane>: <trip>" of what is open; "account" where it is the whole.
  std::vector<std::string> open() {
    const auto shut = f.write([&](store::Tx& tx) { return engine::open_breakers(tx, f.now()); });
    BRIDGE_ASSERT(shut);
    std::vector<std::string> all;
    for (const auto& one : *shut) {
      all.push_back((one.lane ? one.lane->text : one.account) + ": " +
                    std::string(engine::name(*one.breaker.trip)));
    }
    return all;
  }
  using Open = std::vector<std::string>;

  engine::Fixture f;
  chat::SessionView view{.state = State::ready, .can_send = true, .conversation = own_page};
  std::map<std::string, chat::SessionView> pages;
};

TEST_F(SessionWatch, WhatOnePageAsksBlocksItsLaneAlone) {
  for (const State state :
       {State::unknown_dialog, State::work_gate, State::tool_approval, State::unknown_ui}) {
    show(gpt_page, state);
    follow();
    EXPECT_EQ(open(), Open{"gpt:1: blocked"});
    show(gpt_page, State::ready);
    follow();
    EXPECT_EQ(open(), Open{});
  }
}

// The other page is as well as ever, and the account with it: of the lane that says nothing.
TEST_F(SessionWatch, ABlockedLaneGoesOnOnlyWhenItsOwnPageWasSeenToWorkSince) {
  block(gpt_lane, gpt_page);
  follow();
  EXPECT_EQ(open(), Open{"gpt:1: blocked"});
  look_at(own_page);
  show(own_page, State::ready);
  become(State::ready);
  follow();
  EXPECT_EQ(open(), Open{"gpt:1: blocked"});
  look_at(gpt_page);
  follow();
  EXPECT_EQ(open(), Open{});
}

TEST_F(SessionWatch, APageWithADialogIsNoEvidenceHoweverNew) {
  block(own_lane, own_page);
  show(own_page, State::unknown_dialog);
  follow();
  EXPECT_EQ(open(), Open{"chat:own: blocked"});
  // It is not told anew each time.
  const auto since = pages[own_page].looked;
  follow();
  f.pass(1h);
  show(own_page, State::ready);
  pages[own_page].looked = since;
  follow();
  EXPECT_EQ(open(), Open{});
}

TEST_F(SessionWatch, APageThatTellsAJobWhatElseIsTheMatterBlocksNoLane) {
  for (const State state : {State::draft_present, State::conversation_full}) {
    block(gpt_lane, gpt_page);
    show(gpt_page, state);
    follow();
    EXPECT_EQ(open(), Open{});
  }
  for (const State state : {State::hydrating, State::tab_crashed, State::offline}) {
    block(gpt_lane, gpt_page);
    show(gpt_page, state);
    follow();
    EXPECT_EQ(open(), Open{"gpt:1: blocked"}) << "a page that tells nothing";
  }
}

// In a window it stands there until somebody closes it.
TEST_F(SessionWatch, WhoResumesALaneIsBelievedUntilItsPageShowsSomethingNew) {
  show(gpt_page, State::unknown_dialog);
  follow();
  EXPECT_EQ(open(), Open{"gpt:1: blocked"});
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.resume(tx, gpt_lane); }));
  look_at(gpt_page);
  follow();
  EXPECT_EQ(open(), Open{});
  show(gpt_page, State::ready);
  follow();
  show(gpt_page, State::unknown_dialog);
  follow();
  EXPECT_EQ(open(), Open{"gpt:1: blocked"});
}

TEST_F(SessionWatch, WhatIsOfTheAccountClosesItAndOpensItWhenItHasGone) {
  const std::map<State, std::string> trips{{State::challenge, "challenge"},
                                           {State::login_required, "login_required"},
                                           {State::session_expired, "login_required"},
                                           {State::account_security, "login_required"}};
  for (const auto& [state, trip_name] : trips) {
    become(state);
    follow();
    EXPECT_EQ(open(), Open{"account: " + trip_name});
    become(State::hydrating);
    follow();
    EXPECT_EQ(open(), Open{"account: " + trip_name});
    become(State::ready);
    f.pass(1s);
    follow();
    EXPECT_EQ(open(), Open{});
  }
}

// The server refused a message, and no page shows anything of it.
TEST_F(SessionWatch, AnAccountThatLookedReadyAllTheTimeIsProvenByTheRefusedPageLoadedAnew) {
  trip(Trip::challenge);
  follow();
  look_at(gpt_page);
  follow();
  show(own_page, State::ready);
  follow();
  EXPECT_EQ(open(), Open{"account: challenge"});
  show(gpt_page, State::ready);
  follow();
  EXPECT_EQ(open(), Open{});
}

// Its conversation is full or gone by now, and no job will ever be sent there.
TEST_F(SessionWatch, ThePageThatShowedTheTroubleNeedNotBeOneThatCanSend) {
  for (const State state : {State::conversation_full, State::conversation_not_found}) {
    trip(Trip::challenge);
    show(gpt_page, State::hydrating);
    follow();
    EXPECT_EQ(open(), Open{"account: challenge"});
    show(gpt_page, state);
    follow();
    EXPECT_EQ(open(), Open{});
  }
}

TEST_F(SessionWatch, ALimitEndsByItsTimeAndNotByAPageThatLooksWell) {
  trip(Trip::rate_limited, f.clock.wall() + 15min);
  become(State::ready);
  show(gpt_page, State::ready);
  follow();
  EXPECT_EQ(open(), Open{"account: rate_limited"});
  f.pass(15min);
  EXPECT_EQ(open(), Open{});
  become(State::usage_cap);
  follow();
  EXPECT_EQ(open(), Open{"account: usage_cap"});
}

// In a tab that nobody loads anew it is there for hours.
TEST_F(SessionWatch, ANoticeOfALimitCountsOnce) {
  become(State::usage_cap);
  follow();
  EXPECT_EQ(open(), Open{"account: usage_cap"});
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.close_breaker(tx, watched_account); }));
  follow();
  EXPECT_EQ(open(), Open{}) << "a person has said that it is over";
  become(State::ready);
  follow();
  become(State::usage_cap);
  follow();
  EXPECT_EQ(open(), Open{"account: usage_cap"}) << "this is another one";
  f.pass(15min);
  follow();
  EXPECT_EQ(open(), Open{}) << "its time has passed";
}

TEST_F(SessionWatch, ANoticeThatACalendarPutsIntoTheFutureCountsOnceToo) {
  become(State::rate_limited);
  view.since += 1h;
  follow();
  EXPECT_EQ(open(), Open{"account: rate_limited"});
  f.pass(15min);
  follow();
  EXPECT_EQ(open(), Open{});
}

TEST_F(SessionWatch, TheNoticeOfARefusalThatIsKnownChangesNothingOfItsTime) {
  trip(Trip::rate_limited, f.clock.wall() + 2min);
  become(State::rate_limited);
  follow();
  EXPECT_EQ(open(), Open{"account: rate_limited"});
  f.pass(2min);
  follow();
  EXPECT_EQ(open(), Open{});
}

TEST_F(SessionWatch, WhatAnotherAccountDoesIsNotItsConcern) {
  ASSERT_TRUE(f.write([&](store::Tx& tx) -> base::Result<> {
    TRY_OK(f.queue.declare_lane(tx, {"chat:other"}, "other", gpt_page));
    TRY_OK(f.queue.trip(tx, "other", Trip::challenge, "", {}, f.now()));
    return f.queue.block(tx, {"chat:other"}, "", gpt_page, f.now());
  }));
  f.pass(10s);
  become(State::ready);
  show(gpt_page, State::ready);
  follow();
  EXPECT_EQ(open(), (Open{"other: challenge", "chat:other: blocked"}));
}

TEST_F(SessionWatch, WhatIsOpenIsToldWithWhatToDo) {
  block(gpt_lane, gpt_page);
  const auto shut = f.write([&](store::Tx& tx) { return engine::open_breakers(tx, f.now()); });
  ASSERT_TRUE(shut && shut->size() == 1);
  EXPECT_TRUE(waits_for_evidence(shut->front()));
  EXPECT_NE(advice(shut->front()).find("flywheel session login"), std::string::npos);
  EXPECT_NE(advice(shut->front()).find(gpt_page), std::string::npos);
}

}  // namespace
}  // namespace services
