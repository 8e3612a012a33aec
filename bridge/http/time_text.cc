#include "bridge/http/time_text.h"

#include <algorithm>

#include <cctz/time_zone.h>
#include <fmt/format.h>

namespace http {

namespace {

using Moment = cctz::time_point<std::chrono::microseconds>;

// WallTime's nanoseconds end centuries before RFC 3339 does.
base::WallTime nearest(Moment moment) {
  using std::chrono::days;
  constexpr Moment first = std::chrono::ceil<days>(base::WallTime::min());
  constexpr Moment last = std::chrono::floor<days>(base::WallTime::max());
  return std::clamp(moment, first, last);
}

}  // namespace

std::optional<base::WallTime> time_in(std::string_view text) {
  // The parser puts up with spaces, signs and years of any length, which RFC 3339 does not have.
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  if (text.find('-') != 4) return std::nullopt;
  if (text.find(' ') != std::string_view::npos || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  Moment moment;
  const auto utc = cctz::utc_time_zone();
  for (const char* form : {"%Y-%m-%dT%H:%M:%E*S%Ez", "%Y-%m-%d"}) {
    if (cctz::parse(form, std::string(text), utc, &moment)) return nearest(moment);
  }
  return std::nullopt;
}

base::Result<std::optional<base::WallTime>> query_time(const Request& request,
                                                       std::string_view name) {
  const auto text = request.query_value(name);
  if (!text) return std::nullopt;
  const auto time = time_in(*text);
  if (time) return time;
  return base::fail(base::Code::invalid,
                    fmt::format("query parameter {}: \"{}\" is no time such as "
                                "2026-11-21T05:06:07Z or 2026-11-21",
                                name, *text),
                    "invalid_query");
}

}  // namespace http
