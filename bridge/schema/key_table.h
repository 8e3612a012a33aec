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
    if (keys_.empty()) return npos;
    for (std::uint32_t at = hash(key) >> shift_;; at = (at + 1) & mask_) {
      const std::uint32_t position = slots_[at];
      if (position == npos) return npos;
      const std::string_view candidate = keys_[position];
      if (candidate.size() == key.size() && same_bytes(candidate.data(), key.data(), key.size())) {
        return position;
      }
    }
  }

 private:
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
  // Reads every byte, mostly in two loads.
  std::uint32_t hash(std::string_view key) const {
    constexpr std::uint64_t odd = 0x9E3779B97F4A7C15u;
    const char* at = key.data();
    std::size_t left = key.size();
    std::uint64_t sum = seed_ + left;
    for (; left > 16; left -= 8, at += 8) sum = (sum ^ load8(at)) * odd + (sum >> 29);
    if (left >= 8) {
      sum = (sum ^ load8(at)) * odd ^ (load8(at + left - 8) + (sum >> 31));
    } else if (left >= 4) {
      sum ^= (std::uint64_t{load4(at)} << 32) | load4(at + left - 4);
    } else if (left > 0) {
      const auto byte = [&](std::size_t i) { return std::uint64_t{std::uint8_t(at[i])}; };
      sum ^= (byte(0) << 40) | (byte(left / 2) << 24) | (byte(left - 1) << 8);
    }
    return static_cast<std::uint32_t>((sum * odd) >> 32);
  }

  std::vector<std::string_view> keys_;
  std::vector<std::uint32_t> slots_;  // at most half full; a power of two
  std::uint64_t seed_ = 0;
  std::uint32_t mask_ = 0;
  int shift_ = 31;
};

}  // namespace schema
