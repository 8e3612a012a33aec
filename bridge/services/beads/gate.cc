#include "bridge/services/beads/gate.h"

#include "bridge/base/hash.h"
#include "bridge/base/json.h"
#include "bridge/services/beads/bead_id.h"

#include <algorithm>

#include <fmt/format.h>

namespace beads {
namespace {

constexpr std::string_view gate_type = "ACCEPTANCE_GATE";

// One line, however the text was written.
std::string one_line(std::string_view text) {
  std::string out(text);
  std::ranges::replace_if(out, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return out;
}

void add_refusal(const protocol::Refusal& refusal, std::vector<std::string>& reasons) {
  if (refusal.violations.empty()) reasons.push_back(one_line(refusal.message));
  for (const auto& violation : refusal.violations) {
    reasons.push_back(one_line(protocol::to_line(violation)));
  }
}

// The verdict of an answer whose form is valid.
void add_verdict(const json::object& body, std::vector<std::string>& reasons) {
  const std::string_view verdict = body.at("verdict").get_string();
  const json::object& acceptance = body.at("acceptance").get_object();
  if (verdict != "ok") reasons.push_back(fmt::format("the verdict is \"{}\", not \"ok\"", verdict));
  if (!acceptance.at("passed").get_bool()) reasons.push_back("acceptance.passed is false");
  if (reasons.empty()) return;
  if (const json::value* failed = acceptance.if_contains("failed_reasons")) {
    for (const json::value& reason : failed->get_array()) {
      reasons.push_back("failed: " + one_line(reason.get_string()));
    }
  }
}

std::vector<std::string> what_is_wrong(const Answered& answered, const Bead& bead,
                                       const protocol::MessageTypes& types) {
  std::vector<std::string> reasons;
  auto request = base::parse_json(answered.request);
  if (!request) return {"the stored request: " + one_line(request.error().message)};
  auto packet = protocol::Packet::from_json(*std::move(request), types);
  if (!packet) {
    reasons.push_back("the stored request is not valid");
    add_refusal(packet.error(), reasons);
    return reasons;
  }
  if (base::sha256_hex(answered.request) != answered.packet_hash) {
    return {"the stored request is not the one that was kept with the bead's content"};
  }
  if (packet->type().name != gate_type || packet->bead_id() != packet_id(bead.id())) {
    return {
        fmt::format("the stored request is a {} about {}", packet->type().name, packet->bead_id())};
  }
  auto body = base::parse_json(answered.response);
  if (!body || !body->is_object()) {
    return {body ? "the stored response is no JSON object" : one_line(body.error().message)};
  }
  auto reply = protocol::check_reply(*packet, std::move(body->get_object()));
  if (!reply) {
    reasons.push_back("the stored response is no valid ACCEPTANCE_GATE_RESPONSE");
    add_refusal(reply.error(), reasons);
    return reasons;
  }
  add_verdict(reply->body(), reasons);
  return reasons;
}

}  // namespace

Gate judge_gate(const Archive& archive, const Bead& bead, const protocol::MessageTypes& types) {
  auto answered = archive.answered(bead, gate_type);
  if (!answered) return {{one_line(answered.error().message)}, {}};
  const std::string content = bead.content_hash();
  for (const Answered& one : *answered) {
    if (one.content_hash == content) return {what_is_wrong(one, bead, types), one.name};
  }
  if (!answered->empty()) {
    return {{fmt::format("stale: title, description, design or acceptance criteria changed after "
                         "{}; ask again: flywheel bead accept {}",
                         answered->front().name, bead.id())},
            {}};
  }
  Gate gate{{fmt::format("no {} has been answered; ask: flywheel bead accept {}", gate_type,
                         one_line(bead.id()))},
            {}};
  const auto waiting = archive.unanswered(bead, gate_type);
  if (waiting && !waiting->empty()) {
    gate.reasons.push_back(fmt::format("{} has no answer", waiting->front()));
  }
  return gate;
}

}  // namespace beads
