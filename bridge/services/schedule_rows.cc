#include "bridge/services/schedule_rows.h"

#include "bridge/base/limits.h"
#include "bridge/engine/time.h"
#include "bridge/store/id_prefix.h"

#include <array>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services {

namespace json = boost::json;
using base::Code;
using base::Result;
using engine::from_stamp;
using engine::stamp_or_null;
using engine::time_or_none;
using engine::to_stamp;

namespace {

constexpr std::array schedule_steps = {
    store::Migration{"schedules", 1, R"sql(
      CREATE TABLE schedules (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT UNIQUE,
        rule TEXT NOT NULL,
        zone TEXT NOT NULL,
        start_at INTEGER NOT NULL,
        packet TEXT,
        band INTEGER NOT NULL,
        patience_s INTEGER,
        paused INTEGER NOT NULL,
        creator TEXT NOT NULL,
        request TEXT,
        request_hash TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        done_at INTEGER NOT NULL,
        next_at INTEGER,
        runs INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        UNIQUE (creator, request)
      ) STRICT;
      CREATE INDEX schedules_next ON schedules (next_at) WHERE next_at IS NOT NULL;
      CREATE TABLE schedule_runs (
        schedule TEXT NOT NULL REFERENCES schedules (id),
        number INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        started_at INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        job TEXT NOT NULL,
        detail TEXT NOT NULL,
        PRIMARY KEY (schedule, number)
      ) STRICT
    )sql"},
    store::Migration{"schedules", 2, R"sql(
      ALTER TABLE schedules ADD COLUMN workflow TEXT;
      ALTER TABLE schedules ADD COLUMN inputs TEXT;
      ALTER TABLE schedule_runs ADD COLUMN flow TEXT NOT NULL DEFAULT ''
    )sql"},
    // The version that was looked at when the schedule was made, and the workflow by its name, if
    // it was called by a part of its id.
    store::Migration{"schedules", 3, R"sql(
      ALTER TABLE schedules ADD COLUMN workflow_version INTEGER NOT NULL DEFAULT 0;
      UPDATE schedules
      SET workflow = (
        SELECT w.name
        FROM workflows w
        WHERE substr(w.id, 1, length(schedules.workflow)) = schedules.workflow
      )
      WHERE workflow IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM workflows w WHERE w.name = schedules.workflow)
        AND 1 = (
          SELECT COUNT(*)
          FROM workflows w
          WHERE substr(w.id, 1, length(schedules.workflow)) = schedules.workflow
        );
      UPDATE schedules
      SET workflow_version = COALESCE((
        SELECT MAX(v.version)
        FROM workflow_versions v
        JOIN workflows w ON w.id = v.workflow
        WHERE w.name = schedules.workflow AND v.created_at <= schedules.created_at
      ), 0)
      WHERE workflow IS NOT NULL
    )sql"},
    // Under which keys people asked for runs.
    store::Migration{"schedules", 4, R"sql(
      CREATE TABLE schedule_keys (
        schedule TEXT NOT NULL REFERENCES schedules (id),
        key TEXT NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (schedule, key)
      ) STRICT
    )sql"},
};

// Every schedule with its newest run.
constexpr std::string_view select = R"sql(
  SELECT s.id, s.name, s.rule, s.zone, s.start_at, s.packet, s.band, s.patience_s, s.paused,
         s.creator, s.created_at, s.done_at, s.next_at, s.runs,
         r.number, r.due_at, r.started_at, r.outcome, r.job, r.detail, r.flow, s.request_hash,
         s.workflow, s.inputs, s.workflow_version
  FROM schedules s
  LEFT JOIN schedule_runs r ON r.schedule = s.id AND r.number = s.runs
)sql";
constexpr std::size_t run_column = 14;
constexpr std::size_t schedule_hash_column = 21;
constexpr std::size_t workflow_column = 22;

ScheduleRun run_of(const store::Row& row, std::size_t at) {
  return {.number = row[at].integer(),
          .due = from_stamp(row[at + 1].integer()),
          .started = from_stamp(row[at + 2].integer()),
          .outcome = row[at + 3].text(),
          .job = row[at + 4].text(),
          .flow = row[at + 6].text(),
          .detail = row[at + 5].text()};
}

Result<Schedule> schedule_of(const store::Row& row) {
  Schedule schedule{.id = row[0].text(),
                    .name = row[1].is_null() ? "" : row[1].text(),
                    .rule = row[2].text(),
                    .zone = row[3].text(),
                    .start = from_stamp(row[4].integer()),
                    .packet = std::nullopt,
                    .band = static_cast<int>(row[6].integer()),
                    .patience = std::nullopt,
                    .is_paused = row[8].flag(),
                    .creator = row[9].text(),
                    .created = from_stamp(row[10].integer()),
                    .done = from_stamp(row[11].integer()),
                    .next = std::nullopt,
                    .runs = row[13].integer()};
  if (!row[5].is_null()) {
    TRY(auto packet, base::parse_json(row[5].text()));
    schedule.packet = std::move(packet.as_object());
  }
  if (!row[workflow_column].is_null()) {
    TRY(auto inputs, base::parse_json(row[workflow_column + 1].text()));
    schedule.flow = WorkflowCall{row[workflow_column].text(), std::move(inputs.as_object()),
                                 row[workflow_column + 2].integer()};
  }
  if (!row[7].is_null()) schedule.patience = std::chrono::seconds(row[7].integer());
  schedule.next = time_or_none(row[12]);
  if (!row[run_column].is_null()) schedule.last = run_of(row, run_column);
  return schedule;
}

Result<std::vector<Schedule>> all(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(const auto rows, tx.query(fmt::format("{}{}", select, rest), std::move(values)));
  std::vector<Schedule> found;
  for (const auto& row : rows) {
    TRY(auto schedule, schedule_of(row));
    found.push_back(std::move(schedule));
  }
  return found;
}

}  // namespace

std::span<const store::Migration> schedule_migrations() { return schedule_steps; }

Result<std::optional<std::string>> schedule_of_workflow(store::Tx& tx,
                                                        const std::string& workflow) {
  TRY(const auto row,
      tx.query_one(
          "SELECT COALESCE(name, id) FROM schedules WHERE workflow = $1 ORDER BY id LIMIT 1",
          {workflow}));
  if (!row) return std::nullopt;
  return row->at(0).text();
}

namespace schedule_rows {

Result<std::optional<Schedule>> with_id(store::Tx& tx, const std::string& id) {
  TRY(auto found, all(tx, "WHERE s.id = $1", {id}));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

Result<Schedule> find(store::Tx& tx, const std::string& which) {
  TRY(auto itself, with_id(tx, which));
  if (itself) return *std::move(itself);
  TRY(auto named, all(tx, "WHERE s.name = $1", {which}));
  if (!named.empty()) return std::move(named.front());
  return store::find_by_prefix({.noun = "schedule", .column = "s.id", .prefix = which},
                               [&](const std::string& rest, store::Values values) {
                                 return all(tx, rest, std::move(values));
                               });
}

Result<std::optional<Schedule>> of_request(store::Tx& tx, const std::string& creator,
                                           const NewSchedule& asked) {
  if (asked.request.empty()) return std::nullopt;
  TRY(const auto row, tx.query_one(fmt::format("{}WHERE s.creator = $1 AND s.request = $2", select),
                                   {creator, asked.request}));
  if (!row) return std::nullopt;
  if ((*row)[schedule_hash_column].text() != asked.request_hash) {
    return base::fail(
        Code::conflict,
        fmt::format("create schedule: request {} came before with another body", asked.request),
        "idempotency_mismatch");
  }
  TRY(auto schedule, schedule_of(*row));
  return schedule;
}

Result<> insert(store::Tx& tx, const Schedule& schedule, const NewSchedule& asked,
                std::int64_t generation) {
  TRY(const auto there, tx.query_one("SELECT COUNT(*) FROM schedules"));
  if (there->at(0).integer() >= limits::schedules_max) {
    return base::fail(Code::conflict,
                      fmt::format("create schedule: there are {} already, and no more are allowed; "
                                  "delete one first",
                                  limits::schedules_max),
                      "too_many");
  }
  TRY(const auto namesake,
      tx.query_one("SELECT id FROM schedules WHERE name = $1", {schedule.name}));
  if (namesake) {
    return base::fail(Code::conflict,
                      fmt::format("create schedule: schedule {} has the name \"{}\" already",
                                  namesake->at(0).text(), schedule.name),
                      "name_taken");
  }
  const auto name = schedule.name.empty() ? std::nullopt : std::optional(schedule.name);
  const auto request = asked.request.empty() ? std::nullopt : std::optional(asked.request);
  const auto packet =
      schedule.packet ? std::optional(json::serialize(*schedule.packet)) : std::nullopt;
  const auto flow = schedule.flow ? std::optional(schedule.flow->workflow) : std::nullopt;
  const auto inputs =
      schedule.flow ? std::optional(json::serialize(schedule.flow->inputs)) : std::nullopt;
  const auto patience =
      schedule.patience ? std::optional(schedule.patience->count()) : std::nullopt;
  TRY_OK(tx.execute(R"sql(
    INSERT INTO schedules (id, name, rule, zone, start_at, packet, band, patience_s, paused,
                           creator, request, request_hash, created_at, done_at, next_at, runs,
                           generation, workflow, inputs, workflow_version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, $16, $17, $18,
            $19)
  )sql",
                    {schedule.id, name, schedule.rule, schedule.zone, to_stamp(schedule.start),
                     packet, schedule.band, patience, schedule.is_paused ? 1 : 0, schedule.creator,
                     request, asked.request_hash, to_stamp(schedule.created),
                     to_stamp(schedule.done), stamp_or_null(schedule.next), generation, flow,
                     inputs, schedule.flow ? schedule.flow->version : 0}));
  return {};
}

Result<> remove(store::Tx& tx, const std::string& id) {
  TRY_OK(tx.execute("DELETE FROM schedule_keys WHERE schedule = $1", {id}));
  TRY_OK(tx.execute("DELETE FROM schedule_runs WHERE schedule = $1", {id}));
  TRY_OK(tx.execute("DELETE FROM schedules WHERE id = $1", {id}));
  return {};
}

Result<store::Part<Schedule>> list(store::Tx& tx, const std::string& before, std::size_t limit) {
  TRY(const auto found,
      tx.query_part(
          fmt::format("{} WHERE $1 = '' OR s.id < $1 ORDER BY s.id DESC LIMIT $2", select),
          {before, limit + 1}, limit));
  return store::read_each(found, schedule_of);
}

Result<std::vector<Schedule>> due(store::Tx& tx, base::WallTime now) {
  return all(tx, R"sql(
    WHERE s.paused = 0 AND (s.next_at <= $1 OR s.done_at > $1)
    ORDER BY s.next_at, s.id
    LIMIT $2
  )sql",
             {to_stamp(now), limits::schedules_max});
}

Result<std::optional<base::WallTime>> next(store::Tx& tx) {
  TRY(const auto row, tx.query_one("SELECT MIN(next_at) FROM schedules WHERE next_at IS NOT NULL"));
  if (row->at(0).is_null()) return std::nullopt;
  return from_stamp(row->at(0).integer());
}

Result<std::vector<Schedule>> of_other_generations(store::Tx& tx, std::int64_t generation) {
  return all(tx, "WHERE s.generation <> $1 ORDER BY s.id", {generation});
}

Result<> set_times(store::Tx& tx, const Schedule& schedule, std::int64_t generation) {
  TRY_OK(tx.execute(R"sql(
    UPDATE schedules
    SET start_at = $2, paused = $3, done_at = $4, next_at = $5, generation = $6
    WHERE id = $1
  )sql",
                    {schedule.id, to_stamp(schedule.start), schedule.is_paused ? 1 : 0,
                     to_stamp(schedule.done), stamp_or_null(schedule.next), generation}));
  return {};
}

Result<> set_flow(store::Tx& tx, const Schedule& schedule) {
  TRY_OK(tx.execute("UPDATE schedules SET workflow = $2, workflow_version = $3 WHERE id = $1",
                    {schedule.id, schedule.flow->workflow, schedule.flow->version}));
  return {};
}

Result<std::int64_t> add_run(store::Tx& tx, const std::string& id, const ScheduleRun& run) {
  TRY(const auto row,
      tx.query_one("UPDATE schedules SET runs = runs + 1 WHERE id = $1 RETURNING runs", {id}));
  BRIDGE_ASSERT(row);
  const std::int64_t number = row->at(0).integer();
  TRY_OK(tx.execute(
      R"sql(
    INSERT INTO schedule_runs (schedule, number, due_at, started_at, outcome, job, detail, flow)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
  )sql",
      {id, number, to_stamp(run.due), to_stamp(run.started), run.outcome, run.job, run.detail,
       run.flow}));
  TRY_OK(tx.execute("DELETE FROM schedule_runs WHERE schedule = $1 AND number <= $2",
                    {id, number - limits::schedule_runs_kept}));
  TRY_OK(tx.execute("DELETE FROM schedule_keys WHERE schedule = $1 AND number <= $2",
                    {id, number - limits::schedule_runs_kept}));
  return number;
}

Result<std::optional<ScheduleRun>> run_of_key(store::Tx& tx, const std::string& id,
                                              const std::string& key) {
  if (key.empty()) return std::nullopt;
  TRY(const auto row, tx.query_one(R"sql(
    SELECT r.number, r.due_at, r.started_at, r.outcome, r.job, r.detail, r.flow
    FROM schedule_keys k
    JOIN schedule_runs r ON r.schedule = k.schedule AND r.number = k.number
    WHERE k.schedule = $1 AND k.key = $2
  )sql",
                                   {id, key}));
  if (!row) return std::nullopt;
  return run_of(*row, 0);
}

Result<> keep_key(store::Tx& tx, const std::string& id, const std::string& key,
                  std::int64_t number) {
  if (key.empty()) return {};
  TRY_OK(tx.execute("INSERT INTO schedule_keys (schedule, key, number) VALUES ($1, $2, $3)",
                    {id, key, number}));
  return {};
}

Result<> end_checks(store::Tx& tx, const std::string& id, const std::string& outcome,
                    const std::string& detail) {
  TRY_OK(tx.execute(R"sql(
    UPDATE schedule_runs
    SET outcome = $2, detail = $3
    WHERE schedule = $1 AND outcome = 'checking'
  )sql",
                    {id, outcome, detail}));
  return {};
}

Result<> interrupt_checks(store::Tx& tx) {
  TRY_OK(
      tx.execute("UPDATE schedule_runs SET outcome = 'interrupted', detail = 'the program "
                 "ended' WHERE outcome = 'checking'"));
  return {};
}

Result<std::vector<ScheduleRun>> runs(store::Tx& tx, const std::string& id, int limit) {
  TRY(const auto rows, tx.query(R"sql(
    SELECT number, due_at, started_at, outcome, job, detail, flow
    FROM schedule_runs
    WHERE schedule = $1
    ORDER BY number DESC
    LIMIT $2
  )sql",
                                {id, limit}));
  std::vector<ScheduleRun> found;
  for (const auto& row : rows) found.push_back(run_of(row, 0));
  return found;
}

}  // namespace schedule_rows
}  // namespace services
