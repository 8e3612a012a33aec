// A fixed set of strings with quick look-up of their position.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace schema {

class KeyTable {
 public:
  static constexpr std::uint32_t npos = ~std::uint32_t{0};

  KeyTable() = default;
  // The keys are distinct and their bytes must outlive the table.
  explicit KeyTable(std::vector<std::string_view> keys);

  bool empty() const { return keys_.empty(); }
  const std::vector<std::string_view>& keys() const { return keys_; }

  // The position of `key` among the keys, or npos.
  std::uint32_t find(std::string_view key) const {
    if (slots_.empty()) return npos;
    for (std::uint32_t at = hash(key) >> shift_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.position == npos) return npos;
      if (slot.size == key.size() && same_bytes(slot.bytes, key.data(), key.size())) {
        return slot.position;
      }
    }
  }

 private:
  struct Slot {
    const char* bytes = nullptr;
    std::size_t size = 0;
    std::uint32_t position = npos;
  };

  static std::uint64_t load8(const char* at) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    return word;
  }
  static std::uint32_t load4(const char* at) {
    std::uint32_t word;
    std::memcpy(&word, at, 4);
    return word;
  }
  // For the short keys there are, quicker than a call.
  static bool same_bytes(const char* a, const char* b, std::size_t size) {
    if (size > 16) return std::memcmp(a, b, size) == 0;
    if (size >= 8) {
      return load8(a) == load8(b) && load8(a + size - 8) == load8(b + size - 8);
    }
    if (size >= 4) {
      return load4(a) == load4(b) && load4(a + size - 4) == load4(b + size - 4);
    }
    for (std::size_t i = 0; i < size; ++i) {
      if (a[i] != b[i]) return false;
    }
    return true;
  }
  // A look at length and three bytes tells the few names of a schema apart.
  std::uint32_t hash(std::string_view key) const {
    const std::size_t size = key.size();
    const auto byte = [&](std::size_t i) { return std::uint32_t{std::uint8_t(key[i])}; };
    std::uint32_t sum = static_cast<std::uint32_t>(size) << 24;
    if (size > 0) sum ^= byte(0) | (byte(size / 2) << 8) | (byte(size - 1) << 16);
    if (reads_all_) {
      for (std::size_t i = 0; i < size; ++i) sum = (sum ^ byte(i)) * 0x01000193u;
    }
    return sum * multiplier_;
  }

  std::vector<std::string_view> keys_;
  std::vector<Slot> slots_;       // at most half full; a power of two
  std::uint32_t multiplier_ = 0;  // odd
  bool reads_all_ = false;        // for sets that three bytes do not tell apart
  std::uint32_t mask_ = 0;
  int shift_ = 31;
};

}  // namespace schema
