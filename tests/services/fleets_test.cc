#include "bridge/services/fleets.h"

#include "bridge/base/limits.h"
#include "bridge/services/agents/agent_limits.h"
#include "bridge/services/keys.h"
#include "tests/services/registry_test.h"
#include "tests/support/virtual_clock.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace services {
namespace {

using agents::Member;
using agents::Mission;
using agents::Status;
using base::Code;
using testing::ElementsAre;

class FleetsTest : public RegistryTest {
 protected:
  FleetsTest() {
    const Agents::Needs needs{.store = *store, .journal = journal, .clock = clock};
    registry.emplace(needs, Agents::Settings());
    fleets.emplace(needs, registry->settings().catalogue);
  }

  void add(std::string name, Status status) {
    ASSERT_TRUE(run(registry->add(
        admin, {.name = std::move(name), .category = "Travel & Commerce", .status = status}, {})));
  }
  Status status(std::string which) { return run(registry->get(std::move(which)))->status; }
  base::Result<Fleets::Sent> deploy(std::string category = "travel-commerce") {
    return run(fleets->deploy(admin, std::move(category), "Book it", {}));
  }
  base::Result<Mission> report(const Mission& mission, std::string agent, agents::Report said) {
    return run(fleets->report(admin, mission.category, mission.id, std::move(agent), said));
  }

  test::VirtualClock clock;
  std::optional<Agents> registry;
  std::optional<Fleets> fleets;
  const Caller admin{.principal = "key:1", .name = "root", .is_admin = true};
};

TEST_F(FleetsTest, TheActiveMembersGoOnAMissionAndComeBack) {
  add("A", Status::active);
  add("B", Status::active);
  add("C", Status::draft);

  const auto mission = deploy("Travel & Commerce")->mission;
  ASSERT_EQ(mission.members.size(), 2u);
  EXPECT_EQ(status("a"), Status::deployed);
  EXPECT_EQ(status("c"), Status::draft);
  EXPECT_EQ(deploy().error().reason, "mission_running");

  EXPECT_EQ(report(mission, "a", {.progress = 50})->progress(), 25);
  EXPECT_EQ(report(mission, "c", {.progress = 50}).error().code, Code::not_found);
  const auto recalled = run(fleets->recall(admin, "travel-commerce"));
  EXPECT_EQ(recalled->state, Mission::State::recalled);
  EXPECT_EQ(status("a"), Status::active);
  EXPECT_EQ(status("b"), Status::active);
  EXPECT_EQ(run(fleets->recall(admin, "travel-commerce")).error().reason, "no_mission");
  EXPECT_EQ(report(mission, "a", {.progress = 60}).error().reason, "mission_over");
  EXPECT_THAT(told("mission."),
              ElementsAre("mission.started", "mission.progressed", "mission.recalled"));
}

TEST_F(FleetsTest, AMissionEndsWithItsLastPart) {
  add("A", Status::active);
  add("B", Status::active);
  add("C", Status::active);
  const auto mission = deploy()->mission;

  EXPECT_EQ(report(mission, "a", {.progress = 100})->state, Mission::State::running);
  EXPECT_EQ(report(mission, "b", {.state = Member::State::failed})->state, Mission::State::running);
  EXPECT_TRUE(run(registry->remove(admin, "c", {})));

  const auto ended = *run(fleets->mission("travel-commerce", mission.id));
  EXPECT_EQ(ended.state, Mission::State::completed);
  EXPECT_EQ(ended.progress(), 50);
  EXPECT_EQ(status("a"), Status::active);
  EXPECT_EQ(told("mission.").back(), "mission.completed");
  EXPECT_TRUE(deploy()) << "the next one may begin";
}

TEST_F(FleetsTest, AMissionThatNobodyHasDoneFails) {
  add("A", Status::active);
  add("B", Status::active);
  const auto mission = deploy()->mission;

  EXPECT_EQ(report(mission, "a", {.state = Member::State::failed})->state, Mission::State::running);
  EXPECT_TRUE(run(registry->remove(admin, "b", {})));

  EXPECT_EQ(run(fleets->mission("travel-commerce", mission.id))->state, Mission::State::failed);
  EXPECT_EQ(status("a"), Status::active);
  EXPECT_EQ(told("mission.").back(), "mission.failed");
  EXPECT_TRUE(deploy()) << "the next one may begin";
}

TEST_F(FleetsTest, WhoIsGivenAnotherStatusByHandLeavesTheMission) {
  add("A", Status::active);
  add("B", Status::active);
  const auto mission = deploy()->mission;

  EXPECT_TRUE(run(registry->change(admin, "a", {.status = Status::standby}, {})));

  const auto seen = *run(fleets->mission("travel-commerce", mission.id));
  EXPECT_EQ(seen.members.at(0).state, Member::State::withdrawn);
  EXPECT_EQ(seen.state, Mission::State::running);
  EXPECT_TRUE(run(fleets->recall(admin, "travel-commerce")));
  EXPECT_EQ(status("a"), Status::standby);
  EXPECT_EQ(status("b"), Status::active);
}

TEST_F(FleetsTest, APartThatIsDoneStaysDoneWhenItsAgentIsCalledAway) {
  add("A", Status::active);
  add("B", Status::active);
  const auto mission = deploy()->mission;
  EXPECT_TRUE(report(mission, "a", {.progress = 100}));

  EXPECT_TRUE(run(registry->change(admin, "a", {.status = Status::standby}, {})));
  EXPECT_EQ(report(mission, "a", {.progress = 50}).error().reason, "mission_over");
  EXPECT_EQ(report(mission, "b", {.state = Member::State::failed})->state,
            Mission::State::completed);

  const auto ended = *run(fleets->mission("travel-commerce", mission.id));
  EXPECT_EQ(ended.members.at(0).state, Member::State::done);
  EXPECT_EQ(status("a"), Status::standby);
}

TEST_F(FleetsTest, WhoWasSentOnAnotherMissionLeavesThatOneToo) {
  for (const auto& [first, second] : {std::pair("Alps", "Zoo"), std::pair("Zoo", "Alps")}) {
    const auto name = std::string("Mover of ") + first;
    const auto change = [&](agents::Facts facts) {
      EXPECT_TRUE(run(registry->change(admin, name, std::move(facts), {})));
    };
    for (const auto& one : {name, std::string("Stayer of ") + first}) {
      EXPECT_TRUE(run(
          registry->add(admin, {.name = one, .category = first, .status = Status::active}, {})));
    }
    const auto left = deploy(first)->mission;
    change({.status = Status::standby});
    change({.category = second, .status = Status::active});
    const auto joined = deploy(second)->mission;
    ASSERT_EQ(joined.members.size(), 1u);

    change({.status = Status::standby});

    EXPECT_EQ(run(fleets->mission(second, joined.id))->state, Mission::State::failed);
    EXPECT_EQ(run(fleets->mission(first, left.id))->state, Mission::State::running);
    EXPECT_TRUE(run(fleets->recall(admin, first)));
    EXPECT_TRUE(run(registry->remove(admin, name, {})));
    EXPECT_TRUE(run(registry->remove(admin, std::string("Stayer of ") + first, {})));
  }
}

TEST_F(FleetsTest, TheEndOfAMissionCallsNobodyBackFromAnother) {
  add("A", Status::active);
  add("B", Status::active);
  const auto first = deploy()->mission;
  EXPECT_TRUE(report(first, "a", {.progress = 100}));
  EXPECT_TRUE(run(registry->change(admin, "a", {.status = Status::standby}, {})));
  EXPECT_TRUE(run(registry->change(admin, "a", {.category = "Zoo", .status = Status::active}, {})));
  const auto second = deploy("zoo")->mission;

  EXPECT_TRUE(run(fleets->recall(admin, "travel-commerce")));

  EXPECT_EQ(status("a"), Status::deployed);
  EXPECT_EQ(status("b"), Status::active);
  EXPECT_EQ(report(second, "a", {.progress = 100})->state, Mission::State::completed);
  EXPECT_EQ(status("a"), Status::active);
}

TEST_F(FleetsTest, AFileDoesNotCallAnybodyBack) {
  add("A", Status::active);
  EXPECT_TRUE(deploy());
  EXPECT_TRUE(run(registry->import(
      admin, {{.name = "A", .category = "Travel & Commerce", .status = Status::active}}, {})));
  EXPECT_EQ(status("a"), Status::deployed);
}

TEST_F(FleetsTest, AFleetWhoseCategoryIsRenamedIsThereUntilItsMissionEnds) {
  const auto import = [&](std::string category) {
    return run(registry->import(
        admin, {{.name = "A", .category = std::move(category), .status = Status::active}}, {}));
  };
  const auto keys = [&] {
    std::vector<std::string> all;
    for (const auto& fleet : *run(fleets->list())) all.push_back(fleet.key);
    return all;
  };
  EXPECT_TRUE(import("Zoo"));
  const auto mission = deploy("zoo")->mission;

  EXPECT_TRUE(import("Wild Life"));

  EXPECT_THAT(keys(), testing::IsSupersetOf({"wild-life", "zoo"}));
  const auto left = run(fleets->get("ZOO"));
  ASSERT_TRUE(left);
  EXPECT_EQ(left->category, "Zoo");
  EXPECT_EQ(left->mission->id, mission.id);
  EXPECT_EQ(run(fleets->missions("zoo", "", 10))->missions.size(), 1u);
  EXPECT_EQ(deploy("wild-life").error().reason, "no_active_member") << "it is still away";
  EXPECT_EQ(run(fleets->recall(admin, "zoo"))->state, Mission::State::recalled);
  EXPECT_EQ(status("a"), Status::active);
  EXPECT_TRUE(deploy("wild-life"));
  EXPECT_THAT(keys(), testing::Not(testing::Contains("zoo")));
  EXPECT_EQ(run(fleets->missions("zoo", "", 10))->missions.size(), 1u) << "it is told still";
  EXPECT_EQ(deploy("zoo").error().code, Code::not_found);
  EXPECT_EQ(run(fleets->missions("moon", "", 10)).error().code, Code::not_found);
}

TEST_F(FleetsTest, APageOfLongMissionsEndsBeforeItsLimitAndTheNextGoesOn) {
  // Eight that together are twice as long as a page.
  const auto written = run(store->write([](store::Tx& tx) -> base::Result<> {
    TRY_OK(tx.execute(R"sql(
      WITH RECURSIVE numbers (number) AS (
        SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 8
      )
      INSERT INTO missions (id, category, category_key, objective, state, creator, created_at)
      SELECT 'm-' || number, 'Zoo', 'zoo', 'Feed it', 'completed', 'key:1', number FROM numbers
    )sql"));
    TRY_OK(tx.execute(R"sql(
      WITH RECURSIVE numbers (number) AS (
        SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < $1
      )
      INSERT INTO mission_members (mission, agent, slug, name, state, progress, note, changed_at)
      SELECT m.id, 'a-' || number, 'a-' || number, 'A', 'done', 100, $2, 0
      FROM missions m, numbers
    )sql",
                      {limits::list_part_bytes / 4 / limits::mission_text_bytes_max + 1,
                       std::string(limits::mission_text_bytes_max, 'x')}));
    return {};
  }));
  ASSERT_TRUE(written) << written.error().message;
  const auto page = [&](const std::string& before, std::size_t limit) {
    const auto found = run(fleets->missions("zoo", before, limit));
    std::vector<std::string> ids;
    for (const auto& mission : found->missions) ids.push_back(mission.id);
    if (!found->is_end) ids.emplace_back("more");
    return ids;
  };
  EXPECT_THAT(page("", 500), ElementsAre("m-8", "m-7", "m-6", "m-5", "more"));
  EXPECT_THAT(page("m-5", 500), ElementsAre("m-4", "m-3", "m-2", "m-1"));
  EXPECT_THAT(page("m-5", 1), ElementsAre("m-4", "more"));
}

TEST_F(FleetsTest, AnEmptyFleetGoesNowhere) {
  EXPECT_EQ(deploy("core").error().reason, "empty_fleet");
  EXPECT_EQ(deploy("nowhere").error().code, Code::not_found);
  add("A", Status::draft);
  EXPECT_EQ(deploy().error().reason, "no_active_member");
  EXPECT_TRUE(run(fleets->missions("travel-commerce", "", 10))->missions.empty())
      << "nothing is half done";
}

TEST_F(FleetsTest, EveryEcosystemIsAFleetAndSoIsEveryOtherCategory) {
  EXPECT_TRUE(run(registry->add(admin, {.name = "Z", .category = "Zoo"}, {})));
  std::vector<std::string> keys;
  for (const auto& fleet : *run(fleets->list())) keys.push_back(fleet.key);
  EXPECT_THAT(keys, ElementsAre("atlas", "aegis", "travel-commerce", "creative", "commerce",
                                "sentinel", "core", "experimental", "zoo"));
}

TEST_F(FleetsTest, ABoundCallerReportsForItselfAlone) {
  add("A", Status::active);
  add("B", Status::active);
  const auto mission = deploy()->mission;
  const Caller own{.principal = "key:2", .name = "A", .agent = "A"};

  const auto say = [&](std::string agent) {
    return run(
        fleets->report(own, mission.category, mission.id, std::move(agent), {.progress = 10}));
  };
  EXPECT_TRUE(say(""));
  EXPECT_TRUE(say("a"));
  EXPECT_EQ(say("b").error().code, Code::denied);
  EXPECT_EQ(run(fleets->recall(own, "travel-commerce")).error().code, Code::denied);
}

}  // namespace
}  // namespace services
