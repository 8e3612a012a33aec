#include "bridge/protocol/markdown.h"

#include "bridge/base/ascii.h"
#include "bridge/base/limits.h"
#include "bridge/protocol/html_block.h"
#include "bridge/protocol/markdown_line.h"

#include <algorithm>
#include <optional>

namespace protocol {
namespace {

constexpr std::size_t code_indent = 4;

std::string language_of(std::string_view info) {
  return base::lower(info.substr(0, info.find_first_of(" \t{")));
}

// Takes the next line off the text, without its end.
std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  text.remove_prefix(line.size());
  text.remove_prefix(text.starts_with("\r\n") ? 2 : text.empty() ? 0 : 1);
  return line;
}

void remove_trailing_blank_lines(std::string& text) {
  text.resize(text.find('\n', text.find_last_not_of(" \t\n")) + 1);
}

// Takes the lines of a text one by one and follows which blocks they open, continue and end.
class Blocks {
 public:
  explicit Blocks(MarkdownParts& parts) : parts_(parts) {}

  // Returns true if the line belongs to a fenced block.
  bool take(std::string_view text);
  void end() { close_below(0); }

 private:
  struct Container {
    bool is_quote = false;
    std::size_t columns = 0;  // by which the lines of a list item are indented
    bool has_child = false;
  };
  // The innermost block, in the innermost container.
  enum class Leaf { none, paragraph, fenced, indented, html };

  bool goes_on(const Container& container, MarkdownLine& line) const;
  std::size_t containers_going_on(MarkdownLine& line);
  bool takes_whole(MarkdownLine& line);
  void take_into_fence(MarkdownLine& line);
  bool opens_container(MarkdownLine& line, bool is_in_paragraph);
  bool opens_leaf(MarkdownLine& line, bool is_in_paragraph);
  void open_item(MarkdownLine& line, std::size_t mark);
  void open_code(CodeBlock block);
  void open_leaf(Leaf leaf);
  void open_container(Container container);
  void close_below(std::size_t depth);
  void add_to_code(const MarkdownLine& line);

  MarkdownParts& parts_;
  std::vector<Container> containers_;
  std::size_t open_depth_ = 0;  // of the containers that the line goes on or opens
  Leaf leaf_ = Leaf::none;
  Fence fence_;
  std::size_t fence_spaces_ = 0;
  HtmlBlock html_ = HtmlBlock::raw;
  bool is_kept_ = false;  // the open code block is one of parts_.blocks
  int line_number_ = 0;
};

bool Blocks::goes_on(const Container& container, MarkdownLine& line) const {
  if (container.is_quote) {
    if (line.indent() >= code_indent || !line.words().starts_with('>')) return false;
    line.take_words(1);
    line.take_columns(1);
    return true;
  }
  if (line.indent() >= container.columns) {
    line.take_columns(container.columns);
    return true;
  }
  if (!line.is_blank() || !container.has_child) return false;
  line.take_words(0);
  return true;
}

std::size_t Blocks::containers_going_on(MarkdownLine& line) {
  std::size_t depth = 0;
  while (depth < containers_.size() && goes_on(containers_[depth], line)) ++depth;
  parts_.steps += depth + 1;
  return depth;
}

bool Blocks::take(std::string_view text) {
  ++line_number_;
  parts_.steps += text.size() + 1;
  MarkdownLine line(text);
  open_depth_ = containers_going_on(line);
  const bool are_all_going_on = open_depth_ == containers_.size();
  const bool was_fenced = are_all_going_on && leaf_ == Leaf::fenced && is_kept_;
  if (are_all_going_on && takes_whole(line)) return was_fenced;

  bool may_go_on = leaf_ == Leaf::paragraph;
  bool is_in_paragraph = may_go_on && are_all_going_on;
  while (!line.is_blank()) {
    ++parts_.steps;
    if (line.indent() >= code_indent) {
      if (may_go_on) return false;
      close_below(open_depth_);
      line.take_columns(code_indent);
      open_code({.line = line_number_});
      add_to_code(line);
      return false;
    }
    if (opens_leaf(line, is_in_paragraph)) return leaf_ == Leaf::fenced && is_kept_;
    if (!opens_container(line, is_in_paragraph)) break;
    may_go_on = is_in_paragraph = false;
  }
  // A paragraph goes on without the marks of its containers.
  if (may_go_on && !line.is_blank()) return false;
  close_below(open_depth_);
  if (!line.is_blank()) open_leaf(Leaf::paragraph);
  return false;
}

// Code and HTML take every line that does not end them.
bool Blocks::takes_whole(MarkdownLine& line) {
  switch (leaf_) {
    case Leaf::fenced:
      take_into_fence(line);
      return true;
    case Leaf::indented:
      if (!line.is_blank() && line.indent() < code_indent) return false;
      line.take_columns(code_indent);
      add_to_code(line);
      return true;
    case Leaf::html:
      if (line.is_blank() && (html_ == HtmlBlock::element || html_ == HtmlBlock::tag)) return false;
      if (ends_html_block(html_, line.words())) leaf_ = Leaf::none;
      return true;
    case Leaf::none:
    case Leaf::paragraph:
      return false;
  }
  return false;
}

void Blocks::take_into_fence(MarkdownLine& line) {
  if (line.indent() < code_indent && is_closing_fence(line.words(), fence_)) {
    if (is_kept_) parts_.blocks.back().is_closed = true;
    leaf_ = Leaf::none;
    return;
  }
  line.take_columns(std::min(line.indent(), fence_spaces_));
  add_to_code(line);
}

// The line is indented by less than code is.
bool Blocks::opens_leaf(MarkdownLine& line, bool is_in_paragraph) {
  const std::string_view words = line.words();
  if (is_heading(words)) {
    close_below(open_depth_);
    open_leaf(Leaf::none);
  } else if (const auto fence = opening_fence(words)) {
    close_below(open_depth_);
    fence_ = *fence;
    fence_spaces_ = line.spaces();
    open_code({.is_fenced = true,
               .is_closed = false,
               .language = language_of(fence->info),
               .text = {},
               .line = line_number_ + 1});
  } else if (const auto html = html_block_in(words, is_in_paragraph)) {
    close_below(open_depth_);
    html_ = *html;
    open_leaf(ends_html_block(html_, words) ? Leaf::none : Leaf::html);
  } else if (is_in_paragraph && is_setext_underline(words)) {
    leaf_ = Leaf::none;
  } else if (line.is_thematic_break()) {
    close_below(open_depth_);
    open_leaf(Leaf::none);
  } else {
    return false;
  }
  return true;
}

// The line is indented by less than code is.
bool Blocks::opens_container(MarkdownLine& line, bool is_in_paragraph) {
  if (open_depth_ == limits::markdown_depth_max) return false;
  if (line.words().starts_with('>')) {
    line.take_words(1);
    line.take_columns(1);
    open_container({.is_quote = true});
    return true;
  }
  const std::size_t mark = list_mark(line.words(), is_in_paragraph);
  if (mark == 0) return false;
  open_item(line, mark);
  return true;
}

void Blocks::open_item(MarkdownLine& line, std::size_t mark) {
  const std::size_t before = line.indent();
  line.take_words(mark);
  // Text that stands so far behind its mark is indented code.
  const bool is_near = !line.is_blank() && line.indent() >= 1 && line.indent() <= code_indent;
  const std::size_t behind = is_near ? line.indent() : 1;
  line.take_columns(behind);
  open_container({.is_quote = false, .columns = before + mark + behind});
}

void Blocks::open_container(Container container) {
  close_below(open_depth_);
  if (!containers_.empty()) containers_.back().has_child = true;
  containers_.push_back(container);
  open_depth_ = containers_.size();
}

void Blocks::open_leaf(Leaf leaf) {
  leaf_ = leaf;
  if (!containers_.empty()) containers_.back().has_child = true;
}

void Blocks::open_code(CodeBlock block) {
  open_leaf(block.is_fenced ? Leaf::fenced : Leaf::indented);
  is_kept_ = parts_.blocks.size() < limits::reply_blocks_max;
  if (is_kept_) parts_.blocks.push_back(std::move(block));
}

void Blocks::add_to_code(const MarkdownLine& line) {
  if (is_kept_) parts_.blocks.back().text += line.rest() + '\n';
}

// Ends the innermost block and the containers that lie deeper.
void Blocks::close_below(std::size_t depth) {
  if (leaf_ == Leaf::indented && is_kept_) remove_trailing_blank_lines(parts_.blocks.back().text);
  leaf_ = Leaf::none;
  containers_.resize(depth);
}

}  // namespace

MarkdownParts markdown_parts(std::string_view markdown) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  MarkdownParts parts;
  parts.outside_fences.reserve(markdown.size() + 1);
  Blocks blocks(parts);
  for (std::string_view left = markdown; !left.empty();) {
    const bool is_marked = left.size() == markdown.size() && left.starts_with(byte_order_mark);
    const std::string_view line = take_line(left);
    const bool is_of_fence = blocks.take(is_marked ? line.substr(byte_order_mark.size()) : line);
    if (!is_of_fence) parts.outside_fences += line;
    parts.outside_fences += '\n';
  }
  blocks.end();
  return parts;
}

}  // namespace protocol
