#include "bridge/services/schedule/zone.h"

#include "bridge/base/limits.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

namespace schedule {

base::Result<cctz::time_zone> find_zone(std::string_view name) {
  // cctz would also open paths and "file:" names; only names of zones come in here.
  const auto is_letter = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '+' || c == '-' || c == '/';
  };
  const bool is_name = !name.empty() && name.size() <= limits::zone_name_bytes_max &&
                       !name.starts_with('/') && std::ranges::all_of(name, is_letter);
  cctz::time_zone zone;
  if (!is_name || !cctz::load_time_zone(std::string(name), &zone)) {
    return base::fail(base::Code::invalid,
                      fmt::format("unknown time zone \"{}\"; a name such as Europe/Berlin or UTC "
                                  "is needed",
                                  name.substr(0, limits::zone_name_bytes_max)));
  }
  return zone;
}

}  // namespace schedule
