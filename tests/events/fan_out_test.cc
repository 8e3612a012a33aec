#include "tests/events/fixture.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace events_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

struct FanOutTest : testing::Test, Bench {
  explicit FanOutTest(int depth_max = 10'000) : Bench(depth_max) {
    internet.add("hooks.example", "8.8.8.8", receiver.server(clock));
  }
  ~FanOutTest() override { stop(); }
  std::vector<std::string> happen_often(int count) {
    std::vector<std::string> subjects;
    for (int i = 0; i < count; ++i) {
      subjects.push_back("s" + std::to_string(i));
      happen(subjects.back());
    }
    return subjects;
  }
  Receiver receiver;
};

struct SmallQueueTest : FanOutTest {
  SmallQueueTest() : FanOutTest(5) {}
};

TEST_F(FanOutTest, ACrashBetweenLosesNothingAndSendsNothingTwice) {
  const auto subscription = webhook();
  commits_left = 3;
  const auto subjects = happen_often(3);
  pass(1s);
  EXPECT_THAT(deliveries(subscription), IsEmpty());
  pass(1min);
  EXPECT_EQ(receiver.subjects(), subjects);
}

TEST_F(FanOutTest, ANewLifeGoesOnWhereTheLastOneStopped) {
  const auto subscription = webhook();
  receiver.takes = 5s;
  happen("a");
  happen("b");
  pass(7s);
  stop();
  happen("c");
  start();
  pass(1min);
  // "b" was under way when the program ended, and nobody knows what became of it.
  EXPECT_THAT(receiver.subjects(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(states(subscription), ElementsAre("delivered", "delivered", "delivered"));
}

TEST_F(FanOutTest, UnwantedEntriesCostNothingAndAreNotLookedAtAgainForEver) {
  const auto subscription = webhook();
  const auto start_cursor = subscription.cursor;
  for (int i = 0; i < 900; ++i) happen("x", "other.thing");
  pass(1s);
  EXPECT_EQ(now(subscription).cursor, start_cursor);
  for (int i = 0; i < 200; ++i) happen("x", "other.thing");
  pass(1s);
  EXPECT_GE(now(subscription).cursor, start_cursor + 900);
  happen("a");
  pass(1s);
  EXPECT_THAT(receiver.subjects(), ElementsAre("a"));
}

TEST_F(SmallQueueTest, AFullBacklogKeepsItsPlaceAndCatchesUpLater) {
  receiver.answers = {{.status = 500}};
  const auto subscription = webhook();
  Receiver other;
  internet.add("other.example", "9.9.9.9", other.server(clock));
  webhook("other.example");
  const auto subjects = happen_often(40);
  pass(1min);
  EXPECT_THAT(deliveries(subscription), SizeIs(5));
  EXPECT_EQ(other.subjects(), subjects);
  receiver.answers = {{.status = 200}};
  receiver.got.clear();
  pass(24h);
  auto seen = receiver.subjects();
  EXPECT_THAT(seen, SizeIs(subjects.size()));
  EXPECT_THAT(seen, testing::UnorderedElementsAreArray(subjects));
  other.got.clear();
}

TEST_F(FanOutTest, AJobThatSomebodyElseEndedIsReplacedAtTheNextStart) {
  receiver.answers = {{.status = 500}, {.status = 200}};
  const auto subscription = webhook();
  happen("a");
  pass(6s);
  receiver.answers = {{.status = 500}};
  happen("b");
  pass(1s);
  const auto made = deliveries(subscription);
  ASSERT_TRUE(run(store->write([&](store::Tx& tx) {
    return queue->cancel(tx, {made.back().job}, "by mistake", timeline.now());
  })));
  stop();
  receiver.answers = {{.status = 200}};
  start();
  pass(1s);
  EXPECT_THAT(states(subscription), ElementsAre("delivered", "delivered"));
}

TEST_F(FanOutTest, WhatIsPendingGoesOnThoughALaneMayHoldLessNow) {
  receiver.answers = {{.status = 503}};
  const auto subscription = webhook();
  happen_often(5);
  pass(1s);
  const auto made = deliveries(subscription);
  ASSERT_THAT(states(subscription),
              ElementsAre("pending", "pending", "pending", "pending", "pending"));
  ASSERT_TRUE(run(store->write([&](store::Tx& tx) {
    return queue->cancel(tx, {made[4].job}, "by mistake", timeline.now());
  })));
  stop();
  build_queue(2);
  receiver.answers = {{.status = 503}, {.status = 204}};
  start();
  const auto at_once = run(subscriptions->replay(made[3].id, actor()));
  EXPECT_TRUE(at_once) << at_once.error().message;
  pass(1h);
  EXPECT_THAT(states(subscription),
              ElementsAre("delivered", "delivered", "delivered", "delivered", "delivered"));
}

TEST_F(FanOutTest, WhatEndedLongAgoIsForgottenWithItsJobs) {
  const auto subscription = webhook();
  happen("a");
  pass(1s);
  const auto old = deliveries(subscription).front();
  ASSERT_TRUE(run(store->write([&](store::Tx& tx) -> base::Result<> {
    for (int i = 1; i <= limits::webhook_deliveries_kept; ++i) {
      TRY_OK(events::rows::insert_delivery(tx, {.id = "later-" + std::to_string(i),
                                                .subscription = subscription.id,
                                                .event = -i,
                                                .type = "thing.happened",
                                                .state = events::Delivery::State::delivered,
                                                .created = old.created}));
    }
    return {};
  })));
  const auto is_known = [&](const std::string& job) {
    return run(store->read([&](store::Tx& tx) { return queue->get(tx, {job}); })).has_value();
  };
  EXPECT_TRUE(is_known(old.job));
  happen("b");
  pass(1s);
  EXPECT_FALSE(is_known(old.job));
  const auto newest = deliveries(subscription).back();
  EXPECT_EQ(events::name(newest.state), "delivered");
  EXPECT_TRUE(is_known(newest.job));
}

TEST_F(SmallQueueTest, AReplayForWhichThereIsNoRoomIsToldWhenToComeAgain) {
  const auto subscription = webhook();
  happen("a");
  pass(1s);
  receiver.answers = {{.status = 500}};
  happen_often(5);
  pass(1s);
  const auto made = deliveries(subscription);
  ASSERT_THAT(made, SizeIs(6));
  ASSERT_EQ(events::name(made.front().state), "delivered");
  const auto refused = run(subscriptions->replay(made.front().id, somebody()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "backlog_full");
  EXPECT_TRUE(refused.error().retry_after == limits::webhook_look);
}

TEST_F(FanOutTest, WhoIsTooFarBehindIsToldWhatWasPassedOver) {
  const auto subscription = webhook();
  happen("a");
  pass(1s);
  stop();
  const auto far = -2 * limits::webhook_behind_max;
  ASSERT_TRUE(run(store->write(
      [&](store::Tx& tx) { return events::rows::set_cursor(tx, subscription.id, far); })));
  start();
  pass(1s);
  EXPECT_THAT(told("subscription.reset"), SizeIs(1));
  const auto made = deliveries(subscription);
  ASSERT_THAT(made, SizeIs(2));
  EXPECT_EQ(made[1].event, far + 1);
  EXPECT_EQ(events::name(made[1].state), "dead");
  EXPECT_EQ(run(subscriptions->replay(made[1].id, actor())).error().reason, "is_range");
  EXPECT_THAT(receiver.subjects(), ElementsAre("a"));
}

TEST_F(FanOutTest, WithAnAgentGoItsSubscriptions) {
  webhook();
  const auto stream = subscribe({.wish = {.types = {"thing."}}});
  happen("before");
  happen("id-of-bob", "agent.removed");
  pass(1s);
  EXPECT_THAT(run(subscriptions->list("ann", actor())).value(), SizeIs(2));
  EXPECT_EQ(jobs(), 1);
  happen("id-of-ann", "agent.removed");
  happen("a");
  pass(1s);
  EXPECT_THAT(run(subscriptions->list("ann", actor())).value(), IsEmpty());
  EXPECT_EQ(jobs(), 0);
  EXPECT_THAT(receiver.subjects(), ElementsAre("before"));
}

TEST_F(FanOutTest, WhatAnAgentThatWentInAnEarlierLifeLeftIsRemoved) {
  webhook();
  happen("a");
  pass(1s);
  EXPECT_EQ(jobs(), 1);
  stop();
  gone = "id-of-ann";
  start();
  EXPECT_THAT(run(subscriptions->list("ann", actor())).value(), IsEmpty());
  EXPECT_EQ(jobs(), 0);
}

TEST_F(FanOutTest, StreamsWantWhatTheirAgentSubscribedTo) {
  engine::Entry entry;
  entry.type = "thing.happened";
  EXPECT_FALSE(subscriptions->wants("id-of-ann", entry));
  const auto stream = subscribe({.wish = {.types = {"thing."}}});
  EXPECT_TRUE(subscriptions->wants("id-of-ann", entry));
  EXPECT_FALSE(subscriptions->wants("id-of-bob", entry));
  entry.type = "other.thing";
  EXPECT_FALSE(subscriptions->wants("id-of-ann", entry));
  ASSERT_TRUE(run(subscriptions->unsubscribe("ann", stream.id, actor())));
  entry.type = "thing.happened";
  EXPECT_FALSE(subscriptions->wants("id-of-ann", entry));
}

TEST_F(FanOutTest, TheSameRequestSubscribesOnce) {
  const events::NewSubscription asked{.via = events::Via::webhook,
                                      .url = "https://hooks.example/",
                                      .request = "r1",
                                      .request_hash = "h1"};
  const auto first = run(subscriptions->subscribe("ann", asked, somebody()));
  const auto again = run(subscriptions->subscribe("ann", asked, somebody()));
  ASSERT_TRUE(first && again);
  EXPECT_FALSE(first->is_replay);
  EXPECT_TRUE(again->is_replay);
  EXPECT_EQ(first->subscription.id, again->subscription.id);
  auto other = asked;
  other.request_hash = "h2";
  EXPECT_EQ(refusal(other).reason, "idempotency_mismatch");
}

}  // namespace
}  // namespace events_test
