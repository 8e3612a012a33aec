#include "bridge/services/workflows/scheduled.h"

#include <fmt/format.h>

namespace services {

namespace json = boost::json;
namespace rows = workflow_rows;
using base::Result;

WorkflowStarts starts_of(const Workflows& workflows) {
  return {
      .check = [&workflows](store::Tx& tx, const Caller& caller, const WorkflowCall& call,
                            const engine::Now& now) -> Result<WorkflowStarts::Checked> {
        TRY(auto start, workflows.check_start(tx, caller, call.workflow, call.inputs, now.wall));
        return WorkflowStarts::Checked{std::move(start.refusal), std::move(start.workflow),
                                       start.version};
      },
      .begin = [&workflows](store::Tx& tx, const Caller& caller, const WorkflowCall& call,
                            const std::string& key,
                            const engine::Now& now) -> Result<WorkflowStarts::Begun> {
        if (call.version <= 0) {
          return base::fail(base::Code::conflict,
                            fmt::format("begin a run of {}: it is not known which version was "
                                        "meant; have the schedule take the newest",
                                        call.workflow),
                            "no_version");
        }
        const json::object asked{{"workflow", call.workflow}, {"inputs", call.inputs}};
        TRY(auto begun,
            workflows.execute(tx, caller, call.workflow, call.inputs,
                              request_of(caller, key, asked), now, {call.version, caller.behind}));
        return WorkflowStarts::Begun{std::move(begun.refusal), begun.run, begun.is_replay,
                                     begun.version};
      },
      .has_ended = [](store::Tx& tx, const std::string& run) -> Result<bool> {
        TRY(const auto found, rows::run(tx, run));
        return !found || found->state.has_ended();
      }};
}

}  // namespace services
