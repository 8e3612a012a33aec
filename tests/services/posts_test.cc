#include "bridge/services/posts.h"

#include "bridge/base/random.h"
#include "bridge/engine/queue.h"
#include "bridge/engine/schema.h"
#include "bridge/store/sqlite_store.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace services {
namespace {

using namespace std::chrono_literals;

engine::Job job_of(std::string principal, std::string key, std::string hash) {
  engine::Job job;
  job.id.text = "0195c0a0-0000-7000-8000-000000000001";
  job.principal = std::move(principal);
  job.key = std::move(key);
  job.body_hash = std::move(hash);
  return job;
}

TEST(PostId, WhatIsHandedInAgainHasTheIdItHadBefore) {
  engine::Job before = job_of("key:1", "k", "h");
  engine::Job after = before;
  after.id.text = "0195c0a0-0000-7000-8000-000000000002";
  after.sequence = 7;
  EXPECT_EQ(posts::id_for("secret", before, 1), posts::id_for("secret", after, 1));
  EXPECT_EQ(posts::id_for("secret", before, 1, 2), posts::id_for("secret", after, 1, 2));
}

TEST(PostId, EveryOtherMessageHasAnother) {
  const auto job = job_of("key:1", "k", "h");
  const std::vector<std::string> ids = {posts::id_for("secret", job, 1),
                                        posts::id_for("other", job, 1),
                                        posts::id_for("secret", job, 2),
                                        posts::id_for("secret", job, 1, 1),
                                        posts::id_for("secret", job, 1, 2),
                                        posts::id_for("secret", job_of("key:2", "k", "h"), 1),
                                        posts::id_for("secret", job_of("key:1", "l", "h"), 1),
                                        posts::id_for("secret", job_of("key:1", "k", "i"), 1),
                                        posts::id_for("secret", job_of("key:1", "kh", ""), 1)};
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), ids.size());
  for (const auto& id : ids) EXPECT_EQ(id.size(), 36u) << id;
}

TEST(PostId, WithoutAKeyItIsTheJobsOwn) {
  auto job = job_of("key:1", "", "h");
  const auto id = posts::id_for("secret", job, 1);
  job.id.text.back() = '2';
  EXPECT_NE(posts::id_for("secret", job, 1), id);
}

class PostsTest : public testing::Test {
 protected:
  PostsTest() {
    std::vector<store::Migration> steps;
    for (const auto part : {engine::migrations(), post_migrations()}) {
      steps.insert(steps.end(), part.begin(), part.end());
    }
    auto opened = store::SqliteStore::open({.path = ":memory:"}, loop.get_executor(), steps);
    BRIDGE_ASSERT(opened);
    store = *std::move(opened);
  }

  template <class Work>
  auto write(Work work) {
    std::optional<std::invoke_result_t<Work&, store::Tx&>> result;
    boost::asio::co_spawn(loop, store->write(std::move(work)),
                          [&](const std::exception_ptr& error, auto value) {
                            BRIDGE_ASSERT(!error);
                            result.emplace(std::move(value));
                          });
    loop.restart();
    loop.run();
    return *std::move(result);
  }
  Post last() {
    const auto post = write([](store::Tx& tx) { return posts::last(tx, "job"); });
    BRIDGE_ASSERT(post && *post);
    return **post;
  }

  boost::asio::io_context loop;
  std::unique_ptr<store::SqliteStore> store;
  base::WallTime wall{std::chrono::hours(1000)};
};

TEST_F(PostsTest, EachStepAddsWhatItLearntAndKeepsTheRest) {
  const chat::Sent sent{.user_message_id = "u1", .proof = "post"};
  const chat::Sent found{.user_message_id = "u1", .conversation_id = "c1", .proof = "readback"};
  const engine::Now now{wall, 5000ms, "boot"};
  ASSERT_TRUE(write([&](store::Tx& tx) -> base::Result<> {
    TRY_OK(posts::add(tx, {.id = "id", .job_id = "job", .baseline = {.last_turn = "t1"}}, wall));
    TRY_OK(posts::set_baseline(tx, "id", {.path = "/c/1", .last_turn = "t2"}, wall));
    TRY_OK(posts::set_armed(tx, "id", wall));
    TRY_OK(engine::advance_engine_time(tx, {wall, 1000ms, "boot"}));
    TRY_OK(posts::set_sent(tx, "id", sent, now));
    TRY_OK(posts::set_address(tx, "id", found));
    return posts::set_replied(tx, "id", {.text = "yes"}, wall);
  }));
  const auto post = last();
  EXPECT_EQ(post.stage, PostStage::replied);
  EXPECT_EQ(post.baseline.last_turn, "t2");
  EXPECT_EQ(post.sent, found);
  EXPECT_EQ(post.sent_at, 4000ms);
  EXPECT_TRUE(post.raw && post.raw->text == "yes");
}

// A chat that nobody named is found when its question has been answered.
TEST_F(PostsTest, AnAddressThatComesAfterTheAnswerIsKeptAndMovesNoTime) {
  const chat::Sent found{.user_message_id = "u1", .conversation_id = "c1", .proof = "readback"};
  ASSERT_TRUE(write([&](store::Tx& tx) -> base::Result<> {
    TRY_OK(posts::add(tx, {.id = "id", .job_id = "job"}, wall));
    TRY_OK(posts::set_armed(tx, "id", wall));
    TRY_OK(engine::advance_engine_time(tx, {wall, 1000ms, "boot"}));
    TRY_OK(posts::set_sent(tx, "id", {.user_message_id = "u1", .proof = "post"},
                           {wall, 2000ms, "boot"}));
    return posts::set_replied(tx, "id", {.text = "yes"}, wall + 1h);
  }));
  ASSERT_TRUE(write([&](store::Tx& tx) { return posts::set_address(tx, "id", found); }));
  EXPECT_EQ(last().sent, found);
  EXPECT_EQ(last().stage, PostStage::replied);
  const auto answered = write([](store::Tx& tx) { return posts::answered(tx, "job"); });
  ASSERT_TRUE(answered);
  ASSERT_EQ(answered->size(), 1u);
  EXPECT_EQ(answered->front().received, wall + 1h);
}

TEST_F(PostsTest, AStepFromAnotherStageChangesNothing) {
  ASSERT_TRUE(
      write([&](store::Tx& tx) { return posts::add(tx, {.id = "id", .job_id = "job"}, wall); }));
  const auto unsent = write([&](store::Tx& tx) { return posts::set_unsent(tx, "id", wall); });
  ASSERT_FALSE(unsent);
  EXPECT_EQ(unsent.error().code, base::Code::conflict);
  const auto replied = write([&](store::Tx& tx) { return posts::set_replied(tx, "id", {}, wall); });
  EXPECT_FALSE(replied);
  EXPECT_FALSE(write([&](store::Tx& tx) { return posts::set_address(tx, "id", {}); }));
  EXPECT_EQ(last().stage, PostStage::intent);
  EXPECT_EQ(last().sent, std::nullopt);
}

TEST_F(PostsTest, AMessageThatIsNotKnownToBeUnsentIsOfAnEarlierStart) {
  engine::Job job = job_of("key:1", "k", "h");
  const auto is_current = [&job](PostStage at) {
    return posts::is_of_this_start(job, Post{.id = "id", .job_id = "job", .stage = at});
  };
  EXPECT_FALSE(posts::is_of_this_start(job, std::nullopt));
  EXPECT_TRUE(is_current(PostStage::intent));
  EXPECT_FALSE(is_current(PostStage::replied));
  job.stage = engine::Stage::sent;
  EXPECT_TRUE(is_current(PostStage::sent));
  // By a person's word alone: what was sent before is not it.
  job.is_doubtful = true;
  EXPECT_FALSE(is_current(PostStage::sent));
  EXPECT_TRUE(is_current(PostStage::intent));
}

class MarkerKeys : public PostsTest {
 protected:
  base::Result<> note(std::string key) {
    return write([key](store::Tx& tx) { return marker_keys::note(tx, key); });
  }
  bool may_be_older(const engine::Job& job) {
    const auto answer = write([&job](store::Tx& tx) { return marker_keys::may_be_older(tx, job); });
    BRIDGE_ASSERT(answer);
    return *answer;
  }
  // A job that is handed in now, whatever the calendar says.
  engine::Job hand_in(base::WallTime said) {
    auto accepted = write([&](store::Tx& tx) -> base::Result<engine::Accepted> {
      const engine::Now now{said, 1000ms, "boot"};
      TRY_OK(queue.declare_lane(tx, {"chat:1"}, "account"));
      return queue.submit(
          tx, {.kind = "packet", .lane = {"chat:1"}, .sender = "alice", .principal = "alice"}, now);
    });
    BRIDGE_ASSERT(accepted);
    return std::move(accepted->job);
  }

  base::SeededRandom random{1};
  engine::Queue queue{{}, random};
};

TEST_F(MarkerKeys, TheFirstIsKeptAndAnotherIsRefused) {
  ASSERT_TRUE(note("one"));
  ASSERT_TRUE(note("one"));
  const auto other = note("other");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, "configuration");
  const auto known = write([](store::Tx& tx) { return marker_keys::current(tx); });
  ASSERT_TRUE(known);
  EXPECT_EQ(*known, marker_keys::hash_of("one"));
}

TEST_F(MarkerKeys, WhatWasHandedInBeforeANewOneMayBeUnderTheOld) {
  const auto before = hand_in(wall + 1h);
  EXPECT_FALSE(may_be_older(before));
  ASSERT_TRUE(note("one"));
  EXPECT_FALSE(may_be_older(before));
  const auto replace = [this](std::string key) {
    return write([this, key](store::Tx& tx) { return marker_keys::replace(tx, key, wall); });
  };
  ASSERT_TRUE(replace("one"));
  EXPECT_FALSE(may_be_older(before));
  ASSERT_TRUE(replace("two"));
  EXPECT_TRUE(note("two"));
  EXPECT_TRUE(may_be_older(before)) << "the calendar was put back meanwhile";
  EXPECT_FALSE(may_be_older(hand_in(wall - 1h)));
}

}  // namespace
}  // namespace services
