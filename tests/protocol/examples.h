// The example packets and a valid reply to each.
#pragma once

#include "bridge/protocol/message_types.h"

#include <array>
#include <string_view>

#include <boost/json/value.hpp>

namespace protocol {

inline constexpr std::array<std::string_view, 5> example_names = {
    "rfp-plan", "rfp-arbitrate", "evidence-bundle", "spec-lock", "acceptance-gate"};

// fixtures/packets/<name>.json and fixtures/packets/replies/<name>.json.
json::value example_packet(std::string_view name);
json::value example_reply(std::string_view name);

const MessageTypes& types();
std::string read_file(const std::string& path);

}  // namespace protocol
