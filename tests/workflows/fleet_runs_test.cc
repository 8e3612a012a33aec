// A fleet's agents in the steps of one run.
#include "bridge/services/workflows/fleet_runs.h"

#include "tests/workflows/life.h"

namespace services {
namespace {

using agents::Status;
using testing::ElementsAre;
using testing::HasSubstr;

struct Fleet : Life {
  void add(std::string name, Status status = Status::active) {
    const Caller root{.principal = "key:0", .name = "root", .is_admin = true};
    BRIDGE_ASSERT(run(registry->add(root,
                                    {.name = std::move(name),
                                     .kind = agents::Kind::cli,
                                     .category = "Travel & Commerce",
                                     .status = status},
                                    {})));
  }
  auto begin_run(FleetPlan plan, std::string key = {}, std::string category = "travel-commerce") {
    return run(runs.begin(ann, std::move(category), std::move(plan), std::move(key)));
  }
  std::string begun(FleetPlan plan) {
    auto made = begin_run(std::move(plan));
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return made ? made->run : "";
  }
  // Answers the newest query of the agent's inbox, and gives what it was asked.
  std::string answer(std::string name, std::string text) {
    const auto agent = *run(registry->get(name));
    const Caller itself{.principal = "key:" + name, .name = name, .agent = agent.id};
    messages::Message query;
    EXPECT_TRUE(until([&] {
      const auto inbox =
          run(letters->list(itself, agent.id, {.only_unread = true}, 0, 10, clock.now() + 10s));
      if (!inbox || inbox->messages.empty()) return false;
      query = inbox->messages.back();
      return true;
    }));
    EXPECT_TRUE(run(letters->ack(itself, agent.id, query.id)));
    EXPECT_TRUE(run(
        letters->send(itself, {.to = "ann", .text = std::move(text), .reply_to = query.id}, {})));
    return query.text;
  }

  FleetRuns runs{*store, *flows, registry->settings().catalogue, timeline};
};

TEST(FleetRuns, EveryActiveMemberIsAskedTheObjectiveAtOneTime) {
  Fleet life;
  life.add("Planner");
  life.add("Critic");
  life.add("Draft", Status::draft);
  life.begin();
  const auto id = life.begun({.objective = "A week in ${{ inputs.tasks }}"});
  EXPECT_THAT(Life::results(life.view(id)), ElementsAre("part_1=running", "part_2=running"));
  // What people write is no expression.
  EXPECT_EQ(life.answer("Planner", "by train"), "A week in ${{ inputs.tasks }}");
  life.answer("Critic", "too short");
  const auto view = life.ended(id);
  EXPECT_EQ(view.at("workflow"), "fleet:travel-commerce");
  EXPECT_EQ(view.at("outputs").at("answers"),
            (json::object{{"critic", "too short"}, {"planner", "by train"}}));
  // The same shape is the same version.
  EXPECT_EQ(life.view(life.begun({.objective = "Another"})).at("version"), 1);
}

TEST(FleetRuns, StepsFollowOneAnotherAndKnowWhatCameBefore) {
  Fleet life;
  life.add("Planner");
  life.add("Critic");
  life.begin();
  const auto id = life.begun({.objective = "A week",
                              .steps = {{.id = "route", .agent = "Planner", .task = "Draw it"},
                                        {.agent = "Critic", .task = "Judge it"}}});
  EXPECT_THAT(Life::results(life.view(id)), ElementsAre("route=running", "step_2=pending"));
  EXPECT_THAT(life.answer("Planner", "Rome, Naples"), HasSubstr("Draw it"));
  const auto asked = life.answer("Critic", "fine");
  EXPECT_THAT(asked, HasSubstr("Judge it"));
  const auto view = life.ended(id);
  EXPECT_EQ(view.at("result"), "success");
  EXPECT_EQ(view.at("outputs").at("answers").at("step_2"), "fine");
}

TEST(FleetRuns, NobodyToAskIsAConflictAndWrongStepsAreNamed) {
  Fleet life;
  EXPECT_EQ(life.begin_run({.objective = "x"}, "", "nowhere").error().code, base::Code::not_found);
  EXPECT_EQ(life.begin_run({.objective = "x"}, "", "core").error().reason, "empty_fleet");
  life.add("Draft", Status::draft);
  EXPECT_EQ(life.begin_run({.objective = "x"}).error().reason, "no_active_member");
  life.add("Planner");
  const auto pointers = [&](FleetPlan plan) {
    const auto refused = life.begin_run(std::move(plan));
    std::vector<std::string> found;
    if (!refused) {
      for (const auto& violation : refused.error().violations) found.push_back(violation.pointer);
    }
    return found;
  };
  EXPECT_THAT(
      pointers({.objective = "x",
                .steps = {{.id = "a", .task = "x"}, {.id = "a", .agent = "nobody", .task = "x"}}}),
      ElementsAre("/steps/1/agent", "/steps/1/id"));
  EXPECT_THAT(pointers({.objective = "x",
                        .steps = {{.id = "a", .task = "x", .needs = {{"b"}}},
                                  {.id = "b", .task = "x", .needs = {{"a"}}}}}),
              testing::Contains("/steps/0/needs"));
  EXPECT_THAT(pointers({.objective = "x", .steps = {{.task = "x", .needs = {{"zz"}}}}}),
              testing::Contains("/steps/0/needs/0"));
}

TEST(FleetRuns, TheSameKeyBeginsOneRun) {
  Fleet life;
  life.add("Planner");
  const auto first = life.begin_run({.objective = "x"}, "k");
  const auto again = life.begin_run({.objective = "x"}, "k");
  EXPECT_TRUE(again->is_replay);
  EXPECT_EQ(again->run, first->run);
  EXPECT_EQ(life.begin_run({.objective = "y"}, "k").error().reason, "idempotency_mismatch");
}

}  // namespace
}  // namespace services
