#include "tests/sim/world.h"

#include "bridge/base/json.h"
#include "bridge/engine/schema.h"
#include "bridge/protocol/marker.h"
#include "bridge/services/posts.h"
#include "tests/sim/fake_conversations.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace sim {

namespace asio = boost::asio;
namespace json = boost::json;
using base::Code;

namespace {

const std::string marker_key = "key of the simulation";

std::string file(const std::string& name) {
  std::ifstream in(std::string(SOURCE_DIR) + "/fixtures/packets/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

const protocol::MessageTypes& types() {
  static const auto all = protocol::MessageTypes::built_in();
  return all;
}

std::vector<store::Migration> migrations() {
  std::vector<store::Migration> all;
  for (const auto part :
       {engine::migrations(), services::post_migrations(), services::packet_migrations()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

asio::awaitable<void> never() {
  asio::steady_timer timer(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  co_await timer.async_wait(asio::use_awaitable);
}

// The store as one life sees it: it may fail, the life may end around a commit, and to the dead it
// never answers.
class MortalStore final : public store::Store {
 public:
  explicit MortalStore(World& world) : world_(world) {}
  std::int64_t generation() const override { return world_.store->generation(); }
  const std::string& incarnation() const override { return world_.store->incarnation(); }
  bool is_short_of_space() const override { return false; }

 protected:
  base::Task<> submit(bool writes, Work work) override {
    co_await world_.pause(0ms);
    if (writes && world_.happens(world_.chances.crash)) co_await end();
    if (writes && world_.happens(world_.chances.commit_fails)) {
      co_return base::fail(Code::unavailable, "commit: no space", "full");
    }
    base::Result<> done;
    if (writes) {
      done = co_await world_.store->write([&](store::Tx& tx) { return work(tx); });
    } else {
      done = co_await world_.store->read([&](store::Tx& tx) { return work(tx); });
    }
    if (writes && world_.happens(world_.chances.crash)) co_await end();
    co_return done;
  }

 private:
  asio::awaitable<void> end() {
    world_.die();
    co_await never();
  }
  World& world_;
};

}  // namespace

// What dies in a crash.
struct World::Life {
  explicit Life(World& world)
      : store(world),
        bells(world.loop.get_executor()),
        engine{store,
               *world.queue,
               world.clock,
               world.timeline,
               bells,
               world,
               fmt::format("life-{}", world.lives)},
        conversations(world),
        exchange(conversations, types(), world.clock, account, marker_key,
                 {.reply = 20min, .repairs_max = 2}),
        packets(store, *world.queue, world.journal, world.timeline, bells, world.clock, types(),
                {.url = url, .senders = {}}),
        tasks(world.loop.get_executor()) {
    handlers[std::string(services::packet_kind)] = [this](engine::Claim claim,
                                                          engine::LaneContext& lane) {
      return exchange.handle(std::move(claim), lane);
    };
    runner = std::make_unique<engine::Runner>(engine, services::lane_of(url), handlers);
  }

  MortalStore store;
  engine::Bells bells;
  engine::Engine engine;
  FakeConversations conversations;
  services::Exchange exchange;
  services::Packets packets;
  std::map<std::string, engine::Handler> handlers;
  std::unique_ptr<engine::Runner> runner;
  base::Scope tasks;
};

World::World(std::uint64_t seed, Chances given) : random(seed), chances(given) {
  auto opened = store::SqliteStore::open({.path = ":memory:"}, loop.get_executor(), migrations());
  BRIDGE_ASSERT(opened);
  store = *std::move(opened);
  options.accounts[account] = {
      .caps = {{cap, std::chrono::duration_cast<std::chrono::milliseconds>(cap_window)}},
      .pause = 5s};
  options.retries[std::string(services::packet_kind)] = {.failures_max = 50};
  options.ring = [this](const std::string& bell) {
    if (life) life->bells.ring(bell);
  };
  options.on_change = [this](store::Tx& tx, const engine::Change& change,
                             const engine::Now& now) -> base::Result<> {
    auto appended = journal.append(tx, services::packet_entry(change), now.wall);
    if (!appended) return std::unexpected(std::move(appended).error());
    if (change.verb == "held") check_held(change.job);
    return {};
  };
  queue.emplace(options, queue_random);
  begin_life();
}

World::~World() { end_life(); }

void World::begin_life() {
  ++lives;
  ++generation_of_pages;
  is_dead_ = false;
  life = std::make_unique<Life>(*this);
  life->tasks.spawn([](World& world) -> asio::awaitable<void> {
    auto& queue = *world.queue;
    for (;;) {
      auto done = co_await world.life->store.write([&](store::Tx& tx) -> base::Result<> {
        TRY_OK(queue.declare_lane(tx, services::lane_of(url), account));
        TRY_OK(queue.recover(tx, world.life->engine.holder, world.store->generation(),
                             world.timeline.now()));
        return {};
      });
      if (done) break;
      co_await world.pause(1s);
    }
    co_await world.life->runner->run();
  }(*this));
}

void World::end_life() {
  if (!life) return;
  is_dead_ = true;
  bool has_ended = false;
  asio::co_spawn(loop, life->tasks.join(), [&](const std::exception_ptr& error) {
    BRIDGE_ASSERT(!error);
    has_ended = true;
  });
  while (!has_ended) {
    loop.restart();
    BRIDGE_ASSERT(loop.poll() > 0);
  }
  life.reset();
}

base::Result<> World::at(std::string_view) {
  if (happens(chances.crash)) die();
  if (!is_dead_) return {};
  return base::fail(Code::internal, "the world has ended");
}

asio::awaitable<void> World::pause(base::Instant::duration time) {
  co_await clock.sleep_until(clock.now() + time);
  if (is_dead_) co_await never();
}

bool World::run(const std::function<bool()>& until, base::Instant::duration limit) {
  const base::Instant end = clock.now() + limit;
  for (;;) {
    if (is_dead_) {
      end_life();
      clock.advance_to(clock.now() + some(2min));
      begin_life();
    }
    if (until()) return true;
    if (clock.now() >= end) return false;
    const bool goes_on = test::run_virtually(
        loop, clock, [&] { return is_dead_ || !violations.empty(); }, [] { return true; },
        std::min<base::Instant::duration>(end - clock.now(), 1min));
    if (!violations.empty()) return false;
    if (!goes_on && !is_dead_) {
      // Nobody has anything to do within the minute: a person looks after things.
      help();
      clock.advance_to(clock.now() + 1min);
    }
  }
}

void World::submit(int number, std::string sender) {
  life->tasks.spawn([](World& world, int packet, std::string from) -> asio::awaitable<void> {
    const services::Caller caller{.principal = from, .name = from};
    auto given = co_await world.life->packets.submit(caller, packet_of(packet, from), {});
    if (!given) co_return;
    const std::string bead = bead_of(packet, from);
    const auto known = world.job_of_bead.find(bead);
    if (known != world.job_of_bead.end() && known->second != given->id.text) {
      world.violate("the same packet was accepted as two jobs");
    }
    world.job_of_bead[bead] = given->id.text;
    world.acknowledged[given->id.text] = bead;
    world.sender_of[given->id.text] = from;
    auto job =
        co_await world.store->read([&](store::Tx& tx) { return world.queue->get(tx, given->id); });
    if (job) world.sequence_of[given->id.text] = job->sequence;
  }(*this, number, std::move(sender)));
}

namespace {

// Runs a transaction of a person, at once.
template <class Work>
auto at_once(World& world, Work work) {
  using R = std::invoke_result_t<Work&, store::Tx&>;
  std::optional<R> result;
  asio::io_context own;
  asio::co_spawn(own, world.store->write(std::move(work)), [&](std::exception_ptr error, R given) {
    BRIDGE_ASSERT(!error);
    result.emplace(std::move(given));
  });
  own.run();
  return *std::move(result);
}

}  // namespace

void World::help() {
  is_signed_in = true;
  settle_late();
  const auto now = timeline.now();
  auto done = at_once(*this, [&](store::Tx& tx) -> base::Result<> {
    TRY(const auto lanes, queue->lanes(tx, now));
    for (const auto& lane : lanes) {
      const bool by_evidence = lane.breaker.trip && !lane.breaker.until;
      if (by_evidence) TRY_OK(queue->close_breaker(tx, account));
    }
    TRY(const auto held, queue->list(tx, {.state = engine::State::held}, {}, 50));
    for (const auto& job : held.jobs) {
      // A message that is still on its way would make a liar of the person.
      if (!late.empty()) continue;
      TRY(const auto children, queue->children(tx, job.id));
      engine::Job about = job;
      for (const auto& child : children) {
        if (child.state == engine::State::held) about = child;
      }
      TRY(const auto post, services::posts::last(tx, about.id.text));
      const bool is_there = post && find(post->prompt.marker) != nullptr;
      auto verdict = is_there ? engine::Verdict::sent : engine::Verdict::not_sent;
      auto decided = queue->resolve(tx, job.id, verdict, "looked", now);
      if (!decided) TRY_OK(queue->resolve(tx, job.id, engine::Verdict::abandon, "odd", now));
      if (!is_there) told_not_sent.insert(about.id.text);
    }
    return {};
  });
  if (!done) violate("a person could not help: " + done.error().message);
}

bool World::is_settled() {
  const auto counts = at_once(*this, [&](store::Tx& tx) { return queue->counts(tx); });
  if (!counts) return false;
  int left = 0;
  for (const auto& [state, count] : *counts) left += count;
  return left == 0;
}

SendFate World::next_send_fate() {
  if (!send_fates.empty()) {
    const SendFate fate = send_fates.front();
    send_fates.pop_front();
    return fate;
  }
  if (!happens(chances.send_trouble)) return SendFate::accepted;
  return static_cast<SendFate>(1 + random.below(7));
}

ReplyFate World::next_reply_fate() {
  if (!reply_fates.empty()) {
    const ReplyFate fate = reply_fates.front();
    reply_fates.pop_front();
    return fate;
  }
  if (!happens(chances.reply_trouble)) return ReplyFate::valid;
  return static_cast<ReplyFate>(1 + random.below(4));
}

std::string World::last_turn() const { return transcript.empty() ? "" : transcript.back().id; }

const Message* World::find(const std::string& marker) {
  for (const auto& message : transcript) {
    if (!message.marker.empty() && message.marker == marker) return &message;
  }
  return nullptr;
}

void World::deliver(Message message) {
  if (find(message.marker)) violate("a marker is in the transcript twice: " + message.marker);
  message.id = fmt::format("turn-{}", transcript.size() + 1);
  message.at = clock.now();
  if (!message.marker.empty()) {
    message.fate = next_reply_fate();
    message.reply_at =
        message.fate == ReplyFate::silent ? base::Instant::max() : clock.now() + 500ms + some(20s);
    const auto job = protocol::match_marker(message.marker, marker_key);
    // A repair's own job is not known here; its packet's bead is the last one asked for.
    std::string bead = "bd-none";
    if (job && acknowledged.contains(*job)) {
      bead = acknowledged[*job];
    } else if (!transcript.empty()) {
      for (const auto& earlier : transcript) {
        const auto known = protocol::match_marker(earlier.marker, marker_key);
        if (known && acknowledged.contains(*known)) bead = acknowledged[*known];
      }
    }
    message.reply = reply_to(bead, message.end_marker);
    if (message.fate == ReplyFate::garbled) message.reply = "I would rather not say.";
    if (message.fate == ReplyFate::cut_off) message.reply.resize(message.reply.size() / 2);
  }
  transcript.push_back(std::move(message));
}

void World::settle_late() {
  std::ranges::sort(late, {}, &Message::at);
  while (!late.empty() && late.front().at <= clock.now()) {
    Message message = std::move(late.front());
    late.erase(late.begin());
    deliver(std::move(message));
  }
}

// The promises that a click can break.
void World::check_click(const chat::Prompt& prompt) {
  const base::Instant now = clock.now();
  if (now < limited_until) violate("a click while the provider refuses");
  click_times.push_back(now);
  const auto recent =
      std::ranges::count_if(click_times, [&](base::Instant at) { return at > now - cap_window; });
  if (recent > cap) violate(fmt::format("{} clicks within the window of {}", recent, cap));
  const auto job = protocol::match_marker(prompt.marker, marker_key);
  if (!job || !acknowledged.contains(*job)) return;
  if (find(prompt.marker)) violate("a click for a message that is there");
  if (!clicked.insert(*job).second) return;
  // In turn: everything the sender handed in before has been clicked or has ended.
  for (const auto& [other, order] : sequence_of) {
    if (sender_of[other] != sender_of[*job] || order >= sequence_of[*job]) continue;
    if (clicked.contains(other)) continue;
    const auto state = at_once(*this, [&](store::Tx& tx) -> base::Result<engine::State> {
      TRY(const auto found, queue->get(tx, {other}));
      return found.state;
    });
    if (state && *state == engine::State::queued) violate("a sender's packets went out of turn");
  }
}

// Held only where the truth cannot be seen: the message is not there, and something else is.
void World::check_held(const engine::Job& job) {
  if (!job.error || job.error->code != "unknown_outcome") return;
  if (chances.find_fails > 0 || !late.empty()) return;
  const bool has_human = std::ranges::any_of(
      transcript, [](const Message& message) { return message.marker.empty(); });
  if (!has_human) violate("held although the transcript tells: " + job.error->detail);
}

void World::violate(std::string what) { violations.push_back(std::move(what)); }

void World::check_end() {
  settle_late();
  std::map<std::string, int> times;
  for (const auto& message : transcript) {
    if (!message.marker.empty() && ++times[message.marker] > 1) violate("sent twice");
  }
  auto seen = at_once(*this, [&](store::Tx& tx) -> base::Result<> {
    for (const auto& [id, bead] : acknowledged) {
      TRY(const auto job, queue->get(tx, {id}));
      if (!engine::is_final(job.state)) violate(id + " has not ended");
      if (job.state != engine::State::done) continue;
      const auto* result = job.result ? job.result->if_object() : nullptr;
      const auto* response = result ? result->if_contains("response") : nullptr;
      if (response == nullptr || response->at("bead_id") != json::value(bead)) {
        violate(id + " is done with the reply to another question");
      }
      const std::string marker = protocol::job_marker(id, marker_key);
      const bool may_have_another = told_not_sent.contains(id);
      if (!find(marker) && !may_have_another) violate(id + " is done but was never sent");
    }
    engine::Verification progress;
    while (!progress.is_finished && !progress.broken) {
      TRY_OK(journal.verify(tx, progress, "", 500));
    }
    if (!progress.is_good()) violate("the journal is broken: " + progress.why);
    return {};
  });
  if (!seen) violate("the end cannot be checked: " + seen.error().message);
}

std::string bead_of(int number, const std::string& sender) {
  return fmt::format("bd-{}-{}", sender, number);
}

json::value packet_of(int number, const std::string& sender) {
  static const json::value example = *base::parse_json(file("spec-lock.json"));
  json::value packet = example;
  packet.as_object()["bead_id"] = bead_of(number, sender);
  packet.as_object()["sender"] = sender;
  packet.as_object().erase("idempotency_key");
  return packet;
}

std::string reply_to(const std::string& bead, const std::string& end_marker) {
  static const json::value example = *base::parse_json(file("replies/spec-lock.json"));
  json::value reply = example;
  reply.as_object()["bead_id"] = bead;
  return fmt::format("```json\n{}\n```\n{}\n", json::serialize(reply), end_marker);
}

}  // namespace sim
