#include "bridge/base/ascii.h"
#include "bridge/schema/format.h"
#include "bridge/schema/utf8.h"

namespace schema {
namespace {

using Text = std::string_view;

bool is_one_of(char32_t c, Text set) {
  return c != 0 && c < 0x80 && set.find(static_cast<char>(c)) != Text::npos;
}

// RFC 3987, `ucschar` and `iprivate`.
bool is_ucs(char32_t c) {
  return (c >= 0xA0 && c <= 0xD7FF) || (c >= 0xF900 && c <= 0xFDCF) ||
         (c >= 0xFDF0 && c <= 0xFFEF) ||
         (c >= 0x10000 && c < 0xF0000 && (c & 0xFFFF) <= 0xFFFD && !(c >= 0xE0000 && c < 0xE1000));
}
bool is_private(char32_t c) {
  return (c >= 0xE000 && c <= 0xF8FF) || (c >= 0xF0000 && (c & 0xFFFF) <= 0xFFFD);
}

enum class Characters { ascii, international };

// Unreserved and percent-encoded characters and those of `more`.
bool consists_of(Text text, Text more, Characters characters, bool allow_private = false) {
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '%') {
      if (at + 2 >= text.size() || !base::is_hex_digit(static_cast<unsigned char>(text[at + 1])) ||
          !base::is_hex_digit(static_cast<unsigned char>(text[at + 2]))) {
        return false;
      }
      at += 3;
      continue;
    }
    const auto [c, size] = decode_utf8(text, at);
    if (size == 0) return false;
    at += size;
    const bool is_wide =
        characters == Characters::international && (is_ucs(c) || (allow_private && is_private(c)));
    if (!base::is_letter(c) && !base::is_digit(c) && !is_one_of(c, "-._~") && !is_one_of(c, more) &&
        !is_wide) {
      return false;
    }
  }
  return true;
}

constexpr Text sub_delimiters = "!$&'()*+,;=";
constexpr Text user_characters = "!$&'()*+,;=:";
constexpr Text path_characters = "!$&'()*+,;=:@/";
constexpr Text query_characters = "!$&'()*+,;=:@/?";

// The inside of [...]: an IPv6 address or "v1.anything".
bool is_ip_literal(Text text) {
  if (!text.starts_with('v') && !text.starts_with('V')) return is_ipv6(text);
  text.remove_prefix(1);
  const auto dot = text.find('.');
  if (dot == 0 || dot == text.npos || dot + 1 == text.size()) return false;
  for (unsigned char c : text.substr(0, dot)) {
    if (!base::is_hex_digit(c)) return false;
  }
  const auto rest = text.substr(dot + 1);
  return rest.find('%') == rest.npos && consists_of(rest, user_characters, Characters::ascii);
}

bool is_authority(Text text, Characters characters) {
  if (const auto at = text.find('@'); at != text.npos) {
    if (!consists_of(text.substr(0, at), user_characters, characters)) return false;
    text.remove_prefix(at + 1);
  }
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == text.npos || !is_ip_literal(text.substr(1, close - 1))) return false;
    text.remove_prefix(close + 1);
    if (!text.empty() && text[0] != ':') return false;
  } else {
    const auto host = text.substr(0, text.find(':'));
    if (!consists_of(host, sub_delimiters, characters)) return false;
    text.remove_prefix(host.size());
  }
  if (text.empty()) return true;
  for (unsigned char c : text.substr(1)) {
    if (!base::is_digit(c)) return false;
  }
  return true;
}

bool take_scheme(Text& text) {
  const auto end = text.find_first_of(":/?#");
  if (end == text.npos || end == 0 || text[end] != ':' ||
      !base::is_letter(static_cast<unsigned char>(text[0]))) {
    return false;
  }
  for (unsigned char c : text.substr(0, end)) {
    if (!base::is_letter(c) && !base::is_digit(c) && !is_one_of(c, "+-.")) return false;
  }
  text.remove_prefix(end + 1);
  return true;
}

bool is_reference(Text text, Characters characters, bool needs_scheme) {
  const bool has_scheme = take_scheme(text);
  if (needs_scheme && !has_scheme) return false;
  if (const auto hash = text.find('#'); hash != text.npos) {
    if (!consists_of(text.substr(hash + 1), query_characters, characters)) return false;
    text = text.substr(0, hash);
  }
  if (const auto mark = text.find('?'); mark != text.npos) {
    if (!consists_of(text.substr(mark + 1), query_characters, characters, true)) return false;
    text = text.substr(0, mark);
  }
  if (text.starts_with("//")) {
    text.remove_prefix(2);
    const auto authority = text.substr(0, text.find('/'));
    if (!is_authority(authority, characters)) return false;
    text.remove_prefix(authority.size());
  } else if (!has_scheme && text.substr(0, text.find('/')).find(':') != text.npos) {
    return false;  // It would read as a scheme.
  }
  return consists_of(text, path_characters, characters);
}

// RFC 6570, `varspec`.
bool is_variable(Text text) {
  if (text.ends_with('*')) {
    text.remove_suffix(1);
  } else if (const auto colon = text.find(':'); colon != text.npos) {
    const auto length = text.substr(colon + 1);
    if (length.empty() || length.size() > 4 || length[0] == '0') return false;
    for (unsigned char c : length) {
      if (!base::is_digit(c)) return false;
    }
    text = text.substr(0, colon);
  }
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  return text.find("..") == text.npos && text.find_first_of("-~") == text.npos &&
         consists_of(text, "", Characters::ascii);
}

bool is_expression(Text text) {
  if (!text.empty() && is_one_of(static_cast<unsigned char>(text[0]), "+#./;?&=,!@|")) {
    text.remove_prefix(1);
  }
  for (;;) {
    const auto comma = text.find(',');
    if (!is_variable(text.substr(0, comma))) return false;
    if (comma == text.npos) return true;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

bool is_uri(Text text) { return is_reference(text, Characters::ascii, true); }
bool is_uri_reference(Text text) { return is_reference(text, Characters::ascii, false); }
bool is_iri(Text text) { return is_reference(text, Characters::international, true); }
bool is_iri_reference(Text text) { return is_reference(text, Characters::international, false); }

bool is_uri_template(Text text) {
  while (!text.empty()) {
    const auto open = text.find('{');
    // Literals: RFC 6570, section 2.1, with ' as its erratum 6937 allows.
    if (!consists_of(text.substr(0, open), "!#$&'()*+,/:;=?@[]", Characters::international, true)) {
      return false;
    }
    if (open == text.npos) return true;
    const auto close = text.find('}', open);
    if (close == text.npos || !is_expression(text.substr(open + 1, close - open - 1))) return false;
    text.remove_prefix(close + 1);
  }
  return true;
}

}  // namespace schema
