// Finds complete JSON objects in a text that may hold anything else, as it grows.
#pragma once

#include "bridge/protocol/json_scanner.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace protocol {

// Tries every `{` that is not inside an object already found. All work together is linear in the
// text: an attempt that fails tells which of the braces inside it must fail at the same place, and
// a byte can be part of only two readings, as inside or outside of a string.
// See ObjectFinder.WorkIsLinearForNestedAndInterleavedObjects.
class ObjectFinder {
 public:
  struct Span {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool has_invisible = false;  // characters outside strings that JSON does not allow there
  };
  // An attempt that did not end in an object.
  struct Broken {
    std::size_t begin = 0;
    std::size_t at = 0;
    std::string_view problem;
  };

  // Ignores everything after limits::reply_bytes_max.
  void feed(std::string_view text);

  // Non-empty objects, in order, at most limits::reply_objects_max.
  const std::vector<Span>& found() const { return found_; }
  // The attempt that got furthest before it failed.
  const std::optional<Broken>& longest_broken() const { return longest_broken_; }
  // Where the object begins that the text ends inside of.
  std::optional<std::size_t> open_since() const;
  const std::string& text() const { return text_; }
  // Bytes looked at so far, for the test of the promise above.
  std::size_t steps() const { return steps_; }

 private:
  void scan();
  void give_up_attempt();

  std::string text_;
  std::size_t next_ = 0;
  std::size_t steps_ = 0;
  std::optional<std::size_t> begin_;
  JsonScanner scanner_;
  std::vector<std::size_t> hopeless_;  // sorted; braces that fail where an earlier attempt failed
  std::vector<Span> found_;
  std::optional<Broken> longest_broken_;
};

}  // namespace protocol
