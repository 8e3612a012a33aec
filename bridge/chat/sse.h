// Server-sent events out of a byte stream that may be cut anywhere.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace chat {

struct SseEvent {
  std::string name;  // "message" when the stream names none
  std::string data;
};

// WHATWG HTML, "Parsing an event stream". Bounded: an event longer than `event_bytes_max` is
// dropped whole and `is_damaged` stays true from then on.
class SseParser {
 public:
  using Sink = std::function<void(const SseEvent&)>;

  void feed(std::string_view bytes, const Sink& sink);
  bool is_damaged() const { return damaged_; }

 private:
  void line(std::string_view text, const Sink& sink);

  std::string pending_;  // an unfinished line
  std::string name_;
  std::string data_;
  bool has_data_ = false;
  bool skip_newline_ = false;  // the last line ended in CR; a following LF belongs to it
  bool started_ = false;
  bool oversized_ = false;
  bool damaged_ = false;
};

}  // namespace chat
