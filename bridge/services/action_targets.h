// Whom the built-in actions on an agent are about, and its removal.
#pragma once

#include "bridge/services/actions.h"
#include "bridge/services/agents.h"

#include <map>
#include <string>

namespace services {

// Of agent.deregister and memory.purge: the id in place of what the agent was called, so that
// people decide on that one whoever is called so later, and its name beside it. not_found.
std::map<std::string, Actions::Target> action_targets();

// What agent.deregister does. That the agent was removed since it was asked for is as good.
base::Task<base::json::value> deregister(Agents& agents, const actions::Asked& asked, Caller as);

}  // namespace services
