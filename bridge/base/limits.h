// Every bound of the program in one place. Sizes are bytes, times carry their unit in the name.
#pragma once

#include <chrono>
#include <cstddef>

namespace limits {

using namespace std::chrono_literals;

// JSON from outside.
inline constexpr std::size_t json_depth_max = 64;
inline constexpr std::size_t packet_bytes_max = 1u << 20;
inline constexpr std::size_t reply_bytes_max = 8u << 20;

}  // namespace limits
