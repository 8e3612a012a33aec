// What the rules of memory share. Internal.
#pragma once

#include "bridge/services/memory/memory.h"

#include <string>
#include <string_view>

namespace services::memory::rules {

base::Result<Viewer> viewer_of(store::Tx& tx, const Asker& asker);
// owner_of; operators also find an agent that was removed, by its id, as long as it has entries or
// had some: what it left can be read and deleted.
base::Result<Owner> owner_for(store::Tx& tx, const Asker& asker, std::string_view which);
// The agent in the path, found so, if the asker may act for it. denied, reason other_agent.
base::Result<Owner> own(store::Tx& tx, const Asker& asker, const std::string& which);

}  // namespace services::memory::rules
