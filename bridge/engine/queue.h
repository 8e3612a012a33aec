// Jobs waiting to act on the outside world, and the lanes they wait in.
//
// Every method is a function of one transaction and the time handed in: nothing here waits, does
// I/O or keeps state in memory, so the same Queue serves every thread of the store. Every change of
// a job is a compare-and-set on state, attempt and epoch; when the world moved on it changes
// nothing and fails with conflict. Work per call does not grow with the number of finished jobs.
//
// Order. A lane runs one job at a time. It takes the band whose oldest job is most overdue, where a
// band counts as `limits::band_ages` older than the band below it: urgent jobs go first and no band
// starves. Inside a band senders take turns by deficit round robin, each job costing `cost` turns.
// One sender's jobs of a band run in submit order; a job that backs off keeps those behind it
// waiting, a job with a `not_before` joins its place when the time has come.
//
// Families. A repair is a child job that runs under its parent's lease: it has stages, a marker and
// a fate of its own, is never claimed by itself, and ends at the latest with its parent.
#pragma once

#include "bridge/engine/job.h"
#include "bridge/engine/pacing.h"

#include <functional>
#include <map>
#include <variant>

namespace engine {

// Told of every change of a job inside the transaction that makes it: the place to write the
// journal, and to wake waiters by Tx::after_commit. An error undoes the change.
struct Change {
  Job job;                    // afterwards; without payload and result
  std::optional<State> from;  // nullopt: it was submitted
  Stage from_stage = Stage::none;
  std::string_view verb;   // submitted claimed intent armed sent replied unsent completed failed
                           // retrying held resolved cancelled expired requeued released recovered
                           // doubted due
  std::string note = {};   // a person's words
  std::string actor = {};  // who wanted it; empty: the bridge itself
};

struct RetryPolicy {
  int failures_max = 5;
  Backoff backoff = {};
};

struct QueueOptions {
  std::map<std::string, AccountLimits> accounts = {};  // an account that is not here has no limits
  std::map<std::string, RetryPolicy> retries = {};     // by kind; others have the default
  int depth_max = 10'000;                              // queued jobs of one lane
  Milliseconds lease{30'000};
  std::function<base::Result<>(store::Tx&, const Change&, const Now&)> on_change = {};
  // Called on the loop after a commit that may let a lane of this name go on (see Bells).
  std::function<void(const std::string& bell)> ring = {};
  // Called on the loop after a commit that may have opened or closed a breaker.
  std::function<void()> breaker_changed = {};
};

struct Place {
  int position = 0;  // 1: next; as turns stand now
  // Until it starts, by the lane's recent pace and the account's limits; nullopt: somebody has to
  // do something first, and nobody knows when.
  std::optional<Milliseconds> eta = Milliseconds(0);
};
struct Accepted {
  Job job;                 // a new one without its payload, which the caller has
  bool is_replay = false;  // the key was known: this is the first job, as it is now
  Place place;             // of a queued job
};

// Why a lane has nothing to do.
struct Idle {
  std::string reason;                // empty: nothing is due; else paused, held, leased, rate,
                                     // parallel, breaker
  std::string detail;                // for people
  std::optional<Milliseconds> wait;  // look again after this; nullopt: only when the bell rings
  std::string bell;                  // what to listen to
};
using Turn = std::variant<Claim, Idle>;

// What is wanted later than this is not waited for where a queue is drained: longer than jobs back
// off that nobody wanted later.
inline constexpr Milliseconds drain_waits_max = std::chrono::minutes(15);

// How a job comes to be armed: before the act, or after a page did it by itself, when nothing can
// forbid it any more and it only has to be noted.
enum class Arming { asked, done };

enum class Verdict { sent, not_sent, abandon };
std::optional<Verdict> verdict_named(std::string_view word);  // sent, not-sent, abandon

struct Filter {
  std::optional<State> state = {};
  std::string kind = {}, sender = {}, subject = {}, principal = {};
  std::optional<LaneId> lane = {};
  std::string other_lanes = {};  // only of lanes whose names do not begin like this
  std::string agent = {};  // a UUID: only jobs whose payload has it as its first member, "agent"
};
struct JobPage {
  std::vector<Job> jobs;               // newest first
  std::optional<std::int64_t> cursor;  // hand in for the next page; nullopt: that was all
};

struct LaneStatus {
  LaneId id;
  std::string account;
  std::string paused;             // the reason, its own before everything's; empty: not paused
  bool is_paused_itself = false;  // also when everything is resumed
  std::optional<JobId> running;
  std::string holder;
  int queued = 0, held = 0;
  std::int64_t epoch = 0;
  Milliseconds mean_run{0};
  Breaker breaker;                        // the account's
  Breaker blocked;                        // the lane's own
  std::optional<Milliseconds> next_send;  // how long the account's limits make the next one wait
};

// An open breaker: of an account, or of one of its lanes.
struct Shut {
  std::string account;
  std::optional<LaneId> lane;
  Breaker breaker;
};

// A lane whose jobs are asked in the page at an address.
struct LanePage {
  LaneId lane;
  std::string url;
  std::optional<base::WallTime> blocked = {};  // when it was blocked last, if ever
};

class Queue {
 public:
  // `random` is used inside write transactions only.
  Queue(QueueOptions options, base::Random& random);

  // Lanes. Declaring twice is fine; the account may change while the lane is idle. `url`: of the
  // page that its jobs are asked in; empty: as it was.
  base::Result<> declare_lane(store::Tx& tx, const LaneId& lane, const std::string& account,
                              const std::string& url = {}) const;
  // Idle lanes of other accounts whose names begin so become this account's, with what those have
  // sent, so that its caps hold for all of it; breakers of those accounts close. Returns how many.
  base::Result<int> move_lanes(store::Tx& tx, std::string_view from,
                               const std::string& account) const;
  // Who the lane was for has gone: it is told of no more, unless something in it is unfinished.
  // Declaring it brings it back. Its row stays, for its jobs refer to it, and those that
  // keys and the audit lead to are never deleted.
  base::Result<> retire_lane(store::Tx& tx, const LaneId& lane) const;
  // While paused nothing is claimed or armed; what runs and was sent goes on.
  base::Result<> pause(store::Tx& tx, const LaneId& lane, const std::string& reason) const;
  // Until it is resumed nothing is claimed or armed, not in lanes that are made later either; what
  // runs and was sent goes on. The pauses of single lanes are apart from it.
  base::Result<> pause_everything(store::Tx& tx, const std::string& reason) const;
  // All go on but the lanes that are paused by themselves; blocked ones as by `resume`.
  base::Result<> resume_everything(store::Tx& tx) const;
  // Why everything is paused; empty: it is not.
  base::Result<std::string> everything_paused(store::Tx& tx) const;
  // Of a blocked lane too: who resumes it has looked at its page.
  base::Result<> resume(store::Tx& tx, const LaneId& lane) const;
  // Those that are not retired, or have something unfinished.
  base::Result<std::vector<LaneStatus>> lanes(store::Tx& tx, const Now& now) const;
  base::Result<std::vector<LanePage>> lane_pages(store::Tx& tx, const std::string& account) const;
  // Those with a job that is queued or running. Work: the number of lanes.
  base::Result<std::vector<LaneId>> lanes_with_work(store::Tx& tx) const;
  // True if no lane does anything before long: only a person, evidence, a new job or more than
  // drain_waits_max could let one go on. What waits for the account's limits is waited for. Changes
  // nothing. Work: the lanes with work, and their senders.
  base::Result<bool> is_drained(store::Tx& tx, const Now& now) const;

  // Opens the account's breaker; a second trip replaces the first, but of two that end by
  // themselves the later end counts, and one that ends by itself does not replace one that does
  // not. `until` is by the calendar now, `url` of the page that showed it.
  base::Result<> trip(store::Tx& tx, const std::string& account, Trip why,
                      const std::string& detail, std::optional<base::WallTime> until,
                      const Now& now, const std::string& url = {}) const;
  // When a breaker of the account was last opened, by engine time, whether it is still open or not;
  // nullopt: never.
  base::Result<std::optional<Milliseconds>> last_trip(store::Tx& tx,
                                                      const std::string& account) const;
  // Evidence that the account works again.
  base::Result<> close_breaker(store::Tx& tx, const std::string& account) const;
  // The page of this lane, at `url`, shows what stands in the way: nothing is claimed or armed in
  // it until `unblock`. Other lanes of the account go on. not_found: no such lane.
  base::Result<> block(store::Tx& tx, const LaneId& lane, const std::string& detail,
                       const std::string& url, const Now& now) const;
  // Evidence that the page of the lane works again.
  base::Result<> unblock(store::Tx& tx, const LaneId& lane) const;

  // Accepts a job once per principal and key. Same key and body: the first job again. conflict,
  // reason idempotency_mismatch: another body. busy, reason queue_full: its `retry_after` says when
  // there is probably room; nothing was changed. One that has room is never refused for want of it.
  // not_found: no such lane. invalid: band, cost or size out of bounds.
  base::Result<Accepted> submit(store::Tx& tx, const NewJob& job, const Now& now) const;
  // The same for who does not ask where the job stands, which costs as much as half of the rest.
  base::Result<JobId> enqueue(store::Tx& tx, const NewJob& job, const Now& now) const;
  base::Result<Place> place(store::Tx& tx, const JobId& job, const Now& now) const;
  // When a full lane probably has room again.
  base::Result<Milliseconds> retry_after(store::Tx& tx, const LaneId& lane, const Now& now) const;

  // Takes the lane and its next job for `holder` (the name of this life of the program), under a
  // new epoch and a reserved rate slot; a job to reconcile comes first and needs no slot, and a
  // doubtful one whose turn it is needs none to find out. Expires
  // what is past its deadline on the way. Commit it also when it gives Idle.
  base::Result<Turn> claim(store::Tx& tx, const LaneId& lane, const std::string& holder,
                           const Now& now) const;
  // The same in the transaction that ended the lane's last job. A lane whose account has limits is
  // idle there: it would come before the other lanes of the account every time.
  base::Result<Turn> claim_next(store::Tx& tx, const LaneId& lane, const std::string& holder,
                                const Now& now) const;
  // Also of a lease that ran out, unless its lane or its place of the account was taken meanwhile:
  // conflict, reason stale_lease.
  base::Result<> renew(store::Tx& tx, const Lease& lease, const Now& now) const;

  // none → intent → armed → sent → replied, and back to none where it is certain that nothing was
  // sent (from intent; from armed only after reconciling). A doubtful job, and any in a store that
  // was ever restored, may also go to `sent` at once: it was found; so may one that is `sent` by a
  // person's word alone. `armed` enters the account's log and fails with busy when it would break a
  // cap, the pace or an open breaker (reason rate, breaker; see wait_to_arm), while everything is
  // paused (reason paused), or where the lease ran out and its place of the account was taken
  // (reason parallel), with conflict and reason expired after the deadline: unless it is `done`.
  base::Result<> set_stage(store::Tx& tx, const Lease& lease, Stage stage, const Now& now,
                           Arming arming = Arming::asked) const;
  // How long until `armed` would be granted; 0: now. nullopt: not before the breaker is closed.
  // busy, reason paused: everything is.
  base::Result<std::optional<Milliseconds>> wait_to_arm(store::Tx& tx, const Lease& lease,
                                                        const Now& now) const;
  // A child of the lease's job, running at once under the same lease. Its lane, sender, principal
  // and attempt are the parent's, its key is ignored. The parent was sent in time; a child has the
  // deadline that it is given. conflict, reason too_many_children: of one attempt.
  base::Result<Claim> begin_child(store::Tx& tx, const Lease& lease, const NewJob& job,
                                  const Now& now) const;
  // Children in the order they began, with payload and result; leases of running ones follow from
  // the parent's: {child.id, lane, epoch, child.attempt}.
  base::Result<std::vector<Job>> children(store::Tx& tx, const JobId& parent) const;

  base::Result<> complete(store::Tx& tx, const Lease& lease, const base::json::value& result,
                          const Now& now) const;
  // busy, login_required: goes again after a pause, not counted. unavailable, timeout: counted, and
  // goes again after a backoff until the policy ends. Others, and what ends: final, code is the
  // error's reason or the name of its code. Going again keeps the promise: up to `intent` it is
  // queued, from `armed` it waits to be reconciled. What is final while `armed` is held instead,
  // with unknown_outcome. A child only ends: the parent's own fail decides what comes.
  base::Result<> fail(store::Tx& tx, const Lease& lease, const base::Error& error,
                      const Now& now) const;
  // Final whatever the class of the error, except that `armed` is held.
  base::Result<> fail_for_good(store::Tx& tx, const Lease& lease, const JobError& error,
                               const Now& now) const;
  // The family waits for a person, and its lane for them both. `why` is the code.
  base::Result<> hold(store::Tx& tx, const Lease& lease, const JobError& why, const Now& now) const;
  // Gives the lane back with the job unharmed, as a stop does: queued up to `intent`,
  // from `armed` waiting to be reconciled.
  base::Result<> release(store::Tx& tx, const Lease& lease, const Now& now) const;

  // What people want. `actor` says who, and is told to on_change.
  // conflict: armed already, doubtful, held, or ended.
  base::Result<Job> cancel(store::Tx& tx, const JobId& job, const std::string& note, const Now& now,
                           std::string_view actor = {}) const;
  // Ends queued jobs whose deadline has passed; returns how many. Of every lane.
  base::Result<int> expire(store::Tx& tx, const Now& now) const;
  // A person's word on a held job. sent: goes on reading, and stays in doubt until it is found: it
  // has no time of its own before that, and is held once more if it is not. not_sent: goes again.
  // abandon: failed.
  // For the member of the family that is armed or doubtful.
  base::Result<Job> resolve(store::Tx& tx, const JobId& job, Verdict verdict,
                            const std::string& note, const Now& now,
                            std::string_view actor = {}) const;
  // Queues a failed, cancelled or expired job again as new. conflict for others; a deadline that
  // has passed is dropped.
  base::Result<Job> retry(store::Tx& tx, const JobId& job, const Now& now,
                          std::string_view actor = {}) const;

  // Deletes the jobs of this kind about this subject that have ended, with their texts. For kinds
  // whose jobs nothing leads to any more, neither a key nor the journal, and that have no children.
  base::Result<> forget(store::Tx& tx, std::string_view kind, const std::string& subject) const;

  // At start, once, before the first claim, with Store::generation(). Leases of every holder but
  // `holder` end: what was up to `intent` is queued again, what was armed or beyond waits to be
  // reconciled. If `generation` is not the store's last one (a restored backup), every unfinished
  // job becomes doubtful and is reconciled before anything else is done with it: the world may know
  // more than this store. What it has forgotten to have sent is assumed at its worst, so that no
  // cap is exceeded: as much as pace and caps allowed since the store last noted the time, a moment
  // ago. Touches unfinished jobs only; what is claimed in the next limits::restore_remembered is
  // marked as may_be_forgotten.
  struct Recovered {
    int queued = 0, doubtful = 0;
    int assumed_sends = 0;
    bool is_restored = false;
  };
  base::Result<Recovered> recover(store::Tx& tx, const std::string& holder, std::int64_t generation,
                                  const Now& now) const;

  // A job as it was told of, with its payload and its result.
  base::Result<Job> with_texts(store::Tx& tx, Job job) const;
  // not_found: no such job.
  base::Result<Job> get(store::Tx& tx, const JobId& job) const;
  // Of a job: its kind, state and lane.
  using IsMeant = std::function<bool(const std::string&, State, const LaneId&)>;
  // The job whose id begins with `prefix`, at least 4 characters, of those that are meant: others
  // are as if they were not there. not_found; invalid, reason ambiguous_id: several do, or too many
  // of any sort to look at.
  base::Result<JobId> expand(store::Tx& tx, std::string_view prefix, const IsMeant& is_meant) const;
  // Null if the principal has no such key.
  base::Result<std::optional<Job>> find(store::Tx& tx, const std::string& principal,
                                        const std::string& key) const;
  base::Result<JobPage> list(store::Tx& tx, const Filter& filter,
                             std::optional<std::int64_t> before, int limit) const;
  // Unfinished jobs by state, each family as its parent. Cheap.
  base::Result<std::map<State, int>> counts(store::Tx& tx) const;

  // How failures of jobs of a kind are taken. Before the first transaction only.
  void set_retries(std::string kind, RetryPolicy policy) {
    options_.retries[std::move(kind)] = policy;
  }
  const QueueOptions& options() const { return options_; }

 private:
  base::Result<> wake(store::Tx& tx, const std::vector<LaneId>& lanes, std::string_view where,
                      const std::string& value) const;
  void tell_breaker_changed(store::Tx& tx) const;

  QueueOptions options_;
  base::Random& random_;
};

// Every breaker that is open, those of lanes that are not told of left out.
base::Result<std::vector<Shut>> open_breakers(store::Tx& tx, const Now& now);

// Names of bells.
std::string bell_of(const LaneId& lane);
std::optional<LaneId> lane_of_bell(std::string_view bell);
std::string bell_of_account(std::string_view account);

}  // namespace engine
