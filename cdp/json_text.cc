#include "cdp/json_text.h"

#include "cdp/limits.h"

#include <cstdint>
#include <cstring>
#include <optional>

#include <boost/json/parse.hpp>
#include <fmt/format.h>

namespace cdp {
namespace {

// The value of the escape \uXXXX at `at`, if there is one.
std::optional<unsigned> unicode_escape(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
  unsigned value = 0;
  for (char c : text.substr(at + 2, 4)) {
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<unsigned>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
    value = value * 16 + digit;
  }
  return value;
}

std::string replace_lone_surrogates(std::string_view text) {
  std::string repaired(text);
  for (std::size_t at = 0; at + 1 < text.size();) {
    if (text[at] != '\\') {
      ++at;
      continue;
    }
    auto unit = unicode_escape(text, at);
    if (!unit) {
      at += 2;
      continue;
    }
    bool is_high = (*unit & 0xFC00) == 0xD800;
    bool is_low = (*unit & 0xFC00) == 0xDC00;
    auto next = is_high ? unicode_escape(text, at + 6) : std::nullopt;
    if (next && (*next & 0xFC00) == 0xDC00) {
      at += 12;
      continue;
    }
    if (is_high || is_low) repaired.replace(at, 6, "\\ufffd");
    at += 6;
  }
  return repaired;
}

}  // namespace

Result<json::object> parse_object(std::string_view text) {
  json::parse_options options;
  options.max_depth = limits::json_depth_max;
  boost::system::error_code error;
  auto value = json::parse(text, error, {}, options);
  if (error) {
    // The parser reports a lone surrogate under several names, so a repair is tried on any error.
    if (auto repaired = replace_lone_surrogates(text); repaired != text) {
      value = json::parse(repaired, error, {}, options);
    }
  }
  if (error) return fail(Failure::invalid, fmt::format("JSON of the browser: {}", error.message()));
  auto* object = value.if_object();
  if (object == nullptr) return fail(Failure::invalid, "JSON of the browser: not an object");
  return std::move(*object);
}

bool is_utf8(std::string_view text) {
  const char* at = text.data();
  const char* end = at + text.size();
  auto continues = [&](int count) {
    if (end - at <= count) return false;
    for (int i = 1; i <= count; ++i) {
      if ((static_cast<unsigned char>(at[i]) & 0xC0) != 0x80) return false;
    }
    return true;
  };
  while (at != end) {
    std::uint64_t word = 0;
    if (end - at >= 8 && (std::memcpy(&word, at, 8), (word & 0x8080808080808080u) == 0)) {
      at += 8;
      continue;
    }
    auto lead = static_cast<unsigned char>(*at);
    auto second = end - at > 1 ? static_cast<unsigned char>(at[1]) : 0;
    if (lead < 0x80) {
      at += 1;
    } else if (lead >= 0xC2 && lead <= 0xDF && continues(1)) {
      at += 2;
    } else if ((lead & 0xF0) == 0xE0 && continues(2) && !(lead == 0xE0 && second < 0xA0) &&
               !(lead == 0xED && second >= 0xA0)) {
      at += 3;
    } else if (lead >= 0xF0 && lead <= 0xF4 && continues(3) && !(lead == 0xF0 && second < 0x90) &&
               !(lead == 0xF4 && second >= 0x90)) {
      at += 4;
    } else {
      return false;
    }
  }
  return true;
}

std::string text_in(const json::object& object, std::string_view key) {
  auto* value = object.if_contains(key);
  auto* text = value ? value->if_string() : nullptr;
  return text ? std::string(*text) : std::string();
}

const json::object* object_in(const json::object& object, std::string_view key) {
  auto* value = object.if_contains(key);
  return value ? value->if_object() : nullptr;
}

std::string quote(std::string_view text) {
  bool is_long = text.size() > limits::quoted_bytes_max;
  return fmt::format("{:?}{}", text.substr(0, limits::quoted_bytes_max), is_long ? "…" : "");
}

}  // namespace cdp
