#include "bridge/http/events.h"

#include "bridge/base/limits.h"

#include <algorithm>
#include <utility>

namespace http {

namespace asio = boost::asio;

EventBytes event_bytes(std::string_view id, std::string_view name, std::string_view data) {
  using namespace std::string_view_literals;
  BRIDGE_ASSERT(id.find_first_of("\r\n\0"sv) == std::string_view::npos);
  BRIDGE_ASSERT(name.find_first_of("\r\n"sv) == std::string_view::npos);
  std::string text;
  text.reserve(id.size() + name.size() + data.size() + 32);
  if (!id.empty()) text.append("id: ").append(id).append("\n");
  if (!name.empty()) text.append("event: ").append(name).append("\n");
  while (true) {
    const auto end = data.find_first_of("\r\n");
    text.append("data: ").append(data.substr(0, end)).append("\n");
    if (end == std::string_view::npos) break;
    data.remove_prefix(end + (data.substr(end, 2) == "\r\n" ? 2 : 1));
  }
  text += '\n';
  return std::make_shared<const std::string>(std::move(text));
}

std::string last_event_id(const Request& request) {
  const auto header = request.header("last-event-id");
  const auto query = request.query_value("last_event_id");
  // A reader that reconnects repeats its first address and adds the header, which is newer.
  if (header && !header->empty()) return std::string(*header);
  return std::string(query.value_or(""));
}

EventFeed::EventFeed(asio::any_io_executor executor, std::uint64_t last_number)
    : last_number_(last_number), oldest_missing_(last_number), changed_(std::move(executor)) {}

void EventFeed::publish(Entry entry) {
  BRIDGE_ASSERT(entry.number > last_number_ && entry.bytes != nullptr);
  last_number_ = entry.number;
  bytes_ += entry.bytes->size();
  entries_.push_back(std::move(entry));
  while (entries_.size() > limits::http_event_feed_max ||
         (bytes_ > limits::http_event_feed_bytes_max && entries_.size() > 1)) {
    oldest_missing_ = entries_.front().number;
    bytes_ -= entries_.front().bytes->size();
    entries_.pop_front();
  }
  changed_.notify();
}

void EventFeed::skip(std::uint64_t number) {
  BRIDGE_ASSERT(number > last_number_ && readers_ == 0);
  last_number_ = oldest_missing_ = number;
  bytes_ = 0;
  entries_.clear();
}

void EventFeed::close() {
  is_closed_ = true;
  changed_.notify();
}

class EventFeed::Reader final : public EventSource {
 public:
  Reader(std::shared_ptr<EventFeed> feed, std::uint64_t after, Wants wants, Older older)
      : feed_(std::move(feed)), after_(after), wants_(std::move(wants)), older_(std::move(older)) {
    ++feed_->readers_;
  }
  ~Reader() override { --feed_->readers_; }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  asio::awaitable<std::optional<std::vector<EventBytes>>> next(base::Instant until) override {
    std::vector<EventBytes> batch;
    while (true) {
      if (after_ > feed_->last_number_) start_over(batch);
      if (after_ < feed_->oldest_missing_ && !co_await catch_up(batch)) co_return std::nullopt;
      // What was caught up with may all have been unwanted, and there may be more of it.
      if (batch.empty() && after_ >= feed_->oldest_missing_) take(batch);
      if (!batch.empty()) co_return batch;
      if (feed_->is_closed_) co_return std::nullopt;
      if (after_ < feed_->last_number_) continue;
      co_await feed_->changed_.wait(until);
      if (after_ == feed_->last_number_ && !feed_->is_closed_) co_return batch;
    }
  }

 private:
  // What the feed no longer has. False: it cannot be had, so the stream ends and the reader may
  // come back.
  asio::awaitable<bool> catch_up(std::vector<EventBytes>& batch) {
    if (!older_) {
      after_ = feed_->oldest_missing_;
      reset(batch);
      co_return true;
    }
    const auto before = after_;
    auto older = co_await older_(before);
    if (!older) co_return false;
    for (auto& entry : *older) {
      BRIDGE_ASSERT(entry.number > after_);
      // It was committed a moment ago, and the feed will bring it.
      if (entry.number > feed_->last_number_) break;
      after_ = entry.number;
      if (!wants_ || wants_(entry)) batch.push_back(std::move(entry.bytes));
    }
    if (after_ == before) after_ = feed_->oldest_missing_;
    co_return true;
  }

  // The reader knows of events that do not exist: those of another log, or of one cut back.
  void start_over(std::vector<EventBytes>& batch) {
    after_ = feed_->last_number_;
    reset(batch);
  }

  void reset(std::vector<EventBytes>& batch) {
    batch.push_back(event_bytes(std::to_string(after_), "reset", "{}"));
  }

  void take(std::vector<EventBytes>& batch) {
    auto next = std::ranges::upper_bound(feed_->entries_, after_, {}, &Entry::number);
    for (; next != feed_->entries_.end() && batch.size() < limits::http_event_batch_max; ++next) {
      after_ = next->number;
      if (!wants_ || wants_(*next)) batch.push_back(next->bytes);
    }
  }

  std::shared_ptr<EventFeed> feed_;
  std::uint64_t after_;
  Wants wants_;
  Older older_;
};

std::unique_ptr<EventSource> EventFeed::reader(std::uint64_t after, Wants wants, Older older) {
  return std::make_unique<Reader>(shared_from_this(), after, std::move(wants), std::move(older));
}

}  // namespace http
