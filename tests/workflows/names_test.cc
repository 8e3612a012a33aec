// What workflows are called by.
#include "tests/workflows/life.h"

namespace services {
namespace {

TEST(WorkflowNames, AnIdCallsTheOneThatHasItWhateverAnotherIsNamed) {
  Life life;
  const Caller bob = Life::caller("2", "bob");
  const auto made = life.try_create("{name: deploy, jobs: {a: {uses: gpt/x}}}", Life::ann, "k");
  ASSERT_TRUE(made) << made.error().message;
  const auto id = std::string(made->view.at("id").as_string());
  const auto named_so = fmt::format("{{name: {}, jobs: {{b: {{uses: gpt/x}}}}}}", id);
  const auto refused = life.try_create(named_so, bob);
  ASSERT_FALSE(refused);
  ASSERT_EQ(refused.error().violations.size(), 1u);
  EXPECT_EQ(refused.error().violations.front().pointer, "/name");

  // One that was named so before names were looked at goes on, and is called by an id of its own.
  const auto other = life.try_create("{name: other, jobs: {b: {uses: gpt/x}}}", bob);
  ASSERT_TRUE(other) << other.error().message;
  ASSERT_TRUE(life.run(life.store->write([&](store::Tx& tx) {
    return tx.execute("UPDATE workflows SET name = $1 WHERE name = 'other'", {id});
  })));
  const auto next = life.try_create(named_so, bob);
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_EQ(next->view.at("id"), other->view.at("id"));
  EXPECT_EQ(life.run(life.flows->view(id))->at("name"), "deploy");
  life.begin();
  EXPECT_EQ(life.ended(life.execute(id)).at("workflow"), "deploy");
  EXPECT_EQ(life.run(life.flows->runs(Life::ann, id, "", "", 10))->items.size(), 1u);
  EXPECT_EQ(
      life.try_create("{name: deploy, jobs: {a: {uses: gpt/x}}}", Life::ann, "k")->view.at("name"),
      "deploy");
  EXPECT_EQ(life.run(life.flows->remove(bob, id)).error().reason, "not_owner");
  ASSERT_TRUE(life.run(life.flows->remove(Life::ann, id)));
  // Nor does its id come to mean the other when it is gone.
  EXPECT_EQ(life.run(life.flows->view(id)).error().code, base::Code::not_found);
  EXPECT_EQ(
      life.try_create("{name: deploy, jobs: {a: {uses: gpt/x}}}", Life::ann, "k").error().reason,
      "workflow_deleted");
  const auto own = std::string(other->view.at("id").as_string());
  EXPECT_EQ(life.run(life.flows->view(own))->at("version"), 2);
}

}  // namespace
}  // namespace services
