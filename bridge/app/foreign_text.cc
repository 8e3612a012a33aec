#include "bridge/app/foreign_text.h"

#include "bridge/app/remote_call.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace app {
namespace {

// A character that is not shown as it is, at the beginning of a text; no bytes: there is none.
struct Obeyed {
  std::size_t bytes = 0;
  unsigned code = 0;
};

// A terminal obeys what is below a space, U+007F and U+0080 to U+009F; U+202A to U+202E and U+2066
// to U+2069 turn the direction of writing.
Obeyed obeyed(std::string_view rest) {
  const auto at = [&](std::size_t i) {
    return i < rest.size() ? static_cast<unsigned char>(rest[i]) : 0u;
  };
  if (at(0) < ' ' || at(0) == 0x7F) return {1, at(0)};
  if (at(0) == 0xC2 && at(1) >= 0x80 && at(1) < 0xA0) return {2, at(1)};
  const bool turns = at(0) == 0xE2 && ((at(1) == 0x80 && at(2) >= 0xAA && at(2) <= 0xAE) ||
                                       (at(1) == 0x81 && at(2) >= 0xA6 && at(2) <= 0xA9));
  if (turns) return {3, 0x2000u + ((at(1) & 0x3Fu) << 6) + (at(2) & 0x3Fu)};
  return {};
}

// The text with `other` instead of whatever is obeyed.
template <class Other>
std::string replaced(std::string_view text, const Other& other) {
  std::string out;
  while (!text.empty()) {
    const auto found = obeyed(text);
    if (found.bytes == 0) {
      out += text.front();
    } else {
      other(out, found.code);
    }
    text.remove_prefix(std::max<std::size_t>(found.bytes, 1));
  }
  return out;
}

}  // namespace

std::string shown(std::string_view text) {
  return replaced(text, [](std::string& out, unsigned) { out += ' '; });
}

std::string shown_lines(std::string_view text, std::string_view indent) {
  std::string out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    out += indent;
    out += replaced(text.substr(0, end),
                    [](std::string& line, unsigned code) { line += code == '\t' ? '\t' : ' '; });
    out += '\n';
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

std::string line_in(const boost::json::object& object, std::string_view key) {
  return shown(text_in(object, key));
}

std::string trust_in(const boost::json::object& object, std::string_view member) {
  const auto trust = text_in(object, fmt::format("{}_trust", member));
  return trust == "untrusted" ? "  [untrusted]" : "";
}

std::string shown_json(std::string_view json) {
  return replaced(json, [](std::string& out, unsigned code) {
    // Between its values JSON has line ends; within them they are escaped already.
    if (code == '\n') {
      out += '\n';
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
    }
  });
}

}  // namespace app
