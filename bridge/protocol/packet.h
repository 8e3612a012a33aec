// A request packet: what an agent asks ChatGPT.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/protocol/message_types.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace protocol {

// Valid by construction: `parse` and `from_json` are the only doors.
class Packet {
 public:
  static Checked<Packet> parse(std::string_view text, const MessageTypes& types);
  static Checked<Packet> from_json(json::value value, const MessageTypes& types);

  const MessageType& type() const { return *type_; }
  std::string_view bead_id() const;
  std::string_view sender() const;
  const json::object& body() const { return body_; }

  // The packet's own key, or one derived from its content: the SHA-256 in hex of the RFC 8785 form
  // without `ts` and `idempotency_key`, so the same question asked again has the same key.
  std::string idempotency_key() const;

  friend bool operator==(const Packet& a, const Packet& b) { return a.body_ == b.body_; }

 private:
  Packet(std::shared_ptr<const MessageType> type, json::object body)
      : type_(std::move(type)), body_(std::move(body)) {}

  std::shared_ptr<const MessageType> type_;
  json::object body_;
};

// What a packet is built from; the rest is filled in.
struct PacketParts {
  std::string type;
  std::string bead_id;
  std::string sender;
  json::value context;
  std::vector<std::string> questions;
  std::vector<json::value> artifacts;
  std::vector<json::value> options;
  std::optional<std::string> notes;
  std::optional<std::string> idempotency_key;
};

struct BuiltPacket {
  Packet packet;
  // What the schema allows but the question probably suffers from; for a person to read.
  std::vector<std::string> advice;
};

// The packet for `parts`, dated `now`, asking for every field of the type's response.
Checked<BuiltPacket> build(const PacketParts& parts, const MessageTypes& types, base::WallTime now);

// What a valid packet lacks that answers usually need: an arbitration without options, evidence
// without artifacts, a request for a plan without a question.
std::vector<std::string> advice_on(const Packet& packet);

}  // namespace protocol
