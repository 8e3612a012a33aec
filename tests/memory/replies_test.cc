// Every reply is remembered by itself: over a real queue and the record of what was posted.
#include "bridge/services/memory/replies.h"

#include "bridge/base/random.h"
#include "bridge/services/exchange.h"
#include "bridge/services/posts.h"
#include "tests/memory/fixture.h"

namespace services::memory {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr std::string_view url = "https://chatgpt.com/c/1";

class RepliesTest : public MemoryFixture {
 protected:
  RepliesTest() : MemoryFixture({post_migrations()}) {
    engine::QueueOptions options;
    options.retries["packet"] = {.failures_max = 1};
    options.on_change = [this](store::Tx& tx, const engine::Change& change,
                               const engine::Now& now) {
      return replies->on_change(tx, change, now);
    };
    queue.emplace(std::move(options), random);
    replies.emplace(*queue, journal);
    change([&](store::Tx& tx) -> base::Result<> {
      TRY_OK(queue->declare_lane(tx, lane, "account"));
      TRY_OK(queue->recover(tx, "life", 1, timeline.now()));
      return {};
    });
  }

  void change(std::function<base::Result<>(store::Tx&)> work) {
    const auto done = run(store->write(std::move(work)));
    EXPECT_TRUE(done) << (done ? "" : done.error().message);
  }
  // The next packet, handed in and claimed; it may name an agent.
  engine::Lease begin(const std::string& agent = "") {
    engine::Lease lease;
    change([&](store::Tx& tx) -> base::Result<> {
      const json::object packet{{"msg_type", "RFP_PLAN"}, {"bead_id", "bd-12"}};
      TRY_OK(queue->submit(tx,
                           {.kind = std::string(packet_kind),
                            .lane = lane,
                            .sender = "planner",
                            .principal = "key:1",
                            .payload = {{"packet", packet}, {"url", url}, {"agent", agent}}},
                           timeline.now()));
      TRY(const auto turn, queue->claim(tx, lane, "life", timeline.now()));
      lease = std::get<engine::Claim>(turn).lease;
      return {};
    });
    return lease;
  }
  // The message of this job is answered by this text; gives the message's id.
  std::string answer(const engine::Lease& lease, const std::string& text) {
    const auto id = posts::id_for("secret", {.id = lease.job, .principal = "key:1"}, 1);
    change([&](store::Tx& tx) -> base::Result<> {
      const auto now = timeline.now();
      TRY_OK(posts::add(tx,
                        {.id = id, .job_id = lease.job.text, .conversation_url = std::string(url)},
                        now.wall));
      TRY_OK(posts::set_armed(tx, id, now.wall));
      TRY_OK(posts::set_sent(tx, id, {}, now));
      for (const auto stage : {engine::Stage::intent, engine::Stage::armed, engine::Stage::sent,
                               engine::Stage::replied}) {
        TRY_OK(queue->set_stage(tx, lease, stage, now));
      }
      return posts::set_replied(tx, id, {.text = text, .route = "network", .message_id = "m-1"},
                                now.wall);
    });
    return id;
  }
  std::vector<Entry> kept_by(const std::string& agent) {
    const auto page = run(memory->list(operator_, agent, {}));
    EXPECT_TRUE(page) << (page ? "" : page.error().message);
    return page ? page->entries : std::vector<Entry>();
  }
  void complete(const engine::Lease& lease, const std::string& post) {
    change([&](store::Tx& tx) {
      const json::object response{{"plan", json::array{"measure first"}}, {"verdict", "ok"}};
      return queue->complete(tx, lease, json::object{{"response", response}, {"post", post}},
                             timeline.now());
    });
  }
  std::vector<Entry> kept() { return kept_by("conversation"); }

  base::SeededRandom random{7};
  engine::Timeline timeline{clock, "boot"};
  engine::LaneId lane{"chat:1"};
  std::optional<engine::Queue> queue;
  std::optional<Replies> replies;
};

TEST_F(RepliesTest, AnAcceptedReplyIsKeptWithWhereItComesFrom) {
  const auto lease = begin();
  const auto post = answer(lease, "```json\n{}\n```");
  EXPECT_THAT(kept(), SizeIs(0));
  complete(lease, post);
  ASSERT_THAT(kept(), SizeIs(1));
  const auto entry = *run(memory->get(operator_, "conversation", kept()[0].id));
  EXPECT_EQ(entry.type, "reply");
  EXPECT_EQ(entry.origin, Origin::reply);
  EXPECT_FALSE(is_trusted(entry.origin));
  EXPECT_EQ(entry.title, "RFP_PLAN bd-12");
  EXPECT_THAT(entry.content, HasSubstr("measure first"));
  EXPECT_THAT(entry.tags, ElementsAre("RFP_PLAN", "bd-12"));
  EXPECT_EQ(entry.metadata.at("valid"), true);
  EXPECT_EQ(entry.metadata.at("verdict"), "ok");
  EXPECT_EQ(entry.provenance.at("job").as_string(), lease.job.text);
  EXPECT_EQ(entry.provenance.at("post").as_string(), post);
  EXPECT_EQ(entry.provenance.at("conversation").as_string(), url);
  EXPECT_EQ(entry.provenance.at("route"), "network");
  EXPECT_EQ(entry.provenance.at("message"), "m-1");
  EXPECT_EQ(entry.provenance.at("received").as_string(), base::rfc3339(clock.wall()));
  EXPECT_THAT(found(operator_, "conversation", "measure first"), SizeIs(1));
  EXPECT_EQ(told().at(0).thread, lease.job.text);
}

TEST_F(RepliesTest, WhatWasNotAcceptedIsKeptAsItCame) {
  const auto lease = begin();
  answer(lease, "I cannot answer in JSON");
  engine::Lease repair;
  change([&](store::Tx& tx) -> base::Result<> {
    TRY(const auto claim,
        queue->begin_child(tx, lease, {.kind = std::string(repair_kind)}, timeline.now()));
    repair = claim.lease;
    return {};
  });
  const auto second = answer(repair, "{\"plan\": []}");
  complete(lease, second);
  const auto entries = kept();
  ASSERT_THAT(entries, SizeIs(2));
  EXPECT_EQ(entries[0].metadata.at("valid"), true);
  EXPECT_EQ(entries[1].metadata.at("valid"), false);
  EXPECT_EQ(entries[1].content, "I cannot answer in JSON");
  EXPECT_THAT(entries[1].tags, ElementsAre("RFP_PLAN", "bd-12", "rejected"));
}

TEST_F(RepliesTest, APacketThatFailsKeepsWhatWasAnswered) {
  const auto lease = begin();
  answer(lease, "no JSON at all");
  change([&](store::Tx& tx) {
    return queue->fail_for_good(tx, lease, {"invalid_reply", "no JSON"}, timeline.now());
  });
  ASSERT_THAT(kept(), SizeIs(1));
  EXPECT_EQ(kept()[0].content, "no JSON at all");
}

TEST_F(RepliesTest, NoReplyIsKeptTwice) {
  const auto lease = begin();
  answer(lease, "the first try");
  change([&](store::Tx& tx) {
    return queue->fail_for_good(tx, lease, {"invalid_reply", "no"}, timeline.now());
  });
  ASSERT_TRUE(run(memory->remove(operator_, "conversation", kept().at(0).id)));
  change([&](store::Tx& tx) -> base::Result<> {
    TRY_OK(queue->retry(tx, lease.job, timeline.now()));
    TRY_OK(queue->cancel(tx, lease.job, "enough", timeline.now()));
    return {};
  });
  EXPECT_THAT(kept(), SizeIs(0));
}

TEST_F(RepliesTest, AReplyBelongsToTheAgentThatIsTalkedToThere) {
  add_agent({.name = "Program", .kind = agents::Kind::cli, .link = std::string(url)});
  add_agent({.name = "Scout", .link = std::string(url), .category = "Travel & Commerce"});
  const auto lease = begin();
  complete(lease, answer(lease, "{}"));
  EXPECT_THAT(kept(), SizeIs(0));
  ASSERT_THAT(kept_by("scout"), SizeIs(1));
  EXPECT_EQ(kept_by("scout")[0].owner.fleet, "travel-commerce");
}

TEST_F(RepliesTest, ALateReplyBelongsToTheAgentThatWasAskedAlsoWhenItIsGone) {
  const auto id = add_agent({.name = "Scout"});
  const auto lease = begin(id);
  const auto post = answer(lease, "{}");
  change([&](store::Tx& tx) -> base::Result<> {
    TRY(const auto agent, agents::find(tx, id));
    return agents::remove({tx, journal, clock.wall(), "key:1"}, catalogue, agent);
  });
  complete(lease, post);
  EXPECT_THAT(kept(), SizeIs(0));
  ASSERT_THAT(kept_by(id), SizeIs(1));
  EXPECT_THAT(kept_by(id)[0].content, HasSubstr("measure first"));
}

TEST_F(RepliesTest, AResultWithoutAMessageIsKeptToo) {
  const auto lease = begin();
  complete(lease, "");
  ASSERT_THAT(kept(), SizeIs(1));
  EXPECT_THAT(kept()[0].content, HasSubstr("measure first"));
}

}  // namespace
}  // namespace services::memory
