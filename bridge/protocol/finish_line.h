// Tells from a growing reply when it is worth reading: at its last token, not seconds later.
#pragma once

#include "bridge/protocol/object_finder.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace protocol {

// Follows the lines of a text and knows its last non-empty one. Spaces, invisible characters,
// citation marks and Markdown emphasis around the line do not count, nor do closing "```" and
// ":::".
class LastLine {
 public:
  explicit LastLine(std::string_view wanted);

  void feed(std::string_view text);
  bool is_wanted() const;
  // How many non-empty lines there are: a number for the last one.
  std::size_t number() const;

 private:
  std::string wanted_;
  std::string line_;
  bool is_line_too_long_ = false;
  bool was_wanted_ = false;
  std::size_t lines_ = 0;  // non-empty ones before the one that is not ended
};

// Reached when the last line is the end marker and, if an object is wanted, a complete one has
// come. Depends only on the text so far, not on the pieces it came in; the cost is linear in the
// text. A reply that is reached may still prove invalid, and one without the marker is never
// reached.
class FinishLine {
 public:
  enum class Wants { object, text };
  explicit FinishLine(std::string_view end_marker, Wants wants = Wants::object);

  void feed(std::string_view appended);
  bool reached() const;
  // The line it is reached at.
  std::size_t number() const { return last_line_.number(); }

 private:
  Wants wants_;
  LastLine last_line_;
  ObjectFinder finder_;
};

// Looks at the whole of a reply each time it has changed. All the bytes looked at, here and by the
// caller who reads the reply when that is worth it, come to no more than limits::finish_reads_max
// times the longest text: a reply which names its end marker over and over, or is rewritten over
// and over, is left to its final word.
class FinishWatch {
 public:
  FinishWatch(std::string_view end_marker, FinishLine::Wants wants);

  // True when the finish line is reached: once for each line that is the end marker. A text that
  // was rewritten without becoming shorter is noticed by the caller, who reads it.
  bool is_worth_reading(std::string_view text);

 private:
  bool may_look_at(std::size_t bytes);

  std::string end_marker_;
  FinishLine::Wants wants_;
  FinishLine line_;
  std::size_t fed_ = 0;
  std::size_t longest_ = 0;
  std::size_t looked_at_ = 0;
  std::optional<std::size_t> told_;  // the line that the caller has been told of
};

}  // namespace protocol
