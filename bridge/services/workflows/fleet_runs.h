// Fleets at work: the agents of a category, asked in the steps of one run.
#pragma once

#include "bridge/services/agents/fleets.h"
#include "bridge/services/workflows/workflows.h"

#include <optional>
#include <string>
#include <vector>

namespace services {

struct FleetStep {
  std::string id = {};     // empty: "step_1", …
  std::string agent = {};  // a member, as agents::find reads it; empty: they take turns
  std::string task;
  std::optional<std::vector<std::string>> needs = {};  // nothing: the step before
};

struct FleetPlan {
  std::string objective;
  // Each agent is told the objective and what the steps that it needs gave. Empty: every active
  // member is asked the objective, all at one time.
  std::vector<FleetStep> steps = {};
};

class FleetRuns {
 public:
  // All outlive it.
  FleetRuns(store::Store& store, Workflows& workflows, const agents::Catalogue& catalogue,
            const engine::Timeline& timeline)
      : store_(store), workflows_(workflows), catalogue_(catalogue), timeline_(timeline) {}

  // Begins a run of the workflow "fleet:<category>", which gives {answers: {<slug or step>: text}}.
  // not_found: no such fleet. conflict, reason empty_fleet, or no_active_member: nobody to be
  // asked. Refusals point to "/steps/…". Requests are as those of Workflows::execute.
  boost::asio::awaitable<protocol::Checked<Workflows::Executed>> begin(Caller caller,
                                                                       std::string category,
                                                                       FleetPlan plan,
                                                                       std::string request);

 private:
  base::Result<Workflows::Begun> begin(store::Tx& tx, const Caller& caller,
                                       const std::string& category, const FleetPlan& plan,
                                       const workflow_rows::Request& asked,
                                       const engine::Now& now) const;

  store::Store& store_;
  Workflows& workflows_;
  const agents::Catalogue& catalogue_;
  const engine::Timeline& timeline_;
};

}  // namespace services
