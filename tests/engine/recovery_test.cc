// A life of the program ends anywhere, the next one begins.
#include "tests/engine/fixture.h"

namespace engine {
namespace {

class CrashAt : public testing::TestWithParam<Stage> {};

TEST_P(CrashAt, TheNextLifeQueuesTheUnsentAndReconcilesTheRest) {
  Fixture f;
  const auto id = f.add();
  f.add();
  const auto old = f.claim();
  ASSERT_TRUE(f.advance(old.lease, GetParam()));

  f.holder = "life-2";
  const auto found = f.recover(1).value();
  const auto again = f.claim();

  const bool is_unsent = GetParam() <= Stage::intent;
  EXPECT_FALSE(found.is_restored);
  EXPECT_EQ(found.queued, is_unsent ? 1 : 0);
  EXPECT_EQ(found.doubtful, is_unsent ? 0 : 1);
  EXPECT_EQ(again.job.id, id);
  EXPECT_EQ(again.is_reconcile, !is_unsent);
  EXPECT_EQ(again.job.stage, is_unsent ? Stage::none : GetParam());
  const auto stale = f.stage(old.lease, Stage::none);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().reason, "stale_lease");
}

INSTANTIATE_TEST_SUITE_P(Stages, CrashAt,
                         testing::Values(Stage::none, Stage::intent, Stage::armed, Stage::sent,
                                         Stage::replied),
                         [](const auto& info) { return std::string(name(info.param)); });

TEST(Recover, ItsOwnLeasesStay) {
  Fixture f;
  f.add();
  const auto claim = f.claim();
  ASSERT_TRUE(f.recover(1));
  EXPECT_TRUE(f.renew(claim.lease));
}

TEST(Reconcile, CertainlyUnsentGoesAgainWithNothingPostedTwice) {
  Fixture f;
  f.add();
  ASSERT_TRUE(f.advance(f.claim().lease, Stage::armed));
  f.holder = "life-2";
  ASSERT_TRUE(f.recover(1));
  const auto claim = f.claim();
  EXPECT_FALSE(f.stage(claim.lease, Stage::intent));
  ASSERT_TRUE(f.stage(claim.lease, Stage::none));
  EXPECT_TRUE(f.advance(claim.lease, Stage::replied));
  EXPECT_TRUE(f.complete(claim.lease));
}

TEST(Restored, EveryUnfinishedJobIsReconciledFirst) {
  Fixture f;
  const auto running = f.add();
  const auto queued = f.add();
  ASSERT_TRUE(f.stage(f.claim().lease, Stage::intent));

  f.holder = "life-2";
  const auto found = f.recover(2).value();

  EXPECT_TRUE(found.is_restored);
  EXPECT_EQ(found.doubtful, 2);
  EXPECT_FALSE(f.cancel(queued));
  const auto first = f.claim();
  EXPECT_EQ(first.job.id, running);
  EXPECT_TRUE(first.is_reconcile);
  // It was sent in the life that the backup does not know.
  ASSERT_TRUE(f.stage(first.lease, Stage::sent));
  ASSERT_TRUE(f.stage(first.lease, Stage::replied));
  ASSERT_TRUE(f.complete(first.lease));
  const auto second = f.claim();
  EXPECT_EQ(second.job.id, queued);
  EXPECT_TRUE(second.is_reconcile);
  EXPECT_FALSE(f.stage(second.lease, Stage::intent));
  ASSERT_TRUE(f.stage(second.lease, Stage::none));
  EXPECT_TRUE(f.stage(second.lease, Stage::intent));
}

TEST(Restored, WhatCannotBeDecidedIsHeld) {
  Fixture f;
  const auto id = f.add();
  ASSERT_TRUE(f.recover(2));
  ASSERT_TRUE(f.fail(f.claim().lease, base::Code::internal));
  EXPECT_EQ(f.get(id).state, State::held);
}

}  // namespace
}  // namespace engine
