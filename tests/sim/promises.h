// What the bridge promises, watched from outside: what was committed, step by step, against what
// may be.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/store/store.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

enum class Promise {
  posted_once,     // each marker is at most once in the transcript, and armed before it is clicked
  accepted_once,   // the same packet is one job
  kept,            // what was acknowledged exists
  ends_once,       // what has ended stays ended
  one_writer,      // a lane has one holder at a time, under epochs that only grow
  caps,            // no window holds more sends than its cap
  in_turn,         // a sender's packets start in the order in which they were handed in
  in_time,         // nothing is sent after its deadline
  journal,         // every change has its entry, dense, chained and verified
  held_in_doubt,   // held only where the conversation cannot tell
  patience,        // an answer is waited for as long as agreed, whatever calendar and crashes do
  right_answer,    // done means: sent, and answered to this very packet
  failed_rightly,  // failed only for what the provider or the page did
  ends,            // without misfortune everything ends soon
};
std::string_view name(Promise promise);

struct Violation {
  Promise promise;
  std::string what;
};

// The rules of the one lane and account that are watched.
struct Rules {
  int cap;
  base::Instant::duration cap_window;
  base::Instant::duration lease;
  base::Instant::duration reply;
};

class Watch {
 public:
  // Both outlive it.
  Watch(const base::Clock& clock, const engine::Journal& journal, Rules rules)
      : clock_(clock), journal_(journal), rules_(rules) {}

  void report(Promise promise, std::string what);
  const std::vector<Violation>& violations() const { return violations_; }

  // A change that was asked for at `now` was committed.
  void committed(const engine::Change& change, const engine::Now& now);
  // Looks at the store after a commit that was asked for at `asked`: the lease, the journal, the
  // jobs.
  base::Result<> look(store::Tx& tx, base::Instant asked);
  // A click on Send; gives the job it is for.
  const engine::Job& clicked();
  // The answer to what the lane's job has sent is waited for, for this long.
  void waits(base::Instant::duration limit);

  // The process died: its lease may be taken at once.
  void process_died() { lease_ends_ = base::Instant::min(); }
  // The store went back to an earlier state; learns from it what there is now.
  base::Result<> restored(store::Tx& tx, const engine::Queue& queue);

  bool is_settled() const;
  bool is_anything_held() const;
  const std::map<std::string, engine::Job>& jobs() const { return jobs_; }

 private:
  void check_claim(const engine::Change& change);
  base::Result<> look_at_lease(store::Tx& tx, base::Instant asked);
  base::Result<> look_at_journal(store::Tx& tx);

  const base::Clock& clock_;
  const engine::Journal& journal_;
  Rules rules_;
  std::vector<Violation> violations_;

  std::map<std::string, engine::Job> jobs_;  // as the last committed change left them
  std::string armed_;                        // the job that was armed last
  std::map<std::string, base::Instant>
      sent_;                           // when each job was noted as sent, where that is known
  std::vector<base::Instant> clicks_;  // survives what the store forgets
  std::int64_t claim_epoch_ = 0;

  // The lane's row, and when its lease ends if it lasts as long as it should.
  std::int64_t epoch_ = 0;
  std::int64_t lease_row_ = 0;
  bool is_leased_ = false;
  base::Instant lease_ends_ = base::Instant::min();

  engine::Verification verified_;
  std::int64_t entries_ = 0;
};

}  // namespace sim
