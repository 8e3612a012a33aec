// Who asks a service for something.
#pragma once

#include <string>
#include <string_view>

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
  std::string within = {};    // the principal for whom it acts: of a run, if it acts in one
};

// Of a run's principal; the run's id follows.
inline constexpr std::string_view run_principal_prefix = "workflow:";

// True: a run speaks. What it says may be a model's words, whoever began it.
inline bool speaks_for_run(const Caller& caller) {
  return caller.principal.starts_with(run_principal_prefix) ||
         caller.within.starts_with(run_principal_prefix);
}

}  // namespace services
