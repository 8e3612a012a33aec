// Bounds of what is remembered.
#pragma once

#include <cstddef>
#include <cstdint>

namespace limits {

// Of one entry that is handed in. Replies are as long as they are.
inline constexpr std::size_t memory_title_bytes_max = 300;
inline constexpr std::size_t memory_content_bytes_max = 256u << 10;
inline constexpr std::size_t memory_tags_max = 32;
inline constexpr std::size_t memory_tag_bytes_max = 64;
inline constexpr std::size_t memory_metadata_bytes_max = 16u << 10;
// Of one agent; replies are kept beyond them.
inline constexpr std::int64_t memory_entries_max = 500'000;
inline constexpr std::int64_t memory_bytes_max = std::int64_t{4} << 30;

inline constexpr std::size_t memory_excerpt_characters = 300;  // of an entry in a list
inline constexpr std::size_t memory_page_max = 200;
inline constexpr std::size_t memory_purged_at_once = 200;  // in one transaction
inline constexpr int memory_topics_shown = 50;
// Of what stands for an id: a millisecond holds many.
inline constexpr std::size_t memory_id_prefix_min = 8;

// Searches.
inline constexpr std::size_t memory_query_bytes_max = 1000;
inline constexpr std::size_t memory_query_words_max = 32;
inline constexpr std::size_t memory_prefix_letters_min = 3;
inline constexpr std::int64_t memory_candidates_max = 1000;  // of one search are ranked
// Of what has the words: so many are looked at one by one whether they may be seen.
inline constexpr std::int64_t memory_looked_at_max = 4000;
inline constexpr int memory_passage_words = 24;

}  // namespace limits
