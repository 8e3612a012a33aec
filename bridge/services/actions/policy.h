// Whether an action may be done, decided from what is known and nothing else. Fails closed: what is
// not certainly allowed is not.
#pragma once

#include "bridge/protocol/violation.h"
#include "bridge/services/actions/definition.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace services::actions {

// What somebody wants done.
struct Wish {
  std::string action;
  base::json::value params;
  std::string agent = {};  // the agent's id; empty: none
  agents::Tier tier = agents::Tier::visitor;
  std::string undoes = {};  // what it takes back; empty: nothing, it is the action itself
  std::string behind = {};  // the principal for whom it is asked; empty: for the asker
};

// What is switched off, with the reason: "all", "action:NAME", "agent:ID".
using Kills = std::map<std::string, std::string, std::less<>>;

struct Decision {
  bool is_allowed = false;  // perhaps after approval
  int risk = 100;
  std::vector<std::string> reasons = {};             // for people, why it is as it is
  std::string code = {};                             // of a refusal; empty when allowed
  std::vector<protocol::Violation> violations = {};  // of the parameters
  int approvers = 0;                                 // persons who must approve
  bool is_told_whole = true;                         // the journal has the parameters

  bool needs_approval() const { return approvers > 0; }
};

Decision decide(const Catalogue& catalogue, const Kills& kills, const Wish& wish);

}  // namespace services::actions
