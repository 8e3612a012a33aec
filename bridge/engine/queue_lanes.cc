// The queue's lanes and accounts.
#include "bridge/base/limits.h"
#include "bridge/base/utf8.h"
#include "bridge/engine/desk.h"
#include "bridge/engine/queue.h"
#include "cdp/try.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace engine {
namespace {

using base::Code;
using base::Result;

// Of a row of `lanes`.
constexpr std::string_view is_told_of =
    "(retired = 0 "
    "OR EXISTS (SELECT 1 FROM lane_bands WHERE lane = lanes.id AND queued > 0) "
    "OR EXISTS (SELECT 1 FROM jobs WHERE lane = lanes.id AND state = 'running') "
    "OR EXISTS (SELECT 1 FROM jobs WHERE lane = lanes.id AND state = 'held'))";

// What stands in the way of these lanes alone.
Result<std::vector<Shut>> blocked_lanes(store::Tx& tx, std::string_view where,
                                        store::Values values = {}) {
  TRY(const auto rows,
      tx.query(fmt::format("SELECT id, account, blocked, blocked_at, blocked_et, "
                           "blocked_url FROM lanes WHERE blocked IS NOT NULL AND {}",
                           where),
               std::move(values)));
  std::vector<Shut> found;
  for (const auto& row : rows) {
    found.push_back({.account = row.at(1).text(),
                     .lane = LaneId{row.at(0).text()},
                     .breaker = {.trip = Trip::blocked,
                                 .detail = row.at(2).text(),
                                 .since = from_stamp(row.at(3).integer()),
                                 .tripped = Milliseconds(row.at(4).integer()),
                                 .url = row.at(5).text()}});
  }
  return found;
}

Result<LaneStatus> status_of(const Desk& desk, const LaneId& id, const std::string& all_paused,
                             Milliseconds time) {
  TRY(const auto lane, desk.lane(id));
  TRY(const auto account, desk.account(lane.account));
  LaneStatus status;
  status.id = id;
  status.account = lane.account;
  status.paused = lane.paused.empty() ? all_paused : lane.paused;
  status.is_paused_itself = !lane.paused.empty();
  status.holder = lane.is_leased(time) ? lane.holder : "";
  status.epoch = lane.epoch;
  status.mean_run = lane.mean_run;
  status.breaker = account.breaker.is_open(time) ? account.breaker : Breaker{};
  if (lane.blocked) {
    TRY(const auto blocked, blocked_lanes(desk.tx, "id = $1", {id.text}));
    status.blocked = blocked.at(0).breaker;
  }
  TRY(const auto counted,
      desk.tx.query_one("SELECT (SELECT COALESCE(SUM(queued), 0) FROM lane_bands WHERE lane = $1), "
                        "(SELECT COUNT(*) FROM jobs WHERE lane = $1 AND state = 'held' "
                        "AND parent IS NULL)",
                        {id.text}));
  status.queued = static_cast<int>(counted->at(0).integer());
  status.held = static_cast<int>(counted->at(1).integer());
  TRY(const auto running,
      find_jobs(desk.tx, "WHERE lane = $1 AND state = 'running' AND parent IS NULL", {id.text}));
  if (!running.empty()) status.running = running.front().id;
  TRY(const int reserved, desk.reserved(lane.account));
  TRY(status.next_send, desk.wait_for_limits(account, reserved, time));
  return status;
}

}  // namespace

Result<> Queue::declare_lane(store::Tx& tx, const LaneId& lane, const std::string& account,
                             const std::string& url) const {
  if (lane.text.empty() || lane.text.size() > ::limits::name_bytes_max || account.empty() ||
      account.size() > ::limits::name_bytes_max) {
    return base::fail(Code::invalid, "declare lane: a name is empty or too long");
  }
  TRY_OK(
      tx.execute("INSERT INTO accounts (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", {account}));
  TRY(const auto changed,
      tx.execute("INSERT INTO lanes (id, account, url) VALUES ($1, $2, $3) "
                 "ON CONFLICT (id) DO UPDATE SET account = excluded.account, retired = 0, "
                 "url = CASE WHEN excluded.url = '' THEN lanes.url ELSE excluded.url END "
                 "WHERE lanes.account = excluded.account OR lanes.holder IS NULL",
                 {lane.text, account, url}));
  if (changed == 0) {
    return base::fail(Code::conflict,
                      fmt::format("declare lane {}: it runs under another account", lane.text));
  }
  return {};
}

Result<int> Queue::move_lanes(store::Tx& tx, std::string_view from,
                              const std::string& account) const {
  constexpr std::string_view others = "{0} <> $1 AND substr({0}, 1, length($2)) = $2";
  const auto others_by = [&](std::string_view column) {
    return fmt::format(fmt::runtime(others), column);
  };
  const store::Values values = {account, from};
  TRY_OK(
      tx.execute("INSERT INTO accounts (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", {account}));
  TRY(const auto moved, tx.execute(fmt::format("UPDATE lanes SET account = $1 "
                                               "WHERE holder IS NULL AND {}",
                                               others_by("account")),
                                   values));
  if (moved == 0) return 0;
  TRY_OK(tx.execute(fmt::format("UPDATE sends SET account = $1 WHERE {}", others_by("account")),
                    values));
  TRY_OK(tx.execute(fmt::format("UPDATE accounts SET trip = NULL, trip_detail = '', "
                                "trip_until_et = NULL WHERE {}",
                                others_by("id")),
                    values));
  tell_breaker_changed(tx);
  return static_cast<int>(moved);
}

Result<> Queue::retire_lane(store::Tx& tx, const LaneId& lane) const {
  TRY_OK(tx.execute("UPDATE lanes SET retired = 1 WHERE id = $1", {lane.text}));
  return {};
}

Result<> Queue::pause(store::Tx& tx, const LaneId& lane, const std::string& reason) const {
  BRIDGE_ASSERT(!reason.empty());
  TRY(const auto changed,
      tx.execute("UPDATE lanes SET paused = $2 WHERE id = $1",
                 {lane.text, base::beginning_of(reason, ::limits::name_bytes_max)}));
  if (changed == 1) return {};
  return base::fail(Code::not_found, fmt::format("pause lane {}: no such lane", lane.text));
}

Result<> Queue::resume(store::Tx& tx, const LaneId& lane) const {
  TRY(const auto changed, tx.execute("UPDATE lanes SET paused = '' WHERE id = $1", {lane.text}));
  if (changed == 0) {
    return base::fail(Code::not_found, fmt::format("resume lane {}: no such lane", lane.text));
  }
  TRY_OK(unblock(tx, lane));
  if (options_.ring) tx.after_commit([ring = options_.ring, lane] { ring(bell_of(lane)); });
  return {};
}

Result<> Queue::pause_everything(store::Tx& tx, const std::string& reason) const {
  BRIDGE_ASSERT(!reason.empty());
  TRY_OK(
      tx.execute("INSERT INTO engine_pause (id, reason) VALUES (1, $1) "
                 "ON CONFLICT (id) DO UPDATE SET reason = excluded.reason",
                 {base::beginning_of(reason, ::limits::name_bytes_max)}));
  return {};
}

Result<> Queue::resume_everything(store::Tx& tx) const {
  TRY_OK(tx.execute("DELETE FROM engine_pause"));
  TRY(const auto blocked, tx.query("SELECT id FROM lanes WHERE blocked IS NOT NULL"));
  for (const auto& row : blocked) TRY_OK(unblock(tx, {row.at(0).text()}));
  if (!options_.ring) return {};
  TRY(const auto waiting, lanes_with_work(tx));
  for (const auto& lane : waiting) {
    tx.after_commit([ring = options_.ring, lane] { ring(bell_of(lane)); });
  }
  return {};
}

Result<std::string> Queue::everything_paused(store::Tx& tx) const {
  return engine::everything_paused(tx);
}

Result<std::vector<LaneId>> Queue::lanes_with_work(store::Tx& tx) const {
  TRY(const auto rows,
      tx.query("SELECT id FROM lanes AS l "
               "WHERE EXISTS (SELECT 1 FROM jobs WHERE lane = l.id AND state = 'running') "
               "OR EXISTS (SELECT 1 FROM jobs WHERE lane = l.id AND state = 'queued' "
               "AND in_line = 1) "
               "OR EXISTS (SELECT 1 FROM jobs WHERE lane = l.id AND state = 'queued' "
               "AND in_line = 0)"));
  std::vector<LaneId> lanes;
  for (const auto& row : rows) lanes.push_back({row.at(0).text()});
  std::ranges::sort(lanes, {}, &LaneId::text);
  return lanes;
}

Result<std::vector<LaneStatus>> Queue::lanes(store::Tx& tx, const Now& now) const {
  const Desk desk(tx, options_, now);
  TRY(const auto time, desk.time());
  TRY(const auto all_paused, everything_paused(tx));
  TRY(const auto rows, tx.query(fmt::format("SELECT id FROM lanes WHERE {}", is_told_of)));
  std::vector<LaneStatus> all;
  for (const auto& row : rows) {
    TRY(auto status, status_of(desk, LaneId{row.at(0).text()}, all_paused, time));
    all.push_back(std::move(status));
  }
  std::ranges::sort(all, {}, &LaneStatus::id);
  return all;
}

Result<std::vector<LanePage>> Queue::lane_pages(store::Tx& tx, const std::string& account) const {
  TRY(const auto rows, tx.query("SELECT id, url, blocked_at FROM lanes "
                                "WHERE account = $1 AND url <> '' AND retired = 0 ORDER BY id",
                                {account}));
  std::vector<LanePage> pages;
  for (const auto& row : rows) {
    pages.push_back({{row.at(0).text()}, row.at(1).text()});
    if (row.at(2).integer() > 0) pages.back().blocked = from_stamp(row.at(2).integer());
  }
  return pages;
}

void Queue::tell_breaker_changed(store::Tx& tx) const {
  if (options_.breaker_changed) tx.after_commit(options_.breaker_changed);
}

// What backed off because of a breaker need not wait any longer. Of these lanes, of which `where`
// says the same in the words of the store. Two statements, for which there are indexes.
Result<> Queue::wake(store::Tx& tx, const std::vector<LaneId>& lanes, std::string_view where,
                     const std::string& value) const {
  for (const std::string_view state : {"queued", "running"}) {
    TRY_OK(tx.execute(fmt::format("UPDATE jobs SET ready_et = 0 WHERE state = '{}' "
                                  "AND in_line = 1 AND ready_et > 0 AND {}",
                                  state, where),
                      {value}));
  }
  if (!options_.ring) return {};
  for (const auto& lane : lanes) {
    tx.after_commit([ring = options_.ring, lane] { ring(bell_of(lane)); });
  }
  return {};
}

Result<> Queue::trip(store::Tx& tx, const std::string& account, Trip why, const std::string& detail,
                     std::optional<base::WallTime> until, const Now& now,
                     const std::string& url) const {
  BRIDGE_ASSERT(why != Trip::blocked);
  TRY(const auto time, advance_engine_time(tx, now));
  store::Value until_et;
  if (until) {
    const auto left = std::chrono::ceil<Milliseconds>(*until - now.wall);
    until_et = (time + std::max(left, Milliseconds(0))).count();
  }
  // What another conversation was told of a longer pause is still true, and time mends nothing that
  // needs a person.
  TRY(const auto changed,
      tx.execute("INSERT INTO accounts (id, trip, trip_detail, trip_at, trip_et, trip_until_et, "
                 "trip_url) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET "
                 "trip = excluded.trip, trip_detail = excluded.trip_detail, "
                 "trip_at = excluded.trip_at, trip_et = excluded.trip_et, "
                 "trip_url = excluded.trip_url, "
                 "trip_until_et = CASE WHEN accounts.trip IS NOT NULL "
                 "AND accounts.trip_until_et > excluded.trip_until_et "
                 "THEN accounts.trip_until_et ELSE excluded.trip_until_et END "
                 "WHERE accounts.trip IS NULL OR accounts.trip_until_et IS NOT NULL "
                 "OR excluded.trip_until_et IS NULL",
                 {account, name(why), base::beginning_of(detail, ::limits::error_detail_bytes_max),
                  to_stamp(now.wall), time.count(), until_et, url}));
  if (changed == 0) return {};
  tell_breaker_changed(tx);
  // Who waits for less looks again.
  if (options_.ring) {
    tx.after_commit([ring = options_.ring, account] { ring(bell_of_account(account)); });
  }
  return {};
}

Result<std::optional<Milliseconds>> Queue::last_trip(store::Tx& tx,
                                                     const std::string& account) const {
  TRY(const auto row,
      tx.query_one("SELECT trip_et FROM accounts WHERE id = $1 AND trip_at > 0", {account}));
  if (!row) return std::nullopt;
  return Milliseconds(row->at(0).integer());
}

Result<> Queue::close_breaker(store::Tx& tx, const std::string& account) const {
  TRY(const auto closed, tx.execute("UPDATE accounts SET trip = NULL, trip_detail = '', "
                                    "trip_until_et = NULL WHERE id = $1 AND trip IS NOT NULL",
                                    {account}));
  if (closed == 0) return {};
  tell_breaker_changed(tx);
  if (options_.ring) {
    tx.after_commit([ring = options_.ring, account] { ring(bell_of_account(account)); });
  }
  TRY(const auto rows, tx.query("SELECT id FROM lanes WHERE account = $1", {account}));
  std::vector<LaneId> lanes;
  for (const auto& row : rows) lanes.push_back({row.at(0).text()});
  return wake(tx, lanes, "lane IN (SELECT id FROM lanes WHERE account = $1)", account);
}

Result<> Queue::block(store::Tx& tx, const LaneId& lane, const std::string& detail,
                      const std::string& url, const Now& now) const {
  TRY(const auto time, advance_engine_time(tx, now));
  TRY(const auto changed,
      tx.execute("UPDATE lanes SET blocked = $2, blocked_at = $3, blocked_et = $4, "
                 "blocked_url = $5 WHERE id = $1",
                 {lane.text, base::beginning_of(detail, ::limits::error_detail_bytes_max),
                  to_stamp(now.wall), time.count(), url}));
  if (changed == 0) {
    return base::fail(Code::not_found, fmt::format("block lane {}: no such lane", lane.text));
  }
  tell_breaker_changed(tx);
  return {};
}

Result<> Queue::unblock(store::Tx& tx, const LaneId& lane) const {
  TRY(const auto changed,
      tx.execute("UPDATE lanes SET blocked = NULL WHERE id = $1 AND blocked IS NOT NULL",
                 {lane.text}));
  if (changed == 0) return {};
  tell_breaker_changed(tx);
  return wake(tx, {lane}, "lane = $1", lane.text);
}

Result<std::vector<Shut>> open_breakers(store::Tx& tx, const Now& now) {
  const QueueOptions no_limits;
  const Desk desk(tx, no_limits, now);
  TRY(const auto time, desk.time());
  std::vector<Shut> found;
  TRY(const auto rows, tx.query("SELECT id FROM accounts WHERE trip IS NOT NULL ORDER BY id"));
  for (const auto& row : rows) {
    TRY(auto account, desk.account(row.at(0).text()));
    if (!account.breaker.is_open(time)) continue;
    found.push_back({.account = std::move(account.id),
                     .lane = std::nullopt,
                     .breaker = std::move(account.breaker)});
  }
  TRY(auto lanes, blocked_lanes(tx, is_told_of));
  std::ranges::move(lanes, std::back_inserter(found));
  return found;
}

}  // namespace engine
