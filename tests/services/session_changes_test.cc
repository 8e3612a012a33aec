// What the journal tells of the session: every change that is one, once, and no flood of them.
#include "bridge/services/session_changes.h"

#include "bridge/base/limits.h"
#include "tests/engine/fixture.h"

#include <gmock/gmock.h>

namespace services {
namespace {

using namespace std::chrono_literals;
using chat::State;
using testing::ElementsAre;
using testing::IsEmpty;

struct SessionChanges : testing::Test {
  void become(State state, std::string evidence = "a sign") {
    view.state = state;
    view.can_send = state == State::ready;
    view.evidence = std::move(evidence);
    view.began = f.clock.now();
  }
  // A look, as there is one after every change and from time to time. Gives what was told last.
  std::optional<State> follow() {
    const SeenSession seen{.view = view, .account = "chatgpt:test", .at = f.clock.now()};
    const auto told = f.write(
        [&](store::Tx& tx) { return tell_session(tx, engine::Journal(), seen, f.clock.wall()); });
    EXPECT_TRUE(told);
    f.pass(1s);
    return told ? *told : std::nullopt;
  }
  std::vector<engine::Entry> entries() {
    const auto page = f.write([&](store::Tx& tx) {
      return engine::Journal().page(tx, 0, 500, {.type = "session.changed"});
    });
    BRIDGE_ASSERT(page);
    return page->entries;
  }
  // "<before> > <state>" of all that was told.
  std::vector<std::string> told() {
    std::vector<std::string> all;
    for (const auto& entry : entries()) {
      const auto& before = entry.data.at("before");
      all.push_back((before.is_string() ? std::string(before.get_string()) : "nothing") + " > " +
                    std::string(entry.data.at("state").as_string()));
    }
    return all;
  }

  engine::Fixture f;
  chat::SessionView view{.conversation = "https://chat.test/c/own"};
};

TEST_F(SessionChanges, AChangeIsToldOnceWithWhatWasBeforeAndWhatShowedIt) {
  become(State::ready, "the composer is there");
  EXPECT_EQ(follow(), State::ready);
  EXPECT_EQ(follow(), State::ready);
  become(State::login_required, "the page says: Log in");
  EXPECT_EQ(follow(), State::login_required);
  EXPECT_EQ(follow(), State::login_required);
  EXPECT_THAT(told(), ElementsAre("nothing > ready", "ready > login_required"));
  const auto last = entries().back();
  EXPECT_EQ(last.subject, "session");
  EXPECT_EQ(last.data.at("account"), "chatgpt:test");
  EXPECT_EQ(last.data.at("evidence"), "the page says: Log in");
  EXPECT_EQ(last.data.at("evidence_trust"), "untrusted");
  EXPECT_EQ(last.data.at("conversation"), "https://chat.test/c/own");
}

TEST_F(SessionChanges, WhatMayPassIsToldOnceItHasLasted) {
  become(State::ready);
  follow();
  for (const State state : {State::hydrating, State::reconnecting, State::browser_gone,
                            State::tab_crashed, State::generating}) {
    become(state);
    follow();
    become(State::ready);
    follow();
  }
  EXPECT_THAT(told(), ElementsAre("nothing > ready"));
  become(State::browser_gone);
  EXPECT_EQ(follow(), State::ready);
  f.pass(limits::session_change_lasts);
  EXPECT_EQ(follow(), State::browser_gone);
  EXPECT_THAT(told(), ElementsAre("nothing > ready", "ready > browser_gone"));
}

TEST_F(SessionChanges, WhatAPageShowsOfTheLastMessageIsNoChangeWhileTheNextCanBeSent) {
  become(State::ready);
  follow();
  for (const State state : {State::generating, State::error_turn, State::stopped}) {
    become(state);
    view.can_send = true;
    EXPECT_EQ(told_state(view), State::ready);
    f.pass(limits::session_change_lasts);
    EXPECT_EQ(follow(), State::ready);
  }
  EXPECT_THAT(told(), ElementsAre("nothing > ready"));
}

TEST_F(SessionChanges, APageThatComesAndGoesFillsNoJournal) {
  for (int i = 0; i < 500; ++i) {
    become(i % 2 == 0 ? State::challenge : State::ready);
    follow();
  }
  const auto most = static_cast<std::size_t>(limits::session_changes_max);
  EXPECT_EQ(entries().size(), most);
  // What it has come to is told in the end.
  become(State::login_required);
  follow();
  EXPECT_EQ(entries().size(), most);
  f.pass(limits::session_changes_period);
  EXPECT_EQ(follow(), State::login_required);
  EXPECT_EQ(told().back(), "ready > login_required");
}

TEST_F(SessionChanges, OfWhatAPageSaysOnlyTheBeginningIsKept) {
  std::string words = "x";
  while (words.size() < limits::session_evidence_bytes_max * 2) words += "\u00e4";
  become(State::challenge, words);
  follow();
  const std::string kept(entries().back().data.at("evidence").as_string());
  // Whole characters of two bytes behind one of one byte.
  EXPECT_EQ(kept, words.substr(0, limits::session_evidence_bytes_max - 1));
  become(State::ready, "");
  view.conversation.clear();
  follow();
  EXPECT_FALSE(entries().back().data.contains("conversation"));
}

}  // namespace
}  // namespace services
