#include "tests/sim/world.h"

#include "bridge/base/json.h"
#include "bridge/protocol/marker.h"
#include "bridge/services/posts.h"
#include "tests/sim/life.h"

#include <algorithm>
#include <set>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace sim {

namespace asio = boost::asio;
using base::Code;

asio::awaitable<void> never() {
  asio::steady_timer timer(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  co_await timer.async_wait(asio::use_awaitable);
}

World::World(Ground& given, std::uint64_t seed, Setting setting)
    : ground(given),
      random(seed),
      scatter(~seed),
      chances(setting.chances),
      trick(setting.trick),
      parallel(setting.parallel),
      naming(setting.naming),
      accounts(setting.has_second_account ? 2 : 1),
      watch(clock, journal, lay_out(setting)),
      has_sound_store_(setting.chances.hangs == 0 && setting.chances.commit_fails == 0) {
  queue.emplace(options(setting), queue_random);
  ground.fill({});
  begin_life();
}

// The conversations, and the rules that hold for them.
Rules World::lay_out(const Setting& setting) {
  accounts.front().name = "account";
  if (accounts.size() > 1) accounts.back().name = "second";
  Rules rules{.cap = setting.cap,
              .cap_window = setting.cap_window,
              .pause = setting.pause - 100ms,
              .parallel = setting.parallel,
              .lease = engine::QueueOptions().lease,
              .reply = reply_time,
              .lanes = {}};
  if (setting.chances.hangs > 0) rules.pause = {};
  const int count = setting.lanes + static_cast<int>(accounts.size()) - 1;
  for (int i = 1; i <= count; ++i) {
    Account& account = i <= setting.lanes ? accounts.front() : accounts.back();
    const std::string path = fmt::format("/{}/{}", setting.naming ? "g" : "c", i);
    const std::string url = "https://chat.example" + path;
    chats.push_back({.url = url, .path = path, .lane = services::lane_of(url), .account = account});
    rules.lanes.emplace(chats.back().lane, account.name);
  }
  return rules;
}

World::~World() { end_life(); }

std::string World::declared_account(const Chat& chat) const {
  return trick == Trick::counts_per_lane ? chat.lane.text : chat.account.name;
}

engine::QueueOptions World::options(const Setting& setting) {
  engine::QueueOptions options;
  const engine::AccountLimits limits{
      .caps = {{setting.cap,
                std::chrono::duration_cast<std::chrono::milliseconds>(setting.cap_window)}},
      .pause = setting.pause,
      .parallel_max =
          trick == Trick::ignores_parallel ? static_cast<int>(chats.size()) : setting.parallel};
  for (const auto& chat : chats) options.accounts[declared_account(chat)] = limits;
  options.retries[std::string(services::packet_kind)] = {.failures_max = setting.failures_max};
  options.ring = [this](const std::string& bell) {
    const bool is_silent =
        trick == Trick::keeps_bells_silent ||
        (trick == Trick::keeps_account_silent && bell.starts_with(engine::bell_of_account("")));
    if (life && !is_silent) life->bells.ring(bell);
  };
  options.on_change = [this](store::Tx& tx, const engine::Change& change,
                             const engine::Now& now) -> base::Result<> {
    auto appended = journal.append(tx, services::packet_entry(change), now.wall);
    if (!appended) return std::unexpected(std::move(appended).error());
    tx.after_commit([this, change, now] {
      check_given_up(change);
      watch.committed(change, now);
    });
    return change.verb == "held" ? check_held(tx, change.job) : base::Result<>();
  };
  return options;
}

void World::begin_life() {
  ++lives;
  for (auto& chat : chats) {
    ++chat.generation_of_pages;
    chat.posted.clear();
  }
  life_began = clock.now();
  is_dead_ = false;
  life = std::make_unique<Life>(*this);
  life->tasks.spawn([](World& world) -> asio::awaitable<void> {
    auto& queue = *world.queue;
    for (;;) {
      auto done = co_await world.life->store.write([&](store::Tx& tx) -> base::Result<> {
        for (const auto& chat : world.chats) {
          TRY_OK(queue.declare_lane(tx, chat.lane, world.declared_account(chat), chat.url));
        }
        TRY_OK(
            queue.recover(tx, world.life->engine.holder, world.generation, world.timeline.now()));
        return {};
      });
      if (done) break;
      co_await world.pause(1s);
    }
    auto& lanes = world.life->lanes;
    auto& tasks = world.life->tasks;
    for (std::size_t i = 1; i < lanes.size(); ++i) tasks.spawn(lanes[i].runner.run());
    if (world.chances.has_rival) tasks.spawn(lanes[0].rival.run());
    co_await lanes[0].runner.run();
  }(*this));
}

void World::end_life() {
  if (!life) return;
  is_dead_ = true;
  bool has_ended = false;
  asio::co_spawn(ground.loop, life->tasks.join(), [&](const std::exception_ptr& error) {
    BRIDGE_ASSERT(!error);
    has_ended = true;
  });
  while (!has_ended) {
    ground.loop.restart();
    BRIDGE_ASSERT(ground.loop.poll() > 0);
  }
  life.reset();
  watch.process_died();
}

base::Result<> World::at(std::string_view point) {
  if (is_dead_) return base::fail(Code::internal, "the world has ended");
  ground.coverage.passed(point);
  if (!happens(chances.crash)) return {};
  ground.coverage.happened(fmt::format("crash at {}", point));
  die();
  return base::fail(Code::internal, "the world ends");
}

asio::awaitable<void> World::pause(base::Instant::duration time) {
  co_await clock.sleep_until(clock.now() + time);
  if (is_dead_) co_await never();
}

asio::awaitable<void> World::step() {
  co_await asio::post(asio::use_awaitable);
  if (is_dead_) co_await never();
}

asio::awaitable<void> World::wait(base::Instant::duration time) {
  co_await pause(time);
  if (!happens(chances.crash_waiting)) co_return;
  ground.coverage.happened("crash in a wait");
  die();
  co_await never();
}

bool World::run(const std::function<bool()>& until, base::Instant::duration limit) {
  const base::Instant end = clock.now() + limit;
  for (;;) {
    if (!watch.violations().empty()) return false;
    if (is_dead_) {
      end_life();
      clock.advance_to(clock.now() + some(2min));
      if (backup_ && happens(chances.restores)) restore();
      begin_life();
      hand_in_again();
    }
    if (until()) return true;
    if (clock.now() >= end) return false;
    const bool goes_on = test::run_virtually(
        ground.loop, clock, [&] { return is_dead_ || !watch.violations().empty(); },
        [] { return true; }, std::min<base::Instant::duration>(end - clock.now(), 5min));
    if (goes_on || is_dead_) continue;
    // Nobody has anything to do for a while: a person looks after things.
    help();
    hand_in_again();
    clock.advance_to(std::min(end, clock.now() + 1min));
  }
}

void World::restore() {
  ground.coverage.happened("a backup is restored");
  ground.fill(*backup_);
  ++generation;
  if (chances.loses_key) {
    key = "another key";
    const auto taken = ground.write(
        [&](store::Tx& tx) { return services::marker_keys::replace(tx, key, clock.wall()); });
    BRIDGE_ASSERT(taken);
  }
  const auto learned = ground.read([&](store::Tx& tx) { return watch.restored(tx, *queue); });
  BRIDGE_ASSERT(learned);
  // What was handed in later is forgotten; its agents hand it in again.
  for (const auto& [job, bead] : acknowledged) {
    if (!watch.jobs().contains(job)) wanted_.at(bead).was_forgotten = true;
  }
  std::erase_if(acknowledged,
                [&](const auto& known) { return !watch.jobs().contains(known.first); });
  std::erase_if(job_of_bead,
                [&](const auto& known) { return !watch.jobs().contains(known.second); });
}

void World::hand_in_again() {
  for (auto& [bead, wanted] : std::map(wanted_)) {
    if (is_accepted(wanted.number, wanted.sender)) continue;
    if (wanted.was_forgotten) ground.coverage.happened("what a restore forgot is handed in again");
    submit(wanted.number, wanted.sender, wanted.deadline, wanted.chat);
  }
}

bool World::is_settled() const {
  return watch.is_settled() && std::ranges::all_of(wanted_, [&](const auto& wanted) {
           return is_accepted(wanted.second.number, wanted.second.sender);
         });
}

void World::submit(int number, std::string sender, std::optional<std::chrono::seconds> deadline,
                   std::size_t chat) {
  const auto [wanted, is_new] =
      wanted_.try_emplace(bead_of(number, sender), Wanted{number, sender, deadline, chat});
  chat = wanted->second.chat;
  life->tasks.spawn([](World& world, int packet, std::string from,
                       std::optional<std::chrono::seconds> in,
                       std::size_t at) -> asio::awaitable<void> {
    const services::Caller caller{.principal = from, .name = from};
    auto given = co_await world.life->lanes[at].packets.submit(
        caller, packet_of(packet, from, world.clock.wall()), {.deadline = in});
    if (!given) co_return;
    const std::string bead = bead_of(packet, from);
    const auto known = world.job_of_bead.find(bead);
    if (known != world.job_of_bead.end() && known->second != given->id.text) {
      world.watch.report(Promise::accepted_once, "the same packet was accepted as two jobs");
    }
    if (!world.watch.jobs().contains(given->id.text)) {
      world.watch.report(Promise::kept, "what was acknowledged is not there");
    }
    world.job_of_bead[bead] = given->id.text;
    world.acknowledged[given->id.text] = bead;
  }(*this, number, std::move(sender), deadline, chat));
}

bool World::is_any_runner_busy() const {
  return std::ranges::any_of(
      life->lanes, [](const auto& lane) { return lane.runner.is_busy() || lane.rival.is_busy(); });
}

bool World::is_accepted(int number, const std::string& sender) const {
  return job_of_bead.contains(bead_of(number, sender));
}

// Whoever knows no marker looks for the text; but the bridge would not find its answer.
engine::Verdict World::verdict_on(const std::string& marker, const engine::Job& held) const {
  if (find(marker) != nullptr) return engine::Verdict::sent;
  const bool is_there = key != marker_key && std::ranges::any_of(chats, [&](const Chat& chat) {
                          return std::ranges::any_of(chat.transcript, [&](const Message& message) {
                            return message.about == held.subject;
                          });
                        });
  return is_there ? engine::Verdict::abandon : engine::Verdict::not_sent;
}

base::Result<> World::decide(store::Tx& tx, const engine::Job& held) {
  TRY(const auto children, queue->children(tx, held.id));
  engine::Job about = held;
  for (const auto& child : children) {
    if (child.state == engine::State::held) about = child;
  }
  TRY(const auto post, services::posts::last(tx, about.id.text));
  const bool is_unsent = about.stage < engine::Stage::armed && !about.is_doubtful;
  if (naming && held.stage == engine::Stage::replied && is_unsent) {
    // Nothing is in doubt but where the question is.
    ground.coverage.happened("a person has a chat looked for once more");
    auto decided = queue->resolve(tx, held.id, engine::Verdict::sent, "looked", timeline.now());
    return decided ? base::Result<>() : std::unexpected(std::move(decided).error());
  }
  const bool is_known = services::posts::is_of_this_start(about, post);
  // As `packet show` has it.
  const auto number = services::posts::next_number(post);
  const std::string marker =
      is_known ? post->prompt.marker
               : protocol::job_marker(services::posts::id_for(key, held, number), key);
  const auto verdict = verdict_on(marker, held);
  if (verdict == engine::Verdict::sent && about.stage < engine::Stage::armed) {
    ground.coverage.happened("a person calls sent what the store never armed");
  }
  auto decided = queue->resolve(tx, held.id, verdict, "looked", timeline.now());
  if (decided) return {};
  TRY_OK(queue->resolve(tx, held.id, engine::Verdict::abandon, "odd", timeline.now()));
  return {};
}

void World::ask_anew(const std::string& bead) {
  ++asked_anew_[bead];
  const auto done = ground.write(
      [&](store::Tx& tx) { return queue->retry(tx, {job_of_bead.at(bead)}, timeline.now()); });
  BRIDGE_ASSERT(done);
}

void World::may_lose_network() {
  if (is_offline() || !happens(chances.outages)) return;
  ground.coverage.happened("the network is away");
  lose_network(some(5 * reply_time));
}

bool World::is_anything_late() const {
  return std::ranges::any_of(chats, [](const Chat& chat) { return !chat.late.empty(); });
}

// What a check sees that loads every page of the account anew.
services::Sights World::sights_of(const Account& account) const {
  services::Sights sights{
      .account = {.state = chat::State::ready, .can_send = true}, .pages = {}, .at = clock.now()};
  sights.account.began = account.signed_in_at;
  for (const auto& chat : chats) {
    if (&chat.account != &account) continue;
    sights.pages.push_back({.state = chat::State::ready,
                            .can_send = true,
                            .conversation = chat.url,
                            .looked = clock.now(),
                            .loaded = clock.now()});
  }
  return sights;
}

base::Result<> World::follow_sights(store::Tx& tx) {
  for (const auto& chat : chats) {
    for (const auto& name : std::set{chat.account.name, declared_account(chat)}) {
      TRY_OK(services::follow_sights(tx, *queue, {.name = name, .cooldown = 15min},
                                     sights_of(chat.account), timeline.now()));
    }
  }
  return {};
}

void World::pause_everything(base::Instant::duration time) {
  const auto paused =
      ground.write([&](store::Tx& tx) { return queue->pause_everything(tx, "a person"); });
  BRIDGE_ASSERT(paused);
  watch.everything_is(Activity::paused);
  paused_until_ = clock.now() + time;
  ground.coverage.happened("everything is paused");
}

void World::resume_everything() {
  watch.everything_is(Activity::going_on);
  const auto resumed = ground.write([&](store::Tx& tx) { return queue->resume_everything(tx); });
  BRIDGE_ASSERT(resumed);
}

void World::help() {
  const bool goes_on = chances.pauses == 0 || clock.now() >= paused_until_;
  if (watch.is_everything_paused() && goes_on) resume_everything();
  for (auto& account : accounts) {
    if (!std::exchange(account.is_signed_in, true)) account.signed_in_at = clock.now();
  }
  for (auto& chat : chats) {
    chat.asks = false;
    settle_late(chat);
  }
  auto done = ground.write([&](store::Tx& tx) -> base::Result<> {
    TRY_OK(follow_sights(tx));
    // A message that is still on its way would make a liar of the person.
    if (is_anything_late() || !watch.is_anything_held()) return {};
    TRY(const auto held, queue->list(tx, {.state = engine::State::held}, {}, 50));
    for (const auto& job : held.jobs) TRY_OK(decide(tx, job));
    return {};
  });
  BRIDGE_ASSERT(done);
  look(clock.now());
}

void World::look(base::Instant asked) {
  const auto looked = ground.read([&](store::Tx& tx) { return watch.look(tx, asked); });
  BRIDGE_ASSERT(looked);
}

}  // namespace sim
