// Runs programs.
#pragma once

#include "bridge/base/result.h"
#include "bridge/schema/program.h"
#include "bridge/schema/schema.h"

#include <vector>

namespace schema {

bool evaluate_flag(const Program& program, const json::value& instance);
base::Result<std::vector<Violation>> evaluate_errors(const Program& program,
                                                     const json::value& instance);
base::Result<json::object> evaluate_basic(const Program& program, const json::value& instance);

}  // namespace schema
