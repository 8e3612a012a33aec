// What is remembered as rows. Internal to the rules.
#pragma once

#include "bridge/services/memory/entry.h"
#include "bridge/services/memory/memory.h"
#include "bridge/store/store.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace services::memory::rows {

// What was deleted, when and by whom.
struct Tombstone {
  std::string agent;
  std::string sha256;
  std::string actor;
  base::WallTime deleted;
};

// The request that made an entry; `key` may be empty: none.
struct Request {
  std::string key;
  std::string hash;
};

// Adds the entry, with its number, to the table, the counts and the index.
base::Result<> insert(store::Tx& tx, Entry& entry, const Request& request);
// Takes it out again and leaves a tombstone.
base::Result<> remove(store::Tx& tx, const Entry& entry, const std::string& actor,
                      base::WallTime now);

// Nothing: there is none.
base::Result<std::optional<Entry>> with_id(store::Tx& tx, const std::string& id);
base::Result<std::optional<Entry>> with_number(store::Tx& tx, std::int64_t number);
// As lists show it: of the content only the beginning.
base::Result<std::optional<Entry>> summary(store::Tx& tx, std::int64_t number);
// The ids of the agent that begin so, at most two; of very many that begin so, the first are seen.
base::Result<std::vector<std::string>> ids(store::Tx& tx, const std::string& agent,
                                           const std::string& prefix);
base::Result<std::optional<Tombstone>> tombstone(store::Tx& tx, const std::string& id);
// The entry that this request made. conflict, reason idempotency_mismatch.
base::Result<std::optional<Entry>> of_request(store::Tx& tx, const std::string& creator,
                                              const Request& request);

// The number from which entries are that new. The clock may have stepped: entries follow each other
// in the order in which they were stored.
base::Result<std::int64_t> first_since(store::Tx& tx, base::WallTime since);
base::Result<Holdings> holdings_of(store::Tx& tx, const std::string& agent);
// The tags of its entries, most frequent first.
base::Result<std::vector<Topic>> topics_of(store::Tx& tx, const std::string& agent, int limit);
// The same of what it shares with all, as if there were nothing else.
base::Result<std::vector<Topic>> shared_topics_of(store::Tx& tx, const std::string& agent,
                                                  int limit);

// Remembers that a reply was stored, for ever. False: it was already.
base::Result<bool> claim_reply(store::Tx& tx, const std::string& reply, base::WallTime now);

}  // namespace services::memory::rows
