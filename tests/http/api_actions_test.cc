// Actions over HTTP, and the ways by which somebody may try to get one done without its policy.
#include "bridge/engine/crew.h"
#include "bridge/services/actions/action_limits.h"
#include "bridge/services/actions/rows.h"
#include "tests/http/api_fixture.h"

#include <gmock/gmock.h>

namespace http_test {
namespace {

namespace acts = services::actions;
using testing::ElementsAre;
using testing::HasSubstr;

// The daemon's runners beside the API.
struct Acting : ApiFixture {
  // Registers an agent of each sort, makes keys, and works the lanes.
  Story begin() {
    const auto agent = [&](std::string_view name, std::string_view tier) -> Story {
      co_await call("POST", "/api/gpt-agents/register",
                    {.body = json::object{{"name", name}, {"kind", "cli"}, {"tier", tier}}});
    };
    co_await agent("Builder", "operator");
    co_await agent("Guest", "visitor");
    co_await agent("Elder", "architect");
    builder = co_await key("builder", {"actions", "messages", "approve"}, "Builder");
    guest = co_await key("guest", {"actions"}, "Guest");
    elder = co_await key("elder", {"actions"}, "Elder");
    anna = co_await key("anna", {"approve", "actions"});
    bert = co_await key("bert", {"approve", "actions"});
    handlers[std::string(acts::action_kind)] = [this](engine::Claim claim,
                                                      engine::LaneContext& lane) {
      return actions->handle(std::move(claim), lane);
    };
    engine.emplace(*store, *queue, clock, timeline, bells, faults, "life");
    crew.emplace(loop.get_executor(), *engine, handlers);
    on_ring = [this](const std::string& bell) {
      if (crew) crew->rung(bell);
    };
    const auto started = co_await crew->start();
    EXPECT_TRUE(started);
  }
  Story end() {
    crew->stop();
    co_await crew->idle(clock, base::Instant::max());
    co_await crew->join();
    crew.reset();
  }
  // Runs the story between the two.
  void act(std::function<Story()> story) {
    run([&, story = std::move(story)]() -> Story {
      co_await begin();
      co_await story();
      co_await end();
    });
  }
  asio::awaitable<http::ClientReply> post(std::string as, std::string path, json::value body) {
    co_return co_await call_as(as, "POST", "/api/" + path, {.body = std::move(body)});
  }
  asio::awaitable<http::ClientReply> execute(std::string as, std::string who, std::string action,
                                             json::object params) {
    co_return co_await post(
        as, "gpt-agents/" + who + "/actions/execute",
        json::object{{"action", action}, {"params", std::move(params)}, {"wait", 40}});
  }
  asio::awaitable<http::ClientReply> decide(std::string as, std::string approval,
                                            std::string decision = "approve") {
    co_return co_await post(as, "gpt-agents/builder/actions/approve",
                            json::object{{"approval", approval}, {"decision", decision}});
  }
  // The state that it comes to.
  asio::awaitable<std::string> becomes(std::string id) {
    const auto found = co_await call("GET", "/api/approvals/" + id + "?wait=40");
    co_return text(found.json(), "state");
  }
  // Starts what comes next without a runner, so that the row can be changed before it is done.
  Story rest() {
    crew->stop();
    co_await crew->idle(clock, base::Instant::max());
    co_await crew->join();
    crew.emplace(loop.get_executor(), *engine, handlers);
  }
  Story go_on() {
    const auto started = co_await crew->start();
    EXPECT_TRUE(started);
  }
  asio::awaitable<std::size_t> done() {
    const auto page = co_await call("GET", "/api/audit?type=action.completed");
    co_return page.json().at("items").as_array().size();
  }

  std::string builder, guest, elder, anna, bert;
  base::Faults faults;
  std::optional<engine::Engine> engine;
  std::map<std::string, engine::Handler> handlers;
  std::optional<engine::Crew> crew;
};

TEST(ApiActions, AHarmlessOneIsDoneAtOnceAndTheShellIsNeverAsked) {
  Acting f;
  f.act([&]() -> Story {
    const auto ran =
        co_await f.execute(f.builder, "builder", "greet", {{"name", "$(id) ; rm -rf"}});
    EXPECT_EQ(ran.status, 200) << ran.body;
    EXPECT_EQ(ran.json().at("state"), "done") << ran.body;
    EXPECT_EQ(ran.json().at("result").at("out"), "hello $(id) ; rm -rf $HOME;\n");
    const auto sent =
        co_await f.execute(f.builder, "builder", "message.send", {{"to", "Elder"}, {"text", "hi"}});
    EXPECT_EQ(sent.json().at("state"), "done") << sent.body;
    const auto inbox = co_await f.call("GET", "/api/gpt-agents/elder/messages");
    EXPECT_EQ(inbox.json().at("items").at(0).at("from").at("name"), "Builder");
  });
}

TEST(ApiActions, AProgramThatFailsOrDoesNotEndSaysSo) {
  Acting f;
  f.act([&]() -> Story {
    const auto failing = co_await f.execute(f.builder, "builder", "fail", {});
    EXPECT_EQ(failing.json().at("state"), "failed");
    EXPECT_EQ(failing.json().at("error"), "program_failed");
    const auto slow = co_await f.execute(f.builder, "builder", "slow", {});
    EXPECT_EQ(slow.json().at("state"), "failed");
    EXPECT_EQ(slow.json().at("error"), "timeout");
  });
}

TEST(ApiActions, ACheckTellsWhatWouldHappenAndChangesNothing) {
  Acting f;
  f.act([&]() -> Story {
    const auto check = [&](std::string who, std::string action,
                           json::object params) -> asio::awaitable<json::value> {
      const auto reply =
          co_await f.post(f.admin, "gpt-agents/" + who + "/actions/check",
                          json::object{{"action", action}, {"params", std::move(params)}});
      co_return reply.json();
    };
    const auto low = co_await check("builder", "greet", {{"name", "x"}});
    EXPECT_EQ(low.at("allowed"), true);
    EXPECT_EQ(low.at("risk"), 10);
    EXPECT_EQ(low.at("needs_approval"), false);
    const auto raised = co_await check("builder", "greet", {{"name", "root"}});
    EXPECT_EQ(raised.at("risk"), 70);
    EXPECT_EQ(raised.at("approvers"), 1);
    const auto high = co_await check("elder", "memory.purge", {{"agent", "x"}});
    EXPECT_EQ(high.at("risk"), 70);
    const auto below = co_await check("guest", "greet", {{"name", "x"}});
    EXPECT_EQ(below.at("allowed"), false);
    EXPECT_EQ(below.at("code"), "tier_too_low");
    const auto wrong = co_await check("builder", "greet", {{"nom", "x"}});
    EXPECT_EQ(wrong.at("code"), "invalid_params");
    EXPECT_EQ((co_await check("builder", "rm", {})).at("code"), "unknown_action");
    EXPECT_EQ(co_await f.done(), 0u);
  });
}

TEST(ApiActions, WhatIsRiskyWaitsForAPersonAndIsDoneOnce) {
  Acting f;
  f.act([&]() -> Story {
    const auto asked = co_await f.execute(f.builder, "builder", "greet", {{"name", "root"}});
    EXPECT_EQ(asked.status, 202) << asked.body;
    EXPECT_EQ(asked.json().at("state"), "waiting");
    const auto id = text(asked.json(), "id");
    EXPECT_EQ(co_await f.done(), 0u);
    EXPECT_EQ((co_await f.decide(f.anna, id)).status, 200);
    EXPECT_EQ(co_await f.becomes(id), "done");
    // The word was used.
    EXPECT_EQ((co_await f.decide(f.anna, id)).status, 409);
    EXPECT_EQ((co_await f.decide(f.bert, id)).status, 409);
    EXPECT_EQ(co_await f.done(), 1u);

    const auto second = co_await f.execute(f.builder, "builder", "greet", {{"name", "root"}});
    const auto other = text(second.json(), "id");
    EXPECT_EQ((co_await f.decide(f.anna, other, "reject")).json().at("state"), "rejected");
    EXPECT_EQ((co_await f.decide(f.bert, other)).status, 409);
    EXPECT_EQ(co_await f.done(), 1u);
  });
}

TEST(ApiActions, TheRiskiestNeedsTwoPersonsWhoAreNotTheAsker) {
  Acting f;
  f.act([&]() -> Story {
    const auto asked = co_await f.execute(f.anna, "builder", "wipe", {});
    EXPECT_EQ(asked.json().at("approvers"), 2) << asked.body;
    const auto id = text(asked.json(), "id");
    EXPECT_EQ((co_await f.decide(f.anna, id)).json().at("code"), "own_request");
    EXPECT_EQ((co_await f.decide(f.bert, id)).json().at("state"), "waiting");
    EXPECT_EQ((co_await f.decide(f.bert, id)).json().at("code"), "already_decided");
    EXPECT_EQ(co_await f.done(), 0u);
    EXPECT_EQ((co_await f.decide(f.admin, id)).status, 200);
    EXPECT_EQ(co_await f.becomes(id), "done");
    EXPECT_EQ(co_await f.done(), 1u);
  });
}

TEST(ApiActions, AnAttackIsRefusedAndNothingIsDone) {
  Acting f;
  f.act([&]() -> Story {
    const auto asked = co_await f.execute(f.builder, "builder", "greet", {{"name", "root"}});
    const auto id = text(asked.json(), "id");
    // An agent decides nothing, its own wish or another's, whatever its scopes.
    EXPECT_EQ((co_await f.decide(f.builder, id)).json().at("code"), "not_a_person");
    EXPECT_EQ((co_await f.decide(f.guest, id)).status, 403);
    // Nobody acts for another agent.
    EXPECT_EQ((co_await f.execute(f.guest, "builder", "greet", {{"name", "x"}})).status, 403);
    EXPECT_EQ((co_await f.execute(f.guest, "guest", "greet", {{"name", "x"}})).json().at("code"),
              "tier_too_low");
    // An approval that was never asked for.
    EXPECT_EQ((co_await f.decide(f.anna, "0197f3a2-0000-7000-8000-000000000001")).status, 404);
    // The parameters are changed after the wish: the hash is not theirs any more.
    const auto changed = co_await f.write([&](store::Tx& tx) {
      return tx.execute("UPDATE asked_actions SET params = '{\"name\": \"evil\"}' WHERE id = $1",
                        {id});
    });
    EXPECT_TRUE(changed);
    EXPECT_EQ((co_await f.decide(f.anna, id)).json().at("code"), "changed");
    EXPECT_EQ(co_await f.done(), 0u);
  });
}

TEST(ApiActions, WhatWasApprovedIsLookedAtOnceMoreBeforeItIsDone) {
  Acting f;
  f.act([&]() -> Story {
    const auto approved =
        [&](std::function<Story(std::string)> meanwhile) -> asio::awaitable<std::string> {
      co_await f.rest();
      const auto asked = co_await f.post(
          f.builder, "gpt-agents/builder/actions/execute",
          json::object{{"action", "greet"}, {"params", json::object{{"name", "root"}}}});
      const auto id = text(asked.json(), "id");
      EXPECT_EQ((co_await f.decide(f.anna, id)).json().at("state"), "approved");
      co_await meanwhile(id);
      co_await f.go_on();
      co_return co_await f.becomes(id);
    };
    const auto sql = [&](std::string statement) {
      return [&f, statement](std::string id) -> Story {
        const auto written =
            co_await f.write([&](store::Tx& tx) { return tx.execute(statement, {id}); });
        EXPECT_TRUE(written);
      };
    };
    EXPECT_EQ(co_await approved(sql("UPDATE asked_actions SET params = '{\"name\": \"evil\"}' "
                                    "WHERE id = $1")),
              "failed");
    EXPECT_EQ(co_await approved(sql("DELETE FROM action_approvals WHERE asked = $1")), "failed");
    EXPECT_EQ(co_await approved(sql("UPDATE action_approvals SET hash = 'other' "
                                    "WHERE asked = $1")),
              "failed");
    EXPECT_EQ(co_await approved([&](std::string) -> Story {
                co_await f.call("PATCH", "/api/gpt-agents/builder",
                                {.body = json::object{{"tier", "visitor"}}});
              }),
              "failed");
    co_await f.call("PATCH", "/api/gpt-agents/builder",
                    {.body = json::object{{"tier", "operator"}}});
    EXPECT_EQ(co_await approved([&](std::string) -> Story {
                const auto off = co_await f.post(
                    f.admin, "actions/kill",
                    json::object{{"action", "greet"}, {"on", false}, {"reason", "not now"}});
                EXPECT_EQ(off.status, 200);
                const auto on = co_await f.post(
                    f.admin, "actions/kill",
                    json::object{{"all", true}, {"on", true}, {"reason", "incident"}});
                EXPECT_EQ(on.json().at("switched_off").at("all"), "incident");
              }),
              "failed");
    EXPECT_EQ(co_await f.done(), 0u);
    EXPECT_EQ((co_await f.execute(f.builder, "builder", "fail", {})).json().at("code"),
              "switched_off");
    const auto back = co_await f.post(
        f.admin, "actions/kill", json::object{{"all", true}, {"on", false}, {"reason", "over"}});
    EXPECT_EQ(back.json().at("switched_off").as_object().size(), 0u);
    EXPECT_EQ(co_await approved([](std::string) -> Story { co_return; }), "done");
    EXPECT_EQ(co_await f.done(), 1u);
  });
}

TEST(ApiActions, AWishThatNobodyDecidesOnExpires) {
  Acting f;
  f.act([&]() -> Story {
    const auto asked = co_await f.execute(f.builder, "builder", "greet", {{"name", "root"}});
    const auto id = text(asked.json(), "id");
    const auto old = co_await f.write([&](store::Tx& tx) -> base::Result<> {
      auto late = f.timeline.now();
      late.wall += limits::approval_waits * 2;
      TRY_OK(acts::sweep({tx, f.journal, *f.queue, f.bells, late, "bridge"}));
      return {};
    });
    EXPECT_TRUE(old);
    EXPECT_EQ(co_await f.becomes(id), "expired");
    EXPECT_EQ((co_await f.decide(f.anna, id)).status, 409);
    const auto page = co_await f.call("GET", "/api/approvals?state=expired");
    EXPECT_EQ(page.json().at("items").as_array().size(), 1u);
  });
}

TEST(ApiActions, TheSameKeyAsksOnce) {
  Acting f;
  f.act([&]() -> Story {
    const json::object body{{"action", "greet"},
                            {"params", json::object{{"name", "x"}}},
                            {"idempotency_key", "k"},
                            {"wait", 40}};
    const auto first = co_await f.post(f.builder, "gpt-agents/builder/actions/execute", body);
    const auto again = co_await f.post(f.builder, "gpt-agents/builder/actions/execute", body);
    EXPECT_EQ(again.json().at("id"), first.json().at("id"));
    EXPECT_EQ(again.header("idempotency-replayed"), "true");
    EXPECT_EQ(co_await f.done(), 1u);
  });
}

}  // namespace
}  // namespace http_test
