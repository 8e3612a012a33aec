// The journal as a stream of CloudEvents, for any number of readers.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/metrics.h"
#include "bridge/base/result.h"
#include "bridge/engine/journal.h"
#include "bridge/http/events.h"
#include "bridge/http/request.h"
#include "bridge/http/response.h"
#include "bridge/services/events/cloud_event.h"
#include "bridge/store/store.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace http {

using events::cloud_event;
using EventWish = events::Wish;

struct ApiNeeds;

// Reads the journal once for all readers. On the loop thread.
class JournalEvents {
 public:
  // All outlive it.
  struct Sources {
    const engine::Journal& journal;
    store::Store& store;
    engine::JournalTail& tail;
    base::Clock& clock;
    base::Metrics& metrics;  // counts the jobs that end
    std::string instance;
  };
  // Events begin with the next entry; earlier ones are read from the store for who asks for them.
  static base::Task<std::unique_ptr<JournalEvents>> open(boost::asio::any_io_executor executor,
                                                         Sources sources);

  // Hands on what is written, until cancelled.
  boost::asio::awaitable<void> run();
  // Every reader's stream ends.
  void close() { feed_->close(); }

  // Of the newest entry handed on.
  std::uint64_t last() const { return feed_->last_number(); }
  using Wants = std::function<bool(const engine::Entry&)>;
  // Everything after `after` that is wanted. Must end before this does.
  std::unique_ptr<EventSource> reader(std::uint64_t after, Wants wants);

  struct Page {
    json::array events;
    std::int64_t last = 0;  // entries up to here were looked at
    bool is_end = false;
  };
  // The same for a reader that does not stay. `wants` is called on the store's thread.
  base::Task<Page> page(std::int64_t after, Wants wants, std::size_t limit);

 private:
  JournalEvents(boost::asio::any_io_executor executor, Sources sources, std::int64_t last);
  EventFeed::Entry feed_entry(std::shared_ptr<const engine::Entry> entry) const;
  base::Task<std::vector<EventFeed::Entry>> older(std::uint64_t after) const;
  void count(const engine::Entry& entry);
  base::Counter& ended(std::string_view outcome);

  Sources sources_;
  engine::Follower follower_;
  std::shared_ptr<EventFeed> feed_;
};

// What a route of events answers: a stream after the last event that the reader has seen, or from
// now on, of what `live` wants, until the caller's key is revoked; or a page, for who accepts only
// JSON or asks for ?format=json, of what `still` wants, which is called on another thread.
base::Task<Response> events_answer(ApiNeeds& needs, Request& request, JournalEvents::Wants live,
                                   JournalEvents::Wants still);

}  // namespace http
