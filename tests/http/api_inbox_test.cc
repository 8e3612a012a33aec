// Inboxes that are full, answers that are read, and letters that nobody will read, over HTTP.
#include "bridge/services/messages/message_limits.h"
#include "tests/http/talk.h"
#include "tests/support/full_inbox.h"

#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Inboxes : Talk {
  asio::awaitable<std::string> id_of(std::string agent) {
    const auto shown = co_await call("GET", "/api/gpt-agents/" + agent);
    co_return text(shown.json(), "id");
  }
  Story fill(std::string agent) {
    const auto id = co_await id_of(std::move(agent));
    const auto filled =
        co_await write([&](store::Tx& tx) { return test::fill_inbox(tx, id, clock.wall()); });
    EXPECT_TRUE(filled) << (filled ? "" : filled.error().message);
  }
  // Reads one of the letters that fill the inbox.
  Story make_room(std::string as, std::string agent) {
    const auto acked = co_await post(as, agent + "/messages/filling-1/ack", json::object());
    EXPECT_EQ(acked.status, 200) << acked.body;
  }
  asio::awaitable<std::string> unread(std::string agent) {
    const auto page = co_await get(admin, agent + "/messages?limit=1");
    co_return page.header("flywheel-unread").value_or("");
  }
};

TEST(ApiInbox, AFullOneTakesNeitherLettersNorQueriesUntilItsAgentHasRead) {
  Inboxes f;
  f.run([&]() -> Story {
    co_await f.begin();
    co_await f.fill("critic");
    const json::object letter{{"text", "read this"}};
    const auto refused = co_await f.post(f.planner, "critic/message", letter);
    EXPECT_EQ(refused.status, 429) << refused.body;
    EXPECT_EQ(refused.json().at("code"), "inbox_full");
    EXPECT_THAT(text(refused.json(), "detail"), HasSubstr("send to Critic: its inbox is full"));
    EXPECT_EQ(refused.header("retry-after"), "30");
    const json::object question{{"query", "is it good?"}};
    EXPECT_EQ((co_await f.post(f.planner, "critic/query", question)).status, 429);
    EXPECT_THAT(texts(co_await f.get(f.planner, "planner/messages")), ElementsAre());

    co_await f.make_room(f.critic, "critic");
    EXPECT_EQ((co_await f.post(f.planner, "critic/query", question)).status, 202);
    EXPECT_EQ((co_await f.post(f.planner, "critic/message", letter)).status, 429);
    EXPECT_THAT(texts(co_await f.get(f.planner, "planner/messages")), ElementsAre("is it good?"));
  });
}

TEST(ApiInbox, WhoseInboxIsFullAsksNobodyAndIsStillAnswered) {
  Inboxes f;
  f.run([&]() -> Story {
    co_await f.begin();
    const json::object question{{"query", "which tone?"}};
    const auto asked = co_await f.post(f.planner, "culture-code/query", question);
    EXPECT_EQ(asked.status, 202) << asked.body;
    co_await f.fill("planner");
    for (const auto* whom : {"critic/query", "culture-code/query"}) {
      const auto refused = co_await f.post(f.planner, whom, question);
      EXPECT_EQ(refused.status, 429) << refused.body;
      EXPECT_EQ(refused.json().at("code"), "inbox_full");
      EXPECT_THAT(text(refused.json(), "detail"), HasSubstr("the inbox of Planner"));
      EXPECT_EQ(refused.header("retry-after"), "30");
      EXPECT_THAT(text(refused.json(), "detail"), HasSubstr("/messages/{id}/ack"));
    }
    const json::object as_planner{{"query", "which tone?"}, {"from", "Planner"}};
    EXPECT_EQ((co_await f.post(f.admin, "critic/query", as_planner)).status, 429);
    EXPECT_EQ((co_await f.post(f.admin, "critic/query", question)).status, 202)
        << "who is no agent has no inbox";

    co_await f.run_next("warm");
    const auto found = co_await f.get(f.admin, "culture-code/queries/" + text(asked.json(), "id"));
    EXPECT_EQ(found.json().at("state"), "answered") << found.body;
    EXPECT_EQ(co_await f.unread("planner"), std::to_string(limits::inbox_unread_max + 1));
    co_await f.make_room(f.planner, "planner");
    EXPECT_EQ((co_await f.post(f.planner, "critic/query", question)).status, 429)
        << "it is still full";
    const auto given =
        co_await f.get(f.planner, "culture-code/queries/" + text(asked.json(), "id"));
    EXPECT_EQ(given.json().at("answer").at("text"), "warm") << given.body;
    EXPECT_EQ((co_await f.post(f.planner, "critic/query", question)).status, 202);
  });
}

TEST(ApiInbox, ABroadcastTellsWhoseInboxIsFull) {
  Inboxes f;
  f.run([&]() -> Story {
    co_await f.begin();
    co_await f.fill("critic");
    const auto sent = co_await f.post(
        f.admin, "broadcast",
        json::object{{"to", json::array{"Critic", "Planner"}}, {"text", "freeze at noon"}});
    EXPECT_EQ(sent.status, 200) << sent.body;
    EXPECT_EQ(sent.json().at("sent"), 1);
    EXPECT_EQ(sent.json().at("failed"), 1);
    const auto results = sent.json().at("results");
    EXPECT_EQ(results.at(0).at("to"), "Critic");
    EXPECT_EQ(results.at(0).at("result"), "failed");
    EXPECT_EQ(results.at(0).at("error").at("code"), "inbox_full");
    EXPECT_EQ(results.at(1).at("result"), "sent");
    EXPECT_THAT(texts(co_await f.get(f.planner, "planner/messages")),
                ElementsAre("freeze at noon"));
  });
}

TEST(ApiInbox, AnAnswerIsReadOnceItsAskerWasGivenIt) {
  Inboxes f;
  f.run([&]() -> Story {
    co_await f.begin();
    const json::object question{{"query", "is it good?"}, {"idempotency_key", "q1"}};
    const auto asked = co_await f.post(f.planner, "critic/query", question);
    const auto id = text(asked.json(), "id");
    co_await f.post(f.critic, "planner/message", json::object{{"text", "yes"}, {"reply_to", id}});
    const std::vector<std::string> others{f.admin, f.critic};
    for (const auto& other : others) {
      const auto seen = co_await f.get(other, "critic/queries/" + id);
      EXPECT_EQ(seen.json().at("answer").at("acked"), nullptr) << seen.body;
    }
    EXPECT_EQ(co_await f.unread("planner"), "1");
    EXPECT_THAT(texts(co_await f.get(f.planner, "planner/messages?unread=true")),
                ElementsAre("yes"));

    const auto given = co_await f.post(f.planner, "critic/query", question);
    EXPECT_EQ(given.status, 200) << given.body;
    EXPECT_EQ(given.json().at("answer").at("text"), "yes");
    EXPECT_TRUE(given.json().at("answer").at("acked").is_string()) << given.body;
    EXPECT_EQ(co_await f.unread("planner"), "0");
    EXPECT_THAT(texts(co_await f.get(f.planner, "planner/messages")),
                ElementsAre("is it good?", "yes"));
    const auto again = co_await f.get(f.planner, "critic/queries/" + id);
    EXPECT_EQ(again.json().at("answer"), given.json().at("answer"));
    const auto told = co_await f.call("GET", "/api/audit?type=message.acked");
    EXPECT_EQ(told.json().at("items").as_array().size(), 1u);
  });
}

TEST(ApiInbox, ALetterThatNobodyReadForTooLongIsListedAsDead) {
  Inboxes f;
  f.run([&]() -> Story {
    co_await f.begin();
    co_await f.post(f.planner, "critic/message", json::object{{"text", "a letter"}});
    EXPECT_THAT(texts(co_await f.get(f.critic, "critic/messages?dead=true")), ElementsAre());
    f.clock.advance(limits::inbox_keeps_unread + std::chrono::hours(1));
    co_await f.written("message.dead");
    const auto dead = co_await f.get(f.critic, "critic/messages?dead=true");
    EXPECT_THAT(texts(dead), ElementsAre("a letter"));
    EXPECT_EQ(dead.json().at("items").at(0).at("outcome"), "unread");
    EXPECT_EQ(dead.header("flywheel-unread"), "0");
    EXPECT_THAT(texts(co_await f.get(f.critic, "critic/messages?unread=true")), ElementsAre());
  });
}

TEST(ApiInbox, WhatWasWrittenToWhoIsNoAgentNeverDies) {
  Inboxes f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto asked = co_await f.post(f.admin, "critic/query", json::object{{"query", "good?"}});
    const auto id = text(asked.json(), "id");
    const auto answer =
        co_await f.post(f.critic, "root/message", json::object{{"text", "yes"}, {"reply_to", id}});
    EXPECT_EQ(answer.status, 201) << answer.body;
    co_await f.post(f.planner, "critic/message", json::object{{"text", "a letter"}});
    f.clock.advance(limits::inbox_keeps_unread + std::chrono::hours(1));
    co_await f.written("message.dead");

    const auto told = co_await f.call("GET", "/api/audit?type=message.dead");
    EXPECT_EQ(told.json().at("items").as_array().size(), 1u) << "the letter alone";
    const auto about =
        co_await f.call("GET", "/api/audit?type=message.dead&subject=" + text(answer.json(), "id"));
    EXPECT_TRUE(about.json().at("items").as_array().empty()) << about.body;
    const auto found = co_await f.get(f.admin, "critic/queries/" + id);
    EXPECT_EQ(found.json().at("state"), "answered");
    EXPECT_EQ(found.json().at("answer").at("outcome"), nullptr) << found.body;
  });
}

TEST(ApiInbox, WhatIsLeftOfAnAgentThatWasRemovedIsReadByTheIdItHad) {
  Inboxes f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto id = co_await f.id_of("critic");
    co_await f.post(f.admin, "critic/message", json::object{{"text", "of the operator"}});
    co_await f.post(f.planner, "critic/message", json::object{{"text", "of Planner"}});
    EXPECT_EQ((co_await f.call("DELETE", "/api/gpt-agents/critic")).status, 204);

    const auto dead = co_await f.get(f.admin, id + "/messages?dead=true");
    EXPECT_EQ(dead.status, 200) << dead.body;
    EXPECT_THAT(texts(dead), ElementsAre("of the operator", "of Planner"));
    const auto between = co_await f.get(f.admin, id + "/messages?with=planner");
    EXPECT_THAT(texts(between), ElementsAre("of Planner"));
    const auto own = co_await f.get(f.planner, "planner/messages?with=" + id);
    EXPECT_THAT(texts(own), ElementsAre("of Planner"));
    EXPECT_EQ((co_await f.get(f.planner, id + "/messages")).status, 404) << "it is another's";
    EXPECT_EQ((co_await f.get(f.admin, "critic/messages")).status, 404) << "a name is free again";
    const std::string nobody = "0197f3a2-0000-7000-8000-000000000001";
    EXPECT_EQ((co_await f.get(f.admin, nobody + "/messages")).status, 404);
  });
}

}  // namespace
}  // namespace http_test
