// One client's connection: requests in, answers out, in order.
#pragma once

#include "bridge/http/events.h"
#include "bridge/http/hub.h"
#include "bridge/http/request_parser.h"
#include "bridge/http/response.h"
#include "bridge/http/stream.h"

#include <expected>
#include <list>
#include <memory>
#include <span>
#include <string>

namespace http {

// Reads a request only after the one before has been answered, so a client that sends ahead waits
// in its own socket.
class Connection {
 public:
  // Serves until the peer goes, misbehaves or is told to close.
  static boost::asio::awaitable<void> serve(std::shared_ptr<Hub> hub,
                                            std::unique_ptr<Stream> stream, std::string address,
                                            bool is_secure);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Its time is up if `now` is past what it may take for what it does.
  void look(base::Instant now);
  // No more requests: closes now when none is under way, else after its answer.
  void finish();

 private:
  // False: the peer has gone or the time is up, and nothing more is to be said.
  using Read = std::expected<bool, Refusal>;

  Connection(Hub& hub, std::unique_ptr<Stream> stream, std::string address, bool is_secure);
  ~Connection();

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<bool> has_input();
  boost::asio::awaitable<bool> serve_one();
  boost::asio::awaitable<Read> read_head(RequestParser& parser);
  boost::asio::awaitable<Read> read_body(RequestParser& parser, std::size_t body_bytes_max);
  boost::asio::awaitable<Read> read_length(std::size_t size);
  boost::asio::awaitable<Read> read_chunks(RequestParser& parser, std::size_t body_bytes_max);
  boost::asio::awaitable<Read> more_comes();
  void describe(Request& request);

  boost::asio::awaitable<std::optional<Response>> refuse_waiting(const RequestParser& parser);
  boost::asio::awaitable<bool> refuse_unread(Response response, bool keeps_alive);
  boost::asio::awaitable<bool> refuse(Refusal refusal);
  boost::asio::awaitable<bool> send(Response response, bool keeps_alive);
  void write_head(const Response& response, std::string_view body, bool keeps_alive);
  boost::asio::awaitable<bool> write_all(std::span<boost::asio::const_buffer> buffers);
  boost::asio::awaitable<void> linger();

  boost::asio::awaitable<void> stream_events(std::unique_ptr<EventSource> events, bool is_chunked);
  boost::asio::awaitable<void> write_events(EventSource& events, bool is_chunked);
  boost::asio::awaitable<bool> write_events(std::span<const EventBytes> batch, bool is_chunked);
  boost::asio::awaitable<void> watch_peer();

  void may_take(std::chrono::steady_clock::duration time) { deadline_ = hub_.clock.now() + time; }

  Hub& hub_;
  std::unique_ptr<Stream> stream_;
  const std::string address_;
  const bool is_secure_;
  const std::list<Connection*>::iterator self_;
  std::unique_ptr<Work> work_;  // none while idle
  base::Instant deadline_ = base::Instant::max();
  base::Instant began_{};  // the request under way
  bool is_late_ = false;
  bool is_streaming_ = false;
};

}  // namespace http
