// What a pattern's text says of the work that matching may take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace schema {

struct PatternShape {
  // Repeats that may go over a whole text, back references included.
  std::size_t scans = 0;
  // Ways through its alternatives, if each is tried with all others.
  std::uint64_t ways = 1;
  // The most characters that one item takes before it is known not to fit.
  std::size_t silent = 0;
};

inline constexpr std::uint64_t pattern_ways_max = 1u << 20;  // more are not told apart

// Of a pattern in PCRE2's syntax as `pcre2_pattern` writes it. Never less than there is.
PatternShape shape_of(std::string_view pcre2);

}  // namespace schema
