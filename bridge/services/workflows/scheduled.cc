#include "bridge/services/workflows/scheduled.h"

namespace services {

namespace json = boost::json;
namespace rows = workflow_rows;
using base::Result;

WorkflowStarts starts_of(const Workflows& workflows) {
  return {
      .check = [&workflows](store::Tx& tx, const Caller& caller,
                            const WorkflowCall& call) -> Result<std::optional<protocol::Refusal>> {
        return workflows.check_start(tx, caller, call.workflow, call.inputs);
      },
      .begin = [&workflows](store::Tx& tx, const Caller& caller, const WorkflowCall& call,
                            const std::string& key,
                            const engine::Now& now) -> Result<WorkflowStarts::Begun> {
        const json::object asked{{"workflow", call.workflow}, {"inputs", call.inputs}};
        TRY(auto begun, workflows.execute(tx, caller, call.workflow, call.inputs,
                                          request_of(caller, key, asked), now));
        return WorkflowStarts::Begun{std::move(begun.refusal), begun.run, begun.is_replay};
      },
      .has_ended = [](store::Tx& tx, const std::string& run) -> Result<bool> {
        TRY(const auto found, rows::run(tx, run));
        return !found || found->state.has_ended();
      }};
}

}  // namespace services
