#include "bridge/engine/queue.h"

#include "bridge/base/ids.h"
#include "bridge/base/limits.h"
#include "bridge/engine/desk.h"
#include "bridge/store/id_prefix.h"
#include "cdp/try.h"

#include <algorithm>

#include <fmt/format.h>

namespace engine {
namespace {

using base::Code;
using base::Result;

// Before a lane has run anything.
constexpr Milliseconds run_expected{60'000};

Result<> check_bounds(const NewJob& job) {
  const auto invalid = [&](std::string_view what) {
    return base::fail(Code::invalid, fmt::format("submit {} job: {}", job.kind, what));
  };
  for (const auto* text : {&job.kind, &job.sender, &job.principal}) {
    if (text->empty()) return invalid("kind, sender and principal must be given");
  }
  for (const auto* text : {&job.kind, &job.lane.text, &job.sender, &job.principal, &job.key,
                           &job.body_hash, &job.subject, &job.thread}) {
    if (text->size() > ::limits::name_bytes_max) return invalid("a name is too long");
  }
  if (job.band < 0 || job.band >= bands) return invalid("no such band");
  if (job.cost < 1 || job.cost > ::limits::job_cost_max) return invalid("cost out of bounds");
  if (job.payload.text().size() > ::limits::job_text_bytes_max)
    return invalid("the payload is too big");
  return {};
}

JobRow row_of(const NewJob& job, const Now& now, base::Random& random) {
  JobRow row;
  row.id.text = base::uuid_v7(now.wall, random);
  row.kind = job.kind;
  row.lane = job.lane;
  row.sender = job.sender;
  row.principal = job.principal;
  row.key = job.key;
  row.body_hash = job.body_hash;
  row.subject = job.subject;
  row.thread = job.thread;
  row.band = job.band;
  row.cost = job.cost;
  row.deadline = job.deadline;
  row.timings.queued = now.wall;
  return row;
}

// Jobs that wait in the lane.
struct Waiting {
  int all = 0;
  int urgent = 0;  // in bands before `band`
};

Result<Waiting> waiting(store::Tx& tx, const LaneId& lane, int band) {
  TRY(const auto row, tx.query_one("SELECT COALESCE(SUM(queued), 0), "
                                   "COALESCE(SUM(CASE WHEN band < $2 THEN queued ELSE 0 END), 0) "
                                   "FROM lane_bands WHERE lane = $1",
                                   {lane.text, band}));
  return Waiting{static_cast<int>(row->at(0).integer()), static_cast<int>(row->at(1).integer())};
}

// How many of the band are served before the `own`-th job of one of its senders, itself included.
Result<int> position_in_band(store::Tx& tx, const LaneId& lane, int band, int own) {
  TRY(const auto row, tx.query_one("SELECT COALESCE(SUM(CASE WHEN queued < $3 THEN queued "
                                   "ELSE $3 END), 0) FROM turns WHERE lane = $1 AND band = $2",
                                   {lane.text, band, std::max(1, own)}));
  return std::max(1, static_cast<int>(row->at(0).integer()));
}

// The same for the last job of the sender.
Result<int> position_of_last(store::Tx& tx, const JobRow& job) {
  TRY(const auto row,
      tx.query_one("SELECT COALESCE(SUM(CASE WHEN turns.queued < own.queued THEN turns.queued "
                   "ELSE own.queued END), 0) "
                   "FROM turns AS own "
                   "JOIN turns ON turns.lane = own.lane AND turns.band = own.band "
                   "WHERE own.lane = $1 AND own.band = $2 AND own.sender = $3",
                   {job.lane.text, job.band, job.sender}));
  const int position = static_cast<int>(row->at(0).integer());
  if (position > 0) return position;
  // The sender has none in the line yet.
  return position_in_band(tx, job.lane, job.band, 1);
}

// True if nothing of the lane is sent before something has happened that is not due at any time.
Result<bool> waits_for_others(const Desk& desk, const LaneRow& lane) {
  if (!lane.paused.empty() || lane.blocked) return true;
  TRY(const auto account, desk.account(lane.account));
  TRY(const auto time, desk.time());
  if (account.breaker.is_open(time) && !account.breaker.until) return true;
  TRY(const auto all_paused, everything_paused(desk.tx));
  if (!all_paused.empty()) return true;
  TRY(const auto held, held_in(desk.tx, lane.id));
  return held.has_value();
}

// Until the job at `position` starts, or until that many more have been served.
Result<Milliseconds> forecast(const Desk& desk, const LaneRow& lane, int position) {
  TRY(const auto time, desk.time());
  TRY(const auto account, desk.account(lane.account));
  const Milliseconds run = lane.mean_run.count() > 0 ? lane.mean_run : run_expected;
  Milliseconds each = run;
  Milliseconds at = time + (lane.is_leased(time) ? run / 2 : Milliseconds(0));
  if (account.breaker.is_open(time) && account.breaker.until) {
    at = std::max(at, *account.breaker.until);
  }
  const auto* limits = desk.limits(lane.account);
  if (!limits) return at - time + (position - 1) * each;
  each = std::max(each, limits->pause + limits->pause_jitter / 2);
  at = std::max(at, time + wait_for_pace(*limits, account.arrival, time));
  at += (position - 1) * each;
  TRY(const auto log, desk.sends(lane.account));
  for (const auto& cap : limits->caps) {
    at = std::max(at, earliest_by_cap(cap, log, position, time));
  }
  return at - time;
}

Result<Place> place_at(const Desk& desk, const LaneRow& lane, int position, Milliseconds ready) {
  TRY(const bool is_stuck, waits_for_others(desk, lane));
  if (is_stuck) return Place{position, std::nullopt};
  TRY(const auto eta, forecast(desk, lane, position));
  TRY(const auto time, desk.time());
  return Place{position, std::max(eta, ready - time)};
}

}  // namespace

Queue::Queue(QueueOptions options, base::Random& random)
    : options_(std::move(options)), random_(random) {
  for (const auto& [name, limits] : options_.accounts) {
    BRIDGE_ASSERT(limits.parallel_max >= 1 && limits.burst >= 1 && limits.pause.count() >= 0 &&
                  limits.pause_jitter.count() >= 0);
    for (const auto& cap : limits.caps) {
      BRIDGE_ASSERT(cap.count >= 1 && cap.count <= ::limits::cap_count_max &&
                    cap.window.count() > 0 && cap.window <= ::limits::sends_remembered);
    }
  }
}

namespace {

// A job in the store: this one, or the one that came before with its key.
struct Entered {
  JobRow row;
  bool is_known = false;
  LaneRow lane = {};    // of a new one, as these are
  Waiting before = {};  // when it came
};

Result<Entered> enter(const Queue& queue, const Desk& desk, const NewJob& job) {
  TRY_OK(check_bounds(job));
  if (!job.key.empty()) {
    TRY(auto known, find_jobs_by_key(desk.tx, job.principal, job.key));
    if (!known.empty()) {
      if (known.front().body_hash == job.body_hash) return Entered{std::move(known.front()), true};
      return base::fail(
          Code::conflict,
          fmt::format("submit {} job: the key {} came with another body", job.kind, job.key),
          "idempotency_mismatch");
    }
  }
  TRY(auto lane, desk.lane(job.lane));
  TRY(const auto before, waiting(desk.tx, job.lane, job.band));
  if (!job.has_room && before.all >= desk.options.depth_max) {
    TRY(const auto wait, queue.retry_after(desk.tx, job.lane, desk.now));
    return std::unexpected(base::Error{
        .code = Code::busy,
        .message = fmt::format("submit {} job: lane {} holds {} jobs, and no more fit in", job.kind,
                               job.lane.text, before.all),
        .reason = "queue_full",
        .retry_after = wait});
  }
  TRY(const auto time, desk.time());
  JobRow row = row_of(job, desk.now, desk.random());
  row.since = time;
  if (job.not_before && *job.not_before > desk.now.wall) {
    // The calendar is asked once; from here on engine time counts.
    row.ready = time + std::chrono::ceil<Milliseconds>(*job.not_before - desk.now.wall);
    row.is_in_line = false;
  }
  TRY_OK(insert_job(desk.tx, row, job.payload.text()));
  TRY_OK(desk.welcome(row));
  return Entered{std::move(row), false, std::move(lane), before};
}

}  // namespace

Result<Accepted> Queue::submit(store::Tx& tx, const NewJob& job, const Now& now) const {
  const Desk desk(tx, options_, now, &random_);
  TRY(auto entered, enter(*this, desk, job));
  auto& row = entered.row;
  if (entered.is_known) {
    TRY_OK(load_texts(tx, row));
    TRY(const auto where, place(tx, row.id, now));
    return Accepted{std::move(row), true, where};
  }
  TRY(const int in_band, position_of_last(tx, row));
  TRY(const auto where, place_at(desk, entered.lane, entered.before.urgent + in_band, row.ready));
  return Accepted{std::move(row), false, where};
}

Result<JobId> Queue::enqueue(store::Tx& tx, const NewJob& job, const Now& now) const {
  const Desk desk(tx, options_, now, &random_);
  TRY(auto entered, enter(*this, desk, job));
  return std::move(entered.row.id);
}

Result<Place> Queue::place(store::Tx& tx, const JobId& job, const Now& now) const {
  TRY(const auto row, load_job(tx, job));
  if (row.state != State::queued) return Place{};
  const Desk desk(tx, options_, now);
  TRY(const auto lane, desk.lane(row.lane));
  TRY(const auto own,
      tx.query_one("SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND in_line = 1 "
                   "AND lane = $1 AND band = $2 AND sender = $3 AND seq <= $4",
                   {row.lane.text, row.band, row.sender, row.sequence}));
  TRY(const auto before, waiting(tx, row.lane, row.band));
  TRY(const int in_band,
      position_in_band(tx, row.lane, row.band, static_cast<int>(own->at(0).integer())));
  return place_at(desk, lane, before.urgent + in_band, row.ready);
}

Result<Milliseconds> Queue::retry_after(store::Tx& tx, const LaneId& lane, const Now& now) const {
  const Desk desk(tx, options_, now);
  TRY(const auto row, desk.lane(lane));
  TRY(const auto before, waiting(tx, lane, bands - 1));
  const int surplus = std::max(1, before.all - options_.depth_max + 1);
  TRY(const auto wait, forecast(desk, row, surplus));
  return std::max(wait, Milliseconds(1000));
}

Result<Job> Queue::with_texts(store::Tx& tx, Job job) const {
  TRY_OK(load_texts(tx, job));
  return job;
}

Result<Job> Queue::get(store::Tx& tx, const JobId& job) const {
  TRY(auto row, load_job(tx, job));
  TRY_OK(load_texts(tx, row));
  return Job(std::move(row));
}

Result<std::optional<Job>> Queue::find(store::Tx& tx, const std::string& principal,
                                       const std::string& key) const {
  TRY(auto found, find_jobs_by_key(tx, principal, key));
  if (found.empty()) return std::nullopt;
  TRY_OK(load_texts(tx, found.front()));
  return Job(std::move(found.front()));
}

Result<JobId> Queue::expand(store::Tx& tx, std::string_view prefix, const IsMeant& is_meant) const {
  if (!store::is_enough_of_id(prefix)) {
    return base::fail(
        base::Code::invalid,
        fmt::format("find job {}: give at least {} characters", prefix, ::limits::id_prefix_min),
        "ambiguous_id");
  }
  const auto ambiguous = [&] { return std::unexpected(store::ambiguous_id("job", prefix)); };
  auto ending = store::rows_beginning({.noun = "job", .column = "id", .prefix = prefix},
                                      ::limits::ids_looked_at_max);
  TRY(const auto rows,
      tx.query(fmt::format("SELECT id, kind, state, lane FROM jobs {}", ending.text),
               std::move(ending.values)));
  std::optional<JobId> found;
  for (const auto& row : rows) {
    const auto state = state_named(row[2].text());
    BRIDGE_ASSERT(state);
    if (!is_meant(row[1].text(), *state, {row[3].text()})) continue;
    if (found) return ambiguous();
    found = JobId{row[0].text()};
  }
  if (rows.size() == ::limits::ids_looked_at_max) return ambiguous();
  if (found) return *std::move(found);
  return base::fail(base::Code::not_found, fmt::format("find job {}: no such job", prefix));
}

Result<> Queue::forget(store::Tx& tx, std::string_view kind, const std::string& subject) const {
  TRY(const auto jobs, find_jobs(tx, "WHERE subject <> '' AND subject = $1", {subject}));
  for (const auto& job : jobs) {
    if (job.kind != kind || !is_final(job.state)) continue;
    TRY_OK(tx.execute("DELETE FROM job_results WHERE seq = $1", {job.sequence}));
    TRY_OK(tx.execute("DELETE FROM job_payloads WHERE seq = $1", {job.sequence}));
    TRY_OK(tx.execute("DELETE FROM jobs WHERE seq = $1", {job.sequence}));
  }
  return {};
}

Result<std::vector<Job>> Queue::children(store::Tx& tx, const JobId& parent) const {
  TRY(auto rows, find_jobs(tx, "WHERE parent = $1 ORDER BY seq", {parent.text}));
  std::vector<Job> jobs;
  for (auto& row : rows) {
    TRY_OK(load_texts(tx, row));
    jobs.push_back(std::move(row));
  }
  return jobs;
}

Result<JobPage> Queue::list(store::Tx& tx, const Filter& filter, std::optional<std::int64_t> before,
                            int limit) const {
  limit = std::clamp(limit, 1, ::limits::list_max);
  std::string where = "WHERE parent IS NULL";
  store::Values values;
  const auto add = [&](std::string_view condition, store::Value value) {
    values.push_back(std::move(value));
    where += fmt::format(" AND {} ${}", condition, values.size());
  };
  if (filter.state) add("state =", name(*filter.state));
  if (filter.lane) add("lane =", filter.lane->text);
  if (!filter.other_lanes.empty()) add("lane NOT LIKE", filter.other_lanes + '%');
  if (!filter.kind.empty()) add("kind =", filter.kind);
  if (!filter.sender.empty()) add("sender =", filter.sender);
  if (!filter.subject.empty()) add("subject <> '' AND subject =", filter.subject);
  if (!filter.principal.empty()) add("principal =", filter.principal);
  if (!filter.agent.empty()) {
    // In the words of payloads_of_agents.
    add("seq IN (SELECT seq FROM job_payloads WHERE substr(payload, 1, 10) = '{\"agent\":\"' "
        "AND substr(payload, 11, 36) =",
        filter.agent);
    where += ')';
  }
  if (before) add("seq <", *before);
  values.emplace_back(limit + 1);
  where += fmt::format(" ORDER BY seq DESC LIMIT ${}", values.size());
  TRY(auto rows, find_jobs(tx, where, std::move(values)));
  JobPage page;
  for (auto& row : rows) {
    if (page.jobs.size() == static_cast<std::size_t>(limit)) {
      page.cursor = page.jobs.back().sequence;
      break;
    }
    page.jobs.push_back(std::move(row));
  }
  return page;
}

Result<std::map<State, int>> Queue::counts(store::Tx& tx) const {
  // A child is never queued, so the index alone tells of the many that are.
  TRY(const auto rows, tx.query("SELECT state, COUNT(*) FROM jobs "
                                "WHERE state IN ('queued', 'running', 'held') "
                                "AND (state = 'queued' OR parent IS NULL) GROUP BY state"));
  std::map<State, int> counts{{State::queued, 0}, {State::running, 0}, {State::held, 0}};
  for (const auto& row : rows) {
    counts[*state_named(row.at(0).text())] = static_cast<int>(row.at(1).integer());
  }
  return counts;
}

}  // namespace engine
