// Ids: those of version 7 sort by the time they were made, those of version 8 are made from what
// they stand for.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/hash.h"
#include "bridge/base/random.h"

#include <string>

namespace base {

// A UUID of version 7 (RFC 9562), lower case: 48 bits of milliseconds, then random bits.
std::string uuid_v7(WallTime now);
// The same with the random bits of `random`.
std::string uuid_v7(WallTime now, Random& random);
// A UUID of version 8, lower case: the head of this digest, and the same for the same.
std::string uuid_v8(const Sha256& digest);

}  // namespace base
