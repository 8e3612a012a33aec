#include "bridge/services/beads/bead_id.h"

#include "bridge/base/ascii.h"
#include "bridge/base/hash.h"

#include <algorithm>

namespace beads {
namespace {

constexpr std::string_view prefix = "bd-";
constexpr std::string_view escaped_prefix = "bd-x_";
constexpr std::string_view hashed_prefix = "bd-h_";
constexpr std::size_t rest_bytes_min = 2;
constexpr std::size_t rest_bytes_max = 64;
constexpr std::size_t bytes_max = prefix.size() + rest_bytes_max;

bool has_packet_form(std::string_view id) {
  if (!id.starts_with(prefix)) return false;
  const std::string_view rest = id.substr(prefix.size());
  return rest.size() >= rest_bytes_min && rest.size() <= rest_bytes_max &&
         base::is_alphanumeric(rest[0]) && std::ranges::all_of(rest, [](char c) {
           return base::is_alphanumeric(c) || c == '_' || c == '-';
         });
}

bool is_reserved(std::string_view id) {
  return id.starts_with(escaped_prefix) || id.starts_with(hashed_prefix);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return {};
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return {};
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

}  // namespace

std::string packet_id(std::string_view id) {
  if (has_packet_form(id) && !is_reserved(id)) return std::string(id);
  std::string escaped(escaped_prefix);
  for (const char c : id) {
    if (base::is_alphanumeric(c) || c == '-') {
      escaped += c;
    } else {
      escaped += "_" + base::hex(std::string_view(&c, 1));
    }
  }
  if (escaped.size() <= bytes_max) return escaped;
  return std::string(hashed_prefix) +
         base::sha256_hex(id).substr(0, bytes_max - hashed_prefix.size());
}

std::optional<std::string> tracker_id(std::string_view id) {
  if (!has_packet_form(id) || id.starts_with(hashed_prefix)) return {};
  if (!is_reserved(id)) return std::string(id);
  auto original = unescaped(id.substr(escaped_prefix.size()));
  // Of all spellings of an escaped id, only the one that packet_id writes counts.
  if (!original || packet_id(*original) != id) return {};
  return original;
}

}  // namespace beads
