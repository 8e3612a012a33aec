// The engine's tables.
#pragma once

#include "bridge/store/store.h"

#include <span>

namespace engine {

// Component "engine". Times are integers of milliseconds: *_at by the calendar (since 1970), *_et
// engine time (time.h).
std::span<const store::Migration> migrations();

}  // namespace engine
