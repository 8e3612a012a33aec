// Answers by schema that came by an inbox.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/result.h"

#include <string_view>

namespace services::messages {

// The object in an answer that came by an inbox, found as in a reply of a conversation; `schema` is
// one that messages::check_schema took. invalid, reason wrong_answer: there is none, or it is not
// valid; the message begins with "/text" and names the places.
base::Result<base::json::value> value_in(std::string_view text, const base::json::value& schema);

}  // namespace services::messages
