// A life of the program ends anywhere, the next one begins.
#include "bridge/engine/restore_limits.h"
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

// What was handed in after the backup comes again, and nobody here knows that it was sent.
TEST(Restored, WhatIsClaimedForAWhileMayBeForgotten) {
  Fixture f;
  ASSERT_TRUE(f.recover(2));
  f.add();
  const auto found = f.claim();
  EXPECT_TRUE(found.may_be_forgotten);
  EXPECT_FALSE(found.is_reconcile);
  ASSERT_TRUE(f.stage(found.lease, Stage::sent));
  ASSERT_TRUE(f.stage(found.lease, Stage::replied));
  ASSERT_TRUE(f.complete(found.lease));

  f.pass(::limits::restore_remembered - 1min);
  f.add();
  f.add();
  const auto late = f.claim();
  EXPECT_TRUE(late.may_be_forgotten);
  ASSERT_TRUE(f.advance(late.lease, Stage::replied));
  ASSERT_TRUE(f.complete(late.lease));
  f.pass(1min);
  EXPECT_FALSE(f.claim().may_be_forgotten);
}

TEST(Restored, AStoreThatNeverWasForgetsNothing) {
  Fixture f;
  f.add();
  const auto claim = f.claim();
  EXPECT_FALSE(claim.may_be_forgotten);
  EXPECT_FALSE(f.stage(claim.lease, Stage::sent));
}

QueueOptions limited(int count, Milliseconds pause) {
  QueueOptions options;
  options.accounts["account"] = {.caps = {{count, 3h}}, .pause = pause};
  return options;
}

// As many may have been sent since the backup as the cap allows, the last of them just now.
TEST(Restored, TheCapHoldsForWhatWasForgotten) {
  Fixture f(limited(3, 0ms));
  f.pass(1h);
  EXPECT_EQ(f.recover(2).value().assumed_sends, 3);
  f.add();
  const auto idle = f.idle();
  EXPECT_EQ(idle.reason, "rate");
  EXPECT_EQ(idle.wait, Milliseconds(3h));
  f.pass(3h);
  f.claim();
}

// The backup of a store that had never been started.
TEST(Restored, WithoutAnyMemoryTheCapHoldsToo) {
  Fixture f(limited(3, 1min));
  ASSERT_TRUE(f.write([](store::Tx& tx) -> base::Result<> {
    TRY_OK(tx.execute("DELETE FROM engine_generation"));
    TRY_OK(tx.execute("DELETE FROM engine_clock"));
    return {};
  }));
  EXPECT_EQ(f.recover(2).value().assumed_sends, 3);
}

TEST(Restored, NoMoreIsAssumedThanThePaceAllowed) {
  Fixture f(limited(80, 1min));
  f.pass(10min);
  EXPECT_EQ(f.recover(2).value().assumed_sends, 11);
  f.add();
  EXPECT_EQ(f.idle().wait, Milliseconds(1min));
}

TEST(Restored, TheSameGenerationForgotNothing) {
  Fixture f(limited(3, 0ms));
  EXPECT_EQ(f.recover(1).value().assumed_sends, 0);
  f.add();
  f.claim();
}

TEST(Restored, FindingOutNeedsNoSlot) {
  Fixture f(limited(1, 0ms));
  const auto first = f.add();
  f.add();
  ASSERT_TRUE(f.recover(2));

  const auto claim = f.claim();
  EXPECT_EQ(claim.job.id, first);
  EXPECT_TRUE(claim.is_reconcile);
  ASSERT_TRUE(f.stage(claim.lease, Stage::none));
  ASSERT_TRUE(f.stage(claim.lease, Stage::intent));
  const auto refused = f.stage(claim.lease, Stage::armed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "rate");
  // Nor does one that is certainly unsent let those behind it go first.
  ASSERT_TRUE(f.release(claim.lease));
  EXPECT_EQ(f.idle().reason, "rate");
}

TEST(Restored, WhatCannotBeDecidedIsHeld) {
  Fixture f;
  const auto id = f.add();
  ASSERT_TRUE(f.recover(2));
  ASSERT_TRUE(f.fail(f.claim().lease, base::Code::internal));
  EXPECT_EQ(f.get(id).state, State::held);
}

// A word, and neither this store nor the conversation has anything to it yet.
TEST(Restored, WhatAPersonCallsSentStaysInDoubtUntilItIsFound) {
  Fixture f;
  const auto id = f.add();
  ASSERT_TRUE(f.recover(2));
  ASSERT_TRUE(f.fail(f.claim().lease, base::Code::internal));

  ASSERT_TRUE(f.resolve(id, Verdict::sent));
  const auto claim = f.claim();
  EXPECT_TRUE(claim.is_reconcile);
  EXPECT_TRUE(claim.job.is_doubtful);
  EXPECT_EQ(claim.job.stage, Stage::sent);
  ASSERT_TRUE(f.fail(claim.lease, base::Code::not_found));
  EXPECT_EQ(f.get(id).state, State::held);

  ASSERT_TRUE(f.resolve(id, Verdict::sent));
  const auto again = f.claim();
  ASSERT_TRUE(f.stage(again.lease, Stage::sent));
  EXPECT_FALSE(f.get(id).is_doubtful);
  EXPECT_FALSE(f.stage(again.lease, Stage::sent));
  EXPECT_TRUE(f.stage(again.lease, Stage::replied));
}

// The store armed it, and that is all that anybody knows beside the word.
TEST(Resolve, WhatAPersonCallsSentIsHeldOnceMoreUnlessItIsFound) {
  Fixture f;
  const auto id = f.add();
  const auto first = f.claim();
  ASSERT_TRUE(f.advance(first.lease, Stage::armed));
  ASSERT_TRUE(f.hold(first.lease));

  ASSERT_TRUE(f.resolve(id, Verdict::sent));
  EXPECT_FALSE(f.get(id).timings.sent);
  ASSERT_TRUE(f.fail(f.claim().lease, base::Code::not_found, "upstream_failed"));
  const auto held = f.get(id);
  EXPECT_EQ(held.state, State::held);
  EXPECT_EQ(held.error->code, "unknown_outcome");

  ASSERT_TRUE(f.resolve(id, Verdict::sent));
  const auto again = f.claim();
  ASSERT_TRUE(f.stage(again.lease, Stage::sent));
  EXPECT_TRUE(f.get(id).timings.sent);
  EXPECT_FALSE(f.stage(again.lease, Stage::sent));
  ASSERT_TRUE(f.fail(again.lease, base::Code::not_found, "upstream_failed"));
  EXPECT_EQ(f.get(id).state, State::failed);
}

TEST(Resolve, APersonMayTakeTheWordBack) {
  Fixture f;
  const auto id = f.add();
  const auto first = f.claim();
  ASSERT_TRUE(f.advance(first.lease, Stage::armed));
  ASSERT_TRUE(f.hold(first.lease));
  ASSERT_TRUE(f.resolve(id, Verdict::sent));
  ASSERT_TRUE(f.fail(f.claim().lease, base::Code::not_found, "upstream_failed"));

  ASSERT_TRUE(f.resolve(id, Verdict::not_sent));
  EXPECT_EQ(f.get(id).state, State::queued);
  EXPECT_EQ(f.get(id).stage, Stage::none);
}

TEST(Restored, APersonMayTakeTheWordBackThatItWasSent) {
  Fixture f;
  const auto id = f.add();
  ASSERT_TRUE(f.recover(2));
  ASSERT_TRUE(f.fail(f.claim().lease, base::Code::internal));
  ASSERT_TRUE(f.resolve(id, Verdict::sent));
  ASSERT_TRUE(f.fail(f.claim().lease, base::Code::not_found));
  ASSERT_TRUE(f.resolve(id, Verdict::not_sent));
  EXPECT_EQ(f.get(id).state, State::queued);
  EXPECT_EQ(f.get(id).stage, Stage::none);
  EXPECT_TRUE(f.advance(f.claim().lease, Stage::armed));
}

}  // namespace
}  // namespace engine
