// Transactions on their way from the loop to a thread of the store and back.
#pragma once

#include "bridge/base/result.h"
#include "bridge/store/store.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace store {

using TxWork = std::function<base::Result<>(Tx&)>;

// Belongs to the loop's thread until pushed, to the store's thread from `begin` to `deliver`.
class Request {
 public:
  Request(bool writes_, TxWork work_) : writes(writes_), work(std::move(work_)) {}
  virtual ~Request() = default;

  // On the store's thread: true if the work is to be run, false if it has been cancelled.
  bool begin() { return move_to(State::begun); }
  // On the loop's thread: true if the work will never be run.
  bool cancel() { return move_to(State::cancelled); }

  // On the loop: tells who wanted to know, then resumes the one who waits.
  void deliver();

  const bool writes;
  TxWork work;
  base::Result<> result;
  std::exception_ptr thrown;
  std::vector<std::function<void()>> told;

 protected:
  virtual void resume() = 0;

 private:
  enum class State { waiting, begun, cancelled };
  bool move_to(State state) {
    auto expected = State::waiting;
    return state_.compare_exchange_strong(expected, state);
  }

  std::atomic<State> state_ = State::waiting;
};

using Requests = std::vector<std::shared_ptr<Request>>;

// Delivers them on `loop`, in order.
void deliver_all(const boost::asio::any_io_executor& loop, Requests requests);

// Hands requests to one thread.
class RequestQueue {
 public:
  // False if too many wait.
  bool push(std::shared_ptr<Request> request);
  // Waits for requests and takes up to `count` of them, but of many only a part; none: the queue is
  // closed.
  Requests take(std::size_t count);
  // Wakes the thread for the last time. Gives what still waits.
  Requests close();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Request>> waiting_;
  bool is_closed_ = false;
};

}  // namespace store
