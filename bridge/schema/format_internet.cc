#include "bridge/base/ascii.h"
#include "bridge/base/limits.h"
#include "bridge/schema/format.h"
#include "bridge/schema/punycode.h"
#include "bridge/schema/regex.h"
#include "bridge/schema/utf8.h"

#include <string>

namespace schema {
namespace {

constexpr std::size_t label_bytes_max = 63;
constexpr std::size_t hostname_bytes_max = 253;

// Letters, digits and inner hyphens.
bool is_ldh_label(std::string_view label) {
  if (label.empty() || label.size() > label_bytes_max) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  for (char c : label) {
    if (!base::is_alphanumeric(c) && c != '-') return false;
  }
  return true;
}

bool has_ace_prefix(std::string_view label) {
  return label.size() >= 4 && (label[0] | 0x20) == 'x' && (label[1] | 0x20) == 'n' &&
         label[2] == '-' && label[3] == '-';
}

std::string utf8(std::u32string_view text) {
  std::string out;
  for (char32_t c : text) {
    if (c < 0x80) {
      out += static_cast<char>(c);
      continue;
    }
    const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    out += static_cast<char>((0xFF00 >> (more + 1)) | (c >> (6 * more)));
    for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3F));
  }
  return out;
}

// The code points and context rules of RFC 5892 for a label that is not ASCII. Joining types, which
// PCRE2 does not know, are approximated by script.
const Regex& u_label() {
  static const Regex regex = Regex::compile_own(
      R"(^(?!-)(?!..--)(?!\p{M})(?!.*[\x{660}-\x{669}].*[\x{6f0}-\x{6f9}]))"
      R"((?!.*[\x{6f0}-\x{6f9}].*[\x{660}-\x{669}])(?:)"
      R"([a-z0-9\-\x{df}\x{3c2}\x{6fd}\x{6fe}\x{f0b}\x{3007}])"
      R"(|(?![\x{640}\x{7fa}\x{302e}\x{302f}\x{3031}-\x{3035}\x{303b})"
      R"(\x{b7}\x{375}\x{5f3}\x{5f4}\x{30fb}]))"
      R"((?!\p{CWCF})(?!\p{DI})[\p{Ll}\p{Lo}\p{Lm}\p{Nd}\p{Mn}\p{Mc}])"
      R"(|(?<=l)\x{b7}(?=l)|\x{375}(?=\p{sc:Greek})|(?<=\p{sc:Hebrew})[\x{5f3}\x{5f4}])"
      R"(|\x{30fb}(?=.*[\p{sc:Hiragana}\p{sc:Katakana}\p{sc:Han}]))"
      R"(|(?<=[\p{sc:Hiragana}\p{sc:Katakana}\p{sc:Han}])\x{30fb})"
      R"(|(?<=[\x{94d}\x{9cd}\x{a4d}\x{acd}\x{b4d}\x{bcd}\x{c4d}\x{ccd}\x{d4d}\x{dca})"
      R"(\x{e3a}\x{f84}\x{1039}\x{17d2}])[\x{200c}\x{200d}])"
      R"(|(?<=[\p{sc:Arabic}\p{sc:Syriac}\p{sc:Mongolian}])\x{200c})"
      R"((?=[\p{sc:Arabic}\p{sc:Syriac}\p{sc:Mongolian}]))"
      R"()+(?<!-)$)");
  return regex;
}

bool is_u_label(std::string_view label) {
  if (!is_utf8(label)) return false;
  std::u32string points;
  for (std::size_t at = 0; at < label.size();) {
    const auto decoded = decode_utf8(label, at);
    points += decoded.code_point;
    at += decoded.size;
    if (points.size() > label_bytes_max) return false;
  }
  Regex::Memory memory;
  std::uint64_t steps = limits::schema_steps_max;
  return u_label().search(label, memory, steps) == Match::yes &&
         punycode_size(points) + 4 <= label_bytes_max;
}

bool is_ascii_label(std::string_view label) {
  if (!is_ldh_label(label)) return false;
  if (!has_ace_prefix(label)) return true;
  const auto decoded = punycode_decoded(label.substr(4));
  return decoded && is_u_label(utf8(*decoded));
}

bool is_ascii(std::string_view text) {
  for (char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

template <class IsLabel>
bool all_labels(std::string_view text, IsLabel is_label) {
  for (;;) {
    const auto dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == text.npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_atom_character(char c, bool international) {
  if (static_cast<unsigned char>(c) >= 0x80) return international;
  return base::is_alphanumeric(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos);
}

bool is_dot_atom(std::string_view text, bool international) {
  return all_labels(text, [&](std::string_view atom) {
    for (char c : atom) {
      if (!is_atom_character(c, international)) return false;
    }
    return !atom.empty();
  });
}

// With its quotes.
bool is_quoted_string(std::string_view text, bool international) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return false;
  text = text.substr(1, text.size() - 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') return false;
    if (text[i] == '\\' && ++i == text.size()) return false;
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !international)) return false;
  }
  return true;
}

bool is_address_literal(std::string_view text) {
  constexpr std::string_view tag = "IPv6:";
  return text.starts_with(tag) ? is_ipv6(text.substr(tag.size())) : is_ipv4(text);
}

bool is_mailbox(std::string_view text, bool international) {
  if (text.size() > 254 || !is_utf8(text)) return false;
  // A quoted local part may contain @, a domain may not.
  const auto at = text.rfind('@');
  if (at == text.npos || at > 64) return false;
  const auto local = text.substr(0, at);
  const auto domain = text.substr(at + 1);
  if (!is_dot_atom(local, international) && !is_quoted_string(local, international)) return false;
  if (domain.starts_with('[') && domain.ends_with(']')) {
    return is_address_literal(domain.substr(1, domain.size() - 2));
  }
  return international ? is_idn_hostname(domain) : is_hostname(domain);
}

}  // namespace

bool is_hostname(std::string_view text) {
  return text.size() <= hostname_bytes_max && all_labels(text, is_ascii_label);
}

bool is_idn_hostname(std::string_view text) {
  constexpr std::size_t utf8_bytes_max = 4 * hostname_bytes_max;
  if (text.size() > utf8_bytes_max) return false;
  // The ideographic and half-width full stops separate labels too (RFC 3490, section 3.1).
  std::string dotted(text);
  for (std::string_view stop : {"\u3002", "\uff0e", "\uff61"}) {
    for (auto at = dotted.find(stop); at != dotted.npos; at = dotted.find(stop, at)) {
      dotted.replace(at, stop.size(), ".");
    }
  }
  return all_labels(dotted, [](std::string_view label) {
    return is_ascii(label) ? is_ascii_label(label) : is_u_label(label);
  });
}

bool is_ipv4(std::string_view text) {
  int parts = 0;
  return all_labels(text,
                    [&](std::string_view part) {
                      ++parts;
                      if (part.empty() || part.size() > 3) return false;
                      if (part.size() > 1 && part[0] == '0') return false;
                      int number = 0;
                      for (char c : part) {
                        if (!base::is_digit(c)) return false;
                        number = number * 10 + (c - '0');
                      }
                      return number <= 255 && parts <= 4;
                    }) &&
         parts == 4;
}

bool is_ipv6(std::string_view text) {
  int groups = 0;
  bool has_gap = false;
  if (text.starts_with("::")) {
    has_gap = true;
    text.remove_prefix(2);
    if (text.empty()) return true;
  }
  for (;;) {
    std::size_t digits = 0;
    while (digits < text.size() && base::is_hex_digit(text[digits])) ++digits;
    if (digits < text.size() && text[digits] == '.') {
      groups += 2;
      return is_ipv4(text) && (has_gap ? groups < 8 : groups == 8);
    }
    if (digits == 0 || digits > 4 || ++groups > 8) return false;
    text.remove_prefix(digits);
    if (text.empty()) return has_gap ? groups < 8 : groups == 8;
    if (text.starts_with("::")) {
      if (has_gap) return false;
      has_gap = true;
      text.remove_prefix(2);
      if (text.empty()) return groups < 8;
    } else if (text.starts_with(':')) {
      text.remove_prefix(1);
    } else {
      return false;
    }
  }
}

bool is_email(std::string_view text) { return is_mailbox(text, false); }
bool is_idn_email(std::string_view text) { return is_mailbox(text, true); }

}  // namespace schema
