#include "tests/sim/lives.h"

#include <algorithm>

#include <fmt/format.h>

namespace sim {

namespace {

// Until it is acknowledged, as a careful agent does.
void hand_in(World& world, int number) {
  const std::string sender = world.happens(300) ? "bob" : "alice";
  const bool has_lanes = world.chats.size() > 1;
  const std::size_t chat = has_lanes ? world.scatter.below(world.chats.size()) : 0;
  std::optional<std::chrono::seconds> deadline;
  if (world.happens(world.chances.deadlines)) {
    deadline = std::chrono::duration_cast<std::chrono::seconds>(5s + world.some(10min));
  }
  for (int tries = 0; tries < 50 && !world.is_accepted(number, sender); ++tries) {
    if (world.happens(world.chances.clock_steps)) {
      const bool is_forward = world.happens(500);
      world.ground.coverage.happened(is_forward ? "the calendar steps forward"
                                                : "the calendar steps back");
      world.clock.step_wall((is_forward ? 1 : -1) * world.some(1h));
    }
    if (world.happens(world.chances.pauses)) world.pause_everything(world.some(1h));
    if (world.happens(world.chances.backups)) world.back_up();
    world.submit(number, sender, deadline, chat);
    if (world.happens(world.chances.duplicate)) {
      world.ground.coverage.happened("a submission comes twice");
      world.submit(number, sender, deadline, chat);
    }
    base::Instant patience = world.clock.now() + 1s + world.some(2min);
    // Lanes meet only where they have something to do at the same time.
    if (has_lanes && world.scatter.below(4) > 0) {
      patience = world.clock.now() + std::chrono::milliseconds(world.scatter.below(3'000));
    }
    world.run([&] { return world.clock.now() >= patience; }, 5min);
    if (!world.watch.violations().empty()) return;
  }
}

}  // namespace

Setting setting_of(std::uint64_t seed) {
  Setting setting;
  Chances& chances = setting.chances;
  chances.crash = seed % 3 == 0 ? 0 : 8;
  chances.crash_waiting = seed % 3 == 1 ? 10 : 0;
  chances.commit_fails = seed % 5 == 0 ? 10 : 0;
  chances.hangs = seed % 13 == 0 ? 10 : 0;
  chances.send_trouble = seed % 2 == 0 ? 250 : 60;
  chances.reply_trouble = seed % 7 == 0 ? 300 : 60;
  chances.clock_steps = 100;
  chances.human_writes = seed % 4 == 0 ? 60 : 0;
  chances.duplicate = 200;
  chances.find_fails = seed % 11 == 0 ? 100 : 0;
  chances.misleads = seed % 17 == 0 ? 100 : 0;
  chances.outages = seed % 10 == 3 ? 100 : 0;
  chances.deadlines = seed % 6 == 0 ? 400 : 0;
  if (seed % 8 == 1) {
    chances.backups = 400;
    chances.restores = 500;
    chances.crash = chances.crash_waiting = 25;
  }
  chances.pauses = seed % 12 == 5 ? 300 : 0;
  chances.has_rival = seed % 13 < 2;
  if (seed % 9 < 3) {
    setting.cap = 2;
    setting.cap_window = 20min;
  }
  // One world in three has lanes; the others are as they would be without.
  base::SeededRandom lanes(~seed ^ 0x9e3779b97f4a7c15);
  if (lanes.below(3) == 0) {
    setting.lanes = 2 + static_cast<int>(lanes.below(3));
    setting.parallel = 1 + static_cast<int>(lanes.below(3));
    setting.has_second_account = lanes.below(4) == 0;
  }
  return setting;
}

std::vector<Violation> live(Ground& ground, std::uint64_t seed, const Setting& setting) {
  World world(ground, seed, setting);
  int count = 1 + static_cast<int>(world.random.below(4));
  if (world.chats.size() > 1) count = std::max(count, 2);
  for (int number = 1; number <= count && world.watch.violations().empty(); ++number) {
    hand_in(world, number);
  }
  // The trouble goes on for a while, then all is well.
  const auto is_settled = [&] { return world.is_settled(); };
  world.run(is_settled, world.some(2h));
  const bool has_rival = world.chances.has_rival;
  world.chances = {.has_rival = has_rival};
  const bool has_ended = world.run(is_settled, 24h);
  if (world.watch.violations().empty() && !has_ended) {
    world.watch.report(Promise::ends, "not everything ended within a quiet day");
  }
  if (world.watch.violations().empty()) world.check_end();
  return world.watch.violations();
}

std::string told(const std::vector<Violation>& violations) {
  std::string all;
  for (const auto& [promise, what] : violations)
    all += fmt::format("{}: {}\n", name(promise), what);
  return all;
}

const std::vector<std::string>& misfortunes() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> named = {"crash before a commit",
                                      "crash after a commit",
                                      "crash in a wait",
                                      "a commit fails",
                                      "the store hangs",
                                      "the conversation cannot be read",
                                      "the network is away",
                                      "a person writes before the click",
                                      "a person writes after a reply",
                                      "the calendar steps forward",
                                      "the calendar steps back",
                                      "a submission comes twice",
                                      "a backup is restored",
                                      "everything is paused",
                                      "what a restore forgot is handed in again",
                                      "lanes of an account have their turns at once"};
    for (int i = 0; i < send_fates_by_chance; ++i) {
      named.push_back(fmt::format("send: {}", name(static_cast<SendFate>(i))));
    }
    for (int i = 0; i < reply_fates_count; ++i) {
      named.push_back(fmt::format("reply: {}", name(static_cast<ReplyFate>(i))));
    }
    return named;
  }();
  return all;
}

}  // namespace sim
