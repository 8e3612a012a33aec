#include "bridge/chat/state.h"

#include <gtest/gtest.h>

namespace chat {
namespace {

const Binding bound{"http://site", "/c/1"};

Sighting healthy() {
  Sighting seen;
  seen.url = "http://site/c/1";
  seen.path = "/c/1";
  seen.ready_state = "complete";
  seen.shells = {"C"};
  seen.composer = Sighting::Composer{.count = 1, .stable_ms = 5000};
  return seen;
}

NetworkEvidence signed_in() {
  NetworkEvidence network;
  network.signed_in = true;
  return network;
}

State state_of(const Sighting& seen, const NetworkEvidence& network = signed_in()) {
  return judge(seen, network, bound).state;
}

TEST(Judge, ReadyNeedsEveryPieceOfEvidence) {
  EXPECT_EQ(state_of(healthy()), State::ready);
  EXPECT_TRUE(judge(healthy(), signed_in(), bound).can_send);

  EXPECT_EQ(state_of(healthy(), {}), State::hydrating) << "the session is not known";
  auto seen = healthy();
  seen.composer->stable_ms = 999;
  EXPECT_EQ(state_of(seen), State::hydrating);
  seen = healthy();
  seen.composer->count = 2;
  EXPECT_EQ(state_of(seen), State::unknown_ui);
  seen = healthy();
  seen.composer->text = "half a thought";
  EXPECT_EQ(state_of(seen), State::draft_present);
  seen = healthy();
  seen.composer->attachments = 1;
  EXPECT_EQ(state_of(seen), State::draft_present);
  seen = healthy();
  seen.stop_buttons = 1;
  EXPECT_EQ(state_of(seen), State::generating);
  seen = healthy();
  seen.shells = {};
  EXPECT_EQ(state_of(seen), State::unknown_ui);
  seen.shells = {"B", "C"};
  EXPECT_EQ(state_of(seen), State::unknown_ui);
  seen = healthy();
  seen.dialogs = {"Try our new plan!"};
  EXPECT_EQ(state_of(seen), State::unknown_dialog);
  EXPECT_FALSE(judge(seen, signed_in(), bound).can_send);
}

TEST(Judge, APageWhoseTurnsAreStillToBeDrawnIsNotReady) {
  auto network = signed_in();
  network.history_due = true;
  EXPECT_EQ(state_of(healthy(), network), State::hydrating);
  EXPECT_FALSE(judge(healthy(), network, bound).can_send);
  auto seen = healthy();
  seen.turns.push_back({.role = "assistant", .complete = true});
  EXPECT_EQ(state_of(seen, network), State::ready);
}

TEST(Binding, APlaceInsideAPageIsNoAddress) {
  EXPECT_TRUE(binding_of("https://chat.test/c/1?model=auto"));
  for (const char* url : {"https://chat.test/c/1#", "https://chat.test/c/1#end"}) {
    const auto bad = binding_of(url);
    ASSERT_FALSE(bad) << url;
    EXPECT_NE(bad.error().message.find('#'), std::string::npos);
  }
}

TEST(Judge, TheEarlierStateOfTheTableWins) {
  auto seen = healthy();
  seen.signs = {{"recovery", State::reconnecting, ""},
                {"limit", State::rate_limited, ""},
                {"login", State::login_required, ""}};
  EXPECT_EQ(state_of(seen), State::login_required);
  NetworkEvidence challenged = signed_in();
  challenged.challenged = true;
  EXPECT_EQ(state_of(seen, challenged), State::login_required) << "an app shell is there";
  seen.shells = {};
  EXPECT_EQ(state_of(seen, challenged), State::challenge);
  challenged.load_error = "net::ERR_INTERNET_DISCONNECTED";
  EXPECT_EQ(state_of(seen, challenged), State::offline);
}

TEST(Judge, ASiteThatAnswersWithAnErrorOfItsOwnIsAwayAndNotUnknown) {
  NetworkEvidence failed;
  failed.server_error = 502;
  auto seen = healthy();
  seen.shells = {};
  seen.composer.reset();
  const auto judged = judge(seen, failed, bound);
  EXPECT_EQ(judged.state, State::offline);
  EXPECT_NE(judged.evidence.find("502"), std::string::npos);
  seen.signs = {{"challenge", State::challenge, ""}};
  EXPECT_EQ(state_of(seen, failed), State::challenge) << "the page says more";
  auto network = signed_in();
  network.server_error = 502;
  EXPECT_EQ(state_of(healthy(), network), State::ready) << "an app shell is there";
}

TEST(Judge, TheSessionIsReadFromTheNetwork) {
  NetworkEvidence network;
  network.signed_in = false;
  EXPECT_EQ(state_of(healthy(), network), State::login_required);
  network = signed_in();
  network.session_error = true;
  EXPECT_EQ(state_of(healthy(), network), State::session_expired);
  network = signed_in();
  network.unauthorized = true;
  EXPECT_EQ(state_of(healthy(), network), State::session_expired);
}

TEST(Judge, APageThatMayNotReadItsConversationIsNotReady) {
  auto network = signed_in();
  network.reading_limited = true;
  EXPECT_EQ(state_of(healthy(), network), State::rate_limited);
  EXPECT_FALSE(judge(healthy(), network, bound).can_send);
  network.reading_challenged = true;
  EXPECT_EQ(state_of(healthy(), network), State::challenge) << "an app shell is there";
  EXPECT_TRUE(is_blocking_reads(judge(healthy(), network, bound)));
}

TEST(Judge, AnotherPlaceIsNotTheBoundConversation) {
  auto seen = healthy();
  seen.path = "/c/2";
  EXPECT_EQ(state_of(seen), State::wrong_conversation);
  seen.path = "/";
  EXPECT_EQ(state_of(seen), State::conversation_not_found);
  NetworkEvidence network = signed_in();
  network.conversation_missing = true;
  EXPECT_EQ(state_of(healthy(), network), State::conversation_not_found);

  seen.path = "/c/WEB:1234";
  EXPECT_EQ(judge(seen, signed_in(), {"http://site", "/"}).state, State::ready);
  seen.path = "/g/g-1-x/c/9";
  EXPECT_EQ(judge(seen, signed_in(), {"http://site", "/g/g-1-x"}).state, State::ready);
}

TEST(Judge, TheBrowsersOwnErrorPageMeansOffline) {
  auto seen = healthy();
  seen.url = "chrome-error://chromewebdata/";
  seen.path = "/";
  seen.shells = {};
  EXPECT_EQ(state_of(seen), State::offline);
  EXPECT_FALSE(judge(seen, signed_in(), bound).is_weak);
  // Whoever waits for an answer must not take it for one that did not come.
  EXPECT_EQ(chat::as_error(State::offline, "").reason, "offline");
}

TEST(Judge, ASharedPageIsReadOnlyAndAnUnnamedChatIsWaitedFor) {
  auto seen = healthy();
  seen.path = "/share/1";
  seen.signs = {{"shared-page", State::read_only, ""}};
  EXPECT_EQ(state_of(seen), State::read_only);

  seen = healthy();
  seen.path = "/c/WEB:1234";
  EXPECT_EQ(state_of(seen), State::hydrating);
}

TEST(Judge, WhatAYoungPageMayLookLikeIsWeakEvidence) {
  auto seen = healthy();
  seen.path = "/";
  EXPECT_TRUE(judge(seen, signed_in(), bound).is_weak);
  NetworkEvidence network = signed_in();
  network.conversation_missing = true;
  EXPECT_FALSE(judge(healthy(), network, bound).is_weak);
  EXPECT_TRUE(is_blocking(judge(healthy(), network, bound)));
  seen = healthy();
  seen.shells = {};
  EXPECT_TRUE(judge(seen, signed_in(), bound).is_weak);
}

TEST(Judge, AFailedTurnOfThePastDoesNotBlockTheNextSend) {
  auto seen = healthy();
  seen.turns.push_back({.role = "assistant", .failed = true});
  const auto judged = judge(seen, signed_in(), bound);
  EXPECT_EQ(judged.state, State::error_turn);
  EXPECT_TRUE(judged.can_send);
  seen.stop_buttons = 1;
  EXPECT_FALSE(judge(seen, signed_in(), bound).can_send);
}

TEST(Judge, BesideAFailedTurnASendNeedsAllThatItNeedsElsewhere) {
  auto failed = healthy();
  failed.turns.push_back({.role = "assistant", .failed = true});
  const auto can_send = [](const Sighting& seen, const NetworkEvidence& network = signed_in()) {
    return judge(seen, network, bound).can_send;
  };
  EXPECT_TRUE(can_send(failed));

  EXPECT_FALSE(can_send(failed, {})) << "the session is not known";
  EXPECT_TRUE(judge(failed, {}, bound).is_weak) << "it may still be told";
  NetworkEvidence untold;
  untold.session_untold = true;
  EXPECT_FALSE(can_send(failed, untold));
  auto seen = failed;
  seen.path = "/c/WEB:1234";
  EXPECT_FALSE(can_send(seen)) << "a new chat that somebody began in the window";
  seen = failed;
  seen.stand_in = true;
  EXPECT_FALSE(can_send(seen));
  seen = failed;
  seen.turns.back().running = true;
  EXPECT_FALSE(can_send(seen));
  seen = failed;
  seen.signs = {{"recovery", State::reconnecting, ""}};
  EXPECT_FALSE(can_send(seen));
  seen = failed;
  seen.composer->text = "half a thought";
  EXPECT_FALSE(can_send(seen));
}

TEST(Judge, BesideAModeratedAnswerASendNeedsAllThatItNeedsElsewhere) {
  NetworkEvidence network = signed_in();
  network.moderated = true;
  auto seen = healthy();
  seen.path = "/c/WEB:1234";
  EXPECT_FALSE(judge(seen, network, bound).can_send);
  seen = healthy();
  seen.stand_in = true;
  EXPECT_FALSE(judge(seen, network, bound).can_send);
  network.signed_in.reset();
  EXPECT_FALSE(judge(healthy(), network, bound).can_send);
}

TEST(Judge, AModeratedAnswerIsToldAndDoesNotBlock) {
  NetworkEvidence network = signed_in();
  network.moderated = true;
  const auto judged = judge(healthy(), network, bound);
  EXPECT_EQ(judged.state, State::refused);
  EXPECT_TRUE(judged.can_send);
}

TEST(States, EveryNameReadsBack) {
  for (int i = 0; i <= static_cast<int>(State::ready); ++i) {
    const auto state = static_cast<State>(i);
    EXPECT_EQ(state_named(name(state)), state);
  }
  EXPECT_EQ(state_named("nonsense"), std::nullopt);
}

}  // namespace
}  // namespace chat
