// Everything that happened, once, in order. Written in the same transaction as the change itself.
//
// Entries are numbered 1, 2, … without a gap and chained: each carries the SHA-256 of its canonical
// JSON (RFC 8785), which contains the hash before it. The same bytes are the leaves of the Merkle
// tree whose root the signed checkpoints carry; they make a cut tail visible, which a chain alone
// does not. Entries hold hashes of big or personal texts, never the texts: what is deleted
// elsewhere leaves the chain whole.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/json.h"
#include "bridge/base/notice.h"
#include "bridge/base/result.h"
#include "bridge/engine/merkle.h"
#include "bridge/engine/signed_note.h"
#include "bridge/store/store.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace engine {

struct NewEntry {
  std::string type;              // "packet.accepted"
  std::string subject;           // the id of what it is about
  std::string actor = {};        // who did it
  std::string thread = {};       // what belongs together
  std::string cause = {};        // the sequence or id of what led to it
  base::json::object data = {};  // at most limits::entry_bytes_max as text
};

struct Entry : NewEntry {
  std::int64_t sequence = 0;
  base::WallTime time;  // milliseconds
  base::Sha256 hash{};
};

// The bytes that are hashed: every field and the hash before, as canonical JSON.
std::string canonical(const Entry& entry, const base::Sha256& previous);

struct EntryFilter {
  std::string type = {};  // whole, or a prefix that ends in "." ("packet.")
  std::string subject = {}, actor = {}, thread = {};
  bool matches(const Entry& entry) const;
};

struct EntryPage {
  std::vector<Entry> entries;
  std::int64_t last = 0;  // ask on after this; entries up to here were looked at
  bool is_end = false;    // nothing is behind `last` now
  bool is_cut = false;    // they are long: there are fewer than were asked for
};

// The newest entries, shared by all readers on the loop, so that a thousand followers cost no query
// per entry. Lives on the loop thread.
class JournalTail {
 public:
  explicit JournalTail(boost::asio::any_io_executor executor) : notice_(std::move(executor)) {}

 private:
  friend class Journal;
  friend class Follower;
  void add(std::shared_ptr<const Entry> entry);

  base::Notice notice_;
  std::deque<std::shared_ptr<const Entry>> entries_;  // dense, at most limits::journal_tail_max
};

// How far a verification came and what it found. Start with a fresh one, or with `resume_from` to
// look at a range only.
struct Verification {
  std::int64_t checked = 0;            // entries up to here are good
  std::optional<std::int64_t> broken;  // the first sequence that is not what was written
  std::string why;                     // what is wrong there
  std::int64_t checkpoints = 0;        // good ones met
  bool is_finished = false;
  bool is_good() const { return is_finished && !broken; }

  // Where it goes on.
  base::Sha256 previous{};
  MerkleTree tree;
  bool has_tree = true;
  std::int64_t vouched = 0;  // entries up to here are in a good checkpoint
  std::int64_t wanted = 0;   // a checkpoint in the making: entries up to here are to be in it
};

class Journal {
 public:
  // `tail` (may be null: nobody follows) outlives the journal and every transaction.
  explicit Journal(JournalTail* tail = nullptr) : tail_(tail) {}

  // Returns the entry's sequence. invalid: no type, or too big. Followers see it after the commit.
  base::Result<std::int64_t> append(store::Tx& tx, NewEntry entry, base::WallTime now) const;
  base::Result<std::int64_t> last(store::Tx& tx) const;
  // not_found: no such entry.
  base::Result<Entry> get(store::Tx& tx, std::int64_t sequence) const;
  // Entries after `after` in order, at most `limit` of at most limits::journal_scan_max looked at.
  base::Result<EntryPage> page(store::Tx& tx, std::int64_t after, int limit,
                               const EntryFilter& filter = {}) const;

  // The newest entries of this type about this subject, the newest first, at most `limit`. Looks at
  // no more than what is about the subject, which must be one.
  base::Result<std::vector<Entry>> newest(store::Tx& tx, std::string_view type,
                                          std::string_view subject, int limit) const;

  // A checkpoint is made in three moves, so that no transaction has to look at all the entries
  // since the last one; `make_checkpoint` makes them. First: where to begin.
  base::Result<Verification> begin_checkpoint(store::Tx& tx) const;
  // Then, until it is true: looks at up to `limit` more entries. conflict, reason journal_broken:
  // the entries since the last checkpoint are not what was written, or their tail is cut.
  base::Result<bool> prepare_checkpoint(store::Tx& tx, Verification& progress, int limit) const;
  // Last: signs the tree of what was looked at and remembers the note; the last one again if it
  // tells of as many entries, or more.
  base::Result<std::string> sign_checkpoint(store::Tx& tx, const Verification& progress,
                                            const NoteSigner& signer, base::WallTime now) const;
  // True when limits::checkpoint_entries or checkpoint_period have passed since the last one.
  base::Result<bool> is_checkpoint_due(store::Tx& tx, base::WallTime now) const;
  // The last note, or none.
  base::Result<std::optional<std::string>> last_checkpoint(store::Tx& tx) const;

  // Looks at up to `limit` more entries and, at the end, at the last checkpoint. Call until
  // is_finished or broken. Every checkpoint met must be signed by `verifier_key` (empty: signatures
  // are not looked at) and have the root computed here.
  base::Result<> verify(store::Tx& tx, Verification& progress, std::string_view verifier_key,
                        int limit) const;
  // A verification of what comes after `after`, whose hash is believed; without the tree unless a
  // checkpoint was made there.
  base::Result<Verification> resume_from(store::Tx& tx, std::int64_t after) const;

 private:
  JournalTail* tail_;
};

// Signs the entries that are committed when this begins and remembers the note; the last one again
// if nothing was appended since. Looks at limits::checkpoint_entries in a transaction that reads,
// and writes for a moment only. All outlive the task. Errors as of the three moves.
base::Task<std::string> make_checkpoint(store::Store& store, const Journal& journal,
                                        const NoteSigner& signer, const base::Clock& clock);

// Reads committed entries once each, in order. On the loop thread; cheap to have by the thousand.
class Follower {
 public:
  // All outlive the follower.
  Follower(const Journal& journal, store::Store& store, JournalTail& tail, base::Clock& clock,
           std::int64_t after)
      : journal_(journal), store_(store), tail_(tail), clock_(clock), after_(after) {}

  // The next entries, at least one and at most limits::follow_entries_max, or none at the deadline.
  base::Task<std::vector<std::shared_ptr<const Entry>>> next(base::Instant deadline);
  std::int64_t after() const { return after_; }

 private:
  const Journal& journal_;
  store::Store& store_;
  JournalTail& tail_;
  base::Clock& clock_;
  std::int64_t after_;
};

}  // namespace engine
