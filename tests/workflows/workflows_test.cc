#include "bridge/services/workflows/workflows.h"

#include "tests/workflows/life.h"

#include <cstdlib>
#include <filesystem>

namespace services {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view trip = R"(
name: trip
inputs:
  city: {type: string}
  days: {type: integer, default: 3}
jobs:
  plan: {uses: gpt/a, with: {query: "Plan ${{ inputs.days }} days in ${{ inputs.city }}"}}
  stays: {uses: gpt/b, needs: plan, with: {query: "Stays for: ${{ jobs.plan.outputs.text }}"}}
  trains: {uses: gpt/b, needs: plan, with: {query: "Trains"}}
  all:
    uses: gpt/c
    needs: [stays, trains]
    with: {query: "${{ jobs.stays.outputs.text }} + ${{ jobs.trains.outputs.text }}"}
outputs:
  text: ${{ jobs.all.outputs.text }}
  steps: ["${{ jobs.plan.result }}", "${{ inputs.days }}"]
)";

base::Result<engine::Outcome> broken(std::string reason = "broken") {
  return engine::Outcome{engine::Outcome::Failed{{std::move(reason), "it broke"}}};
}

// Fails the first `times` calls for a step whose `with` has a `fail`.
auto failing(int times, std::string reason = "broken") {
  return [times, reason](const json::object& with) mutable -> base::Result<engine::Outcome> {
    if (with.contains("fail") && times-- > 0) return broken(reason);
    return engine::Outcome{engine::Outcome::Done{json::object{{"text", "fine"}}}};
  };
}

TEST(Workflows, ARunPassesDataFromStepToStepAndGivesItsOutputs) {
  Life life;
  life.create(trip);
  life.begin();
  const auto id = life.execute("trip", {{"city", "Rome"}});
  const auto view = life.ended(id);
  EXPECT_EQ(view.at("result"), "success");
  EXPECT_THAT(Life::results(view),
              ElementsAre("plan=success", "stays=success", "trains=success", "all=success"));
  EXPECT_EQ(view.at("outputs"), (json::object{{"text", "Stays for: Plan 3 days in Rome + Trains"},
                                              {"steps", json::array{"success", 3}}}));
  EXPECT_EQ(view.at("jobs").at("plan").at("outputs").at("text"), "Plan 3 days in Rome");
  EXPECT_EQ(view.at("jobs").at("plan").at("attempts"), 1);
  EXPECT_EQ(view.at("steps_finished"), 4);
  EXPECT_THAT(life.story(id), ElementsAre("run_started", "step_started plan", "step_finished plan",
                                          "step_started stays", "step_started trains",
                                          "step_finished stays", "step_finished trains",
                                          "step_started all", "step_finished all", "run_finished"));
  const auto status = *life.run(life.flows->status(Life::ann, "trip"));
  EXPECT_EQ(status.at("runs").at("success"), 1);
  EXPECT_EQ(status.at("last_run").at("id"), json::value(id));
}

TEST(Workflows, ARunKeepsTheVersionItBeganWith) {
  Life life;
  EXPECT_EQ(
      life.create("{name: w, jobs: {a: {uses: gpt/x}, b: {uses: gpt/x, needs: a}}}").at("version"),
      1);
  const auto id = life.execute("w");
  EXPECT_EQ(life.create("{name: w, jobs: {z: {uses: gpt/x}}}").at("version"), 2);
  EXPECT_EQ(life.create("{name: w, jobs: {z: {uses: gpt/x}}}").at("version"), 2);
  life.begin();
  EXPECT_THAT(Life::results(life.ended(id)), ElementsAre("a=success", "b=success"));
  EXPECT_THAT(Life::results(life.ended(life.execute("w"))), ElementsAre("z=success"));
}

TEST(Workflows, CreatingIsRefusedWithThePlaceAndOwnersAreHeld) {
  Life life;
  const auto refused = life.try_create(
      "{name: w, jobs: {a: {uses: gpt/nobody}, b: {uses: action/purge}, c: {uses: packet/RFP_PLN, "
      "with: {idempotency_key: x}}}}");
  ASSERT_FALSE(refused);
  std::vector<std::string> lines;
  for (const auto& violation : refused.error().violations) lines.push_back(to_line(violation));
  EXPECT_THAT(lines, ElementsAre("/jobs/a/uses: no such agent",
                                 "/jobs/b/uses: there is no action \"purge\"",
                                 HasSubstr("did you mean RFP_PLAN?"),
                                 HasSubstr("/jobs/c/with/idempotency_key: ")));
  life.create("{name: w, jobs: {a: {uses: gpt/x}}}");
  const Caller bob = Life::caller("2", "bob");
  const auto taken = life.try_create("{name: w, jobs: {b: {uses: gpt/x}}}", bob);
  EXPECT_EQ(taken.error().reason, "not_owner");
}

TEST(Workflows, RequestsAreAnsweredOnce) {
  Life life;
  const auto first = life.try_create("{name: w, jobs: {a: {uses: gpt/x}}}", Life::ann, "k");
  const auto again = life.try_create("{name: w, jobs: {a: {uses: gpt/x}}}", Life::ann, "k");
  EXPECT_TRUE(again->is_replay);
  EXPECT_EQ(again->view.at("id"), first->view.at("id"));
  EXPECT_EQ(life.try_create("{name: w, jobs: {b: {uses: gpt/x}}}", Life::ann, "k").error().reason,
            "idempotency_mismatch");
  const auto one = life.run(life.flows->execute(Life::ann, "w", {}, "r"));
  const auto two = life.run(life.flows->execute(Life::ann, "w", {}, "r"));
  EXPECT_EQ(one->run, two->run);
  EXPECT_TRUE(two->is_replay);
  const auto wrong = life.run(life.flows->execute(Life::ann, "w", {{"x", 1}}, ""));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().violations.at(0).pointer, "/inputs/x");
}

TEST(Workflows, AFailureSkipsWhatNeedsItAndIsRetriedFromThere) {
  Life life;
  life.create(R"(
name: w
jobs:
  a: {uses: gpt/x}
  b: {uses: gpt/x, needs: a, with: {fail: 1}}
  c: {uses: gpt/x, needs: b}
  alarm: {uses: gpt/x, needs: b, if: failure(), with: {query: "${{ jobs.b.error.code }}"}}
)");
  life.does = failing(1);
  life.begin();
  const auto id = life.execute("w");
  auto view = life.ended(id);
  EXPECT_EQ(view.at("result"), "failure");
  EXPECT_THAT(Life::results(view),
              ElementsAre("a=success", "b=failure", "c=skipped", "alarm=success"));
  EXPECT_EQ(view.at("jobs").at("b").at("error").at("code"), "broken");
  EXPECT_EQ(life.run(life.flows->cancel(life.ann, id, workflow::Wish::cancel, "")).error().reason,
            "wrong_state");

  EXPECT_TRUE(life.run(life.flows->retry(life.ann, id)));
  view = life.ended(id);
  EXPECT_EQ(view.at("result"), "success");
  EXPECT_THAT(Life::results(view),
              ElementsAre("a=success", "b=success", "c=success", "alarm=skipped"));
  EXPECT_EQ(view.at("jobs").at("a").at("attempts"), 1);
  EXPECT_EQ(view.at("jobs").at("b").at("attempts"), 2);
  EXPECT_EQ(life.run(life.flows->retry(life.ann, id)).error().reason, "wrong_state");
}

TEST(Workflows, AnAttemptIsRepeatedAfterItsPauseUnlessItMayHaveBeenDone) {
  Life life;
  life.create(
      "{name: w, jobs: {a: {uses: gpt/x, with: {fail: 1}, retry: {max_attempts: 3, "
      "interval_seconds: 60}}}}");
  life.does = failing(2);
  life.begin();
  const auto began = life.clock.now();
  const auto view = life.ended(life.execute("w"));
  EXPECT_EQ(view.at("result"), "success");
  EXPECT_EQ(view.at("jobs").at("a").at("attempts"), 3);
  EXPECT_GE(life.clock.now() - began, 60s + 120s);
  EXPECT_LT(life.clock.now() - began, 200s);

  life.does = failing(1, "unknown_outcome");
  const auto held = life.ended(life.execute("w"));
  EXPECT_EQ(held.at("result"), "failure");
  EXPECT_EQ(held.at("jobs").at("a").at("attempts"), 1);
}

TEST(Workflows, WhatTakesTooLongEndsByItself) {
  Life life;
  life.create(
      "{name: w, jobs: {a: {uses: gpt/x, timeout_seconds: 90}, b: {approval: true, "
      "timeout_seconds: 300}, c: {uses: gpt/x, needs: [a, b], if: always()}}}");
  life.begin();
  EXPECT_TRUE(life.run(life.store->write(
      [&](store::Tx& tx) { return life.queue->pause(tx, life.names[0], "a test"); })));
  const auto id = life.execute("w");
  life.pass(100s);
  auto view = life.view(id);
  EXPECT_THAT(Life::results(view), ElementsAre("a=failure", "b=approval", "c=pending"));
  EXPECT_EQ(view.at("jobs").at("a").at("error").at("code"), "timeout");
  life.pass(300s);
  EXPECT_THAT(Life::results(life.view(id)), ElementsAre("a=failure", "b=failure", "c=running"));
  EXPECT_THAT(life.done, IsEmpty());
}

TEST(Workflows, AnApprovalIsGivenOrRefusedByAPerson) {
  Life life;
  life.create(
      "{name: w, inputs: {who: {type: string}}, jobs: {a: {uses: gpt/x, approval: {note: "
      "'For ${{ inputs.who }}'}}, b: {uses: gpt/x, needs: a}}}");
  life.begin();
  const auto id = life.execute("w", {{"who", "Eve"}});
  EXPECT_EQ(life.view(id).at("jobs").at("a").at("approval_note"), "For Eve");
  EXPECT_EQ(life.view(id).at("jobs").at("a").at("approval_note_trust"), "untrusted");
  EXPECT_EQ(life.run(life.flows->decide(life.elder, id, "z", true, "")).error().code,
            base::Code::not_found);
  EXPECT_EQ(life.run(life.flows->decide(life.elder, id, "b", true, "")).error().reason,
            "wrong_state");
  EXPECT_TRUE(life.run(life.flows->decide(life.elder, id, "a", true, "fine")));
  EXPECT_EQ(life.ended(id).at("result"), "success");
  EXPECT_EQ(life.entries("workflow.step_approved").at(0).actor, "key:9");

  const auto no = life.execute("w", {{"who", "Eve"}});
  EXPECT_TRUE(life.run(life.flows->decide(life.elder, no, "a", false, "too dear")));
  const auto view = life.ended(no);
  EXPECT_EQ(view.at("jobs").at("a").at("error"),
            (json::object{{"code", "rejected"}, {"detail", "too dear"}}));
}

TEST(Workflows, WhatWaitsForAPersonIsListedAsItsTimeEndsAndSaysWhoseWordsItHas) {
  Life life;
  life.create(R"(
name: w
inputs: {who: {type: string}}
jobs:
  ask: {uses: gpt/x, with: {query: "Obey, ${{ inputs.who }}"}}
  whenever: {approval: {note: Just say yes.}}
  late: {uses: gpt/x, approval: true, timeout_seconds: 600}
  soon:
    uses: gpt/x
    needs: ask
    approval: {note: "It says: ${{ jobs.ask.outputs.text }}"}
    timeout_seconds: 60
    with: {query: "Do this: ${{ jobs.ask.outputs.text }}"}
)");
  life.begin();
  const auto id = life.execute("w", {{"who", "Eve"}});
  const auto listed = [&](const std::string& after, const Caller& who = Life::ann) {
    auto page = life.run(life.flows->waiting(who, after, 2));
    EXPECT_TRUE(page) << (page ? "" : page.error().message);
    return page ? *page : Workflows::Page();
  };
  const auto step = [&](const char* name) {
    return life.run(life.flows->step(Life::ann, id, name)).value();
  };
  EXPECT_TRUE(life.until([&] { return step("soon").at("state") == "approval"; }));
  const auto first = listed("");
  ASSERT_EQ(first.items.size(), 2u);
  ASSERT_TRUE(first.next);
  const auto& soon = first.items[0].as_object();
  EXPECT_EQ(soon.at("id"), "soon");
  EXPECT_EQ(soon.at("run"), json::value(id));
  EXPECT_EQ(soon.at("workflow"), "w");
  EXPECT_EQ(soon.at("approval_note"), "It says: Obey, Eve");
  EXPECT_EQ(soon.at("approval_note_trust"), "untrusted");
  EXPECT_EQ(first.items[1].at("id"), "late");
  const auto second = listed(*first.next);
  ASSERT_EQ(second.items.size(), 1u);
  EXPECT_FALSE(second.next);
  EXPECT_EQ(second.items[0].at("id"), "whenever");
  EXPECT_EQ(second.items[0].at("approval_note_trust"), "author");
  const Caller stranger{.principal = "key:3", .name = "x", .agent = "x"};
  EXPECT_THAT(listed("", stranger).items, IsEmpty());

  EXPECT_EQ(step("soon").at("input"), (json::object{{"query", "Do this: Obey, Eve"}}));
  EXPECT_EQ(step("ask").at("input"), (json::object{{"query", "Obey, Eve"}}));
  EXPECT_EQ(step("whenever").at("input"), nullptr);
  EXPECT_TRUE(life.run(life.flows->decide(life.elder, id, "soon", false, "")));
  EXPECT_EQ(listed("").items.size(), 2u);
}

TEST(Workflows, AnInputThatCannotBeMadeIsToldToWhoDecides) {
  Life life;
  life.create(
      "{name: w, inputs: {n: {}}, jobs: {a: {uses: gpt/x, approval: {note: '${{ inputs.n < 1 }}'}, "
      "with: {q: '${{ inputs.n < 1 }}'}}}}");
  const auto id = life.execute("w", {{"n", "x"}});
  const auto step = life.run(life.flows->step(Life::ann, id, "a"));
  ASSERT_TRUE(step) << step.error().message;
  EXPECT_EQ(step->at("state"), "approval");
  EXPECT_EQ(step->at("input"), nullptr);
  EXPECT_EQ(step->at("input_error").at("code"), "wrong_expression");
  EXPECT_EQ(step->at("approval_note"), "${{ inputs.n < 1 }}");
  EXPECT_EQ(step->at("approval_note_trust"), "author");
}

TEST(Workflows, ARunIsForThoseWhoBeganItAndForAdministrators) {
  Life life;
  life.create("{name: w, jobs: {a: {uses: gpt/x, approval: {note: ok?}}}}");
  life.begin();
  const auto id = life.execute("w");
  const Caller other = Life::caller("2", "other");
  const auto reason = [&life](auto task) { return life.run(std::move(task)).error().reason; };
  EXPECT_EQ(reason(life.flows->cancel(other, id, workflow::Wish::cancel, "")), "other_run");
  EXPECT_EQ(reason(life.flows->retry(other, id)), "other_run");
  const Caller agent{.principal = "key:3", .name = "x", .agent = "x"};
  EXPECT_EQ(reason(life.flows->decide(agent, id, "a", true, "")), "not_a_person");
  EXPECT_EQ(life.view(id).at("result"), nullptr);
  EXPECT_TRUE(life.run(life.flows->cancel(life.ann, id, workflow::Wish::cancel, "")));
}

TEST(Workflows, CancellingTakesJobsOutOfTheQueue) {
  Life life;
  life.create(
      "{name: w, jobs: {a: {uses: gpt/x}, b: {uses: gpt/x, needs: a}, "
      "tidy: {uses: gpt/x, needs: a, if: always()}}}");
  const auto id = life.execute("w");
  const auto view = life.run(life.flows->cancel(life.elder, id, workflow::Wish::cancel, "no more"));
  ASSERT_TRUE(view);
  EXPECT_EQ(view->at("state"), "cancelling");
  EXPECT_THAT(Life::results(*view), ElementsAre("a=cancelled", "b=cancelled", "tidy=running"));
  life.begin();
  EXPECT_EQ(life.ended(id).at("result"), "cancelled");
  EXPECT_THAT(life.done, ElementsAre("tidy"));
}

TEST(Workflows, AJobThatAPersonCancelsEndsItsStep) {
  Life life;
  life.create("{name: w, jobs: {a: {uses: gpt/x}, b: {uses: gpt/x, needs: a}}}");
  const auto id = life.execute("w");
  const engine::JobId job{std::string(life.view(id).at("jobs").at("a").at("job").as_string())};
  EXPECT_TRUE(life.run(life.store->write([&](store::Tx& tx) {
    return life.queue->cancel(tx, job, "no", life.timeline.now(), "bob");
  })));
  EXPECT_THAT(Life::results(life.view(id)), ElementsAre("a=cancelled", "b=cancelled"));
}

TEST(Workflows, WhatEndedWhileNobodyToldOfItIsMadeUpForAtTheStart) {
  Life life;
  life.create("{name: w, jobs: {a: {uses: gpt/x}, b: {uses: gpt/x, needs: a}}}");
  const auto id = life.execute("w");
  life.is_deaf = true;
  EXPECT_TRUE(life.run(life.store->write([&](store::Tx& tx) -> base::Result<> {
    const auto now = life.timeline.now();
    TRY(auto turn, life.queue->claim(tx, life.names[0], "another program", now));
    return life.queue->complete(tx, std::get<engine::Claim>(turn).lease, json::object(), now);
  })));
  EXPECT_THAT(Life::results(life.view(id)), ElementsAre("a=running", "b=pending"));
  life.is_deaf = false;
  life.begin();
  EXPECT_EQ(life.ended(id).at("result"), "success");
}

TEST(Workflows, StepsThatCannotBeginFailWithTheReason) {
  Life life;
  life.create(
      "{name: w, inputs: {n: {}}, jobs: {a: {uses: gpt/gone}, b: {uses: gpt/x, with: {q: "
      "'${{ inputs.n < 1 }}'}}, c: {uses: gpt/x, if: inputs.n < 1}}, outputs: {o: '${{ "
      "fromJSON(inputs.n) }}'}}");
  const auto view = life.ended(life.execute("w", {{"n", "x"}}));
  const auto error = [&](std::string_view step) {
    return std::string(view.at("jobs").at(step).at("error").at("code").as_string());
  };
  EXPECT_EQ(error("a"), "unknown_agent");
  EXPECT_EQ(error("b"), "wrong_expression");
  EXPECT_EQ(error("c"), "wrong_expression");
  EXPECT_EQ(view.at("result"), "failure");
  EXPECT_THAT(std::string(view.at("error").at("detail").as_string()), HasSubstr("/outputs/o"));
}

TEST(Workflows, AFullQueueHoldsARunUpButDoesNotFailIt) {
  Life life(":memory:", 1, 1);
  life.create("{name: w, jobs: {a: {uses: gpt/x}, b: {uses: gpt/x}, c: {uses: gpt/x}}}");
  const auto id = life.execute("w");
  EXPECT_THAT(Life::results(life.view(id)), ElementsAre("a=running", "b=ready", "c=ready"));
  life.begin();
  EXPECT_EQ(life.ended(id).at("result"), "success");
}

TEST(Workflows, AStepForWhichTheQueueStaysFullFailsWhenItsTimeIsOver) {
  Life life(":memory:", 1, 1);
  life.create("{name: w, jobs: {a: {uses: gpt/x}, b: {uses: gpt/x, timeout_seconds: 90}}}");
  life.begin();
  EXPECT_TRUE(life.run(life.store->write(
      [&](store::Tx& tx) { return life.queue->pause(tx, life.names[0], "a test"); })));
  const auto id = life.execute("w");
  life.pass(60s);
  auto view = life.view(id);
  EXPECT_THAT(Life::results(view), ElementsAre("a=running", "b=ready"));
  EXPECT_EQ(view.at("jobs").at("b").at("error").at("code"), "queue_full");
  life.pass(40s);
  view = life.view(id);
  EXPECT_THAT(Life::results(view), ElementsAre("a=running", "b=failure"));
  const auto& error = view.at("jobs").at("b").at("error");
  EXPECT_EQ(error.at("code"), "timeout");
  EXPECT_THAT(std::string(error.at("detail").as_string()), HasSubstr("queue_full"));
}

TEST(Workflows, OnlySoManyRunAtATime) {
  Life life;
  std::string jobs;
  for (int i = 0; i < 20; ++i) jobs += fmt::format("  s{}: {{uses: gpt/x}}\n", i);
  life.create("name: w\nmax_parallel: 3\njobs:\n" + jobs);
  std::size_t most = 0;
  const auto id = life.execute("w");
  life.does = [&](const json::object&) -> base::Result<engine::Outcome> {
    return engine::Outcome{engine::Outcome::Done{json::object()}};
  };
  life.begin();
  while (life.view(id).at("state") != "finished") {
    std::size_t running = 0;
    for (const auto& line : Life::results(life.view(id))) running += line.ends_with("=running");
    most = std::max(most, running);
  }
  EXPECT_LE(most, 3u);
  EXPECT_EQ(life.done.size(), 20u);
}

TEST(Workflows, APacketStepSendsAPacketAndGivesItsReply) {
  Life life;
  life.create(R"(
name: w
inputs: {goal: {type: string}}
jobs:
  plan:
    uses: packet/RFP_PLAN
    with:
      bead_id: bd-12
      context: {repo: r, branch: main, goal: "${{ inputs.goal }}", constraints: []}
      inputs: {artifacts: [], questions: ["?"]}
      requested_output: {format: json, fields: [plan]}
  bad: {uses: packet/RFP_PLAN, with: {bead_id: bd-12}}
  next: {uses: gpt/x, needs: plan, with: {query: "${{ jobs.plan.outputs.response.plan }}"}}
)");
  const auto id = life.execute("w", {{"goal", "a plan"}});
  auto view = life.view(id);
  EXPECT_EQ(view.at("jobs").at("bad").at("error").at("code"), "invalid");
  const auto done = life.run(life.store->write([&](store::Tx& tx) -> base::Result<engine::Job> {
    const auto now = life.timeline.now();
    TRY(auto turn, life.queue->claim(tx, lane_of("http://127.0.0.1:9/c/1"), "life", now));
    auto claim = std::get<engine::Claim>(std::move(turn));
    TRY_OK(life.queue->complete(tx, claim.lease,
                                json::object{{"response", json::object{{"plan", "go"}}}}, now));
    return claim.job;
  }));
  ASSERT_TRUE(done);
  EXPECT_EQ(done->sender, "ann");
  EXPECT_EQ(done->kind, packet_kind);
  EXPECT_EQ(done->thread, id);
  EXPECT_EQ(done->payload.at("packet").at("context").at("goal"), "a plan");
  life.begin();
  view = life.ended(id);
  EXPECT_EQ(view.at("jobs").at("next").at("outputs").at("text"), "go");
}

TEST(Workflows, AnAgentWithoutAConversationIsAskedInItsInboxAndALetterIsWritten) {
  Life life;
  const auto worker = life.add_agent("Night Worker", agents::Kind::cli, "");
  life.create(R"(
name: w
jobs:
  ask: {uses: gpt/Night Worker, with: {query: "What is new?"}}
  tell:
    uses: message/night-worker
    needs: ask
    with: {text: "You said: ${{ jobs.ask.outputs.text }}"}
)");
  life.begin();
  const auto id = life.execute("w");
  const Caller itself{.principal = "key:9", .name = "Night Worker", .agent = worker};
  const auto inbox = [&] {
    return life.run(life.letters->list(itself, worker, {}, 0, 10, life.clock.now() + 10s))
        ->messages;
  };
  const auto query = inbox().at(0);
  EXPECT_EQ(query.text, "What is new?");
  EXPECT_TRUE(query.is_untrusted);
  EXPECT_EQ(query.thread, id);
  EXPECT_TRUE(life.run(
      life.letters->send(itself, {.to = "ann", .text = "Nothing", .reply_to = query.id}, {})));
  const auto view = life.ended(id);
  EXPECT_EQ(view.at("result"), "success");
  const auto letter = inbox().back();
  EXPECT_EQ(letter.text, "You said: Nothing");
  EXPECT_EQ(letter.sender.name, "ann");
  EXPECT_TRUE(letter.is_untrusted);
}

// An operator's name stands on it, and the words may be a model's.
TEST(Workflows, WhatAnActionOfARunSendsIsUntrustedAndWhatAPersonAsksForIsNot) {
  Life life;
  life.add_agent("Night Worker", agents::Kind::cli, "");
  const auto sent = [&](std::string within) {
    const Caller action{.principal = "action:" + within, .name = "ann", .within = within};
    return life.run(life.letters->send(action, {.to = "Night Worker", .text = "Do it."}, {}));
  };
  const auto of_run = sent(principal_of_run("1"));
  ASSERT_TRUE(of_run) << of_run.error().message;
  EXPECT_TRUE(of_run->message.is_untrusted);
  const auto of_person = sent("key:1");
  ASSERT_TRUE(of_person) << of_person.error().message;
  EXPECT_FALSE(of_person->message.is_untrusted);
}

TEST(Workflows, ARunWhoseOutputsCannotBeMadeHasFailed) {
  Life life;
  life.create(R"(
name: w
jobs:
  a: {uses: gpt/x, with: {query: no JSON}}
outputs:
  good: ${{ jobs.a.outputs.text }}
  answer: ${{ fromJSON(jobs.a.outputs.text) }}
)");
  life.begin();
  const auto id = life.execute("w");
  const auto view = life.ended(id);
  EXPECT_EQ(view.at("result"), "failure");
  EXPECT_EQ(view.at("error").at("code"), "wrong_expression");
  EXPECT_THAT(std::string(view.at("error").at("detail").as_string()), HasSubstr("/outputs/answer"));
  EXPECT_THAT(Life::results(view), ElementsAre("a=success"));
  EXPECT_EQ(life.entries("workflow.run_finished").back().data.at("result"), "failure");
  // The same steps would give the same again.
  EXPECT_FALSE(view.at("links").as_object().contains("retry"));
  EXPECT_EQ(life.run(life.flows->retry(life.ann, id)).error().reason, "wrong_state");
}

TEST(Workflows, ARunThatIsRetriedHasNoOutputsUntilItEndsAgain) {
  Life life;
  life.create(R"(
name: w
jobs:
  a: {uses: gpt/x, with: {fail: 1}}
outputs:
  went: ${{ jobs.a.result }}
)");
  life.does = failing(1);
  life.begin();
  const auto id = life.execute("w");
  const auto view = life.ended(id);
  EXPECT_EQ(view.at("outputs").at("went"), "failure");
  EXPECT_TRUE(view.at("links").as_object().contains("retry"));
  life.end();
  const auto again = life.run(life.flows->retry(life.ann, id));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->at("state"), "running");
  EXPECT_TRUE(again->at("outputs").is_null());
  EXPECT_FALSE(again->at("links").as_object().contains("retry"));
  life.begin();
  const auto last = life.ended(id);
  EXPECT_EQ(last.at("outputs").at("went"), "success");
  EXPECT_FALSE(last.at("links").as_object().contains("retry"));
}

// An agent that looks into its inbox by itself.
struct NightWorker {
  std::vector<messages::Message> inbox() const {
    return life.run(life.letters->list(itself, itself.agent, {}, 0, 10, life.clock.now()))
        ->messages;
  }
  auto reply(const messages::Message& query, std::string text) const {
    return life.run(life.letters->send(
        itself, {.to = "ann", .text = std::move(text), .reply_to = query.id}, {}));
  }
  void ack(const messages::Message& query) const {
    EXPECT_TRUE(life.run(life.letters->ack(itself, itself.agent, query.id)));
  }

  Life& life;
  Caller itself{.principal = "key:9",
                .name = "Night Worker",
                .agent = life.add_agent("Night Worker", agents::Kind::cli, "")};
};

TEST(Workflows, AQueryThatNobodyAnswersHoldsNoOtherRunUpAndEndsByItself) {
  Life life;
  const NightWorker worker{life};
  life.create("{name: w, jobs: {ask: {uses: gpt/Night Worker, with: {query: What is new?}}}}");
  life.begin();
  life.letters->start(*life.tasks);
  const auto forgotten = life.execute("w");
  const auto other = life.execute("w");
  const auto queries = worker.inbox();
  ASSERT_EQ(queries.size(), 2u);
  worker.ack(queries[0]);
  const auto step = life.view(forgotten).at("jobs").at("ask").as_object();
  EXPECT_EQ(step.at("job"), nullptr);
  EXPECT_EQ(step.at("query").at("id"), json::value(queries[0].id));
  EXPECT_EQ(step.at("query").at("state"), "open");
  EXPECT_EQ(step.at("query").at("agent").at("name"), "Night Worker");
  EXPECT_EQ(step.at("query").at("agent").at("id"), json::value(worker.itself.agent));
  EXPECT_TRUE(worker.reply(queries[1], "Nothing"));
  EXPECT_EQ(life.ended(other).at("result"), "success");
  EXPECT_EQ(life.view(forgotten).at("state"), "running");
  life.clock.advance_to(life.clock.now() + 31 * 24h);
  const auto view = life.ended(forgotten);
  EXPECT_EQ(view.at("result"), "failure");
  EXPECT_EQ(view.at("jobs").at("ask").at("error").at("code"), "unanswered");
}

TEST(Workflows, AQueryThatTookTooLongIsWithdrawnAndARetryAsksAnewOnce) {
  Life life;
  const NightWorker worker{life};
  life.create(R"(
name: w
jobs:
  ask:
    uses: gpt/Night Worker
    with: {query: "What is new?"}
    timeout_seconds: 60
    retry: {max_attempts: 2, interval_seconds: 10}
)");
  life.begin();
  const auto id = life.execute("w");
  const auto first = worker.inbox().at(0);
  worker.ack(first);
  EXPECT_TRUE(life.until([&] { return worker.inbox().size() == 2; }));
  const auto queries = worker.inbox();
  EXPECT_EQ(queries[0].outcome, "withdrawn");
  const auto late = worker.reply(first, "Too late");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, base::Code::conflict);
  EXPECT_EQ(late.error().reason, "query_closed");
  EXPECT_TRUE(worker.reply(queries[1], "Nothing"));
  const auto view = life.ended(id);
  EXPECT_EQ(view.at("result"), "success");
  EXPECT_EQ(view.at("jobs").at("ask").at("attempts"), 2);
  EXPECT_EQ(view.at("jobs").at("ask").at("outputs").at("text"), "Nothing");
  EXPECT_EQ(worker.inbox().size(), 3u);
}

TEST(Workflows, ACancelledRunTakesItsQueriesBack) {
  Life life;
  const NightWorker worker{life};
  life.create("{name: w, jobs: {ask: {uses: gpt/Night Worker, with: {query: What is new?}}}}");
  life.begin();
  const auto id = life.execute("w");
  worker.ack(worker.inbox().at(0));
  EXPECT_TRUE(life.run(life.flows->cancel(life.ann, id, workflow::Wish::cancel, "")));
  EXPECT_EQ(life.ended(id).at("result"), "cancelled");
  EXPECT_EQ(worker.inbox().at(0).outcome, "withdrawn");
}

TEST(Workflows, AnAgentWithAConversationIsAskedThere) {
  Life life;
  life.add_agent("Wanderweave", agents::Kind::custom_gpt, "http://127.0.0.1:9/g/g-1");
  const auto refused = life.try_create(
      "{name: w, jobs: {a: {uses: gpt/nobody, with: {query: x}}, b: {uses: "
      "gpt/Wanderweave, with: {question: x}}}}");
  ASSERT_FALSE(refused);
  std::vector<std::string> places;
  for (const auto& violation : refused.error().violations) places.push_back(violation.pointer);
  EXPECT_THAT(places, ElementsAre("/jobs/a/uses", "/jobs/b/with", "/jobs/b/with/question"));
  life.create("{name: w, jobs: {a: {uses: gpt/Wanderweave, with: {query: Where to?}}}}");
  const auto id = life.execute("w");
  const engine::JobId job{std::string(life.view(id).at("jobs").at("a").at("job").as_string())};
  EXPECT_TRUE(life.run(life.store->write([&](store::Tx& tx) -> base::Result<> {
    const auto now = life.timeline.now();
    TRY(const auto asked, life.queue->get(tx, job));
    EXPECT_EQ(asked.kind, "query");
    EXPECT_EQ(asked.payload.at("text"), "Where to?");
    EXPECT_EQ(asked.payload.at("thread"), json::value(id));
    TRY(auto turn, life.queue->claim(tx, asked.lane, "life", now));
    return life.queue->complete(
        tx, std::get<engine::Claim>(turn).lease,
        json::object{{"response", json::object{{"text", "Rome"}, {"value", nullptr}}}}, now);
  })));
  EXPECT_EQ(life.view(id).at("jobs").at("a").at("outputs").at("text"), "Rome");
}

TEST(Workflows, AThousandStepsGoOnAfterTheProgramIsKilled) {
  std::string folder = std::filesystem::temp_directory_path() / "workflows-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/flywheel.db";
  // Ten chains of a hundred, which a last step joins.
  std::string yaml = "name: long\nmax_parallel: 7\njobs:\n";
  std::string last;
  for (int i = 0; i < 999; ++i) {
    yaml += fmt::format("  s{}: {{uses: gpt/x{}}}\n", i,
                        i < 10 ? "" : fmt::format(", needs: s{}", i - 10));
    if (i >= 989) last += fmt::format("{}s{}", last.empty() ? "" : ", ", i);
  }
  yaml += "  last: {uses: gpt/x, needs: [" + last + "]}\n";
  std::string id;
  std::map<std::string, int> handled;
  for (int life_number = 0; life_number < 4; ++life_number) {
    Life life(path, 4);
    if (life_number == 0) {
      life.create(yaml);
      id = life.execute("long");
    }
    life.begin();
    const bool is_last = life_number == 3;
    if (is_last) {
      EXPECT_EQ(life.ended(id).at("result"), "success");
      std::map<std::string, int> told;
      for (const auto& entry : life.entries("workflow.step_finished")) {
        ++told[std::string(entry.data.at("step").as_string())];
      }
      EXPECT_EQ(told.size(), 1000u);
      for (const auto& [step, times] : told) EXPECT_EQ(times, 1) << step;
    } else {
      EXPECT_TRUE(life.until([&] { return life.done.size() >= 250; }));
    }
    life.end();
    for (const auto& step : life.done) ++handled[step];  // one may be done while its life ends
  }
  EXPECT_EQ(handled.size(), 1000u);
  // What ran when the program was killed ran again, and nothing else did.
  int twice = 0;
  for (const auto& [step, times] : handled) twice += times - 1;
  EXPECT_LE(twice, 3 * 4);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace services
