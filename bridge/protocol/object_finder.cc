#include "bridge/protocol/object_finder.h"

#include "bridge/base/limits.h"

#include <algorithm>

namespace protocol {

void ObjectFinder::feed(std::string_view text) {
  text_.append(text.substr(0, limits::reply_bytes_max - text_.size()));
  scan();
}

std::optional<std::size_t> ObjectFinder::open_since() const { return begin_; }

void ObjectFinder::scan() {
  while (next_ < text_.size()) {
    ++steps_;
    const auto byte = static_cast<unsigned char>(text_[next_]);
    if (!begin_) {
      if (byte != '{' || std::ranges::binary_search(hopeless_, next_)) {
        ++next_;
        continue;
      }
      begin_ = next_;
      scanner_.start(next_);
    }
    ++next_;
    switch (scanner_.feed(byte)) {
      case JsonScanner::State::open:
        break;
      case JsonScanner::State::complete:
        if (!scanner_.is_empty() && found_.size() < limits::reply_objects_max) {
          found_.push_back({*begin_, next_, scanner_.has_invisible()});
        }
        begin_.reset();
        break;
      case JsonScanner::State::broken:
        give_up_attempt();
    }
  }
}

void ObjectFinder::give_up_attempt() {
  const std::size_t reach = scanner_.problem_at() - *begin_;
  if (!longest_broken_ || reach > longest_broken_->at - longest_broken_->begin) {
    longest_broken_ = Broken{*begin_, scanner_.problem_at(), scanner_.problem()};
  }
  // An object that was still open fails here too, whichever of its braces one starts from (or is
  // the inside of one nested too deeply, which is no use alone).
  for (std::size_t level = 1; level < scanner_.depth(); ++level) {
    const std::size_t at = scanner_.open_at(level);
    const auto place = std::ranges::lower_bound(hopeless_, at);
    if (place == hopeless_.end() || *place != at) hopeless_.insert(place, at);
  }
  next_ = *begin_ + 1;
  std::erase_if(hopeless_, [this](std::size_t at) { return at < next_; });
  begin_.reset();
}

}  // namespace protocol
