// The finish line of a reply: its end marker is there and what comes before it is a valid answer.
#pragma once

#include "bridge/chat/conversation.h"
#include "bridge/protocol/extraction.h"
#include "bridge/protocol/finish_line.h"
#include "bridge/protocol/packet.h"
#include "bridge/protocol/reply.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services {

// A valid answer, and what is to be said about it.
struct Found {
  protocol::Reply reply;
  std::vector<std::string> warnings;
};

class ReplyFinish final : public chat::FinishCheck {
 public:
  // `packet` outlives it.
  ReplyFinish(const protocol::Packet& packet, std::string end_marker);

  bool is_reached(std::string_view markdown) override;
  bool is_reached(const std::string& text, const std::vector<chat::CodeBlock>& blocks) override;

  // The answer in `raw` if it is the one that reached the line: it is not read twice.
  std::optional<Found> take(const chat::RawReply& raw);

 private:
  bool keep(base::Result<protocol::Extraction> extraction, std::string_view text,
            const std::vector<chat::CodeBlock>& blocks);

  const protocol::Packet& packet_;
  std::string end_marker_;
  protocol::FinishWatch watch_;
  std::optional<Found> found_;
  std::string found_text_;
  std::vector<chat::CodeBlock> found_blocks_;
};

// The answer's object by the route that it came on.
base::Result<protocol::Extraction> extract(const chat::RawReply& raw, const std::string& end_marker,
                                           const protocol::Packet& packet);

// What the page showed, for a person who must decide: code and text in one.
std::string readable(const chat::RawReply& raw);

}  // namespace services
