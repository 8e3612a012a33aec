// Workflows over HTTP. How a run goes is proven beside the service, in virtual time.
#include "tests/http/api_fixture.h"

#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

// A packet, then a person's word.
json::object definition() {
  json::object body = packet();
  body.erase("sender");
  body.erase("ts");
  return {{"name", "plan"},
          {"inputs", json::object{{"go", json::object{{"type", "boolean"}, {"default", true}}}}},
          {"jobs", json::object{{"ask", json::object{{"uses", "packet/RFP_PLAN"}, {"with", body}}},
                                {"agree", json::object{{"needs", "ask"}, {"approval", true}}}}},
          {"outputs", json::object{{"reply", "${{ jobs.ask.outputs.response }}"}}}};
}

TEST(ApiWorkflows, OneIsMadeRunApprovedAndItsHistoryRead) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto made = co_await f.call("POST", "/api/gpt-workflows/create", {.body = definition()});
    EXPECT_EQ(made.status, 201) << made.body;
    const auto target = "/api/gpt-workflows/" + text(made.json(), "id");
    EXPECT_EQ(made.header("location"), target);
    EXPECT_EQ(made.json().at("version"), 1);
    const auto again = co_await f.call("POST", "/api/gpt-workflows/create", {.body = definition()});
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ((co_await f.call("GET", "/api/gpt-workflows/plan")).json().at("steps"), 2);
    const auto list = co_await f.call("GET", "/api/gpt-workflows");
    EXPECT_EQ(list.json().at("items").as_array().size(), 1u);

    const auto begun = co_await f.call("POST", target + "/execute");
    EXPECT_EQ(begun.status, 202) << begun.body;
    const auto id = text(begun.json(), "id");
    const auto run = "/api/gpt-workflows/runs/" + id;
    EXPECT_EQ(begun.header("location"), run);
    EXPECT_TRUE(begun.json().at("result").is_null());
    EXPECT_EQ(begun.json().at("jobs").at("ask").at("state"), "running");
    EXPECT_EQ(begun.json().at("inputs").at("go"), true);

    co_await f.finish({{"plan", "go"}});
    const auto waiting = co_await f.call("GET", run);
    EXPECT_EQ(waiting.json().at("jobs").at("agree").at("state"), "approval") << waiting.body;
    const auto waits = co_await f.call("GET", "/api/gpt-workflows/runs/approvals");
    EXPECT_EQ(waits.json().at("items").as_array().size(), 1u) << waits.body;
    EXPECT_EQ(waits.json().at("items").at(0).at("id"), "agree");
    EXPECT_EQ(text(waits.json().at("items").at(0), "run"), id);
    const auto status = co_await f.call("GET", target + "/status");
    EXPECT_EQ(status.json().at("status"), "running");

    const auto worker = co_await f.key("worker", {"workflows"});
    const Call yes{.body = json::object{{"decision", "approve"}, {"note", "fine"}}};
    const auto denied = co_await f.call_as(worker, "POST", run + "/steps/agree/approve", yes);
    EXPECT_EQ(denied.status, 403);
    const auto not_its_own = co_await f.call_as(worker, "POST", run + "/cancel");
    EXPECT_EQ(not_its_own.status, 403);
    EXPECT_EQ(not_its_own.json().at("code"), "other_run");
    const auto boss = co_await f.key("boss", {"approve"});
    const auto decided = co_await f.call_as(boss, "POST", run + "/steps/agree/approve", yes);
    EXPECT_EQ(decided.status, 200) << decided.body;
    EXPECT_EQ(decided.json().at("result"), "success");
    EXPECT_EQ(decided.json().at("outputs").at("reply"), (json::object{{"plan", "go"}}));
    // What a model wrote is marked wherever it is quoted.
    EXPECT_EQ(decided.json().at("outputs_trust"), "untrusted");
    EXPECT_EQ(decided.json().at("jobs").at("ask").at("outputs_trust"), "untrusted");
    EXPECT_FALSE(begun.json().as_object().contains("outputs_trust")) << "there were none yet";
    const auto none = co_await f.call("GET", "/api/gpt-workflows/runs/approvals");
    EXPECT_EQ(none.json().at("items").as_array().size(), 0u) << none.body;
    const auto step = co_await f.call("GET", run + "/steps/ask");
    EXPECT_EQ(step.json().at("input").at("bead_id"), packet().at("bead_id"));
    EXPECT_EQ(step.json().at("outputs").at("response").at("plan"), "go");
    EXPECT_EQ(step.json().at("outputs_trust"), "untrusted");
    EXPECT_EQ(step.json().at("input_trust"), "untrusted");

    const auto history = co_await f.call("GET", "/api/audit?type=workflow.&thread=" + id);
    std::vector<std::string> told;
    for (const auto& entry : history.json().at("items").as_array()) {
      told.push_back(text(entry, "type"));
    }
    EXPECT_THAT(
        told, ElementsAre("workflow.run_started", "workflow.step_started", "workflow.step_finished",
                          "workflow.step_approval", "workflow.step_approved",
                          "workflow.step_finished", "workflow.run_finished"));
    const auto events = co_await f.call("GET", text(begun.json().at("links"), "events"),
                                        {.headers = {{"Accept", "application/json"}}});
    EXPECT_EQ(events.status, 200) << events.body;
    EXPECT_THAT(events.json().at("items").as_array(), SizeIs(told.size()));
    const auto runs =
        co_await f.call("GET", "/api/gpt-workflows/runs?workflow=plan&result=success");
    EXPECT_EQ(runs.json().at("items").as_array().size(), 1u);
  });
}

TEST(ApiWorkflows, OneIsDeletedWhenNoRunOfItGoesOn) {
  ApiFixture f;
  f.run([&]() -> Story {
    const std::string target = "/api/gpt-workflows/plan";
    co_await f.call("POST", "/api/gpt-workflows/create", {.body = definition()});
    const auto begun = co_await f.call("POST", target + "/execute");
    const auto run = text(begun.json().at("links"), "self");
    const auto refused = co_await f.call("DELETE", target);
    EXPECT_EQ(refused.status, 409) << refused.body;
    EXPECT_EQ(refused.json().at("code"), "wrong_state");
    const auto cancelled = co_await f.call("POST", run + "/cancel");
    EXPECT_EQ(cancelled.json().at("state"), "finished") << cancelled.body;

    const auto reader = co_await f.key("reader", {"messages"});
    EXPECT_EQ((co_await f.call_as(reader, "DELETE", target)).status, 403);
    const auto other = co_await f.key("other", {"workflows"});
    const auto denied = co_await f.call_as(other, "DELETE", target);
    EXPECT_EQ(denied.status, 403);
    EXPECT_EQ(denied.json().at("code"), "not_owner");
    EXPECT_EQ((co_await f.call("DELETE", target)).status, 204);
    EXPECT_EQ((co_await f.call("GET", target)).status, 404);
    EXPECT_EQ((co_await f.call("DELETE", target)).status, 404);
    EXPECT_EQ((co_await f.call("GET", run)).status, 200);
  });
}

TEST(ApiWorkflows, WhoOnlyDecidesSeesARunWhileItWaitsForAPerson) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await f.call("POST", "/api/gpt-workflows/create", {.body = definition()});
    const auto begin = [&]() -> asio::awaitable<std::string> {
      const auto begun = co_await f.call("POST", "/api/gpt-workflows/plan/execute");
      EXPECT_EQ(begun.status, 202) << begun.body;
      co_return "/api/gpt-workflows/runs/" + text(begun.json(), "id");
    };
    const auto judge = co_await f.key("judge", {"approve"});
    const auto bound = co_await f.key("bound", {"approve"}, "Somebody");
    const auto look = [&](std::string as, std::string target) {
      return f.call_as(as, "GET", target);
    };
    const auto run = co_await begin();
    EXPECT_EQ((co_await look(judge, run)).status, 404);
    co_await f.finish({{"plan", "go"}});
    const auto other = co_await begin();

    const auto waiting = co_await look(judge, run);
    EXPECT_EQ(waiting.status, 200) << waiting.body;
    const auto asked = waiting.json().at("jobs").at("ask");
    EXPECT_EQ(text(asked.at("outputs").at("response"), "plan"), "go");
    EXPECT_EQ((co_await look(judge, run + "/steps/ask")).status, 200);
    const auto listed = co_await look(judge, "/api/gpt-workflows/runs/approvals");
    EXPECT_EQ(listed.status, 200) << listed.body;
    EXPECT_EQ(listed.json().at("items").as_array().size(), 1u);
    // Nothing else of runs, and no agent.
    EXPECT_EQ((co_await look(judge, other)).status, 404);
    EXPECT_EQ((co_await look(judge, other + "/steps/ask")).status, 404);
    EXPECT_EQ((co_await look(judge, "/api/gpt-workflows/runs")).status, 403);
    EXPECT_EQ((co_await look(judge, "/api/gpt-workflows/plan/status")).status, 403);
    EXPECT_EQ((co_await look(bound, run)).status, 404);

    const Call yes{.body = json::object{{"decision", "approve"}}};
    const auto decided = co_await f.call_as(judge, "POST", run + "/steps/agree/approve", yes);
    EXPECT_EQ(decided.status, 200) << decided.body;
    EXPECT_EQ((co_await look(judge, run)).status, 404);
  });
}

TEST(ApiWorkflows, WhatWaitsForAPersonComesInPages) {
  ApiFixture f;
  f.run([&]() -> Story {
    const std::string yaml = R"(
name: three
jobs:
  third: {approval: true}
  second: {approval: true, timeout_seconds: 600}
  first: {approval: true, timeout_seconds: 60}
)";
    co_await f.call("POST", "/api/gpt-workflows/create", {.body = json::object{{"yaml", yaml}}});
    co_await f.call("POST", "/api/gpt-workflows/three/execute");
    std::vector<std::string> found;
    std::string cursor;
    for (int page = 0; page < 3; ++page) {
      const auto answer =
          co_await f.call("GET", "/api/gpt-workflows/runs/approvals?limit=1" + cursor);
      EXPECT_EQ(answer.status, 200) << answer.body;
      const auto told = answer.json();
      for (const auto& item : told.at("items").as_array()) found.push_back(text(item, "id"));
      const auto& next = told.at("next_cursor");
      EXPECT_EQ(next.is_null(), page == 2);
      if (next.is_string()) cursor = "&cursor=" + std::string(next.as_string());
    }
    EXPECT_THAT(found, ElementsAre("first", "second", "third"));
  });
}

TEST(ApiWorkflows, YamlIsTakenAsABodyOrInOne) {
  ApiFixture f;
  f.run([&]() -> Story {
    const std::string yaml = "name: y\njobs:\n  agree: {approval: true}\n";
    const auto inside = co_await f.call("POST", "/api/gpt-workflows/create",
                                        {.body = json::object{{"yaml", yaml}}});
    EXPECT_EQ(inside.status, 201) << inside.body;
    auto raw = co_await f.connect();
    const auto ask = [&](std::string body, std::string type) -> asio::awaitable<Reply> {
      co_return co_await raw.ask(
          "POST /api/gpt-workflows/create HTTP/1.1\r\nHost: 127.0.0.1\r\n"
          "Authorization: Bearer " +
          f.admin + "\r\nContent-Type: " + type +
          "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    };
    const auto whole = co_await ask(yaml, "application/yaml; charset=utf-8");
    EXPECT_EQ(whole.status, 200) << whole.body;  // the same definition
    const auto broken = co_await ask("name: [", "application/yaml");
    EXPECT_EQ(broken.status, 400);
    EXPECT_EQ(broken.problem().at("code"), "not_yaml");
    EXPECT_THAT(std::string(broken.problem().at("detail").as_string()),
                HasSubstr("not valid YAML at line"));
    const auto json = co_await ask("{", "application/json");
    EXPECT_EQ(json.problem().at("code"), "invalid_json");
    EXPECT_EQ((co_await ask(yaml, "text/plain")).status, 415);
  });
}

TEST(ApiWorkflows, WrongOnesAreRefusedWithThePlace) {
  ApiFixture f;
  f.run([&]() -> Story {
    auto body = definition();
    body["jobs"].as_object()["ask"].as_object()["needs"] = "agree";
    const auto cycle = co_await f.call("POST", "/api/gpt-workflows/create", {.body = body});
    EXPECT_EQ(cycle.status, 422) << cycle.body;
    EXPECT_THAT(pointers(cycle.json()), ElementsAre("/jobs/ask/needs"));
    EXPECT_THAT(text(cycle.json().at("errors").at(0), "detail"),
                HasSubstr("ask needs agree needs ask"));
    body = definition();
    body["jobs"].as_object()["ask"].as_object()["uses"] = "packet/RFP_PLN";
    const auto unknown = co_await f.call("POST", "/api/gpt-workflows/create", {.body = body});
    EXPECT_EQ(unknown.status, 422);
    EXPECT_THAT(pointers(unknown.json()), Contains("/jobs/ask/uses"));
    const auto looked = co_await f.call("POST", "/api/gpt-workflows/validate", {.body = body});
    EXPECT_EQ(looked.status, 200);
    EXPECT_EQ(looked.json().at("valid"), false);
    EXPECT_EQ((co_await f.call("GET", "/api/gpt-workflows/plan")).status, 404);

    co_await f.call("POST", "/api/gpt-workflows/create", {.body = definition()});
    const auto inputs =
        co_await f.call("POST", "/api/gpt-workflows/plan/execute",
                        {.body = json::object{{"inputs", json::object{{"go", 1}, {"og", true}}}}});
    EXPECT_EQ(inputs.status, 422);
    EXPECT_THAT(pointers(inputs.json()), ElementsAre("/inputs/go", "/inputs/og"));
    const auto nothing = co_await f.key("reader", {"events"});
    EXPECT_EQ((co_await f.call_as(nothing, "GET", "/api/gpt-workflows")).status, 403);
    EXPECT_EQ((co_await f.call("GET", "/api/gpt-workflows/runs/0197")).status, 404);
  });
}

TEST(ApiWorkflows, ARunIsCancelledRetriedAndAnsweredOnceForAKey) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await f.call("POST", "/api/gpt-workflows/create", {.body = definition()});
    const Call asked{.headers = {{"Idempotency-Key", "r-1"}}};
    const auto first = co_await f.call("POST", "/api/gpt-workflows/plan/execute", asked);
    const auto again = co_await f.call("POST", "/api/gpt-workflows/plan/execute", asked);
    EXPECT_EQ(again.header("idempotency-replayed"), "true");
    EXPECT_EQ(text(again.json(), "id"), text(first.json(), "id"));
    const auto run = "/api/gpt-workflows/runs/" + text(first.json(), "id");
    const auto cancelled = co_await f.call("POST", run + "/cancel");
    EXPECT_EQ(cancelled.status, 200) << cancelled.body;
    EXPECT_EQ(cancelled.json().at("result"), "cancelled");
    EXPECT_EQ((co_await f.call("POST", run + "/cancel")).json().at("code"), "wrong_state");
    const auto waited = co_await f.call("GET", run + "?wait=30");
    EXPECT_EQ(waited.json().at("state"), "finished");
    const auto retried = co_await f.call("POST", run + "/retry");
    EXPECT_EQ(retried.status, 202) << retried.body;
    EXPECT_EQ(retried.json().at("jobs").at("ask").at("attempts"), 2);
  });
}

TEST(ApiWorkflows, AWishWithTwoKeysIsRefused) {
  ApiFixture f;
  f.run([&]() -> Story {
    auto keyed = definition();
    keyed["idempotency_key"] = "of the body";
    const std::vector<std::pair<std::string, std::string>> header = {
        {"Idempotency-Key", "another"}};
    const auto create = "/api/gpt-workflows/create";
    const auto made = co_await f.call("POST", create, {.body = keyed, .headers = header});
    EXPECT_EQ(made.status, 422) << made.body;
    EXPECT_THAT(text(made.json(), "detail"), HasSubstr("/idempotency_key"));
    EXPECT_EQ((co_await f.call("POST", create, {.body = keyed})).status, 201);

    const json::object wish{{"idempotency_key", "of the body"}};
    const auto execute = "/api/gpt-workflows/plan/execute";
    const auto run = co_await f.call("POST", execute, {.body = wish, .headers = header});
    EXPECT_EQ(run.status, 422) << run.body;
    EXPECT_THAT(pointers(run.json()), ElementsAre("/idempotency_key"));
    EXPECT_EQ((co_await f.call("POST", execute, {.body = wish})).status, 202);
  });
}

TEST(ApiWorkflows, AKeyBeginsNothingThatItMayNotDoOtherwise) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto poor = co_await f.key("poor", {"workflows", "messages", "actions"});
    const auto expect_refused = [](const http::ClientReply& reply) {
      EXPECT_EQ(reply.status, 403) << reply.body;
      EXPECT_EQ(reply.json().at("code"), "no_packets");
      EXPECT_THAT(text(reply.json(), "detail"), HasSubstr("job ask needs the scope packets"));
    };
    expect_refused(
        co_await f.call_as(poor, "POST", "/api/gpt-workflows/create", {.body = definition()}));
    EXPECT_EQ((co_await f.call("POST", "/api/gpt-workflows/create", {.body = definition()})).status,
              201);
    expect_refused(co_await f.call_as(poor, "POST", "/api/gpt-workflows/plan/execute"));
    const auto rich = co_await f.key("rich", {"workflows", "packets"});
    const auto begun = co_await f.call_as(rich, "POST", "/api/gpt-workflows/plan/execute");
    EXPECT_EQ(begun.status, 202) << begun.body;
  });
}

TEST(ApiWorkflows, AnAgentsKeySeesNoRunsOfOthers) {
  ApiFixture f;
  f.run([&]() -> Story {
    for (const auto* name : {"ann", "bob"}) {
      const json::object agent{{"name", name}, {"kind", "cli"}};
      EXPECT_EQ((co_await f.call("POST", "/api/gpt-agents/register", {.body = agent})).status, 201);
    }
    const json::object ask{{"uses", "gpt/ann"}, {"with", json::object{{"query", "What is new?"}}}};
    const json::object wait{{"approval", true}};
    const json::object flow{{"name", "w"}, {"jobs", json::object{{"ask", ask}, {"wait", wait}}}};
    EXPECT_EQ((co_await f.call("POST", "/api/gpt-workflows/create", {.body = flow})).status, 201);
    const auto ann = co_await f.key("ann", {"workflows", "messages"}, "ann");
    const auto bob = co_await f.key("bob", {"workflows", "messages"}, "bob");
    const std::string all = "/api/gpt-workflows/runs";
    const auto begun = co_await f.call("POST", "/api/gpt-workflows/w/execute");
    const auto own = co_await f.call_as(bob, "POST", "/api/gpt-workflows/w/execute");
    EXPECT_EQ(own.status, 202) << own.body;
    const auto others = all + "/" + text(begun.json(), "id");

    for (const auto& key : {ann, bob}) {
      for (const auto* path : {"", "?wait=1", "/steps/wait"}) {
        EXPECT_EQ((co_await f.call_as(key, "GET", others + path)).status, 404) << path;
      }
      for (const auto* act : {"/cancel", "/retry"}) {
        EXPECT_EQ((co_await f.call_as(key, "POST", others + act)).status, 404) << act;
      }
    }
    // What it was asked it sees.
    const auto step = co_await f.call_as(ann, "GET", others + "/steps/ask");
    EXPECT_EQ(step.status, 200) << step.body;
    EXPECT_EQ((co_await f.call_as(bob, "GET", others + "/steps/ask")).status, 404);
    EXPECT_EQ((co_await f.call_as(bob, "GET", all + "/" + text(own.json(), "id"))).status, 200);

    const auto count = [&](std::string key) -> asio::awaitable<std::size_t> {
      const auto list = co_await f.call_as(key, "GET", all);
      co_return list.json().at("items").as_array().size();
    };
    EXPECT_EQ(co_await count(ann), 0u);
    EXPECT_EQ(co_await count(bob), 1u);
    EXPECT_EQ(co_await count(f.admin), 2u);
    const auto status = co_await f.call_as(ann, "GET", "/api/gpt-workflows/w/status");
    EXPECT_EQ(status.json().at("runs").at("total"), 0) << status.body;
    EXPECT_TRUE(status.json().at("last_run").is_null());
  });
}

}  // namespace
}  // namespace http_test
