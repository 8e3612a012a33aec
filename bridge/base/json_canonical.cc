// RFC 8785, the JSON Canonicalization Scheme.
#include "bridge/base/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace base {
namespace {

bool is_plain(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; }

// What stands inside a string for a character that is not plain.
std::string_view escape(char c, std::array<char, 6>& buffer) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  const auto byte = static_cast<unsigned char>(c);
  static constexpr char digits[] = "0123456789abcdef";
  buffer = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
  return {buffer.data(), buffer.size()};
}

void write_string(std::string& out, std::string_view text) {
  out += '"';
  std::array<char, 6> buffer;
  std::size_t plain = 0;  // text[plain, i) needs no escape and has not been written
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_plain(text[i])) continue;
    out.append(text, plain, i - plain).append(escape(text[i], buffer));
    plain = i + 1;
  }
  out.append(text, plain).append(1, '"');
}

// UTF-16 order equals UTF-8 byte order but for one thing: code points above U+FFFF, written with
// surrogates (0xD800–0xDFFF), sort before U+E000–U+FFFF.
bool utf16_less(std::string_view a, std::string_view b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (in_a == a.end() || in_b == b.end()) return in_a == a.end() && in_b != b.end();
  const auto byte_a = static_cast<unsigned char>(*in_a);
  const auto byte_b = static_cast<unsigned char>(*in_b);
  const bool high_a = byte_a >= 0xF0;
  const bool high_b = byte_b >= 0xF0;
  if (high_a != high_b && byte_a >= 0xEE && byte_b >= 0xEE) return high_a;
  return byte_a < byte_b;
}

void write(std::string& out, const json::value& value);

using Names = std::initializer_list<std::string_view>;

void write_object(std::string& out, const json::object& object, Names without = {}) {
  std::vector<const json::key_value_pair*> members;
  members.reserve(object.size());
  for (const auto& member : object) {
    const std::string_view key = member.key();
    if (std::ranges::find(without, key) == without.end()) members.push_back(&member);
  }
  const auto before = [](const auto* a, const auto* b) { return utf16_less(a->key(), b->key()); };
  if (!std::ranges::is_sorted(members, before)) std::ranges::sort(members, before);
  out += '{';
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i > 0) out += ',';
    write_string(out, members[i]->key());
    out += ':';
    write(out, members[i]->value());
  }
  out += '}';
}

// Up to 2^53 a double holds every integer, and ECMAScript writes it with all its digits.
template <std::integral T>
void write_integer(std::string& out, T number) {
  constexpr std::int64_t exact = std::int64_t{1} << 53;
  if (std::cmp_greater(number, exact) || std::cmp_less(number, -exact)) {
    out += ecmascript_number(static_cast<double>(number));
    return;
  }
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void write(std::string& out, const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      out += "null";
      return;
    case json::kind::bool_:
      out += value.get_bool() ? "true" : "false";
      return;
    case json::kind::int64:
      write_integer(out, value.get_int64());
      return;
    case json::kind::uint64:
      write_integer(out, value.get_uint64());
      return;
    case json::kind::double_:
      out += ecmascript_number(value.get_double());
      return;
    case json::kind::string:
      write_string(out, value.get_string());
      return;
    case json::kind::array: {
      out += '[';
      bool first = true;
      for (const auto& item : value.get_array()) {
        if (!first) out += ',';
        first = false;
        write(out, item);
      }
      out += ']';
      return;
    }
    case json::kind::object:
      write_object(out, value.get_object());
      return;
  }
}

}  // namespace

std::string ecmascript_number(double value) {
  BRIDGE_ASSERT(std::isfinite(value));
  if (value == 0) return "0";  // Negative zero too.
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string_view text(buffer, static_cast<std::size_t>(end.ptr - buffer));
  std::string sign;
  if (text.front() == '-') {
    sign = "-";
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  std::string digits(text.substr(0, e));
  std::erase(digits, '.');
  std::string_view exponent_text = text.substr(e + 1);
  if (exponent_text.front() == '+') exponent_text.remove_prefix(1);
  int exponent = 0;
  std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);

  // ECMA-262 Number::toString: k digits, the decimal point after n of them.
  const int k = static_cast<int>(digits.size());
  const int n = exponent + 1;
  if (k <= n && n <= 21) return sign + digits + std::string(static_cast<std::size_t>(n - k), '0');
  if (0 < n && n <= 21) return sign + digits.insert(static_cast<std::size_t>(n), ".");
  if (-6 < n && n <= 0)
    return sign + "0." + std::string(static_cast<std::size_t>(-n), '0') + digits;
  if (k > 1) digits.insert(1, ".");
  return sign + fmt::format("{}e{}{}", digits, n - 1 < 0 ? '-' : '+', std::abs(n - 1));
}

std::string canonical_json(const json::value& value) {
  std::string out;
  write(out, value);
  return out;
}

std::string canonical_json_without(const json::object& object, Names names) {
  std::string out;
  write_object(out, object, names);
  return out;
}

void append_canonical(std::string& out, std::string_view text) { write_string(out, text); }

}  // namespace base
