// What a scalar of YAML stands for, by the core schema of YAML 1.2. Internal to parse_yaml.
#pragma once

#include "bridge/base/json.h"

#include <expected>
#include <string>
#include <string_view>

namespace workflow {

// "tag:yaml.org,2002:<kind>".
std::string core_tag(std::string_view kind);

// The error says why JSON has no such value.
std::expected<base::json::value, std::string> scalar_value(std::string_view text,
                                                           const std::string& tag, bool is_plain);

}  // namespace workflow
