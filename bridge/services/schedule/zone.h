// Time zones by their IANA names, from the system's tzdata.
#pragma once

#include "bridge/base/result.h"

#include <string_view>

#include <cctz/time_zone.h>

namespace schedule {

// invalid: no zone of that name, such as "Europe/Berlin" or "UTC", is installed.
base::Result<cctz::time_zone> find_zone(std::string_view name);

}  // namespace schedule
