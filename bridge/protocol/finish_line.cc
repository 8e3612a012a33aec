#include "bridge/protocol/finish_line.h"

#include "bridge/base/limits.h"
#include "bridge/protocol/text.h"

namespace protocol {

LastLine::LastLine(std::string_view wanted) : wanted_(wanted) {}

void LastLine::feed(std::string_view text) {
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      const std::string line = bare_line(line_);
      if (is_line_too_long_ || !line.empty()) was_wanted_ = !is_line_too_long_ && line == wanted_;
      line_.clear();
      is_line_too_long_ = false;
    } else if (line_.size() < limits::marker_line_bytes_max) {
      line_.push_back(c);
    } else {
      is_line_too_long_ = true;
    }
  }
}

bool LastLine::is_wanted() const {
  if (is_line_too_long_) return false;
  const std::string line = bare_line(line_);
  return line.empty() ? was_wanted_ : line == wanted_;
}

FinishLine::FinishLine(std::string_view end_marker) : last_line_(end_marker) {}

void FinishLine::feed(std::string_view appended) {
  last_line_.feed(appended);
  finder_.feed(appended);
}

bool FinishLine::reached() const { return last_line_.is_wanted() && !finder_.found().empty(); }

}  // namespace protocol
