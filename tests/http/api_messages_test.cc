// Messages and queries between agents, over HTTP.
#include "bridge/base/limits.h"
#include "bridge/services/posts.h"
#include "tests/http/talk.h"

#include <algorithm>

#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST(ApiMessages, OneIsSentReadAckedAndAnsweredInItsThread) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto sent = co_await f.post(f.planner, "critic/message",
                                      json::object{{"text", "look at this"}, {"topic", "plan"}});
    EXPECT_EQ(sent.status, 201) << sent.body;
    EXPECT_EQ(sent.json().at("from").at("name"), "Planner");
    const auto id = text(sent.json(), "id");

    const auto inbox = co_await f.get(f.critic, "critic/messages?unread=true");
    EXPECT_THAT(texts(inbox), ElementsAre("look at this"));
    EXPECT_EQ(inbox.header("flywheel-unread"), "1");
    const auto acked = co_await f.post(f.critic, "critic/messages/" + id + "/ack", nullptr);
    EXPECT_EQ(acked.status, 200) << acked.body;
    EXPECT_FALSE(acked.json().at("acked").is_null());
    EXPECT_THAT(texts(co_await f.get(f.critic, "critic/messages?unread=true")), ElementsAre());

    const auto reply = co_await f.post(f.critic, "planner/message",
                                       json::object{{"text", "too long"}, {"reply_to", id}});
    EXPECT_EQ(reply.json().at("thread"), sent.json().at("thread"));
    const auto history = co_await f.get(
        f.planner, "planner/messages?with=critic&thread=" + text(sent.json(), "thread"));
    EXPECT_THAT(texts(history), ElementsAre("look at this", "too long"));
  });
}

TEST(ApiMessages, APageOfLongOnesEndsBeforeItsLimitAndTheNextGoesOn) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    std::string longest;
    for (int i = 0; i < 200'000; ++i) longest += "\U0001F426";
    std::vector<std::string> sent;
    for (int i = 0; i < 20; ++i) {
      const auto one =
          co_await f.post(f.planner, "critic/message", json::object{{"text", longest}});
      EXPECT_EQ(one.status, 201) << one.body.substr(0, 500);
      sent.push_back(text(one.json(), "id"));
    }
    for (const auto* order : {"", "&newest=true"}) {
      std::vector<std::string> found;
      const std::string start = std::string("critic/messages?limit=500") + order;
      std::string target = start;
      for (int pages = 0; !target.empty() && pages < 20; ++pages) {
        const auto page = co_await f.get(f.critic, target);
        EXPECT_EQ(page.status, 200);
        EXPECT_LT(page.body.size(), 2 * limits::list_part_bytes);
        const auto read = page.json();
        for (const auto& item : read.at("items").as_array()) found.push_back(text(item, "id"));
        const bool is_end = read.at("next_cursor").is_null();
        EXPECT_FALSE(is_end && pages == 0);
        target = is_end ? "" : start + "&cursor=" + text(read, "next_cursor");
      }
      if (*order != '\0') std::ranges::reverse(found);
      EXPECT_EQ(found, sent);
    }
  });
}

TEST(ApiMessages, NobodySpeaksForAnotherOrReadsTheirInbox) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto forged = co_await f.post(f.planner, "planner/message",
                                        json::object{{"text", "x"}, {"from", "Critic"}});
    EXPECT_EQ(forged.status, 403);
    EXPECT_EQ(forged.json().at("code"), "forged_sender");
    EXPECT_EQ((co_await f.get(f.planner, "critic/messages")).status, 403);
    const auto operators = co_await f.post(f.admin, "planner/message",
                                           json::object{{"text", "x"}, {"from", "Critic"}});
    EXPECT_EQ(operators.status, 201);
    EXPECT_EQ(operators.json().at("from").at("name"), "Critic");
    const auto id = text(operators.json(), "id");
    EXPECT_EQ((co_await f.post(f.critic, "critic/messages/" + id + "/ack", nullptr)).status, 404);
    const auto stranger =
        co_await f.post(f.admin, "planner/message",
                        json::object{{"text", "x"}, {"from", "Culture Code"}, {"reply_to", id}});
    EXPECT_EQ(stranger.status, 422);
    EXPECT_EQ(stranger.json().at("code"), "wrong_reply");
  });
}

TEST(ApiMessages, AReplyGoesBackToItsSenderWhateverOthersCallThemselves) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto asked = co_await f.post(f.admin, "critic/query", json::object{{"query", "good?"}});
    const auto query = text(asked.json(), "id");
    const auto own = co_await f.key("own", {"agents:write"}, "Planner");
    const auto named = co_await f.call_as(own, "PATCH", "/api/gpt-agents/planner",
                                          {.body = json::object{{"aliases", json::array{"root"}}}});
    EXPECT_EQ(named.status, 200) << named.body;
    const auto to_root = [&](std::string said, std::optional<std::string> reply_to) {
      json::object body{{"text", std::move(said)}};
      if (reply_to) body["reply_to"] = *reply_to;
      return f.post(f.critic, "root/message", std::move(body));
    };
    const auto answer = co_await to_root("yes", query);
    EXPECT_EQ(answer.status, 201) << answer.body;
    EXPECT_EQ(answer.json().at("kind"), "answer");
    EXPECT_EQ(answer.json().at("to"), (json::object{{"id", nullptr}, {"name", "root"}}));
    const auto found = co_await f.get(f.admin, "critic/queries/" + query);
    EXPECT_EQ(found.json().at("answer").at("text"), "yes");

    const auto more = co_await to_root("and more", text(answer.json(), "id"));
    EXPECT_EQ(more.json().at("to").at("id"), nullptr) << more.body;
    EXPECT_THAT(texts(co_await f.get(f.planner, "planner/messages")), ElementsAre());

    const auto letter = co_await f.post(f.planner, "critic/message", json::object{{"text", "hi"}});
    const auto back = co_await to_root("hi, Planner", text(letter.json(), "id"));
    EXPECT_EQ(back.json().at("to").at("name"), "Planner") << back.body;
    EXPECT_EQ((co_await to_root("hi again", {})).json().at("to").at("name"), "Planner");
  });
}

TEST(ApiMessages, WhoIsNoAgentIsReachedByAReplyAlone) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto letter = co_await f.post(f.admin, "critic/message", json::object{{"text", "hi"}});
    json::object body{{"text", "hello"}};
    const auto unknown = co_await f.post(f.critic, "root/message", body);
    EXPECT_EQ(unknown.status, 404);
    EXPECT_THAT(text(unknown.json(), "detail"), HasSubstr("reached by a reply"));
    body["reply_to"] = letter.json().at("id");
    const auto reply = co_await f.post(f.critic, "root/message", body);
    EXPECT_EQ(reply.status, 201) << reply.body;
    EXPECT_EQ(reply.json().at("to"), (json::object{{"id", nullptr}, {"name", "root"}}));
  });
}

TEST(ApiMessages, AListIsReadBackwardsFromTheNewest) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    for (const auto* words : {"one", "two", "three", "four", "five"}) {
      co_await f.post(f.planner, "critic/message", json::object{{"text", words}});
    }
    const std::string target = "critic/messages?newest=true&limit=2";
    const auto first = co_await f.get(f.critic, target);
    EXPECT_THAT(texts(first), ElementsAre("five", "four"));
    const auto second =
        co_await f.get(f.critic, target + "&cursor=" + text(first.json(), "next_cursor"));
    EXPECT_THAT(texts(second), ElementsAre("three", "two"));
    const auto third =
        co_await f.get(f.critic, target + "&cursor=" + text(second.json(), "next_cursor"));
    EXPECT_THAT(texts(third), ElementsAre("one"));
    EXPECT_TRUE(third.json().at("next_cursor").is_null());
    const auto unread = co_await f.get(f.critic, "critic/messages?newest=true&unread=true");
    EXPECT_THAT(texts(unread), ElementsAre("five", "four", "three", "two", "one"));
    const auto both = co_await f.get(f.critic, "critic/messages?newest=true&after=1");
    EXPECT_EQ(both.json().at("code"), "invalid_query");
  });
}

TEST(ApiMessages, AFlagOfAListThatIsNeitherTrueNorFalseIsRefusedByName) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    co_await f.post(f.planner, "critic/message", json::object{{"text", "hi"}});
    for (const std::string flag : {"unread", "dead", "newest"}) {
      const auto refused = co_await f.get(f.critic, "critic/messages?" + flag + "=True");
      EXPECT_EQ(refused.status, 400) << refused.body;
      EXPECT_EQ(refused.json().at("code"), "invalid_query");
      EXPECT_THAT(text(refused.json(), "detail"), HasSubstr(flag));
    }
    EXPECT_THAT(texts(co_await f.get(f.critic, "critic/messages?unread=false&newest=0")),
                ElementsAre("hi"));
  });
}

TEST(ApiMessages, TheSameKeySendsOnce) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const json::object body{{"text", "once"}, {"idempotency_key", "k1"}};
    const auto first = co_await f.post(f.planner, "critic/message", body);
    const auto again = co_await f.post(f.planner, "critic/message", body);
    EXPECT_EQ(again.json().at("id"), first.json().at("id"));
    EXPECT_EQ(again.header("idempotency-replayed"), "true");
    EXPECT_EQ((co_await f.post(f.planner, "culture-code/message", body)).status, 422);
    EXPECT_EQ(texts(co_await f.get(f.critic, "critic/messages")).size(), 1u);
  });
}

TEST(ApiMessages, AnAgentThatPollsAnswersAQueryByAReply) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto asked =
        co_await f.post(f.planner, "critic/query", json::object{{"query", "is it good?"}});
    EXPECT_EQ(asked.status, 202) << asked.body;
    EXPECT_EQ(asked.json().at("answered_by"), "inbox");
    const auto id = text(asked.json(), "id");
    const auto unread = co_await f.get(f.critic, "critic/messages?unread=1");
    EXPECT_THAT(texts(unread), ElementsAre("is it good?"));
    EXPECT_EQ(unread.json().at("items").at(0).at("answered_by"), "inbox");
    const json::object answer{{"text", "yes"}, {"reply_to", id}};
    const auto own = co_await f.post(f.planner, "planner/message", answer);
    EXPECT_EQ(own.status, 422);
    EXPECT_EQ((co_await f.post(f.critic, "planner/message", answer)).json().at("kind"), "answer");
    EXPECT_EQ((co_await f.post(f.critic, "planner/message", answer)).status, 409);
    const auto found = co_await f.get(f.planner, "critic/queries/" + id + "?wait=5");
    EXPECT_EQ(found.json().at("state"), "answered");
    EXPECT_EQ(found.json().at("answer").at("text"), "yes");
    EXPECT_EQ(found.json().at("answer").at("trust"), "untrusted");
    EXPECT_EQ((co_await f.get(f.critic, "critic/messages")).json().at("items").at(0).at("trust"),
              "sender");
  });
}

TEST(ApiMessages, TheBeginningOfAnIdIsEnoughAmongTheMessagesThatOneMaySee) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto letter = co_await f.post(f.planner, "critic/message", json::object{{"text", "hi"}});
    const auto id = text(letter.json(), "id");
    const auto begins = id.substr(0, 4);  // that of others too
    co_await f.post(f.admin, "planner/message", json::object{{"text", "of others"}});
    const auto ack = [&](std::string which) {
      return f.post(f.critic, "critic/messages/" + which + "/ack", nullptr);
    };
    EXPECT_EQ((co_await ack(id.substr(0, 3))).status, 404);
    EXPECT_EQ(text((co_await ack(begins)).json(), "id"), id);
    const json::object answer{{"text", "hi, Planner"}, {"reply_to", begins}};
    const auto reply = co_await f.post(f.critic, "planner/message", answer);
    EXPECT_EQ(text(reply.json(), "reply_to"), id) << reply.body;
    const auto again = co_await f.post(f.critic, "planner/message", answer);
    EXPECT_EQ(again.status, 422);
    EXPECT_EQ(again.json().at("code"), "ambiguous_id");
    EXPECT_EQ(text((co_await ack(begins)).json(), "id"), id) << "what it sent it cannot ack";

    const auto asked = co_await f.post(f.planner, "critic/query", json::object{{"query", "good?"}});
    const auto query = text(asked.json(), "id");
    const auto seen = co_await f.get(f.planner, "critic/queries/" + query.substr(0, 8));
    EXPECT_EQ(text(seen.json(), "id"), query) << seen.body;
    co_await f.post(f.planner, "culture-code/query", json::object{{"query", "which tone?"}});
    const auto others = co_await f.get(f.critic, "culture-code/queries/" + begins);
    EXPECT_EQ(others.status, 404) << "that there is one is not the critic's business";
    co_await f.post(f.admin, "critic/query", json::object{{"query", "good?"}});
    const auto two = co_await f.get(f.critic, "critic/queries/" + begins);
    EXPECT_EQ(two.json().at("code"), "ambiguous_id") << two.body;
    EXPECT_EQ(text((co_await f.get(f.planner, "critic/queries/" + begins)).json(), "id"), query);
  });
}

TEST(ApiMessages, AnAnswerBySchemaIsCheckedAndItsObjectKept) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const json::object schema{
        {"type", "object"},
        {"required", json::array{"score"}},
        {"properties", json::object{{"score", json::object{{"type", "integer"}}}}}};
    const auto asked = co_await f.post(f.planner, "critic/query",
                                       json::object{{"query", "how good?"}, {"schema", schema}});
    const auto id = text(asked.json(), "id");
    const auto answer = [&](std::string said) {
      return f.post(f.critic, "planner/message",
                    json::object{{"text", std::move(said)}, {"reply_to", id}});
    };
    const auto none = co_await answer("quite good");
    EXPECT_EQ(none.status, 422) << none.body;
    EXPECT_EQ(none.json().at("code"), "wrong_answer");
    EXPECT_THAT(pointers(none.json()), ElementsAre("/text"));
    const auto wrong = co_await answer(R"({"score": "high"})");
    EXPECT_EQ(wrong.status, 422) << wrong.body;
    EXPECT_THAT(wrong.body, HasSubstr("/score"));
    const auto good = co_await answer("Here:\n```json\n{\"score\": 7}\n```\n");
    EXPECT_EQ(good.status, 201) << good.body;
    EXPECT_EQ(good.json().at("value"), (json::object{{"score", 7}}));
    const auto found = co_await f.get(f.planner, "critic/queries/" + id);
    EXPECT_EQ(found.json().at("answer").at("value"), (json::object{{"score", 7}}));
  });
}

TEST(ApiMessages, ALinkedGptIsAskedInItsConversation) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto asked = co_await f.post(
        f.planner, "culture-code/query",
        json::object{{"query", "which tone?"}, {"context", "a blog"}, {"thread", "blog-1"}});
    EXPECT_EQ(asked.status, 202) << asked.body;
    EXPECT_EQ(asked.json().at("answered_by"), "conversation");
    const auto sent = co_await f.get(f.planner, "planner/messages");
    EXPECT_EQ(sent.json().at("items").at(0).at("answered_by"), "conversation");
    const auto payload = co_await f.run_next("warm");
    EXPECT_EQ(payload.at("asker"), "Planner");
    const auto planner = co_await f.call("GET", "/api/gpt-agents/planner");
    EXPECT_EQ(text(payload, "asker_id"), text(planner.json(), "id")) << "whose chat it is";
    EXPECT_EQ(payload.at("link"), "https://chatgpt.com/g/g-0a1b2c3d4-culture");
    // The answer lies in the asker's inbox too, and the GPT's stays empty.
    EXPECT_THAT(texts(co_await f.get(f.planner, "planner/messages?unread=true")),
                ElementsAre("warm"));
    const auto found =
        co_await f.get(f.planner, "culture-code/queries/" + text(asked.json(), "id"));
    EXPECT_EQ(found.json().at("answer").at("text"), "warm");
    EXPECT_EQ(found.json().at("answer").at("trust"), "untrusted");
    EXPECT_THAT(texts(co_await f.get(f.admin, "culture-code/messages?unread=true")), ElementsAre());

    const auto failing =
        co_await f.post(f.planner, "culture-code/query", json::object{{"query", "and now?"}});
    co_await f.run_next(std::nullopt);
    const auto failed =
        co_await f.get(f.planner, "culture-code/queries/" + text(failing.json(), "id"));
    EXPECT_EQ(failed.json().at("state"), "failed");
    EXPECT_EQ(failed.json().at("error").at("code"), "timeout");
    EXPECT_EQ((co_await f.get(f.critic, "culture-code/queries/" + text(asked.json(), "id"))).status,
              403);
  });
}

// The store was restored: that nothing is recorded of the question says nothing of the chat.
TEST(ApiMessages, AHeldQueryWithoutARecordTellsWhereItsThreadGoesOn) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    co_await f.post(f.planner, "culture-code/query", json::object{{"query", "which tone?"}});
    const auto agent = co_await f.call("GET", "/api/gpt-agents/culture-code");
    const engine::LaneId lane{"gpt:" + text(agent.json(), "id")};
    engine::Job job;
    const auto held = co_await f.write([&](store::Tx& tx) -> base::Result<> {
      const auto now = f.timeline.now();
      TRY_OK(f.queue->recover(tx, "life", 2, now));
      TRY(const auto turn, f.queue->claim(tx, lane, "life", now));
      const auto& claim = std::get<engine::Claim>(turn);
      job = claim.job;
      return f.queue->hold(tx, claim.lease, {"unknown_outcome", "nobody knows"}, now);
    });
    EXPECT_TRUE(held) << (held ? "" : held.error().message);
    const auto target = "/api/packets/" + job.id.text;
    const auto shown = (co_await f.call("GET", target)).json();
    EXPECT_EQ(text(shown, "conversation"), "https://chatgpt.com/g/g-0a1b2c3d4-culture");

    const auto noted = co_await f.write([&](store::Tx& tx) {
      chat::Sent before;
      before.url = "https://chatgpt.com/c/tone";
      return services::Messages::questions().sent(tx, job, before);
    });
    EXPECT_TRUE(noted);
    const auto begun = (co_await f.call("GET", target)).json();
    EXPECT_EQ(text(begun, "conversation"), "https://chatgpt.com/c/tone");
  });
}

TEST(ApiMessages, AHeldQueryIsListedWithWhatWaitsForAPersonAndDecidedThere) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto asked =
        co_await f.post(f.planner, "culture-code/query", json::object{{"query", "which tone?"}});
    const auto agent = co_await f.call("GET", "/api/gpt-agents/culture-code");
    const engine::LaneId lane{"gpt:" + text(agent.json(), "id")};
    const auto held = co_await f.write([&](store::Tx& tx) -> base::Result<> {
      const auto now = f.timeline.now();
      TRY(const auto turn, f.queue->claim(tx, lane, "life", now));
      const auto& lease = std::get<engine::Claim>(turn).lease;
      TRY_OK(f.queue->set_stage(tx, lease, engine::Stage::intent, now));
      services::Post post{.id = "01a21a5f-0000-7000-8000-000000000001",
                          .job_id = lease.job.text,
                          .prompt = {.text = "which tone?", .marker = "FLYWHEEL-JOB-1"},
                          .conversation_url = "https://chatgpt.com/c/tone"};
      TRY_OK(services::posts::add(tx, post, now.wall));
      TRY_OK(f.queue->set_stage(tx, lease, engine::Stage::armed, now));
      return f.queue->hold(tx, lease, {"unknown_outcome", "nobody knows"}, now);
    });
    EXPECT_TRUE(held) << (held ? "" : held.error().message);

    EXPECT_TRUE((co_await f.call("GET", "/api/packets")).json().at("items").as_array().empty());
    const auto listed = (co_await f.call("GET", "/api/packets?state=held")).json().at("items");
    EXPECT_EQ(listed.as_array().size(), 1u);
    EXPECT_EQ(listed.at(0).at("kind"), "query");
    const auto target = "/api/packets/" + text(listed.at(0), "id");
    const auto shown = (co_await f.call("GET", target)).json();
    EXPECT_EQ(shown.at("conversation"), "https://chatgpt.com/c/tone");
    EXPECT_EQ(shown.at("marker"), "FLYWHEEL-JOB-1");
    const auto resolved = co_await f.call("POST", target + "/resolve",
                                          {.body = json::object{{"verdict", "abandon"}}});
    EXPECT_EQ(resolved.json().at("state"), "failed") << resolved.body;
    const auto query =
        co_await f.get(f.planner, "culture-code/queries/" + text(asked.json(), "id"));
    EXPECT_EQ(query.json().at("state"), "failed");
  });
}

TEST(ApiMessages, AWaitEndsWithTheMessage) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    base::Scope tasks(f.loop.get_executor());
    std::optional<http::ClientReply> page;
    const auto wait = [&]() -> Story {
      page = co_await f.get(f.critic, "critic/messages?wait=40");
    };
    tasks.spawn(wait());
    co_await f.post(f.planner, "critic/message", json::object{{"text", "now"}});
    while (!page) co_await f.get(f.planner, "planner/messages");
    EXPECT_THAT(texts(*page), ElementsAre("now"));
    co_await tasks.join();
  });
}

TEST(ApiMessages, ABroadcastTellsOfEachRecipient) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto named =
        co_await f.post(f.planner, "broadcast",
                        json::object{{"to", json::array{"Critic", "nobody"}}, {"text", "hello"}});
    EXPECT_EQ(named.status, 200) << named.body;
    EXPECT_EQ(named.json().at("sent"), 1);
    EXPECT_EQ(named.json().at("results").at(1).at("error").at("code"), "not_found");
    const auto fleet = co_await f.post(f.planner, "broadcast",
                                       json::object{{"category", "core"}, {"text", "fleet"}});
    EXPECT_EQ(fleet.json().at("sent"), 1) << fleet.body;
    EXPECT_THAT(texts(co_await f.get(f.critic, "critic/messages")), ElementsAre("hello", "fleet"));
    const auto both =
        co_await f.post(f.planner, "broadcast",
                        json::object{{"category", "core"}, {"capability", "x"}, {"text", "fleet"}});
    EXPECT_EQ(both.status, 422);
  });
}

TEST(ApiMessages, ABroadcastGoesToACategoryOrElseToWhoeverCanDoSomething) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto able =
        co_await f.call("PATCH", "/api/gpt-agents/critic",
                        {.body = json::object{{"capabilities", json::array{"audit", "creative"}}}});
    EXPECT_EQ(able.status, 200) << able.body;
    const auto reached = [&](json::object body) -> asio::awaitable<std::string> {
      body["text"] = "hello";
      const auto sent = co_await f.post(f.admin, "broadcast", std::move(body));
      EXPECT_EQ(sent.status, 200) << sent.body;
      std::string names;
      for (const auto& one : sent.json().at("results").as_array()) names += text(one, "to") + ".";
      co_return names;
    };
    EXPECT_EQ(co_await reached({{"category", "Core"}}), "Critic.Planner.");
    EXPECT_EQ(co_await reached({{"capability", "audit"}}), "Critic.");
    EXPECT_EQ(co_await reached({{"to", "core"}}), "Critic.Planner.");
    EXPECT_EQ(co_await reached({{"to", "audit"}}), "Critic.");
    EXPECT_EQ(co_await reached({{"to", "creative"}}), "Culture Code.") << "the category goes first";
    const std::pair<const char*, const char*> nobodies[] = {
        {"to", "Critic"}, {"category", "Cor"}, {"capability", "aud"}};
    for (const auto& [way, whom] : nobodies) {
      const auto nobody =
          co_await f.post(f.admin, "broadcast", json::object{{way, whom}, {"text", "hello"}});
      EXPECT_EQ(nobody.status, 404) << nobody.body;
      EXPECT_THAT(text(nobody.json(), "detail"), HasSubstr(whom));
    }
  });
}

TEST(ApiMessages, ABroadcastReachesWhoIsNamedTwiceOnce) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto id = text((co_await f.call("GET", "/api/gpt-agents/critic")).json(), "id");
    const auto sent = co_await f.post(
        f.planner, "broadcast",
        json::object{{"to", json::array{"Critic", id, "nobody", "critic"}}, {"text", "hello"}});
    EXPECT_EQ(sent.status, 200) << sent.body;
    EXPECT_EQ(sent.json().at("sent"), 1);
    EXPECT_EQ(sent.json().at("failed"), 1);
    const auto results = sent.json().at("results");
    std::vector<std::string> words;
    for (const auto& one : results.as_array()) words.push_back(text(one, "result"));
    EXPECT_THAT(words, ElementsAre("sent", "repeated", "failed", "repeated"));
    EXPECT_EQ(results.at(1).at("message"), results.at(0).at("message"));
    EXPECT_EQ(text(results.at(1), "to_id"), id);
    EXPECT_THAT(texts(co_await f.get(f.critic, "critic/messages")), ElementsAre("hello"));
  });
}

TEST(ApiMessages, ABroadcastThatComesAgainSendsNothing) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    json::object body{
        {"to", json::array{"Critic", "nobody"}}, {"text", "once"}, {"idempotency_key", "b1"}};
    const auto first = co_await f.post(f.planner, "broadcast", body);
    EXPECT_EQ(first.status, 200) << first.body;
    const auto again = co_await f.post(f.planner, "broadcast", body);
    EXPECT_EQ(again.json(), first.json());
    EXPECT_EQ(again.header("idempotency-replayed"), "true");
    EXPECT_THAT(texts(co_await f.get(f.critic, "critic/messages")), ElementsAre("once"));
    body["text"] = "twice";
    EXPECT_EQ((co_await f.post(f.planner, "broadcast", body)).status, 422);
  });
}

TEST(ApiMessages, BadRequestsNameTheField) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto none = co_await f.post(f.planner, "critic/message", json::object{{"txt", "x"}});
    EXPECT_EQ(none.status, 422);
    EXPECT_THAT(pointers(none.json()), UnorderedElementsAre("", "/txt"));
    const auto schema =
        co_await f.post(f.planner, "culture-code/query",
                        json::object{{"query", "x"}, {"schema", json::object{{"type", "objekt"}}}});
    EXPECT_THAT(pointers(schema.json()), ElementsAre("/schema"));
    EXPECT_EQ((co_await f.post(f.planner, "nobody/message", json::object{{"text", "x"}})).status,
              404);
    co_await f.call("POST", "/api/gpt-agents/register",
                    {.body = json::object{{"name", "Elsewhere"},
                                          {"kind", "custom_gpt"},
                                          {"link", "https://chatgpt.com/g/g-0a1b2c3d4-x"}}});
    f.messages.emplace(
        services::Messages::Needs{.store = *f.store,
                                  .queue = *f.queue,
                                  .journal = f.journal,
                                  .timeline = f.timeline,
                                  .bells = f.bells,
                                  .clock = f.clock},
        services::Messages::Settings{.account = "account", .origin = "https://example.org"});
    const auto away = co_await f.post(f.planner, "elsewhere/query", json::object{{"query", "x"}});
    EXPECT_EQ(away.status, 409);
    EXPECT_THAT(away.body, HasSubstr("no_way_to_ask"));
  });
}

TEST(ApiMessages, WhatWaitsForAnAgentThatIsRemovedEndsAtOnceAndItsSendersSeeIt) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto letter =
        co_await f.post(f.planner, "critic/message", json::object{{"text", "a letter"}});
    const auto read = co_await f.post(f.planner, "critic/query",
                                      json::object{{"query", "read and not answered"}});
    const auto acked = "critic/messages/" + text(read.json(), "id") + "/ack";
    EXPECT_EQ((co_await f.post(f.critic, acked, json::object())).status, 200);
    const auto old = co_await f.post(f.planner, "critic/message", json::object{{"text", "old"}});
    co_await f.post(f.critic, "critic/messages/" + text(old.json(), "id") + "/ack", json::object());
    // Somebody waits for the answer meanwhile.
    std::optional<http::ClientReply> waited;
    asio::co_spawn(
        f.loop,
        [](Talk& talk, std::optional<http::ClientReply>& got) -> Story {
          got = co_await talk.post(talk.planner, "critic/query",
                                   json::object{{"query", "unread"}, {"wait", 40}});
        }(f, waited),
        [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
    while (co_await f.sent() < 4) co_await f.get(f.planner, "planner/messages");

    EXPECT_EQ((co_await f.call("DELETE", "/api/gpt-agents/critic")).status, 204);
    while (!waited) co_await f.get(f.planner, "planner/messages");
    EXPECT_EQ(waited->status, 200) << waited->body;
    EXPECT_EQ(waited->json().at("state"), "failed");
    EXPECT_EQ(waited->json().at("error").at("code"), "agent_removed");
    const auto again = co_await f.get(f.planner, "Critic/queries/" + text(read.json(), "id"));
    EXPECT_EQ(again.json().at("error").at("code"), "agent_removed") << again.body;
    std::map<std::string, std::string> outcomes;
    const auto page = co_await f.get(f.planner, "planner/messages");
    for (const auto& item : page.json().at("items").as_array()) {
      const auto& outcome = item.at("outcome");
      outcomes[text(item, "text")] = outcome.is_null() ? "" : std::string(outcome.as_string());
    }
    EXPECT_THAT(outcomes, UnorderedElementsAre(Pair("a letter", "agent_removed"), Pair("old", ""),
                                               Pair("read and not answered", "agent_removed"),
                                               Pair("unread", "agent_removed")));
    const auto told = co_await f.call("GET", "/api/audit?type=message.dead");
    EXPECT_EQ(told.json().at("items").as_array().size(), 3u);
    const auto one = co_await f.call(
        "GET", "/api/audit?subject=" + text(letter.json(), "id") + "&type=message.dead");
    EXPECT_EQ(one.json().at("items").at(0).at("data").at("outcome"), "agent_removed");
  });
}

TEST(ApiMessages, WhatAnAgentThatIsRemovedAskedEndsAndItsRunWithIt) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto job = [](std::string_view query) {
      return json::object{{"uses", "gpt/Critic"}, {"with", json::object{{"query", query}}}};
    };
    auto ask = job("of a run");
    ask["retry"] = json::object{{"max_attempts", 2}};
    auto after = job("after that");
    after["needs"] = "ask";
    after["if"] = "always()";
    const json::object flow{{"name", "w"}, {"jobs", json::object{{"ask", ask}, {"after", after}}}};
    EXPECT_EQ((co_await f.call("POST", "/api/gpt-workflows/create", {.body = flow})).status, 201);
    const auto runner = co_await f.key("runner", {"workflows", "messages"}, "Planner");
    const auto begun = co_await f.call_as(runner, "POST", "/api/gpt-workflows/w/execute");
    EXPECT_EQ(begun.status, 202) << begun.body;
    const auto asked =
        co_await f.post(f.planner, "critic/query", json::object{{"query", "by hand"}});
    const auto ack = "critic/messages/" + text(asked.json(), "id") + "/ack";
    EXPECT_EQ((co_await f.post(f.critic, ack, nullptr)).status, 200);
    co_await f.post(f.admin, "critic/query", json::object{{"query", "another's"}});

    EXPECT_EQ((co_await f.call("DELETE", "/api/gpt-agents/planner")).status, 204);
    std::map<std::string, std::string> outcomes;
    const auto page = co_await f.get(f.critic, "critic/messages");
    for (const auto& item : page.json().at("items").as_array()) {
      const auto& outcome = item.at("outcome");
      outcomes[text(item, "text")] = outcome.is_null() ? "" : std::string(outcome.as_string());
    }
    EXPECT_THAT(outcomes,
                UnorderedElementsAre(Pair("of a run", "asker_removed"),
                                     Pair("by hand", "asker_removed"), Pair("another's", "")));
    EXPECT_EQ(page.header("flywheel-unread"), "1");
    const auto run = co_await f.call("GET", text(begun.json().at("links"), "self"));
    EXPECT_EQ(run.json().at("state"), "finished") << run.body;
    EXPECT_EQ(run.json().at("result"), "failure");
    EXPECT_EQ(run.json().at("jobs").at("ask").at("error").at("code"), "asker_removed");
    EXPECT_EQ(run.json().at("jobs").at("ask").at("attempts"), 1);
    EXPECT_EQ(run.json().at("jobs").at("after").at("result"), "failure");
    EXPECT_EQ((co_await f.call("DELETE", "/api/gpt-workflows/w")).status, 204);
  });
}

TEST(ApiMessages, WhereTheThreadsOfAnAgentThatIsRemovedWentOnIsForgotten) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto gpt = text((co_await f.call("GET", "/api/gpt-agents/culture-code")).json(), "id");
    const auto asker = text((co_await f.call("GET", "/api/gpt-agents/planner")).json(), "id");
    const auto noted = co_await f.write([&](store::Tx& tx) -> base::Result<> {
      TRY_OK(
          tx.execute("INSERT INTO message_chats (agent, asker, thread, url, changed_ms) "
                     "VALUES ($1, $2, 't', '/c/1', 0), ($1, 'key:0', 't', '/c/2', 0), "
                     "('another', $2, 't', '/c/3', 0), ('another', 'key:0', 't', '/c/4', 0)",
                     {gpt, asker}));
      return {};
    });
    EXPECT_TRUE(noted) << (noted ? "" : noted.error().message);
    const auto left = [&]() -> asio::awaitable<std::string> {
      const auto urls = co_await f.write([](store::Tx& tx) -> base::Result<std::string> {
        TRY(const auto row, tx.query_one("SELECT coalesce(group_concat(url, ' '), '') FROM "
                                         "(SELECT url FROM message_chats ORDER BY url)"));
        return row->at(0).text();
      });
      co_return urls ? *urls : urls.error().message;
    };
    EXPECT_EQ((co_await f.call("DELETE", "/api/gpt-agents/culture-code")).status, 204);
    EXPECT_EQ(co_await left(), "/c/3 /c/4");
    EXPECT_EQ((co_await f.call("DELETE", "/api/gpt-agents/planner")).status, 204);
    EXPECT_EQ(co_await left(), "/c/4");
  });
}

TEST(ApiMessages, TheLaneOfAGptThatIsRemovedIsShownNoMore) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto lanes = [&]() -> asio::awaitable<std::size_t> {
      co_return (co_await f.call("GET", "/api/queue")).json().at("lanes").as_array().size();
    };
    const auto before = co_await lanes();
    co_await f.post(f.planner, "culture-code/query", json::object{{"query", "which tone?"}});
    EXPECT_EQ(co_await lanes(), before + 1);
    co_await f.run_next("warm");
    EXPECT_EQ(co_await lanes(), before + 1);
    EXPECT_EQ((co_await f.call("DELETE", "/api/gpt-agents/culture-code")).status, 204);
    EXPECT_EQ(co_await lanes(), before);
  });
}

}  // namespace
}  // namespace http_test
