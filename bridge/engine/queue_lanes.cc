// The queue's lanes and accounts.
#include "bridge/base/limits.h"
#include "bridge/engine/desk.h"
#include "bridge/engine/queue.h"
#include "cdp/try.h"

#include <fmt/format.h>

namespace engine {
namespace {

using base::Code;
using base::Result;

Result<LaneStatus> status_of(const Desk& desk, const LaneId& id, Milliseconds time) {
  TRY(const auto lane, desk.lane(id));
  TRY(const auto account, desk.account(lane.account));
  LaneStatus status;
  status.id = id;
  status.account = lane.account;
  status.paused = lane.paused;
  status.holder = lane.is_leased(time) ? lane.holder : "";
  status.epoch = lane.epoch;
  status.mean_run = lane.mean_run;
  status.breaker = account.breaker.is_open(time) ? account.breaker : Breaker{};
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

Result<> Queue::declare_lane(store::Tx& tx, const LaneId& lane, const std::string& account) const {
  if (lane.text.empty() || lane.text.size() > ::limits::name_bytes_max || account.empty() ||
      account.size() > ::limits::name_bytes_max) {
    return base::fail(Code::invalid, "declare lane: a name is empty or too long");
  }
  TRY_OK(
      tx.execute("INSERT INTO accounts (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", {account}));
  TRY(const auto changed,
      tx.execute("INSERT INTO lanes (id, account) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE "
                 "SET account = excluded.account "
                 "WHERE lanes.account = excluded.account OR lanes.holder IS NULL",
                 {lane.text, account}));
  if (changed == 0) {
    return base::fail(Code::conflict,
                      fmt::format("declare lane {}: it runs under another account", lane.text));
  }
  return {};
}

Result<> Queue::pause(store::Tx& tx, const LaneId& lane, const std::string& reason) const {
  BRIDGE_ASSERT(!reason.empty());
  TRY(const auto changed, tx.execute("UPDATE lanes SET paused = $2 WHERE id = $1",
                                     {lane.text, clipped(reason, ::limits::name_bytes_max)}));
  if (changed == 1) return {};
  return base::fail(Code::not_found, fmt::format("pause lane {}: no such lane", lane.text));
}

Result<> Queue::resume(store::Tx& tx, const LaneId& lane) const {
  TRY(const auto changed, tx.execute("UPDATE lanes SET paused = '' WHERE id = $1", {lane.text}));
  if (changed == 0) {
    return base::fail(Code::not_found, fmt::format("resume lane {}: no such lane", lane.text));
  }
  if (options_.ring) tx.after_commit([ring = options_.ring, lane] { ring(bell_of(lane)); });
  return {};
}

Result<std::vector<LaneId>> Queue::lanes_with_work(store::Tx& tx) const {
  TRY(const auto rows,
      tx.query("SELECT id FROM lanes AS l "
               "WHERE EXISTS (SELECT 1 FROM jobs WHERE lane = l.id AND state = 'running') "
               "OR EXISTS (SELECT 1 FROM jobs WHERE lane = l.id AND state = 'queued' "
               "AND in_line = 1) "
               "OR EXISTS (SELECT 1 FROM jobs WHERE lane = l.id AND state = 'queued' "
               "AND in_line = 0) "
               "ORDER BY id"));
  std::vector<LaneId> lanes;
  for (const auto& row : rows) lanes.push_back({row.at(0).text()});
  return lanes;
}

Result<std::vector<LaneStatus>> Queue::lanes(store::Tx& tx, const Now& now) const {
  const Desk desk(tx, options_, now);
  TRY(const auto time, desk.time());
  TRY(const auto rows, tx.query("SELECT id FROM lanes ORDER BY id"));
  std::vector<LaneStatus> all;
  for (const auto& row : rows) {
    TRY(auto status, status_of(desk, LaneId{row.at(0).text()}, time));
    all.push_back(std::move(status));
  }
  return all;
}

Result<> Queue::trip(store::Tx& tx, const std::string& account, Trip why, const std::string& detail,
                     std::optional<base::WallTime> until, const Now& now) const {
  TRY(const auto time, advance_engine_time(tx, now));
  store::Value until_et;
  if (until) {
    const auto left = std::chrono::ceil<Milliseconds>(*until - now.wall);
    until_et = (time + std::max(left, Milliseconds(0))).count();
  }
  // What another conversation was told of a longer pause is still true, and time mends nothing that
  // needs a person.
  TRY_OK(
      tx.execute("INSERT INTO accounts (id, trip, trip_detail, trip_at, trip_et, trip_until_et) "
                 "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET "
                 "trip = excluded.trip, trip_detail = excluded.trip_detail, "
                 "trip_at = excluded.trip_at, trip_et = excluded.trip_et, "
                 "trip_until_et = CASE WHEN accounts.trip IS NOT NULL "
                 "AND accounts.trip_until_et > excluded.trip_until_et "
                 "THEN accounts.trip_until_et ELSE excluded.trip_until_et END "
                 "WHERE accounts.trip IS NULL OR accounts.trip_until_et IS NOT NULL "
                 "OR excluded.trip_until_et IS NULL",
                 {account, name(why), clipped(detail, ::limits::error_detail_bytes_max),
                  to_stamp(now.wall), time.count(), until_et}));
  // Who waits for less looks again.
  if (options_.ring) {
    tx.after_commit([ring = options_.ring, account] { ring(bell_of_account(account)); });
  }
  return {};
}

Result<> Queue::close_breaker(store::Tx& tx, const std::string& account) const {
  TRY(const auto closed, tx.execute("UPDATE accounts SET trip = NULL, trip_detail = '', "
                                    "trip_until_et = NULL WHERE id = $1 AND trip IS NOT NULL",
                                    {account}));
  if (closed == 0) return {};
  // What backed off because of it need not wait any longer.
  TRY_OK(
      tx.execute("UPDATE jobs SET ready_et = 0 WHERE state IN ('queued', 'running', 'held') "
                 "AND state <> 'held' AND in_line = 1 AND ready_et > 0 "
                 "AND lane IN (SELECT id FROM lanes WHERE account = $1)",
                 {account}));
  if (!options_.ring) return {};
  TRY(const auto lanes, tx.query("SELECT id FROM lanes WHERE account = $1", {account}));
  tx.after_commit([ring = options_.ring, account] { ring(bell_of_account(account)); });
  for (const auto& lane : lanes) {
    tx.after_commit(
        [ring = options_.ring, lane = LaneId{lane.at(0).text()}] { ring(bell_of(lane)); });
  }
  return {};
}

}  // namespace engine
