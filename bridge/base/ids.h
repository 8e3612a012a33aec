// Ids that sort by the time they were made.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/random.h"

#include <string>

namespace base {

// A UUID of version 7 (RFC 9562), lower case: 48 bits of milliseconds, then random bits.
std::string uuid_v7(WallTime now);
// The same with the random bits of `random`.
std::string uuid_v7(WallTime now, Random& random);

}  // namespace base
