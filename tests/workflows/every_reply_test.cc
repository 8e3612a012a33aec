// Every reply is remembered once, by whatever way it came, and wherever the program dies meanwhile.
#include "bridge/services/memory/replies.h"
#include "bridge/services/messages/query_question.h"
#include "tests/workflows/life.h"

#include <filesystem>

#include <boost/json/serialize.hpp>

namespace services {
namespace {

using testing::UnorderedElementsAre;

// Lets nothing be written any more from one commit on.
struct Death final : base::Faults {
  base::Result<> at(std::string_view passed) override {
    const bool is_counted = passed == "store.commit" && commits_left > 0;
    if (!is_over && (!is_counted || --commits_left > 0)) return {};
    is_over = true;
    return base::fail(base::Code::unavailable, "the program has died", "io");
  }
  int commits_left = 0;  // 0: it does not happen
  bool is_over = false;
};

// Two packets, two queries that a conversation answers and two that lie in an inbox: one of each
// asked for by itself, the other by a workflow's step.
constexpr std::string_view workflow = R"(
name: w
jobs:
  packet:
    uses: packet/RFP_PLAN
    with:
      bead_id: bd-12
      context: {repo: r, branch: main, goal: g, constraints: []}
      inputs: {artifacts: [], questions: [packet of a step]}
      requested_output: {format: json, fields: [plan]}
  conversation: {uses: gpt/Wanderweave, with: {query: query of a step}}
  inbox: {uses: gpt/Night Worker, with: {query: inbox of a step}}
)";

class Asking {
 public:
  explicit Asking(const std::string& path, Death& death) : life(path, 1, 100, &death) {
    replies.emplace(*life.queue, life.journal);
    memory.emplace(*life.store, life.journal, life.clock);
    life.also_told = [this](store::Tx& tx, const engine::Change& change,
                            const engine::Now& now) -> base::Result<> {
      TRY_OK(replies->on_change(tx, change, now));
      return life.letters->on_change(tx, change, now);
    };
    for (const auto kind : {packet_kind, messages::query_kind}) {
      life.handlers[std::string(kind)] = [this](engine::Claim claim, engine::LaneContext& lane) {
        return converse(std::move(claim.job), lane);
      };
    }
  }

  void register_all() {
    life.add_agent("Wanderweave", agents::Kind::custom_gpt, "http://127.0.0.1:9/g/g-1");
    life.add_agent("Night Worker", agents::Kind::cli, "");
    life.create(workflow);
  }
  // Asks for everything and answers what lies in the inbox, until all has ended or nothing can be
  // written any more.
  void work(const Death& death) {
    bool has_ended = false;
    boost::asio::co_spawn(life.loop, ask_and_answer(death),
                          [&](const std::exception_ptr&) { has_ended = true; });
    EXPECT_TRUE(life.until([&] { return has_ended; }));
  }
  std::vector<std::string> remembered(const std::string& owner) {
    std::vector<std::string> contents;
    const auto page = life.run(memory->list({.principal = "key:0"}, owner, {.limit = 100}));
    EXPECT_TRUE(page);
    for (const auto& entry : page->entries) {
      EXPECT_EQ(entry.type, "reply");
      EXPECT_FALSE(memory::is_trusted(entry.origin));
      EXPECT_TRUE(entry.provenance.contains("received"));
      EXPECT_EQ(entry.provenance.at("sender"), "ann");
      EXPECT_TRUE(entry.provenance.contains("job") || entry.provenance.contains("query"));
      contents.push_back(entry.content);
    }
    return contents;
  }

  Life life;

 private:
  static std::string asked_in(const engine::Job& job) {
    const auto& payload = job.payload;
    if (const auto* text = payload.if_contains("text")) return std::string(text->as_string());
    return std::string(payload.at("packet").at("inputs").at("questions").at(0).as_string());
  }

  // What an exchange writes, with the message already known when the program died behind it.
  base::Task<engine::Outcome> converse(engine::Job job, engine::LaneContext& lane) {
    using engine::Stage;
    const auto id = posts::id_for("secret", job, 1);
    const std::string reply = "re: " + asked_in(job);
    const auto note = [&](Stage stage, auto record) {
      return lane.set_stage(lane.lease(), stage,
                            [record](store::Tx& tx, const engine::Now& now) -> base::Result<> {
                              return record(tx, now);
                            });
    };
    const Post post{.id = id, .job_id = job.id.text, .conversation_url = "http://127.0.0.1:9/c/1"};
    if (job.stage < Stage::intent) {
      // What was prepared and not sent begins anew, with the message that is there.
      const auto prepare = [post](store::Tx& tx, const engine::Now& now) -> base::Result<> {
        TRY(const auto last, posts::last(tx, post.job_id));
        return last ? base::Result<>() : posts::add(tx, post, now.wall);
      };
      CO_TRY_OK(co_await note(Stage::intent, prepare));
    }
    if (job.stage < Stage::armed) {
      CO_TRY_OK(co_await note(Stage::armed, [id](store::Tx& tx, const engine::Now& now) {
        return posts::set_armed(tx, id, now.wall);
      }));
    }
    if (job.stage < Stage::sent) {
      CO_TRY_OK(co_await note(Stage::sent, [id](store::Tx& tx, const engine::Now& now) {
        return posts::set_sent(tx, id, {}, now);
      }));
    }
    if (job.stage < Stage::replied) {
      CO_TRY_OK(co_await note(Stage::replied, [id, reply](store::Tx& tx, const engine::Now& now) {
        return posts::set_replied(tx, id, {.text = reply, .route = "network"}, now.wall);
      }));
    }
    co_return engine::Outcome{engine::Outcome::Done{
        json::object{{"response", json::object{{"text", reply}}}, {"post", id}}}};
  }

  json::value packet() const {
    return *base::parse_json(R"({
      "proto": "flywheel.chatgpt.v1", "msg_type": "RFP_PLAN", "bead_id": "bd-12", "sender": "ann",
      "ts": "2026-11-21T05:06:07Z",
      "context": {"repo": "r", "branch": "main", "goal": "g", "constraints": []},
      "inputs": {"artifacts": [], "questions": ["packet"]},
      "requested_output": {"format": "json", "fields": ["plan"]}
    })");
  }

  boost::asio::awaitable<void> ask_and_answer(const Death& death) {
    const auto handed = co_await life.packets->submit(Life::ann, packet(), {.key = "1"});
    const auto there =
        co_await life.letters->ask(Life::ann, {.to = "Wanderweave", .text = "query"}, {"2", "h"});
    const auto here =
        co_await life.letters->ask(Life::ann, {.to = "Night Worker", .text = "inbox"}, {"3", "h"});
    const auto run = co_await life.flows->execute(Life::ann, "w", {}, "4");
    if (!handed || !there || !here || !run) co_return;
    for (int seconds = 0; seconds < 600 && !death.is_over; ++seconds) {
      const auto open = co_await life.letters->list(worker, "Night Worker", {.only_unread = true},
                                                    0, 10, life.clock.now() + 1s);
      if (!open) co_return;
      for (const auto& query : open->messages) {
        (void)co_await life.letters->send(
            worker, {.to = "ann", .text = "re: " + query.text, .reply_to = query.id}, {});
      }
      const auto now = life.clock.now();
      const auto a = co_await life.packets->wait(handed->id, now);
      const auto b =
          co_await life.letters->result(Life::ann, "Wanderweave", there->message.id, now);
      const auto c = co_await life.flows->run(Life::ann, run->run);
      if (!a || !b || !c) co_return;
      const bool is_done = a->at("state") == "done" && b->answer && c->at("state") == "finished";
      if (is_done && open->messages.empty()) co_return;
      if (seconds == 599) ADD_FAILURE() << "it does not end: " << json::serialize(*c);
    }
  }

  const Caller worker{.principal = "key:9", .name = "Night Worker", .agent = "Night Worker"};
  std::optional<memory::Replies> replies;
  std::optional<memory::Memory> memory;
};

// Dies instead of that commit. Gives false once there are not so many.
bool dies_and_lives_again(const std::string& folder, int commits) {
  const std::string path = fmt::format("{}/{}.db", folder, commits);
  Death death;
  {
    Asking first(path, death);
    first.register_all();
    first.life.begin();
    death.commits_left = commits;
    first.work(death);
    first.life.end();
  }
  const bool has_died = std::exchange(death.is_over, false);
  death.commits_left = 0;
  Asking again(path, death);
  again.life.begin();
  again.work(death);
  EXPECT_THAT(again.remembered("conversation"),
              UnorderedElementsAre("re: packet", "re: packet of a step"));
  EXPECT_THAT(again.remembered("Wanderweave"),
              UnorderedElementsAre("re: query", "re: query of a step"));
  EXPECT_THAT(again.remembered("Night Worker"),
              UnorderedElementsAre("re: inbox", "re: inbox of a step"));
  again.life.end();
  std::filesystem::remove(path);
  return has_died;
}

TEST(EveryReply, IsRememberedOnceWhereverTheProgramDies) {
  std::string folder = std::filesystem::temp_directory_path() / "replies-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  int commits = 1;
  while (dies_and_lives_again(folder, commits) && !testing::Test::HasFailure()) ++commits;
  // Six answers, each with the steps that lead to it.
  EXPECT_GT(commits, 20);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace services
