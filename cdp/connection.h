// One connection to a browser: calls, replies and events of all its sessions.
#pragma once

#include "cdp/event.h"
#include "cdp/mux.h"
#include "cdp/transport.h"

#include <memory>
#include <unordered_map>

#include <boost/asio/steady_timer.hpp>

namespace cdp {

// Nothing of its users ever runs in its read loop but the sinks of subscriptions, which are plain
// functions, so no user can make the loop wait. All calls come from the executor's one thread; its
// io_context outlives the connection.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  static std::shared_ptr<Connection> open(boost::asio::any_io_executor executor,
                                          std::shared_ptr<Transport> transport);

  // The result of one command, or an error no later than `limit` from now. `session` is empty for
  // the browser itself. Cancelling it abandons the command; the browser may still carry it out.
  Task<json::object> call(std::string session, std::string method, json::object params,
                          Duration limit);

  // Sends a command whose outcome does not matter.
  void post(std::string_view session, std::string_view method, const json::object& params);

  // The events of these methods in one session, from now on.
  Subscription subscribe(std::string session, std::vector<std::string> methods);

  PageState state(std::string_view session) const { return mux_.state(session); }

  // Ends the connection: all calls and subscriptions fail with `reason`, the first one given.
  void close(Error reason);
  // Why the connection ended, if it has.
  const std::optional<Error>& failure() const { return failure_; }
  // Returns when the connection has ended.
  boost::asio::awaitable<Error> ended();

 private:
  friend class Subscription;
  struct Waiter;

  Connection(boost::asio::any_io_executor executor, std::shared_ptr<Transport> transport);
  static boost::asio::awaitable<void> read_all(std::shared_ptr<Connection> self);
  static Task<json::object> run(std::shared_ptr<Connection> self, std::string session,
                                std::string method, json::object params, Duration limit);
  static boost::asio::awaitable<Error> wait_for_end(std::shared_ptr<Connection> self);
  void deliver(Mux::Happened happened);
  void settle(Mux::Settled settled);
  void watch_until(Clock::time_point deadline);
  void expire_calls();
  void unsubscribe(const std::shared_ptr<Subscription::Queue>& queue);

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  boost::asio::any_io_executor executor_;
  std::shared_ptr<Transport> transport_;
  Mux mux_;
  std::unordered_map<CallId, Waiter*> waiters_;
  std::unordered_map<std::string, std::vector<std::shared_ptr<Subscription::Queue>>, Hash,
                     std::equal_to<>>
      subscribers_;  // by method
  std::optional<Error> failure_;
  boost::asio::steady_timer ended_;
  // One timer for the deadlines of all calls: setting one costs a system call, and hardly any call
  // reaches its own.
  boost::asio::steady_timer watchdog_;
  Clock::time_point watched_until_ = Clock::time_point::max();
};

}  // namespace cdp
