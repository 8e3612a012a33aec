// Workflows and runs as people and programs see them. Internal to Workflows.
#pragma once

#include "bridge/services/workflows/run_world.h"
#include "bridge/services/workflows/workflow_rows.h"

namespace services::workflow_views {

// What lists hold.
base::json::object brief(const workflow_rows::Workflow& workflow);
base::json::object brief(const workflow_rows::Run& run);

// With its newest definition.
base::Result<base::json::object> whole(store::Tx& tx, const workflow_rows::Workflow& workflow);
// With how its runs ended, and the newest of them; of those that are `only` somebody's.
base::Result<base::json::object> status(store::Tx& tx, const workflow_rows::Workflow& workflow,
                                        const std::optional<workflow_rows::Beginner>& only);
// With its inputs, every job and what they gave, as far as that is not too much for one answer.
base::Result<base::json::object> whole(RunWorld& world, store::Tx& tx);
// One job that waits for a person, for a list of these.
base::Result<base::json::object> waiting(RunWorld& world, std::size_t number);
// One job of a run, with what it was or will be given and what it gave.
base::Result<base::json::object> step(RunWorld& world, store::Tx& tx, std::size_t number);

}  // namespace services::workflow_views
