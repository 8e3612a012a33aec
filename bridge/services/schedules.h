// What the bridge does by itself from time to time: it hands packets in, begins runs of workflows,
// or looks at the session.
//
// A run is one transaction: the job it hands in or the workflow's run, what was done and when, and
// the journal's entry. Its key is the time at which the run was due, so no crash, second start or
// step of the clock hands it in twice. Runs that were missed are made up for by one, the newest;
// those of a schedule that was paused, and those that a restored backup does not remember, by none.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/json.h"
#include "bridge/base/notice.h"
#include "bridge/base/result.h"
#include "bridge/base/scope.h"
#include "bridge/chat/session.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/services/packets.h"
#include "bridge/store/store.h"

#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace services {

struct ScheduleRun {
  std::int64_t number = 0;  // of this schedule: 1, 2, …
  base::WallTime due;
  base::WallTime started;
  // submitted: `job` was handed in. started: `flow` was begun. skipped: what a run before handed in
  // or began, `job` or `flow`, has not ended. failed:
  // `detail` says why. checking, checked, interrupted: a look at the session, of which `detail`
  // tells the state.
  std::string outcome;
  std::string job = {};
  std::string flow = {};  // the id of a workflow's run
  std::string detail = {};
};

struct WorkflowCall {
  std::string workflow;  // its name
  base::json::object inputs = {};
  // The one that was looked at when the schedule was made; 0: none is known.
  std::int64_t version = 0;
};

// How the runs of workflows are begun and looked at, inside a transaction; see Workflows.
struct WorkflowStarts {
  struct Begun {
    std::optional<protocol::Refusal> refusal = {};
    std::string run = {};
    bool is_replay = false;
    std::int64_t version = 0;  // of the workflow, unless it is a replay
  };
  struct Checked {
    std::optional<protocol::Refusal> refusal = {};  // its pointers begin with "/inputs"
    std::string workflow = {};                      // its name
    std::int64_t version = 0;
  };
  // What would be refused of the newest version, whoever made it, and which that is.
  std::function<base::Result<Checked>(store::Tx&, const Caller&, const WorkflowCall&,
                                      const engine::Now&)>
      check;
  // Of the call's version, or of the newest after it that the one made for whom the caller acts.
  // conflict, reason no_version: the call has none. The same key within the caller again: the same
  // run.
  std::function<base::Result<Begun>(store::Tx&, const Caller&, const WorkflowCall&,
                                    const std::string& key, const engine::Now&)>
      begin;
  std::function<base::Result<bool>(store::Tx&, const std::string& run)> has_ended;
};

struct Schedule {
  std::string id;    // a UUID of version 7
  std::string name;  // for people; empty: none
  std::string rule;  // as schedule::Schedule reads it
  std::string zone;
  base::WallTime start;                      // intervals count from here
  std::optional<base::json::object> packet;  // without packet and flow the session is checked
  std::optional<WorkflowCall> flow = {};
  int band = 2;                                  // of the jobs
  std::optional<std::chrono::seconds> patience;  // a packet is not sent later than this
  bool is_paused = false;
  std::string creator;
  base::WallTime created;
  base::WallTime done;                 // what was due up to here has been dealt with
  std::optional<base::WallTime> next;  // nothing: paused
  std::int64_t runs = 0;
  std::optional<ScheduleRun> last = {};  // the newest run
};

struct NewSchedule {
  std::string name = {};
  // One of the two.
  std::string cron = {};
  std::string interval = {};  // "90s", "1h30m", "1d"
  std::string zone = "UTC";   // of the cron expression
  std::optional<base::json::value> packet = {};
  std::optional<WorkflowCall> flow = {};
  int band = 2;
  std::optional<std::chrono::seconds> patience = {};
  bool is_paused = false;
  std::string request = {};  // idempotency key, within the creator; empty: none
  std::string request_hash = {};
};

std::span<const store::Migration> schedule_migrations();

// What a schedule that begins the workflow of this name is called, paused or not; nothing: none
// does.
base::Result<std::optional<std::string>> schedule_of_workflow(store::Tx& tx,
                                                              const std::string& workflow);

class Schedules {
 public:
  // All outlive it, and the tasks of `start`.
  struct Needs {
    store::Store& store;
    const engine::Queue& queue;
    const engine::Journal& journal;
    const engine::Timeline& timeline;
    base::Clock& clock;
    const Packets& packets;
    chat::Session& session;
    WorkflowStarts flows = {};
  };
  Schedules(boost::asio::any_io_executor executor, Needs needs);

  // Reads what an earlier life left and lets the schedules run, by tasks in `tasks`.
  base::Task<> start(base::Scope& tasks);

  struct Created {
    Schedule schedule;
    bool is_replay = false;  // the request was known: this is the first one, as it is now
  };
  // `caller` must be allowed to hand the packet in. Refusals name the member of the request that is
  // wrong ("/name": it is in the form of an id; "/cron", "/time_zone", "/packet/bead_id",
  // "/workflow", "/inputs/city"). conflict, reason name_taken; conflict, reason
  // idempotency_mismatch; conflict, reason too_many: limits::schedules_max are there.
  boost::asio::awaitable<protocol::Checked<Created>> create(Caller caller, NewSchedule asked);

  // By id, else by name, else by the beginning of its id, at least limits::id_prefix_min
  // characters. not_found; invalid, reason ambiguous_id: several begin so. So do all that take a
  // `which`.
  base::Task<Schedule> get(std::string which);
  // Newest first.
  base::Task<std::vector<ScheduleRun>> runs(std::string id, int limit);
  struct Page {
    std::vector<Schedule> schedules;  // newest first
    bool is_end = false;
  };
  // Older than the one with the id `before`; empty: from the newest.
  base::Task<Page> list(std::string before, std::size_t limit);

  // Once more changes nothing. What would have run while it was paused does not.
  base::Task<Schedule> pause(std::string which, std::string actor);
  // With `newest`, which only an administrator may ask for, it begins the workflow's newest version
  // from now on, whoever made that, also if it is not paused: denied, reason not_admin; what
  // `create` refuses of a workflow; conflict, reason no_workflow.
  enum class Version { kept, newest };
  base::Task<Schedule> resume(std::string which, Caller caller, Version version);
  // Jobs that it handed in stay.
  base::Task<> remove(std::string which, std::string actor);
  // Runs it once, now, also while it is paused, and leaves its times alone. busy with reason
  // queue_full and retry_after.
  struct RanNow {
    ScheduleRun run;
    bool is_replay = false;  // the key was known: this is the first run, as it is now
  };
  // The same `key` again: the same run, unless that did nothing, as it has failed. Empty: none.
  base::Task<RanNow> run_now(std::string which, std::string key, std::string actor);

 private:
  struct Check {
    std::string schedule;
    ScheduleRun run;
  };
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> check_sessions();
  base::Task<std::optional<base::WallTime>> run_due();
  base::Task<> run_one(Schedule seen);
  base::Task<> give_up(Schedule seen, base::Error why);
  base::Task<> check(Check which);
  // The look of this schedule that waits or is under way, or null.
  const Check* check_of(const std::string& schedule) const;
  void add_check(Check check);
  void tell_change();

  Needs needs_;
  base::Notice notice_;
  std::uint64_t changes_ = 0;
  std::deque<Check> checks_;  // at most one a schedule
};

}  // namespace services
