// What a store in a file promises beyond the contract.
#include "tests/store/fixture.h"

#include <fstream>
#include <stdexcept>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

namespace store {
namespace {

using base::Code;

constexpr Migration steps[] = {
    {"things", 1, "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE) STRICT;"},
    {"things", 2,
     "ALTER TABLE things ADD COLUMN size INTEGER; CREATE INDEX sizes ON things (size);"},
    {"others", 1, "CREATE TABLE others (id INTEGER PRIMARY KEY) STRICT;"},
};

struct InFile {
  base::Result<std::unique_ptr<SqliteStore>> open(std::span<const Migration> migrations = steps) {
    return SqliteStore::open(options, loop.get_executor(), migrations);
  }
  void expect_refused(std::span<const Migration> migrations, Code code, std::string_view reason) {
    const auto store = open(migrations);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, code) << store.error().message;
    EXPECT_EQ(store.error().reason, reason) << store.error().message;
  }
  // In the file, by SQLite itself.
  void change(const char* sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(options.path.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
  }

  Folder folder;
  boost::asio::io_context loop;
  SqliteOptions options{.path = folder / "store.db", .ballast_bytes = 0};
};

TEST(SqliteStore, WhatIsWrittenIsThereWhenItIsOpenedAgain) {
  InFile f;
  std::string first;
  {
    auto store = f.open();
    ASSERT_TRUE(store) << store.error().message;
    first = (*store)->incarnation();
    ASSERT_TRUE(write_one(f.loop, **store, "INSERT INTO things (name) VALUES ($1)", {"one"}));
  }
  auto store = f.open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(rows_of(f.loop, **store, "SELECT id, name FROM things"),
            (std::vector<Row>{{1, "one"}}));
  EXPECT_NE((*store)->incarnation(), first);
  EXPECT_EQ((*store)->generation(), 1);
}

TEST(SqliteStore, ASecondOpenerIsToldWhoHasIt) {
  InFile f;
  f.options.holder = "flywheel serve";
  auto first = f.open();
  ASSERT_TRUE(first) << first.error().message;

  auto second = f.open();

  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::busy);
  EXPECT_EQ(second.error().reason, "locked");
  const std::string who = "flywheel serve (pid " + std::to_string(::getpid()) + " on ";
  EXPECT_NE(second.error().message.find(who), std::string::npos) << second.error().message;
}

TEST(SqliteStore, WhatACrashLeftInTheLockDoesNotMatter) {
  InFile f;
  std::ofstream(f.options.path + ".lock") << "somebody (pid 1)\n";
  EXPECT_TRUE(f.open());
}

TEST(SqliteStore, FilesAreForTheirOwnerAlone) {
  InFile f;
  f.options.path = f.folder / "a/b/store.db";
  auto store = f.open();
  ASSERT_TRUE(store) << store.error().message;
  const auto mode = [&](std::string_view name) {
    struct stat status = {};
    EXPECT_EQ(::stat((f.folder / name).c_str(), &status), 0) << name;
    return status.st_mode & 0777;
  };
  EXPECT_EQ(mode("a"), 0700u);
  EXPECT_EQ(mode("a/b"), 0700u);
  for (const auto* name : {"store.db", "store.db-wal", "store.db-shm", "store.db.lock"}) {
    EXPECT_EQ(mode(std::string("a/b/") + name), 0600u) << name;
  }
}

TEST(SqliteStore, TheLogIsCopiedBackWhileTheStoreIsOpenAndStaysShort) {
  InFile f;
  f.options.log_pages_max = 50;
  auto store = f.open();
  ASSERT_TRUE(store) << store.error().message;
  const auto size = [&](std::string_view end) {
    return std::filesystem::file_size(f.options.path + std::string(end));
  };
  const std::string text(1000, 'x');
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(write_one(f.loop, **store, "INSERT INTO things (name) VALUES ($1)",
                          {text + std::to_string(i)}));
    // Readers see all of it meanwhile.
    if (i % 100 == 0) {
      EXPECT_EQ(rows_of(f.loop, **store, "SELECT COUNT(*) FROM things"),
                (std::vector<Row>{{i + 1}}));
    }
  }
  EXPECT_GT(size(""), 300'000u);
  EXPECT_LT(size("-wal"), 1'000'000u);
}

TEST(SqliteStore, AStoreOfANewerProgramIsRefused) {
  InFile f;
  ASSERT_TRUE(f.open());
  f.expect_refused(std::span(steps).first(1), Code::conflict, "newer_schema");
  f.expect_refused(std::span(steps).first(2), Code::conflict, "newer_schema");
  EXPECT_TRUE(f.open());
}

TEST(SqliteStore, AnOlderStoreIsBroughtUpToDate) {
  InFile f;
  {
    auto store = f.open(std::span(steps).first(1));
    ASSERT_TRUE(store);
    ASSERT_TRUE(write_one(f.loop, **store, "INSERT INTO things (name) VALUES ('old')"));
  }
  auto store = f.open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(rows_of(f.loop, **store, "SELECT name, size FROM things"),
            (std::vector<Row>{{"old", nullptr}}));
}

TEST(SqliteStore, AStepWithAnotherTextIsRefused) {
  InFile f;
  ASSERT_TRUE(f.open());
  Migration changed[] = {steps[0], steps[1], steps[2]};
  changed[2].sql = "CREATE TABLE others (id INTEGER PRIMARY KEY, more TEXT) STRICT;";
  f.expect_refused(changed, Code::conflict, "changed_migration");
}

TEST(SqliteStore, AStepThatFailsLeavesNothingOfItself) {
  InFile f;
  const Migration broken[] = {
      steps[0], {"things", 2, "CREATE TABLE half (id INTEGER) STRICT; CREATE TABLE things (x);"}};
  f.expect_refused(broken, Code::internal, "syntax");
  auto store = f.open(std::span(steps).first(1));
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(rows_of(f.loop, **store, "SELECT name FROM sqlite_schema WHERE name = 'half'"),
            std::vector<Row>());
}

TEST(SqliteStore, TheFileOfAnotherProgramIsLeftAlone) {
  InFile f;
  f.change("CREATE TABLE theirs (id INTEGER); PRAGMA user_version = 7");
  f.expect_refused(steps, Code::conflict, "foreign");
  f.change("PRAGMA application_id = 12345; INSERT INTO theirs VALUES (1)");
  f.expect_refused(steps, Code::conflict, "foreign");
  EXPECT_FALSE(std::filesystem::exists(f.options.path + "-wal"));
}

TEST(SqliteStore, AFileThatIsNoDatabaseIsLeftAlone) {
  InFile f;
  const std::string text = std::string(5000, 'x');
  std::ofstream(f.options.path) << text;
  f.expect_refused(steps, Code::conflict, "foreign");
  std::ifstream in(f.options.path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), text);
}

TEST(SqliteStore, AFolderThatCannotBeWrittenIsSaidSo) {
  // Root may write everywhere.
  struct Nobody {
    Nobody() {
      if (::geteuid() == 0) EXPECT_EQ(::seteuid(65534), 0);
    }
    ~Nobody() {
      if (::getuid() == 0) EXPECT_EQ(::seteuid(0), 0);
    }
  };
  InFile f;
  ASSERT_EQ(::chmod(f.folder.path().c_str(), 0555), 0);
  {
    const Nobody nobody;
    f.expect_refused(steps, Code::unavailable, "readonly");
    f.options.path = f.folder / "new/store.db";
    f.expect_refused(steps, Code::unavailable, "readonly");
  }
  ASSERT_EQ(::chmod(f.folder.path().c_str(), 0755), 0);
}

TEST(SqliteStore, TextKeepsItsNulBytes) {
  InFile f;
  auto store = f.open();
  const std::string text("a\0b", 3);
  ASSERT_TRUE(write_one(f.loop, **store, "INSERT INTO things (name) VALUES ($1)", {text}));
  EXPECT_EQ(rows_of(f.loop, **store, "SELECT name FROM things"), (std::vector<Row>{{text}}));
}

TEST(SqliteStore, TablesAreStrictAboutTypes) {
  InFile f;
  auto store = f.open();
  auto done = write_one(f.loop, **store, "INSERT INTO others (id) VALUES ($1)", {Blob{"x"}});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::internal);
  EXPECT_EQ(done.error().reason, "type");
}

TEST(SqliteStore, AStatementThatEndsTheTransactionIsNoConstraint) {
  InFile f;
  auto store = f.open();
  ASSERT_TRUE(write_one(f.loop, **store, "INSERT INTO things (name) VALUES ('a')"));
  auto done = write_one(f.loop, **store, "INSERT OR ROLLBACK INTO things (name) VALUES ('a')");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::internal);
  EXPECT_TRUE(write_one(f.loop, **store, "INSERT INTO things (name) VALUES ('b')"));
}

// Of a log that is copied every twenty pages.
struct SmallLog : InFile {
  SmallLog() { options.log_pages_max = 20; }

  // Each changes two or three pages.
  void write_many(Store& store, int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(write_one(loop, store, "INSERT INTO things (size) VALUES ($1)", {i}));
    }
  }
  std::uintmax_t pages(std::string_view file) const {
    return std::filesystem::file_size(options.path + std::string(file)) / 4096;
  }
};

TEST(SqliteStore, ALongReadHoldsTheLogBackAndNoWriter) {
  SmallLog f;
  const auto store = f.open();
  ASSERT_TRUE(store) << store.error().message;
  f.write_many(**store, 5);
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open(f.options.path.c_str(), &reader), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM things", nullptr, nullptr, nullptr),
            SQLITE_OK);
  f.write_many(**store, 100);
  const auto held = f.pages("-wal");
  EXPECT_GE(held, 200);
  sqlite3_close(reader);
  f.write_many(**store, 500);
  EXPECT_LE(f.pages("-wal"), held + 40);
  EXPECT_EQ(rows_of(f.loop, **store, "SELECT count(*) FROM things"), (std::vector<Row>{{605}}));
}

TEST(Ballast, SpaceIsGivenAwayAndTakenAgain) {
  Folder folder;
  const std::string path = folder / "ballast";
  Ballast ballast(path, 100'000);
  EXPECT_FALSE(ballast.is_released());
  EXPECT_EQ(std::filesystem::file_size(path), 100'000u);
  ballast.release();
  EXPECT_TRUE(ballast.is_released());
  EXPECT_FALSE(std::filesystem::exists(path));
  ballast.restore();
  EXPECT_FALSE(ballast.is_released());
  EXPECT_EQ(std::filesystem::file_size(path), 100'000u);
}

TEST(Ballast, MoreThanTheDiskHasIsNotTaken) {
  Folder folder;
  const std::string path = folder / "ballast";
  Ballast ballast(path, std::size_t{1} << 60);
  ballast.restore();
  EXPECT_TRUE(ballast.is_released());
  EXPECT_FALSE(std::filesystem::exists(path));
}

struct AtCommit final : base::Faults {
  base::Result<> at(std::string_view point) override {
    if (point != fails_at) return {};
    if (throws) throw std::logic_error("crash");
    return base::fail(Code::unavailable, "injected", "io");
  }
  std::string fails_at;
  bool throws = false;
};

TEST(SqliteStore, InjectedFailuresOfACommitUndoIt) {
  for (const auto threading : {Threading::in_caller, Threading::own_threads}) {
    InFile f;
    AtCommit faults;
    f.options.faults = &faults;
    f.options.threading = threading;
    auto store = f.open();
    const std::string insert = "INSERT INTO things (name) VALUES ($1)";
    faults.fails_at = "store.commit";
    auto done = write_one(f.loop, **store, insert, {"a"});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().message, "injected");
    faults.throws = true;
    EXPECT_THROW(std::ignore = write_one(f.loop, **store, insert, {"b"}), std::logic_error);
    faults.fails_at = "store.committed";
    EXPECT_THROW(std::ignore = write_one(f.loop, **store, insert, {"c"}), std::logic_error);
    faults.fails_at = "";
    EXPECT_TRUE(write_one(f.loop, **store, insert, {"d"}));
    EXPECT_EQ(rows_of(f.loop, **store, "SELECT name FROM things"),
              (std::vector<Row>{{"c"}, {"d"}}));
  }
}

}  // namespace
}  // namespace store
