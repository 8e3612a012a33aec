// The frames of a WebSocket connection, seen from the client: RFC 6455 section 5, no extensions.
#pragma once

#include "cdp/read_buffer.h"
#include "cdp/result.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cdp {

enum class Opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10
};

struct Frame {
  Opcode opcode;
  bool is_final;
  std::string_view payload;  // valid until the buffer's `space`
};

// Takes the buffer's next frame; nothing while it is incomplete. overflow: its payload exceeds
// `bytes_max`. closed: the server did what the RFC forbids, so the connection is of no more use.
Result<std::optional<Frame>> take_frame(ReadBuffer& buffer, std::size_t bytes_max);

// A whole message of the client in one frame, masked with `mask`, which nobody can foretell.
std::string masked_frame(Opcode opcode, std::string_view payload, std::array<char, 4> mask);

// The value that a server must answer to this Sec-WebSocket-Key (section 4.2.2).
std::string accept_of(std::string_view key);

}  // namespace cdp
