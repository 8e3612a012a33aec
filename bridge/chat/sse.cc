#include "bridge/chat/sse.h"

#include "bridge/base/limits.h"

namespace chat {

void SseParser::feed(std::string_view bytes, const Sink& sink) {
  while (!bytes.empty()) {
    if (skip_newline_) {
      skip_newline_ = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
    }
    const std::size_t end = bytes.find_first_of("\r\n");
    const std::string_view piece = bytes.substr(0, end);
    if (pending_.size() + piece.size() + data_.size() > limits::sse_event_bytes_max) {
      oversized_ = damaged_ = true;
      pending_.clear();
      data_.clear();
    } else if (end == std::string_view::npos || !pending_.empty()) {
      pending_.append(piece);
    }
    if (end == std::string_view::npos) return;
    skip_newline_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    if (pending_.empty()) {
      line(oversized_ && !piece.empty() ? ":" : piece, sink);
    } else {
      const std::string whole = std::move(pending_);
      pending_.clear();
      line(whole, sink);
    }
  }
}

void SseParser::line(std::string_view text, const Sink& sink) {
  if (!started_) {
    started_ = true;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  }
  if (text.empty()) {
    if (has_data_ && !oversized_) sink({name_.empty() ? "message" : name_, std::move(data_)});
    name_.clear();
    data_.clear();
    has_data_ = oversized_ = false;
    return;
  }
  const std::size_t colon = text.find(':');
  const std::string_view field = text.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (has_data_) data_ += '\n';
    data_.append(value);
    has_data_ = true;
  } else if (field == "event") {
    name_.assign(value);
  }
}

}  // namespace chat
