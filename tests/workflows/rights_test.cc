// What the keys of callers allow of workflows and runs, and what others' runs show them.
#include "bridge/services/workflows/step_scopes.h"
#include "tests/workflows/life.h"

namespace services {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

struct Rights : Life {
  Rights() {
    worker.agent = add_agent("Night Worker", agents::Kind::cli, "");
    rival.agent = add_agent("Rival", agents::Kind::cli, "");
  }
  base::Result<std::int64_t> sql(std::string text) {
    return run(store->write([text](store::Tx& tx) { return tx.execute(text); }));
  }
  std::string error_of(const std::string& id, const char* step) {
    const auto shown = ended(id);
    const auto& error = shown.at("jobs").at(step).at("error");
    return error.is_null() ? "" : std::string(error.at("code").as_string());
  }
  std::vector<std::string> seen_by(const Caller& who) {
    const auto page = run(flows->runs(who, "", "", "", 100));
    BRIDGE_ASSERT(page);
    std::vector<std::string> ids;
    for (const auto& run : page->items) ids.emplace_back(run.at("id").as_string());
    return ids;
  }
  base::Code refusal(boost::asio::awaitable<base::Result<json::object>> task) {
    const auto answer = run(std::move(task));
    EXPECT_FALSE(answer);
    return answer ? base::Code::internal : answer.error().code;
  }

  // Keys 1 and 8 are good ones.
  Caller worker = caller("1", "Night Worker");
  Caller rival = caller("8", "Rival");
};

constexpr std::string_view of_each_kind = R"(
name: {}
jobs:
  wait: {{approval: true}}
  act: {{needs: wait, uses: {}}}
)";

TEST(Rights, AWorkflowIsNoWayToWhatItsCallerMayNotDo) {
  struct Case {
    const char* uses;
    bool Caller::* right;
    const char* scope;
  };
  const std::vector<Case> cases = {
      {"packet/RFP_PLAN", &Caller::may_post, "packets"},
      {"gpt/x", &Caller::may_write, "messages"},
      {"message/Rival, with: {text: hi}", &Caller::may_write, "messages"},
      {"action/message.send, with: {to: a, text: b}", &Caller::may_act, "actions"}};
  Rights life;
  std::size_t number = 0;
  for (const auto& one : cases) {
    SCOPED_TRACE(one.uses);
    const auto name = fmt::format("w{}", number++);
    const auto yaml = fmt::format(of_each_kind, name, one.uses);
    Caller poor = Life::ann;
    poor.*one.right = false;
    const auto expect_refused = [&](const auto& answer) {
      ASSERT_FALSE(answer);
      EXPECT_EQ(answer.error().code, base::Code::denied);
      EXPECT_EQ(answer.error().reason, std::string("no_") + one.scope);
      EXPECT_THAT(answer.error().message,
                  HasSubstr(fmt::format("job act needs the scope {}", one.scope)));
    };
    expect_refused(life.try_create(yaml, poor));
    life.create(yaml);
    expect_refused(life.run(life.flows->execute(poor, name, {}, "")));
    EXPECT_THAT(life.entries("workflow.run_started"), SizeIs(number - 1));
    // Nothing else is missing.
    Caller just = {.principal = "key:1", .name = "just"};
    just.*one.right = true;
    EXPECT_TRUE(life.run(life.flows->execute(just, name, {}, "")));
  }
}

TEST(Rights, WhoActsForAnotherMayNoMoreThanTheOther) {
  Rights life;
  life.create("{name: w, jobs: {a: {uses: gpt/x}}}");
  Caller as = Life::caller("1", "as");
  as.principal = "action:1";
  as.behind = "key:8";
  ASSERT_TRUE(
      life.sql(R"(UPDATE api_keys SET scopes = '["workflows", "actions"]' WHERE id = '8')"));
  const auto refused = life.run(life.flows->execute(as, "w", {}, ""));
  EXPECT_EQ(refused.error().reason, "no_messages");
  ASSERT_TRUE(life.sql(R"(UPDATE api_keys SET scopes = '["admin"]' WHERE id = '8')"));
  EXPECT_TRUE(life.run(life.flows->execute(as, "w", {}, "")));
  ASSERT_TRUE(life.sql("UPDATE api_keys SET revoked_at = 1 WHERE id = '8'"));
  EXPECT_EQ(life.run(life.flows->execute(as, "w", {}, "")).error().reason, "key_not_good");
}

TEST(Rights, ARunDoesNothingMoreOnceItsKeyMayNot) {
  for (const auto& [change, why] :
       {std::pair(R"(scopes = '["workflows", "packets", "actions"]')", "no_messages"),
        std::pair("revoked_at = 1", "key_not_good"), std::pair("expires_at = 1", "key_not_good")}) {
    SCOPED_TRACE(change);
    Rights life;
    life.create(
        "{name: w, jobs: {a: {uses: gpt/x}, b: {uses: message/Rival, needs: a, with: "
        "{text: hi}}, c: {approval: true, needs: b, if: always()}}}");
    const auto id = life.execute("w");
    ASSERT_TRUE(life.sql(fmt::format("UPDATE api_keys SET {} WHERE id = '1'", change)));
    life.begin();
    // The job that was handed in before is done; the step that waits for a person does nothing.
    EXPECT_TRUE(life.until([&] {
      return Life::results(life.view(id)) ==
             std::vector<std::string>{"a=success", "b=failure", "c=approval"};
    }));
    EXPECT_TRUE(life.run(life.flows->decide(life.elder, id, "c", true, "")));
    EXPECT_EQ(life.error_of(id, "b"), why);
    EXPECT_THAT(life.entries("message.sent"), IsEmpty());
  }
}

TEST(Rights, WhoBeganARunDecidesOnNoneOfItsStepsButAnAdministrator) {
  Rights life;
  life.create("{name: w, jobs: {a: {approval: true}}}");
  const auto id = life.execute("w");
  for (const bool is_yes : {true, false}) {
    const auto own = life.run(life.flows->decide(Life::ann, id, "a", is_yes, ""));
    ASSERT_FALSE(own);
    EXPECT_EQ(own.error().code, base::Code::conflict);
    EXPECT_EQ(own.error().reason, "own_request");
  }
  EXPECT_THAT(life.entries("workflow.step_approved"), IsEmpty());
  // Nobody does by another who begins it.
  Caller as = Life::caller("1", "as");
  as.principal = "schedule:1";
  as.behind = "key:1";
  const auto by_another = life.execute("w", {}, as);
  EXPECT_EQ(life.run(life.flows->decide(Life::ann, by_another, "a", true, "")).error().reason,
            "own_request");
  // An administrator decides, who may be the only person there, also on what is his own.
  for (const auto& run : {id, life.execute("w", {}, life.elder)}) {
    EXPECT_TRUE(life.run(life.flows->decide(life.elder, run, "a", true, "")));
    EXPECT_EQ(life.ended(run).at("result"), "success");
  }
}

TEST(Rights, AnAgentSeesTheRunsThatItBeganAndNoOthers) {
  Rights life;
  life.create("{name: w, jobs: {a: {approval: true}}}");
  const auto own = life.execute("w", {}, life.worker);
  const auto others = life.execute("w", {}, life.rival);
  const auto operators = life.execute("w", {}, life.elder);
  EXPECT_THAT(life.seen_by(life.worker), ElementsAre(own));
  EXPECT_THAT(life.seen_by(life.elder), UnorderedElementsAre(operators, others, own));
  // Another key of the agent, and the agent under the name it had.
  Caller second = life.worker;
  second.principal = "key:77";
  EXPECT_THAT(life.seen_by(second), ElementsAre(own));
  second.agent = "Night Worker";
  EXPECT_THAT(life.seen_by(second), ElementsAre(own));
  second.agent = "Nobody";
  EXPECT_THAT(life.seen_by(second), IsEmpty());

  EXPECT_TRUE(life.run(life.flows->run(life.worker, own)));
  const auto now = life.clock.now();
  const auto refused = [&](auto task) { return life.refusal(std::move(task)); };
  for (const auto& id : {others, operators}) {
    EXPECT_EQ(refused(life.flows->run(life.worker, id)), base::Code::not_found);
    EXPECT_EQ(refused(life.flows->wait(life.worker, id, now)), base::Code::not_found);
    EXPECT_EQ(refused(life.flows->step(life.worker, id, "a")), base::Code::not_found);
    EXPECT_EQ(refused(life.flows->cancel(life.worker, id, workflow::Wish::stop, "")),
              base::Code::not_found);
    EXPECT_EQ(refused(life.flows->retry(life.worker, id)), base::Code::not_found);
  }
  // Nor does a part of an id tell that others are there.
  EXPECT_TRUE(life.run(life.flows->run(life.worker, own.substr(0, own.size() - 1))));
  EXPECT_EQ(refused(life.flows->step(life.worker, others.substr(0, 8), "b")),
            base::Code::not_found);
  const auto status = *life.run(life.flows->status(life.worker, "w"));
  EXPECT_EQ(status.at("runs").at("total"), 1);
  EXPECT_THAT(status.at("recent_runs").as_array(), SizeIs(1));
  EXPECT_EQ(life.run(life.flows->status(life.elder, "w"))->at("runs").at("total"), 3);
}

TEST(Rights, AnAgentSeesTheStepThatItWasAskedAndNothingElseOfTheRun) {
  Rights life;
  life.create(R"(
name: w
jobs:
  ask: {uses: gpt/Night Worker, with: {query: "What is new?"}}
  later: {uses: gpt/Night Worker, needs: ask, with: {query: "And then?"}}
  tell: {uses: gpt/x, with: {query: "a secret"}}
)");
  const auto id = life.execute("w", {}, life.elder);
  const auto step = life.run(life.flows->step(life.worker, id, "ask"));
  ASSERT_TRUE(step) << step.error().message;
  EXPECT_EQ(step->at("query").at("state"), "open");
  for (const auto* other : {"later", "tell", "nothing"}) {
    EXPECT_EQ(life.refusal(life.flows->step(life.worker, id, other)), base::Code::not_found)
        << other;
  }
  EXPECT_EQ(life.refusal(life.flows->step(life.rival, id, "ask")), base::Code::not_found);
  EXPECT_EQ(life.refusal(life.flows->run(life.worker, id)), base::Code::not_found);
}

TEST(Rights, WhoTakesTheNameOfARemovedAgentSeesNoneOfItsSteps) {
  Rights life;
  const auto spoken = life.add_agent("Speaker", agents::Kind::custom_gpt, "http://127.0.0.1:9/g/s");
  life.create(R"(
name: w
jobs:
  ask: {uses: gpt/Night Worker, with: {query: "What is new?"}}
  write: {uses: message/Night Worker, with: {text: "a secret"}}
  talk: {uses: gpt/Speaker, with: {query: "And you?"}}
)");
  const auto id = life.execute("w", {}, life.elder);
  const auto first = life.worker;
  Caller speaker = Life::caller("2", "Speaker");
  speaker.agent = spoken;
  const auto sees = [&](const Caller& who, const char* step) {
    return life.run(life.flows->step(who, id, step)).has_value();
  };
  EXPECT_TRUE(sees(first, "ask"));
  EXPECT_TRUE(sees(first, "write"));
  EXPECT_TRUE(sees(speaker, "talk"));
  for (const auto& gone : {first.agent, spoken}) {
    ASSERT_TRUE(life.run(life.registry->remove(life.elder, gone, {})));
  }
  const auto names = std::vector<std::string>{"Night Worker", "Speaker"};
  ASSERT_TRUE(
      life.run(life.registry->change(life.rival, life.rival.agent, {.aliases = names}, {})));
  for (const auto* step : {"ask", "write", "talk"}) {
    EXPECT_EQ(life.refusal(life.flows->step(life.rival, id, step)), base::Code::not_found) << step;
    EXPECT_TRUE(sees(life.elder, step)) << step;
  }
  // A step that finds it by the name is its own.
  const auto later = life.execute("w", {}, life.elder);
  EXPECT_TRUE(life.run(life.flows->step(life.rival, later, "ask")));
}

TEST(Rights, TheJournalSaysWhichAgentBeganARun) {
  Rights life;
  life.create("{name: w, jobs: {a: {uses: gpt/x}}}");
  life.begin();
  Caller named = life.worker;
  named.agent = "Night Worker";
  const auto own = life.execute("w", {}, named);
  life.ended(own);
  const auto operators = life.execute("w");
  life.ended(operators);
  int told = 0;
  for (const auto& entry : life.entries("workflow.")) {
    if (entry.thread == own) {
      ++told;
      EXPECT_EQ(entry.data.at("agent").as_string(), life.worker.agent) << entry.type;
    }
    if (entry.thread == operators) EXPECT_FALSE(entry.data.contains("agent")) << entry.type;
  }
  EXPECT_EQ(told, 4);
}

}  // namespace
}  // namespace services
