// The bounds of subscriptions and webhooks.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace limits {

using namespace std::chrono_literals;

// Subscriptions.
inline constexpr int subscriptions_max = 1000;
inline constexpr int subscriptions_per_agent_max = 50;
inline constexpr std::size_t wish_words_max = 50;  // of one list
inline constexpr std::size_t wish_word_bytes_max = 200;

// Webhooks. A delivery is tried once, and again after each of these pauses.
inline constexpr std::array<std::chrono::seconds, 9> webhook_pauses = {5s,  5min, 30min, 2h, 5h,
                                                                       10h, 14h,  20h,   24h};
inline constexpr std::chrono::seconds webhook_retry_after_max = 24h;  // what a receiver may ask
inline constexpr std::chrono::seconds webhook_throttle_first = 15s;   // doubles each time
inline constexpr std::chrono::seconds webhook_throttle_max = 15min;
inline constexpr std::chrono::seconds webhook_throttle_asked_max = 1h;  // when the receiver says it
inline constexpr std::chrono::seconds webhook_failing_max = 5 * 24h;    // then it is disabled
inline constexpr std::chrono::seconds webhook_old_secret = 24h;  // still signs after rotation
inline constexpr auto webhook_answer = 15s;                      // for one attempt
inline constexpr auto webhook_handshake = 5s;
inline constexpr std::chrono::seconds webhook_waits = 20s;  // in the lane, for a receiver to rest
inline constexpr auto webhook_look = 15s;  // else it is looked again after about this
inline constexpr auto webhook_look_max = 60s;
inline constexpr auto webhook_resolve = 5s;
inline constexpr std::size_t webhook_answer_bytes_max = 64u << 10;
inline constexpr std::size_t webhook_detail_bytes_max = 500;  // kept of an answer
inline constexpr std::size_t webhook_url_bytes_max = 2048;
inline constexpr std::size_t webhook_addresses_max = 32;  // of one name
inline constexpr std::size_t webhook_connects_max = 4;    // addresses tried in one attempt
inline constexpr std::size_t webhook_secret_bytes_min = 24;
inline constexpr std::size_t webhook_secret_bytes_max = 64;
inline constexpr std::chrono::seconds webhook_tolerance = 5min;  // between clocks, when verifying
inline constexpr int webhook_backlog_max = 500;                  // unfinished, of one subscription
inline constexpr int webhook_deliveries_kept = 5000;             // ended, of one subscription
inline constexpr int webhook_forgotten_at_once = 50;             // deliveries, with their jobs
inline constexpr int webhook_replays_max = 500;                  // at once
// A subscription that is further behind the journal misses what is older, and is told so.
inline constexpr std::int64_t webhook_behind_max = 100'000;
inline constexpr int fan_out_entries = 256;      // looked at in one transaction
inline constexpr int fan_out_deliveries = 1000;  // begun in one transaction, and one stretch more
inline constexpr std::int64_t fan_out_skips = 1000;  // unwanted entries before cursors are written
inline constexpr auto fan_out_retry = 5s;            // after trouble with the store

}  // namespace limits
