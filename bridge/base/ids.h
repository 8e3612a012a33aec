// Ids that sort by the time they were made.
#pragma once

#include "bridge/base/clock.h"

#include <string>

namespace base {

// A UUID of version 7 (RFC 9562), lower case: 48 bits of milliseconds, then random bits.
std::string uuid_v7(WallTime now);

}  // namespace base
