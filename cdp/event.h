// What a browser reports unasked, and a queue of it for one reader.
#pragma once

#include "cdp/json_text.h"
#include "cdp/result.h"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

namespace cdp {

class Connection;
struct Envelope;

// Cheap to copy; copies share the parameters.
class Event {
 public:
  Event(std::string_view method, std::string_view session, std::string_view params);

  const std::string& method() const { return body_->method; }
  const std::string& session() const { return body_->session; }
  // As the browser wrote them; empty if it sent none.
  std::string_view params_text() const { return body_->params_text; }
  // Decoded at the first call. Malformed parameters read as empty, since any field may be absent.
  const json::object& params() const;

 private:
  struct Body {
    std::string method;
    std::string session;
    std::string params_text;
    std::optional<json::object> params;
  };
  std::shared_ptr<Body> body_;
};

// Receives the events it was made for, in order, from its making on; ends with its destruction.
// After queued_events_max unread events or the loss of the page, the queued ones can still be read
// and then every read fails with the same error: overflow, detached, crashed or closed.
class Subscription {
 public:
  Subscription() = default;
  Subscription(Subscription&&) noexcept;
  Subscription& operator=(Subscription&&) noexcept;
  ~Subscription();

  // A plain function that takes an event's parameters as the browser wrote them, or leaves the
  // event to `next` and gives false. It calls nothing of this layer.
  using Sink = std::function<bool(std::string_view params)>;
  // Offers every event of `method` to the sink as it arrives, if the reader waits and nothing is
  // queued: what comes by the hundred then costs no turn of the loop each.
  void offer(std::string method, Sink sink);

  // The next event, waiting until `deadline`. timeout: none came. One caller at a time.
  Task<Event> next(Clock::time_point deadline);
  // The next event if there is one already.
  std::optional<Event> try_next();
  // Why no event will come after the queued ones.
  std::optional<Error> failure() const;

 private:
  friend class Connection;
  struct Queue;

  Subscription(std::shared_ptr<Connection> connection, std::shared_ptr<Queue> queue);
  void end();
  static Task<Event> wait(std::shared_ptr<Queue> queue, Clock::time_point deadline);

  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Queue> queue_;
};

// The connection's side of a subscription.
struct Subscription::Queue {
  Queue(const boost::asio::any_io_executor& executor, std::string session_id,
        std::vector<std::string> method_names)
      : session(std::move(session_id)), methods(std::move(method_names)), changed(executor) {}

  void push(const Event& event);
  bool sink_takes(const Envelope& event) const;
  void fail(const Error& reason);

  const std::string session;
  const std::vector<std::string> methods;
  std::deque<Event> events;
  std::string offered_method;
  Sink sink;
  bool is_awaited = false;
  std::size_t bytes = 0;
  std::optional<Error> failure;
  boost::asio::steady_timer changed;
};

}  // namespace cdp
