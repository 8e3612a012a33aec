// What a store that an older program wrote becomes.
#include "bridge/services/schedules.h"
#include "bridge/services/workflows/workflow_rows.h"
#include "tests/store/fixture.h"

#include <array>
#include <vector>

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

TEST(ScheduleUpgrade, AnOldScheduleKeepsTheVersionThatWasThereWhenItWasMade) {
  const store::Folder folder;
  boost::asio::io_context loop;
  const store::SqliteOptions options{.path = folder / "store.db", .ballast_bytes = 0};
  const auto flows = workflow_migrations();
  const auto own = schedule_migrations();
  std::vector<store::Migration> steps(flows.begin(), flows.end());
  steps.insert(steps.end(), own.begin(), own.begin() + 2);
  {
    const auto store = store::SqliteStore::open(options, loop.get_executor(), steps);
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_TRUE(write_one(loop, **store, R"sql(
      INSERT INTO workflows (id, name, version, creator, created_at, updated_at)
      VALUES ('0197c2aa-1', 'report', 3, 'key:ann', 10, 30), ('0197c2bb-1', 'late', 1, '', 90, 90)
    )sql"));
    ASSERT_TRUE(write_one(loop, **store, R"sql(
      INSERT INTO workflow_versions (workflow, version, document, hash, output_reads, creator,
                                     request_hash, created_at)
      VALUES ('0197c2aa-1', 1, '{}', '', '[]', 'key:ann', '', 10),
             ('0197c2aa-1', 2, '{}', '', '[]', 'key:bob', '', 20),
             ('0197c2aa-1', 3, '{}', '', '[]', 'key:bob', '', 30),
             ('0197c2bb-1', 1, '{}', '', '[]', '', '', 90)
    )sql"));
    // Called by name, by a part of an id that means one, and by one that means two; a packet.
    for (const auto& [id, workflow] :
         {std::array{"a", "report"}, std::array{"b", "0197c2aa"}, std::array{"c", "0197c2"},
          std::array{"d", "late"}, std::array{"e", ""}}) {
      ASSERT_TRUE(write_one(loop, **store, R"sql(
        INSERT INTO schedules (id, rule, zone, start_at, band, paused, creator, request_hash,
                               created_at, done_at, runs, generation, workflow, inputs)
        VALUES ($1, 'every 1h', 'UTC', 0, 2, 0, 'key:ann', '', 25, 25, 0, 1, NULLIF($2, ''), '{}')
      )sql",
                            {id, workflow}));
    }
  }
  steps.push_back(own[2]);
  const auto store = store::SqliteStore::open(options, loop.get_executor(), steps);
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(
      rows_of(loop, **store,
              "SELECT id, coalesce(workflow, ''), workflow_version FROM schedules ORDER BY id"),
      (std::vector<store::Row>{{"a", "report", 2},
                               {"b", "report", 2},
                               {"c", "0197c2", 0},
                               {"d", "late", 0},
                               {"e", "", 0}}));
}

}  // namespace
}  // namespace services
