// One run of a schedule, inside one transaction with what it does. Internal to Schedules.
#pragma once

#include "bridge/services/schedules.h"

#include <optional>
#include <string>

namespace services {

// A schedule as the journal tells of it.
base::json::object facts(const Schedule& schedule);
base::json::object facts(const Schedule& schedule, const ScheduleRun& run);

// What a run is to do. `key` is its own, within the schedule.
struct Deed {
  std::string key;
  std::optional<protocol::Checked<engine::NewJob>> job = {};  // of a packet, or why there is none
};
Deed deed_of(const Packets& packets, const Schedule& schedule, std::string key, base::WallTime now);

class RunWriter {
 public:
  // All outlive it.
  RunWriter(store::Tx& tx, const Schedules::Needs& needs, const engine::Now& now)
      : tx_(tx), needs_(needs), now_(now) {}

  // Does what is due at `due`. busy with reason queue_full: nothing was changed.
  base::Result<ScheduleRun> run(const Schedule& schedule, base::WallTime due, const Deed& deed,
                                bool is_checking) const;
  // The same whatever the runs before are at. `is_replay`: the key was known, nothing is new.
  base::Result<ScheduleRun> act(const Schedule& schedule, base::WallTime due, const Deed& deed,
                                bool& is_replay) const;
  ScheduleRun ended(base::WallTime due, std::string outcome, std::string detail) const;
  // Keeps the run and tells of it.
  base::Result<ScheduleRun> write(const Schedule& schedule, ScheduleRun run,
                                  std::string actor) const;
  // The run waits for room in the queue.
  base::Result<> delay(Schedule schedule, base::WallTime due, const base::Error& full) const;

 private:
  base::Result<ScheduleRun> submit(const Schedule& schedule, const engine::NewJob& job,
                                   base::WallTime due, bool& is_replay) const;
  base::Result<ScheduleRun> start(const Schedule& schedule, base::WallTime due,
                                  const std::string& key, bool& is_replay) const;
  base::Result<std::optional<ScheduleRun>> skipped(const Schedule& schedule,
                                                   base::WallTime due) const;

  store::Tx& tx_;
  const Schedules::Needs& needs_;
  const engine::Now& now_;
};

// In whose name a schedule acts; the scope of its keys.
Caller caller_of(const Schedule& schedule);

}  // namespace services
