#include "bridge/base/limits.h"
#include "bridge/engine/time.h"
#include "bridge/services/workflows/workflow_rows.h"
#include "bridge/store/id_prefix.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services::workflow_rows {

namespace json = boost::json;
using base::Code;
using base::Result;
using engine::stamp_or_null;
using engine::time_or_none;
using engine::to_stamp;
using store::Value;

namespace {

constexpr std::string_view unfinished = "running";
constexpr std::int64_t all_the_time = std::numeric_limits<std::int64_t>::max();

std::string_view result_text(const workflow::RunState& state) {
  return state.has_ended() ? workflow::name(state.result()) : unfinished;
}

constexpr std::string_view select_runs = R"sql(
  SELECT r.id, r.workflow, w.name, r.version, r.creator, r.sender, r.for_others, r.request_hash,
         r.steps, r.parallel_max, r.unfinished, r.running, r.ready, r.failed, r.cancelled, r.wish,
         r.error, r.created_at, r.finished_at, r.agent, r.behind,
         r.depth
  FROM workflow_runs r
  JOIN workflows w ON w.id = r.workflow
)sql";

Run run_of(const store::Row& row) {
  const auto small = [&](std::size_t at) { return static_cast<int>(row[at].integer()); };
  return {.id = row[0].text(),
          .workflow = row[1].text(),
          .workflow_name = row[2].text(),
          .version = row[3].integer(),
          .creator = row[4].text(),
          .sender = row[5].text(),
          .may_send_for_others = row[6].flag(),
          .agent = row[19].text(),
          .behind = row[20].text(),
          .depth = small(21),
          .request_hash = row[7].text(),
          .steps = small(8),
          .state = {.parallel_max = small(9),
                    .unfinished = small(10),
                    .running = small(11),
                    .ready = small(12),
                    .failed = small(13),
                    .cancelled = small(14),
                    .wish = static_cast<workflow::Wish>(small(15))},
          .error = row[16].text(),
          .created = *time_or_none(row[17]),
          .finished = time_or_none(row[18])};
}

Result<std::vector<Run>> all(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(const auto rows, tx.query(fmt::format("{}{}", select_runs, rest), std::move(values)));
  std::vector<Run> found;
  for (const auto& row : rows) found.push_back(run_of(row));
  return found;
}

// Adds conditions to a query, each with its values.
class Conditions {
 public:
  void add(std::string_view condition, const std::string& value) {
    if (value.empty()) return;
    values.emplace_back(value);
    add(fmt::format("{} ${}", condition, values.size()));
  }
  void add(const std::optional<Beginner>& only) {
    if (!only) return;
    values.emplace_back(only->principal);
    values.emplace_back(only->agent);
    add(fmt::format("(r.creator = ${0} OR r.behind = ${0} OR (r.agent = ${1} AND r.agent <> ''))",
                    values.size() - 1, values.size()));
  }

  std::string where;
  store::Values values;

 private:
  void add(const std::string& condition) {
    where += fmt::format("{} {}", where.empty() ? "WHERE" : " AND", condition);
  }
};

constexpr std::string_view select_states =
    "SELECT phase, outcome, error_code, error_detail, waiting, upstream, attempts, tries, "
    "approved, "
    "job, started_at, finished_at, due_at, begin_by FROM workflow_steps ";

constexpr int failed_bit = 1, skipped_bit = 2, cancelled_bit = 4;

int bits_of(const workflow::Situation& situation) {
  return (situation.is_failed ? failed_bit : 0) | (situation.is_skipped ? skipped_bit : 0) |
         (situation.is_cancelled ? cancelled_bit : 0);
}

workflow::StepState state_of(const store::Row& row) {
  const auto phase = workflow::phase_named(row[0].text());
  BRIDGE_ASSERT(phase);
  const auto bits = row[5].integer();
  workflow::StepState state{.phase = *phase,
                            .outcome = workflow::outcome_named(row[1].text()),
                            .error = std::nullopt,
                            .waiting = static_cast<int>(row[4].integer()),
                            .upstream = {.is_failed = (bits & failed_bit) != 0,
                                         .is_skipped = (bits & skipped_bit) != 0,
                                         .is_cancelled = (bits & cancelled_bit) != 0},
                            .attempts = static_cast<int>(row[6].integer()),
                            .tries = static_cast<int>(row[7].integer()),
                            .is_approved = row[8].flag(),
                            .job = row[9].text(),
                            .started = time_or_none(row[10]),
                            .finished = time_or_none(row[11]),
                            .due = time_or_none(row[12]),
                            .begin_by = time_or_none(row[13])};
  if (!row[2].is_null()) state.error = workflow::StepError{row[2].text(), row[3].text()};
  return state;
}

store::Values values_of(const std::string& run, std::size_t step,
                        const workflow::StepState& state) {
  return {run,
          step,
          workflow::name(state.phase),
          state.outcome ? workflow::name(*state.outcome) : std::string_view(),
          state.error ? Value(state.error->code) : Value(),
          state.error ? Value(state.error->detail) : Value(),
          state.waiting,
          bits_of(state.upstream),
          state.attempts,
          state.tries,
          state.is_approved ? 1 : 0,
          state.job,
          stamp_or_null(state.started),
          stamp_or_null(state.finished),
          stamp_or_null(state.due),
          stamp_or_null(state.begin_by)};
}

std::vector<std::size_t> numbers_of(const std::vector<store::Row>& rows) {
  std::vector<std::size_t> numbers;
  for (const auto& row : rows) numbers.push_back(static_cast<std::size_t>(row[0].integer()));
  return numbers;
}

}  // namespace

Result<std::optional<Run>> run(store::Tx& tx, const std::string& id) {
  TRY(auto found, all(tx, "WHERE r.id = $1", {id}));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

bool has_steps_to_retry(const Run& run) {
  // Outputs that cannot be made count as one failure; see RunState.
  const int by_outputs = run.error.empty() ? 0 : 1;
  return run.state.has_ended() && run.state.failed + run.state.cancelled > by_outputs;
}

json::object facts(const Run& run) {
  json::object data{{"workflow", run.workflow_name}};
  if (!run.agent.empty()) data["agent"] = run.agent;
  return data;
}

Result<Run> find_run(store::Tx& tx, const std::string& which, const std::optional<Beginner>& only) {
  Conditions wanted;
  wanted.add(only);
  return store::find_by_prefix({.noun = "run",
                                .column = "r.id",
                                .prefix = which,
                                .where = std::move(wanted.where),
                                .values = std::move(wanted.values)},
                               [&](const std::string& rest, store::Values values) {
                                 return all(tx, rest, std::move(values));
                               });
}

Result<std::optional<Run>> run_of_request(store::Tx& tx, const Request& request) {
  if (request.key.empty()) return std::nullopt;
  TRY(auto found,
      all(tx, "WHERE r.creator = $1 AND r.request = $2", {request.creator, request.key}));
  if (found.empty()) return std::nullopt;
  if (found.front().request_hash != request.hash) {
    return base::fail(
        Code::conflict,
        fmt::format("execute workflow: request {} came before with another body", request.key),
        "idempotency_mismatch");
  }
  return std::move(found.front());
}

Result<std::vector<Run>> runs(store::Tx& tx, const RunFilter& filter, const std::string& before,
                              std::size_t limit) {
  Conditions wanted;
  wanted.add("r.workflow =", filter.workflow);
  wanted.add("r.result =", filter.result);
  wanted.add("r.id <", before);
  wanted.add(filter.only);
  wanted.values.emplace_back(limit);
  wanted.where += fmt::format(" ORDER BY r.id DESC LIMIT ${}", wanted.values.size());
  return all(tx, wanted.where, std::move(wanted.values));
}

Result<std::vector<std::pair<std::string, std::int64_t>>> tally(
    store::Tx& tx, const std::string& workflow, const std::optional<Beginner>& only) {
  Conditions wanted;
  wanted.add("r.workflow =", workflow);
  wanted.add(only);
  TRY(const auto rows, tx.query(fmt::format("SELECT r.result, COUNT(*) FROM workflow_runs r {} "
                                            "GROUP BY r.result ORDER BY r.result",
                                            wanted.where),
                                std::move(wanted.values)));
  std::vector<std::pair<std::string, std::int64_t>> counts;
  for (const auto& row : rows) counts.emplace_back(row[0].text(), row[1].integer());
  return counts;
}

Result<> insert(store::Tx& tx, const Run& run, const json::object& inputs) {
  const auto request = run.request.empty() ? std::nullopt : std::optional(run.request);
  const auto& state = run.state;
  TRY_OK(tx.execute(R"sql(
    INSERT INTO workflow_runs (id, workflow, version, creator, sender, for_others, request,
                               request_hash, steps, parallel_max, unfinished, running, ready,
                               failed, cancelled, wish, result, error, created_at, finished_at,
                               agent, behind, depth)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
            $20, $21, $22, $23)
  )sql",
                    {run.id,
                     run.workflow,
                     run.version,
                     run.creator,
                     run.sender,
                     run.may_send_for_others ? 1 : 0,
                     request,
                     run.request_hash,
                     run.steps,
                     state.parallel_max,
                     state.unfinished,
                     state.running,
                     state.ready,
                     state.failed,
                     state.cancelled,
                     static_cast<int>(state.wish),
                     result_text(state),
                     run.error,
                     to_stamp(run.created),
                     stamp_or_null(run.finished),
                     run.agent,
                     run.behind,
                     run.depth}));
  TRY_OK(tx.execute("INSERT INTO workflow_run_texts (run, inputs) VALUES ($1, $2)",
                    {run.id, json::serialize(inputs)}));
  return {};
}

Result<> update(store::Tx& tx, const Run& run) {
  const auto& state = run.state;
  TRY(const auto changed, tx.execute(R"sql(
    UPDATE workflow_runs
    SET unfinished = $2, running = $3, ready = $4, failed = $5, cancelled = $6, wish = $7,
        result = $8, error = $9, finished_at = $10
    WHERE id = $1
  )sql",
                                     {run.id, state.unfinished, state.running, state.ready,
                                      state.failed, state.cancelled, static_cast<int>(state.wish),
                                      result_text(state), run.error, stamp_or_null(run.finished)}));
  BRIDGE_ASSERT(changed == 1);
  return {};
}

Result<json::object> inputs(store::Tx& tx, const std::string& run) {
  TRY(const auto row, tx.query_one("SELECT inputs FROM workflow_run_texts WHERE run = $1", {run}));
  BRIDGE_ASSERT(row);
  TRY(auto value, base::parse_json(row->at(0).text(), limits::json_depth_max + 1));
  return std::move(value.as_object());
}

Result<json::value> outputs(store::Tx& tx, const std::string& run) {
  TRY(const auto row, tx.query_one("SELECT outputs FROM workflow_run_texts WHERE run = $1", {run}));
  if (!row || row->at(0).is_null()) return json::value(nullptr);
  return base::parse_json(row->at(0).text(), 2 * limits::json_depth_max);
}

Result<> set_outputs(store::Tx& tx, const std::string& run, const json::value& outputs) {
  TRY_OK(tx.execute("UPDATE workflow_run_texts SET outputs = $2 WHERE run = $1",
                    {run, json::serialize(outputs)}));
  return {};
}

Result<> clear_outputs(store::Tx& tx, const std::string& run) {
  TRY_OK(tx.execute("UPDATE workflow_run_texts SET outputs = NULL WHERE run = $1", {run}));
  return {};
}

Result<workflow::StepState> state(store::Tx& tx, const std::string& run, std::size_t step) {
  static const std::string select = fmt::format("{}WHERE run = $1 AND step = $2", select_states);
  TRY(const auto row, tx.query_one(select, {run, step}));
  BRIDGE_ASSERT(row);
  return state_of(*row);
}

Result<std::vector<workflow::StepState>> states(store::Tx& tx, const std::string& run) {
  static const std::string select = fmt::format("{}WHERE run = $1 ORDER BY step", select_states);
  TRY(const auto rows, tx.query(select, {run}));
  std::vector<workflow::StepState> found;
  for (const auto& row : rows) found.push_back(state_of(row));
  return found;
}

Result<> insert_state(store::Tx& tx, const std::string& run, std::size_t step,
                      const workflow::StepState& state) {
  TRY_OK(tx.execute(R"sql(
    INSERT INTO workflow_steps (run, step, phase, outcome, error_code, error_detail, waiting,
                                upstream, attempts, tries, approved, job, started_at, finished_at,
                                due_at, begin_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
  )sql",
                    values_of(run, step, state)));
  return {};
}

Result<> update_state(store::Tx& tx, const std::string& run, std::size_t step,
                      const workflow::StepState& state) {
  TRY(const auto changed, tx.execute(R"sql(
    UPDATE workflow_steps
    SET phase = $3, outcome = $4, error_code = $5, error_detail = $6, waiting = $7, upstream = $8,
        attempts = $9, tries = $10, approved = $11, job = $12, started_at = $13,
        finished_at = $14, due_at = $15, begin_by = $16
    WHERE run = $1 AND step = $2
  )sql",
                                     values_of(run, step, state)));
  BRIDGE_ASSERT(changed == 1);
  return {};
}

Result<std::vector<std::size_t>> ready(store::Tx& tx, const std::string& run, base::WallTime now,
                                       int most) {
  TRY(const auto rows, tx.query("SELECT step FROM workflow_steps WHERE run = $1 "
                                "AND phase = 'ready' AND (due_at IS NULL OR due_at <= $2) "
                                "ORDER BY step LIMIT $3",
                                {run, to_stamp(now), most}));
  return numbers_of(rows);
}

Result<std::vector<std::size_t>> active(store::Tx& tx, const std::string& run) {
  TRY(const auto rows, tx.query("SELECT step FROM workflow_steps WHERE run = $1 "
                                "AND phase IN ('ready', 'approval', 'running') ORDER BY step",
                                {run}));
  return numbers_of(rows);
}

Result<std::vector<Waiting>> waiting(store::Tx& tx, const std::optional<Beginner>& only,
                                     const Waiting& after, std::size_t limit) {
  Conditions wanted;
  wanted.add("s.phase =", std::string(workflow::name(workflow::Phase::approval)));
  wanted.add(only);
  auto values = std::move(wanted.values);
  const auto first = values.size() + 1;
  for (const auto& value : {Value(all_the_time), Value(after.until), Value(after.run),
                            Value(after.step), Value(limit)}) {
    values.push_back(value);
  }
  const auto query = fmt::format(R"sql(
    SELECT s.run, s.step, COALESCE(s.due_at, ${1})
    FROM workflow_steps s
    JOIN workflow_runs r ON r.id = s.run
    {0} AND (COALESCE(s.due_at, ${1}), s.run, s.step) > (${2}, ${3}, ${4})
    ORDER BY COALESCE(s.due_at, ${1}), s.run, s.step
    LIMIT ${5}
  )sql",
                                 wanted.where, first, first + 1, first + 2, first + 3, first + 4);
  TRY(const auto rows, tx.query(query, std::move(values)));
  std::vector<Waiting> found;
  for (const auto& row : rows) {
    found.push_back({row[2].integer(), row[0].text(), static_cast<std::size_t>(row[1].integer())});
  }
  return found;
}

std::string text_of(const Waiting& place) {
  return json::serialize(json::array{place.until, place.run, place.step});
}

Result<Waiting> waiting_at(std::string_view text) {
  if (text.empty()) return Waiting{};
  TRY(const auto value, base::parse_json(text));
  const auto* parts = value.if_array();
  const bool is_place = parts && parts->size() == 3 && parts->at(0).is_number() &&
                        parts->at(1).is_string() && parts->at(2).is_number();
  if (!is_place) return base::fail(Code::invalid, "it is no place among steps that wait");
  return Waiting{parts->at(0).to_number<std::int64_t>(), std::string(parts->at(1).as_string()),
                 parts->at(2).to_number<std::size_t>()};
}

Result<std::optional<std::size_t>> step_with(store::Tx& tx, const std::string& run,
                                             const std::string& job) {
  TRY(const auto row, tx.query_one("SELECT step FROM workflow_steps "
                                   "WHERE phase = 'running' AND run = $1 AND job = $2",
                                   {run, job}));
  if (!row) return std::nullopt;
  return static_cast<std::size_t>(row->at(0).integer());
}

Result<std::vector<Running>> running(store::Tx& tx, const Running& after, int most) {
  TRY(const auto rows, tx.query("SELECT run, step, job FROM workflow_steps "
                                "WHERE phase = 'running' AND (run, step) > ($1, $2) "
                                "ORDER BY run, step LIMIT $3",
                                {after.run, after.step, most}));
  std::vector<Running> found;
  for (const auto& row : rows) {
    found.push_back({row[0].text(), static_cast<std::size_t>(row[1].integer()), row[2].text()});
  }
  return found;
}

Result<std::optional<std::string>> step_outputs(store::Tx& tx, const std::string& run,
                                                std::size_t step) {
  TRY(const auto row, tx.query_one("SELECT outputs FROM workflow_step_outputs "
                                   "WHERE run = $1 AND step = $2",
                                   {run, step}));
  if (!row) return std::nullopt;
  return row->at(0).text();
}

Result<json::value> parsed_outputs(std::string_view text) {
  return base::parse_json(text, limits::json_depth_max + 8);
}

Result<> set_step_outputs(store::Tx& tx, const std::string& run, std::size_t step,
                          const std::string& outputs) {
  TRY_OK(
      tx.execute("INSERT INTO workflow_step_outputs (run, step, outputs) VALUES ($1, $2, $3) "
                 "ON CONFLICT (run, step) DO UPDATE SET outputs = excluded.outputs",
                 {run, step, outputs}));
  return {};
}

Result<std::vector<Due>> due(store::Tx& tx, base::WallTime now, int most) {
  TRY(const auto rows, tx.query("SELECT run, step FROM workflow_steps WHERE due_at IS NOT NULL "
                                "AND due_at <= $1 ORDER BY due_at LIMIT $2",
                                {to_stamp(now), most}));
  std::vector<Due> found;
  for (const auto& row : rows) {
    found.push_back({row[0].text(), static_cast<std::size_t>(row[1].integer())});
  }
  return found;
}

Result<std::optional<base::WallTime>> next_due(store::Tx& tx) {
  TRY(const auto row,
      tx.query_one("SELECT MIN(due_at) FROM workflow_steps WHERE due_at IS NOT NULL"));
  return time_or_none(row->at(0));
}

}  // namespace services::workflow_rows
