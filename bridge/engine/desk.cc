#include "bridge/engine/desk.h"

#include "bridge/base/limits.h"
#include "bridge/base/utf8.h"
#include "cdp/try.h"

#include <algorithm>

#include <fmt/format.h>

namespace engine {

using base::Code;
using base::Result;

namespace {
constexpr std::string_view lane_bell = "lane:";
}  // namespace

std::string bell_of(const LaneId& lane) { return std::string(lane_bell) + lane.text; }
std::optional<LaneId> lane_of_bell(std::string_view bell) {
  if (!bell.starts_with(lane_bell)) return std::nullopt;
  return LaneId{std::string(bell.substr(lane_bell.size()))};
}
std::string bell_of_account(std::string_view account) { return fmt::format("account:{}", account); }
std::string bell_of_lease(const LaneId& lane) { return "lease:" + lane.text; }

Result<std::string> everything_paused(store::Tx& tx) {
  TRY(const auto row, tx.query_one("SELECT reason FROM engine_pause WHERE id = 1"));
  return row ? row->at(0).text() : std::string();
}

Result<std::optional<JobId>> held_in(store::Tx& tx, const LaneId& lane) {
  TRY(const auto held, tx.query("SELECT id FROM jobs WHERE lane = $1 AND state = 'held' "
                                "AND parent IS NULL LIMIT 1",
                                {lane.text}));
  if (held.empty()) return std::nullopt;
  return JobId{held.front().at(0).text()};
}

JobRow queued_again(JobRow row, Milliseconds ready) {
  row.state = State::queued;
  row.stage = Stage::none;
  row.is_in_line = true;
  row.ready = ready;
  return row;
}

Result<Milliseconds> Desk::time() const {
  if (!time_) {
    TRY(time_, engine_now(tx, now));
  }
  return *time_;
}

Result<LaneRow> Desk::lane(const LaneId& id) const {
  TRY(const auto row,
      tx.query_one("SELECT account, paused, holder, epoch, lease_until_et, mean_run_ms, blocked "
                   "FROM lanes WHERE id = $1",
                   {id.text}));
  if (!row) return base::fail(Code::not_found, fmt::format("lane {}: no such lane", id.text));
  looked_at_ = id;
  account_ = row->at(0).text();
  const auto& holder = row->at(2);
  return LaneRow{id,
                 row->at(0).text(),
                 row->at(1).text(),
                 holder.is_null() ? "" : holder.text(),
                 row->at(3).integer(),
                 Milliseconds(row->at(4).integer()),
                 Milliseconds(row->at(5).integer()),
                 row->at(6).is_null() ? std::nullopt : std::optional(row->at(6).text())};
}

Result<AccountRow> Desk::account(const std::string& id) const {
  TRY(const auto row, tx.query_one("SELECT arrival_et, trip, trip_detail, trip_at, trip_until_et, "
                                   "trip_et, trip_url FROM accounts WHERE id = $1",
                                   {id}));
  if (!row) return base::fail(Code::not_found, fmt::format("account {}: no such account", id));
  AccountRow account{id, Milliseconds(row->at(0).integer()), {}};
  if (!row->at(1).is_null()) {
    account.breaker.trip = trip_named(row->at(1).text());
    BRIDGE_ASSERT(account.breaker.trip);
    account.breaker.detail = row->at(2).text();
    account.breaker.since = from_stamp(row->at(3).integer());
    account.breaker.tripped = Milliseconds(row->at(5).integer());
    account.breaker.url = row->at(6).text();
    if (!row->at(4).is_null()) account.breaker.until = Milliseconds(row->at(4).integer());
  }
  return account;
}

const AccountLimits* Desk::limits(const std::string& account) const {
  const auto found = options.accounts.find(account);
  return found == options.accounts.end() ? nullptr : &found->second;
}

const RetryPolicy& Desk::policy(const std::string& kind) const {
  static const RetryPolicy ordinary;
  const auto found = options.retries.find(kind);
  return found == options.retries.end() ? ordinary : found->second;
}

// RETURNING would cost more than the update itself.
Result<> Desk::free_lane(const LaneId& lane, std::int64_t epoch) const {
  TRY(const auto freed, tx.execute("UPDATE lanes SET holder = NULL, lease_until_et = 0 "
                                   "WHERE id = $1 AND epoch = $2 AND holder IS NOT NULL",
                                   {lane.text, epoch}));
  TRY_OK(ring(bell_of(lane)));
  if (freed == 0) return {};
  if (looked_at_ != lane) TRY_OK(this->lane(lane));
  return ring(bell_of_account(account_));
}

Result<std::vector<Milliseconds>> Desk::sends(const std::string& account) const {
  int most = 0;
  if (const auto* of_account = limits(account)) {
    for (const auto& cap : of_account->caps) most = std::max(most, cap.count);
  }
  if (most == 0) return std::vector<Milliseconds>{};
  TRY(const auto rows, tx.query("SELECT armed_et FROM sends WHERE account = $1 "
                                "ORDER BY armed_et DESC LIMIT $2",
                                {account, most}));
  std::vector<Milliseconds> times;
  for (const auto& row : rows) times.emplace_back(row.at(0).integer());
  std::ranges::reverse(times);
  return times;
}

Result<std::vector<Milliseconds>> Desk::leases_beside(const LaneRow& lane,
                                                      Milliseconds time) const {
  TRY(const auto rows,
      tx.query("SELECT lease_until_et FROM lanes WHERE account = $1 AND holder IS NOT NULL "
               "AND lease_until_et > $2 AND id <> $3 ORDER BY lease_until_et",
               {lane.account, time.count(), lane.id.text}));
  std::vector<Milliseconds> ends;
  for (const auto& row : rows) ends.emplace_back(row.at(0).integer());
  return ends;
}

Result<bool> Desk::has_lost_place(const LaneRow& lane, Milliseconds time) const {
  const auto* of_account = limits(lane.account);
  if (!of_account || lane.is_leased(time)) return false;
  TRY(const auto others, leases_beside(lane, time));
  return others.size() >= static_cast<std::size_t>(of_account->parallel_max);
}

Result<int> Desk::reserved(const std::string& account) const {
  TRY(const auto row,
      tx.query_one("SELECT COUNT(*) FROM jobs "
                   "WHERE state = 'running' AND stage IN ('none', 'intent') AND lane IN "
                   "(SELECT id FROM lanes WHERE account = $1 AND holder IS NOT NULL)",
                   {account}));
  return static_cast<int>(row->at(0).integer());
}

Result<std::optional<Milliseconds>> Desk::wait_for_limits(const AccountRow& account, int others,
                                                          Milliseconds time) const {
  const auto* of_account = limits(account.id);
  if (!of_account) return Milliseconds(0);
  TRY(const auto log, sends(account.id));
  Milliseconds longest = wait_for_pace(*of_account, account.arrival, time);
  for (const auto& cap : of_account->caps) {
    const auto wait = wait_for_cap(cap, log, others, time);
    if (!wait) return std::optional<Milliseconds>();
    longest = std::max(longest, *wait);
  }
  return longest;
}

Result<std::optional<Milliseconds>> Desk::restored() const {
  TRY(const auto row, tx.query_one("SELECT restored_et FROM engine_generation WHERE id = 1"));
  if (!row || row->at(0).is_null()) return std::optional<Milliseconds>();
  return std::optional(Milliseconds(row->at(0).integer()));
}

Result<JobRow> Desk::leased(const Lease& lease) const {
  TRY(auto job, load_job(tx, lease.job));
  TRY(const auto row, lane(lease.lane));
  if (job.lane != lease.lane || job.state != State::running || job.epoch != lease.epoch ||
      job.attempt != lease.attempt || row.epoch != lease.epoch || row.holder.empty()) {
    return base::fail(
        Code::conflict,
        fmt::format("job {}: the lease of epoch {} is over", lease.job.text, lease.epoch),
        "stale_lease");
  }
  return job;
}

Result<std::vector<JobRow>> Desk::children(const JobId& parent, State state) const {
  // There are few. SQLite would compare a state that is bound with the conditions of the partial
  // indexes, and so prepare the statement anew every time.
  TRY(auto all, find_jobs(tx, "WHERE parent = $1 ORDER BY seq", {parent.text}));
  std::erase_if(all, [&](const JobRow& row) { return row.state != state; });
  return all;
}

Result<> Desk::join_line(const JobRow& row) const {
  TRY_OK(
      tx.execute("INSERT INTO turns (lane, band, sender, turn, saved, queued) "
                 "VALUES ($1, $2, $3, "
                 "(SELECT last_turn FROM lane_bands WHERE lane = $1 AND band = $2), 0, 1) "
                 "ON CONFLICT (lane, band, sender) DO UPDATE SET queued = turns.queued + 1",
                 {row.lane.text, row.band, row.sender}));
  return {};
}

Result<> Desk::leave_line(const JobRow& row) const {
  TRY(const auto left, tx.query_one("UPDATE turns SET queued = queued - 1 "
                                    "WHERE lane = $1 AND band = $2 AND sender = $3 "
                                    "RETURNING queued",
                                    {row.lane.text, row.band, row.sender}));
  BRIDGE_ASSERT(left);
  if (left->at(0).integer() > 0) return {};
  TRY_OK(tx.execute("DELETE FROM turns WHERE lane = $1 AND band = $2 AND sender = $3",
                    {row.lane.text, row.band, row.sender}));
  return {};
}

Result<> Desk::count(const JobRow& before, const JobRow& after) const {
  const bool was_queued = before.state == State::queued;
  const bool is_queued = after.state == State::queued;
  const bool was_in_line = was_queued && before.is_in_line;
  const bool is_in_line = is_queued && after.is_in_line;
  const bool joins = is_in_line && !was_in_line;
  if (was_queued != is_queued || joins) {
    // Whoever joins the line takes the next turn of the band.
    TRY_OK(
        tx.execute("INSERT INTO lane_bands (lane, band, queued, last_turn) "
                   "VALUES ($1, $2, 1, $4) ON CONFLICT (lane, band) "
                   "DO UPDATE SET queued = lane_bands.queued + $3, "
                   "last_turn = lane_bands.last_turn + $4",
                   {after.lane.text, after.band, is_queued - was_queued, joins ? 1 : 0}));
  }
  if (was_in_line == is_in_line) return {};
  return is_in_line ? join_line(after) : leave_line(before);
}

Result<> Desk::tell(const JobRow& row, std::optional<State> from, Stage from_stage,
                    std::string_view verb, std::string_view note) const {
  if (!options.on_change) return {};
  return options.on_change(
      tx, Change{row, from, from_stage, verb, std::string(note), std::string(actor)}, now);
}

Result<> Desk::change(const JobRow& before, JobRow after, std::string_view verb,
                      std::string_view note) const {
  TRY_OK(update_job(tx, before, after));
  TRY_OK(count(before, after));
  if (after.state == State::queued) TRY_OK(ring(bell_of(after.lane)));
  return tell(after, before.state, before.stage, verb, note);
}

Result<> Desk::welcome(const JobRow& row) const {
  if (row.state == State::queued) {
    JobRow nothing = row;
    nothing.state = State::done;
    TRY_OK(count(nothing, row));
    TRY_OK(ring(bell_of(row.lane)));
  }
  return tell(row, std::nullopt, Stage::none, "submitted", {});
}

Result<> Desk::end(const JobRow& root, State state, std::optional<JobError> error,
                   std::string_view verb, std::string_view note) const {
  if (error) {
    constexpr std::size_t longest = ::limits::error_detail_bytes_max;
    error->detail.resize(base::beginning_of(error->detail, longest).size());
  }
  if (!root.is_child()) {
    TRY(const auto family, children(root.id, root.state));
    for (const auto& child : family) {
      const bool is_held = state == State::held;
      TRY_OK(end(child, is_held ? State::held : State::cancelled,
                 is_held ? error : std::optional<JobError>(JobError{"cancelled", "parent ended"}),
                 is_held ? "held" : "cancelled"));
    }
  }
  JobRow after = root;
  after.state = state;
  after.error = std::move(error);
  after.ready = Milliseconds(0);
  if (is_final(state)) after.timings.ended = now.wall;
  TRY_OK(change(root, std::move(after), verb, note));
  if (root.is_child() || root.state != State::running) return {};
  return free_lane(root.lane, root.epoch);
}

Result<> Desk::ring(std::string bell) const {
  if (!options.ring) return {};
  tx.after_commit([ring = options.ring, bell = std::move(bell)] { ring(bell); });
  return {};
}

}  // namespace engine
