#include "bridge/services/exchange.h"

#include "bridge/protocol/message_types.h"
#include "bridge/services/finish.h"

#include <deque>
#include <fstream>
#include <sstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace services {
namespace {

using base::Code;

// Accepts every message and answers with what it was given, in order.
class ScriptedConversation final : public chat::Conversation {
 public:
  std::vector<chat::Prompt> posted;
  std::deque<std::string> answers;
  bool loses_the_outcome = false;
  bool has_the_message = false;

  base::Task<chat::Judgement> state() override {
    co_return chat::Judgement{chat::State::ready, "", true};
  }
  base::Task<chat::Search> find(const chat::Prompt&) override {
    ++finds;
    if (!has_the_message) co_return chat::Search();
    co_return chat::Search{.sent = chat::Sent{.user_message_id = "u", .proof = "readback"}};
  }
  base::Task<chat::Sent> send(const chat::Prompt& prompt, chat::SendSteps& steps) override {
    CO_TRY_OK(co_await steps.intent({}));
    CO_TRY_OK(co_await steps.armed());
    posted.push_back(prompt);
    if (loses_the_outcome) co_return base::fail(Code::timeout, "no answer", "unknown_outcome");
    co_return chat::Sent{.user_message_id = "u", .proof = "post"};
  }
  base::Task<chat::RawReply> reply(const chat::Sent&, const chat::Prompt& prompt,
                                   chat::FinishCheck& finish, base::Instant::duration) override {
    if (answers.empty()) co_return base::fail(Code::timeout, "nothing came", "timeout");
    std::string text = answers.front();
    answers.pop_front();
    if (const auto at = text.find("END"); at != std::string::npos) {
      text.replace(at, 3, prompt.end_marker);
    }
    reached.push_back(finish.is_reached(text));
    co_return chat::RawReply{.text = text, .route = "network", .is_final = true};
  }
  base::Task<chat::Settled> settle(const chat::Sent&, const chat::Prompt&,
                                   const chat::RawReply&) override {
    co_return chat::Settled{.differences = {"it grew"}};
  }

  int finds = 0;
  std::vector<bool> reached;
};

class Stages final : public ExchangeObserver {
 public:
  std::string log;
  std::optional<Stage> refuses;

  base::Task<> on_stage(Stage stage, std::string_view, std::string_view) override {
    log += std::string(name(stage)) + " ";
    if (stage == refuses) co_return base::fail(Code::unavailable, "the disk is full");
    co_return base::Result<>();
  }
};

std::string example(const std::string& name) {
  std::ifstream in(std::string(SOURCE_DIR) + "/fixtures/packets/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

protocol::Packet packet() {
  static const auto types = protocol::MessageTypes::built_in();
  auto parsed = protocol::Packet::parse(example("spec-lock.json"), types);
  EXPECT_TRUE(parsed);
  return *parsed;
}

std::string valid_answer() {
  return fmt::format("```json\n{}\n```\nEND\n", example("replies/spec-lock.json"));
}

struct World {
  ScriptedConversation conversation;
  Stages stages;
  base::SystemClock clock;
  protocol::Packet asked = packet();
  std::optional<std::expected<Answered, ExchangeFailure>> outcome;

  void run(int repairs_max = 2) {
    boost::asio::io_context loop;
    auto story = [&]() -> boost::asio::awaitable<void> {
      Exchange exchange(conversation, clock, "key",
                        {.reply = std::chrono::seconds(1), .repairs_max = repairs_max});
      outcome = co_await exchange.run(asked, stages);
    };
    boost::asio::co_spawn(loop, story(), boost::asio::detached);
    loop.run();
  }
};

TEST(Exchange, AValidAnswerIsDeliveredAfterEveryDurablePoint) {
  World w;
  w.conversation.answers = {valid_answer()};
  w.run();
  ASSERT_TRUE(*w.outcome) << w.outcome->error().message;
  EXPECT_EQ(w.stages.log, "preparing intent armed sent replied ");
  EXPECT_EQ((*w.outcome)->reply.verdict(), "ok");
  EXPECT_EQ((*w.outcome)->repairs, 0);
  EXPECT_EQ(w.conversation.reached, std::vector<bool>{true});
}

TEST(Exchange, AnInvalidAnswerIsAskedForAgainUnderANewMarker) {
  World w;
  w.conversation.answers = {"```json\n{\"msg_type\": \"OTHER\"}\n```\nEND", valid_answer()};
  w.run();
  ASSERT_TRUE(*w.outcome) << w.outcome->error().message;
  EXPECT_EQ((*w.outcome)->repairs, 1);
  ASSERT_EQ(w.conversation.posted.size(), 2u);
  EXPECT_NE(w.conversation.posted[0].marker, w.conversation.posted[1].marker);
  EXPECT_NE(w.conversation.posted[1].text.find("REPAIR:"), std::string::npos);
  EXPECT_EQ(w.conversation.reached, (std::vector<bool>{false, true}));
}

TEST(Exchange, RepairsAreBoundedAndTheLastTextIsKept) {
  World w;
  w.conversation.answers = {"no", "still no", "never"};
  w.run(1);
  ASSERT_FALSE(*w.outcome);
  EXPECT_EQ(w.outcome->error().reason, "invalid_reply");
  EXPECT_EQ(w.outcome->error().raw, "still no");
  EXPECT_EQ(w.conversation.posted.size(), 2u);
}

TEST(Exchange, ALostOutcomeIsLookedForAndNeverSentAgain) {
  World w;
  w.conversation.loses_the_outcome = true;
  w.run();
  ASSERT_FALSE(*w.outcome);
  EXPECT_EQ(w.outcome->error().reason, "unknown_outcome");
  EXPECT_EQ(w.conversation.posted.size(), 1u);
  EXPECT_EQ(w.conversation.finds, 1);

  World found;
  found.conversation.loses_the_outcome = found.conversation.has_the_message = true;
  found.conversation.answers = {valid_answer()};
  found.run();
  ASSERT_TRUE(*found.outcome);
  EXPECT_EQ(found.conversation.posted.size(), 1u);
}

TEST(Exchange, NothingIsPostedWhenADurablePointFails) {
  for (const Stage stage : {Stage::intent, Stage::armed}) {
    World w;
    w.stages.refuses = stage;
    w.run();
    ASSERT_FALSE(*w.outcome);
    EXPECT_EQ(w.outcome->error().message, "the disk is full");
    EXPECT_TRUE(w.conversation.posted.empty());
  }
}

TEST(ReplyFinish, IsReachedAtTheLastCharacterAndNotBefore) {
  const auto asked = packet();
  std::string text = valid_answer();
  text.replace(text.find("END\n"), 4, "FLYWHEEL-END-1");
  ReplyFinish finish(asked, "FLYWHEEL-END-1");
  for (std::size_t size = 1; size < text.size(); size += 7) {
    EXPECT_FALSE(finish.is_reached(std::string_view(text).substr(0, size))) << size;
  }
  EXPECT_TRUE(finish.is_reached(text));
}

TEST(ReplyFinish, GivesTheAnswerThatReachedTheLineOnceAndForThatTextOnly) {
  const auto asked = packet();
  std::string text = valid_answer();
  text.replace(text.find("END\n"), 4, "FLYWHEEL-END-1");
  ReplyFinish finish(asked, "FLYWHEEL-END-1");
  EXPECT_FALSE(finish.take({.text = text}));
  ASSERT_TRUE(finish.is_reached(text));
  EXPECT_FALSE(finish.take({.text = text + " and more"}));
  EXPECT_FALSE(finish.take({.text = text, .blocks = {{"json", "{}"}}}));
  EXPECT_TRUE(finish.take({.text = text}));
  EXPECT_FALSE(finish.take({.text = text}));
}

TEST(ReplyFinish, ATextThatBecameShorterIsReadAnew) {
  const auto asked = packet();
  std::string text = valid_answer();
  text.replace(text.find("END\n"), 4, "FLYWHEEL-END-1");
  ReplyFinish finish(asked, "FLYWHEEL-END-1");
  EXPECT_FALSE(finish.is_reached(text + "and more prose that will be taken back"));
  EXPECT_TRUE(finish.is_reached(text));
}

}  // namespace
}  // namespace services
