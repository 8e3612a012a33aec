#include "bridge/services/events/registered.h"

#include "bridge/services/agents/rules.h"

namespace events {

base::Result<std::string> find_registered(store::Tx& tx, const std::string& which,
                                          const Actor& actor) {
  TRY(auto agent, services::agents::find(tx, which));
  TRY_OK(services::agents::check_own(tx, actor.agent, agent));
  return std::move(agent.id);
}

}  // namespace events
