// Bounds of the dashboard.
#pragma once

#include <chrono>
#include <cstddef>

namespace limits {

inline constexpr std::chrono::minutes dashboard_link_life{2};
inline constexpr std::chrono::hours dashboard_session_life{12};
inline constexpr std::size_t dashboard_links_max = 64;      // not used yet
inline constexpr std::size_t dashboard_sessions_max = 256;  // at once

}  // namespace limits
