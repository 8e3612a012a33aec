// Workflows: definitions with their versions, and the runs that go through them.
//
// A step runs as a job in a lane of its kind. What follows from the end of a job happens in the
// transaction that ends it, so a run needs no task of its own and nothing to rebuild after a crash:
// it goes on where its jobs do. Only time has a task: for attempts and approvals that take too
// long.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/json.h"
#include "bridge/base/notice.h"
#include "bridge/base/result.h"
#include "bridge/base/scope.h"
#include "bridge/engine/bells.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/services/workflows/definition.h"
#include "bridge/services/workflows/run_world.h"
#include "bridge/services/workflows/step_kinds.h"
#include "bridge/services/workflows/workflow_rows.h"
#include "bridge/store/store.h"

#include <optional>
#include <string>
#include <vector>

namespace services {

class Workflows {
 public:
  // All outlive it, and the tasks of `start`.
  struct Needs {
    store::Store& store;
    const engine::Queue& queue;
    const engine::Journal& journal;
    const engine::Timeline& timeline;
    engine::Bells& bells;
    base::Clock& clock;
  };
  Workflows(boost::asio::any_io_executor executor, Needs needs, StepKinds kinds);

  // Takes note of jobs that ended while nothing told of it, and lets time do its part, by a task in
  // `tasks`.
  base::Task<> start(base::Scope& tasks);

  // To be called for every change of every job, in its transaction; most are none of a run's. An
  // error is the store's.
  base::Result<> on_job_change(store::Tx& tx, const engine::Change& change,
                               const engine::Now& now) const;

  // To be called for every end of what an Errand began, in its transaction; `principal` is who
  // began it, and most are no run.
  base::Result<> errand_ended(store::Tx& tx, const std::string& principal, const std::string& id,
                              const engine::Now& now) const;

  struct Created {
    base::json::object view;
    bool is_new = true;      // false: the newest version says the same
    bool is_replay = false;  // the request was known
  };
  // The next version of the workflow of this name; runs keep the one they began with. Refusals name
  // the place in the definition. denied, reason not_owner: the workflow is another's, and the
  // caller may not act for others; no_packets, no_messages or no_actions: see check_scopes.
  // conflict, reason idempotency_mismatch or too_many; workflow_deleted: the request made one that
  // is there no more. unavailable, reason disk_full: see room_for_new. The name of one that was
  // deleted is anybody's, and its versions count on. A new name is not in the form of an id.
  boost::asio::awaitable<protocol::Checked<Created>> create(Caller caller,
                                                            workflow::Definition definition,
                                                            std::string request);
  // Everything that is wrong with it besides what Definition says: its name, kinds and targets.
  base::Task<std::vector<protocol::Violation>> check(workflow::Definition definition);

  // By id, else by name, else by the beginning of an id. not_found; invalid, reason ambiguous_id.
  // So do all that take a `which`.
  base::Task<base::json::object> view(std::string which);
  // With its runs, as far as the caller sees them: see `run`.
  base::Task<base::json::object> status(Caller caller, std::string which);
  struct Page {
    base::json::array items;  // newest first
    std::optional<std::string> next;
  };
  base::Task<Page> list(std::string before, std::size_t limit);

  // Nobody finds it, or begins a run of it, any more; its runs can still be read. denied, reason
  // not_owner: as in `create`. conflict, reason wrong_state: one of its runs has not ended;
  // is_scheduled: a schedule begins it.
  base::Task<> remove(Caller caller, std::string which);

  struct Executed {
    base::json::object view;
    std::string run;
    bool is_replay = false;
  };
  // Begins a run. Refusals point to "/inputs/…". denied, reason no_packets, no_messages or
  // no_actions: see check_scopes. conflict, reason too_deep: too many runs began one another.
  // unavailable, reason disk_full: see room_for_new; a run that has begun goes on.
  boost::asio::awaitable<protocol::Checked<Executed>> execute(Caller caller, std::string which,
                                                              base::json::object inputs,
                                                              std::string request);
  // The same within a transaction, for those who begin runs by themselves.
  struct Begun {
    std::optional<protocol::Refusal> refusal = {};  // then nothing was begun
    std::string run = {};
    bool is_replay = false;
    std::int64_t version = 0;  // of the workflow, unless it is a replay
  };
  // Which version is taken: this one, or the newest after it that the author made. 0: the newest.
  struct Trusted {
    std::int64_t version = 0;
    std::string author = {};  // a principal
  };
  base::Result<Begun> execute(store::Tx& tx, const Caller& caller, const std::string& which,
                              const base::json::object& inputs, const workflow_rows::Request& asked,
                              const engine::Now& now, const Trusted& trusted) const;
  // What `execute` would refuse of the newest version, and which that is.
  struct Start {
    std::optional<protocol::Refusal> refusal = {};
    std::string workflow = {};  // its name
    std::int64_t version = 0;
  };
  base::Result<Start> check_start(store::Tx& tx, const Caller& caller, const std::string& which,
                                  const base::json::object& inputs, base::WallTime now) const;
  // Keeps a definition that the bridge itself has made, under a name that no other can have, and
  // begins a run of it.
  base::Result<Begun> execute_own(store::Tx& tx, const Caller& caller,
                                  const workflow::Definition& definition,
                                  const base::json::object& inputs,
                                  const workflow_rows::Request& asked,
                                  const engine::Now& now) const;
  // A caller who is bound to an agent sees the runs that it or the agent began, and one who only
  // decides those of which a step, or an action that a step asks for, waits for a person; not_found
  // for others.
  base::Task<base::json::object> run(Caller caller, std::string which);
  // The same once it has ended, or at the deadline.
  base::Task<base::json::object> wait(Caller caller, std::string which, base::Instant deadline);
  // One step with its outputs, whatever their size; also one that the caller's agent was asked, of
  // whoever's run. not_found: no such step.
  base::Task<base::json::object> step(Caller caller, std::string run, std::string step);
  // Steps that wait for a person, of all runs that the caller sees: those whose time ends first
  // come first. `after` is the `next` of the page before, or empty.
  base::Task<Page> waiting(Caller caller, std::string after, std::size_t limit);
  // `workflow` may be empty; `result` is a result, "running" or empty.
  base::Task<Page> runs(Caller caller, std::string workflow, std::string result, std::string before,
                        std::size_t limit);

  // What people do with runs; each gives the run afterwards. See workflow::Machine. denied, reason
  // other_run: it may be cancelled and retried by who began it and by administrators; no_packets,
  // no_messages or no_actions: it does again what the caller may not; not_a_person: an agent
  // approves nothing. conflict, reason own_request: neither does who began the run, but
  // administrators. unavailable, reason disk_full: nothing is retried now.
  base::Task<base::json::object> cancel(Caller caller, std::string run, workflow::Wish wish,
                                        std::string note);
  base::Task<base::json::object> retry(Caller caller, std::string run);
  base::Task<base::json::object> decide(Caller caller, std::string run, std::string step,
                                        bool is_approved, std::string note);

 private:
  using Act = std::function<base::Result<>(store::Tx&, RunWorld&, workflow::Machine&)>;
  base::Task<base::json::object> act(Caller caller, std::string which, Act work);
  base::Task<base::json::object> shown(std::string id);
  base::Result<workflow_rows::Run> run_to_decide(store::Tx& tx, const Caller& caller,
                                                 const std::string& which,
                                                 const engine::Now& now) const;
  base::Result<> change(store::Tx& tx, workflow_rows::Run run, const engine::Now& now,
                        std::string actor, const Act& work) const;
  base::Result<workflow_rows::Run> begin(store::Tx& tx, workflow_rows::Run run,
                                         base::json::object inputs, const engine::Now& now) const;
  base::Result<std::vector<protocol::Violation>> violations_of(
      store::Tx& tx, const workflow::Definition& definition) const;
  base::Result<std::vector<protocol::Violation>> add(store::Tx& tx, const Caller& caller,
                                                     const workflow::Definition& definition,
                                                     const workflow_rows::Request& asked,
                                                     base::WallTime now, Created& created) const;
  void tell_change() const;
  base::Result<> job_ended(store::Tx& tx, const engine::Job& job, std::string actor,
                           const engine::Now& now) const;
  base::Result<workflow::Ending> keep(RunWorld& world, std::size_t step,
                                      const base::json::value& outputs) const;
  base::Result<workflow::Ending> take_outputs(store::Tx& tx, RunWorld& world, std::size_t step,
                                              const engine::Job& ended) const;
  base::Task<> catch_up();
  boost::asio::awaitable<void> watch_time();
  base::Task<std::optional<base::WallTime>> run_due();

  Needs needs_;
  StepKinds kinds_;
  RunWorld::Parts parts_;
  // Touched on the loop only, after a commit.
  mutable base::Notice notice_;
  mutable std::uint64_t changes_ = 0;
};

// Whose runs alone the caller sees; nothing: everybody's.
base::Result<std::optional<workflow_rows::Beginner>> beginner(store::Tx& tx, const Caller& caller);

// What a key is compared by when it comes again.
workflow_rows::Request request_of(const Caller& caller, std::string key,
                                  const base::json::value& body);

}  // namespace services
