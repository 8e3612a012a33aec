// The text that is posted for a packet.
#pragma once

#include "bridge/protocol/packet.h"

#include <string>
#include <string_view>
#include <vector>

namespace protocol {

// The same packet, job and key always give the same text. Everything but the packet's own content
// is ASCII, and only the first line starts with the marker.
struct Prompt {
  std::string marker;      // the first line of `text`
  std::string end_marker;  // the line that ends a complete reply
  std::string text;
};

// invalid with reason "too_long": the text would exceed limits::prompt_bytes_max.
base::Result<Prompt> render(const Packet& packet, std::string_view job_id, std::string_view key);

// Asks again after a reply that could not be used. `job_id` is the repair's own job; `problem` says
// in a sentence why, `violations` what is wrong (quoted up to limits::repair_violations_max).
base::Result<Prompt> render_repair(const Packet& packet, std::string_view job_id,
                                   std::string_view key, std::string_view problem,
                                   const std::vector<Violation>& violations);

// A question in free words.
struct Query {
  std::string asker;    // for the one who is asked
  std::string text;     // the question
  std::string context;  // material that belongs to it; may be empty
  std::string schema;   // JSON Schema of an object that the answer must be; empty: any text
};

// As for a packet; the reply is Markdown, or one JSON object by the query's schema.
base::Result<Prompt> render(const Query& query, std::string_view job_id, std::string_view key);
base::Result<Prompt> render_repair(const Query& query, std::string_view job_id,
                                   std::string_view key, std::string_view problem,
                                   const std::vector<Violation>& violations);

// What a reply says before its end marker, which is its last line; the whole text if it is not.
std::string_view before_end_marker(std::string_view reply, std::string_view end_marker);

}  // namespace protocol
