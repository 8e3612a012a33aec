// What a store that an older program wrote becomes.
#include "bridge/services/workflows/workflow_rows.h"
#include "tests/store/fixture.h"

#include <array>

namespace services {
namespace {

TEST(WorkflowUpgrade, ARunFromBeforeKeysWereNotedIsHeldToWhoBeganIt) {
  const store::Folder folder;
  boost::asio::io_context loop;
  const store::SqliteOptions options{.path = folder / "store.db", .ballast_bytes = 0};
  const auto steps = workflow_migrations();
  const auto old = steps.first(2);
  {
    const auto store = store::SqliteStore::open(options, loop.get_executor(), old);
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_TRUE(write_one(loop, **store, R"sql(
      INSERT INTO workflows (id, name, version, creator, created_at, updated_at)
      VALUES ('flow', 'report', 1, 'key:ann', 0, 0)
    )sql"));
    for (const auto& [id, behind] : {std::array{"old", ""}, std::array{"told", "key:bob"}}) {
      ASSERT_TRUE(write_one(loop, **store, R"sql(
        INSERT INTO workflow_runs (
          id, workflow, version, creator, sender, for_others, agent, request_hash, steps,
          parallel_max, unfinished, running, ready, failed, cancelled, wish, result, error,
          created_at, behind
        )
        VALUES ($1, 'flow', 1, 'key:ann', 'ann', 0, '', '', 1, 1, 1, 0, 0, 0, 0, 0, '', '', 0, $2)
      )sql",
                            {id, behind}));
    }
  }
  const auto store = store::SqliteStore::open(options, loop.get_executor(), steps);
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(rows_of(loop, **store, "SELECT id, behind FROM workflow_runs ORDER BY id"),
            (std::vector<store::Row>{{"old", "key:ann"}, {"told", "key:bob"}}));
}

}  // namespace
}  // namespace services
