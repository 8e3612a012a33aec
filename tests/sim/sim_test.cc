// Whole lives of the bridge in virtual time: scripted misfortunes first, then chance.
#include "tests/sim/world.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sim {
namespace {

std::string told(const World& world) {
  std::string all;
  for (const auto& violation : world.violations) all += violation + "\n";
  return all;
}

void expect_kept(World& world, bool has_ended) {
  EXPECT_TRUE(has_ended) << "not everything ended in time";
  if (world.violations.empty()) world.check_end();
  EXPECT_TRUE(world.violations.empty()) << told(world);
}

bool settle(World& world, base::Instant::duration limit = 240h) {
  return world.run([&] { return !world.acknowledged.empty() && world.is_settled(); }, limit);
}

struct Script {
  std::string name;
  std::vector<SendFate> sends;
  std::vector<ReplyFate> replies;
  std::size_t messages;  // in the transcript at the end
};

class Scripted : public testing::TestWithParam<Script> {};

TEST_P(Scripted, OnePacketIsPostedAtMostOnceAndEnds) {
  World world(7);
  world.send_fates.assign(GetParam().sends.begin(), GetParam().sends.end());
  world.reply_fates.assign(GetParam().replies.begin(), GetParam().replies.end());
  world.submit(1, "alice");
  expect_kept(world, settle(world));
  EXPECT_EQ(world.transcript.size(), GetParam().messages);
}

INSTANTIATE_TEST_SUITE_P(
    Sim, Scripted,
    testing::Values(
        Script{"accepted", {}, {}, 1}, Script{"answer_lost", {SendFate::answer_lost}, {}, 1},
        Script{"never_arrived", {SendFate::never_arrived}, {}, 1},
        Script{"arrives_late", {SendFate::arrives_late}, {}, 1},
        Script{"limited", {SendFate::limited}, {}, 1},
        Script{"altered", {SendFate::altered}, {}, 0},
        Script{"signed_out", {SendFate::signed_out}, {}, 1},
        Script{"repaired", {}, {ReplyFate::garbled}, 2},
        Script{
            "never_repaired", {}, {ReplyFate::garbled, ReplyFate::cut_off, ReplyFate::garbled}, 3},
        Script{"silent", {}, {ReplyFate::silent}, 1},
        Script{"broken_off", {}, {ReplyFate::broken_off}, 1},
        Script{
            "repair_lost", {SendFate::accepted, SendFate::answer_lost}, {ReplyFate::garbled}, 2}),
    [](const auto& info) { return info.param.name; });

TEST(Sim, WithoutMisfortuneEverythingEndsSoonAndInTurn) {
  World world(3);
  for (int number = 1; number <= 5; ++number) world.submit(number, "alice");
  expect_kept(world, settle(world, 1h));
  EXPECT_EQ(world.transcript.size(), 5u);
  EXPECT_EQ(world.acknowledged.size(), 5u);
}

Chances chances_of(std::uint64_t seed) {
  Chances chances;
  chances.crash = seed % 3 == 0 ? 0 : 8;
  chances.commit_fails = seed % 5 == 0 ? 10 : 0;
  chances.send_trouble = seed % 2 == 0 ? 250 : 60;
  chances.reply_trouble = seed % 7 == 0 ? 300 : 60;
  chances.clock_steps = 100;
  chances.human_writes = seed % 4 == 0 ? 60 : 0;
  chances.duplicate = 200;
  chances.find_fails = seed % 11 == 0 ? 100 : 0;
  return chances;
}

// A day of a few agents; nothing when every promise was kept.
std::string live(std::uint64_t seed) {
  World world(seed, chances_of(seed));
  const int count = 2 + static_cast<int>(world.random.below(4));
  for (int number = 1; number <= count; ++number) {
    const std::string sender = world.happens(300) ? "bob" : "alice";
    // Until it is acknowledged, as a careful agent does.
    for (int tries = 0; tries < 50 && !world.job_of_bead.contains(bead_of(number, sender));
         ++tries) {
      if (world.happens(world.chances.clock_steps)) {
        world.clock.step_wall((world.happens(500) ? 1 : -1) * world.some(1h));
      }
      world.submit(number, sender);
      if (world.happens(world.chances.duplicate)) world.submit(number, sender);
      const base::Instant patience = world.clock.now() + 1s + world.some(2min);
      world.run([&] { return world.clock.now() >= patience; }, 5min);
      if (!world.violations.empty()) return told(world);
    }
  }
  const bool has_ended = world.run([&] { return world.is_settled(); }, 400h);
  if (world.violations.empty() && !has_ended) world.violate("not everything ended in time");
  if (world.violations.empty()) world.check_end();
  return told(world);
}

// FLYWHEEL_SEEDS=FIRST-LAST runs others than these.
TEST(Sim, TheseSeedsKeepEveryPromise) {
  std::uint64_t first = 1;
  std::uint64_t last = 100;
  if (const char* given = std::getenv("FLYWHEEL_SEEDS")) {
    const std::string range = given;
    first = std::stoull(range);
    last = std::stoull(range.substr(range.find('-') + 1));
  }
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const std::string broken = live(seed);
    ASSERT_TRUE(broken.empty()) << "seed " << seed << ": " << broken;
  }
}

}  // namespace
}  // namespace sim
