#include "bridge/services/finish.h"

#include <utility>

namespace services {
namespace {

protocol::SeenReply seen_reply(const std::string& text,
                               const std::vector<chat::CodeBlock>& blocks) {
  protocol::SeenReply seen{.text = text};
  for (const auto& block : blocks) seen.blocks.push_back({block.language, block.text});
  return seen;
}

}  // namespace

ReplyFinish::ReplyFinish(const protocol::Packet& packet, std::string end_marker)
    : packet_(packet),
      end_marker_(std::move(end_marker)),
      watch_(end_marker_, protocol::FinishLine::Wants::object) {}

bool ReplyFinish::is_reached(std::string_view markdown) {
  if (!watch_.is_worth_reading(markdown)) return false;
  return keep(protocol::extract(markdown, end_marker_, protocol::replies_to(packet_)), markdown,
              {});
}

bool ReplyFinish::is_reached(const std::string& text, const std::vector<chat::CodeBlock>& blocks) {
  return keep(
      protocol::extract(seen_reply(text, blocks), end_marker_, protocol::replies_to(packet_)), text,
      blocks);
}

bool ReplyFinish::keep(base::Result<protocol::Extraction> extraction, std::string_view text,
                       const std::vector<chat::CodeBlock>& blocks) {
  if (!extraction || !extraction->is_end_marked) return false;
  auto reply = protocol::check_reply(packet_, std::move(extraction->value));
  if (!reply) return false;
  found_.emplace(Found{*std::move(reply), std::move(extraction->warnings)});
  found_text_ = text;
  found_blocks_ = blocks;
  return true;
}

std::optional<Found> ReplyFinish::take(const chat::RawReply& raw) {
  const bool is_same = found_ && raw.text == found_text_ && raw.blocks == found_blocks_;
  return is_same ? std::exchange(found_, std::nullopt) : std::nullopt;
}

base::Result<protocol::Extraction> extract(const chat::RawReply& raw, const std::string& end_marker,
                                           const protocol::Packet& packet) {
  const auto accepts = protocol::replies_to(packet);
  if (raw.route == "dom") {
    return protocol::extract(seen_reply(raw.text, raw.blocks), end_marker, accepts);
  }
  return protocol::extract(raw.text, end_marker, accepts);
}

std::string readable(const chat::RawReply& raw) {
  std::string text;
  for (const auto& block : raw.blocks) {
    text += "```" + block.language + "\n" + block.text + "\n```\n";
  }
  return text + raw.text;
}

}  // namespace services
