#include "bridge/base/limits.h"
#include "tests/engine/fixture.h"

#include <functional>

namespace engine {
namespace {

TEST(Submit, TheSameKeyAndBodyGiveTheFirstJobAgain) {
  Fixture f;
  auto job = f.job();
  job.key = "k1";
  job.body_hash = "h1";
  const auto first = f.submit(job).value();
  EXPECT_TRUE(f.complete(f.claim().lease));
  const auto again = f.submit(job).value();
  EXPECT_FALSE(first.is_replay);
  EXPECT_TRUE(again.is_replay);
  EXPECT_EQ(again.job.id, first.job.id);
  EXPECT_EQ(again.job.state, State::done);
}

TEST(Submit, WithoutAForecastItIsTheSameJob) {
  Fixture f;
  auto job = f.job();
  job.key = "k1";
  job.body_hash = "h1";
  const auto enqueue = [&] {
    return f.write([&](store::Tx& tx) { return f.queue.enqueue(tx, job, f.now()); });
  };
  const auto first = enqueue().value();
  EXPECT_EQ(enqueue().value(), first);
  EXPECT_EQ(f.submit(job).value().job.id, first);
  EXPECT_EQ(f.claim().job.id, first);
  job.body_hash = "h2";
  const auto other_body = enqueue();
  ASSERT_FALSE(other_body);
  EXPECT_EQ(other_body.error().reason, "idempotency_mismatch");
}

TEST(Submit, AnotherBodyUnderTheKeyIsAConflictAndAnotherPrincipalIsNot) {
  Fixture f;
  auto job = f.job();
  job.key = "k1";
  job.body_hash = "h1";
  const auto first = f.submit(job).value();
  job.body_hash = "h2";
  const auto other_body = f.submit(job);
  ASSERT_FALSE(other_body);
  EXPECT_EQ(other_body.error().code, base::Code::conflict);
  EXPECT_EQ(other_body.error().reason, "idempotency_mismatch");
  job.principal = "bob";
  EXPECT_NE(f.submit(job).value().job.id, first.job.id);
}

TEST(Submit, AFullLaneIsBusyAndTellsWhen) {
  QueueOptions options;
  options.depth_max = 2;
  Fixture f(options);
  f.add();
  f.add();
  const auto refused = f.submit(f.job());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::busy);
  EXPECT_EQ(refused.error().reason, "queue_full");
  const auto after = f.write([&](store::Tx& tx) { return f.queue.retry_after(tx, lane, f.now()); });
  EXPECT_GE(after.value(), 1s);
  EXPECT_EQ(refused.error().retry_after, after.value());
  f.claim();
  EXPECT_TRUE(f.submit(f.job()));
}

TEST(Submit, AFullLaneTakesWhatHasRoom) {
  QueueOptions options;
  options.depth_max = 1;
  Fixture f(options);
  f.add();
  auto job = f.job();
  job.has_room = true;
  const auto taken = f.submit(job);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_EQ(taken->place.position, 2);
  EXPECT_EQ(f.submit(f.job()).error().reason, "queue_full");
}

TEST(Submit, PositionCountsTurnsNotArrivals) {
  Fixture f;
  for (int i = 0; i < 50; ++i) f.add("alice");
  const auto bob = f.submit(f.job("bob")).value();
  EXPECT_EQ(bob.place.position, 2);
  const auto urgent = f.submit(f.job("carol", 0)).value();
  EXPECT_EQ(urgent.place.position, 1);
  EXPECT_GT(f.submit(f.job("alice")).value().place.eta, 30min);
}

TEST(Submit, NobodyTellsWhenALaneGoesOnThatWaitsForSomebody) {
  Fixture f;
  const auto first = f.add("alice");
  const auto eta = [&] {
    const auto place =
        f.write([&](store::Tx& tx) { return f.queue.place(tx, first, f.now()); }).value();
    const auto accepted = f.submit(f.job("bob")).value();
    EXPECT_EQ(accepted.place.eta.has_value(), place.eta.has_value());
    return place.eta;
  };
  const auto change = [&](auto work) {
    const auto done = f.write([&](store::Tx& tx) { return work(tx); });
    ASSERT_TRUE(done) << done.error().message;
  };
  EXPECT_TRUE(eta());
  change([&](store::Tx& tx) { return f.queue.pause(tx, lane, "lunch"); });
  EXPECT_FALSE(eta());
  change([&](store::Tx& tx) { return f.queue.resume(tx, lane); });
  change([&](store::Tx& tx) { return f.queue.pause_everything(tx, "lunch"); });
  EXPECT_FALSE(eta());
  change([&](store::Tx& tx) { return f.queue.resume_everything(tx); });
  change([&](store::Tx& tx) { return f.queue.block(tx, lane, "a dialog", "", f.now()); });
  EXPECT_FALSE(eta());
  change([&](store::Tx& tx) { return f.queue.unblock(tx, lane); });
  const auto until = f.clock.wall() + 1h;
  change([&](store::Tx& tx) {
    return f.queue.trip(tx, "account", Trip::rate_limited, "429", until, f.now());
  });
  EXPECT_GE(eta(), 1h);
  change([&](store::Tx& tx) {
    return f.queue.trip(tx, "account", Trip::login_required, "signed out", {}, f.now());
  });
  EXPECT_FALSE(eta());
  change([&](store::Tx& tx) { return f.queue.close_breaker(tx, "account"); });
  EXPECT_TRUE(eta());
  const auto taken = f.claim();
  ASSERT_TRUE(f.advance(taken.lease, Stage::armed));
  ASSERT_TRUE(f.hold(taken.lease));
  const auto last = f.submit(f.job("carol")).value();
  EXPECT_FALSE(last.place.eta) << "a held job is before it";
}

TEST(Submit, WhatIsOutOfBoundsIsInvalid) {
  Fixture f;
  auto job = f.job();
  job.band = 4;
  EXPECT_EQ(f.submit(job).error().code, base::Code::invalid);
  job = f.job();
  job.cost = 0;
  EXPECT_EQ(f.submit(job).error().code, base::Code::invalid);
  job = f.job();
  job.lane.text = "nowhere";
  EXPECT_EQ(f.submit(job).error().code, base::Code::not_found);
}

TEST(Order, OneSendersJobsRunInSubmitOrder) {
  Fixture f;
  std::vector<JobId> submitted, ran;
  for (int i = 0; i < 30; ++i) submitted.push_back(f.add());
  for (int i = 0; i < 30; ++i) {
    const auto claim = f.claim();
    ran.push_back(claim.job.id);
    ASSERT_TRUE(f.complete(claim.lease));
  }
  EXPECT_EQ(ran, submitted);
}

TEST(Order, SendersTakeTurns) {
  Fixture f;
  for (int i = 0; i < 6; ++i) f.add("a");
  for (int i = 0; i < 3; ++i) f.add("b");
  f.add("c");
  EXPECT_EQ(f.served(10), "abcababaaa");
}

TEST(Order, ADearJobWaitsUntilItsSenderHasSavedForIt) {
  Fixture f;
  auto dear = f.job("a");
  dear.cost = 3;
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(f.submit(dear));
  for (int i = 0; i < 6; ++i) f.add("b");
  EXPECT_EQ(f.served(8), "bbabbbab");
}

TEST(Order, DearJobsAloneDoNotWait) {
  Fixture f;
  for (const char* sender : {"a", "b", "c"}) {
    auto dear = f.job(sender);
    dear.cost = 16;
    ASSERT_TRUE(f.submit(dear));
  }
  EXPECT_EQ(f.served(3), "abc");
}

TEST(Order, UrgentBandsGoFirst) {
  Fixture f;
  f.add("c", 3);
  f.add("b", 2);
  f.add("a", 0);
  EXPECT_EQ(f.served(3), "abc");
}

TEST(Order, UrgentJobsThatNeverEndDoNotStarveTheOthers) {
  Fixture f;
  f.add("z", 3);
  std::string senders;
  for (int i = 0; i < 80 && senders.find('z') == std::string::npos; ++i) {
    f.add("a", 0);
    f.add("a", 0);
    senders += f.served(1);
    f.pass(1min);
  }
  EXPECT_NE(senders.find('z'), std::string::npos);
  EXPECT_GT(senders.find('z'), 20u);
}

TEST(Order, AJobThatBacksOffKeepsItsSendersLaterJobsWaitingAndNobodyElse) {
  Fixture f;
  const auto first = f.add("a");
  f.add("a");
  f.add("b");
  ASSERT_TRUE(f.fail(f.claim().lease, base::Code::unavailable));
  EXPECT_EQ(f.served(1), "b");
  const auto idle = f.idle();
  ASSERT_TRUE(idle.wait);
  f.pass(*idle.wait);
  EXPECT_EQ(f.claim().job.id, first);
}

TEST(Order, ADelayedJobLetsOthersPassAndThenComesInItsPlace) {
  Fixture f;
  auto later = f.job();
  later.not_before = f.clock.wall() + 1h;
  const auto delayed = f.submit(later).value().job.id;
  const auto prompt = f.add();
  auto claim = f.claim();
  EXPECT_EQ(claim.job.id, prompt);
  ASSERT_TRUE(f.complete(claim.lease));
  EXPECT_EQ(f.idle().wait, Milliseconds(1h));
  f.add();
  f.clock.step_wall(-1h);
  f.pass(1h);
  EXPECT_EQ(f.claim().job.id, delayed);
}

TEST(Lease, ALeaseThatRanOutIsTakenOverAndWritesNothingMore) {
  Fixture f;
  f.add();
  const auto old = f.claim();
  ASSERT_TRUE(f.stage(old.lease, Stage::intent));
  EXPECT_EQ(f.idle().reason, "leased");
  f.pass(31s);
  const auto fresh = f.claim();
  EXPECT_EQ(fresh.job.id, old.job.id);
  EXPECT_FALSE(fresh.is_reconcile);
  EXPECT_GT(fresh.lease.epoch, old.lease.epoch);
  for (const auto& result :
       {f.renew(old.lease), f.stage(old.lease, Stage::armed), f.complete(old.lease),
        f.fail(old.lease, base::Code::timeout), f.hold(old.lease), f.release(old.lease)}) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().reason, "stale_lease");
  }
}

TEST(Lease, RenewedItLasts) {
  Fixture f;
  f.add();
  const auto claim = f.claim();
  for (int i = 0; i < 5; ++i) {
    f.pass(20s);
    ASSERT_TRUE(f.renew(claim.lease));
  }
  EXPECT_EQ(f.idle().reason, "leased");
}

TEST(Deadline, AQueuedJobExpiresAndACertainlyUnsentOneIsNotArmed) {
  Fixture f;
  auto job = f.job();
  job.deadline = f.clock.wall() + 1min;
  const auto first = f.submit(job).value().job.id;
  const auto second = f.submit(job).value().job.id;
  const auto claim = f.claim();
  ASSERT_TRUE(f.stage(claim.lease, Stage::intent));
  f.pass(2min);
  const auto late = f.stage(claim.lease, Stage::armed);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, "expired");
  ASSERT_TRUE(f.fail(claim.lease, late.error().code, late.error().reason));
  EXPECT_EQ(f.get(first).state, State::expired);
  EXPECT_EQ(f.idle().reason, "");
  EXPECT_EQ(f.get(second).state, State::expired);
}

TEST(Fail, TheErrorsClassDecides) {
  QueueOptions options;
  options.retries["packet"] = {.failures_max = 3, .backoff = {1s, 4s}};
  Fixture f(options);
  const auto id = f.add();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(f.fail(f.claim().lease, base::Code::login_required));
    EXPECT_EQ(f.get(id).state, State::queued);
    f.pass(1min);
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(f.get(id).state, State::queued);
    ASSERT_TRUE(f.fail(f.claim().lease, base::Code::timeout));
    f.pass(1min);
  }
  EXPECT_EQ(f.get(id).state, State::failed);
  EXPECT_EQ(f.get(id).error->code, "timeout");
  ASSERT_TRUE(f.retry(id));
  ASSERT_TRUE(f.fail(f.claim().lease, base::Code::invalid, "invalid_reply"));
  EXPECT_EQ(f.get(id).state, State::failed);
  EXPECT_EQ(f.get(id).error->code, "invalid_reply");
}

TEST(Fail, WhatMayHaveBeenSentIsHeldAndNeverFailed) {
  Fixture f;
  const auto id = f.add();
  const auto claim = f.claim();
  ASSERT_TRUE(f.advance(claim.lease, Stage::armed));
  ASSERT_TRUE(f.fail(claim.lease, base::Code::internal));
  EXPECT_EQ(f.get(id).state, State::held);
  EXPECT_EQ(f.get(id).error->code, "unknown_outcome");
  f.add();
  EXPECT_EQ(f.idle().reason, "held");
  ASSERT_TRUE(f.resolve(id, Verdict::abandon));
  EXPECT_EQ(f.get(id).state, State::failed);
  EXPECT_NE(f.claim().job.id, id);
}

struct Family {
  Fixture f;
  JobId root;
  Claim parent, child;
  Family() : root(f.add()), parent(f.claim()) {
    BRIDGE_ASSERT(f.advance(parent.lease, Stage::replied));
    child = f.write([&](store::Tx& tx) {
               return f.queue.begin_child(tx, parent.lease, f.job(), f.now());
             }).value();
  }
};

TEST(Families, AChildLivesUnderItsParentsLease) {
  Family y;
  ASSERT_TRUE(y.f.advance(y.child.lease, Stage::replied));
  ASSERT_TRUE(y.f.complete(y.child.lease));
  EXPECT_EQ(y.f.idle().reason, "leased");
  ASSERT_TRUE(y.f.complete(y.parent.lease));
  const auto children = y.f.write([&](store::Tx& tx) { return y.f.queue.children(tx, y.root); });
  ASSERT_EQ(children->size(), 1u);
  EXPECT_EQ(children->front().state, State::done);
}

TEST(Families, CountAsOneJob) {
  Family y;
  y.f.add();
  const auto counts = [&] {
    return y.f.write([&](store::Tx& tx) { return y.f.queue.counts(tx); }).value();
  };
  using Counts = std::map<State, int>;
  EXPECT_EQ(counts(), (Counts{{State::queued, 1}, {State::running, 1}, {State::held, 0}}));
  ASSERT_TRUE(y.f.advance(y.child.lease, Stage::armed));
  ASSERT_TRUE(y.f.hold(y.child.lease));
  EXPECT_EQ(counts(), (Counts{{State::queued, 1}, {State::running, 0}, {State::held, 1}}));
}

TEST(Families, AnInterruptedChildComesBackWithItsParent) {
  Family y;
  ASSERT_TRUE(y.f.advance(y.child.lease, Stage::armed));
  y.f.holder = "life-2";
  ASSERT_TRUE(y.f.recover(1));
  const auto again = y.f.claim();
  EXPECT_EQ(again.job.id, y.root);
  EXPECT_TRUE(again.is_reconcile);
  const Lease lease{y.child.job.id, lane, again.lease.epoch, y.child.lease.attempt};
  EXPECT_FALSE(y.f.stage(y.child.lease, Stage::sent));
  EXPECT_TRUE(y.f.stage(lease, Stage::sent));
}

TEST(Families, AnArmedChildHoldsItsParentAndThePersonsWordIsAboutTheChild) {
  Family y;
  ASSERT_TRUE(y.f.advance(y.child.lease, Stage::armed));
  const auto refused = y.f.fail(y.child.lease, base::Code::internal);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "in_doubt");
  ASSERT_TRUE(y.f.fail(y.parent.lease, base::Code::internal));
  EXPECT_EQ(y.f.get(y.root).state, State::held);
  ASSERT_TRUE(y.f.resolve(y.root, Verdict::not_sent));
  EXPECT_EQ(y.f.get(y.child.job.id).stage, Stage::none);
  EXPECT_EQ(y.f.get(y.root).stage, Stage::replied);
  EXPECT_TRUE(y.f.claim().is_reconcile);
}

TEST(Families, ChildrenEndWithTheirParent) {
  Family y;
  ASSERT_TRUE(y.f.fail(y.parent.lease, base::Code::invalid, "invalid_reply"));
  EXPECT_EQ(y.f.get(y.child.job.id).state, State::cancelled);
}

TEST(Families, AChildIsOfTheAttemptThatBeganIt) {
  Family y;
  EXPECT_EQ(y.child.job.attempt, 1);
  ASSERT_TRUE(y.f.fail(y.parent.lease, base::Code::invalid, "invalid_reply"));
  ASSERT_TRUE(y.f.retry(y.root));
  const auto anew = y.f.claim();
  ASSERT_TRUE(y.f.advance(anew.lease, Stage::replied));
  const auto child = y.f.write(
      [&](store::Tx& tx) { return y.f.queue.begin_child(tx, anew.lease, y.f.job(), y.f.now()); });
  ASSERT_TRUE(child);
  EXPECT_EQ(child->job.attempt, 2);
  EXPECT_TRUE(y.f.advance(child->lease, Stage::replied));
}

TEST(Families, AnAttemptHasItsNumberOfChildrenForItself) {
  Fixture f;
  const auto id = f.add();
  for (int attempt = 1; attempt <= 2; ++attempt) {
    const auto claim = f.claim();
    ASSERT_TRUE(f.advance(claim.lease, Stage::replied));
    const auto begin = [&] {
      return f.write(
          [&](store::Tx& tx) { return f.queue.begin_child(tx, claim.lease, f.job(), f.now()); });
    };
    for (int i = 0; i < ::limits::children_max; ++i) ASSERT_TRUE(begin());
    const auto refused = begin();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, "too_many_children");
    ASSERT_TRUE(f.fail(claim.lease, base::Code::invalid, "invalid_reply"));
    ASSERT_TRUE(f.retry(id));
  }
}

TEST(Lists, PagesAreNewestFirstAndComplete) {
  Fixture f;
  std::vector<JobId> ids;
  for (int i = 0; i < 7; ++i) ids.push_back(f.add(i % 2 == 0 ? "a" : "b"));
  std::vector<JobId> seen;
  std::optional<std::int64_t> cursor;
  do {
    const auto page =
        f.write([&](store::Tx& tx) { return f.queue.list(tx, {.sender = "a"}, cursor, 3); });
    for (const auto& job : page->jobs) seen.push_back(job.id);
    cursor = page->cursor;
  } while (cursor);
  EXPECT_EQ(seen, (std::vector<JobId>{ids[6], ids[4], ids[2], ids[0]}));
}

TEST(Lists, JobsOfAnAgentAreThoseWhosePayloadBeginsWithIt) {
  Fixture f;
  const std::string agent = "0193e2b4-0000-7000-8000-000000000001";
  const std::string other = "0193e2b4-0000-7000-8000-000000000002";
  const auto add = [&](std::string sender, std::string payload) {
    auto job = f.job(std::move(sender));
    job.payload = Payload::of(std::move(payload));
    return f.submit(std::move(job))->job.id;
  };
  const auto first = add("a", R"({"agent":")" + agent + R"(","n":1})");
  add("a", R"({"agent":")" + other + R"("})");
  add("a", R"({"n":1,"agent":")" + agent + R"("})");
  add("a", "{}");
  const auto last = add("b", R"({"agent":")" + agent + R"("})");
  const auto of = [&](Filter filter) {
    std::vector<JobId> ids;
    const auto page = f.write([&](store::Tx& tx) { return f.queue.list(tx, filter, {}, 9); });
    for (const auto& job : page->jobs) ids.push_back(job.id);
    return ids;
  };
  EXPECT_EQ(of({.agent = agent}), (std::vector<JobId>{last, first}));
  EXPECT_EQ(of({.sender = "a", .agent = agent}), (std::vector<JobId>{first}));
}

TEST(Changes, EveryChangeIsToldInItsTransactionAndAnErrorUndoesIt) {
  std::vector<std::string> told;
  bool refuses = false;
  QueueOptions options;
  options.on_change = [&](store::Tx&, const Change& change, const Now&) -> base::Result<> {
    if (refuses) return base::fail(base::Code::internal, "no");
    told.emplace_back(change.verb);
    return {};
  };
  Fixture f(options);
  f.add();
  auto claim = f.claim();
  ASSERT_TRUE(f.advance(claim.lease, Stage::replied));
  refuses = true;
  EXPECT_FALSE(f.complete(claim.lease));
  EXPECT_EQ(f.get(claim.job.id).state, State::running);
  refuses = false;
  ASSERT_TRUE(f.complete(claim.lease));
  EXPECT_EQ(told, (std::vector<std::string>{"submitted", "claimed", "intent", "armed", "sent",
                                            "replied", "completed"}));
}

bool pause_everything(Fixture& f) {
  return f.write([&](store::Tx& tx) { return f.queue.pause_everything(tx, "a fire"); }).has_value();
}
bool resume_everything(Fixture& f) {
  return f.write([&](store::Tx& tx) { return f.queue.resume_everything(tx); }).has_value();
}

// A row of each lane could not say it of one that is not there yet.
TEST(EverythingPaused, HoldsForLanesThatAreMadeLater) {
  Fixture f;
  f.add();
  ASSERT_TRUE(pause_everything(f));
  const LaneId later{"gpt:later"};
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.declare_lane(tx, later, "other"); }));
  NewJob of_later = f.job();
  of_later.lane = later;
  ASSERT_TRUE(f.submit(of_later));
  for (const auto& id : {lane, later}) {
    const auto idle = f.idle(id);
    EXPECT_EQ(idle.reason, "paused") << id.text;
    EXPECT_EQ(idle.detail, "a fire");
    EXPECT_EQ(idle.wait, std::nullopt);
  }
  ASSERT_TRUE(f.recover(1)) << "a new life of the program";
  EXPECT_EQ(f.idle(later).reason, "paused");
  const auto told = f.write([&](store::Tx& tx) { return f.queue.lanes(tx, f.now()); });
  ASSERT_TRUE(told && told->size() == 2);
  for (const auto& status : *told) {
    EXPECT_EQ(status.paused, "a fire");
    EXPECT_FALSE(status.is_paused_itself);
  }
  ASSERT_TRUE(resume_everything(f));
  EXPECT_EQ(f.write([&](store::Tx& tx) { return f.queue.everything_paused(tx); }).value(), "");
  f.claim();
  f.claim(later);
}

TEST(EverythingPaused, LeavesWhatIsPausedByItselfPaused) {
  Fixture f;
  f.add();
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.pause(tx, lane, "lunch"); }));
  ASSERT_TRUE(pause_everything(f));
  EXPECT_EQ(f.idle().detail, "lunch");
  ASSERT_TRUE(resume_everything(f));
  EXPECT_EQ(f.idle().reason, "paused");
  ASSERT_TRUE(pause_everything(f));
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.resume(tx, lane); }));
  EXPECT_EQ(f.idle().detail, "a fire");
  ASSERT_TRUE(resume_everything(f));
  f.claim();
}

void expect_nothing_is_armed_while(const std::function<bool(Fixture&)>& pause,
                                   const std::function<bool(Fixture&)>& resume) {
  Fixture f;
  f.add();
  const auto sent = f.claim();
  ASSERT_TRUE(f.advance(sent.lease, Stage::sent));
  ASSERT_TRUE(pause(f));
  ASSERT_TRUE(f.stage(sent.lease, Stage::replied));
  ASSERT_TRUE(f.complete(sent.lease));
  ASSERT_TRUE(resume(f));

  f.add();
  const auto claim = f.claim();
  ASSERT_TRUE(f.stage(claim.lease, Stage::intent));
  ASSERT_TRUE(pause(f));
  const auto wait =
      f.write([&](store::Tx& tx) { return f.queue.wait_to_arm(tx, claim.lease, f.now()); });
  ASSERT_FALSE(wait);
  EXPECT_EQ(wait.error().reason, "paused");
  const auto refused = f.stage(claim.lease, Stage::armed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::busy);
  EXPECT_EQ(refused.error().reason, "paused");
  ASSERT_TRUE(f.fail(claim.lease, base::Code::busy, "paused"));
  EXPECT_EQ(f.get(claim.job.id).state, State::queued);
  EXPECT_EQ(f.get(claim.job.id).stage, Stage::none);
}

TEST(EverythingPaused, ArmsNothingAndReadsWhatWasSent) {
  expect_nothing_is_armed_while(pause_everything, resume_everything);
}

TEST(APausedLane, ArmsNothingAndReadsWhatWasSent) {
  expect_nothing_is_armed_while(
      [](Fixture& f) {
        return f.write([&](store::Tx& tx) { return f.queue.pause(tx, lane, "lunch"); }).has_value();
      },
      [](Fixture& f) {
        return f.write([&](store::Tx& tx) { return f.queue.resume(tx, lane); }).has_value();
      });
}

// What a page did by itself is not undone by refusing to note it.
TEST(EverythingPaused, NotesWhatWasDoneAllTheSame) {
  Fixture f;
  NewJob late = f.job();
  late.deadline = f.clock.wall() + 1min;
  ASSERT_TRUE(f.submit(late));
  const auto claim = f.claim();
  ASSERT_TRUE(f.stage(claim.lease, Stage::intent));
  ASSERT_TRUE(pause_everything(f));
  f.pass(2min);
  const auto noted = f.write([&](store::Tx& tx) {
    return f.queue.set_stage(tx, claim.lease, Stage::armed, f.now(), Arming::done);
  });
  ASSERT_TRUE(noted) << noted.error().message;
  EXPECT_EQ(f.get(claim.job.id).stage, Stage::armed);
}

bool is_drained(Fixture& f) {
  return f.write([&](store::Tx& tx) { return f.queue.is_drained(tx, f.now()); }).value();
}

TEST(Drained, IsAQueueInWhichNothingGoesOnByItself) {
  Fixture f;
  EXPECT_TRUE(is_drained(f));
  const auto id = f.add();
  EXPECT_FALSE(is_drained(f));
  EXPECT_TRUE(f.write([&](store::Tx& tx) { return f.queue.pause(tx, lane, "lunch"); }));
  EXPECT_TRUE(is_drained(f));
  EXPECT_TRUE(f.write([&](store::Tx& tx) { return f.queue.resume(tx, lane); }));
  EXPECT_FALSE(is_drained(f));
  ASSERT_TRUE(pause_everything(f));
  EXPECT_TRUE(is_drained(f));
  ASSERT_TRUE(resume_everything(f));
  const auto claim = f.claim();
  EXPECT_FALSE(is_drained(f));
  ASSERT_TRUE(f.advance(claim.lease, Stage::armed));
  ASSERT_TRUE(f.hold(claim.lease));
  f.add();  // waits behind it
  EXPECT_TRUE(is_drained(f));
  ASSERT_TRUE(f.resolve(id, Verdict::abandon));
  EXPECT_FALSE(is_drained(f));
  EXPECT_TRUE(f.write([&](store::Tx& tx) {
    return f.queue.trip(tx, "account", Trip::login_required, "signed out", std::nullopt, f.now());
  }));
  EXPECT_TRUE(is_drained(f));
}

// What was sent in a lane is not read on either while its page asks for a person.
TEST(Drained, ABlockedLaneGoesOnOnlyByAPersonOrByALook) {
  Fixture f;
  f.add();
  const auto claim = f.claim();
  ASSERT_TRUE(f.advance(claim.lease, Stage::sent));
  ASSERT_TRUE(f.fail(claim.lease, base::Code::login_required, "ui_changed"));
  f.add();
  EXPECT_FALSE(is_drained(f));
  ASSERT_TRUE(
      f.write([&](store::Tx& tx) { return f.queue.block(tx, lane, "a dialog", "", f.now()); }));
  EXPECT_TRUE(is_drained(f));
  ASSERT_TRUE(f.write([&](store::Tx& tx) { return f.queue.unblock(tx, lane); }));
  EXPECT_FALSE(is_drained(f));
}

// A limit of the provider lets nothing new begin, but what was sent is read on.
TEST(Drained, WhatWasSentIsReadOnBehindALimit) {
  Fixture f;
  f.add();
  const auto claim = f.claim();
  ASSERT_TRUE(f.advance(claim.lease, Stage::sent));
  ASSERT_TRUE(f.release(claim.lease));
  f.add();
  EXPECT_TRUE(f.write([&](store::Tx& tx) {
    return f.queue.trip(tx, "account", Trip::usage_cap, "until four", std::nullopt, f.now());
  }));
  EXPECT_FALSE(is_drained(f));
  ASSERT_TRUE(f.complete(f.claim().lease));
  EXPECT_TRUE(is_drained(f));
}

TEST(Drained, SoonIsWaitedForAndMuchLaterIsNot) {
  Fixture f;
  const auto add_later = [&](Milliseconds wait) {
    auto later = f.job();
    later.not_before = f.clock.wall() + wait;
    return f.submit(later).value().job.id;
  };
  add_later(60min);
  EXPECT_TRUE(is_drained(f));
  const auto soon = add_later(10min);
  EXPECT_FALSE(is_drained(f));
  ASSERT_TRUE(f.cancel(soon));
  EXPECT_TRUE(is_drained(f));
  f.pass(50min);
  EXPECT_FALSE(is_drained(f));
}

// What backs off for hours keeps its sender's other jobs waiting, and nobody else's.
TEST(Drained, OfASendersLineTheFirstJobCounts) {
  QueueOptions options;
  options.retries["packet"] = {.failures_max = 5, .backoff = {.first = 2h, .most = 2h}};
  Fixture f(options);
  f.add("alice");
  ASSERT_TRUE(f.fail(f.claim().lease, base::Code::unavailable));
  f.add("alice");
  EXPECT_TRUE(is_drained(f));
  f.add("bob");
  EXPECT_FALSE(is_drained(f));
  ASSERT_TRUE(f.complete(f.claim().lease));
  EXPECT_TRUE(is_drained(f));
}

}  // namespace
}  // namespace engine
