// Every bound of this layer in one place. Sizes are bytes.
#pragma once

#include <chrono>
#include <cstddef>

namespace cdp::limits {

using namespace std::chrono_literals;

// Messages.
inline constexpr std::size_t message_bytes_max = 512u << 20;
inline constexpr std::size_t outbox_bytes_max = 256u << 20;
inline constexpr std::size_t json_depth_max = 512;
inline constexpr std::size_t abandoned_calls_max = 4096;
inline constexpr std::size_t pending_calls_max = 65536;

// Text of a page inside an error message.
inline constexpr std::size_t quoted_bytes_max = 500;

// Buffers between messages.
inline constexpr std::size_t read_buffer_bytes = 64u << 10;
inline constexpr std::size_t read_buffer_bytes_kept_max = 1u << 20;
inline constexpr int pipe_bytes = 1 << 20;

// Events waiting for one subscriber.
inline constexpr std::size_t queued_events_max = 4096;
inline constexpr std::size_t queued_event_bytes_max = 64u << 20;

// Waits.
inline constexpr auto command = 30s;
inline constexpr auto attach_tab = 10s;
inline constexpr auto navigation = 60s;
inline constexpr auto launch = 30s;
// Chrome may ask its user whether the connection is welcome.
inline constexpr auto connect = 120s;
inline constexpr auto polite_close = 2s;
inline constexpr auto exit_after_close = 5s;
inline constexpr auto reap = 2s;

// What is kept of the browser's standard error, for the message of a failed launch.
inline constexpr std::size_t stderr_bytes_kept = 4096;
inline constexpr std::size_t devtools_file_bytes_max = 4096;

}  // namespace cdp::limits
