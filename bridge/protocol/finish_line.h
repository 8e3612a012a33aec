// Tells from a growing reply when it is worth extracting: at its last token, not seconds later.
#pragma once

#include "bridge/protocol/object_finder.h"

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

 private:
  std::string wanted_;
  std::string line_;
  bool is_line_too_long_ = false;
  bool was_wanted_ = false;
};

// Reached when a complete JSON object has come and the last line is the end marker. Depends only on
// the text so far, not on the pieces it came in; the cost is linear in the text. A reply that is
// reached may still prove invalid, and one without the marker is never reached.
class FinishLine {
 public:
  explicit FinishLine(std::string_view end_marker);

  void feed(std::string_view appended);
  bool reached() const;

 private:
  LastLine last_line_;
  ObjectFinder finder_;
};

}  // namespace protocol
