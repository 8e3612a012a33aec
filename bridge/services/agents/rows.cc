#include "bridge/services/agents/rows.h"

#include "bridge/engine/time.h"
#include "bridge/services/agents/agent_limits.h"

#include <array>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services::agents {

namespace json = boost::json;
using base::Result;

namespace {

constexpr std::array steps = {
    store::Migration{"agents", 1, R"sql(
      CREATE TABLE agents (
        id TEXT NOT NULL PRIMARY KEY,
        slug TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        link TEXT NOT NULL,
        category TEXT NOT NULL,
        category_key TEXT NOT NULL,
        purpose TEXT NOT NULL,
        status TEXT NOT NULL,
        tier TEXT NOT NULL,
        tier_set INTEGER NOT NULL,
        date_added TEXT NOT NULL,
        aliases TEXT NOT NULL,
        capabilities TEXT NOT NULL,
        creator TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        changed_at INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        last_beat_at INTEGER,
        beats INTEGER NOT NULL,
        reported TEXT NOT NULL,
        metrics TEXT NOT NULL,
        told_offline INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX agents_category ON agents (category_key, slug);
      CREATE INDEX agents_beat ON agents (last_beat_at) WHERE told_offline = 0;
      CREATE TABLE agent_aliases (
        alias TEXT NOT NULL PRIMARY KEY,
        agent TEXT NOT NULL REFERENCES agents (id)
      ) STRICT;
      CREATE INDEX agent_aliases_agent ON agent_aliases (agent);
      CREATE TABLE agent_capabilities (
        capability TEXT NOT NULL,
        agent TEXT NOT NULL REFERENCES agents (id),
        PRIMARY KEY (capability, agent)
      ) STRICT;
      CREATE INDEX agent_capabilities_agent ON agent_capabilities (agent);
      CREATE TABLE agent_beats (
        agent TEXT NOT NULL REFERENCES agents (id),
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        status TEXT NOT NULL,
        metrics TEXT NOT NULL,
        PRIMARY KEY (agent, number)
      ) STRICT;
      CREATE TABLE agent_requests (
        creator TEXT NOT NULL,
        request TEXT NOT NULL,
        hash TEXT NOT NULL,
        answer TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (creator, request)
      ) STRICT
    )sql"},
    store::Migration{"agents", 2, R"sql(
      CREATE TABLE missions (
        id TEXT NOT NULL PRIMARY KEY,
        category TEXT NOT NULL,
        category_key TEXT NOT NULL,
        objective TEXT NOT NULL,
        state TEXT NOT NULL,
        creator TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        ended_at INTEGER
      ) STRICT;
      CREATE INDEX missions_category ON missions (category_key, id);
      CREATE UNIQUE INDEX missions_running ON missions (category_key) WHERE state = 'running';
      CREATE TABLE mission_members (
        mission TEXT NOT NULL REFERENCES missions (id),
        agent TEXT NOT NULL,
        slug TEXT NOT NULL,
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        progress INTEGER NOT NULL,
        note TEXT NOT NULL,
        changed_at INTEGER NOT NULL,
        PRIMARY KEY (mission, agent)
      ) STRICT;
      CREATE INDEX mission_members_agent ON mission_members (agent)
    )sql"},
    store::Migration{"agents", 3, R"sql(
      ALTER TABLE agents ADD COLUMN given_aliases TEXT NOT NULL DEFAULT '[]'
    )sql"},
};

constexpr std::string_view select = R"sql(
  SELECT a.id, a.slug, a.name, a.kind, a.link, a.category, a.category_key, a.purpose, a.status,
         a.tier, a.tier_set, a.date_added, a.aliases, a.capabilities, a.creator, a.created_at,
         a.changed_at, a.revision, a.last_beat_at, a.beats, a.reported, a.metrics, a.told_offline
  FROM agents a
)sql";

std::string text_of(const std::vector<std::string>& words) {
  return json::serialize(json::array(words.begin(), words.end()));
}

std::vector<std::string> words_of(const store::Value& value) {
  std::vector<std::string> words;
  const auto list = json::parse(value.text());
  for (const auto& word : list.as_array()) words.emplace_back(word.as_string());
  return words;
}

Agent agent_of(const store::Row& row) {
  Agent agent{.id = row[0].text(),
              .slug = row[1].text(),
              .name = row[2].text(),
              .kind = *kind_of(row[3].text()),
              .link = row[4].text(),
              .category = row[5].text(),
              .category_key = row[6].text(),
              .purpose = row[7].text(),
              .status = *status_of(row[8].text()),
              .tier = *tier_of(row[9].text()),
              .is_tier_set = row[10].flag(),
              .date_added = row[11].text(),
              .aliases = words_of(row[12]),
              .capabilities = words_of(row[13]),
              .creator = row[14].text(),
              .created = engine::from_stamp(row[15].integer()),
              .changed = engine::from_stamp(row[16].integer()),
              .revision = row[17].integer(),
              .beats = row[19].integer(),
              .reported = row[20].text(),
              .metrics = json::parse(row[21].text()).as_object(),
              .is_told_offline = row[22].flag()};
  if (!row[18].is_null()) agent.last_beat = engine::from_stamp(row[18].integer());
  return agent;
}

Result<> put_words(store::Tx& tx, const Agent& agent) {
  TRY_OK(tx.execute("DELETE FROM agent_aliases WHERE agent = $1", {agent.id}));
  TRY_OK(tx.execute("DELETE FROM agent_capabilities WHERE agent = $1", {agent.id}));
  for (const auto& alias : agent.aliases) {
    TRY_OK(
        tx.execute("INSERT INTO agent_aliases (alias, agent) VALUES ($1, $2)", {alias, agent.id}));
  }
  for (const auto& capability : agent.capabilities) {
    TRY_OK(tx.execute("INSERT INTO agent_capabilities (capability, agent) VALUES ($1, $2)",
                      {capability, agent.id}));
  }
  return {};
}

}  // namespace

std::span<const store::Migration> migrations() { return steps; }

namespace rows {

Result<std::vector<Agent>> all(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(const auto found, tx.query(fmt::format("{}{}", select, rest), std::move(values)));
  std::vector<Agent> agents;
  agents.reserve(found.size());
  for (const auto& row : found) agents.push_back(agent_of(row));
  return agents;
}

Result<std::optional<Agent>> one(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(auto found, all(tx, rest, std::move(values)));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

Result<> insert(store::Tx& tx, const Agent& agent) {
  TRY_OK(tx.execute(R"sql(
    INSERT INTO agents (id, slug, name, kind, link, category, category_key, purpose, status, tier,
                        tier_set, date_added, aliases, capabilities, creator, created_at,
                        changed_at, revision, beats, reported, metrics, told_offline)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 0, '',
            '{}', 0)
  )sql",
                    {agent.id, agent.slug, agent.name, name(agent.kind), agent.link, agent.category,
                     agent.category_key, agent.purpose, name(agent.status), name(agent.tier),
                     agent.is_tier_set ? 1 : 0, agent.date_added, text_of(agent.aliases),
                     text_of(agent.capabilities), agent.creator, engine::to_stamp(agent.created),
                     engine::to_stamp(agent.changed), agent.revision}));
  return put_words(tx, agent);
}

Result<> update(store::Tx& tx, const Agent& agent) {
  TRY_OK(
      tx.execute(R"sql(
    UPDATE agents
    SET name = $2, kind = $3, link = $4, category = $5, category_key = $6, purpose = $7,
        status = $8, tier = $9, tier_set = $10, date_added = $11, aliases = $12,
        capabilities = $13, changed_at = $14, revision = $15
    WHERE id = $1
  )sql",
                 {agent.id, agent.name, name(agent.kind), agent.link, agent.category,
                  agent.category_key, agent.purpose, name(agent.status), name(agent.tier),
                  agent.is_tier_set ? 1 : 0, agent.date_added, text_of(agent.aliases),
                  text_of(agent.capabilities), engine::to_stamp(agent.changed), agent.revision}));
  return put_words(tx, agent);
}

Result<> set_beat(store::Tx& tx, const Agent& agent) {
  TRY_OK(tx.execute(R"sql(
    UPDATE agents
    SET last_beat_at = $2, beats = $3, reported = $4, metrics = $5, told_offline = $6
    WHERE id = $1
  )sql",
                    {agent.id, engine::to_stamp(*agent.last_beat), agent.beats, agent.reported,
                     json::serialize(agent.metrics), agent.is_told_offline ? 1 : 0}));
  return {};
}

Result<> set_told_offline(store::Tx& tx, const Agent& agent) {
  TRY_OK(tx.execute("UPDATE agents SET told_offline = $2 WHERE id = $1",
                    {agent.id, agent.is_told_offline ? 1 : 0}));
  return {};
}

Result<> free_alias(store::Tx& tx, const std::string& id, const std::string& alias) {
  TRY_OK(tx.execute("DELETE FROM agent_aliases WHERE agent = $1 AND alias = $2", {id, alias}));
  return {};
}

Result<std::map<std::string, std::vector<std::string>>> given_aliases(store::Tx& tx) {
  TRY(const auto found,
      tx.query("SELECT id, given_aliases FROM agents WHERE given_aliases <> '[]'"));
  std::map<std::string, std::vector<std::string>> given;
  for (const auto& row : found) given.emplace(row[0].text(), words_of(row[1]));
  return given;
}

Result<> set_given_aliases(store::Tx& tx, const std::string& id,
                           const std::vector<std::string>& aliases) {
  TRY_OK(tx.execute("UPDATE agents SET given_aliases = $2 WHERE id = $1 AND given_aliases <> $2",
                    {id, text_of(aliases)}));
  return {};
}

Result<> remove(store::Tx& tx, const std::string& id) {
  for (const auto* table : {"agent_aliases", "agent_capabilities", "agent_beats"}) {
    TRY_OK(tx.execute(fmt::format("DELETE FROM {} WHERE agent = $1", table), {id}));
  }
  TRY_OK(tx.execute("DELETE FROM agents WHERE id = $1", {id}));
  return {};
}

Result<> add_beat(store::Tx& tx, const Agent& agent) {
  TRY_OK(tx.execute(R"sql(
    INSERT INTO agent_beats (agent, number, at, status, metrics)
    VALUES ($1, $2, $3, $4, $5)
  )sql",
                    {agent.id, agent.beats, engine::to_stamp(*agent.last_beat), agent.reported,
                     json::serialize(agent.metrics)}));
  TRY_OK(tx.execute("DELETE FROM agent_beats WHERE agent = $1 AND number <= $2",
                    {agent.id, agent.beats - limits::agent_beats_kept}));
  return {};
}

Result<std::vector<Beat>> beats(store::Tx& tx, const std::string& id, std::int64_t before,
                                std::size_t limit) {
  TRY(const auto found, tx.query(R"sql(
    SELECT number, at, status, metrics
    FROM agent_beats
    WHERE agent = $1 AND ($2 = 0 OR number < $2)
    ORDER BY number DESC
    LIMIT $3
  )sql",
                                 {id, before, limit}));
  std::vector<Beat> beats;
  for (const auto& row : found) {
    beats.push_back({.number = row[0].integer(),
                     .time = engine::from_stamp(row[1].integer()),
                     .status = row[2].text(),
                     .metrics = json::parse(row[3].text()).as_object()});
  }
  return beats;
}

}  // namespace rows
}  // namespace services::agents
