// Schedules and their runs as rows. Internal to Schedules.
#pragma once

#include "bridge/services/schedules.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace services::schedule_rows {

// Not found: nothing.
base::Result<std::optional<Schedule>> with_id(store::Tx& tx, const std::string& id);
// See Schedules::get.
base::Result<Schedule> find(store::Tx& tx, const std::string& which);
// The one that this request made. conflict, reason idempotency_mismatch.
base::Result<std::optional<Schedule>> of_request(store::Tx& tx, const std::string& creator,
                                                 const NewSchedule& asked);
// conflict, reason name_taken or too_many.
base::Result<> insert(store::Tx& tx, const Schedule& schedule, const NewSchedule& asked,
                      std::int64_t generation);
base::Result<> remove(store::Tx& tx, const std::string& id);
// The newest first, as Tx::query_part ends them.
base::Result<store::Part<Schedule>> list(store::Tx& tx, const std::string& before,
                                         std::size_t limit);

// Those with something to do at `now`, and those that believe in a later time than this.
base::Result<std::vector<Schedule>> due(store::Tx& tx, base::WallTime now);
// When the next one is due.
base::Result<std::optional<base::WallTime>> next(store::Tx& tx);
// Those that were last seen in another generation of the store.
base::Result<std::vector<Schedule>> of_other_generations(store::Tx& tx, std::int64_t generation);
// Writes start, is_paused, done and next.
base::Result<> set_times(store::Tx& tx, const Schedule& schedule, std::int64_t generation);
// Writes which version of which workflow it begins.
base::Result<> set_flow(store::Tx& tx, const Schedule& schedule);

// The run that was asked for under this key, if it is still kept; nothing for an empty one.
base::Result<std::optional<ScheduleRun>> run_of_key(store::Tx& tx, const std::string& id,
                                                    const std::string& key);
// An empty one is not kept.
base::Result<> keep_key(store::Tx& tx, const std::string& id, const std::string& key,
                        std::int64_t number);
// Adds the run under the schedule's next number, which is returned, and forgets old ones, with the
// keys under which they were asked for.
base::Result<std::int64_t> add_run(store::Tx& tx, const std::string& id, const ScheduleRun& run);
// Of the schedule's runs that wait for a look at the session.
base::Result<> end_checks(store::Tx& tx, const std::string& id, const std::string& outcome,
                          const std::string& detail);
// What was under way when the program ended is no more.
base::Result<> interrupt_checks(store::Tx& tx);
base::Result<std::vector<ScheduleRun>> runs(store::Tx& tx, const std::string& id, int limit);

}  // namespace services::schedule_rows
