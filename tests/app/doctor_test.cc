// What the doctor says of a state directory and a store.
#include "bridge/app/doctor.h"

#include "bridge/app/bridge.h"
#include "bridge/services/keys.h"
#include "bridge/services/posts.h"
#include "bridge/store/sqlite_store.h"
#include "tests/app/process.h"

#include <memory>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace app {
namespace {

using testing::HasSubstr;

class DoctorTest : public testing::Test {
 protected:
  DoctorTest() {
    config.state = folder.path();
    config.store = folder.path() / "flywheel.db";
  }

  std::unique_ptr<store::SqliteStore> open() {
    const auto steps = bridge_migrations();
    auto opened = store::SqliteStore::open({.path = config.store,
                                            .threading = store::Threading::in_caller,
                                            .holder = "the test's daemon"},
                                           loop.get_executor(), steps);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    return opened ? *std::move(opened) : nullptr;
  }
  // One write into the store, which is closed afterwards.
  void write(std::function<base::Result<>(store::Tx&)> work) {
    const auto store = open();
    ASSERT_TRUE(store);
    std::optional<base::Result<>> done;
    boost::asio::co_spawn(
        loop, store->write(std::move(work)),
        [&](const std::exception_ptr&, base::Result<> result) { done.emplace(std::move(result)); });
    loop.restart();
    loop.run();
    ASSERT_TRUE(done && *done) << (done ? done->error().message : "");
  }
  void sql(std::string text) {
    write([text](store::Tx& tx) -> base::Result<> {
      TRY_OK(tx.execute(text));
      return {};
    });
  }
  void write_entries(int count, base::WallTime at) {
    write([this, count, at](store::Tx& tx) -> base::Result<> {
      for (int i = 0; i < count; ++i) {
        TRY_OK(journal.append(tx, {.type = "test.ran", .subject = "x"}, at));
      }
      return {};
    });
  }
  Finding found(std::string_view what, const Findings& all) {
    for (const auto& finding : all) {
      if (finding.what == what) return finding;
    }
    ADD_FAILURE() << "nothing is said of " << what;
    return {};
  }
  Finding in_store(std::string_view what) { return found(what, check_store(config, now)); }

  boost::asio::io_context loop{1};
  TestFolder folder;
  Config config;
  engine::Journal journal;
  base::WallTime now = base::SystemClock().wall();
};

TEST_F(DoctorTest, AHealthyStoreIsSaidToBeSo) {
  write_entries(3, now);
  for (const auto* what : {"store", "schema", "audit", "clock", "queue"}) {
    EXPECT_EQ(in_store(what).health, Health::ok) << what << ": " << in_store(what).detail;
  }
  EXPECT_THAT(in_store("store").detail, HasSubstr("open nowhere"));
  EXPECT_THAT(in_store("schema").detail, HasSubstr("generation 1"));
  EXPECT_THAT(in_store("audit").detail, HasSubstr("3 entries, the newest 3 are chained"));
  EXPECT_THAT(in_store("disk").detail, HasSubstr("MiB free"));
}

TEST_F(DoctorTest, AnOpenStoreNamesItsHolderAndStaysOpen) {
  const auto store = open();
  ASSERT_TRUE(store);
  EXPECT_THAT(in_store("store").detail, HasSubstr("open in the test's daemon (pid "));
  EXPECT_EQ(
      store::SqliteStore::open({.path = config.store}, loop.get_executor(), {}).error().reason,
      "locked");
}

TEST_F(DoctorTest, AMissingStoreIsNoIllnessAndAForeignFileIs) {
  EXPECT_EQ(in_store("store").health, Health::note);
  folder.write("flywheel.db", "this is a letter to my aunt, not a database at all");
  EXPECT_EQ(in_store("store").health, Health::bad);
  EXPECT_THAT(in_store("store").remedy, HasSubstr("flywheel restore"));
}

TEST_F(DoctorTest, ANewerSchemaNeedsANewerProgram) {
  sql("INSERT INTO store_migrations (component, version, checksum) VALUES ('engine', 99, 'x')");
  EXPECT_EQ(in_store("schema").health, Health::bad);
  EXPECT_THAT(in_store("schema").detail, HasSubstr("engine has version 99, this program knows "));
}

TEST_F(DoctorTest, AnOlderSchemaIsToBeBackedUpFirst) {
  sql("DELETE FROM store_migrations WHERE component = 'schedules'");
  EXPECT_EQ(in_store("schema").health, Health::note);
  EXPECT_THAT(in_store("schema").remedy, HasSubstr("flywheel backup"));
}

TEST_F(DoctorTest, AForgedEntryIsFound) {
  write_entries(5, now);
  sql("UPDATE journal SET actor = 'nobody' WHERE seq = 3");
  EXPECT_EQ(in_store("audit").health, Health::bad);
  EXPECT_THAT(in_store("audit").detail, HasSubstr("entry 3: "));
}

TEST_F(DoctorTest, ACutTailIsFound) {
  write_entries(5, now);
  const auto signer = engine::NoteSigner::generate("flywheel/test");
  write([&](store::Tx& tx) -> base::Result<> {
    TRY(auto progress, journal.begin_checkpoint(tx));
    TRY_OK(journal.prepare_checkpoint(tx, progress, 5));
    TRY_OK(journal.sign_checkpoint(tx, progress, signer, now));
    return {};
  });
  EXPECT_EQ(in_store("audit").health, Health::ok) << in_store("audit").detail;
  sql("DELETE FROM journal WHERE seq > 3");
  EXPECT_EQ(in_store("audit").health, Health::bad);
  EXPECT_THAT(in_store("audit").detail, HasSubstr("vouches for 5 entries, and 3 are there"));
}

TEST_F(DoctorTest, AClockThatIsBehindTheJournalIsFound) {
  write_entries(1, now + std::chrono::hours(5) + std::chrono::minutes(1));
  EXPECT_EQ(in_store("clock").health, Health::bad);
  EXPECT_THAT(in_store("clock").detail, HasSubstr("5 h before the newest entry"));
}

TEST_F(DoctorTest, WhatWaitsForAPersonIsTold) {
  sql("INSERT INTO accounts (id) VALUES ('a')");
  sql("INSERT INTO lanes (id, account, paused) VALUES ('l', 'a', 'paused by ann')");
  sql("INSERT INTO jobs (id, kind, lane, sender, principal, body_hash, subject, thread, band, cost,"
      " state, stage, attempt, failures, epoch, doubtful, in_line, ready_et, since_et, queued_at) "
      "VALUES ('j', 'packet', 'l', 's', 'p', '', '', '', 2, 1, 'held', 'armed', 1, 0, 1, 0, 0, 0,"
      " 0, 0)");
  sql("INSERT INTO jobs (id, kind, lane, sender, principal, body_hash, subject, thread, band, cost,"
      " state, stage, attempt, failures, epoch, doubtful, in_line, ready_et, since_et, queued_at) "
      "VALUES ('k', 'action', 'l', 's', 'p', '', '', '', 2, 1, 'held', 'armed', 1, 0, 1, 0, 0, 0,"
      " 0, 0)");
  // It waits in its repair: that is no second packet.
  sql("INSERT INTO jobs (id, kind, lane, sender, principal, body_hash, subject, thread, band, cost,"
      " state, stage, attempt, failures, epoch, doubtful, in_line, ready_et, since_et, queued_at,"
      " parent) VALUES ('r', 'repair', 'l', 's', 'p', '', '', '', 2, 1, 'held', 'armed', 1, 0, 1,"
      " 0, 0, 0, 0, 0, 'j')");
  EXPECT_EQ(in_store("held actions").health, Health::note);
  EXPECT_THAT(in_store("held actions").remedy, HasSubstr("flywheel action resolve"));
  EXPECT_EQ(in_store("held packets").health, Health::note);
  EXPECT_THAT(in_store("held packets").detail, HasSubstr("1 may have been sent"));
  EXPECT_THAT(in_store("held packets").remedy, HasSubstr("flywheel packet resolve"));
  EXPECT_EQ(in_store("queue").detail, "paused by ann");
  EXPECT_EQ(in_store("queue").remedy, "flywheel queue resume --lane l");
  sql("INSERT INTO engine_pause (id, reason) VALUES (1, 'paused by ben')");
  EXPECT_EQ(in_store("queue").detail, "everything is paused: paused by ben");
  EXPECT_EQ(in_store("queue").remedy, "flywheel queue resume");
}

TEST_F(DoctorTest, AStoreWithoutTheKeyOfItsMessagesIsIll) {
  ::chmod(folder.path().c_str(), 0700);
  EXPECT_EQ(found("marker.key", check_files(config)).health, Health::note);
  write([](store::Tx& tx) { return services::marker_keys::note(tx, "the key"); });
  const auto lost = found("marker.key", check_files(config));
  EXPECT_EQ(lost.health, Health::bad);
  EXPECT_THAT(lost.detail, HasSubstr("marker.key is missing"));
}

TEST_F(DoctorTest, EveryOpenBreakerIsToldWithWhatToDo) {
  const std::string account = account_of(config);
  EXPECT_EQ(account.find("chatgpt:"), 0u);
  sql("INSERT INTO accounts (id, trip, trip_detail) VALUES ('" + account +
      "', 'challenge', 'prove it'), ('another', 'challenge', '')");
  sql("INSERT INTO lanes (id, account, blocked, blocked_url) VALUES ('gpt:1', '" + account +
      "', 'a dialog', 'https://chat.test/g/g-1')");
  std::vector<Finding> breakers;
  for (const auto& finding : check_store(config, now)) {
    if (finding.what == "breaker") breakers.push_back(finding);
  }
  ASSERT_EQ(breakers.size(), 2u);
  EXPECT_EQ(breakers[0].health, Health::bad);
  EXPECT_THAT(breakers[0].detail, HasSubstr("prove it"));
  EXPECT_THAT(breakers[0].remedy, HasSubstr("flywheel session login"));
  EXPECT_EQ(breakers[1].health, Health::note) << "packets are sent all the same";
  EXPECT_THAT(breakers[1].detail, HasSubstr("gpt:1 blocked"));
  EXPECT_THAT(breakers[1].remedy, HasSubstr("https://chat.test/g/g-1"));
}

TEST_F(DoctorTest, KeysAndFoldersAreTheirOwnersAlone) {
  ::chmod(folder.path().c_str(), 0700);
  EXPECT_EQ(found("admin.key", check_files(config)).health, Health::note);
  const auto key = folder.write("admin.key", "fwk_x\n");
  ::chmod(key.c_str(), 0600);
  EXPECT_EQ(found("admin.key", check_files(config)).health, Health::ok);
  EXPECT_EQ(found("state directory", check_files(config)).health, Health::ok);
  ::chmod(key.c_str(), 0644);
  EXPECT_EQ(found("admin.key", check_files(config)).health, Health::bad);
  EXPECT_THAT(found("admin.key", check_files(config)).remedy, HasSubstr("chmod 600 "));
  ::chmod(folder.path().c_str(), 0755);
  EXPECT_EQ(found("state directory", check_files(config)).health, Health::bad);
}

TEST_F(DoctorTest, AnAdminsKeyThatIsGoodNoMoreIsTold) {
  const auto file = folder.write("admin.key", "fwk_x\n");
  ::chmod(file.c_str(), 0600);
  write([&](store::Tx& tx) -> base::Result<> {
    TRY_OK(services::add_key(tx, journal,
                             {.name = "admin",
                              .scopes = {"admin"},
                              .digest = base::sha256("fwk_x"),
                              .creator = "bridge"},
                             now));
    return {};
  });
  for (const auto& finding : check_store(config, now)) EXPECT_NE(finding.what, "admin key");
  sql("UPDATE api_keys SET revoked_at = 1");
  EXPECT_EQ(in_store("admin key").health, Health::note) << "the next start puts it right";
  EXPECT_THAT(in_store("admin key").detail, HasSubstr("has been revoked"));
  const auto daemon = open();
  EXPECT_EQ(in_store("admin key").health, Health::bad);
  EXPECT_THAT(in_store("admin key").remedy, HasSubstr("start the daemon again"));
}

TEST_F(DoctorTest, TheUnitIsSpokenOfWhetherThereIsOneOrNot) {
  const auto unit = check_service_unit();
  ASSERT_EQ(unit.size(), 1u);
  EXPECT_EQ(unit.front().what, "service");
  EXPECT_FALSE(unit.front().detail.empty());
}

}  // namespace
}  // namespace app
