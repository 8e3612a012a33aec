#include "tests/chat/conversation_fixture.h"

#include <gtest/gtest.h>

namespace chat_test {
namespace {

void on_every_shell(const std::function<Story(World&)>& story, chat::ChatOptions options = {}) {
  std::vector<Case> cases;
  for (const char* shell : {"B", "C", "D"}) cases.push_back({shell, with(shell), story, options});
  in_worlds(cases);
}

TEST(RoundTrip, SendsToTheLetterAndReadsTheReplyByTheNetwork) {
  on_every_shell([](World& w) -> Story {
    const auto sent = must_be(co_await w.send());
    EXPECT_EQ(w.steps.log, "intent armed ");
    EXPECT_EQ(sent.proof, "post");
    EXPECT_EQ(sent.url, w.url);

    const auto reply = must_be(co_await w.reply(sent));
    EXPECT_EQ(reply.route, "network");
    EXPECT_NE(reply.text.find("RFP_PLAN_RESPONSE"), std::string::npos) << reply.text;
    EXPECT_EQ(w.accepted().at(0).text, w.prompt.text);
    w.expect_answer(reply);

    const auto settled = must_be(co_await w.chat->settle(sent, w.prompt, reply));
    EXPECT_TRUE(settled.differences.empty()) << settled.differences.front();
  });
}

TEST(RoundTrip, ReadsTheSameReplyFromThePage) {
  on_every_shell(
      [](World& w) -> Story {
        const auto sent = must_be(co_await w.send());
        const auto reply = must_be(co_await w.reply(sent));
        EXPECT_EQ(reply.route, "dom");
        EXPECT_EQ(reply.blocks.size(), 1u);
        EXPECT_EQ(reply.blocks.at(0).language, "json");
        w.expect_answer(reply);
      },
      {.routes = chat::Routes::dom_only});
}

TEST(RoundTrip, AFreshLoadFindsTheMessageAndItsAnswer) {
  on_every_shell([](World& w) -> Story {
    EXPECT_EQ(must_be(co_await w.chat->find(w.prompt)).sent, std::nullopt);
    const auto sent = must_be(co_await w.send());
    const auto reply = must_be(co_await w.reply(sent));
    const auto found = must_be(co_await w.chat->find(w.prompt)).sent;
    EXPECT_TRUE(found.has_value());
    EXPECT_EQ(found->user_message_id, sent.user_message_id);
    EXPECT_EQ(must_be(co_await w.reply(*found)).text, reply.text);
  });
}

}  // namespace
}  // namespace chat_test
