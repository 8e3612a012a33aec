// What agents, and those who talk with them, should not forget: every reply by itself, and what
// they store. Kept with its origin, found by its words, read by those with whom it is shared.
//
// The journal tells that something was stored or deleted, with the hash of the content and never
// the content, so a deletion leaves its chain whole.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/json.h"
#include "bridge/base/result.h"
#include "bridge/engine/journal.h"
#include "bridge/protocol/violation.h"
#include "bridge/services/memory/entry.h"
#include "bridge/services/memory/query.h"
#include "bridge/store/store.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace services::memory {

std::span<const store::Migration> migrations();

struct NewEntry {
  std::string title = {};
  std::string content;
  std::string type = "note";
  std::vector<std::string> tags = {};
  Sharing sharing = Sharing::nobody;
  base::json::object metadata = {};
};

// What an agent has.
struct Holdings {
  std::int64_t entries = 0;
  std::int64_t bytes = 0;
};

// What an agent has much to say about.
struct Topic {
  std::string tag;
  std::int64_t entries = 0;
  std::int64_t shared = 0;  // of these with all
  base::WallTime last;
};

// ---- functions of one transaction, for services that remember something in theirs

// What is done, when and by whom. The members outlive it.
struct Act {
  store::Tx& tx;
  const engine::Journal& journal;
  base::WallTime now;
  std::string actor;
};

// The agent with this id, slug, name or alias, or `conversation`. not_found.
base::Result<Owner> owner_of(store::Tx& tx, std::string_view which);
// The same, and one that was removed, by its id, as long as it has entries or had some.
base::Result<Owner> owner_for_operators(store::Tx& tx, std::string_view which);
// The oldest custom GPT that is talked to at this address, else `conversation`.
base::Result<Owner> owner_of_link(store::Tx& tx, std::string_view url);

// Remembers without asking for limits.
base::Result<Entry> remember(const Act& act, const Owner& owner, Origin origin, NewEntry entry,
                             base::json::object provenance);

// ---- for callers

// Who asks: an operator, or a caller bound to an agent.
struct Asker {
  std::string principal;
  std::string agent = {};  // id, slug, name or alias; empty: an operator
  bool is_of_run = false;  // a run asks: what it stores may be a model's words
};

struct Listing {
  std::string type = {}, tag = {};
  std::optional<base::WallTime> since = {};
  std::optional<std::int64_t> before = {};  // entries with smaller numbers
  std::size_t limit = 50;
};

enum class Scope { own, fleet, all };

struct Search {
  Query query;
  Scope scope = Scope::all;
  std::string type = {}, tag = {};
  std::string agent = {};  // only what belongs to this one
  std::optional<base::WallTime> since = {};
  std::size_t limit = 20;
};

struct Hit {
  Entry entry;  // its content only in part
  double score = 0;
  std::string snippet;
};
struct Found {
  std::vector<Hit> hits;    // best first
  std::int64_t ranked = 0;  // entries that were compared
  bool is_bounded = false;  // there are more: the newest were compared
};

struct Page {
  std::vector<Entry> entries;  // newest first
  bool is_end = false;
};

// Everything there is of an agent that the asker may see, the newest of each kind.
struct Dreams {
  Owner owner;
  Holdings holdings;
  std::vector<Entry> knowledge, conversations, analyses;
  std::vector<Topic> expertise;
};

// `which` is the agent in the path. not_found: no such agent, or no entry that the asker may read.
class Memory {
 public:
  // All outlive it.
  Memory(store::Store& store, const engine::Journal& journal, const base::Clock& clock)
      : store_(store), journal_(journal), clock_(clock) {}

  struct Stored {
    Entry entry;
    bool is_replay = false;  // the request was known: this is the first entry
  };
  // `request` is the idempotency key, within the principal; empty: none. denied, reason
  // other_agent: the asker is another agent. conflict, reason memory_full or idempotency_mismatch.
  // unavailable, reason disk_full: see room_for_new. Refusals name the member that is too big.
  boost::asio::awaitable<protocol::Checked<Stored>> store(Asker asker, std::string which,
                                                          NewEntry entry, std::string request,
                                                          std::string request_hash);
  // By its id, or the beginning of it (at least limits::memory_id_prefix_min). not_found with
  // reason deleted; invalid with reason ambiguous_id. The same for `remove`.
  base::Task<Entry> get(Asker asker, std::string which, std::string id);
  // The content and the words in the index are gone, a tombstone with its hash stays. denied,
  // reason other_agent.
  base::Task<> remove(Asker asker, std::string which, std::string id);
  // The same with everything that the agent has; how many there were. What was deleted before an
  // error stays so.
  base::Task<std::int64_t> purge(Asker asker, std::string which);
  base::Task<Page> list(Asker asker, std::string which, Listing listing);
  // What the agent finds: its own, what its fleet shares, what is shared with all. An operator
  // finds everything in Scope::all. denied, reason other_agent.
  base::Task<Found> search(Asker asker, std::string which, Search search);
  base::Task<Dreams> dreams(Asker asker, std::string which, std::size_t limit);

 private:
  store::Store& store_;
  const engine::Journal& journal_;
  const base::Clock& clock_;
};

}  // namespace services::memory
