// What the bridge promises, watched from outside: what was committed, step by step, against what
// may be.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/store/store.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim {

enum class Promise {
  posted_once,     // each marker is at most once in the transcripts, and armed before it is clicked
  accepted_once,   // the same packet is one job
  kept,            // what was acknowledged exists
  ends_once,       // what has ended stays ended
  one_writer,      // a lane has one holder at a time, under epochs that only grow
  caps,            // no window of an account holds more sends than its cap, or two in one pause
  in_turn,         // a sender's packets of a lane start in the order in which they were handed in
  in_time,         // nothing is sent after its deadline
  journal,         // every change has its entry, dense, chained and verified
  held_in_doubt,   // held only where the conversation cannot tell
  patience,        // an answer is waited for as long as agreed, whatever calendar and crashes do
  right_answer,    // done means: sent, and answered to this very packet
  failed_rightly,  // failed only for what the provider or the page did
  ends,            // without misfortune everything ends soon
  own_chat,        // what a lane sends is in the conversation of that lane
  parallel,        // no more lanes and turns of an account are under way than it allows
  typed_in_turn,   // of an account, one message at a time is between intent and armed
  looks_first,     // no answer is given up before a look, past its time, has not shown it
  paused,          // while everything is paused nothing is begun, and nothing armed is clicked
};
std::string_view name(Promise promise);

enum class Activity { going_on, paused };

struct Violation {
  Promise promise;
  std::string what;
};

// The rules of the lanes that are watched; each account has its own share of them.
struct Rules {
  int cap;
  base::Instant::duration cap_window;
  base::Instant::duration pause;  // zero: the store may be too slow for it to be seen
  int parallel;
  base::Instant::duration lease;
  base::Instant::duration reply;
  std::map<engine::LaneId, std::string> lanes;  // and their accounts
};

// Counts while it lives.
class Counted {
 public:
  explicit Counted(int& count) : count_(&count) { ++count; }
  Counted(Counted&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  Counted& operator=(Counted&&) = delete;
  ~Counted() {
    if (count_ != nullptr) --*count_;
  }

 private:
  int* count_;
};

class Watch {
 public:
  // Both outlive it.
  Watch(const base::Clock& clock, const engine::Journal& journal, Rules rules)
      : clock_(clock), journal_(journal), rules_(std::move(rules)) {}

  void report(Promise promise, std::string what);
  const std::vector<Violation>& violations() const { return violations_; }

  // A change that was asked for at `now` was committed.
  void committed(const engine::Change& change, const engine::Now& now);
  // Looks at the store after a commit that was asked for at `asked`: the leases, the journal, the
  // jobs.
  base::Result<> look(store::Tx& tx, base::Instant asked);

  // What pages do. A message of this lane is typed, from intent to armed; the turn that it begins
  // lasts from armed to the end of its answer.
  Counted types(const engine::LaneId& lane);
  Counted begins_turn(const engine::LaneId& lane);
  // Lanes of the account of this one that have a turn under way and the right to it.
  int turns_beside(const engine::LaneId& lane) const;
  // A click on Send in the conversation of this lane; gives the job it is for.
  const engine::Job& clicked(const engine::LaneId& lane, const std::string& job);
  // The answer to what the lane's job has sent is waited for, for this long.
  void waits(const engine::LaneId& lane, base::Instant::duration limit);
  // The page shows all that is in the lane's conversation now.
  void looks(const engine::LaneId& lane) { lanes_[lane].looked = clock_.now(); }
  // The job ends without the answer to what it has sent, which has been there since `came`.
  void gives_up(const engine::Job& job, base::Instant came);

  // A person has paused everything, or lets it go on.
  void everything_is(Activity activity) { activity_ = activity; }
  bool is_everything_paused() const { return activity_ == Activity::paused; }
  // The process died: its leases may be taken at once.
  void process_died();
  // The store went back to an earlier state; learns from it what there is now.
  base::Result<> restored(store::Tx& tx, const engine::Queue& queue);

  bool is_settled() const;
  bool is_anything_held() const;
  const std::map<std::string, engine::Job>& jobs() const { return jobs_; }

 private:
  // The lane's row, and when its lease ends if it lasts as long as it should.
  struct Lane {
    std::int64_t claim_epoch = 0;
    std::int64_t epoch = 0;
    std::int64_t lease_row = 0;
    bool is_leased = false;
    base::Instant lease_ends = base::Instant::min();
    int turns = 0;  // in its pages
    base::Instant looked = base::Instant::min();
    // The engine counts whole milliseconds.
    bool is_held(base::Instant now) const {
      return is_leased && now + engine::Milliseconds(1) < lease_ends;
    }
  };
  struct Account {
    std::vector<base::Instant> clicks = {};  // survives what the store forgets
    int typing = 0;                          // in its pages
  };

  void check_claim(const engine::Change& change);
  void check_limits(const std::string& account);
  void look_at_lease(const store::Row& row, base::Instant asked);
  base::Result<> look_at_leases(store::Tx& tx, base::Instant asked);
  base::Result<> look_at_journal(store::Tx& tx);
  // Lanes of the account of this one, itself included, whose leases last.
  template <class Predicate>
  int lanes_beside(const engine::LaneId& one, Predicate is_counted) const;

  const base::Clock& clock_;
  const engine::Journal& journal_;
  Rules rules_;
  std::vector<Violation> violations_;

  std::map<std::string, engine::Job> jobs_;  // as the last committed change left them
  std::map<std::string, base::Instant>
      sent_;  // when each job was noted as sent, where that is known
  std::map<engine::LaneId, Lane> lanes_;
  std::map<std::string, Account> accounts_;
  Activity activity_ = Activity::going_on;
  std::set<std::string> armed_in_pause_;  // jobs: it was noted that they may have been sent

  engine::Verification verified_;
  std::int64_t entries_ = 0;
};

}  // namespace sim
