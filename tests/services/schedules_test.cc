#include "bridge/services/schedules.h"

#include "bridge/base/hash.h"
#include "bridge/base/limits.h"
#include "bridge/base/random.h"
#include "bridge/engine/schema.h"
#include "bridge/services/keys.h"
#include "bridge/services/posts.h"
#include "bridge/services/workflows/workflow_rows.h"
#include "bridge/store/sqlite_store.h"
#include "tests/support/virtual_clock.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace services {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view conversation = "http://127.0.0.1:9/c/1";

json::object packet() {
  return {
      {"proto", "flywheel.chatgpt.v1"},
      {"bead_id", "bd-12"},
      {"msg_type", "RFP_PLAN"},
      {"sender", "planner"},
      {"ts", "2026-01-01T00:00:00Z"},
      {"context",
       json::object{
           {"repo", "r"}, {"branch", "main"}, {"goal", "a plan"}, {"constraints", json::array()}}},
      {"inputs", json::object{{"artifacts", json::array()}, {"questions", json::array{"?"}}}},
      {"requested_output", json::object{{"format", "json"}, {"fields", json::array{"plan"}}}}};
}

class SlowSession final : public chat::Session {
 public:
  explicit SlowSession(base::Clock& clock) : clock_(clock) {}
  chat::SessionView account() const override { return view; }
  std::vector<chat::SessionView> conversations() const override { return {view}; }
  base::Task<chat::SessionView> check() override {
    ++checks;
    co_await clock_.sleep_until(clock_.now() + takes);
    co_return view;
  }
  base::Task<std::string> screenshot() override { co_return std::string(); }
  base::Task<chat::Inspection> inspect(std::string) override { co_return chat::Inspection{}; }
  base::Task<> show_window() override { co_return base::Result<>(); }
  base::Task<> hide_window() override { co_return base::Result<>(); }

  chat::SessionView view{.state = chat::State::login_required, .evidence = "a login form"};
  base::Instant::duration takes = 2s;
  int checks = 0;

 private:
  base::Clock& clock_;
};

class SchedulesTest : public testing::Test {
 protected:
  SchedulesTest() {
    std::vector<store::Migration> steps;
    for (const auto part : {engine::migrations(), post_migrations(), packet_migrations(),
                            key_migrations(), workflow_migrations(), schedule_migrations()}) {
      steps.insert(steps.end(), part.begin(), part.end());
    }
    auto opened = store::SqliteStore::open({.path = ":memory:"}, loop.get_executor(), steps);
    BRIDGE_ASSERT(opened);
    store = *std::move(opened);
    build_queue(100);
    packets.emplace(*store, *queue, journal, timeline, bells, clock, types,
                    Packets::Settings{.url = std::string(conversation), .senders = {"planner"}});
    build();
    const auto ready = run(store->write([&](store::Tx& tx) -> base::Result<> {
      TRY_OK(queue->declare_lane(tx, lane_of(conversation), "account"));
      TRY_OK(queue->recover(tx, "life", 1, timeline.now()));
      TRY_OK(add_creators_key(tx));
      return {};
    }));
    BRIDGE_ASSERT(ready);
  }
  ~SchedulesTest() override { stop(); }

  void build_queue(int depth_max) {
    engine::QueueOptions options;
    options.depth_max = depth_max;
    options.on_change = [this](store::Tx& tx, const engine::Change& change,
                               const engine::Now& now) -> base::Result<> {
      TRY_OK(journal.append(tx, packet_entry(change), now.wall));
      if (--commits_left < 0) return {};
      return base::fail(base::Code::internal, "the power went");
    };
    queue.emplace(std::move(options), random);
  }
  // Of who makes the schedules.
  static base::Result<> add_creators_key(store::Tx& tx) {
    TRY_OK(tx.execute(R"sql(
      INSERT INTO api_keys (id, name, agent, scopes, digest, creator, request_hash, created_at)
      VALUES ('1', 'ann', '', '["admin"]', $1, 'test', '', 0)
    )sql",
                      {base::sha256_hex("ann")}));
    return {};
  }
  // A new life of the program on the same store.
  void build() {
    schedules.emplace(loop.get_executor(), Schedules::Needs{.store = *store,
                                                            .queue = *queue,
                                                            .journal = journal,
                                                            .timeline = timeline,
                                                            .clock = clock,
                                                            .packets = *packets,
                                                            .session = session});
  }
  void start() {
    tasks.emplace(loop.get_executor());
    BRIDGE_ASSERT(run(schedules->start(*tasks)));
  }
  void stop() {
    if (tasks) {
      bool has_ended = false;
      boost::asio::co_spawn(loop, tasks->join(),
                            [&](const std::exception_ptr&) { has_ended = true; });
      BRIDGE_ASSERT(test::run_virtually(loop, clock, [&] { return has_ended; }));
    }
    tasks.reset();
  }

  template <class T>
  T run(boost::asio::awaitable<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr error, T value) {
      BRIDGE_ASSERT(!error);
      result.emplace(std::move(value));
    });
    BRIDGE_ASSERT(test::run_virtually(loop, clock, [&] { return result.has_value(); }));
    return *std::move(result);
  }
  // All that happens within this time.
  void pass(base::Instant::duration time) {
    const auto end = clock.now() + time;
    test::run_virtually(loop, clock, [&] { return clock.now() >= end; }, [] { return true; }, time);
    clock.advance_to(end);
    loop.restart();
    loop.poll();
  }

  Schedule create(NewSchedule asked) {
    const Caller caller{.principal = "key:1", .name = "ann", .may_send_for_others = true};
    auto created = run(schedules->create(caller, std::move(asked)));
    EXPECT_TRUE(created) << (created ? "" : created.error().message);
    return created ? created->schedule : Schedule();
  }
  protocol::Refusal refusal(NewSchedule asked) {
    const Caller caller{.principal = "key:1", .name = "ann", .may_send_for_others = true};
    auto created = run(schedules->create(caller, std::move(asked)));
    EXPECT_FALSE(created);
    return created ? protocol::Refusal() : created.error();
  }
  // Oldest first.
  std::vector<engine::Job> jobs() {
    auto page = run(store->read(
        [&](store::Tx& tx) { return queue->list(tx, engine::Filter{}, std::nullopt, 500); }));
    std::vector<engine::Job> found(page->jobs.rbegin(), page->jobs.rend());
    return found;
  }
  void cancel(const engine::JobId& job) {
    ASSERT_TRUE(run(store->write(
        [&](store::Tx& tx) { return queue->cancel(tx, job, "done with", timeline.now()); })));
  }
  // "<outcome>" of every run, oldest first.
  std::vector<std::string> outcomes(const Schedule& schedule) {
    std::vector<std::string> found;
    for (const auto& run : *run(schedules->runs(schedule.id, 100))) {
      found.insert(found.begin(), run.outcome);
    }
    return found;
  }
  std::vector<std::string> told(std::string_view type = "schedule.") {
    std::vector<std::string> types_told;
    const auto page = run(store->read(
        [&](store::Tx& tx) { return journal.page(tx, 0, 500, {.type = std::string(type)}); }));
    for (const auto& entry : page->entries) types_told.push_back(entry.type);
    return types_told;
  }

  boost::asio::io_context loop{1};
  test::VirtualClock clock;
  engine::Timeline timeline{clock, "boot"};
  engine::Bells bells{loop.get_executor()};
  engine::Journal journal;
  base::SeededRandom random{7};
  protocol::MessageTypes types = protocol::MessageTypes::built_in();
  SlowSession session{clock};
  int commits_left = 0;  // of the next changes of jobs, so many fail
  std::unique_ptr<store::SqliteStore> store;
  std::optional<engine::Queue> queue;
  std::optional<Packets> packets;
  std::optional<Schedules> schedules;
  std::optional<base::Scope> tasks;
};

NewSchedule every(std::string interval) {
  return {.interval = std::move(interval), .packet = packet()};
}

// The clock begins on 2026-11-18 at 12:06:40 UTC.
TEST_F(SchedulesTest, ACronExpressionHandsAPacketInAtTheTimeOfItsZone) {
  const auto schedule = create({.name = "nightly",
                                .cron = "30 14 * * *",
                                .zone = "Europe/Berlin",
                                .packet = packet(),
                                .band = 1,
                                .patience = 1h});
  ASSERT_TRUE(schedule.next);
  const auto due = base::rfc3339(*schedule.next);
  EXPECT_THAT(due, testing::EndsWith("T13:30:00.000Z"));
  start();
  while (clock.wall() < *schedule.next) {
    EXPECT_THAT(jobs(), IsEmpty());
    pass(20min);
  }
  const auto all = jobs();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].sender, "planner");
  EXPECT_EQ(all[0].principal, "schedule:" + schedule.id);
  EXPECT_EQ(all[0].key, due);
  EXPECT_EQ(all[0].band, 1);
  EXPECT_EQ(all[0].deadline, all[0].timings.queued + 1h);
  EXPECT_EQ(base::rfc3339(all[0].timings.queued), due);
  const auto now = run(schedules->get("nightly"));
  ASSERT_TRUE(now && now->last);
  EXPECT_EQ(now->last->job, all[0].id.text);
  EXPECT_EQ(base::rfc3339(now->last->due), due);
  EXPECT_EQ(*now->next, *schedule.next + 24h);
  EXPECT_THAT(told(), ElementsAre("schedule.created", "schedule.ran"));
}

TEST_F(SchedulesTest, EveryRunsPacketIsDatedAnewAndHasAKeyOfItsOwn) {
  create(every("10m"));
  start();
  pass(10min + 1s);
  cancel(jobs().at(0).id);
  pass(10min);
  const auto all = jobs();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_NE(all[0].key, all[1].key);
  const auto job = run(store->read([&](store::Tx& tx) { return queue->get(tx, all[1].id); }));
  const auto ts = job->payload.at("packet").at("ts").as_string();
  EXPECT_EQ(ts, base::rfc3339(all[1].timings.queued));
}

TEST_F(SchedulesTest, MissedRunsRunOnceTheNewestOfThem) {
  const auto schedule = create(every("10m"));
  clock.advance_to(clock.now() + 5h + 3min);
  start();
  pass(1s);
  EXPECT_THAT(outcomes(schedule), ElementsAre("submitted"));
  const auto last = run(schedules->get(schedule.id))->last;
  EXPECT_EQ(last->due, schedule.created + 5h);
  EXPECT_EQ(jobs().size(), 1u);
}

TEST_F(SchedulesTest, ACrashInTheMiddleLosesNothingAndRepeatsNothing) {
  const auto schedule = create(every("10m"));
  start();
  commits_left = 1;
  pass(10min + 1s);
  EXPECT_THAT(jobs(), IsEmpty());
  EXPECT_THAT(outcomes(schedule), IsEmpty());
  EXPECT_THAT(told("packet."), IsEmpty());
  stop();
  for (int life = 0; life < 3; ++life) {
    build();
    start();
    pass(40s);
    stop();
  }
  EXPECT_EQ(jobs().size(), 1u);
  EXPECT_THAT(outcomes(schedule), ElementsAre("submitted"));
  EXPECT_EQ(run(schedules->get(schedule.id))->last->due, schedule.created + 10min);
}

// The run's time is the job's key: it is the first job again.
TEST_F(SchedulesTest, ACalendarThatIsSetBackHandsTheSameRunInOnce) {
  const auto schedule = create({.cron = "0 13 * * *", .packet = packet()});
  start();
  pass(*schedule.next - clock.wall() + 1s);
  ASSERT_EQ(jobs().size(), 1u);
  cancel(jobs().at(0).id);
  clock.step_wall(-1h);
  pass(1h + 1min);
  EXPECT_EQ(jobs().size(), 1u);
  EXPECT_THAT(outcomes(schedule), ElementsAre("submitted", "submitted"));
  EXPECT_EQ(run(schedules->get(schedule.id))->last->job, jobs().at(0).id.text);
}

TEST_F(SchedulesTest, ACalendarThatIsSetAheadIsNoticed) {
  const auto schedule = create({.cron = "0 3 * * *", .packet = packet()});
  start();
  pass(1s);
  clock.step_wall(24h);
  pass(limits::schedule_look + 1s);
  EXPECT_THAT(outcomes(schedule), ElementsAre("submitted"));
}

TEST_F(SchedulesTest, ARunIsSkippedWhileThePacketBeforeIsUnfinished) {
  const auto schedule = create(every("10m"));
  start();
  pass(25min);
  EXPECT_EQ(jobs().size(), 1u);
  EXPECT_THAT(outcomes(schedule), ElementsAre("submitted", "skipped"));
  EXPECT_THAT(run(schedules->get(schedule.id))->last->detail, HasSubstr("is still queued"));
  // What was skipped does not hide the packet that is unfinished.
  pass(10min);
  EXPECT_EQ(jobs().size(), 1u);
  cancel(jobs().at(0).id);
  pass(10min);
  EXPECT_EQ(jobs().size(), 2u);
}

TEST_F(SchedulesTest, AFullQueueDelaysARunAndTheJournalSaysSoOnce) {
  build_queue(1);
  build();
  const auto first = create(every("50m"));
  const auto second = create(every("1h"));
  start();
  pass(1h + 10min);
  EXPECT_EQ(jobs().size(), 1u);
  EXPECT_THAT(outcomes(second), IsEmpty());
  EXPECT_THAT(told("schedule.delayed"), ElementsAre("schedule.delayed"));
  cancel(jobs().at(0).id);
  pass(limits::schedule_delay_max + 1s);
  EXPECT_EQ(jobs().size(), 2u);
  EXPECT_THAT(outcomes(second), ElementsAre("submitted"));
  EXPECT_EQ(run(schedules->get(second.id))->last->due, second.created + 1h);
}

TEST_F(SchedulesTest, WhatWasPausedMakesUpForNothing) {
  const auto schedule = create(every("10m"));
  start();
  EXPECT_TRUE(run(schedules->pause(schedule.id, "key:2"))->is_paused);
  EXPECT_TRUE(run(schedules->pause(schedule.id, "key:2"))->is_paused);
  pass(65min);
  EXPECT_THAT(jobs(), IsEmpty());
  const auto resumed = run(schedules->resume(schedule.id, {.principal = "key:2", .name = "bob"},
                                             Schedules::Version::kept));
  EXPECT_EQ(resumed->next, schedule.created + 70min);
  pass(6min);
  EXPECT_EQ(jobs().size(), 1u);
  EXPECT_THAT(told(), ElementsAre("schedule.created", "schedule.paused", "schedule.resumed",
                                  "schedule.ran"));
}

// The packet may have gone out in the time that the backup knows nothing of.
TEST_F(SchedulesTest, ARestoredBackupMakesUpForNothing) {
  const auto schedule = create(every("10m"));
  ASSERT_TRUE(run(store->write([](store::Tx& tx) {
    return tx.execute("UPDATE schedules SET generation = generation - 1");
  })));
  clock.advance_to(clock.now() + 15min);
  start();
  pass(1s);
  EXPECT_THAT(jobs(), IsEmpty());
  EXPECT_THAT(outcomes(schedule), ElementsAre("skipped"));
  pass(5min);
  EXPECT_EQ(jobs().size(), 1u);
}

TEST_F(SchedulesTest, TheSessionIsCheckedAndItsStateKept) {
  const auto schedule = create({.name = "watch", .interval = "10m"});
  start();
  pass(10min + 5s);
  EXPECT_EQ(session.checks, 1);
  const auto last = run(schedules->get("watch"))->last;
  EXPECT_EQ(last->outcome, "checked");
  EXPECT_EQ(last->detail, "login_required: a login form");
  EXPECT_THAT(told(), ElementsAre("schedule.created", "schedule.ran", "schedule.checked"));

  session.takes = 24h;
  pass(10min);
  EXPECT_THAT(outcomes(schedule), ElementsAre("checked", "checking"));
  pass(limits::schedule_check + 1s);
  EXPECT_THAT(outcomes(schedule), ElementsAre("checked", "failed"));
}

TEST_F(SchedulesTest, AnUnfinishedCheckKeepsTheNextOneBackAndEndsWithTheProgram) {
  const auto schedule = create({.interval = "1m"});
  session.takes = 3min;
  start();
  pass(2min + 5s);
  EXPECT_THAT(outcomes(schedule), ElementsAre("checking", "skipped"));
  EXPECT_EQ(session.checks, 1);
  stop();
  build();
  start();
  EXPECT_THAT(outcomes(schedule), ElementsAre("interrupted", "skipped"));
  pass(2min);
  EXPECT_EQ(session.checks, 2);
}

TEST_F(SchedulesTest, RunNowWorksOnAPausedOneAndOnceForEachKey) {
  const auto schedule = create({.interval = "1d", .packet = packet(), .is_paused = true});
  EXPECT_FALSE(schedule.next);
  const auto first = run(schedules->run_now(schedule.id, "k", "key:2"));
  const auto again = run(schedules->run_now(schedule.id, "k", "key:2"));
  const auto other = run(schedules->run_now(schedule.id, "", "key:2"));
  ASSERT_TRUE(first && again && other);
  EXPECT_EQ(first->run.job, again->run.job);
  EXPECT_EQ(first->run.number, again->run.number);
  EXPECT_FALSE(first->is_replay || other->is_replay);
  EXPECT_TRUE(again->is_replay);
  EXPECT_NE(first->run.job, other->run.job);
  EXPECT_EQ(jobs().size(), 2u);
  EXPECT_THAT(outcomes(schedule), ElementsAre("submitted", "submitted"));
  // Also when the run itself is forgotten.
  for (int i = 0; i < limits::schedule_runs_kept; ++i) {
    ASSERT_TRUE(run(schedules->run_now(schedule.id, "", "key:2")));
  }
  const auto late = run(schedules->run_now(schedule.id, "k", "key:2"));
  ASSERT_TRUE(late);
  EXPECT_TRUE(late->is_replay);
  EXPECT_EQ(late->run.job, first->run.job);
}

TEST_F(SchedulesTest, ALookAtTheSessionIsTakenOnceForEachKey) {
  const auto schedule = create({.interval = "1d"});
  start();
  const auto first = run(schedules->run_now(schedule.id, "k", "key:2"));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->run.outcome, "checking");
  // It serves another as well.
  const auto other = run(schedules->run_now(schedule.id, "l", "key:2"));
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->is_replay);
  EXPECT_EQ(other->run.number, first->run.number);
  pass(session.takes + 1s);
  for (const auto* key : {"k", "l"}) {
    const auto again = run(schedules->run_now(schedule.id, key, "key:2"));
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->is_replay);
    EXPECT_EQ(again->run.number, first->run.number);
    EXPECT_EQ(again->run.outcome, "checked");
  }
  pass(session.takes + 1s);
  EXPECT_EQ(session.checks, 1);
  EXPECT_FALSE(run(schedules->run_now(schedule.id, "m", "key:2"))->is_replay);
  pass(session.takes + 1s);
  EXPECT_EQ(session.checks, 2);
  // Nothing of it keeps the schedule from being removed.
  EXPECT_TRUE(run(schedules->remove(schedule.id, "key:2")));
}

TEST_F(SchedulesTest, NoPacketIsHandedInForAKeyThatIsNoLongerGood) {
  const auto schedule = create(every("10m"));
  start();
  pass(10min + 1s);
  ASSERT_EQ(jobs().size(), 1u);
  cancel(jobs().at(0).id);
  ASSERT_TRUE(run(store->write([](store::Tx& tx) {
    return tx.execute("UPDATE api_keys SET revoked_at = 1 WHERE id = '1'");
  })));
  pass(10min);
  EXPECT_EQ(jobs().size(), 1u);
  EXPECT_THAT(outcomes(schedule), ElementsAre("submitted", "failed"));
  EXPECT_THAT(run(schedules->get(schedule.id))->last->detail, HasSubstr("has been revoked"));
  const auto now = run(schedules->run_now(schedule.id, "k", "key:2"));
  ASSERT_TRUE(now);
  EXPECT_EQ(now->run.outcome, "failed");
  EXPECT_EQ(jobs().size(), 1u);
}

TEST_F(SchedulesTest, WhoIsNoKeyStaysAsGoodAsItWas) {
  for (const auto* principal : {"token:ann", "cli", "config"}) {
    const Caller caller{.principal = principal, .name = "ann", .may_send_for_others = true};
    ASSERT_TRUE(run(schedules->create(caller, every("10m")))) << principal;
  }
  start();
  pass(10min + 1s);
  EXPECT_EQ(jobs().size(), 3u);
}

TEST_F(SchedulesTest, OnlyTheNewestRunsAreKept) {
  const auto schedule = create(every("10m"));
  for (int i = 0; i < limits::schedule_runs_kept + 5; ++i) {
    ASSERT_TRUE(run(schedules->run_now(schedule.id, "", "key:2")));
  }
  const auto kept = run(schedules->runs(schedule.id, 1000));
  EXPECT_EQ(kept->size(), std::size_t(limits::schedule_runs_kept));
  EXPECT_EQ(kept->front().number, limits::schedule_runs_kept + 5);
  EXPECT_EQ(run(schedules->get(schedule.id))->last->number, limits::schedule_runs_kept + 5);
}

TEST_F(SchedulesTest, ARemovedOneRunsNoMoreAndItsJobsStay) {
  const auto schedule = create({.name = "short", .interval = "10m", .packet = packet()});
  start();
  pass(10min + 1s);
  ASSERT_TRUE(run(schedules->remove("short", "key:2")));
  pass(1h);
  EXPECT_EQ(jobs().size(), 1u);
  EXPECT_EQ(run(schedules->get(schedule.id)).error().code, base::Code::not_found);
  EXPECT_EQ(run(schedules->remove("short", "key:2")).error().code, base::Code::not_found);
}

// A store that cannot take its ballast is one on a full disk.
TEST_F(SchedulesTest, WhatIsDueWaitsWhileTheDiskIsFull) {
  std::string name = testing::TempDir() + "schedules-XXXXXX";
  ASSERT_TRUE(::mkdtemp(name.data()));
  std::vector<store::Migration> steps;
  for (const auto part : {engine::migrations(), post_migrations(), packet_migrations(),
                          key_migrations(), workflow_migrations(), schedule_migrations()}) {
    steps.insert(steps.end(), part.begin(), part.end());
  }
  store.reset();
  auto opened = store::SqliteStore::open({.path = name + "/store.db",
                                          .threading = store::Threading::in_caller,
                                          .ballast_bytes = std::size_t(1) << 55},
                                         loop.get_executor(), steps);
  ASSERT_TRUE(opened) << opened.error().message;
  store = *std::move(opened);
  ASSERT_TRUE(store->is_short_of_space());
  packets.emplace(*store, *queue, journal, timeline, bells, clock, types,
                  Packets::Settings{.url = std::string(conversation), .senders = {}});
  build();
  ASSERT_TRUE(run(store->write(
      [&](store::Tx& tx) { return queue->declare_lane(tx, lane_of(conversation), "account"); })));
  const auto schedule = create(every("10m"));
  start();
  pass(25min);
  EXPECT_THAT(jobs(), IsEmpty());
  EXPECT_THAT(outcomes(schedule), IsEmpty());
  EXPECT_EQ(run(schedules->run_now(schedule.id, "", "key:1")).error().reason, "disk_full");
  stop();
  store.reset();
  std::filesystem::remove_all(name);
}

std::string where(const protocol::Refusal& refusal) {
  return refusal.violations.empty() ? "" : refusal.violations.front().pointer;
}

TEST_F(SchedulesTest, RefusalsSayWhatIsWrongAndWhere) {
  const auto cron = refusal({.cron = "0 25 * * *", .packet = packet()});
  EXPECT_EQ(where(cron), "/cron");
  EXPECT_THAT(cron.message, HasSubstr("hour (column 3): 25 is not between 0 and 23"));
  EXPECT_EQ(where(refusal({.cron = "every 5m", .packet = packet()})), "/cron");
  EXPECT_EQ(where(refusal({.interval = "5 minutes", .packet = packet()})), "/interval");
  EXPECT_EQ(where(refusal({.cron = "@daily", .zone = "Mars/Base", .packet = packet()})),
            "/time_zone");
  auto odd = packet();
  odd["bead_id"] = "no";
  EXPECT_EQ(where(refusal({.interval = "5m", .packet = odd})), "/packet/bead_id");
  auto keyed = packet();
  keyed["idempotency_key"] = "for-all-times";
  EXPECT_EQ(where(refusal({.interval = "5m", .packet = keyed})), "/packet/idempotency_key");
  auto foreign = packet();
  foreign["sender"] = "stranger";
  EXPECT_EQ(refusal({.interval = "5m", .packet = foreign}).reason, "sender_unwelcome");
  create({.name = "a", .interval = "5m"});
  EXPECT_EQ(refusal({.name = "a", .interval = "6m"}).reason, "name_taken");
}

TEST_F(SchedulesTest, AnIdCallsTheOneThatHasItWhateverAnotherIsNamed) {
  const auto meant = create({.name = "nightly", .interval = "5m"});
  EXPECT_EQ(where(refusal({.name = meant.id, .interval = "5m"})), "/name");
  // One that was named so before names were looked at.
  const auto other = create({.name = "other", .interval = "5m"});
  ASSERT_TRUE(run(store->write([&](store::Tx& tx) {
    return tx.execute("UPDATE schedules SET name = $1 WHERE id = $2", {meant.id, other.id});
  })));
  EXPECT_EQ(run(schedules->get(meant.id))->name, "nightly");
  EXPECT_EQ(run(schedules->pause(meant.id, "key:1"))->id, meant.id);
  ASSERT_TRUE(run(schedules->remove(meant.id, "key:1")));
  EXPECT_EQ(run(schedules->get("nightly")).error().code, base::Code::not_found);
  EXPECT_EQ(run(schedules->get(other.id))->name, meant.id);
}

TEST_F(SchedulesTest, TheSameRequestMakesOneScheduleAndTheirNumberIsBounded) {
  const auto first = create({.interval = "5m", .request = "r", .request_hash = "h"});
  EXPECT_EQ(create({.interval = "5m", .request = "r", .request_hash = "h"}).id, first.id);
  EXPECT_EQ(refusal({.interval = "6m", .request = "r", .request_hash = "i"}).reason,
            "idempotency_mismatch");
  for (int i = 1; i < limits::schedules_max; ++i) create({.interval = "5m"});
  EXPECT_EQ(refusal({.interval = "5m"}).reason, "too_many");
  const auto page = run(schedules->list("", 150));
  EXPECT_FALSE(page->is_end);
  const auto rest = run(schedules->list(page->schedules.back().id, 150));
  EXPECT_TRUE(rest->is_end);
  EXPECT_EQ(rest->schedules.size(), std::size_t(limits::schedules_max) - 150);
}

}  // namespace
}  // namespace services
