// The lines that tie a message in a conversation to a job, and a reply to its end.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace protocol {

// The first line of every message the bridge posts: FLYWHEEL-JOB-<uuid>-<16 hex digits>, the digits
// being the head of HMAC-SHA-256(key, job id). Plain ASCII that Markdown leaves alone. `job_id` is
// a lower-case UUID.
std::string job_marker(std::string_view job_id, std::string_view key);

// The job a user turn's first line was posted for; nothing unless the line is exactly a marker made
// with `key`. The digits are compared in constant time.
std::optional<std::string> match_marker(std::string_view first_line, std::string_view key);

// The last line of a complete reply: FLYWHEEL-END-<uuid>.
std::string end_marker(std::string_view job_id);

}  // namespace protocol
