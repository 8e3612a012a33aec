// Bounds of messages.
#pragma once

#include <chrono>
#include <cstddef>

namespace limits {

inline constexpr std::size_t message_text_bytes_max = 200'000;       // that a command reads
inline constexpr std::size_t message_text_characters_max = 200'000;  // of a context as well
inline constexpr std::size_t message_topic_characters_max = 200;
inline constexpr std::size_t message_meta_bytes_max = 16u << 10;
inline constexpr std::size_t message_thread_bytes_max = 100;
inline constexpr int inbox_unread_max = 10'000;                   // of one agent
inline constexpr std::chrono::seconds inbox_full_retry{30};       // what a sender is told
inline constexpr std::size_t broadcast_max = 1000;                // recipients of one call
inline constexpr std::chrono::hours inbox_keeps_unread{30 * 24};  // then it is a dead letter
inline constexpr std::chrono::minutes letters_look{10};
inline constexpr int letters_swept_at_once = 500;
inline constexpr int letters_buried_at_once = 50;
inline constexpr int queries_told_at_once = 100;  // that ended before the start

}  // namespace limits
