// Steps that do something to the world outside: action/<name>.
#pragma once

#include "bridge/services/actions.h"
#include "bridge/services/workflows/step_kinds.h"

namespace services {

// `with` are the action's parameters. The run asks as its own principal, with the trust of the
// agent that began it, or as an operator: the policy decides as for anybody, whatever wrote the
// parameters, and an approval holds for exactly what they have become. Once the key that began the
// run is revoked or has expired, the step fails with key_not_good. While people decide, the step
// waits. Every attempt asks once. Outputs are {action: <id>, result, text: what a program
// wrote, or the result as JSON}.
//
// `actions` and `queue` outlive it; its ends are to be told to Workflows::errand_ended.
StepKind action_steps(const Actions& actions, const engine::Queue& queue);

}  // namespace services
