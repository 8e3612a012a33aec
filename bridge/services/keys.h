// The API keys that callers have been given. Of a key itself only its SHA-256 is kept.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/hash.h"
#include "bridge/base/result.h"
#include "bridge/engine/journal.h"
#include "bridge/services/agents/agent.h"
#include "bridge/store/store.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace services {

struct Key {
  std::string id;  // a UUID of version 7
  std::string name;
  std::string agent;     // the agent it is bound to and acts as, as it is named; empty: none
  std::string agent_id;  // the same in the registry; empty: it was not registered then
  std::vector<std::string> scopes;
  base::Sha256 digest{};
  std::string creator;  // the principal
  base::WallTime created;
  std::optional<base::WallTime> expires;
  std::optional<base::WallTime> revoked;
};

struct NewKey {
  std::string name;
  std::string agent = {};     // as agents::find reads it; it need not be registered
  std::string agent_id = {};  // the registered one that `agent` names; empty: whoever is found
  std::vector<std::string> scopes;
  base::Sha256 digest{};
  std::string creator;
  std::optional<base::WallTime> expires = {};
  std::string request = {};  // idempotency key, within the creator; empty: none
  std::string request_hash = {};
};

std::span<const store::Migration> key_migrations();

// Makes a key, in a transaction of somebody else's. What came before with the request is not asked.
base::Result<Key> add_key(store::Tx& tx, const engine::Journal& journal, const NewKey& asked,
                          base::WallTime now);
// The key of a principal "key:ID". denied, reason key_not_good: it is unknown, revoked or expired.
base::Result<Key> good_key(store::Tx& tx, std::string_view principal, base::WallTime now);
// Ends the life of every key that is bound to the agent, by its id or by what it answers to.
base::Result<> revoke_keys_of(store::Tx& tx, const engine::Journal& journal,
                              const agents::Agent& agent, const std::string& actor,
                              base::WallTime now);

// Keys that named the agent by its name, `before`, name it by its new one; those that named it by
// its id, slug or an alias go on so. Of those who remember keys each is to forget them.
base::Result<> rename_keys_of(store::Tx& tx, const agents::Agent& before,
                              const agents::Agent& after);

// Why the key in the file of ensure_admin is not good for everything; empty: it is, or ensure_admin
// makes it so without replacing it. Errors as there.
base::Result<std::string> admin_key_trouble(store::Tx& tx, const std::filesystem::path& file,
                                            base::WallTime now);

class Keys {
 public:
  // All outlive it.
  Keys(store::Store& store, const engine::Journal& journal, const base::Clock& clock)
      : store_(store), journal_(journal), clock_(clock) {}

  struct Created {
    Key key;
    bool is_replay = false;  // the request was known: this is the first key, as it is now
  };
  // conflict, reason idempotency_mismatch: the request was known with another hash.
  base::Task<Created> create(NewKey key);

  // By the beginning of its id, at least limits::id_prefix_min characters. not_found; invalid,
  // reason ambiguous_id: several begin so.
  base::Task<Key> get(std::string prefix);
  // Ends a key's life at once; once more changes nothing. As `get` otherwise.
  base::Task<Key> revoke(std::string prefix, std::string actor);
  // Nothing for an unknown digest; keys that are revoked or expired are found.
  base::Task<std::optional<Key>> find(base::Sha256 digest);

  struct Page {
    std::vector<Key> keys;  // newest first
    bool is_end = false;
  };
  // Keys older than the one with the id `before`; empty: from the newest.
  base::Task<Page> list(std::string before, std::size_t limit);

  struct Admin {
    Key key;
    std::string replaced = {};  // the id of the key that was in the file before; empty: none was
  };
  // Sees to it that the key in the file is good for everything: an unknown one is made known with
  // the scope `admin`, and where there is no file, or the key there is known to be revoked, expired
  // or to allow less, writes a file (mode 0600) with the key that `make` gives. Makes no revoked
  // key good again. Blocks for a moment: for the start of the program. unavailable: the file cannot
  // be read or written; denied: others may read it.
  base::Task<Admin> ensure_admin(std::filesystem::path file, std::function<std::string()> make);

 private:
  store::Store& store_;
  const engine::Journal& journal_;
  const base::Clock& clock_;
};

}  // namespace services
