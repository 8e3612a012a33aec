// Steps that ask for actions: the policy decides, people approve, and each is done once.
#include "bridge/services/workflows/action_steps.h"

#include "bridge/services/actions/action_limits.h"
#include "tests/workflows/life.h"

#include <cstdlib>
#include <filesystem>

namespace services {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Caller bea{.principal = "key:2", .name = "bea", .may_write = true};

// Removes the agent that a model names: a risk that a person decides on.
constexpr std::string_view removal = R"(
name: removal
jobs:
  choose: {uses: gpt/x, with: {query: Guest}}
  remove:
    uses: action/agent.deregister
    needs: choose
    with: {agent: "${{ jobs.choose.outputs.text }}"}
    retry: {max_attempts: 3, interval_seconds: 60}
  after: {uses: gpt/x, needs: remove, with: {query: "${{ jobs.remove.outputs.text }}"}}
)";

struct Trusted : Life {
  explicit Trusted(std::string path = ":memory:") : Life(std::move(path)) {
    const Caller root{.principal = "key:0", .name = "root", .is_admin = true};
    if (auto there = run(registry->get("Elder"))) {
      elder.agent = there->id;
    } else {
      elder.agent = add_agent("Elder", agents::Kind::cli, "", agents::Tier::architect);
    }
  }
  // A run of `removal` that waits for people.
  std::string waiting() {
    const auto id = execute("removal", {}, elder);
    EXPECT_TRUE(until([&] { return asked_by(id) != ""; }));
    return id;
  }
  std::string asked_by(const std::string& id, const char* step = "remove") {
    const auto shown = view(id);
    const auto& job = shown.at("jobs").at(step).as_object();
    return job.contains("action") ? std::string(job.at("action").at("id").as_string()) : "";
  }
  auto decide(const std::string& id, bool is_yes, const Caller& who = bea) {
    return run(acts->decide(who, "", asked_by(id), is_yes, is_yes ? "" : "not that one"));
  }
  std::string error_of(const json::object& run, const char* step) {
    const auto& error = run.at("jobs").at(step).at("error");
    return error.is_null() ? "" : std::string(error.at("code").as_string());
  }

  Caller elder = caller("8", "Elder");
};

TEST(ActionSteps, WhatIsAllowedIsDoneAtOnceAndGivesItsResult) {
  Life life;
  life.create(R"(
name: w
jobs:
  tell: {uses: action/message.send, with: {to: bea, text: hello}}
  next: {uses: gpt/x, needs: tell, with: {query: "${{ jobs.tell.outputs.result.text }}"}}
)");
  life.begin();
  const auto view = life.ended(life.execute("w"));
  EXPECT_EQ(view.at("result"), "success");
  EXPECT_THAT(life.acted, ElementsAre(json::value{{"to", "bea"}, {"text", "hello"}}));
  EXPECT_EQ(view.at("jobs").at("next").at("outputs").at("text"), "hello");
  EXPECT_EQ(view.at("jobs").at("tell").at("action").at("state"), "done");
  const auto asked = life.entries("action.requested").at(0);
  EXPECT_EQ(asked.actor, "workflow:" + std::string(view.at("id").as_string()));
}

// The journal takes no entry with such a name.
TEST(ActionSteps, AnActionThatCannotBeNotedLeavesNoJob) {
  Trusted life;
  life.create("{name: w, jobs: {tell: {uses: action/message.send, with: {to: bea, text: hi}}}}");
  life.begin();
  Caller talker = life.elder;
  talker.name = std::string(2 * limits::entry_bytes_max, 'n');
  const auto view = life.ended(life.execute("w", {}, talker));
  EXPECT_EQ(view.at("result"), "failure");
  EXPECT_EQ(life.error_of(view, "tell"), "invalid");
  EXPECT_THAT(life.entries("action."), IsEmpty());
  const auto jobs = life.run(life.store->read(
      [](store::Tx& tx) { return tx.query("SELECT id FROM jobs WHERE kind = 'action'"); }));
  ASSERT_TRUE(jobs) << jobs.error().message;
  EXPECT_THAT(*jobs, IsEmpty());
  EXPECT_THAT(life.acted, IsEmpty());
}

TEST(ActionSteps, WhatAModelWroteWaitsForPeopleAndIsDoneOnceAsTheyApprovedIt) {
  Trusted life;
  life.create(removal);
  life.begin();
  const auto id = life.waiting();
  life.pass(1h);
  EXPECT_THAT(Life::results(life.view(id)),
              ElementsAre("choose=success", "remove=running", "after=pending"));
  EXPECT_EQ(life.view(id).at("jobs").at("remove").at("action").at("state"), "waiting");
  EXPECT_THAT(life.acted, IsEmpty());
  const auto asked = life.run(life.acts->get(bea, life.asked_by(id), base::Instant::min()));
  EXPECT_EQ(asked->asked.params, (json::object{{"agent", "Guest"}}));
  EXPECT_EQ(asked->asked.hash, actions::hash_of(asked->asked));

  EXPECT_TRUE(life.decide(id, true));
  EXPECT_EQ(life.ended(id).at("result"), "success");
  EXPECT_THAT(life.acted, ElementsAre(json::value{{"agent", "Guest"}}));
  EXPECT_EQ(life.decide(id, true).error().reason, "not_waiting");
}

TEST(ActionSteps, WhoOnlyDecidesSeesTheRunWhileItsActionWaits) {
  Trusted life;
  life.create(removal);
  life.begin();
  Caller judge = bea;
  judge.only_decides = true;
  const auto id = life.waiting();
  const auto shown = life.run(life.flows->run(judge, id));
  ASSERT_TRUE(shown) << shown.error().message;
  EXPECT_EQ(shown->at("jobs").at("remove").at("action").at("state"), "waiting");
  EXPECT_TRUE(life.run(life.flows->step(judge, id, "choose")));

  EXPECT_TRUE(life.decide(id, true, judge));
  EXPECT_EQ(life.ended(id).at("result"), "success");

  const auto later = life.run(life.flows->run(judge, id));
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, base::Code::not_found);
  const auto step = life.run(life.flows->step(judge, id, "choose"));
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().code, base::Code::not_found);
}

TEST(ActionSteps, AReplyIsDataAndNeverAnExpressionOrAnotherAction) {
  Trusted life;
  life.create(removal);
  life.does = [](const json::object&) -> base::Result<engine::Outcome> {
    return engine::Outcome{engine::Outcome::Done{
        json::object{{"text", json::object{{"agent", "Elder"}, {"x", "${{ inputs.secret }}"}}}}}};
  };
  life.begin();
  // What is not by the action's schema is not asked for.
  auto view = life.ended(life.execute("removal", {}, life.elder));
  EXPECT_EQ(life.error_of(view, "remove"), "invalid_params");
  EXPECT_EQ(view.at("jobs").at("remove").at("attempts"), 1);
  life.does = [](const json::object&) -> base::Result<engine::Outcome> {
    return engine::Outcome{engine::Outcome::Done{json::object{{"text", "${{ run.id }}"}}}};
  };
  const auto asked =
      life.run(life.acts->get(bea, life.asked_by(life.waiting()), base::Instant::min()));
  EXPECT_EQ(asked->asked.params, (json::object{{"agent", "${{ run.id }}"}}));
  EXPECT_THAT(life.acted, IsEmpty());
}

TEST(ActionSteps, ANoTheirTimeASwitchAndAFailureFailTheStepWithTheReason) {
  Trusted life;
  life.create(removal);
  life.begin();
  life.acts->start(*life.tasks);

  const auto refused = life.waiting();
  EXPECT_TRUE(life.decide(refused, false));
  auto view = life.ended(refused);
  EXPECT_EQ(life.error_of(view, "remove"), "rejected");
  EXPECT_EQ(view.at("jobs").at("remove").at("error").at("detail"), "not that one");
  // Nobody is asked again by himself.
  EXPECT_EQ(view.at("jobs").at("remove").at("attempts"), 1);

  EXPECT_EQ(life.error_of(life.ended(life.waiting()), "remove"), "expired");

  const auto switched = life.waiting();
  const auto turn = [&](bool is_off) {
    return life.run(life.acts->set_switch(bea, "action:agent.deregister", is_off, "incident"));
  };
  EXPECT_TRUE(turn(true));
  EXPECT_TRUE(life.decide(switched, true));
  EXPECT_EQ(life.error_of(life.ended(switched), "remove"), "not_allowed");
  view = life.ended(life.execute("removal", {}, life.elder));
  EXPECT_EQ(life.error_of(view, "remove"), "switched_off");
  EXPECT_THAT(std::string(view.at("jobs").at("remove").at("error").at("detail").as_string()),
              HasSubstr("incident"));
  EXPECT_THAT(life.acted, IsEmpty());
  EXPECT_TRUE(turn(false));

  // A run that an operator begins is no architect.
  view = life.ended(life.execute("removal"));
  EXPECT_EQ(life.error_of(view, "remove"), "tier_too_low");
  EXPECT_THAT(life.acted, IsEmpty());
}

TEST(ActionSteps, WhatWasApprovedAndHasNotBegunInItsDayFailsTheStep) {
  Trusted life;
  life.create(removal);
  life.begin();
  const auto id = life.waiting();
  life.end();
  EXPECT_TRUE(life.decide(id, true));
  life.pass(limits::approval_waits + 1h);

  life.begin();
  const auto view = life.ended(id);

  EXPECT_EQ(life.error_of(view, "remove"), "expired");
  EXPECT_EQ(view.at("jobs").at("remove").at("error").at("detail"), "the approval has expired");
  EXPECT_EQ(view.at("jobs").at("remove").at("attempts"), 1);
  EXPECT_THAT(life.acted, IsEmpty());
}

TEST(ActionSteps, AnAttemptAfterAFailureAsksAnewAndOneInDoubtIsNotRepeated) {
  Trusted life;
  life.create(removal);
  life.begin();
  const auto fail_with = [&](std::string reason) {
    life.act = [reason](const actions::Asked&) -> base::Task<json::value> {
      co_return base::fail(base::Code::invalid, "it broke", reason);
    };
  };
  fail_with("broken");
  const auto id = life.waiting();
  const auto first = life.asked_by(id);
  EXPECT_TRUE(life.decide(id, true));
  EXPECT_TRUE(life.until([&] {
    const auto now = life.asked_by(id);
    return now != first && now != "";
  }));
  EXPECT_EQ(life.acted.size(), 1u);
  // The first word was for the first attempt.
  EXPECT_EQ(life.view(id).at("jobs").at("remove").at("action").at("state"), "waiting");
  fail_with("unknown_outcome");
  EXPECT_TRUE(life.decide(id, true));
  const auto view = life.ended(id);
  EXPECT_EQ(life.error_of(view, "remove"), "unknown_outcome");
  EXPECT_EQ(view.at("jobs").at("remove").at("attempts"), 2);
  EXPECT_EQ(life.acted.size(), 2u);
}

TEST(ActionSteps, ACancelledRunTakesItsRequestBack) {
  Trusted life;
  life.create(removal);
  life.begin();
  const auto id = life.waiting();
  EXPECT_TRUE(life.run(life.flows->cancel(life.elder, id, workflow::Wish::cancel, "")));
  const auto view = life.ended(id);
  EXPECT_EQ(view.at("result"), "cancelled");
  EXPECT_EQ(view.at("jobs").at("remove").at("action").at("state"), "expired");
  EXPECT_EQ(life.decide(id, true).error().reason, "not_waiting");
  EXPECT_EQ(life.entries("action.withdrawn").size(), 1u);

  // One that is being done ends the run by its end.
  life.act = [&](const actions::Asked& asked) -> base::Task<json::value> {
    co_await life.clock.sleep_until(life.clock.now() + 10s);
    co_return asked.params;
  };
  const auto other = life.waiting();
  EXPECT_TRUE(life.decide(other, true));
  EXPECT_TRUE(life.until([&] { return !life.acted.empty(); }));
  EXPECT_TRUE(life.run(life.flows->cancel(life.elder, other, workflow::Wish::cancel, "")));
  EXPECT_EQ(life.ended(other).at("jobs").at("remove").at("result"), "success");
}

TEST(ActionSteps, WhoLetARunBeginDoesNotDecideOnWhatItAsks) {
  Trusted life;
  life.create(removal);
  life.begin();
  const auto id = life.waiting();
  EXPECT_EQ(life.decide(id, true, {.principal = "key:8", .name = "elder"}).error().reason,
            "own_request");
  const auto nobody = life.run(life.flows->execute(bea, "removal", {}, ""));
  EXPECT_EQ(nobody.error().reason, "no_actions");
  EXPECT_EQ(nobody.error().code, base::Code::denied);

  // However long the chain of those who asked for one another is, and it is not endless.
  Caller next = life.elder;
  for (int depth = 0; depth <= limits::workflow_depth_max; ++depth) {
    const auto begun = life.run(life.flows->execute(next, "removal", {}, ""));
    ASSERT_TRUE(begun) << begun.error().message;
    next.principal = "action:" + begun->run;
    next.behind = "key:8";
    next.within = principal_of_run(begun->run);
    EXPECT_TRUE(life.until([&] { return life.asked_by(begun->run) != ""; }));
    EXPECT_EQ(life.decide(begun->run, true, {.principal = "key:8"}).error().reason, "own_request");
  }
  EXPECT_EQ(life.run(life.flows->execute(next, "removal", {}, "")).error().reason, "too_deep");
}

TEST(ActionSteps, ARunAsksNoLongerThanTheKeyThatBeganItIsGood) {
  for (const auto& [column, why] :
       {std::pair("revoked_at", "has been revoked"), std::pair("expires_at", "has expired")}) {
    Trusted life;
    life.create(removal);
    const auto id = life.execute("removal", {}, life.elder);
    const auto ended = life.run(life.store->write([&](store::Tx& tx) {
      return tx.execute(fmt::format("UPDATE api_keys SET {} = 1 WHERE id = '8'", column), {});
    }));
    EXPECT_TRUE(ended);

    life.begin();
    const auto view = life.ended(id);

    EXPECT_EQ(view.at("result"), "failure");
    EXPECT_EQ(life.error_of(view, "remove"), "key_not_good");
    EXPECT_THAT(std::string(view.at("jobs").at("remove").at("error").at("detail").as_string()),
                HasSubstr(why));
    EXPECT_THAT(life.acted, IsEmpty());
  }
}

TEST(ActionSteps, WhatWaitsForPeopleIsNotDoneOnceTheKeyBehindItIsRevoked) {
  Trusted life;
  life.create(removal);
  life.begin();
  const auto id = life.waiting();
  const auto revoked = life.run(life.store->write([](store::Tx& tx) {
    return tx.execute("UPDATE api_keys SET revoked_at = 1 WHERE id = '8'", {});
  }));
  EXPECT_TRUE(revoked);

  EXPECT_TRUE(life.decide(id, true));
  const auto view = life.ended(id);

  EXPECT_EQ(life.error_of(view, "remove"), "not_allowed");
  EXPECT_THAT(life.acted, IsEmpty());
}

TEST(ActionSteps, CreatingChecksTheActionAndWhatIsKnownOfItsParameters) {
  Life life;
  const auto refused = life.try_create(R"(
name: w
inputs: {x: {type: string}}
jobs:
  a: {uses: action/message.sent}
  b: {uses: action/message.send, with: {to: 7, text: "${{ inputs.x }}"}}
  c: {uses: action/message.send, with: {to: "${{ inputs.x }}"}}
  d: {uses: action/message.send, with: {to: "${{ inputs.x }}", text: hi, urgent: true}}
  e: {uses: action/message.send, with: {to: "${{ inputs.x }}", text: "${{ inputs.x }}"}}
)");
  ASSERT_FALSE(refused);
  std::vector<std::string> lines;
  for (const auto& violation : refused.error().violations) lines.push_back(to_line(violation));
  EXPECT_THAT(lines, ElementsAre(HasSubstr("/jobs/a/uses: there is no action \"message.sent\"; did "
                                           "you mean message.send?"),
                                 HasSubstr("/jobs/b/with/to: "), HasSubstr("/jobs/c/with: "),
                                 HasSubstr("/jobs/d/with/urgent: ")));
}

TEST(ActionSteps, AKilledProgramAsksNobodyTwiceAndDoesNothingTwice) {
  std::string folder = std::filesystem::temp_directory_path() / "actions-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  std::string id;
  std::string asked;
  for (int number = 0; number < 4; ++number) {
    Trusted life(folder + "/flywheel.db");
    if (number == 0) life.create(removal);
    if (number < 3) life.begin();
    if (number == 0) id = life.waiting();
    if (number == 0) asked = life.asked_by(id);
    EXPECT_EQ(life.asked_by(id), asked);
    if (number == 1) {
      // It dies while the action is being done.
      life.act = [&](const actions::Asked&) -> base::Task<json::value> {
        co_await life.clock.sleep_until(base::Instant::max());
        co_return nullptr;
      };
      EXPECT_TRUE(life.decide(id, true));
      EXPECT_TRUE(life.until([&] { return !life.acted.empty(); }));
    }
    if (number == 2) EXPECT_EQ(life.ended(id).at("result"), "success");
    if (number == 3) {
      EXPECT_EQ(life.entries("action.requested").size(), 1u);
      EXPECT_EQ(life.entries("workflow.step_started").size(), 3u);
      EXPECT_EQ(life.view(id).at("jobs").at("remove").at("attempts"), 1);
    }
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace services
