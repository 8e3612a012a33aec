// Whose turn it is.
#include "bridge/base/limits.h"
#include "bridge/engine/desk.h"
#include "bridge/engine/queue.h"
#include "bridge/engine/restore_limits.h"
#include "cdp/try.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include <fmt/format.h>

namespace engine {
namespace {

using base::Result;

Idle idle(std::string reason, std::string detail, std::optional<Milliseconds> wait,
          std::string bell) {
  return {std::move(reason), std::move(detail), wait, std::move(bell)};
}

void note_sooner(std::optional<Milliseconds>& soonest, Milliseconds wait) {
  if (!soonest || wait < *soonest) soonest = wait;
}

// A sender whose first job is due, as deficit round robin sees it.
struct Contender {
  std::string sender;
  std::int64_t saved;
  JobRow head;
};

class Chooser {
 public:
  Chooser(const Desk& desk, const LaneRow& lane, Milliseconds time)
      : desk_(desk), lane_(lane), time_(time) {}

  // The next job to start, its sender's turn paid for. None: nothing is due, see `soonest`.
  Result<std::optional<JobRow>> choose() {
    TRY_OK(let_in());
    TRY(const auto order, bands_by_need());
    for (const int band : order) {
      TRY(auto chosen, take_turn(band));
      if (chosen) return chosen;
    }
    return std::nullopt;
  }
  // How long until time alone makes something due.
  std::optional<Milliseconds> soonest() const { return soonest_; }

 private:
  // Delayed jobs whose time has come take their place in the line.
  Result<> let_in() {
    TRY(auto next, next_delayed());
    if (next && *next <= time_) {
      TRY(const auto due, find_jobs(desk_.tx,
                                    "WHERE state = 'queued' AND in_line = 0 AND lane = $1 "
                                    "AND ready_et <= $2",
                                    {lane_.id.text, time_.count()}));
      for (const auto& job : due) {
        JobRow after = job;
        after.is_in_line = true;
        after.ready = Milliseconds(0);
        TRY_OK(desk_.change(job, std::move(after), "due"));
      }
      TRY(next, next_delayed());
    }
    if (next) note_sooner(soonest_, *next - time_);
    return {};
  }

  Result<std::optional<Milliseconds>> next_delayed() {
    TRY(const auto next, desk_.tx.query_one("SELECT MIN(ready_et) FROM jobs WHERE state = 'queued' "
                                            "AND in_line = 0 AND lane = $1",
                                            {lane_.id.text}));
    if (next->at(0).is_null()) return std::optional<Milliseconds>();
    return std::optional(Milliseconds(next->at(0).integer()));
  }

  // A band's need is the wait of its oldest job; being a band lower weighs `band_ages`.
  Result<std::vector<int>> bands_by_need() {
    TRY(const auto rows, desk_.tx.query("SELECT band FROM lane_bands "
                                        "WHERE lane = $1 AND queued > 0 ORDER BY band",
                                        {lane_.id.text}));
    std::vector<int> order;
    for (const auto& row : rows) order.push_back(static_cast<int>(row.at(0).integer()));
    // Mostly there is nothing to compare.
    if (order.size() < 2) return order;
    std::vector<std::pair<std::int64_t, int>> needs;
    for (const int band : order) {
      TRY(const auto oldest,
          desk_.tx.query_one("SELECT since_et FROM jobs WHERE state = 'queued' AND in_line = 1 "
                             "AND lane = $1 AND band = $2 ORDER BY seq LIMIT 1",
                             {lane_.id.text, band}));
      if (!oldest) continue;
      const auto weight = band * Milliseconds(::limits::band_ages).count();
      needs.emplace_back(oldest->at(0).integer() + weight, band);
    }
    std::ranges::sort(needs);
    order.clear();
    for (const auto& [need, band] : needs) order.push_back(band);
    return order;
  }

  Result<std::optional<JobRow>> head_of(int band, const std::string& sender) {
    TRY(auto heads, find_jobs(desk_.tx,
                              "WHERE state = 'queued' AND in_line = 1 AND lane = $1 "
                              "AND band = $2 AND sender = $3 ORDER BY seq LIMIT 1",
                              {lane_.id.text, band, sender}));
    BRIDGE_ASSERT(heads.size() == 1);
    if (heads.front().ready > time_) {
      note_sooner(soonest_, heads.front().ready - time_);
      return std::nullopt;
    }
    return std::move(heads.front());
  }

  // Every visit saves a sender one turn; the first who can pay for its job is served and goes to
  // the end, as do those who were visited before it. Rounds in which nobody could pay are counted,
  // not walked.
  Result<std::optional<JobRow>> take_turn(int band) {
    std::vector<Contender> visited;
    std::int64_t after_turn = -1;
    for (;;) {
      TRY(const auto rows, desk_.tx.query("SELECT sender, turn, saved FROM turns WHERE lane = $1 "
                                          "AND band = $2 AND turn > $3 ORDER BY turn LIMIT 16",
                                          {lane_.id.text, band, after_turn}));
      if (rows.empty()) break;
      for (const auto& row : rows) {
        after_turn = row.at(1).integer();
        TRY(auto head, head_of(band, row.at(0).text()));
        if (!head) continue;
        visited.push_back({row.at(0).text(), row.at(2).integer(), *std::move(head)});
        if (visited.back().saved + 1 >= visited.back().head.cost) {
          return serve(band, visited, visited.size() - 1, 1);
        }
      }
    }
    if (visited.empty()) return std::nullopt;
    std::size_t served = 0;
    std::int64_t rounds = ::limits::job_cost_max + 1;
    for (std::size_t i = 0; i < visited.size(); ++i) {
      const std::int64_t needs = visited[i].head.cost - visited[i].saved;
      if (needs < rounds) {
        rounds = needs;
        served = i;
      }
    }
    return serve(band, visited, served, rounds);
  }

  Result<std::optional<JobRow>> serve(int band, const std::vector<Contender>& visited,
                                      std::size_t served, std::int64_t rounds) {
    for (std::size_t i = 0; i < visited.size(); ++i) {
      const bool is_before = i <= served;
      const std::int64_t earned = is_before ? rounds : rounds - 1;
      std::int64_t saved = visited[i].saved + earned;
      if (i == served) saved -= visited[i].head.cost;
      // Savings of a sender whose dear job was cancelled do not pile up.
      saved = std::clamp<std::int64_t>(saved, 0, ::limits::job_cost_max);
      TRY_OK(pay(band, visited[i].sender, saved, is_before));
    }
    return visited[served].head;
  }

  Result<> pay(int band, const std::string& sender, std::int64_t saved, bool goes_to_end) {
    if (!goes_to_end) {
      TRY_OK(
          desk_.tx.execute("UPDATE turns SET saved = $4 WHERE lane = $1 AND band = $2 "
                           "AND sender = $3",
                           {lane_.id.text, band, sender, saved}));
      return {};
    }
    TRY(const auto turn, desk_.tx.query_one("UPDATE lane_bands SET last_turn = last_turn + 1 "
                                            "WHERE lane = $1 AND band = $2 RETURNING last_turn",
                                            {lane_.id.text, band}));
    TRY_OK(
        desk_.tx.execute("UPDATE turns SET saved = $4, turn = $5 WHERE lane = $1 "
                         "AND band = $2 AND sender = $3",
                         {lane_.id.text, band, sender, saved, turn->at(0)}));
    return {};
  }

  const Desk& desk_;
  const LaneRow& lane_;
  Milliseconds time_;
  std::optional<Milliseconds> soonest_;
};

// Why the account lets nothing new begin now; none: it does.
Result<std::optional<Idle>> closed_account(const Desk& desk, const LaneRow& lane, bool reads_only,
                                           Milliseconds time) {
  TRY(const auto account, desk.account(lane.account));
  const auto& breaker = account.breaker;
  const std::string bell = bell_of_account(account.id);
  if (breaker.is_open(time) && (!reads_only || forbids_reading(*breaker.trip))) {
    std::optional<Milliseconds> wait;
    if (breaker.until) wait = *breaker.until - time;
    return idle("breaker", fmt::format("{}: {}", name(*breaker.trip), breaker.detail), wait, bell);
  }
  const auto* limits = desk.limits(account.id);
  if (!limits) return std::nullopt;
  TRY(const auto leases, desk.leases_beside(lane, time));
  if (leases.size() >= static_cast<std::size_t>(limits->parallel_max)) {
    return idle("parallel", fmt::format("{} lanes of account {} run", leases.size(), account.id),
                leases.front() - time, bell);
  }
  if (reads_only) return std::nullopt;
  TRY(const int reserved, desk.reserved(account.id));
  TRY(const auto wait, desk.wait_for_limits(account, reserved, time));
  if (wait == Milliseconds(0)) return std::nullopt;
  return idle("rate", fmt::format("account {} is at its limits", account.id), wait, bell);
}

Result<Turn> start(const Desk& desk, const LaneRow& lane, const JobRow& job,
                   const std::string& holder, Milliseconds time) {
  const std::int64_t epoch = lane.epoch + 1;
  TRY(const auto taken,
      desk.tx.execute(
          "UPDATE lanes SET epoch = $2, holder = $3, lease_until_et = $4 "
          "WHERE id = $1 AND epoch = $5",
          {lane.id.text, epoch, holder, (time + desk.options.lease).count(), lane.epoch}));
  BRIDGE_ASSERT(taken == 1);
  const bool is_resumed = job.state == State::running;
  JobRow after = job;
  after.state = State::running;
  after.epoch = epoch;
  after.ready = Milliseconds(0);
  after.timings.claimed = desk.now.wall;
  if (!is_resumed) {
    ++after.attempt;
    after.timings.intent = after.timings.armed = after.timings.sent = after.timings.replied =
        after.timings.ended = std::nullopt;
  } else {
    TRY_OK(desk.tx.execute("UPDATE jobs SET epoch = $2 WHERE parent = $1 AND state = 'running'",
                           {job.id.text, epoch}));
  }
  TRY_OK(desk.change(job, after, "claimed"));
  TRY_OK(load_texts(desk.tx, after));
  Lease lease{after.id, after.lane, epoch, after.attempt};
  const bool is_reconcile = is_resumed || after.is_doubtful;
  TRY(const auto restored, desk.restored());
  const bool may_be_forgotten = restored && time - *restored < ::limits::restore_remembered;
  return Claim{std::move(after), std::move(lease), is_reconcile, may_be_forgotten};
}

// The job that ran when the last lease ended, if it is still unfinished.
Result<std::optional<JobRow>> interrupted(const Desk& desk, const LaneId& lane) {
  TRY(auto running,
      find_jobs(desk.tx, "WHERE lane = $1 AND state = 'running' AND parent IS NULL", {lane.text}));
  BRIDGE_ASSERT(running.size() <= 1);
  if (running.empty()) return std::nullopt;
  if (!running.front().is_certainly_unsent()) return std::move(running.front());
  TRY_OK(desk.change(running.front(), queued_again(running.front(), Milliseconds(0)), "recovered"));
  return std::nullopt;
}

// The oldest job of a band, if all that is wanted of it now is to find out what became of it.
Result<std::optional<JobRow>> oldest_in_doubt(const Desk& desk, const LaneId& lane,
                                              Milliseconds time) {
  for (int band = 0; band < bands; ++band) {
    TRY(auto oldest, find_jobs(desk.tx,
                               "WHERE state = 'queued' AND in_line = 1 AND lane = $1 "
                               "AND band = $2 ORDER BY seq LIMIT 1",
                               {lane.text, band}));
    const bool is_doubtful = !oldest.empty() && oldest.front().is_doubtful;
    if (is_doubtful && oldest.front().ready <= time) return std::move(oldest.front());
  }
  return std::nullopt;
}

// When time alone makes one of the lane's jobs due, whatever the account says; nullopt: never.
Result<std::optional<Milliseconds>> next_due(store::Tx& tx, const LaneId& lane,
                                             std::initializer_list<std::string_view> looks) {
  std::optional<Milliseconds> soonest;
  for (const auto look : looks) {
    TRY(const auto row, tx.query_one(look, {lane.text}));
    if (!row->at(0).is_null()) note_sooner(soonest, Milliseconds(row->at(0).integer()));
  }
  return soonest;
}

constexpr std::string_view running_due =
    "SELECT MIN(ready_et) FROM jobs WHERE state = 'running' AND parent IS NULL AND lane = $1";
constexpr std::string_view delayed_due =
    "SELECT MIN(ready_et) FROM jobs WHERE state = 'queued' AND in_line = 0 AND lane = $1";
// Of each sender's line the first job counts.
constexpr std::string_view in_line_due =
    "SELECT MIN((SELECT ready_et FROM jobs WHERE state = 'queued' AND in_line = 1 "
    "AND lane = turns.lane AND band = turns.band AND sender = turns.sender "
    "ORDER BY seq LIMIT 1)) FROM turns WHERE lane = $1";

// See Queue::is_drained.
Result<bool> does_nothing(const Desk& desk, const LaneId& id, bool is_all_paused,
                          Milliseconds time) {
  TRY(const auto lane, desk.lane(id));
  if (lane.is_leased(time)) return false;
  if (is_all_paused || !lane.paused.empty() || lane.blocked) return true;
  TRY(const auto held, held_in(desk.tx, id));
  if (held) return true;
  TRY(const auto account, desk.account(lane.account));
  const bool is_closed = account.breaker.is_open(time);
  if (is_closed && forbids_reading(*account.breaker.trip)) return true;
  // What was sent is read on while nothing new begins.
  TRY(const auto due, is_closed ? next_due(desk.tx, id, {running_due})
                                : next_due(desk.tx, id, {running_due, delayed_due, in_line_due}));
  return !due || *due - time > drain_waits_max;
}

}  // namespace

Result<bool> Queue::is_drained(store::Tx& tx, const Now& now) const {
  const Desk desk(tx, options_, now);
  TRY(const auto time, desk.time());
  TRY(const auto all_paused, everything_paused(tx));
  TRY(const auto lanes, lanes_with_work(tx));
  for (const auto& lane : lanes) {
    TRY(const bool is_idle, does_nothing(desk, lane, !all_paused.empty(), time));
    if (!is_idle) return false;
  }
  return true;
}

Result<Turn> Queue::claim_next(store::Tx& tx, const LaneId& lane_id, const std::string& holder,
                               const Now& now) const {
  const Desk desk(tx, options_, now, &random_);
  TRY(const auto lane, desk.lane(lane_id));
  if (desk.limits(lane.account)) {
    return idle("shared", "other lanes of the account look first", std::nullopt, bell_of(lane_id));
  }
  return claim(tx, lane_id, holder, now);
}

Result<Turn> Queue::claim(store::Tx& tx, const LaneId& lane_id, const std::string& holder,
                          const Now& now) const {
  BRIDGE_ASSERT(!holder.empty());
  const Desk desk(tx, options_, now, &random_);
  TRY(const auto lane, desk.lane(lane_id));
  TRY(const auto time, desk.time());
  const std::string bell = bell_of(lane_id);
  if (lane.is_leased(time)) {
    return idle("leased", fmt::format("by {}", lane.holder), lane.lease_until - time, bell);
  }
  TRY(const auto unfinished, interrupted(desk, lane_id));
  if (!lane.paused.empty()) return idle("paused", lane.paused, std::nullopt, bell);
  TRY(const auto all_paused, everything_paused(tx));
  if (!all_paused.empty()) return idle("paused", all_paused, std::nullopt, bell);
  TRY(const auto held, held_in(tx, lane_id));
  if (held) {
    return idle("held", fmt::format("job {} waits for a person", held->text), std::nullopt, bell);
  }
  if (unfinished && unfinished->ready > time) {
    return idle("", fmt::format("job {} backs off", unfinished->id.text), unfinished->ready - time,
                bell);
  }
  TRY_OK(expire(tx, now));
  if (lane.blocked) {
    return idle("breaker", fmt::format("{}: {}", name(Trip::blocked), *lane.blocked), std::nullopt,
                bell);
  }
  TRY(auto closed, closed_account(desk, lane, unfinished.has_value(), time));
  if (closed && closed->reason == "rate") {
    TRY(const auto doubted, oldest_in_doubt(desk, lane_id, time));
    if (doubted) return start(desk, lane, *doubted, holder, time);
  }
  if (closed) return *std::move(closed);
  if (unfinished) return start(desk, lane, *unfinished, holder, time);
  Chooser chooser(desk, lane, time);
  TRY(const auto chosen, chooser.choose());
  if (!chosen) return idle("", "nothing is due", chooser.soonest(), bell);
  return start(desk, lane, *chosen, holder, time);
}

}  // namespace engine
