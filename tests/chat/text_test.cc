// Every text arrives to the letter, once, in its conversation.
#include "tests/chat/conversation_fixture.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace chat_test {
namespace {

Story arrives(World& w) {
  EXPECT_EQ(outcome(co_await w.send()), "sent") << w.name;
  const auto taken = w.accepted();
  EXPECT_EQ(taken.size(), 1u) << w.name;
  if (taken.empty()) co_return;
  EXPECT_TRUE(taken[0].text == w.prompt.text) << w.name << "\n" << taken[0].text.substr(0, 2000);
  EXPECT_TRUE(taken[0].attachments.empty()) << w.name;
}

std::string long_text(std::size_t bytes) {
  std::string text;
  // At most some hundred lines: shell B's editor needs seconds for thousands.
  const std::size_t line_bytes = bytes / 400;
  for (int line = 0; text.size() < bytes; ++line) {
    text.append(line_bytes, static_cast<char>('a' + line % 26));
    text += fmt::format("line {}: some_words *with* `marks` & <tags> … {}\n", line, line * 7919);
  }
  return text + "end";
}

TEST(Text, ArrivesToTheLetterWhateverItHolds) {
  const std::vector<std::string> bodies = {
      "\\ * _ ` # > - + ~ | [x](y) ![z] $$a$$ :::writing{} 1. a\n# h\n- l\n```\n~~~",
      "\tTab\t\tTabs \n  two  spaces   three\n trailing   \n\n\n\nblank lines",
      "NBSP\u00a0\u00a0end\u00a0\nzero\u200bwidth\u2060joiner \u00adsoft",
      "emoji 🚀👩‍👩‍👧‍👦🇯🇵 e\u0301 日本語 العربية "
      "\u202bעברית\u202c "
      "end",
      "<b>bold</b> </span> <br> <script>alert(1)</script> &lt; &amp; &nbsp; <!-- --> </p><p>",
      "</span><span data-prompt-literal-paste=\"\">\" ' ` {\"a\": \"\\\\\"}",
      " leading space\n   ",
      "x",
  };
  std::vector<Case> cases;
  for (const char* shell : {"B", "C"}) {
    for (const auto& body : bodies) {
      cases.push_back({fmt::format("{} {}", shell, body), with(shell), [body](World& w) -> Story {
                         w.prompt.text = w.prompt.marker + "\n" + body;
                         co_await arrives(w);
                       }});
    }
  }
  in_worlds(cases);
}

TEST(Text, ArrivesWholeWhateverItsSize) {
  std::vector<Case> cases;
  for (const char* shell : {"B", "C"}) {
    for (const std::size_t bytes : {9'000u, 30'000u, 200'000u}) {
      cases.push_back({fmt::format("{} {}", shell, bytes), with(shell), [bytes](World& w) -> Story {
                         w.prompt.text = w.prompt.marker + "\n" + long_text(bytes);
                         co_await arrives(w);
                       }});
    }
  }
  in_worlds(cases);
}

TEST(Text, ArrivesOnEveryFormOfThePage) {
  std::vector<Case> cases;
  for (const char* changes :
       {R"({"locale": "de"})", R"({"locale": "ja"})", R"({"extra_editors": true})",
        R"({"hydrate_ms": 600})", R"({"hydrate_ms": 600, "stand_in": "empty_main"})",
        R"({"composer_replacements": 3})", R"({"history": 40, "virtualize": "empty"})",
        R"({"history": 40, "virtualize": "remove"})", R"({"history": 300})",
        R"({"history": 20, "history_late_ms": 900})",
        R"({"user_turn_ms": 500, "accept_ms": 300})"}) {
    for (const char* shell : {"B", "C"}) {
      cases.push_back({fmt::format("{} {}", shell, changes), with(shell, changes), arrives});
    }
  }
  in_worlds(cases);
}

TEST(Text, AComposerThatIsReplacedInTheActIsRefusedOrRight) {
  in_worlds({{"replaced", with("C", R"({"composer_replacements": 4, "composer_replace_ms": 1030})"),
              [](World& w) -> Story {
                const auto sent = co_await w.send();
                if (sent) {
                  EXPECT_EQ(w.accepted().at(0).text, w.prompt.text);
                } else {
                  EXPECT_NE(sent.error().reason, "unknown_outcome") << sent.error().message;
                  co_await w.expect_unsent();
                }
              }}});
}

// The first message of a new chat, its reply, and a second one in the same tab.
Story two_in_a_new_chat(World& w) {
  const auto first = must_be(co_await w.send());
  EXPECT_FALSE(first.conversation_id.empty()) << w.name;
  EXPECT_TRUE(first.url.ends_with("/c/" + first.conversation_id)) << w.name << first.url;
  const auto reply = must_be(co_await w.reply(first));
  w.expect_answer(reply);
  EXPECT_TRUE(must_be(co_await w.chat->settle(first, w.prompt, reply)).differences.empty());
  EXPECT_TRUE(must_be(co_await w.chat->find(w.prompt)).sent.has_value()) << w.name;

  w.next_prompt();
  const auto second = must_be(co_await w.send());
  EXPECT_EQ(second.conversation_id, first.conversation_id) << w.name;
  w.expect_answer(must_be(co_await w.reply(second)));
}

TEST(Text, ANewChatIsBoundToTheConversationThatItBecomes) {
  for (const char* shell : {"B", "C"}) {
    std::vector<Case> cases;
    for (const char* path : {"/", "/g/g-0123abcd-planner"}) {
      cases.push_back({fmt::format("{} {}", shell, path), with(shell), [path](World& w) -> Story {
                         w.chat = must_be(co_await w.open({.url = w.site->origin() + path}));
                         co_await two_in_a_new_chat(w);
                       }});
    }
    in_worlds(cases, with(shell));
  }
}

// Its stream may say so later than a send waits for it.
TEST(Text, ANewChatThatIsNamedLateIsKnownWithItsAnswer) {
  in_worlds({{"named late", with("C"),
              [](World& w) -> Story {
                w.chat = must_be(co_await w.open({.url = w.site->origin() + "/"}));
                const auto sent = must_be(co_await w.send());
                EXPECT_TRUE(sent.conversation_id.empty()) << sent.url;
                w.expect_answer(must_be(co_await w.reply(sent)));
                const std::string learnt = w.chat->url();
                const auto found = must_be(co_await w.chat->find(w.prompt)).sent;
                EXPECT_TRUE(found.has_value());
                if (!found) co_return;
                EXPECT_EQ(learnt, w.site->address(found->conversation_id));

                w.next_prompt();
                EXPECT_EQ(must_be(co_await w.send()).url, learnt);
              }}},
            with("C", R"({"first_ms": 7000})"));
}

// As after a message whose new address was not told, or when a person opens a chat in the window.
TEST(Text, ANewChatBeginsAtItsOwnPlaceAlthoughThePageShowsAnotherChat) {
  for (const char* shell : {"B", "C"}) {
    in_worlds({{shell, with(shell, R"({"history": 1})"),
                [](World& w) -> Story {
                  const std::string other = w.url;
                  w.chat = must_be(co_await w.open({.url = w.site->origin() + "/"}));
                  must(co_await w.chat->page().navigate(other));
                  const auto sent = must_be(co_await w.send());
                  EXPECT_FALSE(other.ends_with("/c/" + sent.conversation_id)) << w.name;
                  EXPECT_TRUE(w.site->ledger(other).posts.empty()) << w.name;
                  EXPECT_EQ(w.accepted().size(), 1u) << w.name;
                }}},
              with(shell));
  }
}

TEST(Text, OneTabSendsOneMessageAfterTheOther) {
  std::vector<Case> cases;
  for (const char* shell : {"B", "C", "D"}) {
    cases.push_back(
        {shell, with(shell, R"({"ui_done_ms": 300, "done_ms": 400})"), [](World& w) -> Story {
           for (int i = 0; i < 2; ++i) {
             w.next_prompt();
             const auto sent = must_be(co_await w.send());
             w.expect_answer(must_be(co_await w.reply(sent)));
           }
           // The same prompt again is the same message.
           EXPECT_EQ(outcome(co_await w.send()), "unknown_outcome") << w.name;
         }});
  }
  in_worlds(cases);
}

}  // namespace
}  // namespace chat_test
