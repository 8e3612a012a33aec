// Whole lives of the bridge in virtual time: scripted misfortunes first, then chance.
#include "tests/sim/lives.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace sim {
namespace {

void expect_kept(World& world, bool has_ended) {
  EXPECT_TRUE(has_ended) << "not everything ended in time";
  if (world.watch.violations().empty()) world.check_end();
  EXPECT_EQ(told(world.watch.violations()), "");
}

bool settle(World& world, base::Instant::duration limit = 240h) {
  return world.run([&] { return world.is_settled(); }, limit);
}

struct Script {
  std::string name;
  std::vector<SendFate> sends;
  std::vector<ReplyFate> replies;
  std::size_t messages;  // in the transcript at the end
};

class Scripted : public testing::TestWithParam<Script> {};

TEST_P(Scripted, OnePacketIsPostedAtMostOnceAndEnds) {
  Ground ground;
  World world(ground, 7);
  world.send_fates.assign(GetParam().sends.begin(), GetParam().sends.end());
  world.reply_fates.assign(GetParam().replies.begin(), GetParam().replies.end());
  world.submit(1, "alice");
  expect_kept(world, settle(world));
  EXPECT_EQ(world.chats.front().transcript.size(), GetParam().messages);
}

INSTANTIATE_TEST_SUITE_P(
    Sim, Scripted,
    testing::Values(
        Script{"accepted", {}, {}, 1}, Script{"answer_lost", {SendFate::answer_lost}, {}, 1},
        Script{"never_arrived", {SendFate::never_arrived}, {}, 1},
        Script{"arrives_late", {SendFate::arrives_late}, {}, 1},
        Script{"limited", {SendFate::limited}, {}, 1},
        Script{"unauthorized", {SendFate::unauthorized}, {}, 1},
        Script{"forbidden", {SendFate::forbidden}, {}, 1},
        Script{"repeated", {SendFate::repeated}, {}, 1},
        Script{"altered", {SendFate::altered}, {}, 0},
        Script{"signed_out", {SendFate::signed_out}, {}, 1},
        Script{"asks", {SendFate::asks}, {}, 1}, Script{"repaired", {}, {ReplyFate::garbled}, 2},
        Script{
            "never_repaired", {}, {ReplyFate::garbled, ReplyFate::cut_off, ReplyFate::garbled}, 3},
        Script{"silent", {}, {ReplyFate::silent}, 1}, Script{"late", {}, {ReplyFate::late}, 1},
        Script{"broken_off", {}, {ReplyFate::broken_off}, 1},
        Script{"failed_stream", {}, {ReplyFate::failed_stream}, 1},
        Script{
            "repair_lost", {SendFate::accepted, SendFate::answer_lost}, {ReplyFate::garbled}, 2}),
    [](const auto& info) { return info.param.name; });

TEST(Sim, WithoutMisfortuneEverythingEndsSoonAndInTurn) {
  Ground ground;
  World world(ground, 3);
  for (int number = 1; number <= 5; ++number) world.submit(number, "alice");
  expect_kept(world, settle(world, 1h));
  EXPECT_EQ(world.chats.front().transcript.size(), 5u);
  EXPECT_EQ(world.acknowledged.size(), 5u);
}

// Another message stands behind the place where the repair prompt would be, so a person decides.
TEST(Sim, ARepairThatAPersonCallsUnsentIsSentUnderANewMarker) {
  Ground ground;
  World world(ground, 3);
  world.send_fates = {SendFate::accepted, SendFate::never_arrived};
  world.reply_fates = {ReplyFate::garbled};
  world.submit(1, "alice");
  const auto is_repair_armed = [&] {
    return std::ranges::any_of(world.watch.jobs(), [](const auto& known) {
      return known.second.parent && known.second.stage == engine::Stage::armed;
    });
  };
  for (int second = 0; second < 600 && !is_repair_armed(); ++second) {
    world.run([] { return false; }, 1s);
  }
  ASSERT_TRUE(is_repair_armed());
  world.deliver(world.chats.front(), {.id = "", .marker = ""});
  expect_kept(world, settle(world));
  EXPECT_EQ(world.chats.front().transcript.size(), 3u);
}

// How many of the account's lanes have their turns at once is in the coverage; more than it allows
// would break a promise.
TEST(Sim, LanesOfAnAccountHaveTheirTurnsAtOnceUpToItsNumber) {
  for (const int parallel : {1, 2}) {
    Ground ground;
    World world(ground, 5, {.cap = 20, .lanes = 3, .parallel = parallel});
    for (int number = 1; number <= 6; ++number) {
      world.submit(number, "alice", {}, static_cast<std::size_t>(number % 3));
    }
    expect_kept(world, settle(world, 1h));
    for (const auto& chat : world.chats) EXPECT_EQ(chat.transcript.size(), 2u) << chat.path;
    EXPECT_EQ(ground.coverage.report().contains("turns at once"), parallel > 1);
  }
}

TEST(Sim, ALaneWithMuchToDoLetsOthersOfItsAccountComeInBetween) {
  Ground ground;
  World world(ground, 5, {.cap = 20, .lanes = 3});
  for (int number = 1; number <= 6; ++number) world.submit(number, "alice");
  world.submit(7, "alice", {}, 1);
  world.submit(8, "bob", {}, 2);
  expect_kept(world, settle(world, 1h));
  const base::Instant last = world.chats[0].transcript.at(5).at;
  EXPECT_LT(world.chats[1].transcript.at(0).at, last);
  EXPECT_LT(world.chats[2].transcript.at(0).at, last);
}

// Nobody is there to decide before there is nothing else to do.
TEST(Sim, APageThatAsksAPersonKeepsNoOtherLaneWaiting) {
  Ground ground;
  World world(ground, 5, {.cap = 20, .lanes = 2});
  world.send_fates = {SendFate::asks};
  for (int number = 1; number <= 4; ++number) {
    world.submit(number, "alice", {}, static_cast<std::size_t>(number % 2));
  }
  expect_kept(world, settle(world, 1h));
  ASSERT_EQ(world.chats[0].times_asked + world.chats[1].times_asked, 1);
  const bool is_first = world.chats[0].times_asked == 1;
  const Chat& asked = world.chats[is_first ? 0 : 1];
  const Chat& other = world.chats[is_first ? 1 : 0];
  ASSERT_EQ(asked.transcript.size(), 2u);
  ASSERT_EQ(other.transcript.size(), 2u);
  EXPECT_LT(other.transcript[1].at, asked.transcript[0].at);
}

// It slept for longer than a lease lasts, and the lane that waits looks before the other renews.
TEST(Sim, AMachineThatSleptGivesAPlaceToOneLaneOnly) {
  Ground ground;
  World world(ground, 5, {.lanes = 2});
  world.reply_fates = {ReplyFate::silent};
  world.submit(1, "alice");
  world.submit(2, "alice", {}, 1);
  world.run([] { return false; }, 25s);
  world.clock.advance_to(world.clock.now() + 1min);
  expect_kept(world, settle(world));
  for (const auto& chat : world.chats) EXPECT_EQ(chat.transcript.size(), 1u) << chat.path;
}

TEST(Sim, AnAccountAtItsCapKeepsNobodyElseWaiting) {
  Ground ground;
  World world(ground, 5, {.cap = 1, .has_second_account = true});
  world.submit(1, "alice");
  world.submit(2, "alice");
  world.submit(3, "alice", {}, 1);
  EXPECT_FALSE(settle(world, 10min));
  EXPECT_EQ(world.chats[0].transcript.size(), 1u);
  EXPECT_EQ(world.chats[1].transcript.size(), 1u);
  expect_kept(world, settle(world, 2h));
}

engine::State state_of(const World& world, const std::string& bead) {
  return world.watch.jobs().at(world.job_of_bead.at(bead)).state;
}

// Lets time pass in steps of `step` until `is_there`.
template <class Predicate>
bool comes(World& world, Predicate is_there, base::Instant::duration step) {
  for (int i = 0; i < 60'000 && !is_there(); ++i) world.run([] { return false; }, step);
  return is_there();
}

// The same until the packet is acknowledged and its job at this stage.
bool reaches(World& world, engine::Stage stage, base::Instant::duration step) {
  return comes(
      world,
      [&] {
        const auto known = world.job_of_bead.find(bead_of(1, "alice"));
        return known != world.job_of_bead.end() &&
               world.watch.jobs().at(known->second).stage == stage;
      },
      step);
}

class RestoredAt : public testing::TestWithParam<engine::Stage> {};

// The backup is older than the message, and the conversation cannot be read for so long that a
// person is asked.
TEST_P(RestoredAt, WhatAPersonCallsSentIsReadThoughTheStoreNeverArmedIt) {
  Ground ground;
  World world(ground, 3, {.failures_max = 8});
  world.submit(1, "alice");
  ASSERT_TRUE(reaches(world, GetParam(), 1ms));
  world.back_up();
  ASSERT_TRUE(reaches(world, engine::Stage::sent, 100ms));

  world.chances = {.find_fails = 1000, .restores = 1000};
  world.die();
  const auto is_told = [&] {
    return ground.coverage.report().contains("a person calls sent what the store never armed");
  };
  ASSERT_TRUE(world.run(is_told, 48h)) << told(world.watch.violations());

  world.chances = {};
  expect_kept(world, settle(world));
  EXPECT_EQ(state_of(world, bead_of(1, "alice")), engine::State::done);
  EXPECT_EQ(world.chats.front().transcript.size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Sim, RestoredAt,
                         testing::Values(engine::Stage::none, engine::Stage::intent),
                         [](const auto& info) { return std::string(name(info.param)); });

// It is in the conversation under a marker that nobody knows any more.
TEST(Sim, UnderANewKeyWhatMayHaveBeenSentIsHeld) {
  Ground ground;
  World world(ground, 3);
  world.submit(1, "alice");
  ASSERT_TRUE(reaches(world, engine::Stage::none, 1ms));
  world.back_up();
  ASSERT_TRUE(reaches(world, engine::Stage::sent, 100ms));
  world.chances = {.restores = 1000, .loses_key = true};
  world.die();
  expect_kept(world, settle(world));
  EXPECT_EQ(state_of(world, bead_of(1, "alice")), engine::State::failed);
  EXPECT_EQ(world.chats.front().transcript.size(), 1u);
}

TEST(Sim, AnAnswerThatCameWhileTheNetworkWasAwayIsRead) {
  Ground ground;
  World world(ground, 3, {.failures_max = 8});
  world.reply_fates = {ReplyFate::late};
  world.submit(1, "alice");
  ASSERT_TRUE(reaches(world, engine::Stage::sent, 100ms));
  world.lose_network(1h);
  expect_kept(world, settle(world));
  EXPECT_EQ(state_of(world, bead_of(1, "alice")), engine::State::done);
  EXPECT_EQ(world.chats.front().transcript.size(), 1u);
}

TEST(Sim, AnAnswerThatIsFinishedAfterItsStreamReportedAnErrorIsRead) {
  Ground ground;
  World world(ground, 3);
  world.reply_fates = {ReplyFate::failed_stream};
  world.submit(1, "alice");
  expect_kept(world, settle(world, 1h));
  EXPECT_EQ(state_of(world, bead_of(1, "alice")), engine::State::done);
  EXPECT_EQ(world.chats.front().transcript.size(), 1u);
}

// Each look is a load and entries of the journal.
TEST(Sim, ANetworkThatStaysAwayIsLookedForMoreAndMoreRarely) {
  Ground ground;
  World world(ground, 3);
  world.lose_network(24h);
  world.submit(1, "alice");
  expect_kept(world, settle(world, 25h));
  const auto& job = world.watch.jobs().at(world.job_of_bead.at(bead_of(1, "alice")));
  EXPECT_EQ(job.state, engine::State::done);
  EXPECT_GT(job.attempt, limits::away_looks);
  EXPECT_LT(job.attempt, 24h / limits::away_rest_max + 2 * limits::away_looks);
}

// Each look is a load that the provider has asked not to come.
TEST(Sim, AReadingThatTheProviderRefusesIsTriedMoreAndMoreRarely) {
  Ground ground;
  World world(ground, 3);
  world.submit(1, "alice");
  const auto& transcript = world.chats.front().transcript;
  ASSERT_TRUE(comes(world, [&] { return !transcript.empty(); }, 1ms));
  world.chats.front().account.reads_refused_until = world.clock.now() + 20min;
  expect_kept(world, settle(world, 2h));
  const auto& job = world.watch.jobs().at(world.job_of_bead.at(bead_of(1, "alice")));
  // Each claims the lane anew.
  const auto looks = job.epoch;
  EXPECT_EQ(job.state, engine::State::done);
  EXPECT_GT(looks, limits::away_looks);
  EXPECT_LT(looks, 20min / limits::away_rest_max + 2 * limits::away_looks);
}

bool has_unsent_repair(const World& world) {
  return std::ranges::any_of(world.watch.jobs(), [](const auto& known) {
    return known.second.parent && known.second.stage == engine::Stage::none;
  });
}

class Begun : public testing::TestWithParam<Naming> {};

TEST_P(Begun, AChatThatTheSendingPageDidNotLearnOfIsFoundAndNoted) {
  Ground ground;
  World world(ground, 3, {.naming = GetParam()});
  world.submit(1, "alice");
  expect_kept(world, settle(world, 1h));
  EXPECT_EQ(state_of(world, bead_of(1, "alice")), engine::State::done);
  const Chat& chat = world.chats.front();
  EXPECT_EQ(chat.transcript.size(), 1u);
  // A page that was never told is looked after once the answer is delivered.
  const std::string& noted = world.noted_urls[world.job_of_bead.at(bead_of(1, "alice"))];
  EXPECT_TRUE(comes(world, [&] { return noted == chat.url_of(1); }, 1s)) << noted;
}

// In another one it would break a promise: a repair says nothing of the question.
TEST_P(Begun, ARepairGoesIntoTheChatThatItsQuestionBegan) {
  for (const bool dies : {false, true}) {
    Ground ground;
    World world(ground, 3, {.naming = GetParam()});
    world.reply_fates = {ReplyFate::garbled};
    world.submit(1, "alice");
    ASSERT_TRUE(comes(world, [&] { return has_unsent_repair(world); }, 5ms));
    if (dies) world.die();
    expect_kept(world, settle(world, 1h));
    EXPECT_EQ(world.lives, dies ? 2 : 1);
    EXPECT_EQ(state_of(world, bead_of(1, "alice")), engine::State::done);
    const Chat& chat = world.chats.front();
    ASSERT_EQ(chat.transcript.size(), 2u);
    EXPECT_EQ(chat.transcript[1].begun, 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Sim, Begun, testing::Values(Naming::lost, Naming::late, Naming::never),
                         [](const auto& info) {
                           return std::string(info.param == Naming::lost   ? "lost"
                                              : info.param == Naming::late ? "late"
                                                                           : "never");
                         });

TEST(Sim, ARepairWhoseChatIsNotFoundWaitsForAPersonAndBeginsNoOther) {
  Ground ground;
  World world(ground, 3, {.naming = Naming::never});
  world.reply_fates = {ReplyFate::garbled};
  world.submit(1, "alice");
  ASSERT_TRUE(comes(world, [&] { return has_unsent_repair(world); }, 1ms));
  world.chances.find_fails = 1000;
  const auto is_asked = [&] {
    return ground.coverage.report().contains("a person has a chat looked for once more");
  };
  ASSERT_TRUE(world.run(is_asked, 48h)) << told(world.watch.violations());
  EXPECT_EQ(world.chats.front().transcript.size(), 1u);
  world.chances = {};
  expect_kept(world, settle(world));
  EXPECT_EQ(state_of(world, bead_of(1, "alice")), engine::State::done);
  ASSERT_EQ(world.chats.front().transcript.size(), 2u);
  EXPECT_EQ(world.chats.front().transcript[1].begun, 1);
}

// That it is held although it is there would break a promise.
TEST(Sim, NobodyIsAskedAboutAMessageWhileTheNetworkIsAway) {
  Ground ground;
  World world(ground, 3, {.failures_max = 8});
  world.send_fates = {SendFate::answer_lost};
  world.submit(1, "alice");
  const auto& transcript = world.chats.front().transcript;
  ASSERT_TRUE(comes(world, [&] { return !transcript.empty(); }, 1ms));
  world.lose_network(1h);
  expect_kept(world, settle(world));
  EXPECT_EQ(state_of(world, bead_of(1, "alice")), engine::State::done);
  EXPECT_EQ(world.chats.front().transcript.size(), 1u);
}

// Two repair prompts were used up before.
TEST(Sim, APacketThatIsAskedAnewHasItsRepairPromptsAnew) {
  Ground ground;
  World world(ground, 3);
  const std::string bead = bead_of(1, "alice");
  world.reply_fates = {ReplyFate::garbled, ReplyFate::garbled, ReplyFate::garbled,
                       ReplyFate::garbled, ReplyFate::garbled};
  world.submit(1, "alice");
  ASSERT_TRUE(settle(world));
  ASSERT_EQ(state_of(world, bead), engine::State::failed);
  ASSERT_EQ(world.chats.front().transcript.size(), 3u);

  world.ask_anew(bead);
  expect_kept(world, settle(world));
  EXPECT_EQ(state_of(world, bead), engine::State::done);
  EXPECT_EQ(world.chats.front().transcript.size(), 6u);
}

TEST(Sim, WhileEverythingIsPausedNothingIsSentInALifeThatBeginsThenEither) {
  Ground ground;
  World world(ground, 3, {.chances = {.pauses = 1}, .lanes = 2});
  world.pause_everything(24h);
  world.submit(1, "alice");
  world.submit(2, "alice", {}, 1);
  EXPECT_FALSE(settle(world, 10min));
  world.die();
  EXPECT_FALSE(settle(world, 10min));
  EXPECT_EQ(world.lives, 2);
  for (const auto& chat : world.chats) EXPECT_TRUE(chat.transcript.empty()) << chat.path;
  world.chances.pauses = 0;
  expect_kept(world, settle(world, 1h));
  for (const auto& chat : world.chats) EXPECT_EQ(chat.transcript.size(), 1u) << chat.path;
}

TEST(Sim, TheSameSeedIsTheSameLife) {
  std::vector<std::string> reports;
  for (int time = 0; time < 2; ++time) {
    Ground ground;
    // What was there before leaves no trace.
    if (time == 1) live(ground, 3, setting_of(3));
    ground.coverage = {};
    for (std::uint64_t seed = 20; seed < 24; ++seed) {
      EXPECT_EQ(told(live(ground, seed, setting_of(seed))), "");
    }
    reports.push_back(ground.coverage.report());
  }
  EXPECT_EQ(reports[0], reports[1]);
}

}  // namespace
}  // namespace sim
