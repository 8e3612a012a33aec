// What the server answers is as the document says.
#include "tests/http/documented.h"

#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::Contains;
using testing::SizeIs;

TEST(OpenApiAnswers, PacketsAreAsItSays) {
  Documented f;
  f.tell([&]() -> Story {
    const auto made = co_await f.ask("POST", "/api/packets", "/api/packets", packet());
    const auto one = "/api/packets/" + text(made, "id");
    (void)co_await f.ask("GET", "/api/packets?state=queued", "/api/packets");
    co_await f.finish({{"plan", "go"}});
    const auto done = co_await f.ask("GET", one, "/api/packets/{id}");
    EXPECT_EQ(done.at("state"), "done");
    (void)co_await f.ask("GET", one + "/response", "/api/packets/{id}/response");
    const auto other = co_await f.submit(packet("And then?"));
    const auto cancelled = co_await f.ask("POST", "/api/packets/" + other + "/cancel",
                                          "/api/packets/{id}/cancel", json::object());
    EXPECT_EQ(cancelled.at("state"), "cancelled");
    (void)co_await f.ask("POST", "/api/packets/validate", "/api/packets/validate", packet());
    (void)co_await f.ask("POST", "/api/packets/validate", "/api/packets/validate", json::object());
    (void)co_await f.ask("GET", "/api/queue", "/api/queue");
  });
}

TEST(OpenApiAnswers, AgentsAndKeysAreAsItSays) {
  Documented f;
  f.tell([&]() -> Story {
    const json::object agent{{"name", "Critic"}, {"kind", "cli"}, {"key", true}};
    const std::string all = "/api/gpt-agents", one = all + "/{gptId}";
    (void)co_await f.ask("POST", all + "/register", all + "/register", json::object(agent));
    const json::object entry{{"name", "Poet"}, {"category", "Core"}, {"status", "Active"}};
    (void)co_await f.ask("POST", all + "/register", all + "/register",
                         json::object{{"import", json::array{entry}}});
    (void)co_await f.ask("POST", all + "/critic/heartbeat", one + "/heartbeat",
                         json::object{{"status", "busy"}});
    (void)co_await f.ask("GET", all + "/critic", one);
    (void)co_await f.ask("GET", all + "/critic/heartbeats", one + "/heartbeats");
    (void)co_await f.ask("PATCH", all + "/critic", one, json::object{{"purpose", "Finds faults."}});
    const auto page = co_await f.ask("GET", all + "?limit=2", all);
    EXPECT_THAT(page.at("items").as_array(), SizeIs(2));
    EXPECT_TRUE(page.at("next_cursor").is_string());

    const json::object key{
        {"name", "k"}, {"scopes", json::array{"packets"}}, {"expires_in_days", 3}};
    const auto made = co_await f.ask("POST", "/api/keys", "/api/keys", json::object(key));
    (void)co_await f.ask("GET", "/api/keys", "/api/keys");
    (void)co_await f.ask("GET", "/api/keys/" + text(made, "id"), "/api/keys/{id}");
  });
}

TEST(OpenApiAnswers, MessagesAndMemoryAreAsItSays) {
  Documented f;
  f.tell([&]() -> Story {
    const std::string own = "/api/gpt-agents/builder", any = "/api/gpt-agents/{gptId}";
    const auto sent = co_await f.ask("POST", own + "/message", any + "/message",
                                     json::object{{"text", "hello"}, {"topic", "plan"}});
    (void)co_await f.ask("GET", own + "/messages?unread=true", any + "/messages");
    (void)co_await f.ask("POST", own + "/messages/" + text(sent, "id") + "/ack",
                         any + "/messages/{id}/ack");
    const auto asked = co_await f.ask("POST", own + "/query?wait=0", any + "/query",
                                      json::object{{"query", "How far?"}});
    (void)co_await f.ask("GET", own + "/queries/" + text(asked, "id"), any + "/queries/{id}");

    const json::object entry{{"title", "Retry policy"},
                             {"content", "Back off, then try again."},
                             {"tags", json::array{"retries"}}};
    const auto stored =
        co_await f.ask("POST", own + "/memory/store", any + "/memory/store", json::object(entry));
    (void)co_await f.ask("GET", own + "/memory/" + text(stored, "id"), any + "/memory/{id}");
    const auto page = co_await f.ask("GET", own + "/memory?tag=retries", any + "/memory");
    EXPECT_THAT(page.at("items").as_array(), SizeIs(1));
    const auto found = co_await f.ask("POST", own + "/memory/search", any + "/memory/search",
                                      json::object{{"query", "back off"}});
    EXPECT_THAT(found.at("items").as_array(), SizeIs(1));
    (void)co_await f.ask("GET", own + "/dreams?limit=5", any + "/dreams");
  });
}

TEST(OpenApiAnswers, WorkflowsAndTheirRunsAreAsItSays) {
  Documented f;
  f.tell([&]() -> Story {
    const std::string all = "/api/gpt-workflows", run = all + "/runs/{run}";
    json::object with = packet();
    with.erase("sender");
    with.erase("ts");
    const json::object ask{{"uses", "packet/RFP_PLAN"}, {"with", with}};
    const json::object agree{{"needs", "ask"}, {"approval", true}};
    const json::object definition{{"name", "plan"},
                                  {"jobs", json::object{{"ask", ask}, {"agree", agree}}}};
    (void)co_await f.ask("POST", all + "/validate", all + "/validate", json::object(definition));
    (void)co_await f.ask("POST", all + "/create", all + "/create", json::object(definition));
    (void)co_await f.ask("GET", all + "/plan", all + "/{id}");
    const auto begun = co_await f.ask("POST", all + "/plan/execute", all + "/{id}/execute");
    const auto one = all + "/runs/" + text(begun, "id");
    co_await f.finish({{"plan", "go"}});
    // Who began a run does not decide on it.
    const json::object question{
        {"name", "question"}, {"jobs", json::object{{"agree", json::object{{"approval", true}}}}}};
    (void)co_await f.ask("POST", all + "/create", all + "/create", json::object(question));
    const auto clerk = co_await f.key("clerk", {"workflows"});
    const auto other = co_await f.call_as(clerk, "POST", all + "/question/execute");
    (void)co_await f.ask("GET", one, run);
    (void)co_await f.ask("GET", one + "/steps/ask", run + "/steps/{step}");
    const auto waits = co_await f.ask("GET", all + "/runs/approvals", all + "/runs/approvals");
    EXPECT_THAT(waits.at("items").as_array(), SizeIs(2));
    (void)co_await f.ask("POST", all + "/runs/" + text(other.json(), "id") + "/steps/agree/approve",
                         run + "/steps/{step}/approve", json::object{{"decision", "reject"}});
    (void)co_await f.ask("GET", all + "/runs?workflow=plan", all + "/runs");
    (void)co_await f.ask("GET", all + "/plan/status", all + "/{id}/status");
    (void)co_await f.ask("GET", all, all);
    EXPECT_THAT(f.links, Contains("/api/events?subject=" + text(begun, "id")));
  });
}

TEST(OpenApiAnswers, ActionsAreAsItSays) {
  Documented f;
  f.tell([&]() -> Story {
    const std::string own = "/api/gpt-agents/builder/actions",
                      any = "/api/gpt-agents/{gptId}/actions";
    const json::object wish{{"action", "message.send"},
                            {"params", json::object{{"to", "builder"}, {"text", "hello"}}}};
    (void)co_await f.ask("GET", "/api/actions", "/api/actions");
    (void)co_await f.ask("POST", own + "/check", any + "/check", json::object(wish));
    auto dry = wish;
    dry["dry_run"] = true;
    (void)co_await f.ask("POST", own + "/execute", any + "/execute", std::move(dry));
    const auto asked =
        co_await f.ask("POST", own + "/execute", any + "/execute", json::object(wish));
    (void)co_await f.ask("GET", "/api/approvals/" + text(asked, "id"), "/api/approvals/{id}");
    const auto page = co_await f.ask("GET", "/api/approvals?limit=5", "/api/approvals");
    EXPECT_THAT(page.at("items").as_array(), SizeIs(1));
    (void)co_await f.ask("POST", "/api/actions/kill", "/api/actions/kill",
                         json::object{{"all", true}, {"on", true}, {"reason", "a fire"}});
  });
}

TEST(OpenApiAnswers, SchedulesSubscriptionsAndEventsAreAsItSays) {
  Documented f;
  f.tell([&]() -> Story {
    const std::string all = "/api/schedules", one = all + "/{id}";
    const json::object weekly{
        {"name", "weekly"}, {"cron", "0 3 * * mon"}, {"packet", packet()}, {"priority", "P1"}};
    (void)co_await f.ask("POST", all, all, json::object(weekly));
    (void)co_await f.ask("POST", all + "/weekly/run", one + "/run");
    (void)co_await f.ask("GET", all + "/weekly", one);
    (void)co_await f.ask("GET", all, all);
    (void)co_await f.ask("POST", all + "/weekly/pause", one + "/pause");

    const std::string own = "/api/gpt-agents/builder", any = "/api/gpt-agents/{gptId}";
    const auto made = co_await f.ask("POST", own + "/subscribe", any + "/subscribe",
                                     json::object{{"types", json::array{"packet.*"}}});
    (void)co_await f.ask("GET", own + "/subscriptions", any + "/subscriptions");
    (void)co_await f.ask("GET", own + "/subscriptions/" + text(made, "id"),
                         any + "/subscriptions/{id}");
    (void)co_await f.ask("GET", own + "/events", any + "/events");
    (void)co_await f.ask("GET", "/api/deliveries?state=dead", "/api/deliveries");
    const auto events = co_await f.ask("GET", "/api/events?limit=3", "/api/events");
    EXPECT_THAT(events.at("items").as_array(), SizeIs(3));
    (void)co_await f.ask("GET", "/api/audit?last=3", "/api/audit");
  });
}

TEST(OpenApiAnswers, FleetsAndTheirMissionsAreAsItSays) {
  Documented f;
  f.tell([&]() -> Story {
    const std::string all = "/api/custom-gpt-fleets", any = all + "/{category}";
    const json::object entry{{"name", "Poet"}, {"category", "Core"}, {"status", "Active"}};
    (void)co_await f.ask("POST", "/api/gpt-agents/register", "/api/gpt-agents/register",
                         json::object{{"import", json::array{entry}}});
    (void)co_await f.ask("GET", all + "/stats", all + "/stats");
    const auto sent = co_await f.ask("POST", all + "/core/deploy", any + "/deploy",
                                     json::object{{"objective", "a poem"}});
    const auto one = all + "/core/missions/" + text(sent, "id");
    (void)co_await f.ask("POST", one + "/progress", any + "/missions/{mission}/progress",
                         json::object{{"agent", "poet"}, {"progress", 40}, {"note", "begun"}});
    (void)co_await f.ask("GET", one, any + "/missions/{mission}");
    const auto fleet = co_await f.ask("GET", all + "/core", any);
    EXPECT_TRUE(fleet.at("mission").is_object());
    EXPECT_THAT(fleet.at("members").as_array(), SizeIs(1));
    (void)co_await f.ask("GET", all, all);
    const auto stats = co_await f.ask("GET", all + "/stats", all + "/stats");
    EXPECT_EQ(stats.at("mean_progress"), 40);
    (void)co_await f.ask("POST", all + "/core/recall", any + "/recall");
    const auto page = co_await f.ask("GET", all + "/core/missions", any + "/missions");
    EXPECT_THAT(page.at("items").as_array(), SizeIs(1));
    (void)co_await f.ask("GET", "/api/gpt-agents/stats", "/api/gpt-agents/stats");
    (void)co_await f.ask("POST", "/api/gpt-agents/broadcast", "/api/gpt-agents/broadcast",
                         json::object{{"to", json::array{"builder", "nobody"}}, {"text", "hello"}});
  });
}

TEST(OpenApiAnswers, TheQueueTheSessionAndTheBridgeAreAsItSays) {
  Documented f;
  f.tell([&]() -> Story {
    const std::string queue = "/api/queue", session = "/api/session";
    const auto paused = co_await f.ask("POST", queue + "/pause", queue + "/pause",
                                       json::object{{"reason", "a walk"}});
    EXPECT_EQ(paused.at("lanes").at(0).at("paused"), "a walk");
    (void)co_await f.ask("POST", queue + "/resume", queue + "/resume");
    (void)co_await f.ask("GET", queue, queue);
    (void)co_await f.ask("POST", queue + "/drain", queue + "/drain");

    const auto seen = co_await f.ask("GET", session, session);
    EXPECT_THAT(seen.at("conversations").as_array(), SizeIs(1));
    services::Closure closure;
    closure.shut = {.account = "account",
                    .lane = engine::LaneId{"gpt:1"},
                    .breaker = {.trip = engine::Trip::blocked, .url = "https://chat.test/g/1"}};
    closure.is_partial = true;
    f.closures.push_back(closure);
    closure.shut.lane.reset();
    closure.shut.breaker = {.trip = engine::Trip::rate_limited, .until = engine::Milliseconds(1)};
    closure.until = f.clock.now() + std::chrono::minutes(5);
    f.closures.push_back(closure);
    const auto shut = co_await f.ask("GET", session, session);
    EXPECT_THAT(shut.at("breakers").as_array(), SizeIs(2));
    EXPECT_TRUE(shut.at("breakers").at(1).at("closes_in_seconds").is_number());
    (void)co_await f.ask("POST", session + "/check", session + "/check");
    const auto page = co_await f.ask("GET", session + "/inspect", session + "/inspect");
    EXPECT_THAT(page.at("turns").as_array(), SizeIs(1));

    (void)co_await f.ask("POST", "/api/audit/checkpoint", "/api/audit/checkpoint");
    (void)co_await f.ask("GET", "/api/audit/checkpoint", "/api/audit/checkpoint");
    (void)co_await f.ask("GET", "/api/audit/verify", "/api/audit/verify");
    (void)co_await f.ask("POST", "/api/dashboard/links", "/api/dashboard/links");
    for (const std::string path : {"/livez", "/readyz", "/healthz"}) {
      (void)co_await f.ask("GET", path, path);
    }
  });
}

TEST(OpenApiAnswers, AMemberThatItDoesNotKnowIsNotAsItSays) {
  Documented f;
  f.tell([&]() -> Story {
    const auto schemas = f.document.at("components").at("schemas").as_object();
    for (const std::string name : {"Packet", "Queue", "Fleet", "Session", "Mission"}) {
      json::value use = json::object{{"$ref", "#/components/schemas/" + name}};
      close_schema(use, schemas);
      EXPECT_EQ(use.at("unevaluatedProperties"), false) << name;
    }
    json::value use = json::object{{"$ref", "#/components/schemas/Alive"}};
    close_schema(use, schemas);
    use.as_object()["components"] = f.closed;
    const auto compiled = schema::Schema::compile(schema::Registry(), use);
    EXPECT_TRUE(compiled);
    EXPECT_TRUE(compiled->is_valid(json::object{{"status", "ok"}}));
    EXPECT_FALSE(compiled->is_valid(json::object{{"status", "ok"}, {"mood", "good"}}));
    co_return;
  });
}

TEST(OpenApiAnswers, RequestPacketsAndDefinitionsOfWorkflowsAreWhatIsTaken) {
  Documented f;
  f.tell([&]() -> Story {
    const auto is_valid = [&](std::string name, const json::value& body) {
      const json::object schema{{"$ref", "#/components/schemas/" + name},
                                {"components", f.document.at("components")}};
      const auto compiled = schema::Schema::compile(schema::Registry(), schema);
      EXPECT_TRUE(compiled) << name;
      return compiled && compiled->is_valid(body);
    };
    auto body = packet();
    EXPECT_TRUE(is_valid("RequestPacket", body));
    body["msg_type"] = "SURELY_UNKNOWN";
    EXPECT_FALSE(is_valid("RequestPacket", body));
    const json::object wait{{"needs", "ask"}, {"approval", true}};
    const json::object ask{{"uses", "gpt/builder"}, {"with", json::object{{"query", "How?"}}}};
    json::object flow{{"name", "plan"}, {"jobs", json::object{{"ask", ask}, {"wait", wait}}}};
    EXPECT_TRUE(is_valid("NewWorkflow", flow));
    flow["steps"] = json::array();
    EXPECT_FALSE(is_valid("NewWorkflow", flow));
    EXPECT_TRUE(is_valid("NewWorkflow", json::object{{"yaml", "name: plan"}}));
    co_return;
  });
}

}  // namespace
}  // namespace http_test
