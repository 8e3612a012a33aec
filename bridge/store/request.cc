#include "bridge/store/request.h"

#include "bridge/base/limits.h"

#include <boost/asio/post.hpp>

namespace store {

void Request::deliver() {
  work = nullptr;
  for (auto& tell : std::exchange(told, {})) tell();
  resume();
}

void deliver_all(const boost::asio::any_io_executor& loop, Requests requests) {
  if (requests.empty()) return;
  boost::asio::post(loop, [loop, requests = std::move(requests)]() mutable {
    // What a resumed coroutine throws leaves the loop; the others are still owed their results.
    struct Rest {
      const boost::asio::any_io_executor& loop;
      Requests& requests;
      std::size_t next = 0;
      ~Rest() {
        if (next == requests.size()) return;
        requests.erase(requests.begin(), requests.begin() + static_cast<std::ptrdiff_t>(next));
        deliver_all(loop, std::move(requests));
      }
    } rest{loop, requests};
    while (rest.next < requests.size()) {
      const auto request = std::move(requests[rest.next++]);
      request->deliver();
    }
  });
}

bool RequestQueue::push(std::shared_ptr<Request> request) {
  {
    const std::lock_guard lock(mutex_);
    BRIDGE_ASSERT(!is_closed_);
    if (waiting_.size() >= limits::store_waiting_max) return false;
    waiting_.push_back(std::move(request));
  }
  changed_.notify_one();
  return true;
}

Requests RequestQueue::take(std::size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return is_closed_ || !waiting_.empty(); });
  if (is_closed_) return {};
  // A half: while it is made durable, those who were answered before come back for the next.
  const std::size_t part = std::max(limits::store_group_min, (waiting_.size() + 1) / 2);
  count = std::min({count, part, waiting_.size()});
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
  Requests taken(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return taken;
}

Requests RequestQueue::close() {
  Requests left;
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    left.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(waiting_.end()));
    waiting_.clear();
  }
  changed_.notify_all();
  return left;
}

}  // namespace store
