// The places of parameters in what a definition says: a text "{name}" is that parameter.
#pragma once

#include "bridge/base/json.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services::actions {

// The name in a text that is a place and nothing else.
std::optional<std::string> place_in(std::string_view text);
// Null: it is not there.
const base::json::value* value_of(const base::json::value& params, std::string_view name);
// A string stays as it is, other values are JSON.
std::string text_of(const base::json::value& value);

// What somebody else wrote, with U+FFFD for what is no UTF-8.
std::string as_text(std::string_view bytes);

// The JSON with the parameters in their places; members and items whose parameter is missing are
// left out.
base::json::value filled(const base::json::value& given, const base::json::value& params);
// The names of all its places.
void collect_places(const base::json::value& given, std::vector<std::string>& names);

}  // namespace services::actions
