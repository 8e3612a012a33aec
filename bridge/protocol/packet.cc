#include "bridge/protocol/packet.h"

#include "bridge/base/hash.h"
#include "bridge/base/json.h"
#include "bridge/base/limits.h"

#include <fmt/format.h>

namespace protocol {
namespace {

Refusal not_json(std::string message) {
  return {{base::Code::invalid, std::move(message), "not_json"}, {}};
}

std::string_view text_of(const json::object& object, std::string_view key) {
  return object.at(key).get_string();
}

}  // namespace

Checked<Packet> Packet::parse(std::string_view text, const MessageTypes& types) {
  if (text.size() > limits::packet_bytes_max) {
    return std::unexpected(
        not_json(fmt::format("the packet is longer than {} bytes", limits::packet_bytes_max)));
  }
  auto value = base::parse_json(text);
  if (!value) return std::unexpected(not_json(value.error().message));
  return from_json(*std::move(value), types);
}

Checked<Packet> Packet::from_json(json::value value, const MessageTypes& types) {
  auto checked = check_message(value, types);
  if (!checked) return std::unexpected(std::move(checked.error()));
  auto type = types.find(*checked);
  if (*checked != type->name) {
    return std::unexpected(
        Refusal{{base::Code::invalid, fmt::format("{} is a reply, not a request", *checked),
                 "unknown_type"},
                {{"/msg_type", "enum", "must be one of " + types.request_names()}}});
  }
  return Packet(std::move(type), std::move(value.get_object()));
}

std::string_view Packet::bead_id() const { return text_of(body_, "bead_id"); }
std::string_view Packet::sender() const { return text_of(body_, "sender"); }

std::string Packet::idempotency_key() const {
  if (const auto* key = body_.if_contains("idempotency_key")) return std::string(key->get_string());
  return base::sha256_hex(base::canonical_json_without(body_, {"ts"}));
}

Checked<BuiltPacket> build(const PacketParts& parts, const MessageTypes& types,
                           base::WallTime now) {
  json::object inputs{{"artifacts", json::array(parts.artifacts.begin(), parts.artifacts.end())},
                      {"questions", json::array(parts.questions.begin(), parts.questions.end())}};
  if (!parts.options.empty()) {
    inputs["options"] = json::array(parts.options.begin(), parts.options.end());
  }
  json::object requested{{"format", "json"}, {"fields", json::array()}};
  if (const auto type = types.find(parts.type)) {
    requested["fields"] = json::array(type->fields.begin(), type->fields.end());
  }
  if (parts.notes) requested["notes"] = *parts.notes;
  json::object packet{{"proto", "flywheel.chatgpt.v1"},
                      {"bead_id", parts.bead_id},
                      {"msg_type", parts.type},
                      {"sender", parts.sender},
                      {"ts", base::rfc3339(now)}};
  if (parts.idempotency_key) packet["idempotency_key"] = *parts.idempotency_key;
  packet["context"] = parts.context;
  packet["inputs"] = std::move(inputs);
  packet["requested_output"] = std::move(requested);
  auto parsed = Packet::from_json(std::move(packet), types);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  auto advice = advice_on(*parsed);
  return BuiltPacket{*std::move(parsed), std::move(advice)};
}

std::vector<std::string> advice_on(const Packet& packet) {
  const json::object& inputs = packet.body().at("inputs").get_object();
  const auto is_empty = [&](std::string_view key) {
    const json::value* list = inputs.if_contains(key);
    return !list || list->get_array().empty();
  };
  const std::string& name = packet.type().name;
  std::vector<std::string> out;
  if (name == "RFP_ARBITRATE" && is_empty("options")) {
    out.push_back(
        "RFP_ARBITRATE without options: there is nothing to decide between; add --option");
  }
  if (name == "EVIDENCE_BUNDLE" && is_empty("artifacts")) {
    out.push_back(
        "EVIDENCE_BUNDLE without artifacts: there is no evidence to look at; "
        "add --artifact");
  }
  if (name == "RFP_PLAN" && is_empty("questions")) {
    out.push_back("RFP_PLAN without a question: the plan has nothing to answer; add --question");
  }
  return out;
}

}  // namespace protocol
