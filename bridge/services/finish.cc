#include "bridge/services/finish.h"

#include "bridge/protocol/reply.h"

namespace services {
namespace {

protocol::SeenReply seen_reply(const std::string& text,
                               const std::vector<chat::CodeBlock>& blocks) {
  protocol::SeenReply seen{.text = text};
  for (const auto& block : blocks) seen.blocks.push_back({block.language, block.text});
  return seen;
}

bool is_answer(const base::Result<protocol::Extraction>& extraction,
               const protocol::Packet& packet) {
  return extraction && extraction->is_end_marked &&
         protocol::check_reply(packet, extraction->value).has_value();
}

}  // namespace

ReplyFinish::ReplyFinish(const protocol::Packet& packet, std::string end_marker)
    : packet_(packet), end_marker_(std::move(end_marker)), line_(end_marker_) {}

bool ReplyFinish::is_reached(std::string_view markdown) {
  if (markdown.size() < fed_) {
    line_ = protocol::FinishLine(end_marker_);
    fed_ = 0;
  }
  // A text that was rewritten without becoming shorter is noticed below, or at its final word.
  line_.feed(markdown.substr(fed_));
  fed_ = markdown.size();
  if (!line_.reached()) return false;
  return is_answer(protocol::extract(markdown, end_marker_, protocol::replies_to(packet_)),
                   packet_);
}

bool ReplyFinish::is_reached(const std::string& text, const std::vector<chat::CodeBlock>& blocks) {
  return is_answer(
      protocol::extract(seen_reply(text, blocks), end_marker_, protocol::replies_to(packet_)),
      packet_);
}

base::Result<protocol::Extraction> extract(const chat::RawReply& raw, const std::string& end_marker,
                                           const protocol::Packet& packet) {
  const auto accepts = protocol::replies_to(packet);
  if (raw.route == "dom") {
    return protocol::extract(seen_reply(raw.text, raw.blocks), end_marker, accepts);
  }
  return protocol::extract(raw.text, end_marker, accepts);
}

}  // namespace services
