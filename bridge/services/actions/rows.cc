#include "bridge/services/actions/rows.h"

#include "bridge/base/hash.h"
#include "bridge/engine/time.h"
#include "bridge/services/actions/action_limits.h"
#include "bridge/services/actions/rules.h"

#include <algorithm>
#include <array>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services::actions {

namespace json = boost::json;
using base::Code;
using base::Result;
using engine::from_stamp;
using engine::to_stamp;

namespace {

constexpr std::array steps = {
    store::Migration{"actions", 1, R"sql(
      CREATE TABLE asked_actions (
        id TEXT PRIMARY KEY,
        action TEXT NOT NULL,
        params TEXT NOT NULL,
        agent TEXT NOT NULL,
        asker TEXT NOT NULL,
        principal TEXT NOT NULL,
        request TEXT,
        request_hash TEXT NOT NULL,
        definition_hash TEXT NOT NULL,
        hash TEXT NOT NULL,
        risk INTEGER NOT NULL,
        approvers INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'rejected', 'expired', 'done',
                                             'failed', 'held')),
        job TEXT NOT NULL,
        asked_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        ended_ms INTEGER,
        error TEXT NOT NULL
      ) STRICT;
      CREATE UNIQUE INDEX asked_actions_request ON asked_actions (principal, request)
        WHERE request IS NOT NULL;
      CREATE INDEX asked_actions_waiting ON asked_actions (expires_ms) WHERE state = 'waiting';
      CREATE INDEX asked_actions_state ON asked_actions (state, id);
      CREATE INDEX asked_actions_agent ON asked_actions (agent, id) WHERE agent <> '';
      CREATE INDEX asked_actions_job ON asked_actions (job) WHERE job <> '';

      CREATE TABLE action_approvals (
        asked TEXT NOT NULL REFERENCES asked_actions (id),
        principal TEXT NOT NULL,
        hash TEXT NOT NULL,
        name TEXT NOT NULL,
        yes INTEGER NOT NULL,
        note TEXT NOT NULL,
        time_ms INTEGER NOT NULL,
        PRIMARY KEY (asked, principal)
      ) STRICT;

      CREATE TABLE action_kills (
        place TEXT PRIMARY KEY,
        reason TEXT NOT NULL,
        principal TEXT NOT NULL,
        time_ms INTEGER NOT NULL
      ) STRICT
    )sql"},
    store::Migration{"actions", 2, R"sql(
      CREATE TABLE action_resolutions (
        asked TEXT NOT NULL REFERENCES asked_actions (id),
        number INTEGER NOT NULL,
        verdict TEXT NOT NULL CHECK (verdict IN ('sent', 'not-sent', 'abandon')),
        principal TEXT NOT NULL,
        name TEXT NOT NULL,
        note TEXT NOT NULL,
        time_ms INTEGER NOT NULL,
        PRIMARY KEY (asked, number)
      ) STRICT;

      ALTER TABLE asked_actions ADD COLUMN undoes TEXT NOT NULL DEFAULT '';
      CREATE INDEX asked_actions_undoes ON asked_actions (undoes, id) WHERE undoes <> '';
      CREATE UNIQUE INDEX asked_actions_undone ON asked_actions (undoes)
        WHERE undoes <> '' AND state IN ('waiting', 'approved', 'done', 'held')
    )sql"},
    store::Migration{"actions", 3, R"sql(
      ALTER TABLE asked_actions ADD COLUMN behind TEXT NOT NULL DEFAULT ''
    )sql"},
    // All that is asked of what waits, without its parameters, which may be long.
    store::Migration{"actions", 4, R"sql(
      CREATE INDEX asked_actions_waiting_of ON asked_actions (agent, behind, principal, id, state)
        WHERE state = 'waiting'
    )sql"},
};

constexpr std::array<std::string_view, 7> state_names = {
    "waiting", "approved", "rejected", "expired", "done", "failed", "held"};

std::string select(std::string_view rest) {
  return fmt::format(
      "SELECT id, action, params, agent, asker, principal, definition_hash, hash, risk, approvers, "
      "state, job, asked_ms, expires_ms, ended_ms, error, undoes, behind FROM asked_actions {}",
      rest);
}

Result<Asked> asked_of(const store::Row& row) {
  auto at = row.begin();
  const auto text = [&at] { return (at++)->text(); };
  Asked asked;
  asked.id = text();
  asked.action = text();
  TRY(asked.params, base::parse_json(text()));
  asked.agent = text();
  asked.asker = text();
  asked.principal = text();
  asked.definition_hash = text();
  asked.hash = text();
  asked.risk = static_cast<int>((at++)->integer());
  asked.approvers = static_cast<int>((at++)->integer());
  asked.state = state_named(text()).value();
  asked.job = text();
  asked.asked = from_stamp((*at++).integer());
  asked.expires = from_stamp((*at++).integer());
  if (!at->is_null()) asked.ended = from_stamp((*at).integer());
  ++at;
  asked.error = text();
  asked.undoes = text();
  asked.behind = text();
  return asked;
}

}  // namespace

std::span<const store::Migration> migrations() { return steps; }

std::string_view name(State state) { return state_names[static_cast<std::size_t>(state)]; }

std::optional<State> state_named(std::string_view word) {
  for (std::size_t i = 0; i < state_names.size(); ++i) {
    if (state_names[i] == word) return static_cast<State>(i);
  }
  return std::nullopt;
}

std::string_view expiry_of(const Asked& asked) {
  if (asked.error == "withdrawn") return "it was taken back";
  return asked.job.empty() ? "nobody decided in time" : "the approval has expired";
}

std::string hash_of(const Asked& asked) {
  json::object told{
      {"id", asked.id},
      {"action", asked.action},
      {"definition", asked.definition_hash},
      {"params", asked.params},
      {"agent", asked.agent},
      {"principal", asked.principal},
      {"approvers", asked.approvers},
      {"expires", to_stamp(asked.expires)},
  };
  if (!asked.undoes.empty()) told["undoes"] = asked.undoes;
  if (!asked.behind.empty()) told["behind"] = asked.behind;
  return base::sha256_hex(base::canonical_json(told));
}

namespace rows {

Result<std::vector<Asked>> all(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(const auto found, tx.query(select(rest), std::move(values)));
  std::vector<Asked> asked;
  for (const auto& row : found) {
    TRY(auto one, asked_of(row));
    asked.push_back(std::move(one));
  }
  return asked;
}

Result<store::Part<Asked>> some(store::Tx& tx, std::string_view rest, store::Values values,
                                std::size_t most) {
  TRY(const auto found, tx.query_part(select(rest), std::move(values), most));
  return store::read_each(found, asked_of);
}

Result<std::optional<Asked>> one(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(auto found, all(tx, rest, std::move(values)));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

Result<> insert(store::Tx& tx, const Asked& asked, const std::string& request,
                const std::string& request_hash) {
  TRY_OK(tx.execute(
      "INSERT INTO asked_actions (id, action, params, agent, asker, principal, "
      "request, request_hash, definition_hash, hash, risk, approvers, state, job, "
      "asked_ms, expires_ms, error, undoes, behind) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
      "$16, $17, $18, $19)",
      {asked.id, asked.action, json::serialize(asked.params), asked.agent, asked.asker,
       asked.principal, request.empty() ? store::Value() : store::Value(request), request_hash,
       asked.definition_hash, asked.hash, asked.risk, asked.approvers, name(asked.state), asked.job,
       to_stamp(asked.asked), to_stamp(asked.expires), asked.error, asked.undoes, asked.behind}));
  return {};
}

Result<> move(store::Tx& tx, const Asked& asked, State from) {
  TRY(const auto moved,
      tx.execute(
          "UPDATE asked_actions SET state = $3, job = $4, ended_ms = $5, error = $6 "
          "WHERE id = $1 AND state = $2",
          {asked.id, name(from), name(asked.state), asked.job,
           asked.ended ? store::Value(to_stamp(*asked.ended)) : store::Value(), asked.error}));
  if (moved == 1) return {};
  return base::fail(Code::conflict,
                    fmt::format("action {}: it is no longer {}", asked.id, name(from)), "stale");
}

Result<> add_approval(store::Tx& tx, const std::string& id, const std::string& hash,
                      const Approval& approval) {
  TRY_OK(
      tx.execute("INSERT INTO action_approvals (asked, principal, hash, name, yes, note, time_ms) "
                 "VALUES ($1, $2, $3, $4, $5, $6, $7)",
                 {id, approval.principal, hash, approval.name, approval.is_yes ? 1 : 0,
                  approval.note, to_stamp(approval.time)}));
  return {};
}

Result<std::vector<Approval>> approvals(store::Tx& tx, const std::string& id,
                                        const std::string& hash) {
  TRY(const auto found, tx.query("SELECT principal, name, yes, note, time_ms FROM action_approvals "
                                 "WHERE asked = $1 AND hash = $2 ORDER BY time_ms, principal",
                                 {id, hash}));
  std::vector<Approval> given;
  for (const auto& row : found) {
    given.push_back({row.at(0).text(), row.at(1).text(), row.at(2).flag(), row.at(3).text(),
                     from_stamp(row.at(4).integer())});
  }
  return given;
}

Result<> add_resolution(store::Tx& tx, const std::string& id, const Resolution& word) {
  TRY_OK(
      tx.execute("INSERT INTO action_resolutions "
                 "(asked, number, verdict, principal, name, note, time_ms) "
                 "SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4, $5, $6 "
                 "FROM action_resolutions WHERE asked = $1",
                 {id, word.verdict, word.principal, word.name, word.note, to_stamp(word.time)}));
  return {};
}

Result<std::vector<Resolution>> resolutions(store::Tx& tx, const std::string& id) {
  TRY(const auto found,
      tx.query("SELECT verdict, principal, name, note, time_ms FROM action_resolutions "
               "WHERE asked = $1 ORDER BY number DESC LIMIT $2",
               {id, limits::resolutions_shown}));
  std::vector<Resolution> words;
  for (const auto& row : found) {
    words.push_back({row.at(0).text(), row.at(1).text(), row.at(2).text(), row.at(3).text(),
                     from_stamp(row.at(4).integer())});
  }
  std::ranges::reverse(words);
  return words;
}

Result<Kills> kills(store::Tx& tx) {
  TRY(const auto found, tx.query("SELECT place, reason FROM action_kills"));
  Kills off;
  for (const auto& row : found) off.emplace(row.at(0).text(), row.at(1).text());
  return off;
}

Result<> set_kill(store::Tx& tx, const std::string& place, const std::string& reason,
                  const std::string& principal, base::WallTime now) {
  TRY_OK(
      tx.execute("INSERT INTO action_kills (place, reason, principal, time_ms) "
                 "VALUES ($1, $2, $3, $4) "
                 "ON CONFLICT (place) DO UPDATE SET reason = excluded.reason, "
                 "principal = excluded.principal, time_ms = excluded.time_ms",
                 {place, reason, principal, to_stamp(now)}));
  return {};
}

Result<> clear_kill(store::Tx& tx, const std::string& place) {
  TRY_OK(tx.execute("DELETE FROM action_kills WHERE place = $1", {place}));
  return {};
}

}  // namespace rows
}  // namespace services::actions
