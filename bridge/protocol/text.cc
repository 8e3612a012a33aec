#include "bridge/protocol/text.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace protocol {
namespace {

namespace json = boost::json;

constexpr std::string_view citation_opening = "\xEE\x88\x80";
constexpr std::string_view citation_closing = "\xEE\x88\x81";

// Removes from the first citation mark to its end, or to the end of the line.
void remove_citations(std::string& line) {
  std::size_t begin = 0;
  while ((begin = line.find(citation_opening, begin)) != std::string::npos) {
    const std::size_t end = line.find(citation_closing, begin);
    if (end == std::string::npos) return line.resize(begin);
    line.erase(begin, end + citation_closing.size() - begin);
  }
}

// How many bytes at the start of `text` do not show: a space, an invisible character, emphasis.
std::size_t decoration(std::string_view text) {
  if (text.empty()) return 0;
  const char first = text.front();
  if (first == ' ' || first == '\t' || first == '*' || first == '_' || first == '`') return 1;
  // The marks begin beyond ASCII; this runs for every character of a reply, again as it grows.
  if (static_cast<unsigned char>(first) < 0x80) return 0;
  for (const std::string_view mark :
       {"\xC2\xA0", "\xE2\x80\x8A", "\xE2\x80\x8B", "\xE2\x80\x8C", "\xE2\x80\x8D", "\xE2\x80\x8E",
        "\xE2\x80\x8F", "\xE2\x80\xAF", "\xE2\x81\xA0", "\xEF\xBB\xBF"}) {
    if (text.starts_with(mark)) return mark.size();
  }
  return 0;
}

void append_pretty(std::string& out, const json::value& value, std::size_t level) {
  const auto new_line = [&out](std::size_t depth) {
    out += '\n';
    out.append(2 * depth, ' ');
  };
  if (const auto* object = value.if_object(); object && !object->empty()) {
    char before = '{';
    for (const auto& [key, member] : *object) {
      out += before;
      new_line(level + 1);
      out += json::serialize(json::string(key));
      out += ": ";
      append_pretty(out, member, level + 1);
      before = ',';
    }
    new_line(level);
    out += '}';
  } else if (const auto* array = value.if_array(); array && !array->empty()) {
    char before = '[';
    for (const auto& item : *array) {
      out += before;
      new_line(level + 1);
      append_pretty(out, item, level + 1);
      before = ',';
    }
    new_line(level);
    out += ']';
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string bare_line(std::string_view line) {
  std::string text(line);
  remove_citations(text);
  std::string_view rest = text;
  while (const std::size_t count = decoration(rest)) rest.remove_prefix(count);
  std::size_t end = 0;
  for (std::size_t at = 0; at < rest.size();) {
    if (const std::size_t count = decoration(rest.substr(at))) {
      at += count;
    } else {
      end = ++at;
    }
  }
  rest = rest.substr(0, end);
  if (rest.find_first_not_of(':') == std::string_view::npos) return {};
  return std::string(rest);
}

std::string without_invisible(std::string_view object) {
  std::string out;
  out.reserve(object.size());
  bool in_string = false;
  for (std::size_t at = 0; at < object.size(); ++at) {
    const char c = object[at];
    if (in_string && c == '\\') {
      out.append(object, at++, 2);
      continue;
    }
    if (!in_string && object.substr(at).starts_with(citation_opening)) {
      const std::size_t end = object.find(citation_closing, at);
      if (end == std::string_view::npos) break;
      at = end + citation_closing.size() - 1;
      continue;
    }
    if (!in_string && static_cast<unsigned char>(c) >= 0x80) continue;
    if (c == '"') in_string = !in_string;
    out += c;
  }
  return out;
}

std::string pretty_json(const json::value& value) {
  std::string out;
  append_pretty(out, value, 0);
  return out;
}

}  // namespace protocol
