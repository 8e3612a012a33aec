#include "bridge/schema/key_table.h"

#include <algorithm>
#include <bit>

namespace schema {

KeyTable::KeyTable(std::vector<std::string_view> keys) : keys_(std::move(keys)) {
  const auto size = std::bit_ceil(std::max<std::size_t>(keys_.size() * 2, 2));
  mask_ = static_cast<std::uint32_t>(size - 1);
  shift_ = 32 - std::countr_zero(size);
  const auto fill = [&] {
    std::size_t steps = 0;
    slots_.assign(size, Slot());
    for (std::uint32_t i = 0; i < keys_.size(); ++i) {
      std::uint32_t at = hash(keys_[i]) >> shift_;
      for (; slots_[at].position != npos; at = (at + 1) & mask_) ++steps;
      slots_[at] = {keys_[i].data(), keys_[i].size(), i};
    }
    return steps;
  };
  // Small sets get a multiplier without collisions, so that a look-up compares one key.
  constexpr std::size_t small = 64;
  constexpr int tries = 200;
  reads_all_ = keys_.size() > small;
  std::size_t best = ~std::size_t{0};
  std::uint32_t best_multiplier = 0;
  std::uint32_t candidate = 0x9E3779B1u;
  for (int i = 0; i < (reads_all_ ? 1 : tries) && best > 0; ++i) {
    multiplier_ = candidate | 1;
    candidate = candidate * 1664525u + 1013904223u;
    if (const auto steps = fill(); steps < best) {
      best = steps;
      best_multiplier = multiplier_;
    }
  }
  multiplier_ = best_multiplier;
  fill();
}

}  // namespace schema
