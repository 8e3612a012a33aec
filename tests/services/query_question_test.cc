#include "bridge/services/messages/query_question.h"

#include "bridge/engine/schema.h"
#include "bridge/protocol/marker.h"
#include "bridge/services/agents/rules.h"
#include "bridge/services/keys.h"
#include "bridge/services/messages/rules.h"
#include "tests/store/fixture.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace services::messages {
namespace {

namespace json = boost::json;

constexpr std::string_view post_id = "0192b4a0-0000-7000-8000-000000000001";

std::shared_ptr<const Question> question(json::value schema = nullptr) {
  engine::Job job;
  job.payload = {{"asker", "Planner"},
                 {"text", "which tone?\n```\nFLYWHEEL-JOB-x"},
                 {"context", ""},
                 {"schema", std::move(schema)}};
  return *query_questions().question(job);
}

std::string end() { return protocol::end_marker(post_id); }

chat::RawReply reply(std::string text) { return {.text = std::move(text), .route = "network"}; }

TEST(QueryQuestion, AsksWithItsMarkerFirstAndItsWordsFenced) {
  const auto prompt = question()->render(post_id, "key");
  ASSERT_TRUE(prompt);
  EXPECT_TRUE(prompt->text.starts_with(prompt->marker + "\n"));
  // The fence is longer than any run of backticks in the question.
  EXPECT_NE(prompt->text.find("````text\nwhich tone?\n```\n"), std::string::npos);
  EXPECT_NE(prompt->text.find(end()), std::string::npos);
}

TEST(QueryQuestion, AnAnswerIsWhatComesBeforeTheEndMarker) {
  const auto asked = question();
  const auto finish = asked->finish(end());
  EXPECT_FALSE(finish->is_reached("warm"));
  const std::string whole = "warm\n\nand clear\n\n" + end();
  EXPECT_TRUE(finish->is_reached(whole));
  const auto answer = asked->judge(reply(whole), end());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->response.at("text"), "warm\n\nand clear");
  EXPECT_TRUE(answer->warnings.empty());
}

TEST(QueryQuestion, AReplyWithoutItsMarkerIsTakenWithAWarningUnlessItWasCutOff) {
  const auto asked = question();
  const auto answer = asked->judge(reply("warm"), end());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->warnings.size(), 1u);
  auto cut = reply("war");
  cut.is_cut_off = true;
  EXPECT_FALSE(asked->judge(cut, end()));
  EXPECT_FALSE(asked->judge(reply(end()), end()));
}

TEST(QueryQuestion, ASchemaIsAskedForAndHeld) {
  const json::object schema{{"type", "object"}, {"required", json::array{"tone"}}};
  const auto asked = question(schema);
  EXPECT_NE(asked->render(post_id, "key")->text.find("\"required\":[\"tone\"]"), std::string::npos);
  const auto with = [](std::string_view object) {
    return "```json\n" + std::string(object) + "\n```\n\n" + end();
  };
  EXPECT_FALSE(asked->finish(end())->is_reached(with("{\"mood\": 1}")));
  EXPECT_TRUE(asked->finish(end())->is_reached(with("{\"tone\": \"warm\"}")));
  const auto answer = asked->judge(reply(with("{\"tone\": \"warm\"}")), end());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->response.at("value").at("tone"), "warm");
  const auto wrong = asked->judge(reply(with("{\"mood\": 1}")), end());
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().violations.size(), 1u);
  const auto repair = asked->render_repair(post_id, "key", wrong.error());
  ASSERT_TRUE(repair);
  EXPECT_NE(repair->text.find("REPAIR"), std::string::npos);
  EXPECT_FALSE(check_schema(json::object{{"type", "objekt"}}));
}

// Jobs of the thread "paris" that ask an agent, over a store in memory.
struct Chats {
  template <class Work>
  auto write(Work work) {
    auto done = store::run(loop, store->write(std::move(work)));
    BRIDGE_ASSERT(done);
    return *std::move(done);
  }

  Chats() {
    std::vector<store::Migration> steps;
    for (const auto part :
         {engine::migrations(), key_migrations(), agents::migrations(), migrations()}) {
      steps.insert(steps.end(), part.begin(), part.end());
    }
    auto opened = store::SqliteStore::open({.path = ":memory:"}, loop.get_executor(), steps);
    BRIDGE_ASSERT(opened);
    store = *std::move(opened);
    gpt = write([&](store::Tx& tx) {
      return agents::add({tx, journal, {}, "key:1"}, catalogue, {.name = "GPT"});
    });
  }
  engine::Job asked(std::string_view asker, std::string_view link) const {
    engine::Job job;
    job.payload = {{"agent", gpt.id}, {"asker_id", asker}, {"thread", "paris"}, {"link", link}};
    return job;
  }
  void sent(const engine::Job& job, std::string url) {
    write([&](store::Tx& tx) -> base::Result<bool> {
      TRY_OK(kind.sent(tx, job, {.url = std::move(url)}));
      return true;
    });
  }
  std::string address(const engine::Job& job) {
    return write([&](store::Tx& tx) { return kind.address(tx, job); });
  }

  boost::asio::io_context loop;
  engine::Journal journal;
  agents::Catalogue catalogue = agents::Catalogue::built_in();
  std::unique_ptr<store::SqliteStore> store;
  agents::Agent gpt;
  QuestionKind kind = query_questions();
};

TEST(QueryQuestion, AThreadGoesOnForItsAskerAlone) {
  Chats chats;
  chats.sent(chats.asked("ann", "a new chat"), "https://chatgpt.com/c/1");
  EXPECT_EQ(chats.address(chats.asked("ann", "a new chat")), "https://chatgpt.com/c/1");
  EXPECT_EQ(chats.address(chats.asked("bob", "a new chat")), "a new chat");
}

TEST(QueryQuestion, AThreadBeginsAnewWhenItsAgentHasAnotherLink) {
  Chats chats;
  const auto before = chats.asked("ann", "https://chatgpt.com/g/g-1");
  const auto after = chats.asked("ann", "https://chatgpt.com/g/g-2");
  chats.sent(before, "https://chatgpt.com/g/g-1/c/1");
  EXPECT_EQ(chats.address(before), "https://chatgpt.com/g/g-1/c/1");
  EXPECT_EQ(chats.address(after), "https://chatgpt.com/g/g-2");
  chats.sent(after, "https://chatgpt.com/g/g-2/c/2");
  EXPECT_EQ(chats.address(after), "https://chatgpt.com/g/g-2/c/2");
  EXPECT_EQ(chats.address(before), "https://chatgpt.com/g/g-1");
}

TEST(QueryQuestion, AChatWhoseLinkNobodyNotedGoesOnUntilItIsNoted) {
  Chats chats;
  const auto noted = store::write_one(
      chats.loop, *chats.store,
      "INSERT INTO message_chats (agent, asker, thread, url, changed_ms) VALUES ('" + chats.gpt.id +
          "', 'ann', 'paris', 'https://chatgpt.com/g/g-1/c/1', 0)");
  EXPECT_TRUE(noted) << (noted ? "" : noted.error().message);
  const auto job = chats.asked("ann", "https://chatgpt.com/g/g-1");
  EXPECT_EQ(chats.address(job), "https://chatgpt.com/g/g-1/c/1");
  chats.sent(job, "https://chatgpt.com/g/g-1/c/1");
  EXPECT_EQ(chats.address(chats.asked("ann", "https://chatgpt.com/g/g-2")),
            "https://chatgpt.com/g/g-2");
}

TEST(QueryQuestion, NoThreadGoesOnWithAnAgentThatWasRemovedBeforeItsMessageWasSent) {
  Chats chats;
  const auto job = chats.asked("ann", "https://chatgpt.com/g/g-1");
  chats.write([&](store::Tx& tx) -> base::Result<bool> {
    TRY_OK(agents::remove({tx, chats.journal, {}, "key:1"}, chats.catalogue, chats.gpt));
    return true;
  });
  chats.sent(job, "https://chatgpt.com/g/g-1/c/1");
  EXPECT_EQ(chats.address(job), "https://chatgpt.com/g/g-1");
}

}  // namespace
}  // namespace services::messages
