#include "bridge/services/workflows/workflow_rows.h"

#include "bridge/engine/time.h"
#include "bridge/store/id_prefix.h"

#include <array>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services {

namespace json = boost::json;
using base::Code;
using base::Result;
using store::Value;

namespace {

constexpr std::array migrations = {
    store::Migration{"workflows", 1, R"sql(
      CREATE TABLE workflows (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        version INTEGER NOT NULL,
        creator TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE workflow_versions (
        workflow TEXT NOT NULL REFERENCES workflows (id),
        version INTEGER NOT NULL,
        document TEXT NOT NULL,
        hash TEXT NOT NULL,
        output_reads TEXT NOT NULL,
        creator TEXT NOT NULL,
        request TEXT,
        request_hash TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (workflow, version),
        UNIQUE (creator, request)
      ) STRICT;
      CREATE TABLE workflow_plans (
        workflow TEXT NOT NULL,
        version INTEGER NOT NULL,
        step INTEGER NOT NULL,
        id TEXT NOT NULL,
        plan TEXT NOT NULL,
        PRIMARY KEY (workflow, version, step)
      ) STRICT;
      CREATE TABLE workflow_runs (
        id TEXT NOT NULL PRIMARY KEY,
        workflow TEXT NOT NULL REFERENCES workflows (id),
        version INTEGER NOT NULL,
        creator TEXT NOT NULL,
        sender TEXT NOT NULL,
        for_others INTEGER NOT NULL,
        agent TEXT NOT NULL,
        request TEXT,
        request_hash TEXT NOT NULL,
        steps INTEGER NOT NULL,
        parallel_max INTEGER NOT NULL,
        unfinished INTEGER NOT NULL CHECK (unfinished >= 0),
        running INTEGER NOT NULL,
        ready INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        cancelled INTEGER NOT NULL,
        wish INTEGER NOT NULL,
        result TEXT NOT NULL,
        error TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        finished_at INTEGER,
        UNIQUE (creator, request)
      ) STRICT;
      CREATE INDEX workflow_runs_of ON workflow_runs (workflow, id);
      CREATE INDEX workflow_runs_by_result ON workflow_runs (workflow, result);
      CREATE TABLE workflow_run_texts (
        run TEXT NOT NULL PRIMARY KEY REFERENCES workflow_runs (id),
        inputs TEXT NOT NULL,
        outputs TEXT
      ) STRICT;
      CREATE TABLE workflow_steps (
        run TEXT NOT NULL REFERENCES workflow_runs (id),
        step INTEGER NOT NULL,
        phase TEXT NOT NULL,
        outcome TEXT NOT NULL,
        error_code TEXT,
        error_detail TEXT,
        waiting INTEGER NOT NULL,
        upstream INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        approved INTEGER NOT NULL,
        job TEXT NOT NULL,
        started_at INTEGER,
        finished_at INTEGER,
        due_at INTEGER,
        PRIMARY KEY (run, step)
      ) STRICT;
      CREATE INDEX workflow_steps_phase ON workflow_steps (phase, run, step);
      CREATE INDEX workflow_steps_due ON workflow_steps (due_at) WHERE due_at IS NOT NULL;
      CREATE TABLE workflow_step_outputs (
        run TEXT NOT NULL,
        step INTEGER NOT NULL,
        outputs TEXT NOT NULL,
        PRIMARY KEY (run, step)
      ) STRICT
    )sql"},
    store::Migration{"workflows", 2, R"sql(
      ALTER TABLE workflow_runs ADD COLUMN behind TEXT NOT NULL DEFAULT '';
      ALTER TABLE workflow_runs ADD COLUMN depth INTEGER NOT NULL DEFAULT 0
    )sql"},
    store::Migration{"workflows", 3, "UPDATE workflow_runs SET behind = creator WHERE behind = ''"},
    // For those who see only their own.
    store::Migration{"workflows", 4, R"sql(
      CREATE INDEX workflow_runs_behind ON workflow_runs (behind);
      CREATE INDEX workflow_runs_of_agent ON workflow_runs (agent) WHERE agent <> ''
    )sql"},
    store::Migration{"workflows", 5, "ALTER TABLE workflow_steps ADD COLUMN begin_by INTEGER"},
    store::Migration{"workflows", 6, "ALTER TABLE workflows ADD COLUMN deleted_at INTEGER"},
};

}  // namespace

std::span<const store::Migration> workflow_migrations() { return migrations; }

namespace workflow_rows {

namespace {

constexpr std::string_view select_workflows =
    "SELECT id, name, version, creator, created_at, updated_at, deleted_at FROM workflows ";

Workflow workflow_of(const store::Row& row) {
  return {.id = row[0].text(),
          .name = row[1].text(),
          .version = row[2].integer(),
          .creator = row[3].text(),
          .created = engine::from_stamp(row[4].integer()),
          .updated = engine::from_stamp(row[5].integer()),
          .is_deleted = !row[6].is_null()};
}

Result<std::vector<Workflow>> workflows(store::Tx& tx, std::string_view rest,
                                        store::Values values) {
  TRY(const auto rows, tx.query(fmt::format("{}{}", select_workflows, rest), std::move(values)));
  std::vector<Workflow> found;
  for (const auto& row : rows) found.push_back(workflow_of(row));
  return found;
}

std::string numbers_text(const std::vector<std::size_t>& numbers) {
  return json::serialize(json::array(numbers.begin(), numbers.end()));
}

}  // namespace

Result<std::optional<Workflow>> once_named(store::Tx& tx, const std::string& name) {
  TRY(auto found, workflows(tx, "WHERE name = $1", {name}));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

Result<std::optional<Workflow>> named(store::Tx& tx, const std::string& name) {
  TRY(auto found, once_named(tx, name));
  if (found && found->is_deleted) return std::nullopt;
  return found;
}

Result<std::optional<Workflow>> with_id(store::Tx& tx, const std::string& id) {
  TRY(auto found, workflows(tx, "WHERE id = $1", {id}));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

Result<Workflow> find(store::Tx& tx, const std::string& which) {
  TRY(auto itself, with_id(tx, which));
  if (itself && itself->is_deleted) return std::unexpected(store::no_such_id("workflow", which));
  if (itself) return *std::move(itself);
  TRY(auto by_name, named(tx, which));
  if (by_name) return *std::move(by_name);
  return store::find_by_prefix(
      {.noun = "workflow", .column = "id", .prefix = which, .where = "WHERE deleted_at IS NULL"},
      [&](const std::string& rest, store::Values values) {
        return workflows(tx, rest, std::move(values));
      });
}

Result<std::vector<Workflow>> list(store::Tx& tx, const std::string& before, std::size_t limit) {
  return workflows(tx,
                   "WHERE deleted_at IS NULL AND ($1 = '' OR id < $1) ORDER BY id DESC LIMIT $2",
                   {before, limit});
}

Result<std::int64_t> count(store::Tx& tx) {
  TRY(const auto row, tx.query_one("SELECT COUNT(*) FROM workflows WHERE deleted_at IS NULL"));
  return row->at(0).integer();
}

Result<std::optional<std::pair<std::string, std::int64_t>>> of_request(store::Tx& tx,
                                                                       const Request& request) {
  if (request.key.empty()) return std::nullopt;
  TRY(const auto row, tx.query_one("SELECT workflow, version, request_hash FROM workflow_versions "
                                   "WHERE creator = $1 AND request = $2",
                                   {request.creator, request.key}));
  if (!row) return std::nullopt;
  if (row->at(2).text() != request.hash) {
    return base::fail(
        Code::conflict,
        fmt::format("create workflow: request {} came before with another body", request.key),
        "idempotency_mismatch");
  }
  return std::pair(row->at(0).text(), row->at(1).integer());
}

Result<> add_version(store::Tx& tx, const Workflow& workflow,
                     const workflow::Definition& definition, const std::string& hash,
                     const Request& request) {
  if (workflow.version == 1) {
    TRY_OK(
        tx.execute("INSERT INTO workflows (id, name, version, creator, created_at, updated_at) "
                   "VALUES ($1, $2, $3, $4, $5, $6)",
                   {workflow.id, workflow.name, workflow.version, workflow.creator,
                    engine::to_stamp(workflow.created), engine::to_stamp(workflow.updated)}));
  } else {
    TRY_OK(tx.execute(R"sql(
      UPDATE workflows
      SET version = $2, creator = $3, created_at = $4, updated_at = $5, deleted_at = NULL
      WHERE id = $1
    )sql",
                      {workflow.id, workflow.version, workflow.creator,
                       engine::to_stamp(workflow.created), engine::to_stamp(workflow.updated)}));
  }
  const auto key = request.key.empty() ? std::nullopt : std::optional(request.key);
  TRY_OK(
      tx.execute("INSERT INTO workflow_versions (workflow, version, document, hash, output_reads, "
                 "creator, request, request_hash, created_at) "
                 "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                 {workflow.id, workflow.version, json::serialize(definition.document), hash,
                  numbers_text(definition.output_reads), request.creator, key, request.hash,
                  engine::to_stamp(workflow.updated)}));
  for (std::size_t i = 0; i < definition.steps.size(); ++i) {
    const auto& step = definition.steps[i];
    TRY_OK(tx.execute(
        "INSERT INTO workflow_plans (workflow, version, step, id, plan) "
        "VALUES ($1, $2, $3, $4, $5)",
        {workflow.id, workflow.version, i, step.id, json::serialize(workflow::to_json(step))}));
  }
  return {};
}

Result<> hide(store::Tx& tx, const std::string& workflow, base::WallTime now) {
  TRY_OK(tx.execute("UPDATE workflows SET deleted_at = $2 WHERE id = $1",
                    {workflow, engine::to_stamp(now)}));
  return {};
}

Result<Version> version(store::Tx& tx, const std::string& workflow, std::int64_t number) {
  TRY(const auto row, tx.query_one("SELECT document, hash, output_reads FROM workflow_versions "
                                   "WHERE workflow = $1 AND version = $2",
                                   {workflow, number}));
  BRIDGE_ASSERT(row);
  TRY(auto document, base::parse_json(row->at(0).text()));
  TRY(const auto reads, base::parse_json(row->at(2).text()));
  Version found{.number = number,
                .document = std::move(document.as_object()),
                .hash = row->at(1).text(),
                .output_reads = {}};
  for (const auto& item : reads.as_array()) {
    found.output_reads.push_back(item.to_number<std::size_t>());
  }
  return found;
}

Result<std::int64_t> newest_by(store::Tx& tx, const std::string& workflow,
                               const std::string& creator, std::int64_t number) {
  TRY(const auto row, tx.query_one("SELECT COALESCE(MAX(version), $3) FROM workflow_versions "
                                   "WHERE workflow = $1 AND creator = $2 AND version > $3",
                                   {workflow, creator, number}));
  return row->at(0).integer();
}

Result<workflow::Step> plan(store::Tx& tx, const std::string& workflow, std::int64_t version,
                            std::size_t step) {
  TRY(const auto row, tx.query_one("SELECT id, plan FROM workflow_plans "
                                   "WHERE workflow = $1 AND version = $2 AND step = $3",
                                   {workflow, version, step}));
  BRIDGE_ASSERT(row);
  TRY(const auto kept, base::parse_json(row->at(1).text()));
  return workflow::step_from(row->at(0).text(), kept);
}

Result<std::vector<workflow::Step>> plans(store::Tx& tx, const std::string& workflow,
                                          std::int64_t version) {
  TRY(const auto rows, tx.query("SELECT id, plan FROM workflow_plans "
                                "WHERE workflow = $1 AND version = $2 ORDER BY step",
                                {workflow, version}));
  std::vector<workflow::Step> steps;
  for (const auto& row : rows) {
    TRY(const auto kept, base::parse_json(row[1].text()));
    TRY(auto step, workflow::step_from(row[0].text(), kept));
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace workflow_rows
}  // namespace services
