#include "bridge/app/daemon.h"

#include "bridge/app/console.h"
#include "bridge/app/daemon_file.h"
#include "bridge/app/service_manager.h"
#include "bridge/base/limits.h"
#include "bridge/engine/job_entry.h"
#include "bridge/services/agents/agent_limits.h"
#include "bridge/services/events/registered.h"
#include "bridge/services/workflows/action_steps.h"
#include "bridge/services/workflows/agent_steps.h"
#include "bridge/services/workflows/scheduled.h"

#include <algorithm>

#include <fmt/format.h>
#include <unistd.h>

namespace app {

namespace asio = boost::asio;

namespace {

base::Result<services::Agents::Settings> agent_settings(const Config& config) {
  services::Agents::Settings settings;
  settings.windows = {.active = config.agents.active, .degraded = config.agents.degraded};
  std::error_code error;
  if (!std::filesystem::exists(config.agents.catalogue, error)) return settings;
  TRY(const auto text, read_file(config.agents.catalogue, limits::agent_catalogue_bytes_max));
  auto catalogue = services::agents::Catalogue::parse(text);
  if (!catalogue) {
    return base::fail(
        base::Code::invalid,
        fmt::format("{}: {}", config.agents.catalogue.string(), catalogue.error().message),
        "configuration");
  }
  settings.catalogue = *std::move(catalogue);
  return settings;
}

// Which conversation it is, only those who may see the session are told.
void add_closures(std::vector<http::NotReady>& reasons,
                  const std::vector<services::Closure>& closures) {
  for (const auto& closure : closures) {
    const std::string code(engine::name(*closure.shut.breaker.trip));
    const auto known = std::ranges::find(reasons, code, &http::NotReady::code);
    if (known != reasons.end()) {
      known->is_partial = known->is_partial && closure.is_partial;
      continue;
    }
    reasons.push_back({code,
                       closure.shut.lane
                           ? "a conversation waits for a person: flywheel session check"
                           : services::advice(closure.shut),
                       closure.is_partial});
  }
}

}  // namespace

base::Result<DaemonSettings> daemon_settings(const Config& config, const BridgeOptions& options) {
  DaemonSettings settings{.bridge = bridge_settings(config, options)};
  settings.bridge.holder = fmt::format("flywheel serve, writer {}", config.writer_agent);
  settings.bridge.browser.care.check_pause = config.session.check_pause;
  settings.bridge.browser.care.may_take_screenshots = config.session.screenshots;
  settings.server.listen = config.listen;
  settings.server.inherited_fd = inherited_socket();
  settings.server.certificate_file = config.http.certificate;
  settings.server.key_file = config.http.key;
  settings.server.host_names = config.http.hosts;
  settings.server.allowed_origins = config.http.origins;
  TRY(settings.agents, agent_settings(config));
  settings.agent_requests_per_minute = config.agents.requests_per_minute;
  settings.screenshots = config.session.screenshots;
  settings.actions = config.actions;
  // Where the account's own conversations are, its GPTs are too.
  const auto origin = services::Messages::origin_of(settings.bridge.packets.url);
  if (std::ranges::find(settings.agents.origins, origin) == settings.agents.origins.end()) {
    settings.agents.origins.push_back(origin);
  }
  settings.webhooks.needs_handshake = config.webhooks.needs_handshake;
  settings.webhook_authority = config.webhooks.authority;
  for (const auto& text : config.webhooks.allow_private) {
    auto network = events::Network::parse(text);
    if (!network) {
      return base::fail(base::Code::invalid,
                        "bridge.webhooks.allow_private: " + network.error().message,
                        "configuration");
    }
    settings.webhooks.allow_private.push_back(*network);
  }
  for (const auto& issuer : config.http.jwt) {
    auto loaded = http::load_jwt_issuer(issuer.as_object());
    if (!loaded) {
      return base::fail(base::Code::invalid, "bridge.auth.jwt: " + loaded.error().message,
                        "configuration");
    }
    settings.issuers.push_back(*std::move(loaded));
  }
  return settings;
}

base::Result<std::unique_ptr<Daemon>> Daemon::open(asio::any_io_executor executor,
                                                   base::Clock& clock, base::Faults& faults,
                                                   DaemonSettings settings) {
  std::unique_ptr<Daemon> daemon(new Daemon(executor, clock, std::move(settings)));
  TRY_OK(daemon->prepare(faults));
  return daemon;
}

Daemon::Daemon(asio::any_io_executor executor, base::Clock& clock, DaemonSettings settings)
    : executor_(executor),
      clock_(clock),
      settings_(std::move(settings)),
      access_log_(executor),
      drain_notice_(executor) {}

base::Result<> Daemon::prepare(base::Faults& faults) {
  TRY(bridge_, Bridge::open(executor_, clock_, faults, settings_.bridge));
  bridge_->work_all_lanes();
  bridge_->count_in(metrics_);
  keys_ = std::make_unique<services::Keys>(bridge_->store(), bridge_->journal(), clock_);
  const services::Agents::Needs registry{
      .store = bridge_->store(), .journal = bridge_->journal(), .clock = clock_};
  agents_ = std::make_unique<services::Agents>(registry, settings_.agents);
  fleets_ = std::make_unique<services::Fleets>(registry, agents_->settings().catalogue);
  agents_->on_removal([this](const services::agents::Act& act,
                             const services::agents::Agent& agent) -> base::Result<> {
    TRY_OK(bridge_->queue().retire_lane(act.tx, services::letter_lane(agent.id)));
    TRY_OK(actions_->on_removal(act, agent));
    return bridge_->messages().on_removal(act, agent);
  });
  TRY_OK(prepare_outbound());
  TRY_OK(build_actions());
  memory_ =
      std::make_unique<services::memory::Memory>(bridge_->store(), bridge_->journal(), clock_);
  build_workflows();
  schedules_ = std::make_unique<services::Schedules>(
      executor_, services::Schedules::Needs{.store = bridge_->store(),
                                            .queue = bridge_->queue(),
                                            .journal = bridge_->journal(),
                                            .timeline = bridge_->timeline(),
                                            .clock = clock_,
                                            .packets = bridge_->packets(),
                                            .session = bridge_->account().session(),
                                            .flows = services::starts_of(*workflows_)});
  sign_in_ = std::make_unique<services::SignIn>(
      executor_,
      services::SignIn::Needs{.session = bridge_->account().session(),
                              .store = bridge_->store(),
                              .journal = bridge_->journal(),
                              .clock = clock_,
                              .is_shut = [this] { return bridge_->waits_for_evidence(); }},
      usual_window());
  std::optional<http::JwtVerifier> verifier;
  if (!settings_.issuers.empty()) {
    TRY(verifier, http::JwtVerifier::create(settings_.issuers));
  }
  authenticator_ =
      std::make_unique<http::Authenticator>(http::find_in(*keys_), std::move(verifier), clock_);
  prepare_webhooks();
  return {};
}

base::Result<> Daemon::prepare_outbound() {
  auto internet = http::Internet::create(settings_.webhook_authority);
  if (!internet) {
    return base::fail(base::Code::invalid, "bridge.webhooks.authority: " + internet.error().message,
                      "configuration");
  }
  internet_ = *std::move(internet);
  return {};
}

void Daemon::prepare_webhooks() {
  auto& webhooks = settings_.webhooks;
  webhooks.instance = bridge_->signer().name();
  // The handshake wants a DNS name; the instance is "flywheel/<hexadecimal>".
  webhooks.origin = webhooks.instance;
  std::ranges::replace(webhooks.origin, '/', '-');
  webhooks.agent = std::string("flywheel/") + FLYWHEEL_VERSION;
  subscriptions_ = std::make_unique<events::Subscriptions>(
      events::Subscriptions::Needs{.executor = executor_,
                                   .store = bridge_->store(),
                                   .queue = bridge_->queue(),
                                   .journal = bridge_->journal(),
                                   .tail = bridge_->tail(),
                                   .timeline = bridge_->timeline(),
                                   .clock = clock_,
                                   .outbound = *internet_,
                                   .find_agent = events::find_registered},
      webhooks);
  bridge_->add_kind(std::string(events::webhook_kind), {.handler = subscriptions_->handler(),
                                                        .retries = events::webhook_retries(),
                                                        .entry = nullptr});
}

// What a step may do, by the word before the "/" of its `uses`.
void Daemon::build_workflows() {
  services::StepKinds kinds;
  kinds["packet"] = services::packet_steps(bridge_->packets(), bridge_->types());
  kinds["gpt"] = services::gpt_steps(bridge_->messages());
  kinds["message"] = services::message_steps(bridge_->queue());
  kinds["action"] = services::action_steps(*actions_, bridge_->queue());
  actions_->tell_ends(
      [this](store::Tx& tx, const services::actions::Asked& asked, const engine::Now& now) {
        return workflows_->errand_ended(tx, asked.principal, asked.id, now);
      });
  bridge_->messages().tell_ends(
      [this](store::Tx& tx, const services::messages::Message& query, const engine::Now& now) {
        return workflows_->errand_ended(tx, query.principal, query.id, now);
      });
  const auto add_kind = [this](std::string_view kind, engine::Handler handler) {
    bridge_->add_kind(std::string(kind),
                      {.handler = std::move(handler), .entry = [](const engine::Change& change) {
                         return engine::job_entry(change, "step");
                       }});
  };
  add_kind(services::inbox_query_kind, services::ask_by_inbox(bridge_->messages()));
  add_kind(services::letter_kind, services::write_letters(bridge_->messages()));
  workflows_ = std::make_unique<services::Workflows>(
      executor_,
      services::Workflows::Needs{.store = bridge_->store(),
                                 .queue = bridge_->queue(),
                                 .journal = bridge_->journal(),
                                 .timeline = bridge_->timeline(),
                                 .bells = bridge_->bells(),
                                 .clock = clock_},
      std::move(kinds));
  bridge_->add_listener(
      [this](store::Tx& tx, const engine::Change& change, const engine::Now& now) {
        return workflows_->on_job_change(tx, change, now);
      });
}

base::Task<> Daemon::start() {
  CO_TRY(auto admin,
         co_await keys_->ensure_admin(settings_.bridge.state / "admin.key", http::new_api_key));
  replaced_key_ = std::move(admin.replaced);
  CO_TRY_OK(co_await bridge_->start());
  CO_TRY_OK(co_await subscriptions_->start(bridge_->tasks()));
  CO_TRY_OK(co_await schedules_->start(bridge_->tasks()));
  CO_TRY_OK(co_await workflows_->start(bridge_->tasks()));
  agents_->start(bridge_->tasks());
  CO_TRY_OK(co_await bridge_->messages().catch_up());
  bridge_->messages().start(bridge_->tasks());
  actions_->start(bridge_->tasks());
  bridge_->tasks().spawn(sign_in_->run());
  const std::string instance = bridge_->signer().name();
  CO_TRY(events_, co_await http::JournalEvents::open(executor_, {.journal = bridge_->journal(),
                                                                 .store = bridge_->store(),
                                                                 .tail = bridge_->tail(),
                                                                 .clock = clock_,
                                                                 .metrics = metrics_,
                                                                 .instance = instance}));
  bridge_->tasks().spawn(events_->run());
  needs_.reset(new http::ApiNeeds{.packets = bridge_->packets(),
                                  .keys = *keys_,
                                  .agents = *agents_,
                                  .messages = bridge_->messages(),
                                  .actions = *actions_,
                                  .fleets = *fleets_,
                                  .memory = *memory_,
                                  .subscriptions = *subscriptions_,
                                  .schedules = *schedules_,
                                  .workflows = *workflows_,
                                  .sign_in = *sign_in_,
                                  .types = bridge_->types(),
                                  .store = bridge_->store(),
                                  .queue = bridge_->queue(),
                                  .journal = bridge_->journal(),
                                  .signer = bridge_->signer(),
                                  .timeline = bridge_->timeline(),
                                  .session = bridge_->account().session(),
                                  .events = *events_,
                                  .authenticator = *authenticator_,
                                  .clock = clock_,
                                  .metrics = metrics_,
                                  .instance = instance,
                                  .version = FLYWHEEL_VERSION,
                                  .drain =
                                      [this] {
                                        shall_drain_ = true;
                                        drain_notice_.notify();
                                      },
                                  .not_ready = [this] { return not_ready(); },
                                  .closures = [this] { return bridge_->closures(); },
                                  .follow_session = [this] { return bridge_->follow_session(); },
                                  .screenshots = settings_.screenshots});
  if (const int quota = settings_.agent_requests_per_minute; quota > 0) {
    limiter_.emplace(http::RatePolicy{.quota = static_cast<std::uint32_t>(quota),
                                      .window = std::chrono::minutes(1)},
                     clock_);
  }
  router_ = std::make_unique<http::Router>(authenticator_.get(), limiter_ ? &*limiter_ : nullptr);
  http::add_api(*router_, *needs_);
  settings_.server.access_log = &access_log_;
  settings_.server.metrics = &metrics_;
  CO_TRY(server_, http::Server::start(executor_, clock_, *router_, settings_.server));
  co_return tell_commands();
}

base::Result<> Daemon::tell_commands() const {
  return write_daemon_file(settings_.bridge.state,
                           {.url = server_->url(),
                            .pid = ::getpid(),
                            .incarnation = bridge_->store().incarnation(),
                            .store = settings_.bridge.store,
                            .attached = settings_.bridge.chrome.attach_url,
                            .certificate = settings_.server.certificate_file});
}

services::SignIn::Usual Daemon::usual_window() const {
  using Usual = services::SignIn::Usual;
  if (!settings_.bridge.chrome.attach_url.empty()) return Usual::not_ours;
  const bool has_window = settings_.bridge.browser.window == cdp::Window::headed;
  return has_window ? Usual::window : Usual::no_window;
}

asio::awaitable<void> Daemon::drained() {
  while (!shall_drain_) co_await drain_notice_.wait(base::Instant::max());
  co_await bridge_->drain();
}

asio::awaitable<void> Daemon::stop() {
  const base::Instant deadline = clock_.now() + limits::stops;
  remove_daemon_file(settings_.bridge.state, bridge_->store().incarnation());
  bridge_->begin_stop();
  if (events_) events_->close();
  if (server_) co_await server_->stop(limits::http_stops);
  co_await bridge_->stop_by(deadline);
}

std::vector<http::NotReady> Daemon::not_ready() {
  std::vector<http::NotReady> reasons;
  if (const auto failure = bridge_->store().failure()) {
    reasons.push_back({"store_failed", failure->message});
  }
  if (bridge_->store().is_short_of_space()) {
    reasons.push_back({"disk_full", "the disk of the store is full: make room"});
  }
  const chat::SessionView session = bridge_->account().session().account();
  if (chat::is_of_account(session.state)) {
    reasons.push_back({std::string(chat::name(session.state)), session.advice});
  }
  add_closures(reasons, bridge_->closures());
  for (const auto& [what, error] : bridge_->troubles()) {
    reasons.push_back({what == checkpoint_trouble ? "checkpoint_failed" : "upkeep_failed",
                       fmt::format("{}: {}", what, error.message), true});
  }
  return reasons;
}

}  // namespace app
