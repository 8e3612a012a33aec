// Whether what is said about an agent makes sense by itself.
#pragma once

#include "bridge/protocol/violation.h"
#include "bridge/services/agents/agent.h"

#include <string>
#include <string_view>
#include <vector>

namespace services::agents {

// Where the conversations of custom GPTs are: "https://chatgpt.com", and what else is configured.
using Origins = std::vector<std::string>;

// Everything wrong with `facts` for an agent of this kind, each pointer behind `at` ("/import/3").
std::vector<protocol::Violation> faults(const Facts& facts, Kind kind, const Origins& origins,
                                        std::string_view at = {});

}  // namespace services::agents
