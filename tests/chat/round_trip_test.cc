#include "tests/chat/conversation_fixture.h"

#include <gtest/gtest.h>

namespace chat_test {
namespace {

class EveryShell : public testing::TestWithParam<const char*> {
 protected:
  static fixture::Knobs knobs() {
    fixture::Knobs knobs;
    knobs.shell = GetParam();
    return knobs;
  }
};

TEST_P(EveryShell, SendsToTheLetterAndReadsTheReplyByTheNetwork) {
  in_world(knobs(), [](World& w) -> Story {
    const auto sent = must_be(co_await w.send());
    EXPECT_EQ(w.steps.log, "intent armed ");
    EXPECT_EQ(sent.proof, "post");

    const auto reply = must_be(co_await w.reply(sent));
    EXPECT_EQ(reply.route, "network");
    EXPECT_NE(reply.text.find("RFP_PLAN_RESPONSE"), std::string::npos) << reply.text;

    const auto accepted = w.accepted();

    EXPECT_EQ(accepted.at(0).text, w.prompt.text);
    const auto transcript = w.site->transcript(w.url);
    EXPECT_EQ(reply.text, transcript.back().text);

    const auto settled = must_be(co_await w.chat->settle(sent, w.prompt, reply));
    EXPECT_TRUE(settled.differences.empty()) << settled.differences.front();
  });
}

TEST_P(EveryShell, ReadsTheSameReplyFromThePage) {
  in_world(knobs(),
           [](World& w) -> Story {
             const auto sent = must_be(co_await w.send());
             const auto reply = must_be(co_await w.reply(sent));
             EXPECT_EQ(reply.route, "dom");
             EXPECT_EQ(reply.blocks.size(), 1u);
             const auto transcript = w.site->transcript(w.url);
             EXPECT_NE(transcript.back().text.find(reply.blocks.at(0).text), std::string::npos)
                 << reply.blocks.at(0).text;
             EXPECT_EQ(reply.blocks.at(0).language, "json");
           },
           {.routes = chat::Routes::dom_only});
}

TEST_P(EveryShell, AFreshLoadFindsTheMessageAndItsAnswer) {
  in_world(knobs(), [](World& w) -> Story {
    EXPECT_EQ(must_be(co_await w.chat->find(w.prompt)), std::nullopt);
    const auto sent = must_be(co_await w.send());
    const auto reply = must_be(co_await w.reply(sent));
    const auto found = must_be(co_await w.chat->find(w.prompt));
    EXPECT_TRUE(found.has_value());
    EXPECT_EQ(found->user_message_id, sent.user_message_id);
    EXPECT_EQ(must_be(co_await w.reply(*found)).text, reply.text);
  });
}

INSTANTIATE_TEST_SUITE_P(Chat, EveryShell, testing::Values("B", "C", "D"));

}  // namespace
}  // namespace chat_test
