// What the holder of a lease does with its job.
#include "bridge/base/ids.h"
#include "bridge/base/limits.h"
#include "bridge/engine/desk.h"
#include "bridge/engine/queue.h"
#include "cdp/try.h"

#include <algorithm>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace engine {
namespace {

using base::Code;
using base::Error;
using base::Result;

// An error that says nothing against the job: it goes again without being counted.
constexpr int failures_of_the_world = 3;

Result<bool> may_follow(const Desk& desk, const JobRow& job, Stage to) {
  switch (to) {
    case Stage::none:
      return job.stage <= Stage::armed;
    case Stage::intent:
      return job.is_certainly_unsent();
    case Stage::armed:
      return job.stage == Stage::intent && !job.is_doubtful;
    case Stage::sent: {
      if (job.is_in_doubt() || job.stage > Stage::armed) return job.is_in_doubt();
      // A restored store may have forgotten that it armed this.
      TRY(const auto restored, desk.restored());
      return restored.has_value();
    }
    case Stage::replied:
      return job.stage == Stage::sent;
  }
  return false;
}

std::string_view verb_of(Stage stage) {
  return stage == Stage::none ? std::string_view("unsent") : name(stage);
}

// Null: now. An error tells why not.
Result<std::optional<Milliseconds>> grant(const Desk& desk, const LaneRow& lane,
                                          Milliseconds time) {
  if (lane.blocked) return std::optional<Milliseconds>();
  TRY(const auto account, desk.account(lane.account));
  if (account.breaker.is_open(time)) {
    if (!account.breaker.until) return std::optional<Milliseconds>();
    return std::optional(*account.breaker.until - time);
  }
  // Its own reservation is for this; those of others are theirs to use.
  return desk.wait_for_limits(account, 0, time);
}

Result<> log_send(const Desk& desk, const JobRow& job, const LaneRow& lane, Milliseconds time) {
  TRY(const auto account, desk.account(lane.account));
  TRY(const auto last, desk.tx.query_one("SELECT COALESCE(MAX(seq), 0) FROM sends"));
  TRY_OK(
      desk.tx.execute("INSERT INTO sends (seq, account, armed_et, armed_at, job, attempt) "
                      "VALUES ($1, $2, $3, $4, $5, $6)",
                      {last->at(0).integer() + 1, account.id, time.count(), to_stamp(desk.now.wall),
                       job.id.text, job.attempt}));
  const auto forgotten = time - Milliseconds(::limits::sends_remembered);
  TRY_OK(desk.tx.execute("DELETE FROM sends WHERE account = $1 AND armed_et < $2",
                         {account.id, forgotten.count()}));
  const auto* limits = desk.limits(account.id);
  if (!limits) return {};
  const auto arrival = arrival_after(*limits, account.arrival, time, desk.random());
  TRY_OK(desk.tx.execute("UPDATE accounts SET arrival_et = $2 WHERE id = $1",
                         {account.id, arrival.count()}));
  return {};
}

Result<> check_unpaused(const Desk& desk, const JobId& job, const LaneRow& lane) {
  TRY(const auto everything, everything_paused(desk.tx));
  if (everything.empty() && lane.paused.empty()) return {};
  return base::fail(Code::busy,
                    everything.empty()
                        ? fmt::format("arm job {}: its lane is paused: {}", job.text, lane.paused)
                        : fmt::format("arm job {}: everything is paused: {}", job.text, everything),
                    "paused");
}

// An error tells why it must not be armed now.
Result<> may_arm(const Desk& desk, const JobRow& job, const LaneRow& lane, Milliseconds time) {
  TRY_OK(check_unpaused(desk, job.id, lane));
  if (job.deadline && desk.now.wall > *job.deadline) {
    return base::fail(Code::conflict,
                      fmt::format("arm job {}: its deadline has passed", job.id.text), "expired");
  }
  TRY(const bool is_lost, desk.has_lost_place(lane, time));
  if (is_lost) {
    return base::fail(Code::busy,
                      fmt::format("arm job {}: its lease ran out, and other lanes of account {} "
                                  "have taken its place",
                                  job.id.text, lane.account),
                      "parallel");
  }
  TRY(const auto wait, grant(desk, lane, time));
  if (!wait) {
    return base::fail(Code::busy, fmt::format("arm job {}: a breaker is open", job.id.text),
                      "breaker");
  }
  if (wait->count() > 0) {
    return base::fail(Code::busy,
                      fmt::format("arm job {}: the account's limits ask for {} ms more",
                                  job.id.text, wait->count()),
                      "rate");
  }
  return {};
}

Result<> arm(const Desk& desk, const JobRow& job, Arming arming) {
  TRY(const auto time, advance_engine_time(desk.tx, desk.now));
  TRY(const auto lane, desk.lane(job.lane));
  if (arming == Arming::asked) TRY_OK(may_arm(desk, job, lane, time));
  return log_send(desk, job, lane, time);
}

void stamp(Timings& timings, Stage stage, base::WallTime now) {
  switch (stage) {
    case Stage::none:
      timings.intent = timings.armed = std::nullopt;
      break;
    case Stage::intent:
      timings.intent = now;
      break;
    case Stage::armed:
      timings.armed = now;
      break;
    case Stage::sent:
      timings.sent = now;
      break;
    case Stage::replied:
      timings.replied = now;
      break;
  }
}

JobError error_of(const Error& error) {
  return {error.reason.empty() ? std::string(base::name(error.code)) : error.reason, error.message};
}

// The family's last word, kept honest: what may have been sent is not called failed.
Result<> end_failed(const Desk& desk, const JobRow& root, JobError error) {
  TRY(const auto running, desk.children(root.id, State::running));
  const bool is_in_doubt =
      root.is_in_doubt() ||
      std::ranges::any_of(running, [](const JobRow& child) { return child.is_in_doubt(); });
  if (!is_in_doubt) return desk.end(root, State::failed, std::move(error), "failed");
  return desk.end(root, State::held,
                  JobError{"unknown_outcome", fmt::format("{}: {}", error.code, error.detail)},
                  "held");
}

// The family goes on later: in the line again if it is certainly unsent, else reconciled first.
Result<> go_again(const Desk& desk, const JobRow& root, int failures, Milliseconds ready,
                  std::optional<JobError> error, std::string_view verb) {
  JobRow after = root.is_certainly_unsent() ? queued_again(root, ready) : root;
  after.ready = ready;
  after.failures = failures;
  if (error) after.error = std::move(error);
  TRY_OK(desk.change(root, std::move(after), verb));
  return desk.free_lane(root.lane, root.epoch);
}

Result<> not_a_child(const JobRow& job) {
  if (!job.is_child()) return {};
  return base::fail(Code::conflict,
                    fmt::format("job {}: a child goes the way of its parent", job.id.text),
                    "is_child");
}

Result<> learn_run(const Desk& desk, const JobRow& job) {
  if (!job.timings.claimed) return {};
  const auto run = std::chrono::duration_cast<Milliseconds>(desk.now.wall - *job.timings.claimed);
  // A calendar that stepped meanwhile teaches nothing.
  if (run.count() <= 0 || run > std::chrono::hours(1)) return {};
  TRY_OK(
      desk.tx.execute("UPDATE lanes SET mean_run_ms = CASE WHEN mean_run_ms = 0 THEN $2 "
                      "ELSE (3 * mean_run_ms + $2) / 4 END WHERE id = $1",
                      {job.lane.text, run.count()}));
  return {};
}

}  // namespace

Result<> Queue::renew(store::Tx& tx, const Lease& lease, const Now& now) const {
  const Desk desk(tx, options_, now);
  TRY_OK(desk.leased(lease));
  TRY(const auto time, desk.time());
  TRY(const auto lane, desk.lane(lease.lane));
  TRY(const bool is_lost, desk.has_lost_place(lane, time));
  if (is_lost) {
    return base::fail(Code::conflict,
                      fmt::format("renew the lease of lane {}: it ran out, and other lanes of "
                                  "account {} have taken its place",
                                  lane.id.text, lane.account),
                      "stale_lease");
  }
  TRY_OK(tx.execute("UPDATE lanes SET lease_until_et = $3 WHERE id = $1 AND epoch = $2",
                    {lease.lane.text, lease.epoch, (time + options_.lease).count()}));
  return {};
}

Result<> Queue::set_stage(store::Tx& tx, const Lease& lease, Stage stage, const Now& now,
                          Arming arming) const {
  const Desk desk(tx, options_, now, &random_);
  TRY(const auto job, desk.leased(lease));
  TRY(const bool may, may_follow(desk, job, stage));
  if (!may) {
    return base::fail(Code::conflict,
                      fmt::format("move job {} to {}: it is {}{}", job.id.text, name(stage),
                                  name(job.stage), job.is_doubtful ? " and doubtful" : ""),
                      "wrong_stage");
  }
  if (stage == Stage::armed) TRY_OK(arm(desk, job, arming));
  JobRow after = job;
  after.stage = stage;
  after.is_doubtful = false;
  if (stage >= Stage::sent) after.failures = 0;
  stamp(after.timings, stage, now.wall);
  return desk.change(job, std::move(after), verb_of(stage));
}

Result<std::optional<Milliseconds>> Queue::wait_to_arm(store::Tx& tx, const Lease& lease,
                                                       const Now& now) const {
  const Desk desk(tx, options_, now);
  TRY(const auto job, desk.leased(lease));
  TRY(const auto lane, desk.lane(job.lane));
  TRY_OK(check_unpaused(desk, job.id, lane));
  TRY(const auto time, desk.time());
  return grant(desk, lane, time);
}

Result<Claim> Queue::begin_child(store::Tx& tx, const Lease& lease, const NewJob& job,
                                 const Now& now) const {
  const Desk desk(tx, options_, now, &random_);
  TRY(const auto parent, desk.leased(lease));
  TRY_OK(not_a_child(parent));
  if (parent.stage != Stage::replied) {
    return base::fail(Code::conflict,
                      fmt::format("begin a child of job {}: it has no reply", parent.id.text),
                      "wrong_stage");
  }
  TRY(const auto siblings,
      tx.query_one("SELECT COUNT(*) FROM jobs WHERE parent = $1 AND attempt = $2",
                   {parent.id.text, parent.attempt}));
  if (siblings->at(0).integer() >= ::limits::children_max) {
    return base::fail(Code::conflict,
                      fmt::format("begin a child of job {}: it has too many", parent.id.text),
                      "too_many_children");
  }
  if (job.kind.empty() || job.payload.text().size() > ::limits::job_text_bytes_max) {
    return base::fail(Code::invalid,
                      fmt::format("begin a child of job {}: no kind, or too big", parent.id.text));
  }
  JobRow child = parent;
  child.id.text = base::uuid_v7(now.wall, random_);
  child.parent = parent.id;
  child.kind = job.kind;
  child.key.clear();
  child.body_hash = job.body_hash;
  child.stage = Stage::none;
  child.failures = 0;
  child.is_doubtful = false;
  child.deadline = job.deadline;
  child.error.reset();
  child.timings = {};
  child.timings.queued = now.wall;
  child.timings.claimed = now.wall;
  TRY(auto payload, base::parse_json(job.payload.text()));
  child.payload = std::move(payload).as_object();
  TRY_OK(insert_job(tx, child, job.payload.text()));
  TRY_OK(desk.welcome(child));
  Lease own{child.id, child.lane, child.epoch, child.attempt};
  return Claim{std::move(child), std::move(own)};
}

Result<> Queue::complete(store::Tx& tx, const Lease& lease, const base::json::value& result,
                         const Now& now) const {
  const Desk desk(tx, options_, now);
  TRY(const auto job, desk.leased(lease));
  std::string text = base::json::serialize(result);
  if (text.size() > ::limits::job_text_bytes_max) {
    return base::fail(Code::invalid,
                      fmt::format("complete job {}: the result is too big", job.id.text));
  }
  TRY_OK(
      tx.execute("INSERT INTO job_results (seq, result) VALUES ($1, $2) "
                 "ON CONFLICT (seq) DO UPDATE SET result = excluded.result",
                 {job.sequence, std::move(text)}));
  if (!job.is_child()) TRY_OK(learn_run(desk, job));
  JobRow trusted = job;
  trusted.is_doubtful = false;
  return desk.end(trusted, State::done, std::nullopt, "completed");
}

Result<> Queue::fail(store::Tx& tx, const Lease& lease, const Error& error, const Now& now) const {
  const Desk desk(tx, options_, now, &random_);
  TRY(const auto job, desk.leased(lease));
  if (job.is_child()) return fail_for_good(tx, lease, error_of(error), now);
  TRY(const auto time, advance_engine_time(tx, now));
  const auto& policy = desk.policy(job.kind);
  const bool is_expired = job.deadline && now.wall > *job.deadline && job.is_certainly_unsent();
  if (is_expired) {
    return desk.end(job, State::expired, JobError{"expired", error.message}, "expired");
  }
  if (error.code == Code::busy || error.code == Code::login_required) {
    const auto pause = equal_jitter(policy.backoff, failures_of_the_world, random_);
    return go_again(desk, job, job.failures, time + pause, error_of(error), "retrying");
  }
  const int failures = job.failures + 1;
  if (base::is_retryable(error.code) && failures < policy.failures_max) {
    const auto pause = equal_jitter(policy.backoff, failures, random_);
    return go_again(desk, job, failures, time + pause, error_of(error), "retrying");
  }
  return end_failed(desk, job, error_of(error));
}

Result<> Queue::fail_for_good(store::Tx& tx, const Lease& lease, const JobError& error,
                              const Now& now) const {
  const Desk desk(tx, options_, now);
  TRY(const auto job, desk.leased(lease));
  if (!job.is_child()) return end_failed(desk, job, error);
  if (!job.is_in_doubt()) return desk.end(job, State::failed, error, "failed");
  return base::fail(
      Code::conflict,
      fmt::format("fail job {}: it may have been sent; fail or hold its parent", job.id.text),
      "in_doubt");
}

Result<> Queue::hold(store::Tx& tx, const Lease& lease, const JobError& why, const Now& now) const {
  const Desk desk(tx, options_, now);
  TRY(auto job, desk.leased(lease));
  if (job.is_child()) {
    TRY(job, load_job(tx, *job.parent));
    BRIDGE_ASSERT(job.state == State::running && job.epoch == lease.epoch);
  }
  return desk.end(job, State::held, why, "held");
}

Result<> Queue::release(store::Tx& tx, const Lease& lease, const Now& now) const {
  const Desk desk(tx, options_, now);
  TRY(const auto job, desk.leased(lease));
  TRY_OK(not_a_child(job));
  return go_again(desk, job, job.failures, Milliseconds(0), std::nullopt, "released");
}

}  // namespace engine
