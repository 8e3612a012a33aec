// Schedules that begin runs, with the same care as they hand packets in.
#include "bridge/services/workflows/scheduled.h"

#include "tests/workflows/life.h"

namespace services {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class NoSession final : public chat::Session {
 public:
  chat::SessionView account() const override { return {}; }
  std::vector<chat::SessionView> conversations() const override { return {}; }
  base::Task<chat::SessionView> check() override { co_return chat::SessionView{}; }
  base::Task<std::string> screenshot() override { co_return std::string(); }
  base::Task<chat::Inspection> inspect(std::string) override { co_return chat::Inspection{}; }
  base::Task<> show_window() override { co_return base::Result<>(); }
  base::Task<> hide_window() override { co_return base::Result<>(); }
};

struct Timed : Life {
  Timed() {
    build();
    create(R"(
name: report
inputs: {city: {type: string}}
jobs:
  a: {uses: gpt/x, with: {query: "${{ inputs.city }}"}}
)");
  }
  ~Timed() { end(); }
  // A new life of the schedules on the same store.
  void build() {
    schedules.emplace(loop.get_executor(), Schedules::Needs{.store = *store,
                                                            .queue = *queue,
                                                            .journal = journal,
                                                            .timeline = timeline,
                                                            .clock = clock,
                                                            .packets = *packets,
                                                            .session = session,
                                                            .flows = starts_of(*flows)});
  }
  void begin_all() {
    begin();
    BRIDGE_ASSERT(run(schedules->start(*tasks)));
  }
  protocol::Checked<Schedules::Created> try_schedule(WorkflowCall call, Caller who = ann) {
    NewSchedule asked{.name = "hourly", .interval = "1h", .flow = std::move(call)};
    return run(schedules->create(std::move(who), std::move(asked)));
  }
  void schedule(json::object inputs = {{"city", "Rome"}}) {
    const auto made = try_schedule({"report", std::move(inputs)});
    ASSERT_TRUE(made) << made.error().message;
  }
  std::vector<json::object> flow_runs() {
    const auto page = run(flows->runs(ann, "report", "", "", 100));
    std::vector<json::object> found;
    for (const auto& item : page->items) found.push_back(item.as_object());
    return found;
  }
  std::vector<std::string> outcomes() {
    std::vector<std::string> found;
    const auto id = run(schedules->get("hourly"))->id;
    const auto all = run(schedules->runs(id, 100));
    for (const auto& one : *all) found.push_back(one.outcome);
    return found;
  }

  NoSession session;
  std::optional<Schedules> schedules;
};

TEST(Scheduled, AWorkflowIsBegunAtItsTimeInTheSchedulesName) {
  Timed life;
  life.schedule();
  life.begin_all();
  life.pass(1h + 1min);
  ASSERT_THAT(life.flow_runs(), SizeIs(1));
  const auto view = life.ended(std::string(life.flow_runs().at(0).at("id").as_string()));
  EXPECT_EQ(view.at("result"), "success");
  EXPECT_EQ(view.at("jobs").at("a").at("outputs").at("text"), "Rome");
  const auto schedule = *life.run(life.schedules->get("hourly"));
  EXPECT_EQ(view.at("created_by"), json::value("schedule:" + schedule.id));
  EXPECT_EQ(schedule.last->outcome, "started");
  EXPECT_EQ(schedule.last->flow, std::string(view.at("id").as_string()));
  EXPECT_EQ(life.entries("schedule.ran").at(0).thread, schedule.last->flow);
}

TEST(Scheduled, MissedRunsAreMadeUpForByOneAndNoneBeginsTwice) {
  Timed life;
  life.schedule();
  // Nobody works for five hours.
  life.clock.advance_to(life.clock.now() + 5h + 1min);
  life.begin_all();
  life.pass(1min);
  EXPECT_THAT(life.flow_runs(), SizeIs(1));
  // Another life at the same time has nothing to do.
  life.end();
  life.build();
  life.begin_all();
  life.pass(1min);
  EXPECT_THAT(life.flow_runs(), SizeIs(1));
  EXPECT_THAT(life.outcomes(), ElementsAre("started"));
}

TEST(Scheduled, ARunIsSkippedWhileTheOneBeforeGoesOn) {
  Timed life;
  life.schedule();
  EXPECT_TRUE(life.run(life.store->write(
      [&](store::Tx& tx) { return life.queue->pause(tx, life.names[0], "a test"); })));
  life.begin_all();
  life.pass(2h + 1min);
  EXPECT_THAT(life.flow_runs(), SizeIs(1));
  EXPECT_THAT(life.outcomes(), ElementsAre("skipped", "started"));
  EXPECT_TRUE(life.run(
      life.store->write([&](store::Tx& tx) { return life.queue->resume(tx, life.names[0]); })));
  life.pass(1h);
  EXPECT_THAT(life.outcomes(), ElementsAre("started", "skipped", "started"));
}

TEST(Scheduled, OneThatCannotBeginSaysWhyAndStaysForTheNextTime) {
  Timed life;
  life.schedule();
  life.create("{name: report, inputs: {town: {type: string}}, jobs: {a: {uses: gpt/x}}}");
  life.begin_all();
  life.pass(1h + 1min);
  EXPECT_THAT(life.flow_runs(), IsEmpty());
  const auto schedule = *life.run(life.schedules->get("hourly"));
  EXPECT_EQ(schedule.last->outcome, "failed");
  EXPECT_THAT(schedule.last->detail, HasSubstr("/inputs/"));
  EXPECT_TRUE(schedule.next.has_value());
}

constexpr std::string_view other_report =
    "{name: report, inputs: {city: {type: string}}, jobs: {a: {uses: gpt/x, with: {query: "
    "other}}}}";

// Somebody who may make versions of anybody's workflows.
Caller operator_of_all() {
  Caller bob = Life::caller("8", "bob");
  bob.may_send_for_others = true;
  return bob;
}

TEST(Scheduled, ANewerVersionIsTakenFromWhoMadeTheScheduleAndFromNobodyElse) {
  Timed life;
  life.schedule();
  EXPECT_EQ(life.run(life.schedules->get("hourly"))->flow->version, 1);
  const auto foreign = life.try_create(other_report, operator_of_all());
  ASSERT_TRUE(foreign);
  EXPECT_EQ(foreign->view.at("version"), 2);
  life.begin_all();
  life.pass(1h + 1min);
  ASSERT_THAT(life.flow_runs(), SizeIs(1));
  EXPECT_EQ(life.flow_runs().at(0).at("version"), 1);
  EXPECT_EQ(life.run(life.schedules->get("hourly"))->flow->version, 1);
  EXPECT_EQ(life.run(life.schedules->run_now("hourly", "k", "bob"))->run.outcome, "started");
  EXPECT_EQ(life.flow_runs().at(0).at("version"), 1);
  life.pass(1min);

  life.create(
      "{name: report, inputs: {city: {type: string}}, jobs: {a: {uses: gpt/x}, b: {uses: gpt/x}}}");
  ASSERT_TRUE(life.try_create(other_report, operator_of_all()));
  life.pass(1h);
  ASSERT_THAT(life.flow_runs(), SizeIs(3));
  EXPECT_EQ(life.flow_runs().at(0).at("version"), 3);
  EXPECT_EQ(life.run(life.schedules->get("hourly"))->flow->version, 3);
}

TEST(Scheduled, AnAdministratorMayHaveItTakeTheNewestVersion) {
  using Version = Schedules::Version;
  Timed life;
  life.schedule();
  ASSERT_TRUE(life.try_create(other_report, operator_of_all()));
  const auto version = [&] { return life.run(life.schedules->get("hourly"))->flow->version; };
  // Who resumes it has not looked at the workflow.
  EXPECT_TRUE(life.run(life.schedules->pause("hourly", "key:9")));
  EXPECT_TRUE(life.run(life.schedules->resume("hourly", life.elder, Version::kept)));
  EXPECT_EQ(version(), 1);
  const auto denied =
      life.run(life.schedules->resume("hourly", operator_of_all(), Version::newest));
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().reason, "not_admin");
  EXPECT_EQ(version(), 1);
  EXPECT_TRUE(life.run(life.schedules->resume("hourly", life.elder, Version::newest)));
  EXPECT_EQ(version(), 2);
  EXPECT_EQ(life.entries("schedule.resumed").back().data.at("workflow_version"), 2);
  // One that does not take the inputs is no good for it.
  ASSERT_TRUE(life.try_create("{name: report, jobs: {a: {uses: gpt/x}}}", operator_of_all()));
  EXPECT_FALSE(life.run(life.schedules->resume("hourly", life.elder, Version::newest)));
  EXPECT_EQ(version(), 2);
  life.begin_all();
  life.pass(1h + 1min);
  ASSERT_THAT(life.flow_runs(), SizeIs(1));
  EXPECT_EQ(life.flow_runs().at(0).at("version"), 2);
}

TEST(Scheduled, AWorkflowThatIsCalledLikeAPartOfAnIdIsNotMistakenForIt) {
  Timed life;
  const auto id = std::string(life.run(life.flows->view("report"))->at("id").as_string());
  const auto part = id.substr(0, 18);
  ASSERT_TRUE(life.try_schedule({part, {{"city", "Rome"}}}));
  EXPECT_EQ(life.run(life.schedules->get("hourly"))->flow->workflow, "report");
  ASSERT_TRUE(life.try_create(
      fmt::format("{{name: {}, inputs: {{city: {{}}}}, jobs: {{a: {{uses: gpt/x}}}}}}", part),
      operator_of_all()));
  life.begin_all();
  life.pass(1h + 1min);
  ASSERT_THAT(life.flow_runs(), SizeIs(1));
  EXPECT_EQ(life.flow_runs().at(0).at("workflow"), "report");
}

TEST(Scheduled, AWorkflowThatIsNamedLikeAnIdIsNotMistakenForIt) {
  Timed life;
  const auto id = std::string(life.run(life.flows->view("report"))->at("id").as_string());
  life.create("{name: other, jobs: {a: {uses: gpt/x}}}");
  ASSERT_TRUE(life.run(life.store->write([&](store::Tx& tx) {
    return tx.execute("UPDATE workflows SET name = $1 WHERE name = 'other'", {id});
  })));
  const auto made = life.try_schedule({id, {{"city", "Rome"}}});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->schedule.flow->workflow, "report");
}

TEST(Scheduled, NothingIsBegunForAKeyThatIsNoLongerGood) {
  Timed life;
  life.schedule();
  ASSERT_TRUE(life.run(life.store->write([](store::Tx& tx) {
    return tx.execute("UPDATE api_keys SET revoked_at = 1 WHERE id = '1'");
  })));
  life.begin_all();
  life.pass(1h + 1min);
  EXPECT_THAT(life.flow_runs(), IsEmpty());
  EXPECT_THAT(life.run(life.schedules->get("hourly"))->last->detail, HasSubstr("been revoked"));
}

TEST(Scheduled, AWorkflowThatAScheduleBeginsIsNotDeleted) {
  Timed life;
  life.schedule();
  const auto refused = life.run(life.flows->remove(Life::ann, "report"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "is_scheduled");
  EXPECT_THAT(refused.error().message, HasSubstr("schedule hourly begins it"));
  ASSERT_TRUE(life.run(life.schedules->remove("hourly", "ann")));
  EXPECT_TRUE(life.run(life.flows->remove(Life::ann, "report")));
  EXPECT_EQ(life.try_schedule({"report", {{"city", "Rome"}}}).error().violations.at(0).pointer,
            "/workflow");
}

TEST(Scheduled, NowIsBegunOnceForAKey) {
  Timed life;
  life.schedule();
  const auto first = *life.run(life.schedules->run_now("hourly", "k", "ann"));
  const auto again = *life.run(life.schedules->run_now("hourly", "k", "ann"));
  EXPECT_EQ(first.run.outcome, "started");
  EXPECT_EQ(again.run.flow, first.run.flow);
  EXPECT_FALSE(first.is_replay);
  EXPECT_TRUE(again.is_replay);
  EXPECT_THAT(life.flow_runs(), SizeIs(1));
  EXPECT_THAT(life.outcomes(), SizeIs(1));
}

TEST(Scheduled, MakingOneIsRefusedWithThePlace) {
  Timed life;
  const auto pointer = [&](WorkflowCall call) {
    const auto refused = life.try_schedule(std::move(call));
    return refused ? "" : refused.error().violations.at(0).pointer;
  };
  EXPECT_EQ(pointer({"nothing"}), "/workflow");
  EXPECT_EQ(pointer({"report", {{"city", 7}}}), "/inputs/city");
  EXPECT_EQ(pointer({"report", {{"city", "Rome"}, {"x", 1}}}), "/inputs/x");
  // Who may not ask for actions lets no schedule ask.
  life.create("{name: acts, jobs: {a: {uses: action/message.send, with: {to: a, text: b}}}}");
  const auto denied = life.try_schedule({"acts"}, {.principal = "key:2", .name = "bea"});
  EXPECT_EQ(denied.error().reason, "no_actions");
  EXPECT_TRUE(life.try_schedule({"acts"}));
}

}  // namespace
}  // namespace services
