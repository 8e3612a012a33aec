#include "bridge/services/events/event_limits.h"
#include "bridge/services/events/subscription_rows.h"
#include "bridge/store/id_prefix.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace events {

using base::Result;

namespace {

constexpr std::array<std::string_view, 3> state_names = {"pending", "delivered", "dead"};

constexpr std::string_view select = R"sql(
  SELECT d.number, d.id, d.subscription, d.event, d.type, d.state, d.attempts, d.round, d.jobs,
         d.job, d.status, d.detail, d.created_at, d.last_at, d.next_at, d.ended_at
  FROM deliveries d
)sql";

int number_in(const store::Value& value) { return static_cast<int>(value.integer()); }

Delivery delivery_of_row(const store::Row& row) {
  return {.number = row[0].integer(),
          .id = row[1].text(),
          .subscription = row[2].text(),
          .event = row[3].integer(),
          .type = row[4].text(),
          .state = delivery_state_named(row[5].text()).value_or(Delivery::State::dead),
          .attempts = number_in(row[6]),
          .round = number_in(row[7]),
          .jobs = number_in(row[8]),
          .job = row[9].text(),
          .status = number_in(row[10]),
          .detail = row[11].text(),
          .created = engine::from_stamp(row[12].integer()),
          .last = engine::time_or_none(row[13]),
          .next = engine::time_or_none(row[14]),
          .ended = engine::time_or_none(row[15])};
}

std::vector<std::string> ids_in(const std::vector<store::Row>& rows) {
  std::vector<std::string> ids;
  for (const auto& row : rows) ids.push_back(row.at(0).text());
  return ids;
}

Result<std::vector<Delivery>> all(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(const auto rows, tx.query(fmt::format("{}{}", select, rest), std::move(values)));
  std::vector<Delivery> found;
  for (const auto& row : rows) found.push_back(delivery_of_row(row));
  return found;
}

Result<std::optional<Delivery>> one(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(auto found, all(tx, rest, std::move(values)));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

}  // namespace

std::string_view name(Delivery::State state) {
  return state_names[static_cast<std::size_t>(state)];
}

std::optional<Delivery::State> delivery_state_named(std::string_view word) {
  const auto found = std::ranges::find(state_names, word);
  if (found == state_names.end()) return std::nullopt;
  return static_cast<Delivery::State>(found - state_names.begin());
}

namespace rows {

Result<Delivery> find_delivery(store::Tx& tx, const std::string& which) {
  return store::find_by_prefix({.noun = "delivery", .column = "d.id", .prefix = which},
                               [&](const std::string& rest, store::Values values) {
                                 return all(tx, rest, std::move(values));
                               });
}

Result<std::optional<Delivery>> delivery_with_id(store::Tx& tx, const std::string& id) {
  return one(tx, "WHERE d.id = $1", {id});
}

Result<std::optional<Delivery>> delivery_of(store::Tx& tx, const std::string& subscription,
                                            std::int64_t event) {
  return one(tx, "WHERE d.subscription = $1 AND d.event = $2", {subscription, event});
}

Result<std::vector<Delivery>> pending_of(store::Tx& tx, const std::string& subscription) {
  return all(tx, "WHERE d.subscription = $1 AND d.state = 'pending' ORDER BY d.number",
             {subscription});
}

Result<std::vector<Delivery>> deliveries(store::Tx& tx, const DeliveryFilter& filter,
                                         std::optional<std::int64_t> before, std::size_t limit) {
  std::string where = "WHERE 1 = 1";
  store::Values values;
  const auto add = [&](std::string_view condition, store::Value value) {
    values.push_back(std::move(value));
    where += fmt::format(fmt::runtime(condition), values.size());
  };
  if (!filter.subscription.empty()) add(" AND d.subscription = ${}", filter.subscription);
  if (!filter.agent.empty()) {
    add(" AND d.subscription IN (SELECT id FROM subscriptions WHERE agent = ${})", filter.agent);
  }
  if (filter.state) add(" AND d.state = ${}", name(*filter.state));
  if (before) add(" AND d.number < ${}", *before);
  add(" ORDER BY d.number DESC LIMIT ${}", limit);
  return all(tx, where, std::move(values));
}

Result<> insert_delivery(store::Tx& tx, const Delivery& made) {
  TRY_OK(tx.execute(
      R"sql(
    INSERT INTO deliveries (number, id, subscription, event, type, state, attempts, round, jobs,
                            job, status, detail, created_at, last_at, next_at, ended_at)
    VALUES ((SELECT COALESCE(MAX(number), 0) + 1 FROM deliveries), $1, $2, $3, $4, $5, $6, $7, $8,
            $9, $10, $11, $12, $13, $14, $15)
  )sql",
      {made.id, made.subscription, made.event, made.type, name(made.state), made.attempts,
       made.round, made.jobs, made.job, made.status, made.detail, engine::to_stamp(made.created),
       engine::stamp_or_null(made.last), engine::stamp_or_null(made.next),
       engine::stamp_or_null(made.ended)}));
  return {};
}

Result<> update_delivery(store::Tx& tx, const Delivery& changed) {
  TRY_OK(
      tx.execute(R"sql(
    UPDATE deliveries
    SET state = $2, attempts = $3, round = $4, jobs = $5, job = $6, status = $7, detail = $8,
        last_at = $9, next_at = $10, ended_at = $11
    WHERE id = $1
  )sql",
                 {changed.id, name(changed.state), changed.attempts, changed.round, changed.jobs,
                  changed.job, changed.status, changed.detail, engine::stamp_or_null(changed.last),
                  engine::stamp_or_null(changed.next), engine::stamp_or_null(changed.ended)}));
  return {};
}

Result<> remove_delivery(store::Tx& tx, const std::string& id) {
  TRY_OK(tx.execute("DELETE FROM deliveries WHERE id = $1", {id}));
  return {};
}

Result<std::vector<std::string>> forget_ended(store::Tx& tx, const std::string& subscription,
                                              int limit) {
  TRY(const auto rows, tx.query(R"sql(
    DELETE FROM deliveries
    WHERE number IN (SELECT number
                     FROM deliveries
                     WHERE subscription = $1 AND state <> 'pending'
                     ORDER BY number
                     LIMIT $2)
    RETURNING id
  )sql",
                                {subscription, limit}));
  return ids_in(rows);
}

Result<std::vector<std::string>> forget_old(store::Tx& tx, const std::string& subscription) {
  TRY(const auto rows, tx.query(R"sql(
    DELETE FROM deliveries
    WHERE subscription = $1
      AND state <> 'pending'
      AND number <= (SELECT number
                     FROM deliveries
                     WHERE subscription = $1
                     ORDER BY number DESC
                     LIMIT 1 OFFSET $2)
    RETURNING id
  )sql",
                                {subscription, limits::webhook_deliveries_kept}));
  return ids_in(rows);
}

}  // namespace rows
}  // namespace events
