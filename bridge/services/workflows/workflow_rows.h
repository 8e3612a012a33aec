// Workflows, runs and their steps as rows. Internal to Workflows.
//
// A run's steps are a row each, and their outputs another: the end of one reads and writes its own,
// those that need it, and what they read.
#pragma once

#include "bridge/services/workflows/definition.h"
#include "bridge/services/workflows/machine.h"
#include "bridge/store/store.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace services {

std::span<const store::Migration> workflow_migrations();

namespace workflow_rows {

struct Workflow {
  std::string id;  // a UUID of version 7
  std::string name;
  std::int64_t version = 0;  // the newest
  std::string creator;       // of the first version
  base::WallTime created, updated;
  bool is_deleted = false;  // its runs and versions are still there
};

struct Version {
  std::int64_t number = 0;
  base::json::object document;
  std::string hash;
  std::vector<std::size_t> output_reads;
};

struct Run {
  std::string id;
  std::string workflow;  // its id
  std::string workflow_name;
  std::int64_t version = 0;
  std::string creator;  // principal
  std::string sender;   // in whose name packets are sent
  bool may_send_for_others = false;
  std::string agent = {};   // as which it was begun: an id, or a name nobody has; empty: none
  std::string behind = {};  // the principal for whom its actions are asked
  int depth = 0;            // of runs that began one another
  std::string request = {}, request_hash = {};
  int steps = 0;
  workflow::RunState state = {};
  std::string error = {};  // of its outputs
  base::WallTime created;
  std::optional<base::WallTime> finished = {};
};

// False: it goes on, or it has failed by its outputs alone, which the same steps would give again.
bool has_steps_to_retry(const Run& run);

// What the journal says of a run in each of its entries.
base::json::object facts(const Run& run);

// Workflows. Those that are deleted are not found, listed or counted.
base::Result<std::optional<Workflow>> named(store::Tx& tx, const std::string& name);
// The same, also if it is deleted: what takes its name is its next version.
base::Result<std::optional<Workflow>> once_named(store::Tx& tx, const std::string& name);
// Also if it is deleted. Not found: nothing.
base::Result<std::optional<Workflow>> with_id(store::Tx& tx, const std::string& id);
// By id, else by name, else by the beginning of an id, at least limits::id_prefix_min characters:
// an id calls the one that has it, whatever others are named. not_found; invalid, reason
// ambiguous_id.
base::Result<Workflow> find(store::Tx& tx, const std::string& which);
// Newest first, older than the one with the id `before`; empty: from the newest.
base::Result<std::vector<Workflow>> list(store::Tx& tx, const std::string& before,
                                         std::size_t limit);
base::Result<std::int64_t> count(store::Tx& tx);
struct Request {
  std::string creator, key, hash;
};
// The version that this request made, with its number. conflict, reason idempotency_mismatch.
base::Result<std::optional<std::pair<std::string, std::int64_t>>> of_request(
    store::Tx& tx, const Request& request);
// Inserts the workflow if its version is 1, else raises its version; it is there then, as whose it
// says.
base::Result<> add_version(store::Tx& tx, const Workflow& workflow,
                           const workflow::Definition& definition, const std::string& hash,
                           const Request& request);
base::Result<> hide(store::Tx& tx, const std::string& workflow, base::WallTime now);
base::Result<Version> version(store::Tx& tx, const std::string& workflow, std::int64_t number);
// The newest that the creator made after the one with this number, or that one.
base::Result<std::int64_t> newest_by(store::Tx& tx, const std::string& workflow,
                                     const std::string& creator, std::int64_t number);
base::Result<workflow::Step> plan(store::Tx& tx, const std::string& workflow, std::int64_t version,
                                  std::size_t step);
base::Result<std::vector<workflow::Step>> plans(store::Tx& tx, const std::string& workflow,
                                                std::int64_t version);

// Runs.
base::Result<std::optional<Run>> run(store::Tx& tx, const std::string& id);
// Who looks: somebody who sees only the runs that its key or its agent began, and those that others
// began for them.
struct Beginner {
  std::string principal;
  std::string agent;
};
// By the beginning of its id, among those that are `only` somebody's. not_found; invalid, reason
// ambiguous_id.
base::Result<Run> find_run(store::Tx& tx, const std::string& which,
                           const std::optional<Beginner>& only = {});
base::Result<std::optional<Run>> run_of_request(store::Tx& tx, const Request& request);
struct RunFilter {
  std::string workflow;  // an id; empty: all
  std::string result;    // a result, or "running"; empty: all
  std::optional<Beginner> only = {};
};
base::Result<std::vector<Run>> runs(store::Tx& tx, const RunFilter& filter,
                                    const std::string& before, std::size_t limit);
// How many of a workflow's runs ended so; under "running" those that have not.
base::Result<std::vector<std::pair<std::string, std::int64_t>>> tally(
    store::Tx& tx, const std::string& workflow, const std::optional<Beginner>& only);
base::Result<> insert(store::Tx& tx, const Run& run, const base::json::object& inputs);
base::Result<> update(store::Tx& tx, const Run& run);
base::Result<base::json::object> inputs(store::Tx& tx, const std::string& run);
base::Result<base::json::value> outputs(store::Tx& tx, const std::string& run);
base::Result<> set_outputs(store::Tx& tx, const std::string& run, const base::json::value& outputs);
base::Result<> clear_outputs(store::Tx& tx, const std::string& run);

// Steps of a run.
base::Result<workflow::StepState> state(store::Tx& tx, const std::string& run, std::size_t step);
base::Result<std::vector<workflow::StepState>> states(store::Tx& tx, const std::string& run);
base::Result<> insert_state(store::Tx& tx, const std::string& run, std::size_t step,
                            const workflow::StepState& state);
base::Result<> update_state(store::Tx& tx, const std::string& run, std::size_t step,
                            const workflow::StepState& state);
// Ready ones that are not due later than `now`; the first ones.
base::Result<std::vector<std::size_t>> ready(store::Tx& tx, const std::string& run,
                                             base::WallTime now, int most);
base::Result<std::vector<std::size_t>> active(store::Tx& tx, const std::string& run);
struct Running {
  std::string run;
  std::size_t step = 0;
  std::string job;
};
// A step that waits for a person. Those come first whose time ends first, and last those that have
// all the time.
struct Waiting {
  std::int64_t until = std::numeric_limits<std::int64_t>::min();  // a stamp
  std::string run = {};
  std::size_t step = 0;
};
// Those behind `after` of the runs that are `only` somebody's.
base::Result<std::vector<Waiting>> waiting(store::Tx& tx, const std::optional<Beginner>& only,
                                           const Waiting& after, std::size_t limit);
// A place among them as text, and back.
std::string text_of(const Waiting& place);
base::Result<Waiting> waiting_at(std::string_view text);
// The running step whose job, or errand, has this id.
base::Result<std::optional<std::size_t>> step_with(store::Tx& tx, const std::string& run,
                                                   const std::string& job);
// Of every run, in order, behind `after`.
base::Result<std::vector<Running>> running(store::Tx& tx, const Running& after, int most);
// As JSON text. Nothing: it gave none.
base::Result<std::optional<std::string>> step_outputs(store::Tx& tx, const std::string& run,
                                                      std::size_t step);
base::Result<base::json::value> parsed_outputs(std::string_view text);
base::Result<> set_step_outputs(store::Tx& tx, const std::string& run, std::size_t step,
                                const std::string& outputs);

// Time.
struct Due {
  std::string run;
  std::size_t step = 0;
};
base::Result<std::vector<Due>> due(store::Tx& tx, base::WallTime now, int most);
base::Result<std::optional<base::WallTime>> next_due(store::Tx& tx);

}  // namespace workflow_rows
}  // namespace services
