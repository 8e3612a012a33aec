#include "bridge/services/workflows/machine.h"

#include "bridge/services/workflows/template.h"
#include "bridge/services/workflows/yaml.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace workflow {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

// A run in memory. Every job has the name "<step>#<attempt>".
class Ground final : public World {
 public:
  explicit Ground(std::string_view jobs) {
    const auto text = fmt::format("name: x\ninputs: {{go: {{default: true}}}}\njobs:\n{}", jobs);
    auto made = Definition::from_json(parse_yaml(text)->value);
    BRIDGE_ASSERT(made);
    definition = *std::move(made);
    for (const auto& step : definition.steps) {
      states.push_back({.waiting = static_cast<int>(step.needs.size())});
    }
    run.unfinished = static_cast<int>(states.size());
    run.parallel_max = 10;
  }

  std::size_t number(std::string_view id) const {
    for (std::size_t i = 0; i < definition.steps.size(); ++i) {
      if (definition.steps[i].id == id) return i;
    }
    BRIDGE_ASSERT(false);
    return 0;
  }
  StepState& at(std::string_view id) { return states[number(id)]; }

  Machine machine() { return Machine(*this, run); }
  void begin() { BRIDGE_ASSERT(machine().begin()); }
  void end(std::string_view id, Outcome outcome = Outcome::success, bool may_retry = true) {
    std::optional<StepError> error;
    if (outcome == Outcome::failure) error = StepError{"broken", "it broke"};
    BRIDGE_ASSERT(machine().ended(number(id), at(id).job, {outcome, error, may_retry}));
  }
  void fail(std::string_view id) { end(id, Outcome::failure); }
  void pass(std::string_view id) {
    time = *at(id).due;
    BRIDGE_ASSERT(machine().due(number(id)));
  }
  // What was told since the last call.
  std::vector<std::string> news() { return std::exchange(told, {}); }
  std::string result_of(std::string_view id) {
    return at(id).outcome ? std::string(name(*at(id).outcome)) : std::string(name(at(id).phase));
  }

  base::WallTime now() const override { return time; }
  std::size_t steps() const override { return states.size(); }
  base::Result<StepState*> state(std::size_t step) override { return &states[step]; }
  base::Result<const Step*> plan(std::size_t step) override { return &definition.steps[step]; }
  base::Result<Asked> asks(std::size_t step, const Situation& situation) override {
    const auto& text = definition.steps[step].condition;
    if (text.empty()) return Asked(situation.is_success());
    const auto condition = parse_condition(text);
    json::object jobs;
    for (std::size_t i = 0; i < states.size(); ++i) {
      if (!states[i].outcome) continue;
      jobs[definition.steps[i].id] = json::object{{"result", name(*states[i].outcome)}};
    }
    Budget budget;
    const auto value = condition->evaluate({inputs, jobs, json::object(), situation}, budget);
    if (!value) return Asked(std::unexpected(StepError{"expression", value.error().message}));
    return Asked(is_true(*value) && (condition->asks_status() || situation.is_success()));
  }
  base::Result<Submitted> submit(std::size_t step, std::optional<base::WallTime> not_before,
                                 std::optional<base::WallTime>) override {
    const auto& id = definition.steps[step].id;
    if (refused.contains(id)) return Submitted(std::unexpected(Refused{{"invalid", "no"}, {}}));
    if (is_full) return Submitted(std::unexpected(Refused{{"queue_full", "full"}, 5s}));
    if (not_before) pauses.push_back(*not_before - time);
    return Submitted(fmt::format("{}#{}", id, states[step].attempts));
  }
  base::Result<bool> withdraw(std::size_t step) override {
    return !armed.contains(definition.steps[step].id);
  }
  base::Result<std::vector<std::size_t>> ready(int most) override {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < states.size(); ++i) {
      const bool is_due = !states[i].due || *states[i].due <= time;
      if (states[i].phase == Phase::ready && is_due) found.push_back(i);
    }
    if (found.size() > static_cast<std::size_t>(most)) found.resize(static_cast<std::size_t>(most));
    return found;
  }
  base::Result<std::vector<std::size_t>> active() override {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < states.size(); ++i) {
      const auto phase = states[i].phase;
      if (phase != Phase::pending && phase != Phase::finished) found.push_back(i);
    }
    return found;
  }
  base::Result<> tell(std::size_t step, std::string_view what) override {
    told.push_back(definition.steps[step].id + " " + std::string(what));
    if (what == "finished") {
      told.back() = definition.steps[step].id + " " + std::string(name(*states[step].outcome));
    }
    return {};
  }

  Definition definition;
  std::vector<StepState> states;
  RunState run;
  base::WallTime time{};
  json::object inputs{{"go", true}};
  std::set<std::string> refused, armed;
  bool is_full = false;
  std::vector<base::WallTime::duration> pauses;

 private:
  std::vector<std::string> told;
};

constexpr std::string_view diamond = R"(
  a: {uses: gpt/x}
  b: {uses: gpt/x, needs: a}
  c: {uses: gpt/x, needs: a}
  d: {uses: gpt/x, needs: [b, c]}
)";

TEST(Machine, StepsRunWhenTheirNeedsHaveEnded) {
  Ground g(diamond);
  g.begin();
  EXPECT_THAT(g.news(), ElementsAre("a started"));
  g.end("a");
  EXPECT_THAT(g.news(), ElementsAre("a success", "b started", "c started"));
  g.end("c");
  EXPECT_THAT(g.news(), ElementsAre("c success"));
  g.end("b");
  EXPECT_THAT(g.news(), ElementsAre("b success", "d started"));
  EXPECT_FALSE(g.run.has_ended());
  g.end("d");
  EXPECT_TRUE(g.run.has_ended());
  EXPECT_EQ(g.run.result(), Outcome::success);
}

TEST(Machine, AnEndThatComesLateOrTwiceIsNoNews) {
  Ground g(diamond);
  g.begin();
  g.end("a");
  g.news();
  EXPECT_TRUE(g.machine().ended(g.number("a"), "a#1", {Outcome::failure, StepError{"x", "y"}}));
  EXPECT_TRUE(g.machine().ended(g.number("b"), "b#7", {}));
  EXPECT_TRUE(g.machine().ended(g.number("d"), "", {}));
  EXPECT_THAT(g.news(), IsEmpty());
}

TEST(Machine, AFailureSkipsWhatNeedsItUnlessThatWantsToRun) {
  struct Case {
    std::string_view condition;  // of b, which needs a; c needs b
    bool go;
    Outcome a;
    std::string_view b, c;
  };
  const Case cases[] = {
      {"", true, Outcome::success, "running", "pending"},
      {"", true, Outcome::failure, "skipped", "skipped"},
      {"", true, Outcome::cancelled, "cancelled", "cancelled"},
      {"inputs.go", true, Outcome::success, "running", "pending"},
      {"inputs.go", false, Outcome::success, "skipped", "skipped"},
      {"inputs.go", true, Outcome::failure, "skipped", "skipped"},
      {"always()", true, Outcome::failure, "running", "pending"},
      {"always()", true, Outcome::cancelled, "running", "pending"},
      {"always() && inputs.go", false, Outcome::success, "skipped", "skipped"},
      {"failure()", true, Outcome::failure, "running", "pending"},
      {"failure()", true, Outcome::success, "skipped", "skipped"},
      {"!failure()", true, Outcome::success, "running", "pending"},
      {"success() || jobs.a.result == 'failure'", true, Outcome::failure, "running", "pending"},
      {"cancelled()", true, Outcome::cancelled, "running", "pending"},
      {"1 < 'a'", true, Outcome::success, "failure", "skipped"},
  };
  for (const auto& [condition, go, a, b, c] : cases) {
    Ground g("  a: {uses: gpt/x}\n  b: {uses: gpt/x, needs: a}\n  c: {uses: gpt/x, needs: b}\n");
    g.definition.steps[1].condition = condition;
    g.inputs["go"] = go;
    g.begin();
    g.end("a", a);
    EXPECT_EQ(g.result_of("b"), b) << condition;
    EXPECT_EQ(g.result_of("c"), c) << condition;
  }
}

TEST(Machine, AFailurePassesThroughWhatWasSkippedForItAndStopsWhereItWasMet) {
  Ground g(R"(
  a: {uses: gpt/x}
  b: {uses: gpt/x, needs: a}
  alarm: {uses: gpt/x, needs: b, if: failure()}
  after: {uses: gpt/x, needs: alarm}
)");
  g.begin();
  g.fail("a");
  EXPECT_EQ(g.result_of("b"), "skipped");
  EXPECT_EQ(g.result_of("alarm"), "running");
  g.end("alarm");
  EXPECT_EQ(g.result_of("after"), "running");
  g.end("after");
  EXPECT_EQ(g.run.result(), Outcome::failure);
}

TEST(Machine, AFailureThatMayBeCountsAsSuccess) {
  Ground g("  a: {uses: gpt/x, continue_on_error: true}\n  b: {uses: gpt/x, needs: a}\n");
  g.begin();
  g.fail("a");
  EXPECT_EQ(g.result_of("a"), "failure");
  EXPECT_EQ(g.result_of("b"), "running");
  g.end("b");
  EXPECT_EQ(g.run.result(), Outcome::success);
}

TEST(Machine, NoMoreRunThanThereIsRoomFor) {
  Ground g("  a: {uses: gpt/x}\n  b: {uses: gpt/x}\n  c: {uses: gpt/x}\n  d: {uses: gpt/x}\n");
  g.run.parallel_max = 2;
  g.begin();
  EXPECT_THAT(g.news(), ElementsAre("a started", "b started"));
  EXPECT_EQ(g.run.running, 2);
  EXPECT_EQ(g.run.ready, 2);
  g.end("b");
  EXPECT_THAT(g.news(), ElementsAre("b success", "c started"));
  g.end("a");
  g.end("c");
  g.end("d");
  EXPECT_TRUE(g.run.has_ended());
}

TEST(Machine, StepsThatCannotBeginMakeRoomForTheNext) {
  Ground g("  a: {uses: gpt/x}\n  b: {uses: gpt/x}\n  c: {uses: gpt/x}\n");
  g.run.parallel_max = 1;
  g.refused = {"a", "b"};
  g.begin();
  EXPECT_THAT(g.news(), ElementsAre("a failure", "b failure", "c started"));
  EXPECT_EQ(g.at("a").error->code, "invalid");
}

TEST(Machine, AFullQueueIsTriedAgainLater) {
  Ground g("  a: {uses: gpt/x}\n");
  g.is_full = true;
  g.begin();
  EXPECT_EQ(g.result_of("a"), "ready");
  EXPECT_EQ(*g.at("a").due - g.time, 5s);
  EXPECT_EQ(g.at("a").error, (StepError{"queue_full", "full"})) << "why it waits";
  g.is_full = false;
  g.pass("a");
  EXPECT_EQ(g.result_of("a"), "running");
  EXPECT_EQ(g.at("a").attempts, 1);
  EXPECT_FALSE(g.at("a").error);
}

TEST(Machine, AStepThatFindsNoRoomInItsTimeFailsAndSaysWhatKeptIt) {
  Ground g("  a: {uses: gpt/x, timeout_seconds: 12}\n  b: {uses: gpt/x, needs: a}\n");
  const auto began = g.time;
  g.is_full = true;
  g.begin();
  EXPECT_EQ(g.at("a").error, (StepError{"queue_full", "full"}));
  g.pass("a");
  g.pass("a");
  EXPECT_EQ(g.result_of("a"), "ready");
  EXPECT_EQ(*g.at("a").due - began, 12s);
  g.pass("a");
  EXPECT_EQ(g.at("a").error,
            (StepError{"timeout", "it could not begin in time: queue_full: full"}));
  EXPECT_EQ(g.at("a").attempts, 1);
  EXPECT_EQ(g.result_of("b"), "skipped");
  EXPECT_EQ(g.run.result(), Outcome::failure);
}

TEST(Machine, TheTimeOfAnAttemptBeginsWithItsFirstTryToBegin) {
  Ground g("  a: {uses: gpt/x, timeout_seconds: 12, retry: {max_attempts: 2}}\n");
  const auto began = g.time;
  g.is_full = true;
  g.begin();
  g.is_full = false;
  g.pass("a");
  EXPECT_EQ(g.result_of("a"), "running");
  EXPECT_EQ(g.at("a").error, std::nullopt);
  EXPECT_EQ(*g.at("a").due - began, 12s);
  g.pass("a");  // it took too long, and goes again after a pause of one second
  EXPECT_EQ(g.result_of("a"), "running");
  EXPECT_EQ(*g.at("a").due - began, 12s + 1s + 12s);
}

TEST(Machine, AnAttemptThatFoundNoRoomIsRepeatedLikeOneThatFailed) {
  Ground g(
      "  a: {uses: gpt/x, timeout_seconds: 4, retry: {max_attempts: 2, interval_seconds: 7}}\n");
  const auto began = g.time;
  g.is_full = true;
  g.begin();
  g.pass("a");
  EXPECT_EQ(g.result_of("a"), "ready");
  EXPECT_EQ(*g.at("a").due - began, 4s + 7s);  // not before its pause is over
  g.pass("a");
  EXPECT_EQ(*g.at("a").due - began, 4s + 7s + 4s);
  g.pass("a");
  EXPECT_EQ(g.result_of("a"), "failure");
  EXPECT_EQ(g.at("a").attempts, 2);
  EXPECT_EQ(g.at("a").error->code, "timeout");
}

TEST(Machine, AStepWhoseTimePassedWhileOthersRanDoesNotBegin) {
  Ground g("  a: {uses: gpt/x, timeout_seconds: 6}\n  b: {uses: gpt/x}\n  c: {approval: true}\n");
  g.run.parallel_max = 1;
  g.is_full = true;
  g.begin();
  g.is_full = false;
  EXPECT_TRUE(g.machine().approve(g.number("c")));
  EXPECT_EQ(g.result_of("b"), "running");
  g.pass("a");
  EXPECT_EQ(g.result_of("a"), "ready");
  g.time += 2s;
  g.news();
  g.end("b");
  EXPECT_THAT(g.news(), ElementsAre("b success", "a failure"));
  EXPECT_EQ(g.at("a").error->code, "timeout");
  EXPECT_TRUE(g.run.has_ended());
}

TEST(Machine, AFailedAttemptIsRepeatedWithGrowingPauses) {
  Ground g(
      "  a: {uses: gpt/x, retry: {max_attempts: 4, interval_seconds: 2, backoff_rate: 3, "
      "max_delay_seconds: 10}}\n");
  g.begin();
  for (int i = 0; i < 3; ++i) g.fail("a");
  EXPECT_THAT(g.pauses, ElementsAre(2s, 6s, 10s));
  EXPECT_EQ(g.result_of("a"), "running");
  EXPECT_EQ(g.at("a").job, "a#4");
  g.fail("a");
  EXPECT_EQ(g.result_of("a"), "failure");
  EXPECT_EQ(g.at("a").error, (StepError{"broken", "it broke"}));
}

TEST(Machine, WhatMayHaveBeenDoneIsNotRepeated) {
  Ground g(
      "  a: {uses: gpt/x, retry: {max_attempts: 4}}\n"
      "  b: {uses: gpt/x, timeout_seconds: 3, retry: {max_attempts: 4}}\n");
  g.begin();
  g.end("a", Outcome::failure, false);
  EXPECT_EQ(g.result_of("a"), "failure");
  g.armed = {"b"};
  g.pass("b");
  EXPECT_EQ(g.result_of("b"), "failure");
  EXPECT_EQ(g.at("b").error->code, "timeout");
}

TEST(Machine, AnAttemptThatTakesTooLongIsTakenBackAndRepeated) {
  Ground g("  a: {uses: gpt/x, timeout_seconds: 3, retry: {max_attempts: 2}}\n");
  g.begin();
  EXPECT_EQ(*g.at("a").due - g.time, 3s);
  g.pass("a");
  EXPECT_EQ(g.result_of("a"), "running");
  EXPECT_EQ(*g.at("a").due - g.time, 4s);  // a pause of one second first
  g.pass("a");
  EXPECT_EQ(g.result_of("a"), "failure");
  EXPECT_EQ(g.run.result(), Outcome::failure);
}

TEST(Machine, AnApprovalIsWaitedFor) {
  constexpr std::string_view jobs =
      "  a: {uses: gpt/x, approval: true, timeout_seconds: 60}\n  b: {needs: a, approval: true}\n";
  Ground g(jobs);
  g.begin();
  EXPECT_THAT(g.news(), ElementsAre("a approval"));
  EXPECT_EQ(g.machine().approve(g.number("b")).error().reason, "wrong_state");
  EXPECT_TRUE(g.machine().approve(g.number("a")));
  EXPECT_THAT(g.news(), ElementsAre("a started"));
  EXPECT_EQ(g.machine().approve(g.number("a")).error().reason, "wrong_state");
  g.end("a");
  EXPECT_THAT(g.news(), ElementsAre("a success", "b approval"));
  EXPECT_TRUE(g.machine().approve(g.number("b")));
  EXPECT_EQ(g.run.result(), Outcome::success);

  Ground no(jobs);
  no.begin();
  EXPECT_TRUE(no.machine().reject(no.number("a"), "too dear"));
  EXPECT_EQ(no.at("a").error, (StepError{"rejected", "too dear"}));
  EXPECT_EQ(no.result_of("b"), "skipped");
  EXPECT_EQ(no.run.result(), Outcome::failure);

  Ground late(jobs);
  late.begin();
  late.pass("a");
  EXPECT_EQ(late.at("a").error->code, "timeout");
}

TEST(Machine, CancellingTakesBackWhatCanBeAndLetsCleaningUpRun) {
  Ground g(R"(
  a: {uses: gpt/x}
  b: {uses: gpt/x}
  c: {approval: true}
  d: {uses: gpt/x, needs: b}
  tidy: {uses: gpt/x, needs: [a, b, c, d], if: always()}
)");
  g.armed = {"b"};
  g.begin();
  EXPECT_TRUE(g.machine().cancel(Wish::cancel));
  EXPECT_EQ(g.result_of("a"), "cancelled");
  EXPECT_EQ(g.result_of("b"), "running");
  EXPECT_EQ(g.result_of("c"), "cancelled");
  g.end("b");
  EXPECT_EQ(g.result_of("b"), "success");
  EXPECT_EQ(g.result_of("d"), "cancelled");
  EXPECT_EQ(g.result_of("tidy"), "running");
  g.end("tidy");
  EXPECT_EQ(g.run.result(), Outcome::cancelled);
  EXPECT_EQ(g.machine().cancel(Wish::cancel).error().reason, "wrong_state");
}

TEST(Machine, CancellingTwiceEndsEverythingNow) {
  Ground g("  a: {uses: gpt/x}\n  tidy: {uses: gpt/x, needs: a, if: always()}\n");
  g.armed = {"a"};
  g.begin();
  EXPECT_TRUE(g.machine().cancel(Wish::cancel));
  EXPECT_FALSE(g.run.has_ended());
  EXPECT_TRUE(g.machine().cancel(Wish::cancel));
  EXPECT_EQ(g.result_of("a"), "cancelled");
  EXPECT_EQ(g.result_of("tidy"), "cancelled");
  EXPECT_TRUE(g.run.has_ended());
}

TEST(Machine, ACancelledRunTriesNothingAgain) {
  Ground g("  a: {uses: gpt/x, retry: {max_attempts: 4}}\n");
  g.armed = {"a"};
  g.begin();
  EXPECT_TRUE(g.machine().cancel(Wish::cancel));
  g.fail("a");
  EXPECT_EQ(g.result_of("a"), "failure");
}

TEST(Machine, RetryingRunsWhatFailedAndWhatComesAfterAndNothingElse) {
  Ground g(R"(
  a: {uses: gpt/x}
  b: {uses: gpt/x, needs: a, retry: {max_attempts: 2}}
  c: {uses: gpt/x, needs: a}
  d: {uses: gpt/x, needs: [b, c]}
)");
  g.begin();
  g.end("a");
  EXPECT_EQ(g.machine().reopen().error().reason, "wrong_state");
  g.fail("b");
  g.fail("b");
  g.end("c");
  EXPECT_EQ(g.result_of("d"), "skipped");
  EXPECT_EQ(g.run.result(), Outcome::failure);
  g.news();
  EXPECT_TRUE(g.machine().reopen());
  EXPECT_THAT(g.news(), ElementsAre("b started"));
  EXPECT_EQ(g.at("b").job, "b#3");
  EXPECT_EQ(g.at("d").waiting, 1);
  g.fail("b");
  EXPECT_EQ(g.result_of("b"), "running");  // its attempts are counted anew
  g.end("b");
  g.end("d");
  EXPECT_EQ(g.run.result(), Outcome::success);
  EXPECT_EQ(g.machine().reopen().error().reason, "wrong_state");
}

TEST(Machine, AThousandStepsEndedAtOnceDoNotRecurse) {
  std::string jobs = "  s0: {uses: gpt/x}\n";
  for (int i = 1; i < 1500; ++i)
    jobs += fmt::format("  s{}: {{uses: gpt/x, needs: s{}}}\n", i, i - 1);
  Ground g(jobs);
  g.begin();
  g.fail("s0");
  EXPECT_EQ(g.result_of("s1499"), "skipped");
  EXPECT_TRUE(g.run.has_ended());
}

}  // namespace
}  // namespace workflow
