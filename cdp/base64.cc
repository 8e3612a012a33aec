#include "cdp/base64.h"

#include <array>
#include <cstdint>

namespace cdp {
namespace {

constexpr std::uint8_t not_a_digit = 0xFF;

constexpr std::array<std::uint8_t, 256> make_digits() {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(not_a_digit);
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    digits[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return digits;
}

constexpr auto digits = make_digits();

}  // namespace

Result<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return fail(Failure::invalid, "base64: the length is no multiple of 4");
  std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes(text.size() / 4 * 3, '\0');
  char* out = bytes.data();
  std::uint32_t group = 0;
  std::size_t count = 0;
  for (char c : text.substr(0, text.size() - padding)) {
    auto digit = digits[static_cast<unsigned char>(c)];
    if (digit == not_a_digit) return fail(Failure::invalid, "base64: a character outside it");
    group = group << 6 | digit;
    if (++count % 4 != 0) continue;
    *out++ = static_cast<char>(group >> 16);
    *out++ = static_cast<char>(group >> 8 & 0xFF);
    *out++ = static_cast<char>(group & 0xFF);
    group = 0;
  }
  if (padding == 1) {
    *out++ = static_cast<char>(group >> 10 & 0xFF);
    *out++ = static_cast<char>(group >> 2 & 0xFF);
  } else if (padding == 2) {
    *out++ = static_cast<char>(group >> 4 & 0xFF);
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace cdp
