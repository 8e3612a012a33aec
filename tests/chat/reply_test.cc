// The answer is our own, complete and to the letter, however the provider tells it.
#include "tests/chat/conversation_fixture.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace chat_test {
namespace {

using namespace std::chrono_literals;

constexpr auto dom_only = chat::Routes::dom_only;

// The reply to the letter by one of the routes.
std::function<Story(World&)> exact(std::string_view routes) {
  return [routes](World& w) -> Story {
    const auto sent = must_be(co_await w.send());
    const auto reply = must_be(co_await w.whole_reply(sent));
    EXPECT_TRUE(reply.text == w.answer()) << w.name << "\n" << reply.text;
    EXPECT_TRUE(reply.is_final) << w.name;
    EXPECT_FALSE(reply.is_cut_off) << w.name;
    EXPECT_NE(routes.find(reply.route), std::string_view::npos) << w.name << ": " << reply.route;
  };
}

std::function<Story(World&)> cut_off(std::string_view route) {
  return [route](World& w) -> Story {
    const auto sent = must_be(co_await w.send());
    const auto reply = must_be(co_await w.reply(sent));
    EXPECT_TRUE(reply.text == w.answer()) << w.name << "\n" << reply.text;
    EXPECT_TRUE(reply.is_cut_off) << w.name;
    EXPECT_EQ(reply.route, route) << w.name;
  };
}

std::function<Story(World&)> fails(std::string_view reason) {
  return [reason](World& w) -> Story {
    const auto sent = must_be(co_await w.send());
    const auto reply = co_await w.whole_reply(sent);
    EXPECT_FALSE(reply.has_value()) << w.name;
    if (!reply) EXPECT_EQ(reply.error().reason, reason) << w.name << reply.error().message;
  };
}

struct Oddity {
  std::string_view changes;
  std::function<Story(World&)> story;
};

std::vector<Case> on_shells(std::vector<const char*> shells, const std::vector<Oddity>& oddities,
                            chat::ChatOptions options = {}) {
  std::vector<Case> cases;
  for (const char* shell : shells) {
    for (const auto& one : oddities) {
      cases.push_back(
          {fmt::format("{} {}", shell, one.changes), with(shell, one.changes), one.story, options});
    }
  }
  return cases;
}

TEST(Reply, TheNetworkBringsEveryByteUnderEveryOddityOfTheStream) {
  in_worlds(on_shells(
      {"C", "B"},
      {
          {R"({"split_bytes": 7, "reply": "odd_spaces"})", exact("network")},
          {R"({"pause_ms": 400, "token_chars": 3, "stop_button": "early"})", exact("network")},
          {R"({"noise": true, "tool_call": true, "commentary": "Looking **around**"})",
           exact("network")},
          {R"({"rewrite": true, "last_chars": 300})", exact("network")},
          {R"({"last_chars": 10000})", exact("network")},
          {R"({"page_aborts": true, "done_ms": 500, "ui_done_ms": 300})", exact("network")},
          {R"({"handoff": "start", "split_bytes": 11})", exact("network")},
          {R"({"handoff": "middle"})", exact("network")},
          {R"({"handoff": "middle", "handoff_repeats": false, "rewrite": true})", exact("network")},
          {R"({"stop_button": "stays"})", exact("network")},
          {R"({"moderation": "flag"})", exact("network")},
          {R"({"reply": "nested_fence", "respond_ms": 200, "user_turn_ms": 300})",
           exact("network")},
          {R"({"reply_bytes": 300000, "generate_ms_max": 100})", exact("network")},
      }));
}

TEST(Reply, ABrokenStreamIsReadBackAndATruncatedAnswerSaysSo) {
  in_worlds(on_shells({"B", "C"}, {
                                      {R"({"cut": "drop_and_finish"})", exact("readback")},
                                      {R"({"cut": "drop"})", cut_off("readback")},
                                      {R"({"cut": "interrupted"})", cut_off("network")},
                                      {R"({"cut": "length"})", cut_off("network")},
                                  }));
}

// Whoever gave up on the way, it need not have been the model.
TEST(Reply, AStreamThatReportsAnErrorLeavesTheAnswerToTheServersCopy) {
  in_worlds(on_shells({"B", "C"}, {
                                      {R"({"turn_error": "finished"})", exact("readback")},
                                      {R"({"turn_error": "finished", "generate_ms_min": 8000,
                           "generate_ms_max": 8000})",
                                       exact("readback")},
                                      {R"({"turn_error": "finished", "handoff": "start"})",
                                       exact("network readback")},
                                      {R"({"turn_error": "partial"})", cut_off("readback")},
                                  }));
}

TEST(Reply, WhatNoLoadFindsAfterAReportedErrorIsGivenUpWithTheProvidersWords) {
  in_worlds(on_shells({"B", "C"}, {{R"({"turn_error": "empty"})", [](World& w) -> Story {
                                      const auto sent = must_be(co_await w.send());
                                      const auto reply = co_await w.whole_reply(sent);
                                      EXPECT_FALSE(reply.has_value()) << w.name;
                                      if (reply) co_return;
                                      const auto& error = reply.error();
                                      EXPECT_EQ(error.reason, "upstream_failed") << error.message;
                                      EXPECT_TRUE(error.message.contains("Something went wrong"))
                                          << error.message;
                                    }}}));
}

// Also when it is loaded anew. It shows by its commentary, and only on B, as far as is known.
TEST(Reply, AStoppedAnswerIsToldAsTheStateOfItsPageAndTheNextPromptGoesBesideIt) {
  const auto knobs = with("B", R"({"cut": "interrupted", "commentary": "Looking around"})");
  in_world(knobs, [](World& w) -> Story {
    const auto sent = must_be(co_await w.send());
    EXPECT_TRUE(must_be(co_await w.reply(sent)).is_cut_off);
    for (const bool anew : {false, true}) {
      if (anew) must(co_await w.chat->page().reload());
      const auto seen = must_be(co_await w.chat->wait_until_ready());
      const auto judged = must_be(co_await w.chat->judge_now(seen));
      EXPECT_EQ(chat::name(judged.state), "stopped") << judged.evidence;
    }
    w.next_prompt();
    EXPECT_EQ(outcome(co_await w.send()), "sent");
  });
}

// The page reads the same items, so it is no better until it is loaded anew.
TEST(Reply, AnItemThatIsMissingAfterAHandOffLeavesTheAnswerToTheServersCopy) {
  const auto reads_back = [](World& w) -> Story {
    const auto sent = must_be(co_await w.send());
    const auto reply = must_be(co_await w.reply(sent));
    EXPECT_EQ(reply.route, "readback") << w.name;
    EXPECT_TRUE(reply.text == w.answer()) << w.name << "\n" << reply.text;
  };
  in_worlds(
      on_shells({"B", "C"}, {{R"({"handoff": "start", "handoff_hole": true})", reads_back},
                             {R"({"handoff": "middle", "handoff_hole": true})", reads_back}}));
}

TEST(Reply, ModerationIsARefusalOrAtLeastToldAfterwards) {
  in_worlds(on_shells({"B", "C"}, {{R"({"moderation": "remove"})", [](World& w) -> Story {
                                      const auto sent = must_be(co_await w.send());
                                      const auto reply = co_await w.reply(sent);
                                      if (!reply) {
                                        EXPECT_EQ(reply.error().reason, "refused")
                                            << w.name << reply.error().message;
                                        co_return;
                                      }
                                      // The verdict came after the last token had been accepted.
                                      const auto settled =
                                          must_be(co_await w.chat->settle(sent, w.prompt, *reply));
                                      EXPECT_FALSE(settled.differences.empty()) << w.name;
                                    }}}));
}

TEST(Reply, AReloadInTheMiddleLeavesTheAnswerToTheServersCopy) {
  in_worlds(on_shells(
      {"B", "C"}, {{R"({"generate_ms_min": 1500, "generate_ms_max": 1500})", [](World& w) -> Story {
                      const auto sent = must_be(co_await w.send());
                      must(co_await w.chat->page().reload());
                      const auto reply = must_be(co_await w.reply(sent));
                      w.expect_answer(reply);
                    }}}));
}

// As just after a send. The page says so too, and shows nothing of the conversation.
TEST(Reply, AConversationThatIsNotFoundForAMomentIsLoadedAgain) {
  const auto reads_back = [](World& w) -> Story {
    const auto sent = must_be(co_await w.send());
    must(co_await w.chat->page().reload());
    const auto reply = must_be(co_await w.whole_reply(sent));
    EXPECT_EQ(reply.route, "readback") << w.name;
    EXPECT_TRUE(reply.text == w.answer()) << w.name << "\n" << reply.text;
  };
  auto cases = on_shells({"B", "C"}, {{R"({"read_404_ms": 8000})", reads_back}});
  cases.push_back({"not found by the broken page alone",
                   with("C", R"({"cut": "drop_and_finish", "read_404_ms": 4000})"),
                   exact("readback")});
  in_worlds(cases);
}

TEST(Reply, AConversationThatNoLoadFindsIsToldAsSuch) {
  in_worlds(on_shells(
      {"C"}, {{R"({"read_404_ms": 600000})", [](World& w) -> Story {
                 const auto sent = must_be(co_await w.send());
                 must(co_await w.chat->page().reload());
                 const auto reply = co_await w.whole_reply(sent);
                 EXPECT_FALSE(reply.has_value());
                 if (reply) co_return;
                 EXPECT_TRUE(chat::is_error_of(reply.error(), chat::State::conversation_not_found))
                     << reply.error().message;
               }}}));
}

// A page loaded meanwhile shows the question alone, and the server's copy an answer without an end.
TEST(Reply, AnAnswerThatIsStillWrittenIsNotGivenUp) {
  in_worlds(on_shells({"C"}, {{R"({"cut": "drop_and_finish", "cut_at": 5, "recovers": false,
                                   "generate_ms_min": 30000, "generate_ms_max": 30000})",
                               [](World& w) -> Story {
                                 const auto sent = must_be(co_await w.send());
                                 Never finish;
                                 const auto reply = must_be(co_await w.chat->reply(
                                     sent, w.prompt, finish, std::chrono::seconds(80)));
                                 EXPECT_EQ(reply.route, "readback");
                                 EXPECT_EQ(reply.text, w.answer());
                               }}}));
}

// The connection stays open, and nothing comes over it.
TEST(Reply, AnAnswerThatHasFallenSilentIsLookedForAfresh) {
  in_worlds(on_shells({"B", "C"},
                      {{R"({"pause_ms": 10000})",
                        [](World& w) -> Story {
                          const auto sent = must_be(co_await w.send());
                          const auto reply = must_be(co_await w.reply(sent));
                          EXPECT_NE(reply.route, "network") << w.name;
                          w.expect_answer(reply);
                        }}},
                      {.silence_limit = 1s}));
}

// Nothing to use came, and it was the provider's last word.
TEST(Reply, AnEmptyAnswerIsNoReply) {
  in_worlds(on_shells({"C"}, {{R"({"reply": "empty"})", fails("upstream_failed")}}));
}

TEST(Reply, AConnectionThatDiesAfterAHandOffDoesNotHangTheReading) {
  in_worlds(
      on_shells({"C"}, {{R"({"handoff": "start", "generate_ms_min": 600, "generate_ms_max": 600})",
                         [](World& w) -> Story {
                           const auto sent = must_be(co_await w.send());
                           w.site->drop_connections();
                           const auto reply = must_be(co_await w.reply(sent));
                           w.expect_answer(reply);
                         }}}));
}

// The page's blocks are the answer's fenced blocks, to the letter.
Story read_from_page(World& w) {
  const auto sent = must_be(co_await w.send());
  const auto reply = must_be(co_await w.whole_reply(sent));
  EXPECT_EQ(reply.route, "dom") << w.name;
  w.expect_answer(reply);
}

TEST(Reply, ThePageIsReadInEveryFormOfCodeBlock) {
  auto cases =
      on_shells({"B"},
                {{R"({"code": "pre_code"})", read_from_page},
                 {R"({"code": "cm_br"})", read_from_page},
                 {R"({"code": "cm_pre", "reply": "several_blocks"})", read_from_page},
                 {R"({"commentary": "Looking around", "tool_call": true})", read_from_page}},
                {.routes = dom_only});
  for (auto& one :
       on_shells({"C", "D"},
                 {{R"({"code": "plain"})", read_from_page},
                  {R"({"code": "scrollport"})", read_from_page},
                  {R"({"code": "lines"})", read_from_page},
                  {R"({"code_editor_ms": 0, "reply": "several_blocks"})", read_from_page},
                  {R"({"commentary": "Looking around"})", read_from_page}},
                 {.routes = dom_only})) {
    cases.push_back(std::move(one));
  }
  in_worlds(cases);
}

TEST(Reply, AnAnswerThatGrowsIsNotSilentHoweverLongItTakes) {
  const std::string_view slow = R"({"generate_ms_min": 12000, "generate_ms_max": 12000})";
  auto cases = on_shells({"B", "C"}, {{slow, exact("network")}}, {.silence_limit = 5s});
  // A page that were loaded anew would not show the answer grow.
  const std::string_view only_here =
      R"({"generate_ms_min": 12000, "generate_ms_max": 12000, "recovers": false})";
  for (auto& one :
       on_shells({"C"}, {{only_here, read_from_page}}, {.routes = dom_only, .silence_limit = 5s})) {
    cases.push_back(std::move(one));
  }
  in_worlds(cases);
}

TEST(Reply, APageThatShowsOnlyAPartIsReadBackFromTheServer) {
  in_worlds(on_shells({"C", "D"}, {{R"({"code_lines_max": 3})", exact("readback")}},
                      {.routes = dom_only}));
}

TEST(Reply, LyingSignsOfAnEndDoNotTruncateWhatThePageShows) {
  const std::string_view slow =
      R"({"stop_button": "early", "pause_ms": 900, "ui_done_ms": 400, "history": 2})";
  in_worlds(on_shells({"B", "C", "D"},
                      {{slow, read_from_page},
                       {R"({"stop_button": "stays", "history": 1})",
                        [](World& w) -> Story {
                          const auto sent = must_be(co_await w.send());
                          const auto reply = must_be(co_await w.reply(sent));
                          EXPECT_EQ(reply.route, "dom") << w.name;
                          w.expect_answer(reply);
                        }}},
                      {.routes = dom_only}));
}

TEST(Reply, WhatAppearsWhileTheAnswerStreamsDoesNotSpoilIt) {
  std::vector<Case> cases;
  int turn = 0;
  for (const char* when : {"send", "stream"}) {
    for (const char* state :
         {"rate_limit_modal", "login_modal", "unknown_dialog", "usage_cap_banner"}) {
      const auto changes = fmt::format(R"({{"state": "{}", "state_when": "{}"}})", state, when);
      cases.push_back({changes, with(++turn % 2 == 0 ? "B" : "C", changes), exact("network")});
    }
  }
  in_worlds(cases);
}

TEST(Reply, APageThatIsLeftOrBlockedIsToldByItsState) {
  const std::string_view slow =
      R"("state_when": "stream", "generate_ms_min": 2000, "generate_ms_max": 2000)";
  std::vector<Case> cases;
  for (const auto& [state, reason] :
       {std::pair("signed_out", "login_required"), std::pair("challenge", "challenge"),
        std::pair("alert", "ui_changed")}) {
    const auto changes = fmt::format(R"({{"state": "{}", {}}})", state, slow);
    cases.push_back({changes, with("C", changes), fails(reason)});
  }
  in_worlds(cases);
}

TEST(Reply, QuotedErrorsAreNoErrors) {
  auto knobs = with("C", R"({"reply": "fixed"})");
  knobs.reply_text =
      "## Suspicious activity detected\n\n## Could not load this ChatGPT conversation\n\n"
      "Too many requests. Something went wrong. You’ve reached the usage limit.\n\n"
      "> Stay logged out\n\n```json\n{\"error\": \"A network error occurred\"}\n```\n\nUse Work";
  std::vector<Case> cases;
  for (const char* shell : {"B", "C", "D"}) {
    knobs.shell = shell;
    cases.push_back({shell, knobs, [](World& w) -> Story {
                       const auto sent = must_be(co_await w.send());
                       const auto reply = must_be(co_await w.whole_reply(sent));
                       EXPECT_TRUE(reply.text == w.answer()) << w.name << "\n" << reply.text;
                       (void)must_be(co_await w.chat->settle(sent, w.prompt, reply));
                       EXPECT_EQ(must_be(co_await w.chat->state()).state, chat::State::ready);
                     }});
  }
  in_worlds(cases);
}

}  // namespace
}  // namespace chat_test
