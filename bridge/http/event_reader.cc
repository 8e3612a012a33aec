#include "bridge/http/event_reader.h"

#include "bridge/base/limits.h"

namespace http {

void EventReader::feed(std::string_view bytes,
                       const std::function<void(const ClientEvent&)>& sink) {
  while (!bytes.empty()) {
    if (skips_newline_ && bytes.front() == '\n') bytes.remove_prefix(1);
    skips_newline_ = false;
    const auto end = bytes.find_first_of("\r\n");
    const auto piece = bytes.substr(0, end);
    if (pending_.size() + piece.size() <= limits::sse_event_bytes_max) pending_ += piece;
    if (end == std::string_view::npos) return;
    skips_newline_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    const std::string text = std::move(pending_);
    pending_.clear();
    line(text, sink);
  }
}

void EventReader::line(std::string_view text, const std::function<void(const ClientEvent&)>& sink) {
  if (text.empty()) {
    if (has_data_ && event_.data.size() <= limits::sse_event_bytes_max) {
      event_.data.pop_back();  // the line end behind the last line
      if (event_.name.empty()) event_.name = "message";
      sink(event_);
    }
    event_.name.clear();
    event_.data.clear();
    has_data_ = false;
    return;
  }
  const auto colon = text.find(':');
  const auto field = text.substr(0, colon);
  auto value = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "id" && value.find('\0') == std::string_view::npos) event_.id = value;
  if (field == "event") event_.name = value;
  if (field == "data") {
    has_data_ = true;
    if (event_.data.size() <= limits::sse_event_bytes_max) event_.data.append(value).append("\n");
  }
}

}  // namespace http
