// Memory's rules: functions of one transaction. Internal to Memory.
#pragma once

#include "bridge/services/memory/memory.h"
#include "bridge/services/memory/rows.h"

#include <string>

namespace services::memory::rules {

// Everything wrong with an entry by itself.
std::vector<protocol::Violation> faults(const NewEntry& entry);

base::Result<Memory::Stored> store(const Act& act, const Asker& asker, const std::string& which,
                                   NewEntry entry, const rows::Request& request);
base::Result<Entry> get(store::Tx& tx, const Asker& asker, const std::string& which,
                        const std::string& id);
base::Result<> remove(const Act& act, const Asker& asker, const std::string& which,
                      const std::string& id);
// The newest of what the agent has, at most limits::memory_purged_at_once; how many there were.
base::Result<std::int64_t> purge_some(const Act& act, const Asker& asker, const std::string& which);
base::Result<Page> list(store::Tx& tx, const Asker& asker, const std::string& which,
                        const Listing& listing);
base::Result<Found> search(store::Tx& tx, const Asker& asker, const std::string& which,
                           const Search& search);
base::Result<Dreams> dreams(store::Tx& tx, const Asker& asker, const std::string& which,
                            std::size_t limit);

}  // namespace services::memory::rules
