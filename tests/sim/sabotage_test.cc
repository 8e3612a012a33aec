// The simulator must catch a bridge that is broken: each of these breaks it in one place, behind a
// seam, and names the promise by which that must come out.
#include "tests/sim/lives.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace sim {
namespace {

struct Sabotage {
  std::string name;
  Promise caught_by;
  Trick trick = Trick::none;
  std::string_view sql = {};  // triggers in the store
  void (*arrange)(Setting&) = nullptr;

  friend void PrintTo(const Sabotage& sabotage, std::ostream* out) {
    *out << "caught by " << sim::name(sabotage.caught_by);
  }
};

Setting rough(std::uint64_t seed) {
  Setting setting = setting_of(seed);
  Chances& chances = setting.chances;
  chances.crash = 20;
  chances.crash_waiting = 10;
  chances.send_trouble = 250;
  chances.reply_trouble = 150;
  chances.backups = chances.restores = chances.outages = chances.pauses = 0;
  setting.lanes = setting.parallel = 1;
  setting.has_second_account = false;
  return setting;
}

class Sabotaged : public testing::TestWithParam<Sabotage> {};

TEST_P(Sabotaged, IsCaught) {
  constexpr std::uint64_t seeds_max = 200;
  const Sabotage& sabotage = GetParam();
  Ground ground;
  if (!sabotage.sql.empty()) {
    const auto laid = ground.write([&](store::Tx& tx) { return tx.execute(sabotage.sql); });
    ASSERT_TRUE(laid) << laid.error().message;
  }
  for (std::uint64_t seed = 1; seed <= seeds_max; ++seed) {
    Setting setting = rough(seed);
    setting.trick = sabotage.trick;
    if (sabotage.arrange) sabotage.arrange(setting);
    const auto broken = live(ground, seed, setting);
    if (broken.empty()) continue;
    EXPECT_EQ(name(broken.front().promise), name(sabotage.caught_by))
        << "seed " << seed << ": " << told(broken);
    return;
  }
  FAIL() << "not caught in " << seeds_max << " seeds";
}

// The stage `armed` does not last: what was sent cannot be noted.
constexpr std::string_view forgets_armed = R"(
CREATE TRIGGER sabotage AFTER UPDATE OF stage ON jobs
WHEN NEW.stage = 'armed' AND OLD.stage = 'intent'
BEGIN
  UPDATE jobs SET stage = 'intent' WHERE seq = NEW.seq;
  UPDATE posts SET stage = 'intent' WHERE job_id = NEW.id AND stage = 'armed';
END)";

// A reconciled message is taken for unsent.
constexpr std::string_view forgets_at_recovery = R"(
CREATE TRIGGER sabotage AFTER UPDATE OF holder ON lanes
WHEN NEW.holder IS NULL
BEGIN
  UPDATE posts SET stage = 'intent'
  WHERE stage = 'armed' AND job_id IN (SELECT id FROM jobs WHERE stage = 'armed');
  UPDATE jobs SET stage = 'intent' WHERE stage = 'armed' AND state = 'running';
END)";

constexpr std::string_view forgets_the_key = R"(
CREATE TRIGGER sabotage AFTER INSERT ON jobs
BEGIN
  UPDATE jobs SET idempotency_key = NULL WHERE seq = NEW.seq;
END)";

constexpr std::string_view loses_a_job = R"(
CREATE TRIGGER sabotage AFTER UPDATE OF state ON jobs
WHEN NEW.state = 'failed' AND NEW.parent IS NULL
BEGIN
  DELETE FROM job_payloads WHERE seq IN (SELECT seq FROM jobs WHERE NEW.id IN (id, parent));
  DELETE FROM job_results WHERE seq IN (SELECT seq FROM jobs WHERE NEW.id IN (id, parent));
  DELETE FROM jobs WHERE parent = NEW.id;
  DELETE FROM jobs WHERE seq = NEW.seq;
END)";

// What is done is found running after the next crash, and done again.
constexpr std::string_view forgets_the_end = R"(
CREATE TRIGGER sabotage AFTER UPDATE OF state ON jobs
WHEN NEW.state = 'done' AND NEW.parent IS NULL
BEGIN
  UPDATE jobs SET state = 'running' WHERE seq = NEW.seq;
END)";

constexpr std::string_view leases_for_no_time = R"(
CREATE TRIGGER sabotage AFTER UPDATE OF lease_until_et ON lanes
WHEN NEW.holder IS NOT NULL
BEGIN
  UPDATE lanes SET lease_until_et = 0 WHERE id = NEW.id;
END)";

constexpr std::string_view repeats_epochs = R"(
CREATE TRIGGER sabotage AFTER UPDATE OF holder ON lanes
WHEN NEW.holder IS NULL AND NEW.epoch > 0
BEGIN
  UPDATE lanes SET epoch = epoch - 1 WHERE id = NEW.id;
END)";

constexpr std::string_view forgets_sends = R"(
CREATE TRIGGER sabotage AFTER INSERT ON sends
BEGIN
  DELETE FROM sends WHERE seq < NEW.seq;
END)";

constexpr std::string_view runs_fast = R"(
CREATE TRIGGER sabotage AFTER UPDATE OF engine_et ON engine_clock
BEGIN
  UPDATE engine_clock SET engine_et = engine_et + 600000 WHERE id = 1;
END)";

// Whoever hands in a second packet sees it go first.
constexpr std::string_view lets_the_last_go_first = R"(
CREATE TRIGGER sabotage AFTER INSERT ON jobs
WHEN EXISTS (SELECT 1 FROM jobs WHERE sender = NEW.sender AND state = 'queued' AND in_line = 1
             AND seq < NEW.seq)
BEGIN
  UPDATE turns SET queued = queued - 1 WHERE sender = NEW.sender;
  UPDATE jobs SET in_line = 0, ready_et = since_et + 3600000
  WHERE seq = (SELECT MIN(seq) FROM jobs WHERE sender = NEW.sender AND state = 'queued'
               AND in_line = 1);
END)";

constexpr std::string_view moves_deadlines = R"(
CREATE TRIGGER sabotage AFTER INSERT ON jobs
WHEN NEW.deadline_at IS NOT NULL
BEGIN
  UPDATE jobs SET deadline_at = deadline_at + 86400000 WHERE seq = NEW.seq;
END)";

// The next entry takes the number and the place in the chain.
constexpr std::string_view drops_an_entry = R"(
CREATE TRIGGER sabotage AFTER INSERT ON journal
WHEN NEW.type = 'packet.armed'
BEGIN
  DELETE FROM journal WHERE seq = NEW.seq;
END)";

constexpr std::string_view alters_an_entry = R"(
CREATE TRIGGER sabotage AFTER INSERT ON journal
WHEN NEW.type = 'packet.sent'
BEGIN
  UPDATE journal SET actor = 'nobody' WHERE seq = NEW.seq;
END)";

constexpr std::string_view swaps_packets = R"(
CREATE TRIGGER sabotage AFTER INSERT ON job_payloads
WHEN NEW.payload LIKE '%"packet"%' AND NEW.seq > 1
BEGIN
  UPDATE job_payloads SET payload = (SELECT payload FROM job_payloads WHERE seq = 1)
  WHERE seq = NEW.seq;
END)";

constexpr std::string_view loses_a_reply = R"(
CREATE TRIGGER sabotage AFTER UPDATE OF raw ON posts
WHEN NEW.raw IS NOT NULL
BEGIN
  UPDATE posts SET raw = NULL WHERE id = NEW.id;
END)";

constexpr std::string_view never_closes_the_breaker = R"(
CREATE TRIGGER sabotage AFTER UPDATE OF trip ON accounts
WHEN NEW.trip IS NULL
BEGIN
  UPDATE accounts SET trip = OLD.trip, trip_detail = OLD.trip_detail WHERE id = NEW.id;
END)";

constexpr std::string_view forgets_a_restore = R"(
CREATE TRIGGER sabotage AFTER UPDATE OF restored_et ON engine_generation
WHEN NEW.restored_et IS NOT NULL
BEGIN
  UPDATE engine_generation SET restored_et = NULL WHERE id = 1;
END)";

constexpr std::string_view forgets_a_pause = R"(
CREATE TRIGGER sabotage AFTER INSERT ON engine_pause
BEGIN
  DELETE FROM engine_pause;
END)";

// As if the calendar had stepped between the send and the next life.
constexpr std::string_view moves_a_send = R"(
CREATE TRIGGER sabotage AFTER UPDATE OF sent_et ON posts
WHEN NEW.sent_et IS NOT NULL AND OLD.sent_et IS NULL
BEGIN
  UPDATE posts SET sent_et = sent_et - 3600000 WHERE id = NEW.id;
END)";

void restores_often(Setting& setting) {
  setting.chances.backups = 400;
  setting.chances.restores = 700;
  setting.chances.human_writes = 0;
}

void has_lanes(Setting& setting) { setting.lanes = setting.parallel = 3; }

INSTANTIATE_TEST_SUITE_P(
    Sim, Sabotaged,
    testing::Values(
        Sabotage{"armed_is_forgotten", Promise::failed_rightly, Trick::none, forgets_armed},
        Sabotage{"armed_is_forgotten_at_recovery", Promise::posted_once, Trick::none,
                 forgets_at_recovery},
        Sabotage{"two_clicks", Promise::posted_once, Trick::clicks_twice},
        Sabotage{"a_click_before_armed", Promise::posted_once, Trick::clicks_unarmed},
        Sabotage{"absence_is_claimed",
                 Promise::posted_once,
                 Trick::finds_nothing,
                 {},
                 [](Setting& setting) { setting.chances.human_writes = 0; }},
        Sabotage{"a_refusal_is_remembered",
                 Promise::failed_rightly,
                 Trick::remembers_refusals,
                 {},
                 [](Setting& setting) {
                   setting.chances.crash = setting.chances.crash_waiting = 0;
                   setting.chances.human_writes = 0;
                   setting.chances.has_rival = false;
                   setting.failures_max = 8;
                 }},
        Sabotage{"a_restore_is_forgotten", Promise::posted_once, Trick::none, forgets_a_restore,
                 restores_often},
        Sabotage{"a_pause_is_forgotten", Promise::paused, Trick::none, forgets_a_pause,
                 [](Setting& setting) { setting.chances.pauses = 500; }},
        Sabotage{"a_send_is_moved", Promise::patience, Trick::none, moves_a_send},
        Sabotage{"the_key_is_forgotten", Promise::accepted_once, Trick::none, forgets_the_key},
        Sabotage{"a_job_is_lost", Promise::kept, Trick::none, loses_a_job},
        Sabotage{"commits_are_a_lie", Promise::kept, Trick::lies_about_commits},
        Sabotage{"the_end_is_forgotten", Promise::ends_once, Trick::none, forgets_the_end},
        Sabotage{"a_second_lease", Promise::one_writer, Trick::none, leases_for_no_time,
                 [](Setting& setting) { setting.chances.has_rival = true; }},
        Sabotage{"an_epoch_comes_again", Promise::one_writer, Trick::none, repeats_epochs},
        Sabotage{"sends_are_forgotten", Promise::caps, Trick::none, forgets_sends,
                 [](Setting& setting) { setting.cap = 2; }},
        Sabotage{"engine_time_runs_fast", Promise::caps, Trick::none, runs_fast,
                 [](Setting& setting) { setting.cap = 2; }},
        Sabotage{"the_last_goes_first", Promise::in_turn, Trick::none, lets_the_last_go_first},
        Sabotage{"deadlines_move", Promise::in_time, Trick::none, moves_deadlines,
                 [](Setting& setting) { setting.chances.deadlines = 700; }},
        Sabotage{"an_entry_is_dropped", Promise::journal, Trick::none, drops_an_entry},
        Sabotage{"an_entry_is_altered", Promise::journal, Trick::none, alters_an_entry},
        Sabotage{"the_last_turn_is_misread", Promise::held_in_doubt, Trick::misreads_last_turn},
        Sabotage{"packets_are_swapped", Promise::right_answer, Trick::none, swaps_packets,
                 [](Setting& setting) { setting.chances.crash = 0; }},
        Sabotage{"a_reply_is_lost", Promise::failed_rightly, Trick::none, loses_a_reply},
        Sabotage{"bells_are_silent",
                 Promise::ends,
                 Trick::keeps_bells_silent,
                 {},
                 [](Setting& setting) {
                   setting.chances.crash = setting.chances.crash_waiting = 0;
                   setting.chances.has_rival = false;
                 }},
        Sabotage{"the_breaker_stays_open", Promise::ends, Trick::none, never_closes_the_breaker},
        Sabotage{"an_outage_is_taken_for_silence",
                 Promise::looks_first,
                 Trick::takes_outage_for_silence,
                 {},
                 [](Setting& setting) { setting.chances.outages = 500; }},
        Sabotage{"a_failed_stream_is_believed",
                 Promise::failed_rightly,
                 Trick::believes_failed_streams,
                 {},
                 [](Setting& setting) { setting.chances = {.reply_trouble = 500}; }},
        Sabotage{"a_repair_begins_a_chat",
                 Promise::own_chat,
                 Trick::begins_chats_anew,
                 {},
                 [](Setting& setting) {
                   setting.chances = {.reply_trouble = 500};
                   setting.naming = Naming::late;
                 }},
        Sabotage{"another_conversation", Promise::own_chat, Trick::types_elsewhere, {}, has_lanes},
        Sabotage{"caps_are_counted_per_lane",
                 Promise::caps,
                 Trick::counts_per_lane,
                 {},
                 [](Setting& setting) {
                   has_lanes(setting);
                   setting.cap = 2;
                   setting.pause = 0s;
                 }},
        Sabotage{"pauses_are_kept_per_lane", Promise::caps, Trick::counts_per_lane, {}, has_lanes},
        Sabotage{"a_lane_too_many",
                 Promise::parallel,
                 Trick::ignores_parallel,
                 {},
                 [](Setting& setting) {
                   setting.lanes = 3;
                   setting.parallel = 2;
                 }},
        Sabotage{
            "turns_are_not_held", Promise::typed_in_turn, Trick::types_out_of_turn, {}, has_lanes},
        Sabotage{"an_account_is_silent",
                 Promise::ends,
                 Trick::keeps_account_silent,
                 {},
                 [](Setting& setting) {
                   has_lanes(setting);
                   setting.cap = 1;
                   setting.chances.crash = setting.chances.crash_waiting = 0;
                   setting.chances.has_rival = false;
                 }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sim
