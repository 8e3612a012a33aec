// Subscriptions of agents: made, changed and looked at by agents and people, and kept supplied with
// events.
#pragma once

#include "bridge/base/notice.h"
#include "bridge/base/scope.h"
#include "bridge/engine/runner.h"
#include "bridge/services/events/deliverer.h"
#include "bridge/services/events/subscription_rows.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace events {

// Who does something, to the things of which agent.
struct Actor {
  std::string principal;
  std::string agent;  // the one this caller is bound to, as the registry knows it; empty: none
};

// The id of the agent that answers to `which`. not_found; denied, reason other_agent: the caller is
// bound to another one.
using FindAgent = std::function<base::Result<std::string>(store::Tx& tx, const std::string& which,
                                                          const Actor& actor)>;

struct NewSubscription {
  Wish wish;
  Via via = Via::sse;
  std::string url = {};
  std::string secret = {};   // empty: one is made
  std::string request = {};  // idempotency key, within the principal; empty: none
  std::string request_hash = {};
};

// On the loop thread.
class Subscriptions {
 public:
  // All outlive it.
  struct Needs {
    boost::asio::any_io_executor executor;
    store::Store& store;
    const engine::Queue& queue;
    const engine::Journal& journal;
    engine::JournalTail& tail;
    const engine::Timeline& timeline;
    base::Clock& clock;
    Outbound& outbound;
    FindAgent find_agent;
  };
  Subscriptions(Needs needs, WebhookSettings settings);

  // Mends what an earlier life left, and begins to follow the journal.
  base::Task<> start(base::Scope& tasks);
  // Handles the jobs of webhook_kind. This outlives it.
  engine::Handler handler();

  struct Created {
    Subscription subscription;
    bool is_replay = false;  // the request was known: this is the first one, as it is now
  };
  // invalid, reason bad_url or bad_secret. denied, reason forbidden_target or handshake_refused.
  // conflict, reason too_many or idempotency_mismatch. unavailable, reason disk_full. Events that
  // are committed later are sent; to one that an agent made for itself, only its own, see is_own.
  base::Task<Created> subscribe(std::string agent, NewSubscription asked, Actor actor);
  base::Task<> unsubscribe(std::string agent, std::string which, Actor actor);
  base::Task<Subscription> get(std::string agent, std::string which, Actor actor);
  base::Task<std::vector<Subscription>> list(std::string agent, Actor actor);
  // The rest is for webhooks: conflict, reason not_a_webhook for others.
  // Goes on where it stopped, after another handshake.
  base::Task<Subscription> enable(std::string agent, std::string which, Actor actor);
  // The old secret signs as well for limits::webhook_old_secret. An empty one: one is made.
  base::Task<Subscription> rotate(std::string agent, std::string which, std::string secret,
                                  Actor actor);

  struct DeliveryPage {
    std::vector<Delivery> deliveries;  // newest first
    bool is_end = false;
  };
  base::Task<DeliveryPage> deliveries(std::string subscription,
                                      std::optional<Delivery::State> state,
                                      std::optional<std::int64_t> before, std::size_t limit,
                                      Actor actor);
  base::Task<Delivery> delivery(std::string which, Actor actor);
  // See events::replay.
  base::Task<Delivery> replay(std::string which, Actor actor);
  // See events::replay_range.
  base::Task<Replayed> replay_range(std::string agent, std::string which, std::int64_t from,
                                    std::int64_t through, Actor actor);

  // ---- streams
  // The agent's id, for `wants`.
  base::Task<std::string> agent_of(std::string which, Actor actor);
  // What the agent's subscriptions by SSE want now; an entry must be wanted by one of them.
  std::vector<Wish> stream_wishes(const std::string& agent_id) const;
  // True if one of them wants the entry.
  bool wants(const std::string& agent_id, const engine::Entry& entry) const;

 private:
  using Change = std::function<base::Result<Subscription>(const Act&, Subscription)>;
  base::Result<Subscription> find(store::Tx& tx, const std::string& agent, const std::string& which,
                                  const Actor& actor) const;
  base::Result<> check_own(store::Tx& tx, const Subscription& subscription,
                           const Actor& actor) const;
  base::Task<Subscription> change(std::string agent, std::string which, Actor actor, Change change);
  base::Task<std::optional<Handshake>> checked_target(NewSubscription& asked, const Actor& actor);
  base::Task<> mend();
  base::Task<> remove_of(std::vector<std::string> agents);
  // Forgets what has ended of a subscription that is about to go, a stretch at a time.
  base::Task<> forget_ended(std::string subscription);
  base::Task<> refresh();
  boost::asio::awaitable<void> follow(std::int64_t after);
  boost::asio::awaitable<void> spread();
  bool is_wanted(const engine::Entry& entry) const;
  void tell_change();
  void tell_end();

  Needs needs_;
  WebhookSettings settings_;
  Deliverer deliverer_;
  base::Notice notice_;
  std::map<std::string, std::vector<Wish>, std::less<>> streams_;  // by agent
  std::vector<Wish> webhooks_;                                     // of active ones
  bool is_stale_ = true;  // the wishes above may be those of before
  bool has_work_ = true;
  bool is_full_ = false;  // a backlog was full when the journal was last looked at
  std::int64_t skipped_ = 0;
  std::vector<std::string> gone_;  // agents that were removed, and whose subscriptions are not yet
};

}  // namespace events
