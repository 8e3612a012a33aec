#include "tests/sim/world.h"

#include "bridge/base/json.h"
#include "bridge/services/posts.h"
#include "tests/sim/fake_conversations.h"
#include "tests/sim/mortal_store.h"

#include <algorithm>
#include <array>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace sim {

namespace asio = boost::asio;
using base::Code;

std::string_view name(SendFate fate) {
  static constexpr std::array<std::string_view, send_fates_count> names = {
      "accepted", "answer_lost", "never_arrived", "arrives_late",
      "limited",  "swallowed",   "altered",       "signed_out"};
  return names[static_cast<std::size_t>(fate)];
}

std::string_view name(ReplyFate fate) {
  static constexpr std::array<std::string_view, reply_fates_count> names = {
      "valid", "garbled", "cut_off", "silent", "broken_off", "late"};
  return names[static_cast<std::size_t>(fate)];
}

asio::awaitable<void> never() {
  asio::steady_timer timer(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  co_await timer.async_wait(asio::use_awaitable);
}

// What dies in a crash.
struct World::Life {
  explicit Life(World& world)
      : store(world),
        bells(world.ground.loop.get_executor()),
        engine{store,
               *world.queue,
               world.clock,
               world.timeline,
               bells,
               world,
               fmt::format("life-{}", world.lives)},
        conversations(world),
        exchange(conversations, world.ground.types, world.clock, account, marker_key,
                 {.reply = reply_time, .repairs_max = 2}),
        packets(store, *world.queue, world.journal, world.timeline, bells, world.clock,
                world.ground.types, {.url = url, .senders = {}}),
        tasks(world.ground.loop.get_executor()) {
    handlers[std::string(services::packet_kind)] = [this](engine::Claim claim,
                                                          engine::LaneContext& lane) {
      return exchange.handle(std::move(claim), lane);
    };
    for (auto& runner : runners) runner.emplace(engine, services::lane_of(url), handlers);
  }

  MortalStore store;
  engine::Bells bells;
  engine::Engine engine;
  FakeConversations conversations;
  services::Exchange exchange;
  services::Packets packets;
  std::map<std::string, engine::Handler> handlers;
  std::array<std::optional<engine::Runner>, 2> runners;
  base::Scope tasks;
};

World::World(Ground& given, std::uint64_t seed, Setting setting)
    : ground(given),
      random(seed),
      chances(setting.chances),
      trick(setting.trick),
      watch(clock, journal,
            {setting.cap, setting.cap_window, engine::QueueOptions().lease, reply_time}) {
  queue.emplace(options(setting), queue_random);
  ground.fill({});
  begin_life();
}

World::~World() { end_life(); }

engine::QueueOptions World::options(const Setting& setting) {
  engine::QueueOptions options;
  options.accounts[account] = {
      .caps = {{setting.cap,
                std::chrono::duration_cast<std::chrono::milliseconds>(setting.cap_window)}},
      .pause = 5s};
  options.retries[std::string(services::packet_kind)] = {.failures_max = 50};
  options.ring = [this](const std::string& bell) {
    if (life && trick != Trick::keeps_bells_silent) life->bells.ring(bell);
  };
  options.on_change = [this](store::Tx& tx, const engine::Change& change,
                             const engine::Now& now) -> base::Result<> {
    auto appended = journal.append(tx, services::packet_entry(change), now.wall);
    if (!appended) return std::unexpected(std::move(appended).error());
    tx.after_commit([this, change, now] { watch.committed(change, now); });
    return change.verb == "held" ? check_held(tx, change.job) : base::Result<>();
  };
  return options;
}

void World::begin_life() {
  ++lives;
  ++generation_of_pages;
  life_began = clock.now();
  is_dead_ = false;
  life = std::make_unique<Life>(*this);
  life->tasks.spawn([](World& world) -> asio::awaitable<void> {
    auto& queue = *world.queue;
    for (;;) {
      auto done = co_await world.life->store.write([&](store::Tx& tx) -> base::Result<> {
        TRY_OK(queue.declare_lane(tx, services::lane_of(url), account));
        TRY_OK(
            queue.recover(tx, world.life->engine.holder, world.generation, world.timeline.now()));
        return {};
      });
      if (done) break;
      co_await world.pause(1s);
    }
    auto& runners = world.life->runners;
    if (world.chances.has_rival) world.life->tasks.spawn(runners[1]->run());
    co_await runners[0]->run();
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
    submit(wanted.number, wanted.sender, wanted.deadline);
  }
}

bool World::is_settled() const {
  return watch.is_settled() && std::ranges::all_of(wanted_, [&](const auto& wanted) {
           return is_accepted(wanted.second.number, wanted.second.sender);
         });
}

void World::submit(int number, std::string sender, std::optional<std::chrono::seconds> deadline) {
  wanted_.try_emplace(bead_of(number, sender), Wanted{number, sender, deadline});
  life->tasks.spawn([](World& world, int packet, std::string from,
                       std::optional<std::chrono::seconds> in) -> asio::awaitable<void> {
    const services::Caller caller{.principal = from, .name = from};
    auto given = co_await world.life->packets.submit(
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
  }(*this, number, std::move(sender), deadline));
}

bool World::is_any_runner_busy() const {
  return std::ranges::any_of(life->runners, [](const auto& runner) { return runner->is_busy(); });
}

bool World::is_accepted(int number, const std::string& sender) const {
  return job_of_bead.contains(bead_of(number, sender));
}

base::Result<> World::decide(store::Tx& tx, const engine::Job& held) {
  TRY(const auto children, queue->children(tx, held.id));
  engine::Job about = held;
  for (const auto& child : children) {
    if (child.state == engine::State::held) about = child;
  }
  TRY(const auto post, services::posts::last(tx, about.id.text));
  const bool is_there = post && find(post->prompt.marker) != nullptr;
  const auto verdict = is_there ? engine::Verdict::sent : engine::Verdict::not_sent;
  auto decided = queue->resolve(tx, held.id, verdict, "looked", timeline.now());
  if (decided) return {};
  TRY_OK(queue->resolve(tx, held.id, engine::Verdict::abandon, "odd", timeline.now()));
  return {};
}

void World::help() {
  is_signed_in = true;
  settle_late();
  auto done = ground.write([&](store::Tx& tx) -> base::Result<> {
    TRY(const auto open, tx.query("SELECT 1 FROM accounts WHERE trip IS NOT NULL "
                                  "AND trip_until_et IS NULL"));
    if (!open.empty()) TRY_OK(queue->close_breaker(tx, account));
    // A message that is still on its way would make a liar of the person.
    if (!late.empty() || !watch.is_anything_held()) return {};
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
