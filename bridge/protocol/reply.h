// A reply that answers its packet.
#pragma once

#include "bridge/protocol/extraction.h"
#include "bridge/protocol/packet.h"

#include <string>
#include <string_view>
#include <vector>

namespace protocol {

// Valid by construction: `check_reply` is the only door.
class Reply {
 public:
  const json::object& body() const { return body_; }
  // Empty if the message type has none.
  std::string_view verdict() const;
  // Contradictions the schema cannot see, such as verdict "ok" with "passed": false.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  friend Checked<Reply> check_reply(const Packet& packet, json::object body);
  Reply(json::object body, std::vector<std::string> warnings)
      : body_(std::move(body)), warnings_(std::move(warnings)) {}

  json::object body_;
  std::vector<std::string> warnings_;
};

// The response schema of the packet's type holds (formats included), and bead_id and msg_type are
// the packet's; otherwise every violation.
Checked<Reply> check_reply(const Packet& packet, json::object body);

// For `extract`: takes the objects that check_reply takes. `packet` must outlive the result.
Accepts replies_to(const Packet& packet);

}  // namespace protocol
