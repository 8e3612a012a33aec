// What waits to be written to a browser.
#pragma once

#include "cdp/limits.h"
#include "cdp/result.h"

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

namespace cdp {

// Writes at once what the socket takes, and the rest when it can; never waits. The socket is
// non-blocking and lives as long as the owner that is given to `send`.
template <class Socket>
class Outbox {
 public:
  explicit Outbox(Socket& socket) : socket_(socket) {}

  // overflow: the peer reads too slowly. closed: nothing can be sent any more. `owner` is kept
  // until the text has been written; its `close` is called when that fails.
  template <class Owner>
  Result<> send(std::string text, const std::shared_ptr<Owner>& owner) {
    if (!socket_.is_open()) return fail(Failure::closed, "the connection to the browser is closed");
    if (bytes_ + text.size() > limits::outbox_bytes_max) {
      return fail(Failure::overflow,
                  fmt::format("the browser has {} bytes left to read already", bytes_));
    }
    std::size_t written = 0;
    if (texts_.empty()) {
      boost::system::error_code error;
      written = socket_.write_some(boost::asio::buffer(text), error);
      if (error && error != boost::asio::error::would_block &&
          error != boost::asio::error::try_again) {
        return fail(Failure::closed, fmt::format("write to the browser: {}", error.message()));
      }
      if (written == text.size()) return {};
    }
    bytes_ += text.size();
    texts_.push_back(std::move(text));
    if (texts_.size() == 1) write_front(written, owner);
    return {};
  }

 private:
  template <class Owner>
  void write_front(std::size_t offset, std::shared_ptr<Owner> owner) {
    const auto rest = boost::asio::buffer(texts_.front()) + offset;
    boost::asio::async_write(
        socket_, rest,
        [this, owner = std::move(owner)](boost::system::error_code error, std::size_t) mutable {
          if (error) return owner->close();
          bytes_ -= texts_.front().size();
          texts_.pop_front();
          if (!texts_.empty()) write_front(0, std::move(owner));
        });
  }

  Socket& socket_;
  std::deque<std::string> texts_;  // the front is being written
  std::size_t bytes_ = 0;
};

}  // namespace cdp
