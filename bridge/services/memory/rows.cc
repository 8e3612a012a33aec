#include "bridge/services/memory/rows.h"

#include "bridge/services/memory/memory.h"
#include "bridge/services/memory/memory_limits.h"
#include "bridge/services/memory/text_index.h"

#include <array>
#include <limits>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services::memory {

namespace json = boost::json;
using base::Code;
using base::Result;

namespace {

// The short columns come first: a filter reads them without the pages of a long content.
constexpr std::string_view tables = R"sql(
  CREATE TABLE memory_entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    agent TEXT NOT NULL,
    fleet TEXT NOT NULL,
    type TEXT NOT NULL,
    sharing TEXT NOT NULL CHECK (sharing IN ('private', 'fleet', 'all')),
    origin TEXT NOT NULL CHECK (origin IN ('reply', 'agent', 'person')),
    marks TEXT NOT NULL,
    title TEXT NOT NULL,
    tags TEXT NOT NULL,
    metadata TEXT NOT NULL,
    provenance TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    creator TEXT NOT NULL,
    request TEXT,
    request_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    content TEXT NOT NULL,
    UNIQUE (creator, request)
  ) STRICT;
  CREATE INDEX memory_entries_created ON memory_entries (created_at, number);
  CREATE TABLE memory_deleted (
    id TEXT NOT NULL PRIMARY KEY,
    agent TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    actor TEXT NOT NULL,
    deleted_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE memory_holdings (
    agent TEXT NOT NULL PRIMARY KEY,
    entries INTEGER NOT NULL,
    bytes INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE memory_topics (
    agent TEXT NOT NULL,
    tag TEXT NOT NULL,
    entries INTEGER NOT NULL,
    shared INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (agent, tag)
  ) STRICT;
  CREATE INDEX memory_topics_entries ON memory_topics (agent, entries);
  CREATE TABLE memory_replies (
    reply TEXT NOT NULL PRIMARY KEY,
    kept_at INTEGER NOT NULL
  ) STRICT
)sql";

std::int64_t stamp(base::WallTime time) {
  return std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
}

base::WallTime time_of(const store::Value& value) {
  return base::WallTime(std::chrono::milliseconds(value.integer()));
}

constexpr std::string_view columns =
    "number, id, agent, fleet, type, sharing, origin, title, tags, metadata, provenance, sha256, "
    "bytes, creator, created_at";

// What this program wrote itself: anything else is a damaged store.
Result<json::object> object_in(const std::string& text) {
  TRY(auto value, base::parse_json(text));
  if (!value.is_object()) return base::fail(Code::internal, "read memory: not an object");
  return std::move(value.get_object());
}

Result<Entry> entry_of(const store::Row& row) {
  Entry entry{.number = row[0].integer(),
              .id = row[1].text(),
              .owner = {row[2].text(), row[3].text()},
              .type = row[4].text(),
              .sharing = sharing_named(row[5].text()).value_or(Sharing::nobody),
              .origin = row[6].text() == "person"  ? Origin::person
                        : row[6].text() == "reply" ? Origin::reply
                                                   : Origin::agent,
              .title = row[7].text(),
              .content = row[15].text(),
              .tags = {},
              .metadata = {},
              .provenance = {},
              .sha256 = row[11].text(),
              .bytes = row[12].integer(),
              .creator = row[13].text(),
              .created = time_of(row[14])};
  TRY(const auto tags, base::parse_json(row[8].text()));
  for (const auto& tag : tags.as_array()) entry.tags.emplace_back(tag.as_string());
  TRY(entry.metadata, object_in(row[9].text()));
  TRY(entry.provenance, object_in(row[10].text()));
  return entry;
}

Result<std::optional<Entry>> one(store::Tx& tx, std::string_view content, std::string_view where,
                                 store::Values values) {
  TRY(const auto row, tx.query_one(fmt::format("SELECT {}, {} FROM memory_entries WHERE {}",
                                               columns, content, where),
                                   std::move(values)));
  if (!row) return std::nullopt;
  TRY(auto entry, entry_of(*row));
  return std::optional(std::move(entry));
}

Result<> count(store::Tx& tx, const Entry& entry, int by) {
  TRY_OK(tx.execute(R"sql(
    INSERT INTO memory_holdings (agent, entries, bytes)
    VALUES ($1, $2, $3)
    ON CONFLICT (agent) DO UPDATE
    SET entries = memory_holdings.entries + excluded.entries,
        bytes = memory_holdings.bytes + excluded.bytes
  )sql",
                    {entry.owner.agent, by, by * entry.bytes}));
  for (const auto& tag : entry.tags) {
    TRY_OK(tx.execute(R"sql(
      INSERT INTO memory_topics (agent, tag, entries, shared, last_at)
      VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT (agent, tag) DO UPDATE
      SET entries = memory_topics.entries + excluded.entries,
          shared = memory_topics.shared + excluded.shared,
          last_at = MAX(memory_topics.last_at, excluded.last_at)
    )sql",
                      {entry.owner.agent, tag, by, entry.sharing == Sharing::all ? by : 0,
                       stamp(entry.created)}));
    if (by > 0) continue;
    TRY_OK(tx.execute("DELETE FROM memory_topics WHERE agent = $1 AND tag = $2 AND entries <= 0",
                      {entry.owner.agent, tag}));
  }
  return {};
}

}  // namespace

std::span<const store::Migration> migrations() {
  static const std::array steps = {store::Migration{"memory", 1, tables},
                                   store::Migration{"memory", 2, text_index::tables},
                                   store::Migration{"memory", 3, text_index::marks_table}};
  return steps;
}

namespace rows {

Result<> insert(store::Tx& tx, Entry& entry, const Request& request) {
  const auto key = request.key.empty() ? std::nullopt : std::optional(request.key);
  const json::array tags(entry.tags.begin(), entry.tags.end());
  TRY(const auto row,
      tx.query_one(
          R"sql(
    INSERT INTO memory_entries (id, agent, fleet, type, sharing, origin, marks, title, tags,
                                metadata, provenance, sha256, bytes, creator, request, request_hash,
                                created_at, content)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
    RETURNING number
  )sql",
          {entry.id, entry.owner.agent, entry.owner.fleet, entry.type, name(entry.sharing),
           name(entry.origin), marks_of(entry), entry.title, json::serialize(tags),
           json::serialize(entry.metadata), json::serialize(entry.provenance), entry.sha256,
           entry.bytes, entry.creator, key, request.hash, stamp(entry.created), entry.content}));
  entry.number = row->at(0).integer();
  TRY_OK(count(tx, entry, 1));
  return text_index::add(tx, entry.number);
}

Result<> remove(store::Tx& tx, const Entry& entry, const std::string& actor, base::WallTime now) {
  TRY_OK(text_index::remove(tx, entry.number));
  TRY_OK(tx.execute("DELETE FROM memory_entries WHERE number = $1", {entry.number}));
  TRY_OK(count(tx, entry, -1));
  TRY_OK(tx.execute(R"sql(
    INSERT INTO memory_deleted (id, agent, sha256, bytes, actor, deleted_at)
    VALUES ($1, $2, $3, $4, $5, $6)
  )sql",
                    {entry.id, entry.owner.agent, entry.sha256, entry.bytes, actor, stamp(now)}));
  return {};
}

Result<std::optional<Entry>> with_id(store::Tx& tx, const std::string& id) {
  return one(tx, "content", "id = $1", {id});
}

Result<std::optional<Entry>> with_number(store::Tx& tx, std::int64_t number) {
  return one(tx, "content", "number = $1", {number});
}

Result<std::optional<Entry>> summary(store::Tx& tx, std::int64_t number) {
  return one(tx, "substr(content, 1, $2)", "number = $1",
             {number, limits::memory_excerpt_characters});
}

Result<std::vector<std::string>> ids(store::Tx& tx, const std::string& agent,
                                     const std::string& prefix) {
  // An id has nothing behind "~".
  TRY(const auto rows, tx.query(R"sql(
    SELECT id
    FROM (
      SELECT id, agent
      FROM memory_entries
      WHERE id >= $1 AND id < $1 || '~'
      ORDER BY id
      LIMIT 1000
    )
    WHERE agent = $2
    LIMIT 2
  )sql",
                                {prefix, agent}));
  std::vector<std::string> found;
  for (const auto& row : rows) found.push_back(row[0].text());
  return found;
}

Result<std::optional<Tombstone>> tombstone(store::Tx& tx, const std::string& id) {
  TRY(const auto row,
      tx.query_one("SELECT agent, sha256, actor, deleted_at FROM memory_deleted WHERE id = $1",
                   {id}));
  if (!row) return std::nullopt;
  return std::optional(Tombstone{.agent = row->at(0).text(),
                                 .sha256 = row->at(1).text(),
                                 .actor = row->at(2).text(),
                                 .deleted = time_of(row->at(3))});
}

Result<std::optional<Entry>> of_request(store::Tx& tx, const std::string& creator,
                                        const Request& request) {
  if (request.key.empty()) return std::nullopt;
  TRY(const auto row, tx.query_one("SELECT number, request_hash FROM memory_entries "
                                   "WHERE creator = $1 AND request = $2",
                                   {creator, request.key}));
  if (!row) return std::nullopt;
  if (row->at(1).text() != request.hash) {
    return base::fail(
        Code::conflict,
        fmt::format("store memory: request {} came before with another body", request.key),
        "idempotency_mismatch");
  }
  return with_number(tx, row->at(0).integer());
}

Result<std::int64_t> first_since(store::Tx& tx, base::WallTime since) {
  // Around a step of the clock the oldest by its stamp is not the first that was stored.
  TRY(const auto row, tx.query_one(R"sql(
    SELECT MIN(number)
    FROM (
      SELECT number
      FROM memory_entries
      WHERE created_at >= $1
      ORDER BY created_at, number
      LIMIT 100
    )
  )sql",
                                   {stamp(since)}));
  constexpr auto none = std::numeric_limits<std::int64_t>::max();
  return row->at(0).is_null() ? none : row->at(0).integer();
}

Result<Holdings> holdings_of(store::Tx& tx, const std::string& agent) {
  TRY(const auto row,
      tx.query_one("SELECT entries, bytes FROM memory_holdings WHERE agent = $1", {agent}));
  return row ? Holdings{row->at(0).integer(), row->at(1).integer()} : Holdings{};
}

Result<std::vector<Topic>> topics_of(store::Tx& tx, const std::string& agent, int limit) {
  TRY(const auto rows, tx.query(R"sql(
    SELECT tag, entries, shared, last_at
    FROM memory_topics
    WHERE agent = $1
    ORDER BY entries DESC, tag
    LIMIT $2
  )sql",
                                {agent, limit}));
  std::vector<Topic> found;
  for (const auto& row : rows) {
    found.push_back({row[0].text(), row[1].integer(), row[2].integer(), time_of(row[3])});
  }
  return found;
}

Result<std::vector<Topic>> shared_topics_of(store::Tx& tx, const std::string& agent, int limit) {
  TRY(const auto rows, tx.query(R"sql(
    SELECT tag, shared
    FROM memory_topics
    WHERE agent = $1 AND shared > 0
    ORDER BY shared DESC, tag
    LIMIT $2
  )sql",
                                {agent, limit}));
  std::vector<Topic> found;
  for (const auto& row : rows) {
    const auto tag = row[0].text();
    const text_index::Filter shared{
        .each = {mark::of_agent(agent), mark::of_all(), mark::of_tag(tag)}};
    TRY(const auto numbers, text_index::newest(tx, shared, 1));
    if (numbers.empty()) continue;
    TRY(const auto newest,
        tx.query_one("SELECT created_at FROM memory_entries WHERE number = $1", {numbers.front()}));
    if (!newest) continue;
    const auto count = row[1].integer();
    found.push_back({tag, count, count, time_of(newest->at(0))});
  }
  return found;
}

Result<bool> claim_reply(store::Tx& tx, const std::string& reply, base::WallTime now) {
  TRY(const auto changed, tx.execute("INSERT INTO memory_replies (reply, kept_at) VALUES ($1, $2) "
                                     "ON CONFLICT DO NOTHING",
                                     {reply, stamp(now)}));
  return changed > 0;
}

}  // namespace rows
}  // namespace services::memory
