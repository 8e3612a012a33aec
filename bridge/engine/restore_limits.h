// How long a restored store distrusts its memory.
#pragma once

#include <chrono>

namespace limits {

// After a restore: so long a message is looked for before it is sent. As long as a packet may wait
// (see packet_deadline_max): who hands it in again after that means another.
inline constexpr std::chrono::hours restore_remembered = std::chrono::days(31);

}  // namespace limits
