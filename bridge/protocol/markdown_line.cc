#include "bridge/protocol/markdown_line.h"

#include <algorithm>

namespace protocol {
namespace {

constexpr std::size_t tab_columns = 4;
constexpr std::string_view blanks = " \t";

std::size_t to_next_stop(std::size_t column) { return tab_columns - column % tab_columns; }

bool is_all_blank(std::string_view text) {
  return text.find_first_not_of(blanks) == std::string_view::npos;
}

// How often the first character stands there in a row.
std::size_t run_length(std::string_view text) {
  return text.empty() ? 0 : std::min(text.find_first_not_of(text.front()), text.size());
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

// The size of "12." or "12)".
std::size_t number_mark(std::string_view words, bool is_in_paragraph) {
  constexpr std::size_t digits_max = 9;
  std::size_t size = 0;
  int number = 0;
  while (size < digits_max && size < words.size() && words[size] >= '0' && words[size] <= '9') {
    number = 10 * number + (words[size++] - '0');
  }
  if (size == 0 || size == words.size() || (is_in_paragraph && number != 1)) return 0;
  return words[size] == '.' || words[size] == ')' ? size + 1 : 0;
}

}  // namespace

MarkdownLine::MarkdownLine(std::string_view text) : text_(text) { find_words(); }

void MarkdownLine::find_words() {
  next_ = at_;
  next_column_ = column_;
  for (; next_ < text_.size() && blanks.contains(text_[next_]); ++next_) {
    next_column_ += text_[next_] == '\t' ? to_next_stop(next_column_) : 1;
  }
}

std::string MarkdownLine::rest() const {
  if (!is_tab_begun_) return std::string(text_.substr(at_));
  std::string out(to_next_stop(column_), ' ');
  out += text_.substr(at_ + 1);
  return out;
}

void MarkdownLine::take_columns(std::size_t count) {
  while (count > 0 && at_ < next_) {
    const std::size_t width = text_[at_] == '\t' ? to_next_stop(column_) : 1;
    const std::size_t taken = std::min(count, width);
    is_tab_begun_ = taken < width;
    at_ += is_tab_begun_ ? 0 : 1;
    column_ += taken;
    count -= taken;
  }
}

void MarkdownLine::take_words(std::size_t count) {
  at_ = next_ + count;
  column_ = next_column_ + count;
  is_tab_begun_ = false;
  find_words();
}

bool MarkdownLine::is_thematic_break() {
  constexpr std::size_t marks_min = 3;
  if (is_blank() || next_ < no_break_before_) return false;
  const char mark = text_[next_];
  if (mark != '-' && mark != '_' && mark != '*') return false;
  std::size_t marks = 0;
  std::size_t at = next_;
  for (; at < text_.size(); ++at) {
    if (text_[at] == mark) {
      ++marks;
    } else if (!blanks.contains(text_[at])) {
      break;
    }
  }
  no_break_before_ = at;
  return at == text_.size() && marks >= marks_min;
}

std::optional<Fence> opening_fence(std::string_view words) {
  constexpr std::size_t size_min = 3;
  const std::size_t size = run_length(words);
  if (size < size_min || (words.front() != '`' && words.front() != '~')) return std::nullopt;
  const std::string_view info = words.substr(size);
  if (words.front() == '`' && info.contains('`')) return std::nullopt;
  return Fence{words.front(), size, trimmed(info)};
}

bool is_closing_fence(std::string_view words, const Fence& fence) {
  const std::size_t size = run_length(words);
  return size >= fence.size && words.front() == fence.mark && is_all_blank(words.substr(size));
}

bool is_heading(std::string_view words) {
  constexpr std::size_t level_max = 6;
  if (!words.starts_with('#')) return false;
  const std::size_t level = run_length(words);
  return level <= level_max && (level == words.size() || blanks.contains(words[level]));
}

bool is_setext_underline(std::string_view words) {
  if (!words.starts_with('=') && !words.starts_with('-')) return false;
  return is_all_blank(words.substr(run_length(words)));
}

std::size_t list_mark(std::string_view words, bool is_in_paragraph) {
  if (words.empty()) return 0;
  const bool is_bullet = std::string_view("*+-").contains(words.front());
  const std::size_t size = is_bullet ? 1 : number_mark(words, is_in_paragraph);
  if (size == 0) return 0;
  const std::string_view behind = words.substr(size);
  if (!behind.empty() && !blanks.contains(behind.front())) return 0;
  return is_in_paragraph && is_all_blank(behind) ? 0 : size;
}

}  // namespace protocol
