// Server-sent events: an event is serialised once, its bytes are shared by every reader, and nobody
// keeps a queue per reader: the connection asks for more whenever its socket can take more.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/notice.h"
#include "bridge/base/result.h"
#include "bridge/http/request.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace http {

using EventBytes = std::shared_ptr<const std::string>;

// As WHATWG HTML says. `id` and `name` may be empty, then their line is missing; data with line
// ends becomes several lines. Neither `id` nor `name` holds a line end, which is asserted.
EventBytes event_bytes(std::string_view id, std::string_view name, std::string_view data);

// Last-Event-ID, else ?last_event_id=; empty without.
std::string last_event_id(const Request& request);

// What one reader gets.
class EventSource {
 public:
  virtual ~EventSource() = default;
  // What comes next, in order; waits for it until `until` and then gives an empty list. Nothing:
  // the stream is over. Cancelled when the reader goes.
  virtual boost::asio::awaitable<std::optional<std::vector<EventBytes>>> next(
      base::Instant until) = 0;
};

// The newest events of one numbered log, in memory, for any number of readers.
class EventFeed : public std::enable_shared_from_this<EventFeed> {
 public:
  struct Entry {
    std::uint64_t number = 0;  // grows, may have gaps
    EventBytes bytes;
    // What readers are chosen by; the feed only hands it to their `wants`.
    std::shared_ptr<const void> subject = {};
  };
  using Wants = std::function<bool(const Entry&)>;
  // Entries after a number, oldest first, at most limits::http_event_batch_max of them, for a
  // reader that is further behind than the feed's memory. Must reach the feed's oldest entry; what
  // it has beyond the newest one the reader gets once that is published.
  using Older = std::function<base::Task<std::vector<Entry>>(std::uint64_t after)>;

  EventFeed(boost::asio::any_io_executor executor, std::uint64_t last_number);

  // `number` is greater than any before.
  void publish(Entry entry);
  // The same without the event, for which `older` is asked by who comes for it after all. Only
  // while nobody reads.
  void skip(std::uint64_t number);
  bool has_readers() const { return readers_ > 0; }
  std::uint64_t last_number() const { return last_number_; }

  // Everything after `after` that the reader wants. A reader that is further behind than the feed's
  // memory without an `older`, or ahead of the log, gets one `event: reset` and goes on from there.
  std::unique_ptr<EventSource> reader(std::uint64_t after, Wants wants, Older older);
  // Every reader's stream ends.
  void close();

 private:
  class Reader;

  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
  std::uint64_t last_number_;
  std::uint64_t oldest_missing_;  // entries up to this number are no longer here
  base::Notice changed_;
  std::size_t readers_ = 0;
  bool is_closed_ = false;
};

}  // namespace http
