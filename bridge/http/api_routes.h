// The API: routes that translate HTTP to services and back and decide nothing.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/metrics.h"
#include "bridge/chat/session.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/engine/signed_note.h"
#include "bridge/engine/time.h"
#include "bridge/http/api_events.h"
#include "bridge/http/authenticator.h"
#include "bridge/http/router.h"
#include "bridge/protocol/message_types.h"
#include "bridge/services/actions.h"
#include "bridge/services/agents.h"
#include "bridge/services/events/subscriptions.h"
#include "bridge/services/fleets.h"
#include "bridge/services/keys.h"
#include "bridge/services/memory/memory.h"
#include "bridge/services/messages.h"
#include "bridge/services/packets.h"
#include "bridge/services/schedules.h"
#include "bridge/services/session_watch.h"
#include "bridge/services/sign_in.h"
#include "bridge/services/workflows/workflows.h"
#include "bridge/store/store.h"

#include <functional>
#include <string>
#include <vector>

namespace http {

// Why the bridge is of no use just now.
struct NotReady {
  std::string code;         // a stable machine word: "login_required"
  std::string detail;       // for people; anybody may read it
  bool is_partial = false;  // packets are sent all the same
};

struct ApiNeeds {
  services::Packets& packets;
  services::Keys& keys;
  services::Agents& agents;
  services::Messages& messages;
  services::Actions& actions;
  services::Fleets& fleets;
  services::memory::Memory& memory;
  events::Subscriptions& subscriptions;
  services::Schedules& schedules;
  services::Workflows& workflows;
  services::SignIn& sign_in;
  const protocol::MessageTypes& types;
  store::Store& store;
  const engine::Queue& queue;
  const engine::Journal& journal;
  const engine::NoteSigner& signer;
  const engine::Timeline& timeline;
  chat::Session& session;
  JournalEvents& events;
  Authenticator& authenticator;  // told when a key is revoked
  base::Clock& clock;
  base::Metrics& metrics;
  std::string instance;  // the source of events; a URI reference
  std::string version;
  // Begins to work the queue until nothing is due, and then to end the program. Returns at once.
  std::function<void()> drain;
  // Packets can be accepted and sent unless one of these is more than partial.
  std::function<std::vector<NotReady>()> not_ready;
  // The breakers that are open, whatever the pages show.
  std::function<std::vector<services::Closure>()> closures = [] {
    return std::vector<services::Closure>();
  };
  // Lets the breakers follow what a look has just found.
  std::function<base::Task<>()> follow_session = []() -> base::Task<> {
    co_return base::Result<>();
  };
  bool screenshots = false;  // pages may be looked at
};

// `needs` and all it refers to outlive the router.
void add_api(Router& router, ApiNeeds& needs);

// Its groups, for programs that serve only some.
void add_packet_routes(Router& router, ApiNeeds& needs);
void add_queue_routes(Router& router, ApiNeeds& needs);
void add_session_routes(Router& router, ApiNeeds& needs);
void add_schedule_routes(Router& router, ApiNeeds& needs);
void add_workflow_routes(Router& router, ApiNeeds& needs);
void add_agent_routes(Router& router, ApiNeeds& needs);
void add_message_routes(Router& router, ApiNeeds& needs);
void add_action_routes(Router& router, ApiNeeds& needs);
void add_fleet_routes(Router& router, ApiNeeds& needs);
void add_orchestrate_routes(Router& router, ApiNeeds& needs);
void add_memory_routes(Router& router, ApiNeeds& needs);
void add_subscription_routes(Router& router, ApiNeeds& needs);
void add_key_routes(Router& router, ApiNeeds& needs);
void add_audit_routes(Router& router, ApiNeeds& needs);
void add_event_routes(Router& router, ApiNeeds& needs);
void add_health_routes(Router& router, ApiNeeds& needs);
void add_dashboard_routes(Router& router, ApiNeeds& needs);

// What an Authenticator asks. `keys` outlives the function.
FindApiKey find_in(services::Keys& keys);

}  // namespace http
