// What an agent's own key subscribed to: nothing but what is the agent's own.
#include "bridge/services/events/own.h"

#include "bridge/services/keys.h"
#include "tests/events/fixture.h"
#include "tests/store/fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace events_test {
namespace {

using events::is_own;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const events::Listener listener{.agent = "id-of-ann", .principal = "key:ann"};

engine::Entry entry(std::string type, json::object data, std::string subject = "x") {
  engine::Entry made;
  made.type = std::move(type);
  made.subject = std::move(subject);
  made.data = std::move(data);
  return made;
}

TEST(OwnEntries, AreThoseThatNameTheAgentOrItsKeyWhereTheyMust) {
  EXPECT_TRUE(is_own(entry("agent.offline", {}, "id-of-ann"), listener));
  for (const auto* end : {"from_id", "to_id"}) {
    EXPECT_TRUE(is_own(entry("message.sent", {{end, "id-of-ann"}}), listener)) << end;
  }
  for (const auto* type : {"workflow.run_finished", "action.requested", "memory.stored",
                           "subscription.disabled", "delivery.dead"}) {
    EXPECT_TRUE(is_own(entry(type, {{"agent", "id-of-ann"}}), listener)) << type;
  }
  for (const auto* type : {"packet.replied", "repair.sent", "query.done", "step.done"}) {
    EXPECT_TRUE(is_own(entry(type, {{"principal", "key:ann"}}), listener)) << type;
  }
  EXPECT_TRUE(is_own(entry("query.done", {{"sender", "id-of-ann"}}), listener));
  EXPECT_TRUE(is_own(entry("action.done", {{"sender", "id-of-ann"}}), listener));
}

TEST(OwnEntries, AreNoOthersWhateverTheySay) {
  EXPECT_FALSE(is_own(entry("agent.offline", {{"agent", "id-of-ann"}}, "id-of-bob"), listener));
  EXPECT_FALSE(
      is_own(entry("message.sent", {{"from_id", "id-of-bob"}, {"to", "id-of-ann"}}), listener));
  EXPECT_FALSE(is_own(entry("workflow.run_started", {{"agent", "id-of-bob"}}), listener));
  EXPECT_FALSE(is_own(entry("workflow.run_started", {}), listener));
  EXPECT_FALSE(is_own(entry("memory.stored", {{"agent", "id-of-bob"}}), listener));
  EXPECT_FALSE(is_own(entry("packet.sent", {{"sender", "ann"}}), listener));
  EXPECT_FALSE(is_own(entry("packet.sent", {{"principal", "key:bob"}}), listener));
  EXPECT_FALSE(is_own(entry("packet.sent", {{"agent", "id-of-ann"}}), listener));
  // Kinds of entries that nobody has thought of, keys and all else.
  for (const auto* type : {"key.created", "thing.happened", "schedule.created", "agents", ""}) {
    const json::object data{{"agent", "id-of-ann"}, {"principal", "key:ann"}};
    EXPECT_FALSE(is_own(entry(type, data, "id-of-ann"), listener)) << type;
  }
  const events::Listener nobody{.agent = "", .principal = "key:ann"};
  EXPECT_FALSE(is_own(entry("agent.offline", {}, ""), nobody));
}

struct OwnTest : testing::Test, Bench {
  OwnTest() { internet.add("hooks.example", "8.8.8.8", receiver.server(clock)); }
  ~OwnTest() override { stop(); }

  // Two entries that are ann's own and three that are not.
  void live() {
    happen("id-of-bob", "agent.offline");
    happen("id-of-ann", "agent.offline");
    happen("m1", "message.sent", {{"from_id", "id-of-bob"}, {"to_id", "id-of-cid"}});
    happen("p1", "packet.sent", {{"principal", "key:ann"}});
    happen("p2", "packet.sent", {{"principal", "key:bob"}});
  }
  events::NewSubscription all() {
    return {.via = events::Via::webhook, .url = "https://hooks.example/in"};
  }
  Receiver receiver;
};

TEST_F(OwnTest, AWebhookOfItsKeyGetsNothingElse) {
  const auto subscription = subscribe(all(), actor());
  EXPECT_TRUE(subscription.wish.only);
  live();
  pass(1s);
  EXPECT_THAT(receiver.subjects(), ElementsAre("id-of-ann", "p1"));
}

TEST_F(OwnTest, AWebhookOfAnOperatorGetsAllThatItWants) {
  const auto subscription = subscribe(all());
  EXPECT_FALSE(subscription.wish.only);
  live();
  pass(1s);
  EXPECT_THAT(receiver.subjects(), ElementsAre("id-of-bob", "id-of-ann", "m1", "p1", "p2"));
}

TEST_F(OwnTest, WhatItMayNotHearIsNotReplayedEither) {
  live();
  const auto subscription = subscribe(all(), actor());
  const auto replayed = run(subscriptions->replay_range("ann", subscription.id, 1, 1000, actor()));
  ASSERT_TRUE(replayed) << replayed.error().message;
  EXPECT_EQ(replayed->count, 2);
  pass(1s);
  EXPECT_THAT(receiver.subjects(), testing::UnorderedElementsAre("id-of-ann", "p1"));
}

TEST_F(OwnTest, AStreamOfItsKeyWantsNothingElse) {
  subscribe({.wish = {.types = {"packet."}}}, actor());
  auto sent = entry("packet.sent", {{"principal", "key:bob"}});
  EXPECT_FALSE(subscriptions->wants("id-of-ann", sent));
  EXPECT_FALSE(events::is_wanted_by(subscriptions->stream_wishes("id-of-ann"), sent));
  sent.data["principal"] = "key:ann";
  EXPECT_TRUE(subscriptions->wants("id-of-ann", sent));
  EXPECT_TRUE(events::is_wanted_by(subscriptions->stream_wishes("id-of-ann"), sent));
}

// As after the upgrade of a store in which it was begun.
TEST_F(OwnTest, ADeliveryThatWasBegunBeforeIsGivenUpUnsent) {
  receiver.answers = {{.status = 500}};
  const auto subscription = webhook();
  happen("a");
  pass(1s);
  ASSERT_THAT(receiver.got, SizeIs(1));
  stop();
  ASSERT_TRUE(run(store->write(
      [](store::Tx& tx) { return tx.execute("UPDATE subscriptions SET bound = agent"); })));
  start();
  receiver.got.clear();
  pass(48h);
  EXPECT_THAT(receiver.got, IsEmpty());
  const auto made = deliveries(subscription);
  ASSERT_THAT(made, SizeIs(1));
  EXPECT_EQ(events::name(made[0].state), "dead");
  EXPECT_THAT(made[0].detail, HasSubstr("not the agent's own"));
  ASSERT_TRUE(run(subscriptions->replay(made[0].id, actor())));
  pass(5 * 24h);
  EXPECT_THAT(receiver.got, IsEmpty());
  // The receiver failed once and was not asked since.
  ASSERT_TRUE(run(subscriptions->replay(made[0].id, actor())));
  pass(1min);
  EXPECT_EQ(now(subscription).failures, 1);
  EXPECT_EQ(now(subscription).disabled, "");
}

// ---- stores from before

TEST(SubscriptionUpgrade, OnlyWhoIsKnownToBeBoundToNobodyHearsOfOthers) {
  const store::Folder folder;
  boost::asio::io_context loop;
  const store::SqliteOptions options{.path = folder / "store.db", .ballast_bytes = 0};
  const auto keys = services::key_migrations();
  const auto own = events::migrations();
  std::vector<store::Migration> steps(keys.begin(), keys.end());
  steps.push_back(own.front());
  {
    const auto store = store::SqliteStore::open(options, loop.get_executor(), steps);
    ASSERT_TRUE(store) << store.error().message;
    for (const auto* id : {"root", "bound"}) {
      const std::string agent = id == std::string("bound") ? "ann" : "";
      ASSERT_TRUE(write_one(loop, **store, R"sql(
        INSERT INTO api_keys (id, name, agent, scopes, digest, creator, request_hash, created_at)
        VALUES ($1, '', $2, '["events"]', $1, '', '', 0)
      )sql",
                            {id, agent}));
    }
    for (const auto* creator : {"key:root", "key:bound", "key:lost", "jwt:issuer#ann"}) {
      ASSERT_TRUE(write_one(loop, **store, R"sql(
        INSERT INTO subscriptions (id, agent, wish, via, creator, request_hash, created_at, url,
                                   secret, old_secret, disabled, handshake, cursor, failures,
                                   throttles)
        VALUES ($1, 'id-of-ann', '{}', 'sse', $1, '', 0, '', '', '', '', '{}', 0, 0, 0)
      )sql",
                            {creator}));
    }
  }
  steps.push_back(own[1]);
  const auto store = store::SqliteStore::open(options, loop.get_executor(), steps);
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(rows_of(loop, **store, "SELECT id, bound FROM subscriptions ORDER BY id"),
            (std::vector<store::Row>{{"jwt:issuer#ann", "id-of-ann"},
                                     {"key:bound", "id-of-ann"},
                                     {"key:lost", "id-of-ann"},
                                     {"key:root", ""}}));
}

}  // namespace
}  // namespace events_test
