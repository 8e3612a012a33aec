// What becomes of questions, answers and letters when an inbox takes no more.
#include "tests/support/full_inbox.h"

#include "bridge/services/memory/replies.h"
#include "bridge/services/messages/query_question.h"
#include "tests/workflows/life.h"

namespace services {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

// A life in which conversations answer, except to "fail", and their replies are remembered.
struct Crowded {
  Crowded() {
    life.also_told = [this](store::Tx& tx, const engine::Change& change,
                            const engine::Now& now) -> base::Result<> {
      TRY_OK(replies.on_change(tx, change, now));
      return life.letters->on_change(tx, change, now);
    };
    life.handlers[std::string(messages::query_kind)] = converse;
  }
  ~Crowded() { life.end(); }

  void fill(const std::string& agent) {
    EXPECT_TRUE(life.run(life.store->write(
        [&](store::Tx& tx) { return test::fill_inbox(tx, agent, life.clock.wall()); })));
  }
  // Reads one of the letters that fill the inbox.
  void make_room(const Caller& reader) {
    EXPECT_TRUE(life.run(life.letters->ack(reader, reader.agent, "filling-1")));
  }
  Caller itself(std::string name, const std::string& key) {
    auto who = Life::caller(key, name);
    who.agent = life.add_agent(std::move(name), agents::Kind::cli, "");
    return who;
  }
  Messages::Page inbox(const Caller& who) {
    auto page = life.run(life.letters->list(who, who.agent, {}, 0, 20'000, life.clock.now()));
    EXPECT_TRUE(page) << (page ? "" : page.error().message);
    return page ? *std::move(page) : Messages::Page();
  }
  json::object step(const std::string& run, std::string_view name) {
    const auto shown = life.run(life.flows->run(Life::elder, run));
    BRIDGE_ASSERT(shown);
    return shown->at("jobs").at(name).as_object();
  }

  Life life;
  memory::Replies replies{*life.queue, life.journal};
  memory::Memory memory{*life.store, life.journal, life.clock};

 private:
  static base::Task<engine::Outcome> converse(engine::Claim claim, engine::LaneContext& lane) {
    using engine::Stage;
    const std::string asked(claim.job.payload.at("text").as_string());
    if (asked == "fail") co_return engine::Outcome{engine::Outcome::Failed{{"timeout", "silence"}}};
    for (const auto stage : {Stage::intent, Stage::armed, Stage::sent, Stage::replied}) {
      CO_TRY_OK(co_await lane.set_stage(lane.lease(), stage, {}));
    }
    co_return engine::Outcome{
        engine::Outcome::Done{json::object{{"response", json::object{{"text", "re: " + asked}}}}}};
  }
};

TEST(FullInbox, AnAnswerArrivesWithItsMemoryAndTheLaneGoesOn) {
  Crowded f;
  const auto planner = f.itself("Planner", "8");
  f.life.add_agent("Wanderweave", agents::Kind::custom_gpt, "http://127.0.0.1:9/g/g-1");
  std::vector<std::string> queries;
  for (const auto* text : {"first", "fail", "last"}) {
    const auto asked =
        f.life.run(f.life.letters->ask(planner, {.to = "Wanderweave", .text = text}, {}));
    ASSERT_TRUE(asked) << asked.error().message;
    queries.push_back(asked->message.id);
  }
  f.fill(planner.agent);
  f.life.begin();
  std::vector<std::string> ends;
  for (const auto& query : queries) {
    const auto found = f.life.run(
        f.life.letters->result(Life::ann, "Wanderweave", query, f.life.clock.now() + 10min));
    ASSERT_TRUE(found) << found.error().message;
    ends.push_back(found->answer ? found->answer->text : found->query.outcome);
  }
  EXPECT_THAT(ends, testing::ElementsAre("re: first", "timeout", "re: last"));
  EXPECT_EQ(f.inbox(planner).unread, limits::inbox_unread_max + 2);
  std::vector<std::string> remembered;
  const auto page =
      f.life.run(f.memory.list({.principal = "key:0"}, "Wanderweave", {.limit = 100}));
  ASSERT_TRUE(page) << page.error().message;
  for (const auto& entry : page->entries) remembered.push_back(entry.content);
  EXPECT_THAT(remembered, UnorderedElementsAre("re: first", "re: last"));
}

TEST(FullInbox, AnAgentThatPollsAnswersIntoItAsWell) {
  Crowded f;
  const auto planner = f.itself("Planner", "8");
  const auto worker = f.itself("Night Worker", "9");
  const auto asked =
      f.life.run(f.life.letters->ask(planner, {.to = "Night Worker", .text = "new?"}, {}));
  ASSERT_TRUE(asked) << asked.error().message;
  f.fill(planner.agent);
  const auto told = [&](std::string reply_to) {
    return f.life.run(f.life.letters->send(
        worker, {.to = "Planner", .text = "Nothing", .reply_to = std::move(reply_to)}, {}));
  };
  EXPECT_EQ(told("").error().reason, "inbox_full");
  EXPECT_EQ(told(asked->message.id)->message.kind, messages::Kind::answer);
  EXPECT_EQ(f.inbox(planner).unread, limits::inbox_unread_max + 1);
}

TEST(FullInbox, AQueryOfAStepWaitsForRoomAndSaysWhere) {
  Crowded f;
  const auto worker = f.itself("Night Worker", "9");
  f.fill(worker.agent);
  f.life.create("{name: w, jobs: {ask: {uses: gpt/Night Worker, with: {query: What is new?}}}}");
  f.life.begin();
  const auto id = f.life.execute("w");
  const auto waiting = f.step(id, "ask");
  EXPECT_EQ(waiting.at("state"), "ready");
  EXPECT_EQ(waiting.at("error").at("code"), "inbox_full");
  EXPECT_THAT(std::string(waiting.at("error").at("detail").as_string()), HasSubstr("Night Worker"));
  f.make_room(worker);
  EXPECT_TRUE(f.life.until([&] { return f.step(id, "ask").at("state") == "running"; }));
  EXPECT_EQ(f.step(id, "ask").at("error"), nullptr);
  EXPECT_EQ(f.inbox(worker).messages.back().text, "What is new?");
}

TEST(FullInbox, TheRunOfAnAgentAsksNothingUntilItsAgentHasRead) {
  Crowded f;
  const auto planner = f.itself("Planner", "8");
  const auto worker = f.itself("Night Worker", "9");
  f.fill(planner.agent);
  f.life.create("{name: w, jobs: {ask: {uses: gpt/Night Worker, with: {query: What is new?}}}}");
  f.life.begin();
  const auto id = f.life.execute("w", {}, planner);
  const auto waiting = f.step(id, "ask");
  EXPECT_EQ(waiting.at("state"), "ready");
  EXPECT_EQ(waiting.at("error").at("code"), "inbox_full");
  EXPECT_THAT(std::string(waiting.at("error").at("detail").as_string()),
              HasSubstr("/api/gpt-agents/" + planner.agent + "/messages/{id}/ack"));
  EXPECT_TRUE(f.inbox(worker).messages.empty());
  f.make_room(planner);
  EXPECT_TRUE(f.life.until([&] { return f.step(id, "ask").at("state") == "running"; }));
  EXPECT_EQ(f.inbox(worker).messages.size(), 1u);
}

TEST(FullInbox, ALetterOfAStepWaitsForRoomAndItsJobSaysWhy) {
  Crowded f;
  const auto worker = f.itself("Night Worker", "9");
  f.fill(worker.agent);
  f.life.create("{name: w, jobs: {tell: {uses: message/Night Worker, with: {text: Hello}}}}");
  f.life.begin();
  const auto id = f.life.execute("w");
  const engine::JobId job{std::string(f.step(id, "tell").at("job").as_string())};
  const auto error = [&]() -> std::string {
    const auto found =
        f.life.run(f.life.store->read([&](store::Tx& tx) { return f.life.queue->get(tx, job); }));
    BRIDGE_ASSERT(found);
    return found->error ? found->error->code : "";
  };
  EXPECT_TRUE(f.life.until([&] { return !error().empty(); }));
  EXPECT_EQ(error(), "inbox_full");
  EXPECT_EQ(f.step(id, "tell").at("state"), "running");
  f.make_room(worker);
  EXPECT_EQ(f.life.ended(id).at("result"), "success");
  EXPECT_EQ(f.inbox(worker).messages.back().text, "Hello");
}

TEST(FullInbox, ALetterThatNobodyReadsIsDeadAfterItsTime) {
  Crowded f;
  const auto worker = f.itself("Night Worker", "9");
  f.life.begin();
  f.life.letters->start(*f.life.tasks);
  const auto sent =
      f.life.run(f.life.letters->send(Life::ann, {.to = "Night Worker", .text = "Hello"}, {}));
  ASSERT_TRUE(sent) << sent.error().message;
  const auto dead = [&] {
    const auto page = f.life.run(f.life.letters->list(Life::ann, worker.agent, {.only_dead = true},
                                                      0, 10, f.life.clock.now()));
    BRIDGE_ASSERT(page);
    return page->messages;
  };
  const auto later = [&](base::Instant::duration time) {
    f.life.clock.advance_to(f.life.clock.now() + time);
    f.life.pass(2 * limits::letters_look);
  };
  later(limits::inbox_keeps_unread - 1h);
  EXPECT_TRUE(dead().empty());
  later(1h);
  ASSERT_EQ(dead().size(), 1u);
  EXPECT_EQ(dead().front().text, "Hello");
  EXPECT_EQ(dead().front().outcome, "unread");
  EXPECT_EQ(f.inbox(worker).unread, 0);
  const auto told = f.life.entries("message.dead");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told.front().subject, sent->message.id);
}

}  // namespace
}  // namespace services
