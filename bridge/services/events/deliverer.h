// Sends deliveries: the handler of the jobs in the lanes of webhooks.
#pragma once

#include "bridge/engine/queue.h"
#include "bridge/engine/runner.h"
#include "bridge/services/events/deliveries.h"
#include "bridge/services/events/outbound.h"

#include <functional>
#include <string>
#include <vector>

namespace events {

struct WebhookSettings {
  std::vector<Network> allow_private = {};  // networks that are not public, and may be reached
  std::string instance;                     // the source of events
  std::string origin;                       // who asks, in the handshake; a DNS name
  std::string agent = "flywheel";           // User-Agent
  bool needs_handshake = false;             // a receiver that does not allow us by it gets nothing
};

// How jobs of this kind go again when the store is away, or the receiver is being left alone.
engine::RetryPolicy webhook_retries();

class Deliverer {
 public:
  // All outlive it. `told` is called on the loop when a delivery has ended or a subscription has
  // changed.
  struct Needs {
    store::Store& store;
    const engine::Queue& queue;
    const engine::Journal& journal;
    const engine::Timeline& timeline;
    base::Clock& clock;
    Outbound& outbound;
    std::function<void()> told;
  };
  Deliverer(Needs needs, WebhookSettings settings);

  // One attempt of the job's delivery. The job is done however the attempt ended; what follows is
  // in the rows. busy: the receiver is being left alone for longer than a moment.
  base::Task<engine::Outcome> handle(engine::Claim claim, engine::LaneContext& lane);

  // Asks the receiver whether it allows us; see Handshake. denied, reason forbidden_target, and
  // other errors of resolve_checked: its address may not be used, or has none.
  base::Task<Handshake> shake_hands(Target target);

 private:
  struct Work {
    Delivery delivery;
    Subscription subscription;
    engine::Entry entry;
  };
  base::Task<std::optional<Work>> find(const engine::Job& job);
  boost::asio::awaitable<Attempt> attempt(const Work& work);
  base::Task<OutboundAnswer> post(const Work& work);
  static std::string told_of(const Work& work, base::Error error);

  Needs needs_;
  WebhookSettings settings_;
};

}  // namespace events
