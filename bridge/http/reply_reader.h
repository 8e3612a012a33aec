// One HTTP reply off a byte stream, for clients. Beast's parser stays behind this.
#pragma once

#include "bridge/http/client.h"
#include "bridge/http/stream.h"

#include <functional>
#include <string_view>

namespace http {

class ReplyReader {
 public:
  enum class End {
    whole,    // the reply is complete
    stopped,  // `on_body` gave false
    broken,   // the connection or what came over it
  };
  // Gets the body's pieces; false: nothing more is wanted.
  using OnBody = std::function<bool(std::string_view)>;

  explicit ReplyReader(OnBody on_body, bool is_head = false)
      : on_body_(std::move(on_body)), is_head_(is_head) {}

  // Fills status and headers; the body is `on_body`'s.
  boost::asio::awaitable<End> read(Stream& stream, ClientReply& reply);

  // The peer has answered something.
  bool has_heard() const { return has_heard_; }
  // Status and headers are complete.
  bool has_head() const { return has_head_; }
  // After `whole`: the connection can carry another exchange.
  bool is_kept_open() const { return is_kept_open_; }

 private:
  OnBody on_body_;
  bool is_head_;
  bool has_heard_ = false;
  bool has_head_ = false;
  bool is_kept_open_ = false;
};

// False: the peer has gone.
boost::asio::awaitable<bool> write_whole(Stream& stream, std::string_view text);

}  // namespace http
