// The finish line of a reply: its end marker is there and what comes before it is a valid answer.
#pragma once

#include "bridge/chat/conversation.h"
#include "bridge/protocol/extraction.h"
#include "bridge/protocol/finish_line.h"
#include "bridge/protocol/packet.h"

#include <string>
#include <vector>

namespace services {

class ReplyFinish final : public chat::FinishCheck {
 public:
  // `packet` outlives it.
  ReplyFinish(const protocol::Packet& packet, std::string end_marker);

  bool is_reached(std::string_view markdown) override;
  bool is_reached(const std::string& text, const std::vector<chat::CodeBlock>& blocks) override;

 private:
  const protocol::Packet& packet_;
  std::string end_marker_;
  protocol::FinishLine line_;
  std::size_t fed_ = 0;
};

// The answer's object by the route that it came on.
base::Result<protocol::Extraction> extract(const chat::RawReply& raw, const std::string& end_marker,
                                           const protocol::Packet& packet);

}  // namespace services
