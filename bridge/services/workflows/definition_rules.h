// What no schema can say about a definition. Internal to Definition.
#pragma once

#include "bridge/services/workflows/definition.h"

#include <vector>

namespace workflow {

// Fills in what the steps need, read and are needed by, and adds all that is wrong.
void apply_rules(Definition& definition, std::vector<protocol::Violation>& violations);

}  // namespace workflow
