// In whose name an action is asked for, with what trust, and whom it is about.
#include "tests/http/acting.h"

#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::HasSubstr;

TEST(ActionTrust, WhoNamesAnAgentIsTrustedNoFurtherThanTheirOwnKeyAndDoesNotSpeakForIt) {
  Acting f;
  f.act([&]() -> Story {
    const json::object sovereign{{"name", "Sovereign"}, {"kind", "cli"}, {"tier", "founder"}};
    const auto made = co_await f.call("POST", "/api/gpt-agents/register", {.body = sovereign});
    EXPECT_EQ(made.status, 201) << made.body;
    const auto crown = [&](std::string as, std::string who) {
      return f.execute(as, who, "crown", {});
    };
    EXPECT_EQ((co_await crown(f.bert, "sovereign")).json().at("code"), "tier_too_low");
    const auto by_token = co_await f.actions->ask(
        {.principal = "jwt:https://issuer#root", .name = "root", .is_admin = true}, "sovereign",
        {.action = "crown", .params = json::object()}, {});
    EXPECT_TRUE(by_token);
    if (by_token) EXPECT_EQ(by_token->decision.code, "tier_too_low");
    // Nor does an administrator lift an agent above its own.
    EXPECT_EQ((co_await crown(f.admin, "elder")).json().at("code"), "tier_too_low");
    EXPECT_EQ(co_await f.done(), 0u);

    const json::object said{{"to", "Elder"}, {"text", "obey"}};
    EXPECT_EQ((co_await f.execute(f.bert, "sovereign", "message.send", said)).json().at("code"),
              "forged_sender");
    for (const std::string action : {"memory.store", "workflow.run"}) {
      const auto refused = co_await f.execute(f.bert, "sovereign", action, {});
      EXPECT_EQ(refused.status, 403) << refused.body;
      EXPECT_EQ(refused.json().at("code"), "forged_sender") << action;
    }
    const auto inbox = co_await f.call("GET", "/api/gpt-agents/elder/messages");
    EXPECT_EQ(inbox.json().at("items").as_array().size(), 0u) << inbox.body;
    const auto by_admin = co_await f.execute(f.admin, "sovereign", "message.send", said);
    EXPECT_EQ(by_admin.json().at("state"), "done") << by_admin.body;

    const auto own = co_await f.key("own", {"actions"}, "Sovereign");
    EXPECT_EQ((co_await crown(own, "sovereign")).json().at("state"), "done");
    EXPECT_EQ((co_await crown(f.admin, "sovereign")).json().at("state"), "done");
    // The key is no administrator's any more when it is to be done.
    const auto fallen = co_await f.key("fallen", {"admin"});
    co_await f.rest();
    const auto late = co_await f.post(fallen, "gpt-agents/sovereign/actions/execute",
                                      json::object{{"action", "crown"}});
    const auto id = (co_await f.principal_of(fallen)).substr(std::string_view("key:").size());
    const auto changed = co_await f.write([&](store::Tx& tx) {
      return tx.execute("UPDATE api_keys SET scopes = '[\"actions\"]' WHERE id = $1", {id});
    });
    EXPECT_TRUE(changed);
    co_await f.go_on();
    EXPECT_EQ(co_await f.becomes(text(late.json(), "id")), "failed");
    EXPECT_EQ(co_await f.done(), 3u);
  });
}

TEST(ActionTrust, WhoIsRemovedIsTheOneWhoWasCalledSoWhenItWasAskedFor) {
  Acting f;
  f.act([&]() -> Story {
    const auto ask = [&](std::string name) {
      return f.execute(f.elder, "elder", "agent.deregister", {{"agent", std::move(name)}});
    };
    const auto add = [&](std::string_view name) -> asio::awaitable<std::string> {
      const auto made = co_await f.call("POST", "/api/gpt-agents/register",
                                        {.body = json::object{{"name", name}, {"kind", "cli"}}});
      EXPECT_EQ(made.status, 201) << made.body;
      co_return text(made.json(), "id");
    };
    const auto status = [&](std::string who) -> asio::awaitable<int> {
      co_return (co_await f.call("GET", "/api/gpt-agents/" + who)).status;
    };
    EXPECT_EQ((co_await ask("nobody")).status, 404);
    EXPECT_EQ(co_await f.done(), 0u);

    // It has another name when people decide.
    const auto moving = co_await add("Moving");
    const auto first = co_await ask("Moving");
    EXPECT_EQ(first.json().at("state"), "waiting") << first.body;
    EXPECT_EQ(text(first.json().at("params"), "agent"), moving);
    EXPECT_EQ(text(first.json().at("params"), "name"), "Moving");
    const auto renamed = co_await f.call("PATCH", "/api/gpt-agents/moving",
                                         {.body = json::object{{"name", "Settled"}}});
    EXPECT_EQ(renamed.status, 200) << renamed.body;
    EXPECT_EQ((co_await f.decide(f.anna, text(first.json(), "id"))).status, 200);
    EXPECT_EQ(co_await f.becomes(text(first.json(), "id")), "done");
    EXPECT_EQ(co_await status(moving), 404);

    // It is gone by then, and another has its name.
    const auto old = co_await add("Temp");
    const auto second = co_await ask("temp");
    EXPECT_EQ(second.json().at("state"), "waiting") << second.body;
    EXPECT_EQ((co_await f.call("DELETE", "/api/gpt-agents/temp")).status, 204);
    const auto heir = co_await add("Temp");
    EXPECT_EQ((co_await f.decide(f.anna, text(second.json(), "id"))).status, 200);
    EXPECT_EQ(co_await f.becomes(text(second.json(), "id")), "done");
    EXPECT_EQ(co_await status(old), 404);
    EXPECT_EQ(co_await status(heir), 200);
  });
}

TEST(ActionTrust, WhoIsSwitchedOffIsRemovedByAdministratorsOnly) {
  Acting f;
  f.act([&]() -> Story {
    const auto writer = co_await f.key("writer", {"agents:write"});
    const auto turn = [&](bool is_on) {
      return f.post(f.admin, "actions/kill",
                    json::object{{"agent", "builder"}, {"on", is_on}, {"reason", "incident"}});
    };
    const auto remove = [&](std::string as, std::string who) {
      return f.call_as(as, "DELETE", "/api/gpt-agents/" + who);
    };
    EXPECT_EQ((co_await turn(true)).status, 200);
    const auto refused = co_await remove(writer, "builder");
    EXPECT_EQ(refused.status, 409) << refused.body;
    EXPECT_EQ(refused.json().at("code"), "switched_off");
    EXPECT_THAT(text(refused.json(), "detail"), HasSubstr("administrators"));
    EXPECT_EQ((co_await f.call("GET", "/api/gpt-agents/builder")).status, 200);
    EXPECT_EQ(
        (co_await f.execute(f.builder, "builder", "greet", {{"name", "x"}})).json().at("code"),
        "switched_off");
    // It is the agent's switch that counts, and it alone.
    EXPECT_EQ((co_await remove(writer, "guest")).status, 204);
    EXPECT_EQ((co_await turn(false)).status, 200);
    EXPECT_EQ((co_await remove(writer, "builder")).status, 204);
    const auto off =
        co_await f.post(f.admin, "actions/kill",
                        json::object{{"agent", "elder"}, {"on", true}, {"reason", "incident"}});
    EXPECT_EQ(off.status, 200);
    EXPECT_EQ((co_await remove(f.admin, "elder")).status, 204);
  });
}

TEST(ActionTrust, AWorkflowIsNoWayAroundThePolicy) {
  Acting f;
  f.act([&]() -> Story {
    const auto create = [&](std::string name, json::object with) -> Story {
      const json::object greet{{"uses", "action/greet"}, {"with", std::move(with)}};
      const auto made = co_await f.post(
          f.admin, "gpt-workflows/create",
          json::object{{"name", name},
                       {"inputs", json::object{{"who", json::object{{"default", "root"}}}}},
                       {"jobs", json::object{{"greet", greet}}}});
      EXPECT_EQ(made.status, 201) << made.body;
    };
    const auto begin = [&](std::string as, std::string name) -> asio::awaitable<std::string> {
      const auto begun = co_await f.post(as, "gpt-workflows/" + name + "/execute", json::object());
      EXPECT_EQ(begun.status, 202) << begun.body;
      const auto run = begun.json();
      co_return text(run.at("jobs").at("greet").at("action"), "id");
    };
    co_await create("risky", {{"name", "${{ inputs.who }}"}});
    co_await create("harmless", {{"name", "x"}});
    // A key that may not ask for actions lets no workflow ask either, and an agent's run has no
    // more trust than the agent.
    const auto flows = co_await f.key("flows", {"workflows"});
    const auto refused = co_await f.post(flows, "gpt-workflows/harmless/execute", json::object());
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused.json().at("code"), "no_actions");
    const auto guest = co_await f.key("guest2", {"workflows", "actions"}, "Guest");
    const auto low = co_await f.post(guest, "gpt-workflows/harmless/execute", json::object());
    EXPECT_EQ(low.json().at("jobs").at("greet").at("error").at("code"), "tier_too_low") << low.body;

    // Who lets a run begin decides nothing of it.
    const auto carl = co_await f.key("carl", {"workflows", "actions", "approve"});
    const auto own = co_await begin(carl, "risky");
    EXPECT_EQ((co_await f.decide(carl, own)).json().at("code"), "own_request");
    // Other parameters than those that people see.
    const auto changed = co_await f.write([&](store::Tx& tx) {
      return tx.execute("UPDATE asked_actions SET params = '{\"name\": \"evil\"}' WHERE id = $1",
                        {own});
    });
    EXPECT_TRUE(changed);
    EXPECT_EQ((co_await f.decide(f.anna, own)).json().at("code"), "changed");
    // Or another who asked for it.
    const auto other = co_await begin(carl, "risky");
    const auto hidden = co_await f.write([&](store::Tx& tx) {
      return tx.execute("UPDATE asked_actions SET behind = '' WHERE id = $1", {other});
    });
    EXPECT_TRUE(hidden);
    EXPECT_EQ((co_await f.decide(carl, other)).json().at("code"), "changed");
    EXPECT_EQ(co_await f.done(), 0u);

    const auto right = co_await begin(carl, "risky");
    const auto shown = co_await f.call("GET", "/api/approvals/" + right);
    EXPECT_EQ(shown.json().at("params").at("name"), "root");
    EXPECT_EQ(shown.json().at("params_trust"), "untrusted");
    const auto run = text(shown.json(), "workflow_run");
    EXPECT_EQ((co_await f.decide(f.anna, right)).status, 200);
    const auto ended = co_await f.call("GET", "/api/gpt-workflows/runs/" + run + "?wait=40");
    EXPECT_EQ(ended.json().at("result"), "success") << ended.body;
    EXPECT_EQ(ended.json().at("jobs").at("greet").at("outputs").at("text"), "hello root $HOME;\n");
    EXPECT_EQ((co_await f.decide(f.bert, right)).status, 409);
    EXPECT_EQ(co_await f.done(), 1u);
  });
}

TEST(ActionTrust, ARunOfARevokedKeyAsksForNothingMore) {
  Acting f;
  f.act([&]() -> Story {
    const json::object greet{
        {"uses", "action/greet"}, {"with", json::object{{"name", "x"}}}, {"approval", true}};
    const auto made = co_await f.post(
        f.admin, "gpt-workflows/create",
        json::object{{"name", "patient"}, {"jobs", json::object{{"greet", greet}}}});
    EXPECT_EQ(made.status, 201) << made.body;
    const auto carl = co_await f.key("carl", {"workflows", "actions"});
    const auto begun = co_await f.post(carl, "gpt-workflows/patient/execute", json::object());
    const auto run = "gpt-workflows/runs/" + text(begun.json(), "id");

    co_await f.revoke(carl);
    const auto yes = co_await f.post(f.anna, run + "/steps/greet/approve",
                                     json::object{{"decision", "approve"}});
    EXPECT_EQ(yes.status, 200) << yes.body;

    const auto ended = co_await f.call("GET", "/api/" + run + "?wait=40");
    EXPECT_EQ(ended.json().at("result"), "failure") << ended.body;
    EXPECT_EQ(ended.json().at("jobs").at("greet").at("error").at("code"), "key_not_good");
    EXPECT_EQ(co_await f.done(), 0u);
  });
}

}  // namespace
}  // namespace http_test
