// Subscriptions and deliveries over HTTP, with a receiver that is a real server on loopback.
#include "bridge/services/events/signature.h"
#include "tests/http/pages.h"

#include <algorithm>
#include <map>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

struct Got {
  events::SignedHeaders headers;
  std::string type;
  std::string body;
};

struct SubscriptionsTest : testing::Test, ApiFixture {
  SubscriptionsTest() : arrived(loop.get_executor()) {
    webhooks.allow_private = {*events::Network::parse("127.0.0.0/8")};
    receiver_router.add({.method = http::Method::post,
                         .path = "/in",
                         .is_public = true,
                         .body = http::Body::bytes,
                         .media_types = {"application/cloudevents+json"}},
                        [this](http::Request& request) { return receive(request); });
  }

  base::Task<http::Response> receive(http::Request& request) {
    const auto header = [&](std::string_view name) {
      return std::string(request.header(name).value_or(""));
    };
    got.push_back({{header("webhook-id"), header("webhook-timestamp"), header("webhook-signature")},
                   header("content-type"),
                   request.body});
    arrived.notify();
    if (answers.empty()) co_return http::Response();
    const int status = answers.front();
    answers.erase(answers.begin());
    co_return http::text_response("no", "text/plain", status);
  }

  // Starts the receiver and registers two agents, "ann" and "bob", each with a key.
  void tell(std::function<Story()> story) {
    run([this, story = std::move(story)]() -> Story {
      auto started = http::Server::start(loop.get_executor(), clock, receiver_router,
                                         {.listen = "127.0.0.1:0"});
      BRIDGE_ASSERT(started);
      receiver = *std::move(started);
      for (const auto* name : {"ann", "bob"}) {
        const json::object agent{
            {"name", name}, {"kind", "cli"}, {"category", "Travel & Commerce"}};
        const auto made = co_await call("POST", "/api/gpt-agents/register", {.body = agent});
        EXPECT_EQ(made.status, 201) << made.body;
      }
      ann = co_await key("ann", {"events"}, "ann");
      bob = co_await key("bob", {"events"}, "bob");
      co_await story();
      co_await receiver->stop(std::chrono::seconds(10));
    });
  }
  json::object webhook() {
    return {{"types", json::array{"thing.happened"}},
            {"url", fmt::format("http://127.0.0.1:{}/in", receiver->port())}};
  }
  asio::awaitable<json::object> subscribe_as(std::string token, json::value body) {
    const auto made =
        co_await call_as(token, "POST", "/api/gpt-agents/ann/subscribe", {.body = std::move(body)});
    EXPECT_EQ(made.status, 201) << made.body;
    co_return made.json().is_object() ? made.json().as_object() : json::object();
  }
  // For ann, by an operator.
  asio::awaitable<json::object> subscribe(json::value body) {
    co_return co_await subscribe_as(admin, std::move(body));
  }
  Story message_to(std::string agent) {
    const json::object body{{"text", "hello"}};
    const auto sent =
        co_await call("POST", "/api/gpt-agents/" + agent + "/message", {.body = body});
    EXPECT_EQ(sent.status, 201) << sent.body;
  }
  Story happen(std::string subject, std::string type = "thing.happened") {
    const auto told = co_await write([&](store::Tx& tx) {
      return journal.append(tx, {.type = type, .subject = subject}, clock.wall());
    });
    BRIDGE_ASSERT(told);
  }
  Story until(std::size_t count) {
    while (got.size() < count) co_await arrived.wait(base::Instant::max());
  }
  // One that says this.
  Story until(std::string_view words) {
    const auto says = [&](const Got& one) { return one.body.find(words) != std::string::npos; };
    while (std::ranges::none_of(got, says)) co_await arrived.wait(base::Instant::max());
  }
  // The delivery, once it has this state.
  asio::awaitable<json::object> delivery(std::string subscription, std::string state) {
    for (;;) {
      const auto page = co_await call_as(
          ann, "GET", fmt::format("/api/deliveries?subscription={}&state={}", subscription, state));
      EXPECT_EQ(page.status, 200) << page.body;
      const auto items = page.json().at("items").as_array();
      if (!items.empty() || page.status != 200) co_return items.at(0).as_object();
    }
  }

  base::Notice arrived;
  http::Router receiver_router;
  std::unique_ptr<http::Server> receiver;
  std::vector<Got> got;
  std::vector<int> answers;
  std::string ann, bob;
};

TEST_F(SubscriptionsTest, AWebhookArrivesSigned) {
  tell([&]() -> Story {
    const auto made = co_await subscribe(webhook());
    EXPECT_EQ(made.at("delivery"), "webhook");
    EXPECT_EQ(made.at("state"), "active");
    EXPECT_EQ(made.at("handshake").at("result"), "unanswered");
    co_await happen("a");
    co_await until(1);
    const auto secret = events::WebhookSecret::parse(text(made, "secret"));
    EXPECT_TRUE(secret &&
                events::verify_signature(*secret, got[0].headers, got[0].body, clock.wall()));
    EXPECT_THAT(got[0].type, HasSubstr("application/cloudevents+json"));
    const auto event = json::parse(got[0].body).as_object();
    EXPECT_EQ(event.at("type"), "flywheel.thing.happened.v1");
    EXPECT_EQ(event.at("subject"), "a");
    const auto sent = co_await delivery(text(made, "id"), "delivered");
    EXPECT_EQ(text(sent, "id"), got[0].headers.id);
    EXPECT_EQ(sent.at("last_status"), 204);
  });
}

TEST_F(SubscriptionsTest, ADeliveryThatFailedIsShownAndReplayed) {
  answers = {500};
  tell([&]() -> Story {
    const auto made = co_await subscribe(webhook());
    co_await happen("a");
    auto shown = co_await delivery(text(made, "id"), "pending");
    while (shown.at("attempts") == 0) shown = co_await delivery(text(made, "id"), "pending");
    EXPECT_EQ(shown.at("last_status"), 500);
    EXPECT_TRUE(shown.at("next_attempt").is_string());
    const auto path = text(shown.at("links"), "replay");
    EXPECT_EQ((co_await call_as(bob, "POST", path)).status, 404);
    EXPECT_EQ((co_await call_as(ann, "POST", path)).status, 202);
    co_await until(2);
    EXPECT_EQ(got[0].headers.id, got[1].headers.id);
    (void)co_await delivery(text(made, "id"), "delivered");
    const json::object range{{"from", "1"}, {"through", text(shown, "event")}};
    const auto replayed =
        co_await call_as(ann, "POST", text(made.at("links"), "replay"), {.body = range});
    EXPECT_EQ(replayed.status, 202) << replayed.body;
    EXPECT_EQ(replayed.json().at("replayed"), 1);
    co_await until(3);
  });
}

TEST_F(SubscriptionsTest, WhatIsWrongWithAWishIsNamed) {
  tell([&]() -> Story {
    const auto wrong = [&](json::object body) -> asio::awaitable<std::vector<std::string>> {
      const auto reply =
          co_await call_as(ann, "POST", "/api/gpt-agents/ann/subscribe", {.body = body});
      EXPECT_EQ(reply.status, 422) << reply.body;
      co_return pointers(reply.json());
    };
    EXPECT_THAT(co_await wrong({{"kinds", json::array()}}), ElementsAre("/kinds"));
    EXPECT_THAT(co_await wrong({{"types", json::array{"a b"}}}), ElementsAre("/types/0"));
    EXPECT_THAT(co_await wrong({{"types", json::array{"agent.*", "a.*.b", "a.*b"}}}),
                ElementsAre("/types/2"));
    EXPECT_THAT(co_await wrong({{"types", json::array{"agent.*", "a.*.b"}}}),
                ElementsAre("/types/1"));
    EXPECT_THAT(co_await wrong({{"types", json::array{"message.*", "packet.sent"}},
                                {"categories", json::array{"core"}}}),
                ElementsAre("/categories"));
    EXPECT_THAT(co_await wrong({{"delivery", "webhook"}}), ElementsAre(""));
    EXPECT_THAT(co_await wrong({{"delivery", "sse"}, {"url", "https://x.example/"}}),
                ElementsAre("/url"));
    for (const auto* url : {"https://10.0.0.1/", "http://[::1]/", "https://0x7f.1/", "nonsense",
                            "https://u:p@x.example/"}) {
      EXPECT_THAT(co_await wrong({{"url", url}}), ElementsAre("/url")) << url;
    }
    auto weak = webhook();
    weak["secret"] = "whsec_c2hvcnQ=";
    EXPECT_THAT(co_await wrong(weak), ElementsAre("/secret"));
  });
}

TEST_F(SubscriptionsTest, OneOfEveryTypeHearsAll) {
  tell([&]() -> Story {
    const auto shown = co_await subscribe(json::object{{"types", json::array{"*"}}});
    EXPECT_EQ(shown.at("types"), (json::array{"*"}));
    auto body = webhook();
    body["types"] = json::array{"flywheel.*"};
    EXPECT_EQ((co_await subscribe(body)).at("types"), (json::array{"*"}));
    co_await happen("a");
    co_await until("flywheel.thing.happened.v1");
  });
}

TEST_F(SubscriptionsTest, TheyAreListedInPages) {
  tell([&]() -> Story {
    std::vector<std::string> made;
    for (const auto* type : {"packet.*", "agent.*", "message.*"}) {
      clock.advance(std::chrono::milliseconds(5));  // ids tell apart what is no more than that
      made.push_back(text(co_await subscribe(json::object{{"types", json::array{type}}}), "id"));
    }
    EXPECT_EQ(co_await paged(*this, "/api/gpt-agents/ann/subscriptions", "id", 2), made);
    EXPECT_EQ(co_await paged(*this, "/api/gpt-agents/ann/subscriptions", "id", 3), made);
  });
}

TEST_F(SubscriptionsTest, MessagesAndMemoryAreOfTheCategoryOfTheirAgent) {
  tell([&]() -> Story {
    auto body = webhook();
    body["types"] = json::array{"message.sent", "memory.stored"};
    body["categories"] = json::array{"core"};
    co_await subscribe(body);
    body["categories"] = json::array{"Travel & Commerce"};
    co_await subscribe(std::move(body));
    const auto made = co_await call(
        "POST", "/api/gpt-agents/register",
        {.body = json::object{{"name", "cid"}, {"kind", "cli"}, {"category", "Core"}}});
    EXPECT_EQ(made.status, 201) << made.body;
    co_await message_to("bob");
    co_await message_to("cid");
    const auto kept = co_await call("POST", "/api/gpt-agents/ann/memory/store",
                                    {.body = json::object{{"content", "a fact"}}});
    EXPECT_EQ(kept.status, 201) << kept.body;
    co_await until(3);
    std::vector<std::string> told;
    for (const auto& one : got) {
      const auto event = json::parse(one.body);
      told.push_back(text(event, "type") + " " + text(event.at("data"), "category"));
    }
    EXPECT_THAT(told, testing::UnorderedElementsAre("flywheel.message.sent.v1 Travel & Commerce",
                                                    "flywheel.message.sent.v1 Core",
                                                    "flywheel.memory.stored.v1 travel-commerce"));
  });
}

TEST_F(SubscriptionsTest, AnAgentSeesAndChangesOnlyItsOwn) {
  tell([&]() -> Story {
    const auto made = co_await subscribe(webhook());
    const auto agent = "/api/gpt-agents/" + text(made, "agent");
    const json::object which{{"subscription", made.at("id")}};
    EXPECT_EQ((co_await call_as(bob, "GET", agent + "/subscriptions")).status, 403);
    EXPECT_EQ((co_await call_as(bob, "GET", agent + "/events")).status, 403);
    EXPECT_EQ((co_await call_as(bob, "POST", agent + "/subscribe", {.body = webhook()})).status,
              403);
    EXPECT_EQ((co_await call_as(bob, "POST", agent + "/unsubscribe", {.body = which})).status, 403);
    EXPECT_EQ(
        (co_await call_as(bob, "POST", "/api/gpt-agents/bob/unsubscribe", {.body = which})).status,
        404);
    EXPECT_EQ((co_await call_as(bob, "POST", text(made.at("links"), "rotate"))).status, 403);
    const auto list = co_await call_as(ann, "GET", agent + "/subscriptions");
    EXPECT_THAT(list.json().at("items").as_array(), SizeIs(1));
    EXPECT_THAT(list.body, testing::Not(HasSubstr("whsec_")));
    EXPECT_EQ((co_await call("GET", agent + "/subscriptions")).status, 200);
    const auto nobody = co_await key("ann", {"messages"}, "ann");
    EXPECT_EQ((co_await call_as(nobody, "GET", agent + "/subscriptions")).status, 403);
    EXPECT_EQ((co_await call_as(ann, "POST", agent + "/unsubscribe", {.body = which})).status, 204);
    EXPECT_EQ((co_await call_as(ann, "POST", agent + "/unsubscribe", {.body = which})).status, 404);
  });
}

TEST_F(SubscriptionsTest, TheSecretIsShownOnceAndRotated) {
  tell([&]() -> Story {
    auto asked = webhook();
    asked["idempotency_key"] = "k1";
    const auto made = co_await subscribe(asked);
    EXPECT_TRUE(made.at("secret").is_string());
    const auto again = co_await subscribe(asked);
    EXPECT_EQ(again.at("id"), made.at("id"));
    EXPECT_TRUE(again.at("secret").is_null());
    const auto rotated = co_await call_as(ann, "POST", text(made.at("links"), "rotate"));
    EXPECT_EQ(rotated.status, 200) << rotated.body;
    EXPECT_NE(rotated.json().at("secret"), made.at("secret"));
    co_await happen("a");
    co_await until(1);
    for (const auto& secret : {text(made, "secret"), text(rotated.json(), "secret")}) {
      EXPECT_TRUE(events::verify_signature(*events::WebhookSecret::parse(secret), got[0].headers,
                                           got[0].body, clock.wall()));
    }
  });
}

TEST_F(SubscriptionsTest, AReceiverThatWantsNoMoreIsDisabledUntilItIsEnabled) {
  answers = {410};
  tell([&]() -> Story {
    const auto made = co_await subscribe(webhook());
    co_await happen("a");
    (void)co_await delivery(text(made, "id"), "dead");
    const auto path = fmt::format("/api/gpt-agents/ann/subscriptions/{}", text(made, "id"));
    const auto shown = co_await call_as(ann, "GET", path);
    EXPECT_EQ(shown.json().at("state"), "disabled");
    EXPECT_THAT(text(shown.json(), "disabled"), HasSubstr("410"));
    co_await happen("b");
    const auto enabled = co_await call_as(ann, "POST", path + "/enable");
    EXPECT_EQ(enabled.json().at("state"), "active") << enabled.body;
    co_await until(2);
    EXPECT_EQ(json::parse(got[1].body).at("subject"), "b");
  });
}

TEST_F(SubscriptionsTest, AnAgentReadsItsStreamFromWhereItStopped) {
  tell([&]() -> Story {
    const auto made = co_await subscribe_as(ann, {{"types", json::array{"agent.*"}}});
    EXPECT_EQ(made.at("delivery"), "sse");
    EXPECT_EQ(made.at("types"), (json::array{"agent.*"}));
    EXPECT_EQ(made.at("only_own"), true);
    co_await happen("a");
    co_await happen(text(made, "agent"), "agent.changed");
    auto reader = co_await connect();
    co_await reader.send(
        fmt::format("GET /api/gpt-agents/ann/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                    "Authorization: Bearer {}\r\nLast-Event-ID: 0\r\n\r\n",
                    ann));
    const auto first = co_await reader.read_until("flywheel.agent.changed.v1");
    EXPECT_THAT(first, HasSubstr("flywheel.agent.registered.v1"));
    EXPECT_THAT(first, testing::Not(HasSubstr("\"name\":\"bob\"")));
    // What is subscribed to later comes over the stream that is open.
    (void)co_await subscribe_as(ann, {{"types", json::array{"message.*"}}});
    co_await message_to("bob");
    co_await message_to("ann");
    const auto rest = co_await reader.read_until("\"to\":\"ann\"");
    EXPECT_THAT(rest, testing::Not(HasSubstr("\"to\":\"bob\"")));
    const auto pages = co_await call_as(ann, "GET", "/api/gpt-agents/ann/events",
                                        {.headers = {{"Accept", "application/json"}}});
    EXPECT_EQ(pages.status, 200) << pages.body;
    std::vector<std::string> types;
    for (const auto& item : pages.json().at("items").as_array())
      types.push_back(text(item, "type"));
    EXPECT_THAT(types, ElementsAre("flywheel.agent.registered.v1", "flywheel.agent.changed.v1",
                                   "flywheel.message.sent.v1"));
  });
}

TEST_F(SubscriptionsTest, AStreamEndsWithTheKeyThatOpenedIt) {
  tell([&]() -> Story {
    (void)co_await subscribe_as(ann, json::object());
    auto reader = co_await connect();
    co_await reader.send(
        fmt::format("GET /api/gpt-agents/ann/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                    "Authorization: Bearer {}\r\n\r\n",
                    ann));
    (void)co_await reader.read_until("retry: ");
    const auto keys = (co_await call("GET", "/api/keys")).json();
    std::map<std::string, std::string> ids;
    for (const auto& one : keys.at("items").as_array()) ids[text(one, "name")] = text(one, "id");
    EXPECT_EQ((co_await call("DELETE", "/api/keys/" + ids.at("bob"))).status, 204);
    co_await message_to("ann");
    EXPECT_THAT(co_await reader.read_until("\"to\":\"ann\""),
                testing::Not(HasSubstr("key.revoked")));
    EXPECT_EQ((co_await call("DELETE", "/api/keys/" + ids.at("ann"))).status, 204);
    EXPECT_THAT(co_await reader.read_until("\r\n0\r\n\r\n"),
                testing::Not(HasSubstr("key.revoked")));
  });
}

TEST_F(SubscriptionsTest, AStreamEndsWhenTheKeyThatOpenedItExpires) {
  tell([&]() -> Story {
    (void)co_await subscribe_as(ann, json::object());
    const auto made = co_await call("POST", "/api/keys",
                                    {.body = json::object{{"name", "for a day"},
                                                          {"agent", "ann"},
                                                          {"scopes", json::array{"events"}},
                                                          {"expires_in_days", 1}}});
    EXPECT_EQ(made.status, 201) << made.body;
    auto reader = co_await connect();
    co_await reader.send(
        fmt::format("GET /api/gpt-agents/ann/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                    "Authorization: Bearer {}\r\n\r\n",
                    text(made.json(), "key")));
    (void)co_await reader.read_until("retry: ");
    clock.advance(std::chrono::hours(23));
    co_await message_to("ann");
    (void)co_await reader.read_until("\"to\":\"ann\"");
    clock.advance(std::chrono::hours(1));
    co_await message_to("ann");
    EXPECT_THAT(co_await reader.read_until("\r\n0\r\n\r\n"), testing::Not(HasSubstr("\"to\"")));
  });
}

TEST_F(SubscriptionsTest, WhatIsNotItsOwnReachesNoAgentsKey) {
  tell([&]() -> Story {
    auto everything = webhook();
    everything.erase("types");
    const auto made = co_await subscribe_as(ann, everything);
    EXPECT_EQ(made.at("only_own"), true);
    // Neither by a stream, whatever it asks for, nor out of the past.
    (void)co_await subscribe_as(ann, json::object());
    co_await happen("a");
    (void)co_await submit(packet());
    co_await message_to("bob");
    (void)co_await key("secret", {"admin"});
    co_await message_to("ann");
    co_await until("\"to\":\"ann\"");
    const json::object range{{"from", "1"}, {"through", "1000"}};
    const auto replayed =
        co_await call_as(ann, "POST", text(made.at("links"), "replay"), {.body = range});
    EXPECT_EQ(replayed.status, 202) << replayed.body;
    const auto pages = co_await call_as(ann, "GET", "/api/gpt-agents/ann/events?limit=100",
                                        {.headers = {{"Accept", "application/json"}}});
    EXPECT_EQ(pages.status, 200) << pages.body;
    const auto expect_own = [](const std::string& told) {
      for (const auto* foreign :
           {"thing.happened", "packet.", "key.created", "\"to\":\"bob\"", "\"name\":\"bob\""}) {
        EXPECT_THAT(told, testing::Not(HasSubstr(foreign)));
      }
    };
    expect_own(pages.body);
    for (const auto& one : got) expect_own(one.body);
    EXPECT_THAT(pages.body, HasSubstr("\"to\":\"ann\""));
    // An operator decides otherwise.
    const auto open = co_await subscribe(webhook());
    EXPECT_EQ(open.at("only_own"), false);
    co_await happen("b");
    co_await until("flywheel.thing.happened.v1");
  });
}

#ifdef STANDARD_WEBHOOKS
// The library that receivers use.
TEST_F(SubscriptionsTest, TheLibraryOfStandardWebhooksBelievesIt) {
  tell([&]() -> Story {
    const auto made = co_await subscribe(webhook());
    co_await happen("a");
    co_await until(1);
    const auto verified = [&](std::string body) -> asio::awaitable<int> {
      const json::object input{
          {"secret", made.at("secret")},
          {"headers", json::object{{"webhook-id", got[0].headers.id},
                                   {"webhook-timestamp", got[0].headers.timestamp},
                                   {"webhook-signature", got[0].headers.signature}}},
          {"body", std::move(body)}};
      const auto done = co_await run_program(fmt::format(
          "printf %s '{}' | node {}/verify.mjs 2>&1", json::serialize(input), STANDARD_WEBHOOKS));
      co_return done.status;
    };
    EXPECT_EQ(co_await verified(got[0].body), 0);
    EXPECT_EQ(co_await verified(got[0].body + " "), 1);
  });
}
#endif

}  // namespace
}  // namespace http_test
