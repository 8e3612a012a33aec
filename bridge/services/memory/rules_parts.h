// What the rules of memory share. Internal.
#pragma once

#include "bridge/services/memory/memory.h"

#include <string>

namespace services::memory::rules {

base::Result<Viewer> viewer_of(store::Tx& tx, const Asker& asker);
// The agent in the path, if the asker may act for it. denied, reason other_agent.
base::Result<Owner> own(store::Tx& tx, const Asker& asker, const std::string& which);

}  // namespace services::memory::rules
