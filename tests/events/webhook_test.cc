#include "tests/events/fixture.h"

#include <set>

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace events_test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

struct WebhookTest : testing::Test, Bench {
  explicit WebhookTest(int depth_max = 10'000) : Bench(depth_max) {
    internet.add("hooks.example", "8.8.8.8", receiver.server(clock));
    internet.add("other.example", "9.9.9.9", other.server(clock));
  }
  ~WebhookTest() override { stop(); }
  Receiver receiver;
  Receiver other;
};

TEST_F(WebhookTest, GetsWhatItWantsAsSignedCloudEvents) {
  const auto subscription = webhook();
  const auto sequence = happen("a");
  happen("b", "other.thing");
  pass(1s);
  ASSERT_THAT(receiver.got, SizeIs(1));
  const auto& got = receiver.got[0];
  EXPECT_EQ(got.event.at("id").as_string(), std::to_string(sequence));
  EXPECT_EQ(got.event.at("specversion"), "1.0");
  EXPECT_EQ(got.event.at("type"), "flywheel.thing.happened.v1");
  EXPECT_EQ(got.event.at("source"), "flywheel/test");
  const auto secret = events::WebhookSecret::parse(subscription.secret);
  ASSERT_TRUE(secret);
  EXPECT_TRUE(events::verify_signature(*secret, got.headers, got.body, clock.wall()));
  const auto made = deliveries(subscription);
  ASSERT_THAT(made, SizeIs(1));
  EXPECT_EQ(made[0].id, got.headers.id);
  EXPECT_EQ(events::name(made[0].state), "delivered");
  EXPECT_EQ(made[0].attempts, 1);
  EXPECT_EQ(made[0].status, 204);
}

TEST_F(WebhookTest, WhatHappenedBeforeIsNotSent) {
  happen("before");
  webhook();
  happen("after");
  pass(1s);
  EXPECT_THAT(receiver.subjects(), ElementsAre("after"));
}

TEST_F(WebhookTest, AFailedDeliveryGoesAgainByTheScheduleAndIsDeadInTheEnd) {
  receiver.answers = {{.status = 500, .body = "no\nluck"}};
  const auto subscription = webhook();
  happen("a");
  pass(30 * 24h);
  ASSERT_THAT(receiver.got, SizeIs(10));
  std::vector<std::chrono::seconds> pauses;
  for (std::size_t i = 1; i < receiver.got.size(); ++i) {
    pauses.push_back(
        std::chrono::round<std::chrono::seconds>(receiver.got[i].time - receiver.got[i - 1].time));
  }
  EXPECT_THAT(pauses, ElementsAre(5s, 5min, 30min, 2h, 5h, 10h, 14h, 20h, 24h));
  std::set<std::string> ids;
  const auto secret = events::WebhookSecret::parse(subscription.secret);
  for (const auto& got : receiver.got) {
    ids.insert(got.headers.id);
    EXPECT_TRUE(events::verify_signature(*secret, got.headers, got.body, got.time));
  }
  EXPECT_THAT(ids, SizeIs(1));
  const auto made = deliveries(subscription);
  EXPECT_EQ(events::name(made.at(0).state), "dead");
  EXPECT_THAT(made[0].detail, HasSubstr("500: no luck"));
  EXPECT_THAT(told("delivery."), ElementsAre("delivery.dead"));
}

TEST_F(WebhookTest, ASlowReceiverDelaysNobody) {
  receiver.takes = 14s;
  webhook();
  webhook("other.example");
  for (const auto* subject : {"a", "b", "c"}) happen(subject);
  pass(1s);
  EXPECT_THAT(other.subjects(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(receiver.got, IsEmpty());
  pass(1min);
  EXPECT_THAT(receiver.subjects(), ElementsAre("a", "b", "c"));
}

TEST_F(WebhookTest, AReceiverThatNeverAnswersIsGivenUpInTime) {
  receiver.takes = 1h;
  const auto subscription = webhook();
  happen("a");
  pass(20s);
  const auto made = deliveries(subscription);
  EXPECT_EQ(made.at(0).attempts, 1);
  EXPECT_EQ(made[0].status, 0);
  EXPECT_THAT(made[0].detail, HasSubstr("no answer in time"));
}

TEST_F(WebhookTest, RedirectsAreFailuresAndAreNotFollowed) {
  receiver.answers = {{.status = 302, .headers = {{"location", "https://other.example/in"}}},
                      {.status = 200}};
  const auto subscription = webhook();
  happen("a");
  pass(1s);
  EXPECT_THAT(states(subscription), ElementsAre("pending"));
  pass(10s);
  EXPECT_THAT(states(subscription), ElementsAre("delivered"));
  EXPECT_THAT(other.got, IsEmpty());
}

TEST_F(WebhookTest, GoneDisablesUntilSomebodyEnablesItAgain) {
  receiver.answers = {{.status = 410}, {.status = 204}};
  const auto subscription = webhook();
  happen("a");
  happen("b");
  pass(1h);
  EXPECT_THAT(now(subscription).disabled, HasSubstr("410"));
  EXPECT_THAT(states(subscription), ElementsAre("dead", "pending"));
  happen("c");
  pass(24h);
  EXPECT_THAT(receiver.subjects(), ElementsAre("a"));
  const auto enabled = run(subscriptions->enable("ann", subscription.id, actor()));
  ASSERT_TRUE(enabled) << enabled.error().message;
  pass(1s);
  EXPECT_THAT(receiver.subjects(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(told("subscription."),
              ElementsAre("subscription.created", "subscription.disabled", "subscription.enabled"));
}

TEST_F(WebhookTest, TheJournalTellsTheReceiverButNotItsAddress) {
  internet.add("slack.example", "7.7.7.7", other.server(clock));
  for (const std::string path : {"/services/T0/B0/sesame", "/services/T0/B0/another?key=sesame"}) {
    (void)subscribe({.wish = {.types = {"thing.happened"}},
                     .via = events::Via::webhook,
                     .url = "https://slack.example:8443" + path});
  }
  const auto page = run(store->read(
      [&](store::Tx& tx) { return journal.page(tx, 0, 500, {.type = "subscription.created"}); }));
  ASSERT_TRUE(page);
  ASSERT_EQ(page->entries.size(), 2u);
  for (const auto& entry : page->entries) {
    EXPECT_EQ(entry.data.at("receiver"), "https://slack.example:8443");
    EXPECT_EQ(json::serialize(entry.data).find("services"), std::string::npos);
    EXPECT_EQ(json::serialize(entry.data).find("sesame"), std::string::npos);
  }
  EXPECT_NE(page->entries[0].data.at("url_sha256"), page->entries[1].data.at("url_sha256"));
}

TEST_F(WebhookTest, AReceiverThatFailsForDaysIsDisabled) {
  receiver.answers = {{.status = 500}};
  const auto subscription = webhook();
  for (int hour = 0; hour < 24 * 6; ++hour) {
    happen("a");
    pass(1h);
  }
  EXPECT_THAT(now(subscription).disabled, HasSubstr("have failed since"));
  const auto sent = receiver.got.size();
  pass(10 * 24h);
  EXPECT_EQ(receiver.got.size(), sent);
}

TEST_F(WebhookTest, OneSuccessForgivesTheFailuresBefore) {
  receiver.answers = {{.status = 500}, {.status = 500}, {.status = 200}};
  const auto subscription = webhook();
  happen("a");
  pass(1s);
  EXPECT_EQ(now(subscription).failures, 1);
  pass(1h);
  EXPECT_EQ(now(subscription).failures, 0);
  EXPECT_FALSE(now(subscription).failing_since);
}

TEST_F(WebhookTest, AReceiverThatIsTooBusyIsLeftAloneAsLongAsItAsks) {
  receiver.answers = {{.status = 429, .headers = {{"retry-after", "600"}}}, {.status = 200}};
  webhook();
  happen("a");
  pass(1s);
  for (const auto* subject : {"b", "c"}) happen(subject);
  pass(9min);
  EXPECT_THAT(receiver.subjects(), ElementsAre("a"));
  pass(3min);
  EXPECT_THAT(receiver.subjects(), testing::UnorderedElementsAre("a", "a", "b", "c"));
}

TEST_F(WebhookTest, ARateThatTheReceiverSetIsKept) {
  receiver.handshake = {.status = 200,
                        .headers = {{"webhook-allowed-origin", "other.example, bridge.example"},
                                    {"webhook-allowed-rate", "6"}}};
  const auto subscription = webhook();
  EXPECT_EQ(subscription.handshake.result, "allowed");
  EXPECT_EQ(subscription.handshake.per_minute, 6);
  for (const auto* subject : {"a", "b", "c"}) happen(subject);
  pass(15s);
  EXPECT_THAT(receiver.subjects(), ElementsAre("a", "b"));
  pass(10s);
  EXPECT_THAT(receiver.subjects(), ElementsAre("a", "b", "c"));
}

TEST_F(WebhookTest, TheHandshakeIsToldAsItWent) {
  EXPECT_EQ(webhook().handshake.result, "unanswered");
  receiver.handshake = {.status = 200, .headers = {{"webhook-allowed-origin", "*"}}};
  EXPECT_EQ(webhook().handshake.result, "allowed");
  receiver.handshake = {.status = 200, .headers = {{"webhook-allowed-origin", "evil.example"}}};
  EXPECT_EQ(webhook().handshake.result, "refused");
  internet.servers.clear();
  EXPECT_EQ(webhook().handshake.result, "unreachable");
}

TEST_F(WebhookTest, WhoMustBeAllowedAndIsNotGetsNoSubscription) {
  stop();
  settings.needs_handshake = true;
  start();
  const auto error = refusal({.via = events::Via::webhook, .url = "https://hooks.example/"});
  EXPECT_EQ(error.reason, "handshake_refused");
}

TEST_F(WebhookTest, ANameThatComesToPointAtThisMachineIsNotFollowed) {
  const auto subscription = webhook();
  internet.names["hooks.example"] = {"127.0.0.1"};
  internet.servers["127.0.0.1"] = other.server(clock);
  const auto before = internet.connections.size();
  happen("a");
  pass(1s);
  EXPECT_EQ(internet.connections.size(), before);
  EXPECT_THAT(deliveries(subscription).at(0).detail, HasSubstr("127.0.0.1: it is a loopback"));
  internet.names["hooks.example"] = {"8.8.8.8"};
  pass(1min);
  EXPECT_THAT(receiver.subjects(), ElementsAre("a"));
  EXPECT_THAT(other.got, IsEmpty());
}

TEST_F(WebhookTest, AForbiddenTargetIsRefusedAtOnce) {
  internet.names["inside.example"] = {"8.8.8.8", "10.0.0.1"};
  const auto reason = [&](std::string url) {
    return refusal({.via = events::Via::webhook, .url = std::move(url)}).reason;
  };
  EXPECT_EQ(reason("https://inside.example/"), "forbidden_target");
  EXPECT_EQ(reason("https://[::1]/"), "forbidden_target");
  EXPECT_EQ(reason("http://hooks.example/"), "forbidden_target");
  EXPECT_EQ(reason("https://2130706433/"), "bad_url");
  EXPECT_EQ(reason("https://nowhere.example/"), "no_address");
  EXPECT_THAT(internet.connections, IsEmpty());
}

TEST_F(WebhookTest, AnAgentLearnsNothingOfTheNamesAround) {
  internet.names["inside.example"] = {"8.8.8.8", "10.0.0.1"};
  const auto told = [&](std::string url) {
    auto made = run(subscriptions->subscribe(
        "ann", {.via = events::Via::webhook, .url = std::move(url)}, actor()));
    EXPECT_FALSE(made);
    return made ? base::Error() : made.error();
  };
  const auto inside = told("https://inside.example/");
  const auto nowhere = told("https://nowhere.example/");
  EXPECT_EQ(inside.code, nowhere.code);
  EXPECT_EQ(inside.reason, "forbidden_target");
  EXPECT_EQ(nowhere.reason, "forbidden_target");
  EXPECT_EQ(inside.message,
            "nothing is sent to inside.example: it has no address that may be used");
  EXPECT_EQ(nowhere.message,
            "nothing is sent to nowhere.example: it has no address that may be used");
  EXPECT_THAT(told("http://hooks.example/").message, HasSubstr("without TLS"));
  // It wrote that address itself, and operators know their networks.
  EXPECT_THAT(told("https://10.0.0.1/").message, HasSubstr("10.0.0.1: it is a private address"));
  EXPECT_THAT(refusal({.via = events::Via::webhook, .url = "https://inside.example/"}).message,
              HasSubstr("10.0.0.1"));
  EXPECT_THAT(internet.connections, IsEmpty());

  // Nor by a name of its own that comes to lead elsewhere.
  const auto subscription = subscribe({.wish = {.types = {"agent."}},
                                       .via = events::Via::webhook,
                                       .url = "https://hooks.example/in"},
                                      actor());
  internet.names["hooks.example"] = {"10.0.0.1"};
  happen("id-of-ann", "agent.offline");
  pass(1s);
  const auto tried = deliveries(subscription);
  ASSERT_THAT(tried, SizeIs(1));
  EXPECT_EQ(tried[0].detail,
            "nothing is sent to hooks.example: it has no address that may be used");
  EXPECT_THAT(receiver.got, IsEmpty());
}

TEST_F(WebhookTest, ARotatedSecretSignsBesideTheOldOneForAWhile) {
  const auto subscription = webhook();
  const auto rotated = run(subscriptions->rotate("ann", subscription.id, "", actor()));
  ASSERT_TRUE(rotated);
  const auto old_secret = *events::WebhookSecret::parse(subscription.secret);
  const auto new_secret = *events::WebhookSecret::parse(rotated->secret);
  const auto is_signed = [&](const events::WebhookSecret& secret) {
    const auto& got = receiver.got.back();
    return events::verify_signature(secret, got.headers, got.body, got.time).has_value();
  };
  happen("a");
  pass(1s);
  EXPECT_TRUE(is_signed(old_secret) && is_signed(new_secret));
  pass(limits::webhook_old_secret);
  happen("b");
  pass(1s);
  EXPECT_FALSE(is_signed(old_secret));
  EXPECT_TRUE(is_signed(new_secret));
}

TEST_F(WebhookTest, UnsubscribingCancelsWhatIsUnderWay) {
  receiver.answers = {{.status = 500}};
  const auto subscription = webhook();
  happen("a");
  pass(1s);
  receiver.takes = 10s;
  happen("b");
  pass(1s);
  ASSERT_TRUE(run(subscriptions->unsubscribe("ann", subscription.id, actor())));
  pass(48h);
  EXPECT_THAT(receiver.got, SizeIs(1));
  auto counts = *run(store->read([&](store::Tx& tx) { return queue->counts(tx); }));
  EXPECT_EQ(counts[engine::State::queued] + counts[engine::State::running], 0);
  EXPECT_EQ(jobs(), 0);
  EXPECT_THAT(run(subscriptions->list("ann", actor())).value(), IsEmpty());
  const auto lanes =
      run(store->read([&](store::Tx& tx) { return queue->lanes(tx, timeline.now()); }));
  ASSERT_TRUE(lanes);
  EXPECT_TRUE(lanes->empty());
}

TEST_F(WebhookTest, UnsubscribingForgetsAllDeliveriesWithTheirJobsAndNoOthers) {
  const auto kept = webhook("other.example");
  const auto subscription = webhook();
  const int many = 2 * limits::webhook_forgotten_at_once + 1;
  for (int i = 0; i < many; ++i) happen("a");
  pass(1min);
  ASSERT_THAT(receiver.got, SizeIs(many));
  receiver.answers = {{.status = 500}};
  happen("b");
  pass(6min);
  ASSERT_EQ(states(subscription).back(), "pending");
  ASSERT_GT(jobs(), 2 * (many + 1)) << "one of them goes again";
  ASSERT_TRUE(run(subscriptions->unsubscribe("ann", subscription.id, actor())));
  EXPECT_THAT(deliveries(subscription), IsEmpty());
  EXPECT_EQ(jobs(), many + 1);
  EXPECT_THAT(states(kept), SizeIs(many + 1));
}

TEST_F(WebhookTest, ASubscriptionHearsNothingOfItself) {
  receiver.answers = {{.status = 410}};
  const auto all = subscribe({.via = events::Via::webhook, .url = "https://hooks.example/"});
  const auto watcher = subscribe({.wish = {.types = {"delivery.", "subscription."}},
                                  .via = events::Via::webhook,
                                  .url = "https://other.example/"});
  happen("a");
  pass(1min);
  EXPECT_THAT(receiver.got, SizeIs(1));
  std::vector<std::string> types;
  for (const auto& got : other.got) types.emplace_back(got.event.at("type").as_string());
  EXPECT_THAT(types, ElementsAre("flywheel.delivery.dead.v1", "flywheel.subscription.disabled.v1"));
}

TEST_F(WebhookTest, ADeadDeliveryCanBeReplayed) {
  receiver.answers = {{.status = 500}};
  const auto subscription = webhook();
  happen("a");
  pass(4 * 24h);
  ASSERT_THAT(states(subscription), ElementsAre("dead"));
  receiver.answers = {{.status = 200}};
  const auto replayed = run(subscriptions->replay(deliveries(subscription)[0].id, actor()));
  ASSERT_TRUE(replayed);
  EXPECT_EQ(events::name(replayed->state), "pending");
  pass(1s);
  EXPECT_THAT(states(subscription), ElementsAre("delivered"));
  EXPECT_EQ(receiver.got.back().headers.id, replayed->id);
  EXPECT_EQ(receiver.got.front().headers.id, replayed->id);
}

TEST_F(WebhookTest, APendingDeliveryCanBeSentAtOnce) {
  receiver.answers = {{.status = 500}, {.status = 500}, {.status = 200}};
  const auto subscription = webhook();
  happen("a");
  pass(10s);
  ASSERT_THAT(receiver.got, SizeIs(2));
  ASSERT_TRUE(run(subscriptions->replay(deliveries(subscription)[0].id, actor())));
  pass(1s);
  EXPECT_THAT(states(subscription), ElementsAre("delivered"));
  pass(1h);
  EXPECT_THAT(receiver.got, SizeIs(3));
}

TEST_F(WebhookTest, ARangeCanBeReplayedAlsoOfWhatWasNeverSent) {
  const auto first = happen("before");
  const auto subscription = webhook();
  happen("a");
  happen("b", "other.thing");
  const auto last = happen("c");
  pass(1s);
  const auto replayed =
      run(subscriptions->replay_range("ann", subscription.id, first, last, actor()));
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_EQ(replayed->count, 3);
  EXPECT_TRUE(replayed->is_end);
  pass(1s);
  EXPECT_THAT(receiver.subjects(), testing::UnorderedElementsAre("a", "c", "before", "a", "c"));
}

TEST_F(WebhookTest, OthersDoNotSeeOrTouchIt) {
  const auto subscription = webhook();
  happen("a");
  pass(1s);
  const auto id = deliveries(subscription)[0].id;
  const auto bob = actor("bob");
  EXPECT_EQ(run(subscriptions->delivery(id, bob)).error().code, base::Code::not_found);
  EXPECT_EQ(run(subscriptions->replay(id, bob)).error().code, base::Code::not_found);
  EXPECT_EQ(run(subscriptions->unsubscribe("ann", subscription.id, bob)).error().code,
            base::Code::denied);
  EXPECT_EQ(run(subscriptions->unsubscribe("bob", subscription.id, bob)).error().code,
            base::Code::not_found);
  const auto page = run(subscriptions->deliveries("", std::nullopt, std::nullopt, 10, bob));
  EXPECT_THAT(page->deliveries, IsEmpty());
}

}  // namespace
}  // namespace events_test
