// Who asks a service for something.
#pragma once

#include <string>

namespace services {

struct Caller {
  std::string principal;  // scope of idempotency keys
  std::string name;       // what a packet's sender must be
  bool may_send_for_others = false;
  std::string agent = {};  // the agent it acts as and only as, for agents::find; empty: none
  bool is_admin = false;   // has the scope admin and is bound to no agent
  // What it may have done by workflows: ask for actions, send packets, and write messages and ask
  // agents.
  bool may_act = false;
  bool may_post = false;
  bool may_write = false;
  bool only_decides = false;  // sees of runs those alone that wait for a person's word
  std::string behind = {};    // the principal that it acts for; empty: nobody but itself
  std::string within = {};    // the principal of the run that it acts in; empty: none
};

}  // namespace services
