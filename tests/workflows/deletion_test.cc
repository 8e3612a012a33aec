// Workflows that are deleted.
#include "bridge/services/workflows/workflow_limits.h"
#include "tests/workflows/life.h"

namespace services {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(WorkflowDeletion, OneThatIsDeletedIsGoneAndItsRunsStay) {
  Life life;
  const Caller bob = Life::caller("2", "bob");
  const std::string yaml = "{name: w, jobs: {a: {uses: gpt/x}}}";
  const auto made = life.try_create(yaml, Life::ann, "k");
  ASSERT_TRUE(made);
  const auto workflow = std::string(made->view.at("id").as_string());
  const auto id = life.execute("w");
  EXPECT_EQ(life.run(life.flows->remove(Life::ann, "w")).error().reason, "wrong_state");
  life.begin();
  life.ended(id);
  EXPECT_EQ(life.run(life.flows->remove(bob, "w")).error().reason, "not_owner");
  ASSERT_TRUE(life.run(life.flows->remove(Life::ann, workflow.substr(0, 13))));

  for (const auto& which : {std::string("w"), workflow}) {
    EXPECT_EQ(life.run(life.flows->view(which)).error().code, base::Code::not_found);
    EXPECT_EQ(life.run(life.flows->remove(Life::ann, which)).error().code, base::Code::not_found);
    EXPECT_EQ(life.run(life.flows->execute(Life::ann, which, {}, "")).error().code,
              base::Code::not_found);
  }
  EXPECT_THAT(life.run(life.flows->list("", 10))->items, IsEmpty());
  EXPECT_EQ(life.view(id).at("workflow"), "w");
  EXPECT_THAT(Life::results(life.view(id)), ElementsAre("a=success"));
  const auto told = life.entries("workflow.deleted");
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told.front().subject, workflow);
  EXPECT_EQ(told.front().actor, Life::ann.principal);
  EXPECT_EQ(life.try_create(yaml, Life::ann, "k").error().reason, "workflow_deleted");

  // The name is anybody's.
  const auto next = life.try_create(yaml, bob);
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_TRUE(next->is_new);
  EXPECT_EQ(next->view.at("version"), 2);
  EXPECT_EQ(next->view.at("created_by"), json::value(bob.principal));
  EXPECT_EQ(life.try_create(yaml, Life::ann).error().reason, "not_owner");
  EXPECT_EQ(life.view(id).at("version"), 1);
  EXPECT_EQ(life.ended(life.execute("w")).at("version"), 2);
}

TEST(WorkflowDeletion, WhereThereAreTooManyOneIsDeletedForTheNext) {
  Life life;
  ASSERT_TRUE(life.run(life.store->write([](store::Tx& tx) {
    return tx.execute(R"sql(
      INSERT INTO workflows (id, name, version, creator, created_at, updated_at)
      WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < $1)
      SELECT 'id-' || i, 'w' || i, 1, 'key:1', 0, 0
      FROM numbers
    )sql",
                      {limits::workflows_max});
  })));
  const std::string_view yaml = "{name: one-more, jobs: {a: {uses: gpt/x}}}";
  EXPECT_EQ(life.try_create(yaml).error().reason, "too_many");
  ASSERT_TRUE(life.run(life.flows->remove(Life::ann, "w7")));
  EXPECT_TRUE(life.try_create(yaml));
  // Nor does a name come back where there is no room for it.
  EXPECT_EQ(life.try_create("{name: w7, jobs: {a: {uses: gpt/x}}}").error().reason, "too_many");
}

}  // namespace
}  // namespace services
