#include "bridge/app/bridge.h"

#include "bridge/app/marker_key.h"
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
#include "bridge/services/messages/query_question.h"
#include "bridge/services/messages/rules.h"
#include "bridge/services/posts.h"
#include "bridge/services/schedules.h"
#include "bridge/services/session_changes.h"
#include "bridge/services/workflows/workflow_rows.h"
#include "cdp/children.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace app {

namespace asio = boost::asio;
using base::Code;
using base::Result;

// Later ones ask the tables of those before.
std::vector<store::Migration> bridge_migrations() {
  std::vector<store::Migration> all;
  for (const auto part :
       {engine::migrations(), services::post_migrations(), services::packet_migrations(),
        services::key_migrations(), services::agents::migrations(),
        services::messages::migrations(), services::actions::migrations(),
        services::workflow_migrations(), services::schedule_migrations(),
        services::memory::migrations(), events::migrations()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

std::string account_of(const Config& config) {
  return std::string(account_begins) + config.mcp_server;
}

BridgeSettings bridge_settings(const Config& config, const BridgeOptions& options) {
  const BrowserSettings browser = browser_settings(config, options);
  BridgeSettings settings;
  settings.state = config.state;
  settings.store = config.store;
  settings.account = account_of(config);
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
  settings.message_types = config.message_types;
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
  build_messages();
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
  packets_->add_address(kind, asked.address);
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
  options.breaker_changed = [this] { look_again_soon(); };
  queue_.emplace(std::move(options), random_);
  engine_.emplace(
      engine::Engine{*store_, *queue_, clock_, timeline_, bells_, faults_, store_->incarnation()});
}

// A query may wait in the packets' own lane, so no bridge is without them.
void Bridge::build_messages() {
  messages_ = std::make_unique<services::Messages>(
      services::Messages::Needs{.store = *store_,
                                .queue = *queue_,
                                .journal = journal_,
                                .timeline = timeline_,
                                .bells = bells_,
                                .clock = clock_},
      services::Messages::Settings{.account = settings_.account,
                                   .origin = services::Messages::origin_of(settings_.packets.url)});
  add_questions(std::string(services::messages::query_kind), services::Messages::questions());
  add_listener([this](store::Tx& tx, const engine::Change& change, const engine::Now& now) {
    return messages_->on_change(tx, change, now);
  });
}

Result<> Bridge::build_browser() {
  TRY(auto profiles, chat::Profiles::load(settings_.page_profiles));
  launcher_ = std::make_unique<chat::ChromeLauncher>(settings_.chrome, std::move(profiles), clock_);
  chat::SessionListener listener;
  listener.on_account = [this](const chat::SessionView& view) {
    session_news_ = view;
    look_again_soon();
    on_session(view);
  };
  listener.on_conversation = [this](const chat::SessionView&) { look_again_soon(); };
  listener.on_check = [this] { look_again_soon(); };
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
  const bool has_ended = engine::is_final(state) || state == engine::State::held;
  if (has_ended) {
    tx.after_commit([this, bell = services::bell_of_job(change.job.id)] { bells_.ring(bell); });
  }
  const bool goes_again_later = state == engine::State::queued && change.verb == "retrying";
  if (last_job_ == change.job.id && (has_ended || goes_again_later)) {
    tx.after_commit([this] { begin_stop(); });
  }
  return {};
}

base::Task<> Bridge::recover() {
  if (std::exchange(is_recovered_, true)) co_return base::Result<>();
  const auto now = timeline_.now();
  const auto lane = services::lane_of(settings_.packets.url);
  CO_TRY(
      recovered_,
      co_await store_->write([this, lane, now](store::Tx& tx) -> Result<engine::Queue::Recovered> {
        TRY_OK(services::marker_keys::note(tx, settings_.packets.marker_key));
        TRY(auto recovered, queue_->recover(tx, engine_->holder, store_->generation(), now));
        // Leases of earlier lives are over: a lane may be another account's by now.
        TRY_OK(queue_->declare_lane(tx, lane, settings_.account, settings_.packets.url));
        int moved = 0;
        // There is one browser, and all is asked with whoever is signed in there.
        if (works_all_lanes_) {
          TRY(moved, queue_->move_lanes(tx, account_begins, settings_.account));
        }
        base::json::object data{{"requeued", recovered.queued},
                                {"doubtful", recovered.doubtful},
                                {"restored", recovered.is_restored},
                                {"assumed_sends", recovered.assumed_sends},
                                {"version", FLYWHEEL_VERSION}};
        if (moved > 0) data["moved_lanes"] = moved;
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
  look_again_soon();
  tasks_.spawn(watch_session());
  tasks_.spawn(keep_house());
  co_return base::Result<>();
}

asio::awaitable<void> Bridge::drain() {
  note("follow the session", co_await follow_session());
  if (waits_for_evidence()) {
    (void)co_await account_->session().check();
    note("follow the session", co_await follow_session());
  }
  crew_->drain();
  co_await crew_->idle(clock_, base::Instant::max());
}

// The browser's share of the time is kept for it, however long the lanes take.
asio::awaitable<void> Bridge::stop_by(base::Instant deadline) {
  static_assert(limits::browser_closes + limits::browser_dies < limits::stops);
  const base::Instant killed_at = deadline - limits::browser_dies;
  crew_->stop();
  co_await crew_->idle(clock_, killed_at - limits::browser_closes);
  co_await crew_->join();
  co_await tasks_.join();
  co_await account_->close(killed_at);
}

asio::awaitable<void> Bridge::store_died() {
  while (!store_failure_) co_await store_notice_.wait(base::Instant::max());
}

base::Error Bridge::why_store_died() const {
  return {base::Code::unavailable,
          "the store can be used no more, and whoever opens it next goes on with what it holds: " +
              store_failure_->message,
          "file_failed"};
}

// The queue follows the session: parked while only a person can help, resumed by itself afterwards.
asio::awaitable<void> Bridge::watch_session() {
  for (;;) {
    // What was seen without a change is looked into as well: it may be evidence.
    if (!has_news_) co_await session_notice_.wait(clock_, clock_.now() + limits::session_doubt);
    note("follow the session", co_await follow_session());
    if (waits_for_evidence()) account_->start();
  }
}

void Bridge::look_again_soon() {
  has_news_ = true;
  session_notice_.notify();
}

base::Task<> Bridge::follow_session() {
  has_news_ = false;
  auto& session = account_->session();
  auto news = std::exchange(session_news_, std::nullopt);
  services::Sights sights{.account = news ? *std::move(news) : session.account(),
                          .pages = session.conversations(),
                          .at = clock_.now()};
  const auto now = timeline_.now();
  // That it is as it was told costs nothing.
  const bool is_told = told_session_ == services::told_state(sights.account);
  struct Found {
    std::vector<engine::Shut> shut;
    engine::Milliseconds time{0};
    std::optional<chat::State> told;  // only if it was not as it was told
  };
  CO_TRY(const auto found, co_await store_->write([this, sights = std::move(sights), now,
                                                   is_told](store::Tx& tx) -> Result<Found> {
    const services::WatchedAccount watched{.name = settings_.account,
                                           .cooldown = settings_.exchange.cooldown};
    TRY_OK(services::follow_sights(tx, *queue_, watched, sights, now));
    Found after;
    if (!is_told) {
      TRY(after.told, services::tell_session(tx, journal_,
                                             {sights.account, watched.name, sights.at}, now.wall));
    }
    TRY(after.shut, engine::open_breakers(tx, now));
    std::erase_if(after.shut, [&](const auto& one) { return one.account != watched.name; });
    TRY(after.time, engine::engine_now(tx, now));
    return after;
  }));
  if (found.told) told_session_ = found.told;
  keep_closures(found.shut, found.time);
  co_return base::Result<>();
}

// What is open is remembered for those who cannot wait for the store, and its pages are looked at
// with every check.
void Bridge::keep_closures(const std::vector<engine::Shut>& shut, engine::Milliseconds time) {
  const auto own = services::lane_of(settings_.packets.url);
  std::vector<std::string> doubted;
  closures_.clear();
  for (const auto& one : shut) {
    services::Closure closure{.shut = one, .until = {}, .is_partial = one.lane && *one.lane != own};
    if (const auto until = one.breaker.until) closure.until = clock_.now() + (*until - time);
    closures_.push_back(std::move(closure));
    const bool is_worked = !one.lane || works_all_lanes_ || *one.lane == own;
    if (!is_worked || !services::waits_for_evidence(one)) continue;
    const bool has_page = !one.breaker.url.empty();
    doubted.push_back(has_page ? one.breaker.url : settings_.browser.care.home_url);
  }
  account_->doubt(std::move(doubted));
}

std::vector<services::Closure> Bridge::closures() const {
  std::vector<services::Closure> open = closures_;
  std::erase_if(open, [&](const auto& one) { return one.until && *one.until <= clock_.now(); });
  return open;
}

bool Bridge::waits_for_evidence() const {
  const auto own = services::lane_of(settings_.packets.url);
  return std::ranges::any_of(closures_, [&](const auto& one) {
    const bool is_worked = works_all_lanes_ || !one.shut.lane || *one.shut.lane == own;
    return is_worked && services::waits_for_evidence(one.shut);
  });
}

void Bridge::count_in(base::Metrics& metrics) {
  failures_ = &metrics.counter("flywheel_checkpoint_failures_total",
                               "Checkpoints of the journal that could not be made.");
}

void Bridge::note(std::string_view what, const Result<>& done) {
  const auto known = troubles_.find(what);
  if (done) {
    if (known == troubles_.end()) return;
    troubles_.erase(known);
    on_trouble(what, nullptr);
    return;
  }
  const bool is_new = known == troubles_.end() || known->second.message != done.error().message;
  troubles_.insert_or_assign(std::string(what), done.error());
  if (is_new) on_trouble(what, &done.error());
}

// What a journal and the table of processes need from time to time.
asio::awaitable<void> Bridge::keep_house() {
  for (;;) {
    cdp::reap_orphans();
    note("tidy the queue", co_await tidy());
    co_await clock_.sleep_until(clock_.now() + limits::house_pause);
  }
}

base::Task<> Bridge::tidy() {
  const auto now = timeline_.now();
  CO_TRY(const bool is_due, co_await store_->write([this, now](store::Tx& tx) -> Result<bool> {
    TRY_OK(queue_->expire(tx, now));
    return journal_.is_checkpoint_due(tx, now.wall);
  }));
  if (!is_due) co_return base::Result<>();
  const auto made = co_await make_checkpoint(*store_, journal_, *signer_, clock_);
  if (!made && failures_) failures_->add();
  note(checkpoint_trouble, made ? Result<>() : Result<>(std::unexpected(made.error())));
  co_return base::Result<>();
}

asio::awaitable<void> Bridge::note_afterwards(services::Afterwards told) {
  note("record what followed a packet",
       co_await packets_->settled(told.job_id, std::move(told.warnings)));
}

}  // namespace app
