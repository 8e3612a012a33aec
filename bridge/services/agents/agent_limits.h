// Bounds of the registry of agents.
#pragma once

#include <chrono>
#include <cstddef>

namespace limits {

inline constexpr int agents_max = 10'000;
inline constexpr std::size_t agents_imported_max = 2000;  // in one request
inline constexpr std::size_t agent_name_bytes_max = 200;
inline constexpr std::size_t agent_slug_bytes_max = 80;
inline constexpr int agent_slug_tries = 10'000;  // slug, slug-2, slug-3, …
inline constexpr std::size_t agent_link_bytes_max = 2000;
inline constexpr std::size_t agent_purpose_bytes_max = 4000;
inline constexpr std::size_t agent_words_max = 50;  // aliases, and capabilities
inline constexpr int agent_beats_kept = 100;        // of each
inline constexpr std::size_t agent_metrics_bytes_max = 8u << 10;
inline constexpr std::size_t agent_catalogue_bytes_max = 1u << 20;
inline constexpr int fleets_max = 1000;
inline constexpr std::size_t mission_text_bytes_max = 4000;  // objectives, and notes
inline constexpr int agents_swept_at_once = 500;
inline constexpr std::chrono::seconds agents_look{10};  // between looks at who went offline
inline constexpr std::chrono::hours agent_requests_kept{7 * 24};

}  // namespace limits
