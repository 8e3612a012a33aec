#include "bridge/services/messages/query_question.h"

#include "bridge/engine/schema.h"
#include "bridge/protocol/marker.h"
#include "bridge/services/keys.h"
#include "bridge/services/messages/rules.h"
#include "bridge/store/sqlite_store.h"

#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
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

TEST(QueryQuestion, AThreadGoesOnForItsAskerAlone) {
  boost::asio::io_context loop;
  std::vector<store::Migration> steps;
  for (const auto part : {engine::migrations(), key_migrations(), migrations()}) {
    steps.insert(steps.end(), part.begin(), part.end());
  }
  const auto store = store::SqliteStore::open({.path = ":memory:"}, loop.get_executor(), steps);
  ASSERT_TRUE(store) << store.error().message;
  const auto asked_by = [](std::string_view asker) {
    engine::Job job;
    job.payload = {
        {"agent", "gpt"}, {"asker_id", asker}, {"thread", "paris"}, {"link", "a new chat"}};
    return job;
  };
  const auto kind = query_questions();
  std::vector<std::string> addresses;
  boost::asio::co_spawn(
      loop, (*store)->write([&](store::Tx& tx) -> base::Result<> {
        TRY_OK(kind.sent(tx, asked_by("ann"), {.url = "https://chatgpt.com/c/1"}));
        for (const auto* asker : {"ann", "bob"}) {
          TRY(auto url, kind.address(tx, asked_by(asker)));
          addresses.push_back(std::move(url));
        }
        return {};
      }),
      [](const std::exception_ptr&, const base::Result<>& done) { EXPECT_TRUE(done); });
  loop.run();
  EXPECT_THAT(addresses, testing::ElementsAre("https://chatgpt.com/c/1", "a new chat"));
}

}  // namespace
}  // namespace services::messages
