#include "bridge/app/bridge.h"

#include "bridge/app/marker_key.h"
#include "bridge/app/project.h"
#include "bridge/base/hash.h"
#include "bridge/base/limits.h"
#include "bridge/chat/profile.h"
#include "bridge/engine/job_entry.h"
#include "bridge/engine/schema.h"
#include "bridge/services/actions/rules.h"
#include "bridge/services/agents/fleets.h"
#include "bridge/services/agents/rules.h"
#include "bridge/services/events/deliveries.h"
#include "bridge/services/events/subscription_rows.h"
#include "bridge/services/keys.h"
#include "bridge/services/memory/memory.h"
#include "bridge/services/messages/rules.h"
#include "bridge/services/posts.h"
#include "bridge/services/schedules.h"
#include "bridge/services/workflows/workflow_rows.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace app {

namespace asio = boost::asio;
using base::Code;
using base::Result;

namespace {

// What the session's state means for sending, or nothing.
std::optional<engine::Trip> trip_of(chat::State state) {
  using chat::State;
  switch (state) {
    case State::challenge:
      return engine::Trip::challenge;
    case State::account_security:
    case State::login_required:
    case State::session_expired:
      return engine::Trip::login_required;
    case State::rate_limited:
      return engine::Trip::rate_limited;
    case State::usage_cap:
      return engine::Trip::usage_cap;
    case State::unknown_dialog:
    case State::work_gate:
    case State::tool_approval:
    case State::unknown_ui:
      return engine::Trip::blocked;
    default:
      return std::nullopt;
  }
}

bool passes_by_time(engine::Trip trip) {
  return trip == engine::Trip::rate_limited || trip == engine::Trip::usage_cap;
}

}  // namespace

std::vector<store::Migration> bridge_migrations() {
  std::vector<store::Migration> all;
  for (const auto part :
       {engine::migrations(), services::post_migrations(), services::packet_migrations(),
        services::key_migrations(), services::schedule_migrations(), services::agents::migrations(),
        services::messages::migrations(), services::actions::migrations(),
        services::workflow_migrations(), services::memory::migrations(), events::migrations()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

BridgeSettings bridge_settings(const Config& config, const BridgeOptions& options) {
  const BrowserSettings browser = browser_settings(config, options);
  BridgeSettings settings;
  settings.state = config.state;
  settings.store = config.store;
  settings.account = "chatgpt:" + config.mcp_server;
  settings.writer = config.writer_agent;
  settings.packets = {.url = config.crt_url, .senders = config.senders};
  settings.exchange = {.reply = config.timeouts.reply,
                       .repairs_max = config.limits.repairs,
                       .cooldown = config.limits.cooldown};
  settings.limits = {.caps = {{config.limits.sends_per_window, config.limits.window}},
                     .pause = config.limits.pause,
                     .pause_jitter = config.limits.pause / 2,
                     .parallel_max = config.limits.parallel};
  settings.queue_max = config.limits.queue;
  settings.chrome = {.launch = browser.launch,
                     .attach_url = browser.attach_url,
                     .tabs_file = config.state / "tabs.json",
                     .chat = browser.chat};
  settings.page_profiles = browser.page_profiles;
  settings.browser.care.home_url = config.crt_url;
  settings.browser.window = browser.launch.window;
  // One more than can be in use, for whoever looks at another page.
  settings.browser.tabs_max =
      std::max(settings.browser.tabs_max, static_cast<std::size_t>(config.limits.parallel) + 1);
  settings.message_types = own_schemas();
  return settings;
}

Result<std::unique_ptr<Bridge>> Bridge::open(asio::any_io_executor executor, base::Clock& clock,
                                             base::Faults& faults, BridgeSettings settings) {
  std::unique_ptr<Bridge> bridge(new Bridge(executor, clock, faults, std::move(settings)));
  TRY_OK(bridge->prepare());
  return bridge;
}

Bridge::Bridge(asio::any_io_executor executor, base::Clock& clock, base::Faults& faults,
               BridgeSettings settings)
    : executor_(executor),
      clock_(clock),
      faults_(faults),
      settings_(std::move(settings)),
      timeline_(clock, engine::system_boot_id()),
      bells_(executor),
      tail_(executor),
      journal_(&tail_),
      store_notice_(executor),
      session_notice_(executor),
      tasks_(executor) {}

Bridge::~Bridge() = default;

Result<> Bridge::prepare() {
  TRY(types_, protocol::MessageTypes::load(settings_.message_types));
  TRY(std::string key, marker_key(settings_.state, settings_.store));
  const auto name = "flywheel/" + base::sha256_hex(key).substr(0, 16);
  TRY(const std::string pem, key_file(settings_.state / "audit.key", [&name] {
        return engine::NoteSigner::generate(name).private_key_pem();
      }));
  TRY(signer_, engine::NoteSigner::from_pem(name, pem));
  const auto steps = bridge_migrations();
  TRY(store_, store::SqliteStore::open({.path = settings_.store,
                                        .holder = settings_.holder,
                                        .faults = &faults_,
                                        .died =
                                            [this](const base::Error& error) {
                                              store_failure_ = error;
                                              store_notice_.notify();
                                            }},
                                       executor_, steps));
  build_queue();
  replies_.emplace(*queue_, journal_);
  add_listener([this](store::Tx& tx, const engine::Change& change, const engine::Now& now) {
    return replies_->on_change(tx, change, now);
  });
  TRY_OK(build_browser());
  settings_.packets.marker_key = key;
  exchange_ = std::make_unique<services::Exchange>(
      account_->conversations(), *types_, clock_, settings_.account, std::move(key),
      settings_.exchange,
      [this](services::Afterwards told) { return note_afterwards(std::move(told)); });
  packets_ = std::make_unique<services::Packets>(*store_, *queue_, journal_, timeline_, bells_,
                                                 clock_, *types_, settings_.packets);
  add_kind(std::string(services::packet_kind),
           {.handler =
                [this](engine::Claim claim, engine::LaneContext& lane) {
                  return exchange_->handle(std::move(claim), lane);
                },
            .retries = {.failures_max = limits::packet_failures_max},
            .entry = services::packet_entry});
  entries_[std::string(services::repair_kind)] = services::packet_entry;
  // What the journal tells becomes webhooks, so it is silent about their jobs.
  entries_[std::string(events::webhook_kind)] = nullptr;
  engine::CrewOptions options;
  options.works = [this, own = services::lane_of(settings_.packets.url)](
                      const engine::LaneId& lane) { return works_all_lanes_ || lane == own; };
  options.tell = [this](const engine::LaneNotice& notice) { on_lane(notice); };
  crew_ = std::make_unique<engine::Crew>(executor_, *engine_, handlers_, std::move(options));
  return {};
}

void Bridge::add_kind(std::string kind, JobKind what) {
  BRIDGE_ASSERT(!is_started_);
  queue_->set_retries(kind, what.retries);
  entries_[kind] = std::move(what.entry);
  handlers_[std::move(kind)] = std::move(what.handler);
}

void Bridge::add_questions(std::string kind, services::QuestionKind asked) {
  exchange_->add_kind(kind, std::move(asked));
  auto entry = [kind](const engine::Change& change) { return engine::job_entry(change, kind); };
  add_kind(kind, {.handler = handlers_.at(std::string(services::packet_kind)),
                  .retries = {.failures_max = limits::packet_failures_max},
                  .entry = std::move(entry)});
}

void Bridge::add_listener(ChangeListener listener) {
  BRIDGE_ASSERT(!is_started_);
  listeners_.push_back(std::move(listener));
}

void Bridge::build_queue() {
  engine::QueueOptions options;
  options.accounts[settings_.account] = settings_.limits;
  options.depth_max = settings_.queue_max;
  options.on_change = [this](store::Tx& tx, const engine::Change& change, const engine::Now& now) {
    return on_change(tx, change, now);
  };
  options.ring = [this](const std::string& bell) {
    bells_.ring(bell);
    crew_->rung(bell);
  };
  queue_.emplace(std::move(options), random_);
  engine_.emplace(
      engine::Engine{*store_, *queue_, clock_, timeline_, bells_, faults_, store_->incarnation()});
}

Result<> Bridge::build_browser() {
  TRY(auto profiles, chat::Profiles::load(settings_.page_profiles));
  launcher_ = std::make_unique<chat::ChromeLauncher>(settings_.chrome, std::move(profiles), clock_);
  chat::SessionListener listener;
  listener.on_account = [this](const chat::SessionView& view) {
    session_news_ = view;
    session_notice_.notify();
    on_session(view);
  };
  account_ = std::make_unique<chat::Account>(executor_, *launcher_, clock_, random_,
                                             settings_.browser, std::move(listener));
  return {};
}

// The journal's entry for every change, and the bell for those who wait for the end of a job.
Result<> Bridge::on_change(store::Tx& tx, const engine::Change& change, const engine::Now& now) {
  // A bridge that serves no registry recovers the registry's jobs all the same.
  const auto entry = entries_.find(change.job.kind);
  if (entry == entries_.end()) {
    TRY_OK(journal_.append(tx, engine::job_entry(change, "job"), now.wall));
  } else if (entry->second) {
    TRY_OK(journal_.append(tx, entry->second(change), now.wall));
  }
  for (const auto& listener : listeners_) TRY_OK(listener(tx, change, now));
  const engine::State state = change.job.state;
  if (engine::is_final(state) || state == engine::State::held) {
    tx.after_commit([this, bell = services::bell_of_job(change.job.id)] { bells_.ring(bell); });
  }
  return {};
}

base::Task<> Bridge::recover() {
  const auto now = timeline_.now();
  const auto lane = services::lane_of(settings_.packets.url);
  CO_TRY(
      recovered_,
      co_await store_->write([this, lane, now](store::Tx& tx) -> Result<engine::Queue::Recovered> {
        TRY_OK(services::marker_keys::note(tx, settings_.packets.marker_key));
        TRY_OK(queue_->declare_lane(tx, lane, settings_.account));
        TRY(auto recovered, queue_->recover(tx, engine_->holder, store_->generation(), now));
        base::json::object data{{"requeued", recovered.queued},
                                {"doubtful", recovered.doubtful},
                                {"restored", recovered.is_restored},
                                {"assumed_sends", recovered.assumed_sends},
                                {"version", FLYWHEEL_VERSION}};
        TRY_OK(journal_.append(tx,
                               {.type = "bridge.started",
                                .subject = engine_->holder,
                                .actor = settings_.writer,
                                .data = std::move(data)},
                               now.wall));
        return recovered;
      }));
  co_return base::Result<>();
}

base::Task<> Bridge::start() {
  if (std::exchange(is_started_, true)) co_return base::Result<>();
  CO_TRY_OK(co_await recover());
  CO_TRY_OK(co_await crew_->start());
  tasks_.spawn(follow_session());
  tasks_.spawn(keep_house());
  co_return base::Result<>();
}

asio::awaitable<void> Bridge::drain() {
  crew_->drain();
  co_await crew_->idle(clock_, base::Instant::max());
}

asio::awaitable<void> Bridge::stop() {
  crew_->stop();
  co_await crew_->idle(clock_, clock_.now() + limits::lane_stops);
  co_await crew_->join();
  co_await tasks_.join();
  co_await account_->close();
}

asio::awaitable<base::Error> Bridge::store_died() {
  while (!store_failure_) co_await store_notice_.wait(base::Instant::max());
  co_return *store_failure_;
}

// The queue follows the session: parked while only a person can help, resumed by itself afterwards.
asio::awaitable<void> Bridge::follow_session() {
  for (;;) {
    if (!session_news_) co_await session_notice_.wait(clock_.now() + limits::session_doubt);
    // A breaker that another saw reason to open is looked into as well.
    auto view = session_news_ ? std::exchange(session_news_, std::nullopt)
                              : std::optional(account_->session().account());
    (void)co_await note_session(std::move(*view));
  }
}

base::Task<> Bridge::note_session(chat::SessionView view) {
  const auto now = timeline_.now();
  const auto why = trip_of(view.state);
  const auto age = std::chrono::duration_cast<engine::Milliseconds>(clock_.now() - view.began);
  co_return co_await store_->write([this, view, why, age, now](store::Tx& tx) -> Result<> {
    TRY(const auto time, engine::engine_now(tx, now));
    TRY(const auto lanes, queue_->lanes(tx, now));
    engine::Breaker breaker;
    for (const auto& lane : lanes) {
      if (lane.account == settings_.account) breaker = lane.breaker;
    }
    if (why && breaker.trip != why) {
      std::optional<base::WallTime> until;
      if (passes_by_time(*why)) until = now.wall + settings_.exchange.cooldown;
      TRY_OK(queue_->trip(tx, settings_.account, *why, view.evidence, until, now));
    } else if (view.state == chat::State::ready && breaker.trip && !passes_by_time(*breaker.trip) &&
               breaker.is_older_than(age, time)) {
      TRY_OK(queue_->close_breaker(tx, settings_.account));
    }
    return {};
  });
}

// What a journal needs from time to time.
asio::awaitable<void> Bridge::keep_house() {
  for (;;) {
    const auto now = timeline_.now();
    const auto is_due = co_await store_->write([this, now](store::Tx& tx) -> Result<bool> {
      TRY_OK(queue_->expire(tx, now));
      return journal_.is_checkpoint_due(tx, now.wall);
    });
    if (is_due && *is_due) (void)co_await make_checkpoint(*store_, journal_, *signer_, clock_);
    co_await clock_.sleep_until(clock_.now() + limits::house_pause);
  }
}

asio::awaitable<void> Bridge::note_afterwards(services::Afterwards told) {
  (void)co_await packets_->settled(told.job_id, std::move(told.warnings));
}

}  // namespace app
