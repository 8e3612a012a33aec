#include "cdp/event.h"

#include "cdp/connection.h"
#include "cdp/limits.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace cdp {

Event::Event(std::string_view method, std::string_view session, std::string_view params)
    : body_(std::make_shared<Body>(
          Body{std::string(method), std::string(session), std::string(params), std::nullopt})) {}

const json::object& Event::params() const {
  if (!body_->params) body_->params = parse_object(body_->params_text).value_or(json::object());
  return *body_->params;
}

void Subscription::Queue::push(const Event& event) {
  if (failure) return;
  if (events.size() >= limits::queued_events_max ||
      bytes + event.params_text().size() > limits::queued_event_bytes_max) {
    return fail({Failure::overflow, 0,
                 fmt::format("subscription to {}: {} events ({} bytes) wait unread",
                             fmt::join(methods, ", "), events.size(), bytes)});
  }
  bytes += event.params_text().size();
  events.push_back(event);
  changed.cancel();
}

bool Subscription::Queue::sink_takes(const Envelope& event) const {
  const bool is_offered =
      is_awaited && events.empty() && !failure && event.method == offered_method;
  return is_offered && sink(event.params);
}

void Subscription::Queue::fail(const Error& reason) {
  if (failure) return;
  failure = reason;
  changed.cancel();
}

Subscription::Subscription(std::shared_ptr<Connection> connection, std::shared_ptr<Queue> queue)
    : connection_(std::move(connection)), queue_(std::move(queue)) {}

Subscription::Subscription(Subscription&&) noexcept = default;

Subscription& Subscription::operator=(Subscription&& other) noexcept {
  if (this == &other) return *this;
  end();
  connection_ = std::move(other.connection_);
  queue_ = std::move(other.queue_);
  return *this;
}

Subscription::~Subscription() { end(); }

void Subscription::end() {
  if (!queue_) return;
  connection_->unsubscribe(queue_);
  queue_->fail({Failure::closed, 0, "the subscription has ended"});
  queue_.reset();
  connection_.reset();
}

void Subscription::offer(std::string method, Sink sink) {
  queue_->offered_method = std::move(method);
  queue_->sink = std::move(sink);
}

Task<Event> Subscription::next(Clock::time_point deadline) { return wait(queue_, deadline); }

Task<Event> Subscription::wait(std::shared_ptr<Queue> queue, Clock::time_point deadline) {
  if (!queue) co_return cdp::fail(Failure::closed, "no subscription");
  if (queue->events.empty() && !queue->failure) {
    struct Awaited {
      explicit Awaited(bool& place) : flag(place) { flag = true; }
      ~Awaited() { flag = false; }
      bool& flag;
    } awaited(queue->is_awaited);
    queue->changed.expires_at(deadline);
    co_await queue->changed.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  if (!queue->events.empty()) {
    Event event = std::move(queue->events.front());
    queue->events.pop_front();
    queue->bytes -= event.params_text().size();
    co_return event;
  }
  if (queue->failure) co_return std::unexpected(*queue->failure);
  if (Clock::now() < deadline) {  // Neither an event nor the deadline: the caller was cancelled.
    throw boost::system::system_error(boost::asio::error::operation_aborted);
  }
  co_return cdp::fail(Failure::timeout,
                      fmt::format("no event of {} in time", fmt::join(queue->methods, ", ")));
}

std::optional<Event> Subscription::try_next() {
  if (!queue_ || queue_->events.empty()) return std::nullopt;
  Event event = std::move(queue_->events.front());
  queue_->events.pop_front();
  queue_->bytes -= event.params_text().size();
  return event;
}

std::optional<Error> Subscription::failure() const {
  return queue_ ? queue_->failure : Error{Failure::closed, 0, "no subscription"};
}

}  // namespace cdp
