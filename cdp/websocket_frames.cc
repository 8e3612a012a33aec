#include "cdp/websocket_frames.h"

#include <cstring>

#include <fmt/format.h>
#include <openssl/evp.h>

namespace cdp {

namespace {

constexpr std::uint8_t final_bit = 0x80;
constexpr std::uint8_t reserved_bits = 0x70;
constexpr std::uint8_t opcode_bits = 0x0f;
constexpr std::uint8_t mask_bit = 0x80;
constexpr std::uint8_t length_bits = 0x7f;
constexpr std::uint8_t length_in_16_bits = 126;
constexpr std::uint8_t length_in_64_bits = 127;
constexpr std::size_t control_bytes_max = 125;
constexpr std::string_view handshake_guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

struct Head {
  Opcode opcode;
  bool is_final;
  std::size_t bytes;  // of the head itself
  std::uint64_t payload_bytes;
};

std::uint8_t byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<std::uint8_t>(bytes[i]);
}

std::uint64_t number(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) value = value << 8 | byte_at(bytes, i);
  return value;
}

std::optional<Head> read_head(std::string_view bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const std::uint8_t length = byte_at(bytes, 1) & length_bits;
  const std::size_t wide = length == length_in_64_bits ? 8 : length == length_in_16_bits ? 2 : 0;
  if (bytes.size() < 2 + wide) return std::nullopt;
  return Head{.opcode = static_cast<Opcode>(byte_at(bytes, 0) & opcode_bits),
              .is_final = (byte_at(bytes, 0) & final_bit) != 0,
              .bytes = 2 + wide,
              .payload_bytes = wide == 0 ? length : number(bytes.substr(2, wide))};
}

bool is_control(Opcode opcode) { return opcode >= Opcode::close; }

bool is_known(Opcode opcode) {
  return opcode <= Opcode::binary || (opcode >= Opcode::close && opcode <= Opcode::pong);
}

// What the RFC forbids; empty: nothing.
std::string_view offence(const Head& head, std::string_view bytes) {
  if ((byte_at(bytes, 0) & reserved_bits) != 0) return "a reserved bit is set";
  if ((byte_at(bytes, 1) & mask_bit) != 0) return "the server masks its frames";
  if (!is_known(head.opcode)) return "unknown opcode";
  const bool is_too_long = head.payload_bytes > control_bytes_max || !head.is_final;
  if (is_control(head.opcode) && is_too_long) return "a control frame is long or in pieces";
  return {};
}

}  // namespace

Result<std::optional<Frame>> take_frame(ReadBuffer& buffer, std::size_t bytes_max) {
  const std::string_view bytes = buffer.bytes();
  const auto head = read_head(bytes);
  if (!head) return std::nullopt;
  const std::string_view wrong = offence(*head, bytes);
  if (!wrong.empty()) {
    return fail(Failure::closed,
                fmt::format("the browser breaks the WebSocket protocol: {}", wrong));
  }
  if (head->payload_bytes > bytes_max) {
    return fail(Failure::overflow,
                fmt::format("a message of the browser exceeds {} bytes", bytes_max));
  }
  const auto size = static_cast<std::size_t>(head->payload_bytes);
  if (bytes.size() - head->bytes < size) return std::nullopt;
  buffer.take(head->bytes + size);
  return Frame{head->opcode, head->is_final, bytes.substr(head->bytes, size)};
}

std::string masked_frame(Opcode opcode, std::string_view payload, std::array<char, 4> mask) {
  std::string frame;
  frame.reserve(payload.size() + 14);
  frame.push_back(static_cast<char>(final_bit | static_cast<std::uint8_t>(opcode)));
  const std::size_t size = payload.size();
  const std::size_t wide = size < length_in_16_bits ? 0 : size <= 0xffff ? 2 : 8;
  const std::size_t first = wide == 0   ? size
                            : wide == 2 ? std::size_t{length_in_16_bits}
                                        : std::size_t{length_in_64_bits};
  frame.push_back(static_cast<char>(mask_bit | first));
  for (std::size_t i = wide; i > 0; --i) frame.push_back(static_cast<char>(size >> (8 * (i - 1))));
  frame.append(mask.data(), mask.size());
  const std::size_t begin = frame.size();
  frame.append(payload);
  std::array<char, 8> twice{};
  std::memcpy(twice.data(), mask.data(), mask.size());
  std::memcpy(twice.data() + mask.size(), mask.data(), mask.size());
  std::uint64_t key = 0;
  std::memcpy(&key, twice.data(), sizeof key);
  char* at = frame.data() + begin;
  std::size_t left = size;
  for (; left >= sizeof key; left -= sizeof key, at += sizeof key) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    word ^= key;
    std::memcpy(at, &word, sizeof word);
  }
  for (std::size_t i = 0; i < left; ++i) at[i] = static_cast<char>(at[i] ^ twice[i]);
  return frame;
}

std::string accept_of(std::string_view key) {
  const std::string text = std::string(key) + std::string(handshake_guid);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr);
  std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> encoded{};
  const int length = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(length)};
}

}  // namespace cdp
