// Server-sent events out of a byte stream that may be cut anywhere (WHATWG HTML).
#pragma once

#include "bridge/http/client.h"

#include <functional>
#include <string>
#include <string_view>

namespace http {

// Events that exceed limits::sse_event_bytes_max are dropped.
class EventReader {
 public:
  void feed(std::string_view bytes, const std::function<void(const ClientEvent&)>& sink);

 private:
  void line(std::string_view text, const std::function<void(const ClientEvent&)>& sink);

  std::string pending_;  // an unfinished line
  ClientEvent event_;
  bool has_data_ = false;
  bool skips_newline_ = false;  // the last line ended in CR; an LF that follows belongs to it
};

}  // namespace http
