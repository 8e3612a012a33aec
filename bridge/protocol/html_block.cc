#include "bridge/protocol/html_block.h"

#include "bridge/base/ascii.h"

#include <algorithm>
#include <string>

namespace protocol {
namespace {

using base::is_alphanumeric;
using base::is_letter;

constexpr std::string_view spaces = " \t\v\f";

constexpr std::string_view raw_elements[] = {"pre", "script", "style", "textarea"};

// Sorted.
constexpr std::string_view block_elements[] = {
    "address",  "article",  "aside",    "base",       "basefont", "blockquote", "body",   "caption",
    "center",   "col",      "colgroup", "dd",         "details",  "dialog",     "dir",    "div",
    "dl",       "dt",       "fieldset", "figcaption", "figure",   "footer",     "form",   "frame",
    "frameset", "h1",       "h2",       "h3",         "h4",       "h5",         "h6",     "head",
    "header",   "hr",       "html",     "iframe",     "legend",   "li",         "link",   "main",
    "menu",     "menuitem", "nav",      "noframes",   "ol",       "optgroup",   "option", "p",
    "param",    "search",   "section",  "source",     "summary",  "table",      "tbody",  "td",
    "tfoot",    "th",       "thead",    "title",      "tr",       "track",      "ul"};

bool is_one_of(char c, std::string_view set) { return set.contains(c); }

// Takes characters off the front of a text.
class TagReader {
 public:
  explicit TagReader(std::string_view text) : rest_(text) {}

  std::string_view rest() const { return rest_; }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  template <class IsWanted>
  std::string_view take_while(IsWanted is_wanted) {
    const auto end = std::ranges::find_if_not(rest_, is_wanted);
    const std::string_view taken = rest_.substr(0, std::size_t(end - rest_.begin()));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  bool take_spaces() {
    return !take_while([](char c) { return is_one_of(c, spaces); }).empty();
  }
  std::string_view take_tag_name() {
    if (rest_.empty() || !is_letter(rest_.front())) return {};
    return take_while([](char c) { return is_alphanumeric(c) || c == '-'; });
  }
  // False if what stands here is no value.
  bool take_value() {
    for (const char quote : {'"', '\''}) {
      if (!take(quote)) continue;
      take_while([quote](char c) { return c != quote; });
      return take(quote);
    }
    return !take_while([](char c) { return !is_one_of(c, " \t\v\f\"'=<>`"); }).empty();
  }
  // False if what stands here can be part of no tag.
  bool take_attributes() {
    for (;;) {
      const bool is_apart = take_spaces();
      if (rest_.empty()) return false;
      const char first = rest_.front();
      if (!is_apart || !(is_letter(first) || first == '_' || first == ':')) return true;
      take_while([](char c) { return is_alphanumeric(c) || is_one_of(c, "_:.-"); });
      const TagReader behind_name = *this;
      take_spaces();
      if (!take('=')) {
        *this = behind_name;  // The spaces may stand before the next attribute.
        continue;
      }
      take_spaces();
      if (!take_value()) return false;
    }
  }

 private:
  std::string_view rest_;
};

bool is_complete_tag(std::string_view line) {
  TagReader reader(line);
  reader.take('<');
  const bool is_closing = reader.take('/');
  if (reader.take_tag_name().empty()) return false;
  if (is_closing) {
    reader.take_spaces();
  } else {
    if (!reader.take_attributes()) return false;
    reader.take('/');
  }
  if (!reader.take('>')) return false;
  return reader.rest().find_first_not_of(" \t\f") == std::string_view::npos;
}

// The name in lower case; empty if it is longer than any that matters.
std::string element_name(std::string_view text) {
  constexpr std::size_t name_bytes_max = 16;
  return base::lower(TagReader(text.substr(0, name_bytes_max)).take_tag_name());
}

bool is_raw_element(std::string_view name) {
  return std::ranges::find(raw_elements, name) != std::end(raw_elements);
}

std::optional<HtmlBlock> element_in(std::string_view line) {
  const bool is_closing = line.starts_with("</");
  const std::string_view named = line.substr(is_closing ? 2 : 1);
  const std::string name = element_name(named);
  const std::string_view behind = named.substr(name.size());
  const bool is_ended =
      behind.empty() || behind.front() == '>' || is_one_of(behind.front(), spaces);
  if (!is_closing && is_ended && is_raw_element(name)) return HtmlBlock::raw;
  if ((is_ended || behind.starts_with("/>")) && std::ranges::binary_search(block_elements, name)) {
    return HtmlBlock::element;
  }
  return std::nullopt;
}

bool closes_raw_element(std::string_view line) {
  for (std::size_t at = line.find("</"); at != std::string_view::npos;
       at = line.find("</", at + 2)) {
    const std::string name = element_name(line.substr(at + 2));
    if (is_raw_element(name) && line.substr(at + 2 + name.size()).starts_with('>')) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<HtmlBlock> html_block_in(std::string_view line, bool is_in_paragraph) {
  if (!line.starts_with('<')) return std::nullopt;
  if (line.starts_with("<!--")) return HtmlBlock::comment;
  if (line.starts_with("<?")) return HtmlBlock::instruction;
  if (line.starts_with("<![CDATA[")) return HtmlBlock::cdata;
  if (line.starts_with("<!") && line.size() > 2 && is_letter(line[2])) {
    return HtmlBlock::declaration;
  }
  if (const auto kind = element_in(line)) return kind;
  if (!is_in_paragraph && is_complete_tag(line)) return HtmlBlock::tag;
  return std::nullopt;
}

bool ends_html_block(HtmlBlock kind, std::string_view line) {
  switch (kind) {
    case HtmlBlock::raw:
      return closes_raw_element(line);
    case HtmlBlock::comment:
      return line.contains("-->");
    case HtmlBlock::instruction:
      return line.contains("?>");
    case HtmlBlock::declaration:
      return line.contains('>');
    case HtmlBlock::cdata:
      return line.contains("]]>");
    case HtmlBlock::element:
    case HtmlBlock::tag:
      return false;
  }
  return false;
}

}  // namespace protocol
