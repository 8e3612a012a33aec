// Times as callers write them.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/http/request.h"

#include <optional>
#include <string_view>

namespace http {

// RFC 3339 ("2026-11-21T05:06:07Z", with any offset), or a day of UTC ("2026-11-21"): its
// beginning. Nothing for other texts. Of a year that WallTime does not reach it is the nearest day
// that it does: before everything that was stored, or after it.
std::optional<base::WallTime> time_in(std::string_view text);

// The query parameter of this name, if it is there. invalid: it is no time.
base::Result<std::optional<base::WallTime>> query_time(const Request& request,
                                                       std::string_view name);

}  // namespace http
