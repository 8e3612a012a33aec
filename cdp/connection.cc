#include "cdp/connection.h"

#include <algorithm>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace cdp {

namespace asio = boost::asio;

namespace {

// Only a broken invariant or exhausted memory gets here; neither can be survived.
void rethrow(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

}  // namespace

// A call's place in the connection. Lives in the caller's coroutine, so a caller that is cancelled
// or destroyed leaves by itself. Its timer never expires: it is the bell alone.
struct Connection::Waiter {
  Waiter(Connection& owner, CallId call, Clock::time_point until)
      : connection(owner),
        id(call),
        deadline(until),
        bell(owner.executor_, Clock::time_point::max()) {
    connection.waiters_.emplace(id, this);
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() {
    if (outcome) return;
    connection.waiters_.erase(id);
    connection.mux_.abandon(id);
  }

  Connection& connection;
  const CallId id;
  const Clock::time_point deadline;
  asio::steady_timer bell;
  bool is_expired = false;
  std::optional<Result<json::object>> outcome;
};

Connection::Connection(asio::any_io_executor executor, std::shared_ptr<Transport> transport)
    : executor_(std::move(executor)),
      transport_(std::move(transport)),
      ended_(executor_, Clock::time_point::max()),
      watchdog_(executor_) {}

std::shared_ptr<Connection> Connection::open(asio::any_io_executor executor,
                                             std::shared_ptr<Transport> transport) {
  std::shared_ptr<Connection> self(new Connection(executor, std::move(transport)));
  asio::co_spawn(executor, read_all(self), rethrow);
  return self;
}

asio::awaitable<void> Connection::read_all(std::shared_ptr<Connection> self) {
  while (!self->failure_) {
    auto message = co_await self->transport_->receive();
    if (!message) {
      self->close(message.error());
      break;
    }
    auto happened = self->mux_.feed(*message);
    if (!happened) {
      self->close(happened.error());
      break;
    }
    self->deliver(*std::move(happened));
  }
}

void Connection::deliver(Mux::Happened happened) {
  for (auto& settled : happened.settled) settle(std::move(settled));
  if (happened.event && !subscribers_.empty()) {
    const Envelope& event = *happened.event;
    auto subscribers = subscribers_.find(event.method);
    if (subscribers != subscribers_.end()) {
      std::optional<Event> copy;
      for (auto& queue : subscribers->second) {
        if (queue->session != event.session || queue->sink_takes(event)) continue;
        if (!copy) copy.emplace(event.method, event.session, event.params);
        queue->push(*copy);
      }
    }
  }
  if (!happened.lost) return;
  for (auto& [method, queues] : subscribers_) {
    for (auto& queue : queues) {
      if (queue->session == happened.lost->first) queue->fail(happened.lost->second);
    }
  }
}

void Connection::settle(Mux::Settled settled) {
  auto found = waiters_.find(settled.id);
  if (found == waiters_.end()) return;
  Waiter* waiter = found->second;
  waiters_.erase(found);
  waiter->outcome.emplace(std::move(settled.outcome));
  waiter->bell.cancel();
}

Task<json::object> Connection::call(std::string session, std::string method, json::object params,
                                    Duration limit) {
  return run(shared_from_this(), std::move(session), std::move(method), std::move(params), limit);
}

Task<json::object> Connection::run(std::shared_ptr<Connection> self, std::string session,
                                   std::string method, json::object params, Duration limit) {
  CO_TRY(auto command, self->mux_.command(session, method, params));
  Waiter waiter(*self, command.id, Clock::now() + limit);
  if (auto sent = self->transport_->send(std::move(command.text)); !sent) {
    co_return fail(sent.error().failure, fmt::format("{}: {}", method, sent.error().message));
  }
  self->watch_until(waiter.deadline);
  co_await waiter.bell.async_wait(asio::as_tuple(asio::use_awaitable));
  if (waiter.outcome) co_return std::move(*waiter.outcome);
  if (!waiter.is_expired) {  // Neither a reply nor the deadline: the caller was cancelled.
    throw boost::system::system_error(asio::error::operation_aborted);
  }
  auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(limit);
  co_return fail(Failure::timeout,
                 fmt::format("{}: no reply within {} ms; the browser may still carry it out",
                             method, waited.count()));
}

// Wakes the expired calls by `deadline`, and leaves a timer that ends sooner as it is.
void Connection::watch_until(Clock::time_point deadline) {
  if (failure_ || deadline >= watched_until_) return;
  watched_until_ = deadline;
  watchdog_.expires_at(deadline);
  watchdog_.async_wait([weak = weak_from_this()](boost::system::error_code cancelled) {
    auto self = weak.lock();
    if (!cancelled && self) self->expire_calls();
  });
}

void Connection::expire_calls() {
  const auto now = Clock::now();
  auto next = Clock::time_point::max();
  for (auto& [id, waiter] : waiters_) {
    if (waiter->deadline > now) {
      next = std::min(next, waiter->deadline);
    } else {
      waiter->is_expired = true;
      waiter->bell.cancel();
    }
  }
  watched_until_ = Clock::time_point::max();
  watch_until(next);
}

void Connection::post(std::string_view session, std::string_view method,
                      const json::object& params) {
  auto command = mux_.command(session, method, params);
  if (!command) return;
  mux_.abandon(command->id);
  if (auto sent = transport_->send(std::move(command->text)); !sent) close(sent.error());
}

Subscription Connection::subscribe(std::string session, std::vector<std::string> methods) {
  std::ranges::sort(methods);
  methods.erase(std::ranges::unique(methods).begin(), methods.end());
  auto queue =
      std::make_shared<Subscription::Queue>(executor_, std::move(session), std::move(methods));
  if (failure_) {
    queue->fail(*failure_);
  } else if (!queue->session.empty() && state(queue->session).kind == PageState::Kind::closed) {
    queue->fail({Failure::detached, 0, "the tab has gone or its session has ended"});
  } else {
    for (auto& method : queue->methods) subscribers_[method].push_back(queue);
  }
  return Subscription(shared_from_this(), std::move(queue));
}

void Connection::unsubscribe(const std::shared_ptr<Subscription::Queue>& queue) {
  for (auto& method : queue->methods) {
    auto subscribers = subscribers_.find(method);
    if (subscribers == subscribers_.end()) continue;
    std::erase(subscribers->second, queue);
    if (subscribers->second.empty()) subscribers_.erase(subscribers);
  }
}

void Connection::close(Error reason) {
  if (failure_) return;
  failure_ = std::move(reason);
  transport_->close();
  for (auto& settled : mux_.close(*failure_)) settle(std::move(settled));
  for (auto& [method, queues] : subscribers_) {
    for (auto& queue : queues) queue->fail(*failure_);
  }
  ended_.cancel();
  watchdog_.cancel();
}

asio::awaitable<Error> Connection::ended() { return wait_for_end(shared_from_this()); }

asio::awaitable<Error> Connection::wait_for_end(std::shared_ptr<Connection> self) {
  if (!self->failure_) {
    co_await self->ended_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  if (!self->failure_) throw boost::system::system_error(asio::error::operation_aborted);
  co_return *self->failure_;
}

}  // namespace cdp
