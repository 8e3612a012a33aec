// Workflows that schedules begin.
#pragma once

#include "bridge/services/schedules.h"
#include "bridge/services/workflows/workflows.h"

namespace services {

// `workflows` outlives it.
WorkflowStarts starts_of(const Workflows& workflows);

}  // namespace services
