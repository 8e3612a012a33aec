#include "bridge/services/agents.h"

#include "bridge/engine/schema.h"
#include "bridge/services/agents/agent_limits.h"
#include "bridge/services/keys.h"
#include "bridge/store/sqlite_store.h"
#include "tests/support/virtual_clock.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace services {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using agents::Facts;
using agents::Liveness;
using agents::Status;
using agents::Tier;
using base::Code;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class AgentsTest : public testing::Test {
 protected:
  AgentsTest() {
    std::vector<store::Migration> steps;
    for (const auto part : {engine::migrations(), key_migrations(), agents::migrations()}) {
      steps.insert(steps.end(), part.begin(), part.end());
    }
    auto opened = store::SqliteStore::open({.path = ":memory:"}, loop.get_executor(), steps);
    BRIDGE_ASSERT(opened);
    store = *std::move(opened);
    registry.emplace(Agents::Needs{.store = *store, .journal = journal, .clock = clock},
                     Agents::Settings());
    keys.emplace(*store, journal, clock);
  }

  template <class T>
  T run(boost::asio::awaitable<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr error, T value) {
      BRIDGE_ASSERT(!error);
      result.emplace(std::move(value));
    });
    loop.restart();
    loop.run();
    return *std::move(result);
  }

  agents::Agent added(Facts facts) {
    auto done = run(registry->add(admin, std::move(facts), {}));
    EXPECT_TRUE(done) << (done ? "" : done.error().message);
    return done->agent;
  }
  // The slug of who answers to this, or "".
  std::string answers(std::string which) {
    const auto found = run(registry->get(std::move(which)));
    return found ? found->slug : "";
  }
  std::vector<std::string> told(std::string type = {}) {
    std::vector<std::string> types;
    const auto page =
        run(store->read([&](store::Tx& tx) { return journal.page(tx, 0, 500, {.type = type}); }));
    for (const auto& entry : page->entries) types.push_back(entry.type);
    return types;
  }
  agents::Beaten beat(std::string which, std::string status = {}) {
    auto beaten = run(registry->beat(admin, std::move(which), std::move(status), {}));
    EXPECT_TRUE(beaten) << (beaten ? "" : beaten.error().message);
    return *beaten;
  }
  int sweep() {
    return *run(store->write(
        [&](store::Tx& tx) { return agents::sweep({tx, journal, clock.wall(), "bridge"}, {}); }));
  }

  boost::asio::io_context loop;
  test::VirtualClock clock;
  engine::Journal journal;
  std::unique_ptr<store::SqliteStore> store;
  std::optional<Agents> registry;
  std::optional<Keys> keys;
  const Caller admin{.principal = "key:1", .name = "root", .is_admin = true};
};

TEST_F(AgentsTest, OneIsFoundByIdSlugNameAndAliasButNeverByAPartOfThem) {
  const auto agent = added({.name = "Aeromax Optimizer", .aliases = {{"the optimizer"}}});

  EXPECT_EQ(agent.slug, "aeromax-optimizer");
  for (const auto& word : {agent.id, agent.slug, agent.name, agent.aliases.front()}) {
    EXPECT_EQ(answers(word), agent.slug) << word;
  }
  for (const auto* part : {"aero", "aeromax", "Aeromax", "optimizer", "aeromax optimizer", ""}) {
    EXPECT_EQ(answers(part), "") << part;
  }
  EXPECT_EQ(answers(agent.id.substr(0, 12)), "");
}

TEST_F(AgentsTest, ASlugIsMadeOfTheNamesLettersAndIsNobodyElses) {
  EXPECT_EQ(added({.name = "R&D / Lab \u2014 One"}).slug, "r-d-lab-one");
  EXPECT_EQ(added({.name = "r d lab one"}).slug, "r-d-lab-one-2");
  EXPECT_EQ(added({.name = "R D (Lab) One"}).slug, "r-d-lab-one-3");
  EXPECT_EQ(added({.name = "\u2014"}).slug, "agent");
  // A path that means something else.
  EXPECT_EQ(added({.name = "Stats"}).slug, "stats-2");
}

TEST_F(AgentsTest, WhatOneAnswersToNobodyElseMayTake) {
  added({.name = "Culture Code", .aliases = {{"cc"}}});
  const auto other = added({.name = "Other"});

  const auto named = run(registry->add(admin, {.name = "Culture Code"}, {}));
  EXPECT_EQ(named.error().reason, "name_taken");
  EXPECT_EQ(named.error().violations.at(0).pointer, "/name");
  for (const auto* word : {"cc", "culture-code", "Culture Code"}) {
    const auto aliased = run(registry->add(admin, {.name = "New", .aliases = {{word}}}, {}));
    EXPECT_EQ(aliased.error().reason, "alias_taken") << word;
    const auto changed = run(registry->change(admin, other.slug, {.aliases = {{word}}}, {}));
    EXPECT_EQ(changed.error().reason, "alias_taken") << word;
  }
  const auto renamed = run(registry->change(admin, other.slug, {.name = "cc"}, {}));
  EXPECT_EQ(renamed.error().reason, "name_taken");
  EXPECT_EQ(added({.name = "CC"}).slug, "cc-2") << "a slug must not hide an alias";
}

}  // namespace
}  // namespace services
