// Fleets, and the missions they are sent on. The rules are agents/fleets.h.
#pragma once

#include "bridge/services/agents.h"
#include "bridge/services/agents/fleets.h"

#include <map>
#include <string>
#include <vector>

namespace services {

// A caller who is bound to an agent may report of its own part, and nothing else.
class Fleets {
 public:
  // All outlive it.
  Fleets(Agents::Needs needs, const agents::Catalogue& catalogue)
      : needs_(needs), catalogue_(catalogue) {}

  base::Task<std::vector<agents::Fleet>> list();
  base::Task<agents::Fleet> get(std::string category);

  struct Sent {
    agents::Mission mission;
    bool is_replay = false;  // the request was known: this is the first one, as it is now
  };
  // unavailable, reason disk_full: see room_for_new. Others as agents::deploy.
  base::Task<Sent> deploy(Caller caller, std::string category, std::string objective,
                          Agents::Request request);
  base::Task<agents::Mission> recall(Caller caller, std::string category);

  base::Task<agents::Mission> mission(std::string category, std::string id);
  struct Page {
    std::vector<agents::Mission> missions;  // newest first
    bool is_end = false;
  };
  // not_found: there is no such fleet, and it was on no mission.
  base::Task<Page> missions(std::string category, std::string before, std::size_t limit);
  // `agent` is named as agents::find reads it; empty: the one that the caller is bound to.
  base::Task<agents::Mission> report(Caller caller, std::string category, std::string id,
                                     std::string agent, agents::Report report);

  struct Stats {
    std::vector<agents::Fleet> fleets;
    std::map<std::string, std::int64_t> missions;  // by state
  };
  base::Task<Stats> stats();

 private:
  agents::Act act(store::Tx& tx, base::WallTime now, std::string actor) const {
    return {tx, needs_.journal, now, std::move(actor)};
  }

  Agents::Needs needs_;
  const agents::Catalogue& catalogue_;
};

}  // namespace services
