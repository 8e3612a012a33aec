#include "bridge/protocol/finish_line.h"

#include "bridge/base/limits.h"
#include "bridge/protocol/text.h"

#include <algorithm>

namespace protocol {

LastLine::LastLine(std::string_view wanted) : wanted_(wanted) {}

void LastLine::feed(std::string_view text) {
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      const std::string line = bare_line(line_);
      if (is_line_too_long_ || !line.empty()) {
        was_wanted_ = !is_line_too_long_ && line == wanted_;
        ++lines_;
      }
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

std::size_t LastLine::number() const {
  return lines_ + (is_line_too_long_ || !bare_line(line_).empty() ? 1 : 0);
}

FinishLine::FinishLine(std::string_view end_marker, Wants wants)
    : wants_(wants), last_line_(end_marker) {}

void FinishLine::feed(std::string_view appended) {
  last_line_.feed(appended);
  if (wants_ == Wants::object) finder_.feed(appended);
}

bool FinishLine::reached() const {
  return last_line_.is_wanted() && (wants_ == Wants::text || !finder_.found().empty());
}

FinishWatch::FinishWatch(std::string_view end_marker, FinishLine::Wants wants)
    : end_marker_(end_marker), wants_(wants), line_(end_marker, wants) {}

bool FinishWatch::is_worth_reading(std::string_view text) {
  if (text.size() < fed_) {
    line_ = FinishLine(end_marker_, wants_);
    fed_ = 0;
    told_.reset();
  }
  longest_ = std::max(longest_, text.size());
  if (!may_look_at(text.size() - fed_)) return false;
  line_.feed(text.substr(fed_));
  fed_ = text.size();
  if (!line_.reached() || told_ == line_.number() || !may_look_at(text.size())) return false;
  told_ = line_.number();
  return true;
}

bool FinishWatch::may_look_at(std::size_t bytes) {
  if (looked_at_ + bytes > limits::finish_reads_max * longest_) return false;
  looked_at_ += bytes;
  return true;
}

}  // namespace protocol
