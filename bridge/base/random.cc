#include "bridge/base/random.h"

#include "bridge/base/hash.h"
#include "bridge/base/result.h"

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
  const std::string bytes = random_bytes(sizeof(std::uint64_t));
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

}  // namespace base
