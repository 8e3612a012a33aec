// A line of a Markdown text, and what kind of block it can begin.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace protocol {

// A line without its end, of which the blocks that it is in have taken a part. Columns count: a tab
// goes on to the next multiple of four, and may be taken in part.
class MarkdownLine {
 public:
  explicit MarkdownLine(std::string_view text);

  bool is_blank() const { return next_ == text_.size(); }
  // From the first character left that is no space or tab.
  std::string_view words() const { return text_.substr(next_); }
  // Columns and characters before it.
  std::size_t indent() const { return next_column_ - column_; }
  std::size_t spaces() const { return next_ - at_; }
  // All that is left; a tab taken in part counts as spaces.
  std::string rest() const;

  // At most as many columns as are blank.
  void take_columns(std::size_t count);
  // The blanks before the words and so many characters of them.
  void take_words(std::size_t count);

  // The words are three or more of `-`, `_` or `*`, and nothing else. All calls for one line
  // together look at each character once.
  bool is_thematic_break();

 private:
  void find_words();

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t column_ = 0;
  bool is_tab_begun_ = false;
  std::size_t next_ = 0;
  std::size_t next_column_ = 0;
  std::size_t no_break_before_ = 0;  // A thematic break cannot begin before here.
};

struct Fence {
  char mark = '`';
  std::size_t size = 0;
  std::string_view info;
};

// These take the words of a line.
std::optional<Fence> opening_fence(std::string_view words);
bool is_closing_fence(std::string_view words, const Fence& fence);
bool is_heading(std::string_view words);
bool is_setext_underline(std::string_view words);
// How many characters the mark of a list item has; 0 if there is none. A paragraph is interrupted
// only by an item with text, and of numbers only by 1.
std::size_t list_mark(std::string_view words, bool is_in_paragraph);

}  // namespace protocol
