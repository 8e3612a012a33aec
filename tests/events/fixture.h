// Subscriptions over a real store, queue and journal, in virtual time; the internet is a small one.
#pragma once

#include "bridge/base/faults.h"
#include "bridge/base/random.h"
#include "bridge/engine/schema.h"
#include "bridge/services/events/event_limits.h"
#include "bridge/services/events/subscriptions.h"
#include "bridge/store/sqlite_store.h"
#include "tests/support/virtual_clock.h"

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace events_test {

using namespace std::chrono_literals;
namespace json = boost::json;
using events::OutboundAnswer;
using events::OutboundRequest;

// Names with addresses, and servers at addresses.
class SmallInternet final : public events::Outbound {
 public:
  using Server = std::function<base::Task<OutboundAnswer>(const OutboundRequest&)>;

  explicit SmallInternet(base::Clock& clock) : clock_(clock) {}

  base::Task<std::vector<events::Address>> resolve(std::string host) override;
  base::Task<OutboundAnswer> send(OutboundRequest request) override;

  // A server at one public address that has this name.
  void add(const std::string& host, const std::string& address, Server server);

  std::map<std::string, std::vector<std::string>> names;
  std::map<std::string, Server> servers;  // by address
  std::vector<std::string> connections;   // addresses, in order

 private:
  base::Clock& clock_;
};

// A receiver of webhooks, and what it got.
struct Receiver {
  struct Got {
    base::WallTime time;
    events::SignedHeaders headers;
    json::object event;
    std::string body;
  };
  std::vector<Got> got;
  std::vector<OutboundAnswer> answers;      // the next ones; the last is repeated; none: 204
  std::optional<OutboundAnswer> handshake;  // to OPTIONS; none: 405
  base::Instant::duration takes{0};

  SmallInternet::Server server(base::Clock& clock);
  // Of the events, in order of arrival.
  std::vector<std::string> subjects() const;
};

class Bench {
 public:
  explicit Bench(int depth_max = 10'000);
  ~Bench();

  // Between two lives: what a lane may hold in the next.
  void build_queue(int depth_max);
  // A new life of the program on the same store.
  void start();
  void stop();
  template <class T>
  T run(boost::asio::awaitable<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr error, T value) {
      BRIDGE_ASSERT(!error);
      result.emplace(std::move(value));
    });
    BRIDGE_ASSERT(test::run_virtually(loop, clock, [&] { return result.has_value(); }));
    return *std::move(result);
  }
  // All that happens within this time.
  void pass(base::Instant::duration time);

  // Who asks for "ann", bound to her.
  events::Actor actor(std::string agent = "ann") {
    return {.principal = "key:" + agent, .agent = agent};
  }
  // An operator.
  events::Actor somebody() { return {.principal = "key:root", .agent = {}}; }
  // For "ann".
  events::Subscription subscribe(events::NewSubscription asked, events::Actor who);
  events::Subscription subscribe(events::NewSubscription asked) {
    return subscribe(std::move(asked), somebody());
  }
  // A webhook for all events of type "thing.happened".
  events::Subscription webhook(const std::string& host = "hooks.example");
  base::Error refusal(events::NewSubscription asked);
  std::int64_t happen(std::string subject, std::string type = "thing.happened",
                      json::object data = {{"n", 1}});
  events::Subscription now(const events::Subscription& subscription);
  std::vector<events::Delivery> deliveries(const events::Subscription& subscription);
  // "<state>" of every delivery, oldest first.
  std::vector<std::string> states(const events::Subscription& subscription);
  std::vector<std::string> told(std::string type);
  // All that the queue keeps, whatever became of them, with their texts.
  std::int64_t jobs();

  boost::asio::io_context loop{1};
  test::VirtualClock clock;
  engine::Timeline timeline{clock, "boot"};
  std::optional<engine::Bells> bells;
  engine::JournalTail tail{loop.get_executor()};
  engine::Journal journal{&tail};
  base::SeededRandom random{7};
  base::Faults faults;
  SmallInternet internet{clock};
  events::WebhookSettings settings{.instance = "flywheel/test", .origin = "bridge.example"};
  std::string gone;      // the id of an agent that is not there any more, from the next start on
  int commits_left = 0;  // of the next changes of jobs, so many fail
  std::unique_ptr<store::SqliteStore> store;
  std::optional<engine::Queue> queue;
  std::unique_ptr<events::Subscriptions> subscriptions;

 private:
  void work(const engine::LaneId& lane);

  std::map<std::string, engine::Handler> handlers_;
  std::optional<engine::Engine> engine_;
  std::list<engine::Runner> runners_;
  std::optional<base::Scope> tasks_;
  int lives_ = 0;
};

}  // namespace events_test
