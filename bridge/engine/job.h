// What a job is: an act on the outside world that is wanted once.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/json.h"
#include "bridge/base/result.h"
#include "bridge/engine/time.h"

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/json/value_ref.hpp>

namespace engine {

template <class Tag>
struct Id {
  std::string text;
  friend auto operator<=>(const Id&, const Id&) = default;
};
using JobId = Id<struct JobTag>;    // a UUID of version 7
using LaneId = Id<struct LaneTag>;  // "chat:698d…", "webhook:…"

// queued → running → done | failed | held | cancelled | expired.
enum class State { queued, running, done, failed, held, cancelled, expired };
std::string_view name(State state);
std::optional<State> state_named(std::string_view word);
// True for done, failed, cancelled and expired: only `retry` moves the job again.
bool is_final(State state);

// How far the act went. Up to `intent` it certainly did not happen; from `armed` it may have.
// Jobs that can safely be done twice stay at `none`.
enum class Stage { none, intent, armed, sent, replied };
std::string_view name(Stage stage);
std::optional<Stage> stage_named(std::string_view word);

// Smaller is more urgent: P0 … P3 of the packets.
inline constexpr int bands = 4;

// The text of a JSON object, made before the thread that writes has to.
class Payload {
 public:
  using Members = std::initializer_list<std::pair<base::json::string_view, base::json::value_ref>>;
  Payload() = default;
  Payload(Members members);
  Payload(const base::json::object& object);
  // `text` is one object.
  static Payload of(std::string text);

  const std::string& text() const { return text_; }

 private:
  std::string text_ = "{}";
};

struct NewJob {
  std::string kind;  // chooses the handler
  LaneId lane;
  std::string sender;          // whose turn it takes
  std::string principal;       // in whose name; the scope of `key`
  std::string key = {};        // idempotency; empty: none
  std::string body_hash = {};  // of what was asked for; compared when `key` comes again
  int band = 2;                // 0 … bands - 1
  int cost = 1;                // turns it takes from its sender, 1 … limits::job_cost_max
  std::optional<base::WallTime> not_before = {};
  std::optional<base::WallTime> deadline = {};  // not armed after this
  Payload payload = {};
  std::string subject = {};  // what it is about ("bd-12"), for lists
  std::string thread = {};   // for the journal
  bool has_room = false;     // who hands it in bounds what waits: a full lane takes it, too
};

struct JobError {
  std::string code;  // "invalid_reply", "expired", …
  std::string detail;
  friend bool operator==(const JobError&, const JobError&) = default;
};

// When each step was last taken, by the calendar.
struct Timings {
  base::WallTime queued;
  std::optional<base::WallTime> claimed, intent, armed, sent, replied, ended;
};

struct Job {
  JobId id;
  std::int64_t sequence = 0;  // order of submission
  std::string kind;
  LaneId lane;
  std::string sender, principal, key, body_hash, subject, thread;
  int band = 0;
  int cost = 1;
  State state = State::queued;
  Stage stage = Stage::none;
  int attempt = 0;         // fresh starts so far; of a child: its parent's, when it began
  int failures = 0;        // in a row, of the kind that counts
  std::int64_t epoch = 0;  // of the lane when it was claimed
  // Of a restored backup: it may have been sent though its stage does not tell; or it is `sent` by
  // a person's word alone. Ends with the next set_stage.
  bool is_doubtful = false;
  std::optional<JobId> parent;
  std::optional<base::WallTime> deadline;
  std::optional<JobError> error;
  Timings timings;
  // Read by `get` and `claim`; empty in lists.
  base::json::object payload;
  std::optional<base::json::value> result;
};

// The right to write one job's fate. A stale lease writes nothing: every use of it fails with
// conflict, reason stale_lease.
struct Lease {
  JobId job;
  LaneId lane;
  std::int64_t epoch = 0;
  int attempt = 0;
};

struct Claim {
  Job job;
  Lease lease;
  // The job was interrupted at job.stage (armed, sent or replied), or job.is_doubtful: find out
  // what happened first.
  bool is_reconcile = false;
  // The store was restored lately: what this job is about to send may have been sent before, by a
  // job that the store has forgotten. Look for it before it is armed.
  bool may_be_forgotten = false;
};

}  // namespace engine
