// How views say whose words they quote.
#pragma once

#include "bridge/base/json.h"

#include <string_view>

#include <fmt/format.h>

namespace services {

// Says beside a member that is there, as `<member>_trust`, that nobody vouches for it: a model, an
// agent, a program or another server may have written it. null is nobody's words.
inline void mark_untrusted(base::json::object& view, std::string_view member) {
  const auto* quoted = view.if_contains(member);
  if (quoted && !quoted->is_null()) view[fmt::format("{}_trust", member)] = "untrusted";
}

}  // namespace services
