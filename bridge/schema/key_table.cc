#include "bridge/schema/key_table.h"

#include <algorithm>
#include <bit>

namespace schema {

KeyTable::KeyTable(std::vector<std::string_view> keys) : keys_(std::move(keys)) {
  const auto size = std::bit_ceil(std::max<std::size_t>(keys_.size() * 2, 2));
  mask_ = static_cast<std::uint32_t>(size - 1);
  shift_ = 32 - std::countr_zero(size);
  // Small tables get a seed without collisions, so that a look-up compares one key.
  const int tries = keys_.size() <= 64 ? 64 : 1;
  std::size_t best = ~std::size_t{0};
  std::uint64_t best_seed = 0;
  const auto fill = [&] {
    std::size_t steps = 0;
    slots_.assign(size, npos);
    for (std::uint32_t i = 0; i < keys_.size(); ++i) {
      std::uint32_t at = hash(keys_[i]) >> shift_;
      for (; slots_[at] != npos; at = (at + 1) & mask_) ++steps;
      slots_[at] = i;
    }
    return steps;
  };
  for (int i = 0; i < tries && best > 0; ++i) {
    seed_ = std::uint64_t(i) * 0xA24BAED4963EE407u;
    if (const auto steps = fill(); steps < best) {
      best = steps;
      best_seed = seed_;
    }
  }
  seed_ = best_seed;
  fill();
}

}  // namespace schema
