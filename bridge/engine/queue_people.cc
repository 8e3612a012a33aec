// What people, deadlines and restarts do with jobs.
#include "bridge/base/limits.h"
#include "bridge/engine/desk.h"
#include "bridge/engine/queue.h"
#include "cdp/try.h"

#include <algorithm>

#include <fmt/format.h>

namespace engine {
namespace {

using base::Code;
using base::Result;

Result<> refused(std::string_view doing, const JobRow& job, std::string_view why,
                 std::string reason) {
  return base::fail(Code::conflict, fmt::format("{} job {}: {}", doing, job.id.text, why),
                    std::move(reason));
}

Result<> must_be_root(std::string_view doing, const JobRow& job) {
  if (!job.is_child()) return {};
  return refused(doing, job, fmt::format("it is a part of job {}", job.parent->text), "is_child");
}

// The member of the family that a person's word is about.
const JobRow& doubted(const JobRow& root, const std::vector<JobRow>& children) {
  for (const auto& child : children) {
    if (child.is_in_doubt()) return child;
  }
  return root;
}

JobRow running_again(JobRow row) {
  row.state = State::running;
  row.error.reset();
  row.ready = Milliseconds(0);
  row.failures = 0;
  return row;
}

// Held jobs of the family run again, the doubted one with the verdict; its lane claims them anew.
Result<> resume_family(const Desk& desk, const JobRow& root, const std::vector<JobRow>& children,
                       const JobRow& about, Verdict verdict, std::string_view note) {
  const auto decided = [&](const JobRow& member) {
    JobRow after = running_again(member);
    if (member.id != about.id) return after;
    if (verdict == Verdict::not_sent) {
      after.is_doubtful = false;
      after.stage = Stage::none;
    } else if (after.stage <= Stage::armed) {
      // There is no more than the word until it is found: it stays in doubt, and has no time.
      after.stage = Stage::sent;
      after.timings.sent.reset();
    }
    return after;
  };
  for (const auto& child : children) {
    TRY_OK(desk.change(child, decided(child), "resolved"));
  }
  JobRow after = decided(root);
  if (after.is_certainly_unsent()) after = queued_again(std::move(after), Milliseconds(0));
  TRY_OK(desk.change(root, std::move(after), "resolved", note));
  return desk.ring(bell_of(root.lane));
}

// A backup that came back: the world may know more about these than this store.
Result<int> doubt_everything(const Desk& desk) {
  TRY(const auto unfinished,
      find_jobs(desk.tx,
                "WHERE state IN ('queued', 'running', 'held') AND state <> 'held' "
                "AND doubtful = 0 AND stage IN ('none', 'intent')",
                {}));
  for (const auto& job : unfinished) {
    JobRow after = job;
    after.is_doubtful = true;
    TRY_OK(desk.change(job, std::move(after), "doubted"));
  }
  return static_cast<int>(unfinished.size());
}

// How long the account may have been at work unseen by this store; nullopt: it does not tell.
Result<std::optional<Milliseconds>> forgotten_time(const Desk& desk, Milliseconds time) {
  TRY(const auto row, desk.tx.query_one("SELECT boot, engine_et FROM engine_clock WHERE id = 1"));
  if (!row) return std::nullopt;
  Milliseconds gone = time - Milliseconds(row->at(1).integer());
  // Over a reboot engine time went as little as is certain; this is about the most.
  if (row->at(0).text() != desk.now.boot) gone += 2 * Milliseconds(::limits::clock_step);
  return gone;
}

// Fills the accounts' logs with what may have been sent in the time that was forgotten.
Result<int> assume_sends(const Desk& desk, std::optional<Milliseconds> gone, Milliseconds time) {
  int assumed = 0;
  for (const auto& [account, limits] : desk.options.accounts) {
    std::int64_t count = 0;
    for (const auto& cap : limits.caps) count = std::max<std::int64_t>(count, cap.count);
    if (gone && limits.pause.count() > 0) {
      count = std::min(count, *gone / limits.pause + std::max(limits.burst, 1));
    }
    TRY_OK(desk.tx.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1) "
        "INSERT INTO sends (seq, account, armed_et, armed_at, job, attempt) "
        "SELECT (SELECT COALESCE(MAX(seq), 0) FROM sends) + n, $2, $3, $4, '', 0 "
        "FROM numbers WHERE n <= $1",
        {count, account, time.count(), to_stamp(desk.now.wall)}));
    TRY_OK(desk.tx.execute("UPDATE accounts SET arrival_et = $2 WHERE id = $1 AND arrival_et < $2",
                           {account, (time + limits.pause).count()}));
    assumed += static_cast<int>(count);
  }
  return assumed;
}

// True if the generation changed.
Result<bool> enter_generation(store::Tx& tx, std::int64_t generation, Milliseconds time) {
  TRY(const auto known, tx.query_one("SELECT generation FROM engine_generation WHERE id = 1"));
  // A backup may have been made before the first start; a new store is the first generation.
  const bool is_restored = generation != (known ? known->at(0).integer() : 1);
  TRY_OK(
      tx.execute("INSERT INTO engine_generation (id, generation, restored_et) VALUES (1, $1, $2) "
                 "ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, "
                 "restored_et = COALESCE(excluded.restored_et, engine_generation.restored_et)",
                 {generation, is_restored ? store::Value(time.count()) : store::Value()}));
  return is_restored;
}

}  // namespace

Result<Job> Queue::cancel(store::Tx& tx, const JobId& id, const std::string& note, const Now& now,
                          std::string_view actor) const {
  Desk desk(tx, options_, now);
  desk.actor = actor;
  TRY(const auto job, load_job(tx, id));
  TRY_OK(must_be_root("cancel", job));
  if (job.state != State::queued && job.state != State::running) {
    TRY_OK(refused("cancel", job, fmt::format("it is {}", name(job.state)), "wrong_state"));
  }
  if (job.is_doubtful) TRY_OK(refused("cancel", job, "it may have been sent", "in_doubt"));
  if (!job.is_certainly_unsent()) {
    TRY_OK(refused("cancel", job, fmt::format("it is {} already", name(job.stage)), "armed"));
  }
  TRY_OK(desk.end(job, State::cancelled, JobError{"cancelled", note}, "cancelled", note));
  if (job.state == State::running) TRY_OK(desk.ring(bell_of_lease(job.lane)));
  return get(tx, id);
}

Result<int> Queue::expire(store::Tx& tx, const Now& now) const {
  const Desk desk(tx, options_, now);
  TRY(const auto late,
      find_jobs(tx,
                "WHERE state = 'queued' AND deadline_at IS NOT NULL AND deadline_at < $1 "
                "AND doubtful = 0 ORDER BY deadline_at LIMIT $2",
                {to_stamp(now.wall), ::limits::expired_at_once}));
  for (const auto& job : late) {
    TRY_OK(desk.end(job, State::expired, JobError{"expired", "not sent before its deadline"},
                    "expired"));
  }
  return static_cast<int>(late.size());
}

std::optional<Verdict> verdict_named(std::string_view word) {
  if (word == "sent") return Verdict::sent;
  if (word == "not-sent") return Verdict::not_sent;
  if (word == "abandon") return Verdict::abandon;
  return std::nullopt;
}

Result<Job> Queue::resolve(store::Tx& tx, const JobId& id, Verdict verdict, const std::string& note,
                           const Now& now, std::string_view actor) const {
  Desk desk(tx, options_, now);
  desk.actor = actor;
  TRY(auto root, load_job(tx, id));
  if (root.is_child()) {
    TRY(root, load_job(tx, *root.parent));
  }
  if (root.state != State::held) {
    TRY_OK(refused("resolve", root, fmt::format("it is {}, not held", name(root.state)),
                   "wrong_state"));
  }
  TRY(const auto children, desk.children(root.id, State::held));
  const JobRow& about = doubted(root, children);
  if (verdict == Verdict::abandon) {
    for (const auto& child : children) {
      TRY_OK(desk.end(child, State::failed, child.error, "failed"));
    }
    const std::string code = root.error ? root.error->code : "unknown_outcome";
    TRY_OK(desk.end(root, State::failed, JobError{code, "abandoned: " + note}, "resolved", note));
    TRY_OK(desk.ring(bell_of(root.lane)));
    return get(tx, root.id);
  }
  const bool is_known_sent = about.stage > Stage::armed && !about.is_in_doubt();
  if (verdict == Verdict::not_sent && is_known_sent) {
    TRY_OK(refused("resolve", about, "it was seen to be sent", "wrong_stage"));
  }
  if (verdict == Verdict::sent && about.is_certainly_unsent()) {
    TRY_OK(refused("resolve", about, "it was never armed", "wrong_stage"));
  }
  TRY_OK(resume_family(desk, root, children, about, verdict, note));
  return get(tx, root.id);
}

Result<Job> Queue::retry(store::Tx& tx, const JobId& id, const Now& now,
                         std::string_view actor) const {
  Desk desk(tx, options_, now);
  desk.actor = actor;
  TRY(const auto job, load_job(tx, id));
  TRY_OK(must_be_root("retry", job));
  if (!is_final(job.state) || job.state == State::done) {
    TRY_OK(refused("retry", job, fmt::format("it is {}", name(job.state)), "wrong_state"));
  }
  TRY(const auto time, desk.time());
  JobRow after = queued_again(job, Milliseconds(0));
  after.is_doubtful = false;
  after.failures = 0;
  after.error.reset();
  after.since = time;
  after.timings = {};
  after.timings.queued = now.wall;
  if (after.deadline && *after.deadline <= now.wall) after.deadline.reset();
  TRY_OK(desk.change(job, std::move(after), "requeued"));
  return get(tx, id);
}

Result<Queue::Recovered> Queue::recover(store::Tx& tx, const std::string& holder,
                                        std::int64_t generation, const Now& now) const {
  const Desk desk(tx, options_, now);
  TRY(const auto time, desk.time());
  TRY(const auto gone, forgotten_time(desk, time));
  TRY_OK(advance_engine_time(tx, now));
  Recovered found;
  TRY(found.is_restored, enter_generation(tx, generation, time));
  if (found.is_restored) {
    TRY(found.doubtful, doubt_everything(desk));
    TRY(found.assumed_sends, assume_sends(desk, gone, time));
  }
  TRY_OK(
      tx.execute("UPDATE lanes SET holder = NULL, lease_until_et = 0 "
                 "WHERE holder IS NOT NULL AND holder <> $1",
                 {holder}));
  TRY(const auto interrupted, find_jobs(tx,
                                        "WHERE state = 'running' AND parent IS NULL AND lane IN "
                                        "(SELECT id FROM lanes WHERE holder IS NULL)",
                                        {}));
  for (const auto& job : interrupted) {
    if (job.is_certainly_unsent()) {
      TRY_OK(desk.change(job, queued_again(job, Milliseconds(0)), "recovered"));
      ++found.queued;
    } else if (!job.is_doubtful) {
      JobRow after = job;
      after.ready = Milliseconds(0);
      TRY_OK(desk.change(job, std::move(after), "recovered"));
      ++found.doubtful;
    }
  }
  return found;
}

}  // namespace engine
