// The bridge behind its HTTP interface.
#pragma once

#include "bridge/app/bridge.h"
#include "bridge/base/metrics.h"
#include "bridge/http/access_log.h"
#include "bridge/http/api_routes.h"
#include "bridge/http/authenticator.h"
#include "bridge/http/outbound.h"
#include "bridge/http/rate_limiter.h"
#include "bridge/http/router.h"
#include "bridge/http/server.h"
#include "bridge/services/actions.h"
#include "bridge/services/agents.h"
#include "bridge/services/events/subscriptions.h"
#include "bridge/services/fleets.h"
#include "bridge/services/keys.h"
#include "bridge/services/memory/memory.h"
#include "bridge/services/schedules.h"
#include "bridge/services/sign_in.h"
#include "bridge/services/workflows/workflows.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace app {

struct DaemonSettings {
  BridgeSettings bridge;
  http::ServerOptions server;
  std::vector<http::JwtIssuer> issuers;
  services::Agents::Settings agents;
  int agent_requests_per_minute = 0;  // of one agent; 0: no limit
  events::WebhookSettings webhooks;
  std::filesystem::path webhook_authority;
  bool screenshots = false;
  base::json::object actions = {};  // see services::Actions
  // How many files a program of an action may have open at first; none: as many as this process.
  std::optional<std::size_t> program_open_files = {};
};

// invalid with reason configuration: a JWT issuer or its key file is not usable.
base::Result<DaemonSettings> daemon_settings(const Config& config, const BridgeOptions& options);

class Daemon {
 public:
  // As Bridge::open.
  static base::Result<std::unique_ptr<Daemon>> open(boost::asio::any_io_executor executor,
                                                    base::Clock& clock, base::Faults& faults,
                                                    DaemonSettings settings);

  // Makes the admin key if there is none, works the queue, then answers HTTP and writes
  // daemon.json.
  base::Task<> start();
  // Nothing new is accepted or begun; bounded.
  boost::asio::awaitable<void> stop();
  // Returns when somebody asked by HTTP to drain, and the queue has been drained.
  boost::asio::awaitable<void> drained();

  const std::string& url() const { return server_->url(); }
  // The id of the key that the start replaced in admin.key, since it was good no more; empty: none.
  const std::string& replaced_key() const { return replaced_key_; }
  Bridge& bridge() { return *bridge_; }

 private:
  Daemon(boost::asio::any_io_executor executor, base::Clock& clock, DaemonSettings settings);
  base::Result<> prepare(base::Faults& faults);
  base::Result<> build_actions();
  void build_workflows();
  base::Result<> prepare_outbound();
  void prepare_webhooks();
  std::vector<http::NotReady> not_ready();
  services::SignIn::Usual usual_window() const;
  // Where it is, for who looks into the state directory.
  base::Result<> tell_commands() const;

  boost::asio::any_io_executor executor_;
  base::Clock& clock_;
  DaemonSettings settings_;
  base::Metrics metrics_;
  http::AccessLog access_log_;
  std::unique_ptr<Bridge> bridge_;
  std::unique_ptr<services::Keys> keys_;
  std::unique_ptr<services::Agents> agents_;
  std::unique_ptr<http::Internet> internet_;
  std::unique_ptr<services::Actions> actions_;
  std::unique_ptr<services::Fleets> fleets_;
  std::unique_ptr<services::memory::Memory> memory_;
  std::unique_ptr<events::Subscriptions> subscriptions_;
  std::unique_ptr<services::Schedules> schedules_;
  std::unique_ptr<services::Workflows> workflows_;
  std::unique_ptr<services::SignIn> sign_in_;
  std::unique_ptr<http::Authenticator> authenticator_;
  std::unique_ptr<http::JournalEvents> events_;
  std::unique_ptr<http::ApiNeeds> needs_;
  std::optional<http::RateLimiter> limiter_;  // of agents
  std::unique_ptr<http::Router> router_;
  std::unique_ptr<http::Server> server_;
  std::string replaced_key_;
  base::Notice drain_notice_;
  bool shall_drain_ = false;
};

}  // namespace app
