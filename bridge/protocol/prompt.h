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

}  // namespace protocol
