#include "bridge/base/random.h"

#include "bridge/base/hash.h"
#include "bridge/base/result.h"

#include <array>
#include <cstring>
#include <limits>

namespace base {

std::uint64_t Random::below(std::uint64_t bound) {
  BRIDGE_ASSERT(bound > 0);
  // Numbers above the last whole multiple of `bound` would favour the small remainders.
  const std::uint64_t excess = (std::numeric_limits<std::uint64_t>::max() % bound + 1) % bound;
  std::uint64_t number = bits();
  while (number > std::numeric_limits<std::uint64_t>::max() - excess) number = bits();
  return number % bound;
}

std::uint64_t SystemRandom::bits() {
  // Asking for many at once costs hardly more than asking for one. Each is given out once.
  constexpr std::size_t count = 64;
  thread_local std::array<std::uint64_t, count> pool;
  thread_local std::size_t left = 0;
  if (left == 0) {
    const std::string bytes = random_bytes(sizeof pool);
    std::memcpy(pool.data(), bytes.data(), sizeof pool);
    left = count;
  }
  return pool[--left];
}

}  // namespace base
