// Whatever stands in the way is recognised by its evidence, and nothing is sent.
#include "tests/chat/conversation_fixture.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace chat_test {
namespace {

using namespace std::chrono_literals;

struct Obstacle {
  std::string_view changes;
  std::string_view state;
  std::string_view reason;
};

const std::vector<Obstacle> obstacles = {
    {R"({"state": "challenge"})", "challenge", "challenge"},
    {R"({"state": "suspicious"})", "account_security", "login_required"},
    {R"({"state": "login_button"})", "login_required", "login_required"},
    {R"({"state": "login_modal"})", "login_required", "login_required"},
    {R"({"state": "expired_modal"})", "session_expired", "login_required"},
    {R"({"state": "rate_limit_modal"})", "rate_limited", "rate_limited"},
    {R"({"state": "usage_cap_banner"})", "usage_cap", "usage_cap"},
    {R"({"state": "full"})", "conversation_full", "too_long"},
    {R"({"state": "not_found"})", "conversation_not_found", "conversation_not_found"},
    {R"({"state": "wrong_conversation"})", "wrong_conversation", "conversation_not_found"},
    {R"({"state": "read_only"})", "read_only", "conversation_not_found"},
    {R"({"state": "temporary"})", "temporary_chat", "conversation_not_found"},
    {R"({"state": "unknown_dialog"})", "unknown_dialog", "ui_changed"},
    {R"({"state": "use_work"})", "work_gate", "ui_changed"},
    {R"({"state": "tool_approval"})", "tool_approval", "ui_changed"},
    {R"({"state": "alert"})", "unknown_dialog", "ui_changed"},
    {R"({"state": "reconnecting", "history": 1})", "reconnecting", "timeout"},
    {R"({"state": "load_error"})", "conversation_not_found", "conversation_not_found"},
    {R"({"state": "hydrating_forever"})", "hydrating", "timeout"},
    {R"({"state": "signed_out"})", "login_required", "login_required"},
    {R"({"session": "none"})", "login_required", "login_required"},
    {R"({"session": "stale"})", "session_expired", "login_required"},
    {R"({"draft": "half a thought"})", "draft_present", "ui_changed"},
    {R"({"shell": "unknown"})", "unknown_ui", "ui_changed"},
};

// The send is refused for the obstacle, and the state is told afterwards.
Case refused(std::string_view shell, const Obstacle& obstacle) {
  auto knobs = with(shell, obstacle.changes);
  // What tells D from C is how it shows an answer.
  if (shell == "D") knobs.history = 1;
  return {fmt::format("{} {}", shell, obstacle.changes),
          std::move(knobs),
          [obstacle](World& w) -> Story {
            EXPECT_EQ(outcome(co_await w.send()), obstacle.reason) << w.name;
            const auto judged = must_be(co_await w.chat->state());
            EXPECT_EQ(chat::name(judged.state), obstacle.state) << w.name << judged.evidence;
            EXPECT_FALSE(judged.evidence.empty()) << w.name;
            EXPECT_EQ(w.steps.log, "") << w.name;
            co_await w.expect_unsent();
          },
          {.ready_limit = 2500ms}};
}

class Obstacles : public testing::TestWithParam<const char*> {};

TEST_P(Obstacles, AreRecognisedAndNothingIsSent) {
  std::vector<Case> cases;
  for (const auto& obstacle : obstacles) cases.push_back(refused(GetParam(), obstacle));
  in_worlds(cases);
}

INSTANTIATE_TEST_SUITE_P(Chat, Obstacles, testing::Values("B", "C", "D"));

TEST(Refusal, SignsAreReadInOtherLanguagesToo) {
  std::vector<Case> cases;
  for (const char* locale : {"de", "ja"}) {
    for (const char* state : {"suspicious", "usage_cap_banner", "full", "use_work", "load_error"}) {
      const auto known = std::ranges::find_if(obstacles, [&](const Obstacle& one) {
        return one.changes.find(state) != std::string_view::npos;
      });
      Case one = refused("C", *known);
      one.name += locale;
      one.knobs.locale = locale;
      cases.push_back(std::move(one));
    }
  }
  in_worlds(cases);
}

TEST(Refusal, AHealthyPageWithTheChallengeScriptIsNoChallenge) {
  in_worlds({{"script", with("C", R"({"state": "challenge_script"})"),
              [](World& w) -> Story { EXPECT_EQ(outcome(co_await w.send()), "sent"); }}});
}

// A state that appears after the look that found the page ready.
struct Late {
  std::string_view state;
  std::string_view when;
  std::vector<std::string_view> reasons;
};

Case late(std::string_view shell, const Late& one) {
  const auto changes =
      fmt::format(R"({{"state": "{}", "state_when": "{}", "history": 1}})", one.state, one.when);
  return {fmt::format("{} {}", shell, changes), with(shell, changes), [one](World& w) -> Story {
            const auto reason = outcome(co_await w.send());
            EXPECT_TRUE(std::ranges::find(one.reasons, reason) != one.reasons.end())
                << w.name << ": " << reason;
            if (reason != "unknown_outcome") co_await w.expect_unsent();
          }};
}

TEST(Refusal, AStateThatAppearsBeforeTheClickStopsIt) {
  std::vector<Case> cases;
  const std::vector<Late> states = {
      {"suspicious", "", {"login_required"}},
      {"login_button", "", {"login_required"}},
      {"expired_modal", "", {"login_required"}},
      {"rate_limit_modal", "", {"rate_limited"}},
      {"usage_cap_banner", "", {"usage_cap"}},
      {"full", "", {"too_long"}},
      {"wrong_conversation", "", {"conversation_not_found"}},
      {"unknown_dialog", "", {"ui_changed"}},
      {"use_work", "", {"ui_changed"}},
      {"tool_approval", "", {"ui_changed"}},
      {"reconnecting", "", {"ui_changed"}},
  };
  int turn = 0;
  for (Late state : states) {
    for (const char* when : {"insert", "click"}) {
      state.when = when;
      cases.push_back(late(++turn % 2 == 0 ? "B" : "C", state));
    }
  }
  // Here the page itself goes away or stops under the driver's hands.
  cases.push_back(late("C", {"alert", "insert", {"ui_changed"}}));
  cases.push_back(late("C", {"alert", "click", {"unknown_outcome", "ui_changed"}}));
  for (const auto& [state, when] :
       {std::pair("signed_out", "insert"), std::pair("signed_out", "click"),
        std::pair("challenge", "insert")}) {
    cases.push_back(
        late("B", {state, when, {"login_required", "challenge", "ui_changed", "unknown_outcome"}}));
  }
  in_worlds(cases);
}

struct Answer {
  std::string_view changes;
  std::string_view reason;
  std::size_t taken;
};

TEST(Refusal, ARefusedPostIsCertainlyUnsentAndAnUnansweredOneUnknown) {
  const std::vector<Answer> answers = {
      {R"({"send": "too_long"})", "too_long", 0},
      {R"({"send": "usage_cap"})", "usage_cap", 0},
      {R"({"send": "too_many_requests"})", "rate_limited", 0},
      {R"({"send": "unauthorized"})", "login_required", 0},
      {R"({"send": "unauthorized", "send_times": 1, "posts_again_ms": 300})", "unknown_outcome", 1},
      {R"({"send": "challenge"})", "challenge", 0},
      {R"({"send": "forbidden"})", "upstream_failed", 0},
      {R"({"send": "server_error"})", "unknown_outcome", 0},
      {R"({"send": "unreachable"})", "unknown_outcome", 0},
      {R"({"send": "lost"})", "unknown_outcome", 1},
      {R"({"swallow_click": true})", "unknown_outcome", 0},
      {R"({"click_delay_ms": 60000})", "unknown_outcome", 0},
  };
  std::vector<Case> cases;
  for (const char* shell : {"B", "C"}) {
    for (const auto& answer : answers) {
      cases.push_back({fmt::format("{} {}", shell, answer.changes),
                       with(shell, answer.changes),
                       [answer](World& w) -> Story {
                         const auto sent = co_await w.send();
                         EXPECT_EQ(outcome(sent), answer.reason) << w.name;
                         EXPECT_EQ(w.steps.log, "intent armed ") << w.name;
                         if (outcome(sent) != "unknown_outcome")
                           co_return co_await w.expect_unsent();
                         const auto found = must_be(co_await w.chat->find(w.prompt)).sent;
                         EXPECT_EQ(found.has_value(), answer.taken == 1) << w.name;
                         EXPECT_EQ(w.accepted().size(), answer.taken) << w.name;
                       },
                       {.post_limit = 700ms}});
    }
  }
  in_worlds(cases);
}

TEST(Refusal, ASendThatIsNotProvenInItsTimeIsLookedFor) {
  in_worlds({{"no answer",
              with("C", R"({"respond_ms": 45000})"),
              [](World& w) -> Story {
                EXPECT_EQ(outcome(co_await w.send()), "unknown_outcome");
                EXPECT_EQ(w.steps.log, "intent armed ");
                EXPECT_TRUE(must_be(co_await w.chat->find(w.prompt)).sent);
                EXPECT_EQ(w.accepted().size(), 1u);
              },
              {.send_limit = 10s}}});
}

// Ten minutes pass with every look at it, once it hurries.
class HurriedClock final : public base::Clock {
 public:
  bool hurries = false;

  base::Instant now() const override {
    if (hurries) ahead_ += std::chrono::minutes(10);
    return real_.now() + ahead_;
  }
  base::WallTime wall() const override { return real_.wall(); }
  boost::asio::awaitable<void> sleep_until(base::Instant when) override {
    return real_.sleep_until(when - ahead_);
  }

 private:
  base::SystemClock real_;
  mutable base::Instant::duration ahead_{};
};

TEST(Refusal, WhatTakesTooLongToInsertIsTakenOutAndNotSent) {
  HurriedClock clock;
  in_world(with("C"), [&clock](World& w) -> Story {
    auto page = must(co_await w.browser->open("about:blank"));
    const auto profiles = must_be(chat::Profiles::load({}));
    w.chat =
        must_be(co_await chat::ChatPage::open(std::move(page), profiles, {.url = w.url}, clock));
    w.steps.on_intent = [&clock]() -> base::Task<> {
      clock.hurries = true;
      co_return base::Result<>();
    };
    const auto sent = co_await w.send();
    clock.hurries = false;
    EXPECT_EQ(outcome(sent), "ui_changed");
    if (!sent) EXPECT_EQ(sent.error().code, base::Code::timeout) << sent.error().message;
    EXPECT_EQ(w.steps.log, "intent ");
    co_await w.expect_unsent();
  });
}

// What the server refuses once, and what that is called.
const std::vector<std::pair<std::string_view, std::string_view>> refusals = {
    {"unauthorized", "login_required"}, {"challenge", "challenge"},
    {"forbidden", "upstream_failed"},   {"too_many_requests", "rate_limited"},
    {"usage_cap", "usage_cap"},         {"too_long", "too_long"},
};

TEST(Refusal, WhatWasRefusedOnceGoesOutFromTheSameTab) {
  std::vector<Case> cases;
  int turn = 0;
  for (const auto& [kind, reason] : refusals) {
    const auto changes = fmt::format(R"({{"send": "{}", "send_times": 1}})", kind);
    cases.push_back({std::string(kind), with(++turn % 2 == 0 ? "B" : "C", changes),
                     [reason](World& w) -> Story {
                       EXPECT_EQ(outcome(co_await w.send()), reason) << w.name;
                       co_await w.expect_unsent();
                       const auto sent = must_be(co_await w.send());
                       EXPECT_EQ(w.ledger().posts.size(), 2u) << w.name;
                       EXPECT_EQ(w.accepted().size(), 1u) << w.name;
                       w.expect_answer(must_be(co_await w.reply(sent)));
                     }});
  }
  in_worlds(cases);
}

TEST(Refusal, WhatWasToBeginAChatAndWasRefusedGoesOutToo) {
  in_worlds({{"new chat", with("C"),
              [](World& w) -> Story {
                w.chat = must_be(co_await w.open({.url = w.site->origin() + "/"}));
                EXPECT_EQ(outcome(co_await w.send()), "login_required");
                const auto sent = must_be(co_await w.send());
                EXPECT_EQ(w.accepted().size(), 1u);
                w.expect_answer(must_be(co_await w.reply(sent)));
              }}},
            with("C", R"({"send": "unauthorized", "send_times": 1})"));
}

// The outcome was told long before.
TEST(Refusal, WhatThePageItselfHasPostedMeanwhileIsLookedForAndNotSentAgain) {
  const std::string_view changes =
      R"({"send": "unauthorized", "send_times": 1, "posts_again_ms": 6000})";
  in_worlds({{"meanwhile", with("C", changes), [](World& w) -> Story {
                EXPECT_EQ(outcome(co_await w.send()), "login_required");
                const auto deadline = w.clock.now() + 60s;
                while (w.accepted().empty() && w.clock.now() < deadline) {
                  co_await w.chat->eyes()->news().wait(deadline);
                }
                EXPECT_EQ(outcome(co_await w.send()), "unknown_outcome");
                EXPECT_EQ(w.steps.log, "intent armed ");
                EXPECT_EQ(w.ledger().posts.size(), 2u);
                EXPECT_TRUE(must_be(co_await w.chat->find(w.prompt)).sent.has_value());
              }}});
}

TEST(Refusal, ADraftIsAPersonsUnlessTheOptionsOrTheMarkerSayOtherwise) {
  const auto sends = [](World& w) -> Story {
    EXPECT_EQ(outcome(co_await w.send()), "sent") << w.name;
    EXPECT_EQ(w.accepted().at(0).text, w.prompt.text) << w.name;
  };
  std::vector<Case> cases;
  for (const char* shell : {"B", "C"}) {
    cases.push_back({fmt::format("{} stop", shell), with(shell, R"({"draft": "one\ntwo"})"),
                     [](World& w) -> Story {
                       EXPECT_EQ(outcome(co_await w.send()), "ui_changed") << w.name;
                       const auto seen = must_be(co_await w.chat->look(0));
                       EXPECT_EQ(seen.composer->text, "one\ntwo") << w.name;
                     }});
    cases.push_back({fmt::format("{} clear", shell),
                     with(shell, R"({"draft": "one\ntwo"})"),
                     [sends](World& w) -> Story {
                       // Who only looks clears nothing.
                       EXPECT_FALSE(co_await w.chat->wait_until_ready()) << w.name;
                       EXPECT_FALSE(co_await w.chat->find(w.prompt)) << w.name;
                       const auto seen = must_be(co_await w.chat->look(0));
                       EXPECT_EQ(seen.composer->text, "one\ntwo") << w.name;
                       co_await sends(w);
                     },
                     {.drafts = chat::DraftPolicy::clear}});
    cases.push_back({fmt::format("{} own", shell), with(shell), [sends](World& w) -> Story {
                       // What a crash between insertion and click leaves behind.
                       auto knobs = w.site->knobs(w.url);
                       knobs.draft = w.prompt.text;
                       w.site->set_knobs(w.url, knobs);
                       w.chat = must_be(co_await w.open({}));
                       co_await sends(w);
                     }});
    cases.push_back(
        {fmt::format("{} another of ours", shell), with(shell), [sends](World& w) -> Story {
           // New chats share one draft, and another tab has just written into it.
           auto knobs = w.site->knobs(w.url);
           knobs.draft = packet_prompt(w.number + 77).text;
           w.site->set_knobs(w.url, knobs);
           w.chat = must_be(co_await w.open({}));
           co_await sends(w);
         }});
  }
  in_worlds(cases);
}

TEST(Refusal, AnOverwrittenTextIsNeverSent) {
  std::vector<Case> cases;
  for (const char* shell : {"B", "C"}) {
    for (const char* when : {"insert", "click"}) {
      const auto changes = fmt::format(
          R"({{"draft_overwrite": "theirs", "draft_overwrite_when": "{}", "draft_overwrite_ms": 0}})",
          when);
      cases.push_back(
          {fmt::format("{} {}", shell, when), with(shell, changes), [](World& w) -> Story {
             EXPECT_EQ(outcome(co_await w.send()), "payload_altered") << w.name;
             EXPECT_TRUE(w.ledger().posts.empty()) << w.name;
             const auto seen = must_be(co_await w.chat->look(0));
             EXPECT_EQ(seen.composer->text, "theirs") << w.name;
           }});
    }
  }
  in_worlds(cases);
}

TEST(Refusal, AnUnknownOutcomeBlocksEverySendUntilItIsLookedFor) {
  in_worlds(
      {{"unknown", with("C", R"({"send": "unreachable", "send_times": 1})"), [](World& w) -> Story {
          const chat::Prompt first = w.prompt;
          EXPECT_EQ(outcome(co_await w.send()), "unknown_outcome");
          EXPECT_EQ(must_be(co_await w.chat->state()).state, chat::State::submit_unknown);
          w.next_prompt();
          EXPECT_EQ(outcome(co_await w.send()), "unknown_outcome");
          EXPECT_TRUE(w.accepted().empty());
          EXPECT_EQ(must_be(co_await w.chat->find(first)).sent, std::nullopt);
          EXPECT_EQ(outcome(co_await w.send()), "sent");
        }}});
}

TEST(Refusal, NothingIsSentWhileAnAnswerIsWritten) {
  std::vector<Case> cases;
  for (const char* shell : {"B", "C", "D"}) {
    cases.push_back({shell,
                     with(shell, R"({"pause_ms": 600000, "queue_slot": true})"),
                     [](World& w) -> Story {
                       EXPECT_EQ(outcome(co_await w.send()), "sent") << w.name;
                       w.next_prompt();
                       EXPECT_EQ(outcome(co_await w.send()), "timeout") << w.name;
                       const auto judged = must_be(co_await w.chat->state());
                       EXPECT_EQ(chat::name(judged.state), "generating") << w.name;
                       EXPECT_FALSE(judged.can_send) << w.name;
                       EXPECT_EQ(w.ledger().posts.size(), 1u) << w.name;
                     },
                     {.ready_limit = 8s}});
  }
  in_worlds(cases);
}

// Until the page is in this state, or has had the time to be.
Story comes_to(World& w, std::string_view state) {
  const auto deadline = w.clock.now() + 10s;
  auto judged = must_be(co_await w.chat->state());
  while (chat::name(judged.state) != state && w.clock.now() < deadline) {
    co_await w.chat->eyes()->news().wait(deadline);
    judged = must_be(co_await w.chat->state());
  }
  EXPECT_EQ(chat::name(judged.state), state) << w.name << judged.evidence;
}

TEST(Refusal, BesideATurnThatFailedTheNextMessageGoesOutWithoutARetry) {
  std::vector<Case> cases;
  for (const char* shell : {"B", "C", "D"}) {
    for (const char* changes : {R"({"turn_error": "empty"})", R"({"turn_error": "partial"})"}) {
      cases.push_back(
          {fmt::format("{} {}", shell, changes), with(shell, changes), [](World& w) -> Story {
             EXPECT_EQ(outcome(co_await w.send()), "sent") << w.name;
             co_await comes_to(w, "error_turn");
             auto knobs = w.site->knobs(w.url);
             knobs.turn_error = "none";
             w.site->set_knobs(w.url, knobs);
             w.next_prompt();
             const auto sent = must_be(co_await w.send());
             w.expect_answer(must_be(co_await w.reply(sent)));
             EXPECT_EQ(w.ledger().accepted().size(), 2u) << w.name;
           }});
    }
  }
  in_worlds(cases);
}

TEST(Refusal, AModeratedAnswerIsToldByThePagesState) {
  std::vector<Case> cases;
  for (const char* shell : {"B", "C"}) {
    cases.push_back({shell, with(shell, R"({"moderation": "remove"})"), [](World& w) -> Story {
                       EXPECT_EQ(outcome(co_await w.send()), "sent") << w.name;
                       co_await comes_to(w, "refused");
                     }});
  }
  in_worlds(cases);
}

TEST(Refusal, ASignInByHandIsNoticed) {
  in_worlds({{"signs in",
              with("B", R"({"session": "none"})"),
              [](World& w) -> Story {
                EXPECT_EQ(outcome(co_await w.send()), "login_required");
                auto knobs = w.site->knobs(w.url);
                knobs.session = "ok";
                w.site->set_knobs(w.url, knobs);
                // Signing in ends in a new document, as on the real site.
                cdp_test::must(co_await w.chat->page().reload());
                EXPECT_EQ(outcome(co_await w.send()), "sent");
              },
              {.ready_limit = 2500ms}}});
}

TEST(Refusal, AfterATooLongMessageAShorterOneIsSent) {
  in_worlds(
      {{"too long", with("C", R"({"send": "too_long", "send_times": 1})"), [](World& w) -> Story {
          EXPECT_EQ(outcome(co_await w.send()), "too_long");
          w.prompt = prompt_of(77, "shorter");
          EXPECT_EQ(outcome(co_await w.send()), "sent");
        }}});
}

}  // namespace
}  // namespace chat_test
