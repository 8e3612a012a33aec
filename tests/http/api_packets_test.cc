#include "bridge/base/limits.h"
#include "bridge/protocol/marker.h"
#include "bridge/services/events/deliveries.h"
#include "bridge/services/posts.h"
#include "tests/http/talk.h"

#include <algorithm>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

namespace http_test {
namespace {

using engine::Stage;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

std::string header(const http::ClientReply& reply, std::string_view name) {
  return std::string(reply.header(name).value_or("(none)"));
}

json::object reply_of(std::string_view bead = "bd-12") {
  return {{"bead_id", bead}, {"verdict", "ok"}};
}

TEST(ApiPackets, AnAcceptedOneHasItsPlaceAndWhereToAskForIt) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto key = co_await f.key("planner", {"packets"});
    const auto first = co_await f.call_as(key, "POST", "/api/packets", {.body = packet("one?")});
    const auto second = co_await f.call_as(key, "POST", "/api/packets", {.body = packet("two?")});
    EXPECT_EQ(first.status, 202) << first.body;
    const auto view = second.json().as_object();
    const auto id = text(view, "id");
    EXPECT_EQ(header(second, "location"), "/api/packets/" + id);
    EXPECT_EQ(view.at("state"), "queued");
    EXPECT_EQ(view.at("stage"), "none");
    EXPECT_EQ(view.at("position"), 2);
    EXPECT_TRUE(view.at("eta").is_string());
    EXPECT_EQ(text(view, "idempotency_key").size(), 64u);
    EXPECT_EQ(view.at("conversation"), "http://127.0.0.1:9/c/1");
    EXPECT_EQ(text(view.at("links"), "self"), "/api/packets/" + id);
    EXPECT_TRUE(view.at("response").is_null());
    EXPECT_FALSE(view.contains("response_trust"));
    EXPECT_TRUE(view.at("error").is_null());

    const auto seen = co_await f.call_as(key, "GET", "/api/packets/" + id);
    EXPECT_EQ(seen.status, 200);
    EXPECT_EQ(seen.json().at("attempts"), 0);
    EXPECT_TRUE(seen.json().at("timings").at("queued").is_string());
  });
}

TEST(ApiPackets, TheSameKeyAndBodyGivesTheFirstAnswerAgainAndAnotherBodyIsRefused) {
  ApiFixture f;
  f.run([&]() -> Story {
    const Call asked{.body = packet(), .headers = {{"Idempotency-Key", "\"k-1\""}}};
    const auto first = co_await f.call("POST", "/api/packets", asked);
    const auto again = co_await f.call("POST", "/api/packets", asked);
    const auto bare = co_await f.call("POST", "/api/packets",
                                      {.body = packet(), .headers = {{"Idempotency-Key", "k-1"}}});
    EXPECT_EQ(first.status, 202);
    EXPECT_EQ(first.header("idempotency-replayed"), std::nullopt);
    EXPECT_EQ(again.status, 202);
    EXPECT_EQ(header(again, "idempotency-replayed"), "true");
    EXPECT_EQ(again.json().at("id"), first.json().at("id"));
    EXPECT_EQ(bare.json().at("id"), first.json().at("id"));

    const auto other =
        co_await f.call("POST", "/api/packets",
                        {.body = packet("another?"), .headers = {{"Idempotency-Key", "k-1"}}});
    EXPECT_EQ(other.status, 422);
    EXPECT_EQ(other.json().at("code"), "idempotency_mismatch");

    const auto stranger = co_await f.key("planner", {"packets"});
    const auto theirs = co_await f.call_as(stranger, "POST", "/api/packets", asked);
    EXPECT_NE(theirs.json().at("id"), first.json().at("id"));
  });
}

TEST(ApiPackets, TheKeyMayBeInTheBodyAndMustNotContradictTheHeader) {
  ApiFixture f;
  f.run([&]() -> Story {
    auto body = packet();
    body["idempotency_key"] = "from-the-body";
    const auto first = co_await f.call("POST", "/api/packets", {.body = body});
    EXPECT_EQ(first.json().at("idempotency_key"), "from-the-body");
    const auto same =
        co_await f.call("POST", "/api/packets",
                        {.body = packet(), .headers = {{"Idempotency-Key", "from-the-body"}}});
    EXPECT_EQ(same.json().at("id"), first.json().at("id"));
    const auto both = co_await f.call("POST", "/api/packets",
                                      {.body = body, .headers = {{"Idempotency-Key", "another"}}});
    EXPECT_EQ(both.status, 422);
    EXPECT_THAT(pointers(both.json()), ElementsAre("/idempotency_key"));
    for (const std::string bad : {"\"open", "\"a\"b\"", "\"a\\b\"", "\"\""}) {
      const auto refused = co_await f.call(
          "POST", "/api/packets", {.body = packet(), .headers = {{"Idempotency-Key", bad}}});
      EXPECT_EQ(refused.status, 400) << bad;
    }
  });
}

TEST(ApiPackets, InvalidOnesAreRefusedWithEveryViolation) {
  ApiFixture f;
  f.run([&]() -> Story {
    auto body = packet();
    body["surprise"] = 1;
    body["context"].as_object().erase("goal");
    body["bead_id"] = "12";
    const auto reply = co_await f.call("POST", "/api/packets", {.body = body});
    EXPECT_EQ(reply.status, 422);
    EXPECT_EQ(header(reply, "content-type"), "application/problem+json");
    EXPECT_EQ(reply.json().at("code"), "invalid");
    EXPECT_EQ(reply.json().at("retryable"), false);
    const auto found = pointers(reply.json());
    EXPECT_THAT(found, Contains("/surprise"));
    EXPECT_THAT(found, Contains("/bead_id"));
    EXPECT_THAT(found, Contains(HasSubstr("/context")));
    EXPECT_EQ((co_await f.call("GET", "/api/packets")).json().at("items").as_array().size(), 0u);
  });
}

TEST(ApiPackets, TheSenderMustBeTheCallerUnlessAnAdminSends) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto mallory = co_await f.key("mallory", {"packets"});
    const auto bound = co_await f.key("whatever", {"packets"}, "planner");
    const auto refused = co_await f.call_as(mallory, "POST", "/api/packets", {.body = packet()});
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.json().at("code"), "sender_mismatch");
    EXPECT_EQ((co_await f.call_as(bound, "POST", "/api/packets", {.body = packet()})).status, 202);
    EXPECT_EQ((co_await f.call("POST", "/api/packets", {.body = packet()})).status, 202);
  });
}

TEST(ApiPackets, ARenamedAgentSendsUnderItsNewName) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await f.call("POST", "/api/gpt-agents/register",
                    {.body = json::object{{"name", "Planner"}, {"kind", "cli"}}});
    const auto by_name = co_await f.key("k", {"packets"}, "Planner");
    const auto by_slug = co_await f.key("l", {"packets"}, "planner");
    int sent = 0;
    const auto send = [&](const std::string& own, std::string_view sender) -> asio::awaitable<int> {
      const auto question = fmt::format("What is number {}?", ++sent);
      const auto reply =
          co_await f.call_as(own, "POST", "/api/packets", {.body = packet(question, sender)});
      co_return reply.status;
    };
    EXPECT_EQ(co_await send(by_name, "Planner"), 202);
    EXPECT_EQ(co_await send(by_slug, "planner"), 202);

    const auto renamed = co_await f.call("PATCH", "/api/gpt-agents/planner",
                                         {.body = json::object{{"name", "Designer"}}});
    EXPECT_EQ(renamed.status, 200) << renamed.body;

    EXPECT_EQ(co_await send(by_name, "Designer"), 202);
    EXPECT_EQ(co_await send(by_name, "Planner"), 403);
    EXPECT_EQ(co_await send(by_slug, "planner"), 202) << "its slug stays";

    const auto writer = co_await f.key("m", {"packets", "agents:write"}, "Designer");
    const auto self = co_await f.call_as(writer, "PATCH", "/api/gpt-agents/planner",
                                         {.body = json::object{{"name", "Reviewer"}}});
    EXPECT_EQ(self.status, 200) << self.body;
    EXPECT_EQ(co_await send(writer, "Reviewer"), 403) << "it cannot take a sender's name";
    EXPECT_EQ(co_await send(writer, "Designer"), 202);
  });
}

TEST(ApiPackets, AFullQueueSaysWhenToComeBack) {
  ApiFixture f(1);
  f.run([&]() -> Story {
    co_await f.submit(packet("one?"));
    const auto reply = co_await f.call("POST", "/api/packets", {.body = packet("two?")});
    EXPECT_EQ(reply.status, 429);
    EXPECT_EQ(reply.json().at("code"), "queue_full");
    EXPECT_EQ(reply.json().at("retryable"), true);
    EXPECT_GE(std::atoi(header(reply, "retry-after").c_str()), 1);
  });
}

TEST(ApiPackets, ACallerWhoWaitsIsAnsweredWhenTheJobEnds) {
  ApiFixture f;
  f.run([&]() -> Story {
    std::optional<http::ClientReply> posted;
    std::optional<http::ClientReply> preferred;
    base::Scope tasks(f.loop.get_executor());
    base::Notice answered(f.loop.get_executor());
    const auto ask = [&](std::optional<http::ClientReply>& place, std::string target,
                         Call more) -> Story {
      place = co_await f.call("POST", std::move(target), std::move(more));
      answered.notify();
    };
    tasks.spawn(ask(posted, "/api/packets?wait=40", {.body = packet("one?")}));
    co_await f.written("packet.accepted");
    EXPECT_FALSE(posted);
    co_await f.finish(reply_of());
    while (!posted) co_await answered.wait(base::Instant::max());
    EXPECT_EQ(posted->status, 200) << posted->body;
    EXPECT_EQ(posted->json().at("state"), "done");
    EXPECT_EQ(posted->json().at("response").at("verdict"), "ok");
    EXPECT_EQ(posted->json().at("response_trust"), "untrusted");

    Call more{.body = packet("one?"), .headers = {{"Prefer", "respond-async, wait=30"}}};
    tasks.spawn(ask(preferred, "/api/packets", std::move(more)));
    while (!preferred) co_await answered.wait(base::Instant::max());
    EXPECT_EQ(preferred->status, 200);
    EXPECT_EQ(header(*preferred, "preference-applied"), "wait=30");
    EXPECT_EQ(header(*preferred, "idempotency-replayed"), "true");
    EXPECT_EQ(preferred->json().at("response_trust"), "untrusted");

    const auto id = text(posted->json(), "id");
    const auto alone = co_await f.call("GET", "/api/packets/" + id + "/response");
    EXPECT_EQ(alone.json(), json::value(reply_of()));
    const auto seen = co_await f.call("GET", "/api/packets/" + id);
    EXPECT_EQ(seen.json().at("response_trust"), "untrusted");
    const auto bad = co_await f.call("GET", "/api/packets/" + id + "?wait=soon");
    EXPECT_EQ(bad.status, 400);
    co_await tasks.join();
  });
}

TEST(ApiPackets, ThereIsNoResponseBeforeTheReply) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto id = co_await f.submit(packet());
    const auto response = co_await f.call("GET", "/api/packets/" + id + "/response");
    EXPECT_EQ(response.status, 409);
    EXPECT_EQ(response.json().at("code"), "no_response");
    const auto raw = co_await f.call("GET", "/api/packets/" + id + "/raw");
    EXPECT_EQ(raw.status, 409);
    EXPECT_EQ(raw.json().at("code"), "no_reply");
  });
}

TEST(ApiPackets, UniquePrefixesNameThem) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto one = co_await f.submit(packet("one?"));
    const auto two = co_await f.submit(packet("two?"));
    const auto split = std::ranges::mismatch(one, two).in1 - one.begin();
    EXPECT_GE(split, 4) << "ids made one after the other begin alike";
    const auto unique = one.substr(0, static_cast<std::size_t>(split) + 1);
    const auto found = co_await f.call("GET", "/api/packets/" + unique);
    EXPECT_EQ(found.status, 200);
    EXPECT_EQ(text(found.json(), "id"), one);
    const auto shared = co_await f.call("GET", "/api/packets/" + one.substr(0, 4));
    EXPECT_EQ(shared.status, 422);
    EXPECT_EQ(shared.json().at("code"), "ambiguous_id");
    EXPECT_EQ((co_await f.call("GET", "/api/packets/ffffffff")).status, 404);
    const auto cancelled = co_await f.call("POST", "/api/packets/" + unique + "/cancel");
    EXPECT_EQ(cancelled.json().at("state"), "cancelled");
  });
}

TEST(ApiPackets, ListsComeInPagesNewestFirst) {
  ApiFixture f;
  f.run([&]() -> Story {
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) {
      const std::string bead = i == 2 ? "bd-two" : "bd-12";
      ids.push_back(co_await f.submit(packet(fmt::format("{}?", i), "planner", bead)));
    }
    std::vector<std::string> seen;
    std::string target = "/api/packets?limit=2";
    for (int pages = 0; !target.empty() && pages < 5; ++pages) {
      const auto page = co_await f.call("GET", target);
      EXPECT_EQ(page.status, 200) << page.body;
      for (const auto& item : page.json().at("items").as_array()) seen.push_back(text(item, "id"));
      const auto link = page.header("link");
      EXPECT_EQ(page.json().at("next_cursor").is_null(), !link);
      target = link ? std::string(link->substr(1, link->find('>') - 1)) : "";
    }
    std::ranges::reverse(ids);
    EXPECT_EQ(seen, ids);

    co_await f.call("POST", "/api/packets/" + ids[0] + "/cancel");
    const auto count = [&](std::string query) -> asio::awaitable<std::size_t> {
      const auto page = co_await f.call("GET", "/api/packets?" + query);
      EXPECT_EQ(page.status, 200) << page.body;
      co_return page.json().at("items").as_array().size();
    };
    EXPECT_EQ(co_await count("state=queued"), 4u);
    EXPECT_EQ(co_await count("state=cancelled&sender=planner"), 1u);
    EXPECT_EQ(co_await count("bead=bd-two"), 1u);
    EXPECT_EQ(co_await count("sender=nobody"), 0u);
    for (const std::string bad : {"state=lost", "limit=0", "cursor=x", "colour=red"}) {
      EXPECT_EQ((co_await f.call("GET", "/api/packets?" + bad)).status, 400) << bad;
    }
  });
}

TEST(ApiPackets, OnlyWhatIsNotArmedCanBeCancelled) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto armed = co_await f.submit(packet("one?"));
    co_await f.start(Stage::armed);
    const auto queued = co_await f.submit(packet("two?"));
    const auto late = co_await f.call("POST", "/api/packets/" + armed + "/cancel");
    EXPECT_EQ(late.status, 409) << late.body;
    const auto early = co_await f.call("POST", "/api/packets/" + queued + "/cancel",
                                       {.body = json::object{{"note", "not needed"}}});
    EXPECT_EQ(early.status, 200) << early.body;
    EXPECT_EQ(early.json().at("state"), "cancelled");
    EXPECT_EQ((co_await f.call("POST", "/api/packets/" + armed + "/retry")).status, 409);
    const auto retried = co_await f.call("POST", "/api/packets/" + queued + "/retry");
    EXPECT_EQ(retried.status, 200) << retried.body;
    EXPECT_EQ(retried.json().at("state"), "queued");
    const auto unknown = co_await f.call("POST", "/api/packets/" + queued + "/cancel",
                                         {.body = json::object{{"nota", "x"}}});
    EXPECT_EQ(unknown.status, 422);
    EXPECT_THAT(pointers(unknown.json()), ElementsAre("/nota"));
  });
}

// Who did something to the packet, by the journal: "packet.cancelled key:… not needed".
asio::awaitable<std::vector<std::string>> doings(ApiFixture& f, std::string id) {
  std::vector<std::string> found;
  const auto audit = co_await f.call("GET", "/api/audit?subject=" + id);
  for (const auto& entry : audit.json().at("items").as_array()) {
    const auto* note = entry.at("data").as_object().if_contains("note");
    found.push_back(fmt::format("{} {} {}", text(entry, "type"), text(entry, "actor"),
                                note ? std::string(note->as_string()) : ""));
  }
  co_return found;
}

TEST(ApiPackets, TheJournalSaysWhoCancelledRetriedAndResolvedOne) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto ann = co_await f.key("ann", {"packets", "approve"});
    const auto keys = (co_await f.call("GET", "/api/keys")).json();
    const auto who = "key:" + text(keys.at("items").at(0), "id");
    const auto id = co_await f.submit(packet());
    const auto target = "/api/packets/" + id;
    co_await f.call_as(ann, "POST", target + "/cancel", {.body = json::object{{"note", "later"}}});
    co_await f.call_as(ann, "POST", target + "/retry");
    const auto lease = co_await f.start(Stage::armed);
    const auto held = co_await f.write([&](store::Tx& tx) {
      return f.queue->hold(tx, lease, {"unknown_outcome", "nobody knows"}, f.timeline.now());
    });
    EXPECT_TRUE(held);
    const Call verdict{.body = json::object{{"verdict", "abandon"}, {"note", "gave up"}}};
    co_await f.call_as(ann, "POST", target + "/resolve", verdict);
    const auto told = co_await doings(f, id);
    EXPECT_THAT(told, Contains("packet.cancelled " + who + " later"));
    EXPECT_THAT(told, Contains("packet.requeued " + who + " "));
    EXPECT_THAT(told, Contains("packet.held bridge "));
    EXPECT_THAT(told, Contains("packet.resolved " + who + " gave up"));
    EXPECT_THAT(told, Contains("packet.resolution " + who + " gave up"));
  });
}

// What was sent after the backup is in the conversation under the marker that it would have now.
TEST(ApiPackets, AHeldOneOfWhichARestoredStoreHasNoRecordTellsItsMarker) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto id = co_await f.submit(packet());
    const auto restored = co_await f.write(
        [&](store::Tx& tx) { return f.queue->recover(tx, "life", 2, f.timeline.now()); });
    EXPECT_TRUE(restored);
    const auto lease = co_await f.start(Stage::none);
    const auto held = co_await f.write([&](store::Tx& tx) -> base::Result<engine::Job> {
      TRY_OK(f.queue->hold(tx, lease, {"unknown_outcome", "nobody knows"}, f.timeline.now()));
      return f.queue->get(tx, {id});
    });
    EXPECT_TRUE(held);
    const auto view = (co_await f.call("GET", "/api/packets/" + id)).json();
    const auto post = services::posts::id_for(marker_key, *held, 1);
    EXPECT_EQ(text(view, "marker"), protocol::job_marker(post, marker_key));
    // Nobody can look for what another key has signed.
    const auto replaced = co_await f.write([&](store::Tx& tx) {
      return services::marker_keys::replace(tx, "another", f.clock.wall());
    });
    EXPECT_TRUE(replaced);
    const auto unknown = (co_await f.call("GET", "/api/packets/" + id)).json();
    EXPECT_FALSE(unknown.as_object().contains("marker"));
  });
}

// A person looks for what is held where it went, wherever the configuration sends new ones by now.
TEST(ApiPackets, OneTellsItsOwnConversationWhateverIsConfiguredLater) {
  ApiFixture f;
  const std::string own = "http://127.0.0.1:9/c/1";
  services::Packets later(
      *f.store, *f.queue, f.journal, f.timeline, f.bells, f.clock, f.types,
      {.url = "http://127.0.0.1:9/c/2", .senders = {}, .marker_key = std::string(marker_key)});
  f.run([&]() -> Story {
    const services::Caller caller{.principal = "key:9", .name = "planner"};
    const auto first = co_await f.packets->submit(caller, packet(), {});
    const auto again = co_await later.submit(caller, packet(), {});
    EXPECT_TRUE(first && again && again->is_replay);
    EXPECT_EQ(text(first->view, "conversation"), own);
    EXPECT_EQ(text(again->view, "conversation"), own);
    EXPECT_EQ(text(*co_await later.view(first->id), "conversation"), own);

    const auto restored = co_await f.write(
        [&](store::Tx& tx) { return f.queue->recover(tx, "life", 2, f.timeline.now()); });
    EXPECT_TRUE(restored);
    const auto lease = co_await f.start(Stage::none);
    const auto held = co_await f.write([&](store::Tx& tx) {
      return f.queue->hold(tx, lease, {"unknown_outcome", "nobody knows"}, f.timeline.now());
    });
    EXPECT_TRUE(held);
    EXPECT_EQ(text(*co_await later.view(first->id), "conversation"), own);
    const auto replaced = co_await f.write([&](store::Tx& tx) {
      return services::marker_keys::replace(tx, "another", f.clock.wall());
    });
    EXPECT_TRUE(replaced);
    const auto unmarked = co_await later.view(first->id);
    EXPECT_FALSE(unmarked->contains("marker"));
    EXPECT_EQ(text(*unmarked, "conversation"), own);
  });
}

TEST(ApiPackets, OneThatBeganAChatTellsThatChat) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto id = co_await f.submit(packet());
    const auto lease = co_await f.start(Stage::intent);
    const services::Post post{.id = "01a21a5f-0000-7000-8000-000000000001",
                              .job_id = id,
                              .prompt = {.text = "What first?", .marker = "FLYWHEEL-JOB-1"},
                              .conversation_url = "http://127.0.0.1:9/"};
    const auto sent = co_await f.write([&](store::Tx& tx) -> base::Result<> {
      const auto now = f.timeline.now();
      TRY_OK(services::posts::add(tx, post, now.wall));
      TRY_OK(services::posts::set_armed(tx, post.id, now.wall));
      TRY_OK(f.queue->set_stage(tx, lease, Stage::armed, now));
      chat::Sent evidence;
      evidence.url = "http://127.0.0.1:9/c/begun";
      TRY_OK(services::posts::set_sent(tx, post.id, evidence, now));
      return f.queue->set_stage(tx, lease, Stage::sent, now);
    });
    EXPECT_TRUE(sent) << (sent ? "" : sent.error().message);
    const auto running = (co_await f.call("GET", "/api/packets/" + id)).json();
    EXPECT_EQ(text(running, "conversation"), "http://127.0.0.1:9/c/begun");
    const auto held = co_await f.write([&](store::Tx& tx) {
      return f.queue->hold(tx, lease, {"unknown_outcome", "nobody knows"}, f.timeline.now());
    });
    EXPECT_TRUE(held);
    const auto shown = (co_await f.call("GET", "/api/packets/" + id)).json();
    EXPECT_EQ(text(shown, "conversation"), "http://127.0.0.1:9/c/begun");
    EXPECT_EQ(text(shown, "marker"), "FLYWHEEL-JOB-1");
  });
}

TEST(ApiPackets, APersonDecidesWhatBecameOfAHeldOne) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto id = co_await f.submit(packet());
    const auto lease = co_await f.start(Stage::armed);
    const auto held = co_await f.write([&](store::Tx& tx) {
      return f.queue->hold(tx, lease, {"unknown_outcome", "nobody knows"}, f.timeline.now());
    });
    EXPECT_TRUE(held);
    const auto agent = co_await f.key("planner", {"packets"});
    const auto person = co_await f.key("ann", {"packets", "approve"});
    const Call verdict{.body = json::object{{"verdict", "abandon"}, {"note", "gave up"}}};
    const auto target = "/api/packets/" + id + "/resolve";
    EXPECT_EQ((co_await f.call_as(agent, "POST", target, verdict)).status, 403);
    // An agent has not looked, whatever its key may do, and be the packet its own.
    const auto own = co_await f.key("own", {"packets", "approve"}, "planner");
    const auto refused = co_await f.call_as(own, "POST", target, verdict);
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.json().at("code"), "not_a_person");
    const auto bad =
        co_await f.call_as(person, "POST", target, {.body = json::object{{"verdict", "maybe"}}});
    EXPECT_EQ(bad.status, 422);
    EXPECT_THAT(pointers(bad.json()), ElementsAre("/verdict"));
    EXPECT_EQ((co_await f.call_as(agent, "GET", "/api/packets/" + id)).json().at("state"), "held");
    const auto resolved = co_await f.call_as(person, "POST", target, verdict);
    EXPECT_EQ(resolved.status, 200) << resolved.body;
    EXPECT_EQ(resolved.json().at("state"), "failed");
    EXPECT_EQ((co_await f.call_as(person, "POST", target, verdict)).status, 409);
  });
}

TEST(ApiPackets, AKeyBoundToAnAgentSeesOnlyThatAgents) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto own = co_await f.submit(packet("mine?", "planner"));
    const auto other = co_await f.submit(packet("theirs?", "reviewer"));
    const auto bound = co_await f.key("k", {"packets"}, "planner");
    EXPECT_EQ((co_await f.call_as(bound, "GET", "/api/packets/" + own)).status, 200);
    EXPECT_EQ((co_await f.call_as(bound, "GET", "/api/packets/" + other)).status, 404);
    EXPECT_EQ((co_await f.call_as(bound, "POST", "/api/packets/" + other + "/cancel")).status, 404);
    const auto list = co_await f.call_as(bound, "GET", "/api/packets");
    EXPECT_EQ(list.json().at("items").as_array().size(), 1u);
    const auto foreign = co_await f.call_as(bound, "GET", "/api/packets?sender=reviewer");
    EXPECT_EQ(foreign.json().at("items").as_array().size(), 0u);
  });
}

TEST(ApiPackets, WhatIsNoPacketIsNotThere) {
  Talk f;
  f.run([&]() -> Story {
    co_await f.begin();
    const auto asked =
        co_await f.post(f.planner, "culture-code/query", json::object{{"query", "which tone?"}});
    EXPECT_EQ(asked.status, 202) << asked.body;
    (void)co_await f.run_next("a warm one");
    const auto others =
        co_await f.write([&](store::Tx& tx) -> base::Result<std::vector<store::Row>> {
          const engine::LaneId lane{"deliveries"};
          TRY_OK(f.queue->declare_lane(tx, lane, "webhooks"));
          TRY_OK(f.queue->submit(tx,
                                 {.kind = std::string(events::webhook_kind),
                                  .lane = lane,
                                  .sender = "webhooks",
                                  .principal = "bridge",
                                  .payload = json::object{{"to", "ann"}}},
                                 f.timeline.now()));
          return tx.query("SELECT id, state FROM jobs ORDER BY state");
        });
    EXPECT_TRUE(others);
    if (!others) co_return;
    EXPECT_EQ(others->size(), 2u);
    const auto reader = co_await f.key("reader", {"packets", "approve"});
    for (const auto& row : *others) {
      const auto target = "/api/packets/" + row[0].text();
      for (const std::string part : {"", "/response", "/raw"}) {
        const auto found = co_await f.call_as(reader, "GET", target + part);
        EXPECT_EQ(found.status, 404) << row[1].text() << part << found.body;
      }
      for (const std::string verb : {"/cancel", "/retry"}) {
        const auto done = co_await f.call_as(reader, "POST", target + verb);
        EXPECT_EQ(done.status, 404) << row[1].text() << verb << done.body;
      }
      const auto resolved = co_await f.call_as(reader, "POST", target + "/resolve",
                                               {.body = json::object{{"verdict", "abandon"}}});
      EXPECT_EQ(resolved.status, 404) << resolved.body;
    }
    const auto later = co_await f.write(
        [](store::Tx& tx) { return tx.query("SELECT id, state FROM jobs ORDER BY state"); });
    EXPECT_TRUE(later);
    if (later) EXPECT_EQ((*later)[1][1].text(), "queued");
    // Nor does a beginning that they share with a packet tell of them.
    const auto id = co_await f.submit(packet());
    const auto found = co_await f.call_as(reader, "GET", "/api/packets/" + id.substr(0, 4));
    EXPECT_EQ(found.status, 200) << found.body;
    EXPECT_EQ(text(found.json(), "id"), id);
  });
}

TEST(ApiPackets, ValidatingQueuesNothing) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto good = co_await f.call("POST", "/api/packets/validate", {.body = packet()});
    EXPECT_EQ(good.status, 200);
    EXPECT_EQ(good.json().at("valid"), true);
    EXPECT_EQ(good.json().at("msg_type"), "RFP_PLAN");
    auto body = packet();
    body.erase("sender");
    const auto bad = co_await f.call("POST", "/api/packets/validate", {.body = body});
    EXPECT_EQ(bad.status, 200);
    EXPECT_EQ(bad.json().at("valid"), false);
    EXPECT_EQ(pointers(bad.json()).size(), 1u);
    const auto alien = co_await f.call("POST", "/api/packets/validate", {.body = json::array()});
    EXPECT_EQ(alien.json().at("valid"), false);
    EXPECT_EQ((co_await f.call("GET", "/api/packets")).json().at("items").as_array().size(), 0u);
  });
}

TEST(ApiPackets, HostileBodiesAreRefusedAndOthersAreServed) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto post = [&](std::string_view body, std::string_view type) -> asio::awaitable<int> {
      auto client = co_await f.connect();
      co_await client.send(
          fmt::format("POST /api/packets HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                      "Authorization: Bearer {}\r\nContent-Type: {}\r\n"
                      "Content-Length: {}\r\n\r\n",
                      f.admin, type, body.size()));
      co_await client.send(body);
      co_return (co_await client.reply()).status;
    };
    const std::string json_type = "application/json";
    EXPECT_EQ(co_await post(std::string(100'000, '['), json_type), 400);
    EXPECT_EQ(co_await post("{\"a\":1,\"a\":2}", json_type), 400);
    EXPECT_EQ(co_await post("{\"a\":\"\xff\"}", json_type), 400);
    EXPECT_EQ(co_await post("{\"a\":\"\\ud800\"}", json_type), 400);
    EXPECT_EQ(co_await post("null", json_type), 422);
    EXPECT_EQ(co_await post("{\"msg_type\":{}}", json_type), 422);
    EXPECT_EQ(co_await post("{}", "text/plain"), 415);
    EXPECT_EQ(co_await post("{", json_type), 400);
    auto client = co_await f.connect();
    const auto giant = co_await client.ask(
        fmt::format("POST /api/packets HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n"
                    "Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n",
                    f.admin));
    EXPECT_EQ(giant.status, 413);
    EXPECT_EQ((co_await f.call("POST", "/api/packets", {.body = packet()})).status, 202);
  });
}

TEST(ApiPackets, CurlHandsOneIn) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto done = co_await run_program(
        fmt::format("curl -sS -i -H 'Authorization: Bearer {}' -H 'Content-Type: application/json' "
                    "-H 'Idempotency-Key: \"from-curl\"' --data-binary '{}' {}/api/packets",
                    f.admin, json::serialize(packet()), f.server->url()));
    EXPECT_EQ(done.status, 0);
    EXPECT_THAT(done.out, HasSubstr("HTTP/1.1 202 Accepted"));
    EXPECT_THAT(done.out, HasSubstr("Location: /api/packets/"));
    EXPECT_THAT(done.out, HasSubstr("\"idempotency_key\":\"from-curl\""));
  });
}

}  // namespace
}  // namespace http_test
