// Looking for an earlier message: by the exact first line of a user message, and never a guess.
#include "tests/chat/conversation_fixture.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace chat_test {
namespace {

Case on(const char* shell, const char* changes, std::function<Story(World&)> story) {
  return {fmt::format("{} {}", shell, changes), with(shell, changes), std::move(story)};
}

TEST(Find, SeesItsMessageAmongManyAndBehindOthers) {
  const auto story = [](World& w) -> Story {
    // Where nothing of ours is, the last turn is what a baseline would name.
    const auto nothing = must_be(co_await w.chat->find(w.prompt));
    EXPECT_EQ(nothing.sent, std::nullopt) << w.name;
    EXPECT_FALSE(nothing.last_turn.empty()) << w.name;
    EXPECT_EQ(nothing.last_turn, must_be(co_await w.chat->look(1)).turns.back().turn) << w.name;
    const auto sent = must_be(co_await w.send());
    const auto reply = must_be(co_await w.reply(sent));
    const auto own = w.prompt;
    // A later message quotes the marker in its middle.
    w.next_prompt();
    w.prompt.text += "\n" + own.marker + "\nis what came before";
    const auto later = must_be(co_await w.send());
    (void)must_be(co_await w.reply(later));

    const auto found = must_be(co_await w.chat->find(own)).sent;
    EXPECT_NE(must_be(co_await w.chat->look(1)).turns.back().turn, nothing.last_turn) << w.name;
    EXPECT_TRUE(found && found->user_message_id == sent.user_message_id) << w.name;
    w.prompt = own;
    if (found) EXPECT_EQ(must_be(co_await w.reply(*found)).text, reply.text) << w.name;
  };
  in_worlds({on("B", R"({"history": 300})", story),
             on("C", R"({"history": 300, "virtualize": "remove"})", story)});
}

TEST(Find, ALastTurnThatIsDrawnLateIsWaitedFor) {
  in_worlds({on("C", R"({"history": 2, "draw_ms": 4000})", [](World& w) -> Story {
    const auto nothing = must_be(co_await w.chat->find(w.prompt));
    EXPECT_EQ(nothing.sent, std::nullopt);
    EXPECT_FALSE(nothing.last_turn.empty());
    const auto seen = must_be(co_await w.chat->look(1));
    EXPECT_FALSE(seen.turns.empty());
    if (!seen.turns.empty()) EXPECT_EQ(nothing.last_turn, seen.turns.back().turn);
  })});
}

TEST(Find, AQuotedMarkerIsNoMessage) {
  in_worlds({on("C", "{}", [](World& w) -> Story {
    auto other = prompt_of(800, "");
    w.prompt.text += "\n" + other.marker + "\n";
    w.prompt.text += "end";
    (void)must_be(co_await w.send());
    EXPECT_EQ(must_be(co_await w.chat->find(other)).sent, std::nullopt);
  })});
}

TEST(Find, AMessageWithAnotherTextIsToldFromOurs) {
  in_worlds({on("C", "{}", [](World& w) -> Story {
    (void)must_be(co_await w.send());
    auto changed = w.prompt;
    changed.text += " and more";
    EXPECT_TRUE(must_be(co_await w.chat->find(changed)).is_altered);
    EXPECT_FALSE(must_be(co_await w.chat->find(w.prompt)).is_altered);
  })});
}

TEST(Find, WhatTheServerDoesNotShowYetIsNotKnown) {
  in_worlds({on("C", R"({"read_404_ms": 60000})",
                [](World& w) -> Story {
                  (void)must_be(co_await w.send());
                  const auto found = co_await w.chat->find(w.prompt);
                  EXPECT_FALSE(found.has_value()) << w.name;
                }),
             on("B", R"({"read_partial": false, "generate_ms_min": 900, "generate_ms_max": 900})",
                [](World& w) -> Story {
                  (void)must_be(co_await w.send());
                  const auto found = must_be(co_await w.chat->find(w.prompt)).sent;
                  EXPECT_TRUE(found.has_value());
                  if (found) w.expect_answer(must_be(co_await w.reply(*found)));
                })});
}

// Nobody learned the chat's address: the connection was lost after the site had taken the message.
TEST(Find, TheFirstMessageOfANewChatIsFoundAmongTheNewestChats) {
  std::vector<Case> cases;
  for (const char* path : {"/", "/g/g-0123abcd-planner"}) {
    cases.push_back(on("C", "{}", [path](World& w) -> Story {
      const auto home = w.site->origin() + path;
      w.chat = must_be(co_await w.open({.url = home}));
      EXPECT_EQ(outcome(co_await w.send()), "unknown_outcome") << path;
      const auto own = w.prompt;
      // Another one begins later.
      w.chat = must_be(co_await w.open({.url = home}));
      w.next_prompt();
      EXPECT_EQ(outcome(co_await w.send()), "unknown_outcome") << path;

      w.prompt = own;
      w.chat = must_be(co_await w.open({.url = home}));
      const auto found = must_be(co_await w.chat->find(w.prompt)).sent;
      EXPECT_TRUE(found.has_value()) << path;
      if (!found) co_return;
      EXPECT_EQ(found->proof, "readback") << path;
      EXPECT_EQ(found->url, w.site->address(found->conversation_id)) << path;
      EXPECT_EQ(w.chat->url(), found->url) << path;
      EXPECT_EQ(w.accepted().size(), 1u) << path;
      w.expect_answer(must_be(co_await w.reply(*found)));
    }));
  }
  in_worlds(cases, with("C", R"({"send": "lost"})"));
}

// The list of chats may lag behind, so what it lacks proves nothing.
TEST(Find, AFirstMessageThatNoChatShowsIsNotKnown) {
  const auto story = [](World& w) -> Story {
    const auto home = w.site->origin() + "/?model=auto";
    w.chat = must_be(co_await w.open({.url = home}));
    EXPECT_EQ(outcome(co_await w.send()), "unknown_outcome");
    const auto found = co_await w.chat->find(w.prompt);
    EXPECT_FALSE(found.has_value());
    if (!found) EXPECT_EQ(found.error().reason, "unknown_outcome");
    EXPECT_EQ(w.chat->url(), home);
    EXPECT_EQ(must_be(co_await w.chat->state()).state, chat::State::submit_unknown);
    EXPECT_TRUE(w.accepted().empty());
  };
  in_worlds({on("C", "{}", story)}, with("C", R"({"send": "unreachable"})"));
  in_worlds({on("C", "{}", story)}, with("C", R"({"send": "unreachable", "chat_list": false})"));
}

// A page that was left on the chat it looked into belongs to the new chat all the same.
TEST(Find, NothingIsSentIntoAChatThatWasOnlyLookedInto) {
  in_worlds({on("C", "{}",
                [](World& w) -> Story {
                  const auto home = w.site->origin() + "/";
                  w.chat = must_be(co_await w.open({.url = home}));
                  EXPECT_EQ(outcome(co_await w.send()), "unknown_outcome");
                  const std::string begun = w.site->conversations().back();
                  auto knobs = w.site->knobs(begun);
                  knobs.session = "none";
                  w.site->set_knobs(begun, knobs);

                  w.chat = must_be(co_await w.open({.url = home}));
                  const auto found = co_await w.chat->find(w.prompt);
                  EXPECT_FALSE(found.has_value());
                  if (!found) EXPECT_EQ(found.error().code, base::Code::login_required);
                  w.next_prompt();
                  EXPECT_EQ(outcome(co_await w.send()), "unknown_outcome");
                  EXPECT_EQ(w.accepted().size(), 1u);
                  for (const auto& message : w.site->transcript(begun)) {
                    EXPECT_NE(chat::first_line(message.text), w.prompt.marker);
                  }
                })},
            with("C", R"({"send": "lost"})"));
}

}  // namespace
}  // namespace chat_test
