// A day of a few agents by chance alone.
#pragma once

#include "tests/sim/world.h"

namespace sim {

// What this seed's world is like.
Setting setting_of(std::uint64_t seed);

// Lives it; nothing when every promise was kept.
std::vector<Violation> live(Ground& ground, std::uint64_t seed, const Setting& setting);
std::string told(const std::vector<Violation>& violations);

// Misfortunes that many lives together must have met, beside a crash at every point passed.
const std::vector<std::string>& misfortunes();

}  // namespace sim
