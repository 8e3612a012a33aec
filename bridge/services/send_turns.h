// One message of an account after another on the short way from its limits to `armed`.
#pragma once

#include "bridge/base/notice.h"

#include <cstdint>
#include <optional>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>

namespace services {

// The limits say now to everybody who asks before the first has gone: without turns, conversations
// that are worked on at the same time would all put their text in, and all but one take it out
// again. For one loop thread.
class SendTurns {
 public:
  class Turn {
   public:
    explicit Turn(SendTurns& turns) : turns_(&turns) {}
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->end();
    }
    // The message was armed: what others were told about the limits is old.
    void note_armed() { ++turns_->armed_; }

   private:
    SendTurns* turns_;
  };

  // Returns when nobody else has the turn. This must outlive both.
  boost::asio::awaitable<Turn> take() {
    if (!ended_) ended_.emplace(co_await boost::asio::this_coro::executor);
    while (is_taken_) co_await ended_->wait(base::Instant::max());
    is_taken_ = true;
    co_return Turn(*this);
  }
  // How many were armed so far.
  std::uint64_t armed() const { return armed_; }

 private:
  void end() {
    is_taken_ = false;
    ended_->notify();
  }

  std::optional<base::Notice> ended_;
  std::uint64_t armed_ = 0;
  bool is_taken_ = false;
};

}  // namespace services
