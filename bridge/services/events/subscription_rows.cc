#include "bridge/services/events/subscription_rows.h"

#include "bridge/base/json.h"
#include "bridge/base/limits.h"
#include "bridge/engine/time.h"
#include "bridge/services/events/event_limits.h"
#include "bridge/store/id_prefix.h"
#include "cdp/json_text.h"

#include <array>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace events {

using base::Code;
using base::Result;

namespace {

constexpr std::array all_migrations = {
    store::Migration{"subscriptions", 1, R"sql(
      CREATE TABLE subscriptions (
        id TEXT NOT NULL PRIMARY KEY,
        agent TEXT NOT NULL,
        wish TEXT NOT NULL,
        via TEXT NOT NULL CHECK (via IN ('sse', 'webhook')),
        creator TEXT NOT NULL,
        request TEXT,
        request_hash TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        url TEXT NOT NULL,
        secret TEXT NOT NULL,
        old_secret TEXT NOT NULL,
        old_until_at INTEGER,
        disabled TEXT NOT NULL,
        handshake TEXT NOT NULL,
        cursor INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        failing_since_at INTEGER,
        throttles INTEGER NOT NULL,
        throttled_until_at INTEGER,
        UNIQUE (creator, request)
      ) STRICT;
      CREATE INDEX subscriptions_of_agent ON subscriptions (agent);
      CREATE INDEX subscriptions_behind ON subscriptions (cursor)
        WHERE via = 'webhook' AND disabled = '';
      CREATE TABLE deliveries (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        subscription TEXT NOT NULL REFERENCES subscriptions (id),
        event INTEGER NOT NULL,
        type TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
        attempts INTEGER NOT NULL,
        round INTEGER NOT NULL,
        jobs INTEGER NOT NULL,
        job TEXT NOT NULL,
        status INTEGER NOT NULL,
        detail TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        last_at INTEGER,
        next_at INTEGER,
        ended_at INTEGER,
        UNIQUE (subscription, event)
      ) STRICT;
      CREATE INDEX deliveries_of ON deliveries (subscription, number);
      CREATE INDEX deliveries_pending ON deliveries (subscription) WHERE state = 'pending';
      CREATE INDEX deliveries_by_state ON deliveries (state, number)
    )sql"},
    // Whose key made it. Only who is known to be bound to no agent hears of others.
    store::Migration{"subscriptions", 2, R"sql(
      ALTER TABLE subscriptions ADD COLUMN bound TEXT NOT NULL DEFAULT '';
      UPDATE subscriptions
      SET bound = agent
      WHERE NOT EXISTS (
        SELECT 1
        FROM api_keys
        WHERE 'key:' || api_keys.id = subscriptions.creator AND api_keys.agent = ''
      )
    )sql"},
};

constexpr std::string_view select = R"sql(
  SELECT s.id, s.agent, s.wish, s.via, s.creator, s.created_at, s.url, s.secret, s.old_secret,
         s.old_until_at, s.disabled, s.handshake, s.cursor, s.failures, s.failing_since_at,
         s.throttles, s.throttled_until_at,
         (SELECT COUNT(*) FROM deliveries d WHERE d.subscription = s.id AND d.state = 'pending'),
         s.request_hash, s.bound
  FROM subscriptions s
)sql";
constexpr std::size_t request_hash_column = 18;
constexpr std::size_t bound_column = 19;

json::array array_of(const std::vector<std::string>& words) {
  return json::array(words.begin(), words.end());
}

std::vector<std::string> words_in(const json::object& object, std::string_view name) {
  std::vector<std::string> words;
  const auto* list = object.if_contains(name);
  if (!list || !list->is_array()) return words;
  for (const auto& word : list->get_array()) {
    if (word.is_string()) words.emplace_back(word.get_string());
  }
  return words;
}

std::string text_of(const Handshake& handshake) {
  return json::serialize(json::object{{"result", handshake.result},
                                      {"detail", handshake.detail},
                                      {"per_minute", handshake.per_minute}});
}

Result<json::object> object_in(const std::string& text) {
  TRY(auto value, base::parse_json(text));
  if (value.is_object()) return std::move(value.get_object());
  return base::fail(Code::internal, "read subscription: not an object", "corrupt");
}

Result<Subscription> subscription_of(const store::Row& row) {
  Subscription found{.id = row[0].text(),
                     .agent = row[1].text(),
                     .wish = {},
                     .via = row[3].text() == name(Via::webhook) ? Via::webhook : Via::sse,
                     .creator = row[4].text(),
                     .created = engine::from_stamp(row[5].integer()),
                     .url = row[6].text(),
                     .secret = row[7].text(),
                     .old_secret = row[8].text(),
                     .old_until = engine::time_or_none(row[9]),
                     .disabled = row[10].text(),
                     .cursor = row[12].integer(),
                     .failures = static_cast<int>(row[13].integer()),
                     .failing_since = engine::time_or_none(row[14]),
                     .throttles = static_cast<int>(row[15].integer()),
                     .throttled_until = engine::time_or_none(row[16]),
                     .pending = static_cast<int>(row[17].integer())};
  TRY(const auto wish, object_in(row[2].text()));
  found.wish = {.types = words_in(wish, "types"),
                .subjects = words_in(wish, "subjects"),
                .categories = words_in(wish, "categories")};
  if (auto bound = row[bound_column].text(); !bound.empty()) {
    found.wish.only = Listener{std::move(bound), found.creator};
  }
  TRY(const auto handshake, object_in(row[11].text()));
  found.handshake = {.result = cdp::text_in(handshake, "result"),
                     .detail = cdp::text_in(handshake, "detail")};
  if (const auto* rate = handshake.if_contains("per_minute"); rate && rate->is_int64()) {
    found.handshake.per_minute = static_cast<int>(rate->get_int64());
  }
  return found;
}

Result<std::vector<Subscription>> all(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(const auto rows, tx.query(fmt::format("{}{}", select, rest), std::move(values)));
  std::vector<Subscription> found;
  for (const auto& row : rows) {
    TRY(auto one, subscription_of(row));
    found.push_back(std::move(one));
  }
  return found;
}

Result<> check_room(store::Tx& tx, const std::string& agent) {
  TRY(const auto counts, tx.query_one("SELECT COUNT(*), "
                                      "COALESCE(SUM(CASE WHEN agent = $1 THEN 1 ELSE 0 END), 0) "
                                      "FROM subscriptions",
                                      {agent}));
  const bool is_full = counts->at(0).integer() >= limits::subscriptions_max;
  const bool is_agent_full = counts->at(1).integer() >= limits::subscriptions_per_agent_max;
  if (!is_full && !is_agent_full) return {};
  return base::fail(
      Code::conflict,
      fmt::format("subscribe: {} subscriptions are there already, and no more are allowed",
                  is_full ? limits::subscriptions_max : limits::subscriptions_per_agent_max),
      "too_many");
}

}  // namespace

std::string_view name(Via via) { return via == Via::sse ? "sse" : "webhook"; }

std::span<const store::Migration> migrations() { return all_migrations; }

namespace rows {

json::object object_of(const Wish& wish) {
  return {{"types", array_of(wish.types)},
          {"subjects", array_of(wish.subjects)},
          {"categories", array_of(wish.categories)}};
}

Result<Subscription> find(store::Tx& tx, const std::string& which) {
  return store::find_by_prefix({.noun = "subscription", .column = "s.id", .prefix = which},
                               [&](const std::string& rest, store::Values values) {
                                 return all(tx, rest, std::move(values));
                               });
}

Result<std::optional<Subscription>> with_id(store::Tx& tx, const std::string& id) {
  TRY(auto found, all(tx, "WHERE s.id = $1", {id}));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

Result<std::vector<Subscription>> of_agent(store::Tx& tx, const std::string& agent) {
  if (agent.empty()) return all(tx, "ORDER BY s.id", {});
  return all(tx, "WHERE s.agent = $1 ORDER BY s.id", {agent});
}

Result<std::vector<Subscription>> behind(store::Tx& tx, std::int64_t last) {
  return all(tx,
             "WHERE s.via = 'webhook' AND s.disabled = '' AND s.cursor < $1 "
             "ORDER BY s.cursor, s.id",
             {last});
}

Result<std::optional<Subscription>> of_request(store::Tx& tx, const std::string& creator,
                                               const std::string& request,
                                               const std::string& request_hash) {
  if (request.empty()) return std::nullopt;
  TRY(const auto row, tx.query_one(fmt::format("{}WHERE s.creator = $1 AND s.request = $2", select),
                                   {creator, request}));
  if (!row) return std::nullopt;
  if ((*row)[request_hash_column].text() != request_hash) {
    return base::fail(Code::conflict,
                      fmt::format("subscribe: request {} came before with another body", request),
                      "idempotency_mismatch");
  }
  TRY(auto found, subscription_of(*row));
  return found;
}

Result<> insert(store::Tx& tx, const Subscription& made, const std::string& request,
                const std::string& request_hash) {
  TRY_OK(check_room(tx, made.agent));
  TRY_OK(tx.execute(
      R"sql(
    INSERT INTO subscriptions (id, agent, wish, via, creator, request, request_hash, created_at,
                               url, secret, old_secret, old_until_at, disabled, handshake, cursor,
                               failures, failing_since_at, throttles, throttled_until_at, bound)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', NULL, '', $11, $12, 0, NULL, 0, NULL,
            $13)
  )sql",
      {made.id, made.agent, json::serialize(object_of(made.wish)), name(made.via), made.creator,
       request.empty() ? std::nullopt : std::optional(request), request_hash,
       engine::to_stamp(made.created), made.url, made.secret, text_of(made.handshake), made.cursor,
       made.wish.only ? made.wish.only->agent : std::string()}));
  return {};
}

Result<> update(store::Tx& tx, const Subscription& changed) {
  TRY_OK(tx.execute(
      R"sql(
    UPDATE subscriptions
    SET secret = $2, old_secret = $3, old_until_at = $4, disabled = $5, handshake = $6,
        failures = $7, failing_since_at = $8, throttles = $9, throttled_until_at = $10
    WHERE id = $1
  )sql",
      {changed.id, changed.secret, changed.old_secret, engine::stamp_or_null(changed.old_until),
       changed.disabled, text_of(changed.handshake), changed.failures,
       engine::stamp_or_null(changed.failing_since), changed.throttles,
       engine::stamp_or_null(changed.throttled_until)}));
  return {};
}

Result<> set_cursor(store::Tx& tx, const std::string& id, std::int64_t cursor) {
  TRY_OK(tx.execute("UPDATE subscriptions SET cursor = $2 WHERE id = $1", {id, cursor}));
  return {};
}

Result<> remove(store::Tx& tx, const std::string& id) {
  TRY_OK(tx.execute("DELETE FROM deliveries WHERE subscription = $1", {id}));
  TRY_OK(tx.execute("DELETE FROM subscriptions WHERE id = $1", {id}));
  return {};
}

}  // namespace rows
}  // namespace events
