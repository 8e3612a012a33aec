// Copies of a store, and putting them back.
#include "bridge/store/backup.h"

#include "tests/store/fixture.h"

#include <algorithm>
#include <fstream>

#include <sys/wait.h>
#include <unistd.h>

namespace store {
namespace {

using base::Code;

constexpr Migration tables[] = {
    {"things", 1, "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT) STRICT;"},
};

struct Backups {
  std::unique_ptr<SqliteStore> open(Threading threading = Threading::own_threads) {
    auto opened = SqliteStore::open({.path = path, .threading = threading, .ballast_bytes = 0},
                                    loop.get_executor(), tables);
    EXPECT_TRUE(opened) << opened.error().message;
    return *std::move(opened);
  }
  void add(Store& store, std::string name) {
    EXPECT_TRUE(write_one(loop, store, "INSERT INTO things (name) VALUES ($1)", {std::move(name)}));
  }
  std::vector<Row> names(Store& store) { return rows_of(loop, store, "SELECT name FROM things"); }
  base::Result<Restored> restored() { return restore(copy, path, base::WallTime()); }
  // As a command does that finds no daemon.
  base::Result<> backed_up(const Stops& stops = [] { return false; }) {
    auto source = Connection::open(path, Access::read);
    EXPECT_TRUE(source && (*source)->control("BEGIN"));
    return write_backup(**source, copy, stops);
  }
  static void damage(const std::string& store) {
    std::fstream file(store);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(store)) - 8192);
    file << std::string(8192, '\xff') << std::flush;
  }
  std::vector<std::string> files_in(const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(folder / name)) {
      names.push_back(file.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }

  Folder folder;
  boost::asio::io_context loop;
  std::string path = folder / "store.db";
  std::string copy = folder / "backups/copy.db";
};

TEST(Backup, ARestoredStoreIsALaterGenerationAndTheOtherIsKept) {
  for (const auto threading : {Threading::own_threads, Threading::in_caller}) {
    Backups f;
    {
      auto store = f.open(threading);
      f.add(*store, "old");
      const auto done = run(f.loop, store->backup(f.copy));
      ASSERT_TRUE(done) << done.error().message;
      f.add(*store, "new");
    }
    const auto done = f.restored();
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->generation, 2);
    EXPECT_EQ(done->replaced, f.path + ".replaced-19700101T000000");
    {
      auto store = f.open();
      EXPECT_EQ(store->generation(), 2);
      EXPECT_EQ(f.names(*store), (std::vector<Row>{{"old"}}));
    }
    // Restoring again is later than both.
    ASSERT_TRUE(f.restored());
    EXPECT_EQ(f.open()->generation(), 3);
    f.path = done->replaced;
    EXPECT_EQ(f.names(*f.open()), (std::vector<Row>{{"old"}, {"new"}}));
  }
}

// Moved away by hand, or lost with its disk's directory: the log tells of the store that has gone.
TEST(Backup, ALogWithoutItsStoreIsKeptAndNotReadWithTheRestoredOne) {
  Backups f;
  const std::string log = f.path + "-wal";
  const std::string saved = f.folder / "saved-wal";
  {
    auto store = f.open();
    f.add(*store, "old");
    ASSERT_TRUE(run(f.loop, store->backup(f.copy)));
    f.add(*store, "new");
    std::filesystem::copy_file(log, saved);
  }
  std::filesystem::remove(f.path);
  std::filesystem::rename(saved, log);
  std::ofstream(f.path + "-shm") << "stale";
  const auto size = std::filesystem::file_size(log);
  ASSERT_GT(size, 0u);

  const auto done = f.restored();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->replaced, f.path + ".replaced-19700101T000000-wal");
  EXPECT_EQ(std::filesystem::file_size(done->replaced), size);
  EXPECT_FALSE(std::filesystem::exists(log));
  EXPECT_FALSE(std::filesystem::exists(f.path + "-shm"));
  EXPECT_EQ(f.names(*f.open()), (std::vector<Row>{{"old"}}));

  // Another one of the same second is kept beside it.
  std::ofstream(log) << "another";
  std::filesystem::remove(f.path);
  const auto again = f.restored();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->replaced, f.path + ".replaced-19700101T000000-2-wal");
}

TEST(Backup, AFileThatIsThereIsNotOverwritten) {
  Backups f;
  auto store = f.open();
  ASSERT_TRUE(run(f.loop, store->backup(f.copy)));
  f.add(*store, "more");
  const auto done = run(f.loop, store->backup(f.copy));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::conflict);
  EXPECT_EQ(done.error().reason, "exists");
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& file :
       std::filesystem::directory_iterator(f.folder / "backups")) {
    ++files;
  }
  EXPECT_EQ(files, 1u);
}

TEST(Backup, AnOpenStoreIsNotReplaced) {
  Backups f;
  auto store = f.open();
  ASSERT_TRUE(run(f.loop, store->backup(f.copy)));
  const auto done = f.restored();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().reason, "locked");
}

TEST(Backup, OnlyAWholeStoreIsRestored) {
  Backups f;
  {
    auto store = f.open();
    f.add(*store, "kept");
  }
  std::filesystem::create_directory(f.folder / "backups");
  const auto expect_refused = [&](std::string_view reason) {
    const auto done = f.restored();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().reason, reason) << done.error().message;
    EXPECT_EQ(f.names(*f.open()), (std::vector<Row>{{"kept"}}));
  };
  expect_refused("");  // there is none
  std::ofstream(f.copy).flush();
  expect_refused("foreign");
  std::ofstream(f.copy) << std::string(9000, 'x');
  expect_refused("foreign");
  std::filesystem::remove(f.copy);
  {
    auto store = f.open();
    for (int i = 0; i < 100; ++i) f.add(*store, std::string(1000, 'y'));
    ASSERT_TRUE(run(f.loop, store->backup(f.copy)));
    ASSERT_TRUE(write_one(f.loop, *store, "DELETE FROM things WHERE name <> 'kept'"));
  }
  Backups::damage(f.copy);
  expect_refused("corrupt");
}

TEST(Backup, ADamagedStoreIsNotBackedUp) {
  Backups f;
  {
    auto store = f.open();
    for (int i = 0; i < 100; ++i) f.add(*store, std::string(1000, 'y'));
  }
  Backups::damage(f.path);
  const auto done = f.backed_up();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().reason, "corrupt") << done.error().message;
  EXPECT_NE(done.error().message.find("nothing is written"), std::string::npos);
  EXPECT_EQ(f.files_in("backups"), std::vector<std::string>());
}

// Wherever it is: the one that is asked once more is the next to be ended.
TEST(Backup, OneThatIsEndedEarlyLeavesNothingBehind) {
  Backups f;
  {
    auto store = f.open();
    for (int i = 0; i < 100; ++i) f.add(*store, std::string(1000, 'y'));
  }
  int goes_on = 0;
  int asked = 0;
  const Stops stops = [&] { return asked++ >= goes_on; };
  for (auto done = f.backed_up(stops); !done; done = f.backed_up(stops)) {
    ASSERT_EQ(done.error().reason, "closed") << done.error().message;
    EXPECT_EQ(f.files_in("backups"), std::vector<std::string>());
    ++goes_on;
    asked = 0;
  }
  EXPECT_GT(goes_on, 1);
  EXPECT_EQ(f.files_in("backups"), std::vector<std::string>{"copy.db"});

  const auto before = f.files_in("");
  const auto refused = restore(f.copy, f.path, base::WallTime(), {.stops = [] { return true; }});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "closed");
  EXPECT_EQ(f.files_in(""), before);
}

TEST(Backup, WhatAKilledOneLeftIsRemovedByTheNext) {
  Backups f;
  {
    auto store = f.open();
    f.add(*store, "kept");
  }
  const pid_t killed = ::fork();
  if (killed == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(killed, nullptr, 0), killed);
  const std::string gone = ".part-" + std::to_string(killed);
  const std::string lives = ".part-" + std::to_string(::getppid());
  std::filesystem::create_directory(f.folder / "backups");
  for (const auto& name : {"copy.db" + gone, "copy.db" + gone + "-journal", "copy.db" + lives,
                           "copy.db" + gone + ".mine", "other.db" + gone}) {
    std::ofstream(f.folder / ("backups/" + name)) << "half";
  }
  const auto done = f.backed_up();
  ASSERT_TRUE(done) << done.error().message;
  std::vector<std::string> left{"copy.db", "copy.db" + gone + ".mine", "copy.db" + lives,
                                "other.db" + gone};
  std::ranges::sort(left);
  EXPECT_EQ(f.files_in("backups"), left);
}

TEST(Backup, WhatCannotBePreparedReplacesNothing) {
  Backups f;
  {
    auto store = f.open();
    f.add(*store, "old");
    ASSERT_TRUE(run(f.loop, store->backup(f.copy)));
    f.add(*store, "new");
  }
  const auto before = f.files_in("");
  const auto refused = restore(f.copy, f.path, base::WallTime(), {.prepare = [](Connection& copy) {
                                 EXPECT_TRUE(copy.script("DELETE FROM things"));
                                 return base::fail(Code::invalid, "no key", "configuration");
                               }});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "configuration");
  EXPECT_EQ(f.files_in(""), before);
  EXPECT_EQ(f.names(*f.open()), (std::vector<Row>{{"old"}, {"new"}}));

  const auto done = restore(f.copy, f.path, base::WallTime(), {.prepare = [](Connection& copy) {
                              return copy.script("INSERT INTO things (name) VALUES ('prepared')");
                            }});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(f.names(*f.open()), (std::vector<Row>{{"old"}, {"prepared"}}));
}

TEST(Backup, ADamagedStoreCanBeReplaced) {
  Backups f;
  {
    auto store = f.open();
    f.add(*store, "kept");
    ASSERT_TRUE(run(f.loop, store->backup(f.copy)));
  }
  std::ofstream(f.path) << std::string(8192, 'x');
  const auto done = f.restored();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(std::filesystem::file_size(done->replaced), 8192u);
  EXPECT_EQ(f.names(*f.open()), (std::vector<Row>{{"kept"}}));
}

TEST(Backup, CheckingFindsNothingInAWholeStore) {
  Backups f;
  auto store = f.open();
  f.add(*store, "one");
  EXPECT_TRUE(run(f.loop, store->check()));
}

}  // namespace
}  // namespace store
