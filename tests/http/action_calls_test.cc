// Actions that call others over HTTP, what takes them back, and how somebody may try to make them
// reach what they should not.
#include "bridge/base/scope.h"
#include "tests/http/acting.h"

#include <algorithm>

#include <boost/asio/read_until.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view secret = "s3cret/of+the\"house";

struct Got {
  std::string line, body, key, authorization;
};

// A server on loopback that is called, and answers what the test wants.
struct Calling : Acting {
  Calling() {
    for (const auto method : {http::Method::get, http::Method::post, http::Method::del}) {
      for (const std::string path : {"/things", "/things/{id}"}) {
        receiver_router.add(
            {.method = method, .path = path, .is_public = true, .body = http::Body::optional},
            [this](http::Request& request) { return receive(request); });
      }
    }
    auto started =
        http::Server::start(loop.get_executor(), clock, receiver_router, {.listen = "127.0.0.1:0"});
    BRIDGE_ASSERT(started);
    receiver = *std::move(started);
  }
  base::Task<http::Response> receive(http::Request& request) {
    const auto header = [&](std::string_view name) {
      return std::string(request.header(name).value_or(""));
    };
    got.push_back({fmt::format("{} {}", request.method_name, request.target),
                   json::serialize(request.json), header("idempotency-key"),
                   header("authorization")});
    auto response = http::json_response(answer, status);
    if (status == 302) response.add("Location", "/things/elsewhere");
    co_return response;
  }
  // One action, allowed to reach these networks.
  void configure(json::object more, std::vector<std::string> networks = {"127.0.0.0/8"}) {
    webhooks.allow_private.clear();
    for (const auto& one : networks) {
      webhooks.allow_private.push_back(*events::Network::parse(one));
    }
    json::object action{{"kind", "http"},
                        {"description", "Calls."},
                        {"risk", 10},
                        {"min_tier", "citizen"},
                        {"method", "POST"},
                        {"url", url("/things/{id}")},
                        {"params", *base::parse_json(R"({"type": "object", "required": ["id"],
           "properties": {"id": {}, "ref": {}, "note": {}}})")}};
    for (const auto& [key, value] : more) action[key] = value;
    build_actions({{"call", action}});
  }
  std::string url(std::string_view path) const {
    return fmt::format("http://127.0.0.1:{}{}", receiver->port(), path);
  }
  void tell(std::function<Story()> story) {
    act([this, story = std::move(story)]() -> Story {
      co_await story();
      co_await receiver->stop(std::chrono::seconds(10));
    });
  }
  asio::awaitable<json::value> call_it(json::object params) {
    const auto reply = co_await execute(builder, "builder", "call", std::move(params));
    co_return reply.json();
  }
  asio::awaitable<http::ClientReply> undo(std::string as, std::string id) {
    co_return co_await post(as, "approvals/" + id + "/undo", json::object{{"wait", 40}});
  }
  // Everything that is told of actions.
  asio::awaitable<std::string> told() {
    std::string all;
    for (const auto* path : {"/api/audit?limit=500", "/api/approvals", "/api/actions"}) {
      all += (co_await call("GET", path)).body;
    }
    co_return all;
  }

  http::Router receiver_router;
  std::unique_ptr<http::Server> receiver;
  std::vector<Got> got;
  json::value answer = json::object{{"id", 7}};
  int status = 200;
};

TEST(ActionCalls, ParametersStandInTheirPlacesAndNowhereElse) {
  Calling f;
  f.configure({{"query", json::object{{"ref", "{ref}"}, {"page", "1"}, {"gone", "{note}"}}},
               {"body", json::object{{"event", "deploy"}, {"of", json::array{"{id}", "{ref}"}}}},
               {"headers", json::object{{"Authorization", json::object{{"prefix", "Bearer "},
                                                                       {"secret", secret}}}}}});
  f.tell([&]() -> Story {
    const auto ran = co_await f.call_it({{"id", "a b?c#\u00e9&"}, {"ref", "x&page=2#y"}});
    EXPECT_EQ(ran.at("state"), "done") << json::serialize(ran);
    EXPECT_EQ(ran.at("result").at("status"), 200);
    EXPECT_EQ(ran.at("result").at("body").at("id"), 7);
    EXPECT_EQ(ran.at("result_trust"), "untrusted");
    EXPECT_EQ(f.got.size(), 1u);
    if (f.got.size() != 1) co_return;
    EXPECT_EQ(f.got[0].line, "POST /things/a%20b%3Fc%23%C3%A9%26?ref=x%26page%3D2%23y&page=1");
    EXPECT_EQ(f.got[0].body, R"({"event":"deploy","of":["a b?c#é&","x&page=2#y"]})");
    EXPECT_EQ(f.got[0].authorization, fmt::format("Bearer {}", secret));
    EXPECT_EQ(f.got[0].key, text(ran, "id"));
  });
}

TEST(ActionCalls, AParameterThatLeadsToAnotherAddressIsRefused) {
  Calling f;
  f.configure({{"query", json::object{{"ref", "{ref}"}}}});
  f.tell([&]() -> Story {
    for (const std::string id : {"", ".", "..", "a/b", "..\\..", "%2e%2e", "a\nb"}) {
      const auto refused = co_await f.call_it({{"id", id}});
      EXPECT_EQ(refused.at("code"), "invalid_params") << id;
    }
    const auto object = co_await f.call_it({{"id", json::object{{"a", 1}}}});
    EXPECT_EQ(object.at("code"), "invalid_params");
    const auto list = co_await f.call_it({{"id", "a"}, {"ref", json::array{1}}});
    EXPECT_EQ(list.at("code"), "invalid_params");
    EXPECT_TRUE(f.got.empty());
  });
}

TEST(ActionCalls, OnlyPublicAddressesAndListedNetworksAreReached) {
  Calling f;
  f.configure({}, {});
  f.tell([&]() -> Story {
    EXPECT_EQ((co_await f.call_it({{"id", "a"}})).at("error"), "forbidden_target");
    EXPECT_TRUE(f.got.empty());
  });
}

TEST(ActionCalls, TheMetadataServiceIsNotReachedThroughAListedNetwork) {
  Calling f;
  f.configure({{"url", "http://169.254.169.254/latest/{id}"}}, {"169.254.0.0/16"});
  f.tell([&]() -> Story {
    EXPECT_EQ((co_await f.call_it({{"id", "meta-data"}})).at("error"), "forbidden_target");
  });
}

TEST(ActionCalls, ARedirectIsNotFollowed) {
  Calling f;
  f.configure({});
  f.status = 302;
  f.tell([&]() -> Story {
    const auto ran = co_await f.call_it({{"id", "a"}});
    EXPECT_EQ(ran.at("error"), "http_status");
    EXPECT_THAT(text(ran, "detail"), HasSubstr("302"));
    EXPECT_EQ(f.got.size(), 1u);
  });
}

TEST(ActionCalls, ASecretThatComesBackIsShownToNobody) {
  Calling f;
  f.configure({{"headers", json::object{{"X-Token", json::object{{"secret", secret}}}}}});
  f.answer = json::object{{"you said", secret}, {"other", "s3cret%2Fof%2Bthe%22house"}};
  f.tell([&]() -> Story {
    const auto ran = co_await f.call_it({{"id", "a"}});
    EXPECT_EQ(ran.at("state"), "done");
    EXPECT_EQ(ran.at("result").at("body").at("you said"), "[secret]");
    f.status = 500;
    const auto failing = co_await f.call_it({{"id", "b"}});
    EXPECT_EQ(failing.at("error"), "http_status");
    const auto all = json::serialize(ran) + json::serialize(failing) + co_await f.told();
    EXPECT_THAT(all, Not(HasSubstr("s3cret")));
  });
}

TEST(ActionCalls, TheAnswerIsBounded) {
  Calling f;
  f.configure({{"output_bytes_max", 1000}});
  f.answer = std::string(5000, 'a');
  f.tell([&]() -> Story {
    const auto ran = co_await f.call_it({{"id", "a"}});
    EXPECT_EQ(ran.at("result").at("clipped"), true);
    EXPECT_LE(text(ran.at("result"), "body").size(), 1001u);
  });
}

TEST(ActionCalls, WhereNobodyListensNothingWasDone) {
  Calling f;
  f.configure({{"url", "http://127.9.9.9:" + std::to_string(f.receiver->port()) + "/{id}"}});
  f.tell([&]() -> Story {
    EXPECT_EQ((co_await f.call_it({{"id", "a"}})).at("error"), "no_connection");
  });
}

// Takes one request and hangs up.
Story hang_up(asio::ip::tcp::acceptor& acceptor, std::string& read) {
  auto socket = co_await acceptor.async_accept(asio::use_awaitable);
  co_await asio::async_read_until(socket, asio::dynamic_buffer(read), "\r\n\r\n",
                                  asio::use_awaitable);
}

TEST(ActionCalls, WhatMayHaveArrivedWaitsForAPerson) {
  Calling f;
  asio::ip::tcp::acceptor acceptor(f.loop, {asio::ip::address_v4::loopback(), 0});
  f.configure(
      {{"url", fmt::format("http://127.0.0.1:{}/{{id}}", acceptor.local_endpoint().port())}});
  std::string read;
  f.tell([&]() -> Story {
    base::Scope tasks(f.loop.get_executor());
    tasks.spawn(hang_up(acceptor, read));
    const auto ran = co_await f.call_it({{"id", "a"}});
    EXPECT_EQ(ran.at("state"), "held") << json::serialize(ran);
    EXPECT_THAT(read, HasSubstr("POST /a HTTP/1.1"));
    EXPECT_EQ((co_await f.resolve(f.anna, text(ran, "id"), "sent", "it is there")).status, 200);
    EXPECT_EQ(co_await f.becomes(text(ran, "id")), "done");
    co_await tasks.join();
  });
}

json::object reversible() {
  return {{"method", "POST"}, {"undo", json::object{{"method", "DELETE"}, {"url", ""}}}};
}

TEST(ActionCalls, WhatWasDoneIsTakenBackOnce) {
  Calling f;
  auto action = reversible();
  action["undo"].as_object()["url"] = f.url("/things/{result.body.id}");
  f.configure(action);
  f.tell([&]() -> Story {
    const auto id = text(co_await f.call_it({{"id", "a"}}), "id");
    EXPECT_EQ((co_await f.undo(f.guest, id)).status, 403);
    const auto undone = co_await f.undo(f.builder, id);
    EXPECT_EQ(undone.json().at("state"), "done") << undone.body;
    EXPECT_EQ(text(undone.json(), "undoes"), id);
    EXPECT_EQ(f.got.size(), 2u);
    EXPECT_EQ(f.got.back().line, "DELETE /things/7");
    EXPECT_EQ((co_await f.undo(f.builder, id)).json().at("code"), "already_undone");
    EXPECT_EQ((co_await f.undo(f.builder, text(undone.json(), "id"))).json().at("code"), "no_undo");
    const auto found = (co_await f.call("GET", "/api/approvals/" + id)).json();
    EXPECT_EQ(found.at("undo").at("id"), undone.json().at("id"));
    EXPECT_EQ(f.got.size(), 2u);
  });
}

TEST(ActionCalls, AnUndoAsksForApprovalAsTheActionDoes) {
  Calling f;
  auto action = reversible();
  action["risk"] = 60;
  action["undo"].as_object()["url"] = f.url("/things/{id}");
  f.configure(action);
  f.tell([&]() -> Story {
    const auto id = text(co_await f.call_it({{"id", "a"}}), "id");
    EXPECT_EQ((co_await f.undo(f.builder, id)).json().at("code"), "not_done");
    EXPECT_EQ((co_await f.decide(f.anna, id)).status, 200);
    EXPECT_EQ(co_await f.becomes(id), "done");
    const auto asked = co_await f.undo(f.builder, id);
    EXPECT_EQ(asked.json().at("state"), "waiting") << asked.body;
    EXPECT_EQ((co_await f.undo(f.anna, id)).json().at("code"), "undo_waits");
    const auto undo = text(asked.json(), "id");
    EXPECT_EQ((co_await f.decide(f.builder, undo)).json().at("code"), "not_a_person");
    EXPECT_EQ((co_await f.decide(f.anna, undo, "reject")).json().at("state"), "rejected");
    EXPECT_EQ(f.got.size(), 1u);
    // Nothing was taken back, so it may be asked for again; but not while it is switched off.
    co_await f.post(f.admin, "actions/kill",
                    json::object{{"action", "call"}, {"on", true}, {"reason", "not now"}});
    EXPECT_EQ((co_await f.undo(f.builder, id)).json().at("code"), "switched_off");
    co_await f.post(f.admin, "actions/kill",
                    json::object{{"action", "call"}, {"on", false}, {"reason", "over"}});
    const auto again = text((co_await f.undo(f.anna, id)).json(), "id");
    EXPECT_EQ((co_await f.decide(f.anna, again)).json().at("code"), "own_request");
    EXPECT_EQ((co_await f.decide(f.bert, again)).status, 200);
    EXPECT_EQ(co_await f.becomes(again), "done");
    EXPECT_EQ(f.got.size(), 2u);
  });
}

TEST(ActionCalls, WithoutWhatTheUndoNeedsNothingIsSent) {
  Calling f;
  auto action = reversible();
  action["undo"].as_object()["url"] = f.url("/things/{result.body.id}");
  f.configure(action);
  f.answer = json::object{{"id", json::object{{"deep", 1}}}};
  f.tell([&]() -> Story {
    const auto id = text(co_await f.call_it({{"id", "a"}}), "id");
    EXPECT_EQ((co_await f.undo(f.builder, id)).json().at("code"), "no_undo");
    f.answer = json::object{{"id", "../../admin"}};
    const auto other = text(co_await f.call_it({{"id", "b"}}), "id");
    EXPECT_EQ((co_await f.undo(f.builder, other)).json().at("code"), "invalid_params");
    EXPECT_EQ(f.got.size(), 2u);
  });
}

}  // namespace
}  // namespace http_test
