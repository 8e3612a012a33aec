// What the promise rests on: nothing acknowledged is lost, whenever the power goes.
#include "bridge/store/backup.h"
#include "tests/store/fixture.h"
#include "tests/store/forgetful_vfs.h"

namespace store {
namespace {

using base::Code;

constexpr Migration tables[] = {
    {"things", 1, "CREATE TABLE things (id INTEGER PRIMARY KEY, tag INTEGER, body TEXT) STRICT;"},
    {"things", 2, "CREATE INDEX tags ON things (tag);"},
};

struct World {
  explicit World(std::uint64_t seed) : random(seed) {}

  base::Result<std::unique_ptr<SqliteStore>> open() {
    return SqliteStore::open({.path = folder / "store.db",
                              .threading = threading,
                              .ballast_bytes = ballast_bytes,
                              .log_pages_max = log_pages_max,
                              .vfs = vfs.name(),
                              .died = [this](const base::Error& error) { died.push_back(error); }},
                             loop.get_executor(), tables);
  }

  // Two rows with one tag, or none.
  base::Result<> add(Store& store, int tag) {
    const std::string body(sizes() % 3000, 'x');
    return run(loop, store.write([tag, body](Tx& tx) -> base::Result<> {
      for (int i = 0; i < 2; ++i) {
        TRY_OK(tx.execute("INSERT INTO things (tag, body) VALUES ($1, $2)", {tag, body}));
      }
      // Pages in the middle of the file change too.
      TRY_OK(tx.execute("UPDATE things SET body = $2 WHERE tag = $1", {tag / 2, body}));
      return {};
    }));
  }

  // Works until the power goes; gives the tags that were acknowledged.
  std::vector<int> work(int count) {
    std::vector<int> acknowledged;
    auto store = open();
    for (int tag = 0; store && tag < count; ++tag) {
      if (add(**store, tag)) acknowledged.push_back(tag);
    }
    return acknowledged;
  }

  void expect_kept(const std::vector<int>& acknowledged) {
    auto store = open();
    ASSERT_TRUE(store) << store.error().message;
    const auto whole = run(loop, (*store)->check());
    EXPECT_TRUE(whole) << whole.error().message;
    std::map<std::int64_t, std::int64_t> counts;
    for (const auto& row :
         rows_of(loop, **store, "SELECT tag, count(*) FROM things GROUP BY tag")) {
      counts[row[0].integer()] = row[1].integer();
      EXPECT_EQ(row[1].integer(), 2) << "half of transaction " << row[0].integer();
    }
    for (const int tag : acknowledged) EXPECT_TRUE(counts.contains(tag)) << "lost " << tag;
    EXPECT_TRUE(add(**store, 1000));
  }

  // Many at once, several to a commit. Gives the tags that were acknowledged.
  std::vector<int> work_at_once(SqliteStore& store, int count) {
    std::vector<int> acknowledged;
    for (int tag = 0; tag < count; ++tag) {
      auto work = [tag, body = std::string(sizes() % 3000, 'x')](Tx& tx) -> base::Result<> {
        for (int i = 0; i < 2; ++i) {
          TRY_OK(tx.execute("INSERT INTO things (tag, body) VALUES ($1, $2)", {tag, body}));
        }
        return {};
      };
      boost::asio::co_spawn(loop, store.write(std::move(work)),
                            [&acknowledged, tag](std::exception_ptr error, base::Result<> done) {
                              if (!error && done) acknowledged.push_back(tag);
                            });
    }
    loop.restart();
    loop.run();
    return acknowledged;
  }

  Folder folder;
  boost::asio::io_context loop;
  ForgetfulVfs vfs{"forgetful"};
  Threading threading = Threading::in_caller;
  std::mt19937_64 random;    // what cuts leave
  std::mt19937_64 sizes{1};  // the same work in every world
  std::size_t ballast_bytes = 0;
  int log_pages_max = 6;  // copied back often
  std::vector<base::Error> died;
};

constexpr int transactions = 20;

std::size_t acts_of_a_whole_life() {
  World world(0);
  world.work(transactions);
  return world.vfs.acts();
}

TEST(PowerCut, AfterEveryActNothingAcknowledgedIsLost) {
  const auto acts = acts_of_a_whole_life();
  ASSERT_GT(acts, 80u);
  std::size_t losses = 0;  // of what was not acknowledged
  for (std::size_t cut = 0; cut < acts; ++cut) {
    SCOPED_TRACE("cut after act " + std::to_string(cut));
    World world(cut);
    world.vfs.cut_after(cut);
    const auto acknowledged = world.work(transactions);
    losses += acknowledged.size() < transactions;
    EXPECT_FALSE(world.vfs.has_power());
    world.vfs.restore_power(world.random);
    world.expect_kept(acknowledged);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(losses, acts / 2);
}

TEST(PowerCut, CutsFollowingOneAnotherLoseNothing) {
  const auto acts = acts_of_a_whole_life();
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    std::vector<int> acknowledged;
    for (int life = 0; life < 3; ++life) {
      world.vfs.cut_after(world.random() % acts);
      auto store = world.open();
      for (int i = 0; store && i < transactions; ++i) {
        const int tag = life * 100 + i;
        if (world.add(**store, tag)) acknowledged.push_back(tag);
      }
      if (store) store->reset();
      world.vfs.restore_power(world.random);
    }
    world.expect_kept(acknowledged);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(PowerCut, WithThreadsOfItsOwnNothingAcknowledgedIsLost) {
  constexpr int writers = 40;
  std::size_t whole = 0;
  std::size_t cut = 0;
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    world.threading = Threading::own_threads;
    auto store = world.open();
    ASSERT_TRUE(store) << store.error().message;
    world.vfs.cut_after(world.random() % 30);
    const auto acknowledged = world.work_at_once(**store, writers);
    const bool is_whole = acknowledged.size() == writers;
    (is_whole ? whole : cut) += 1;
    // It never says so of what comes after, and says why.
    if (!is_whole) {
      EXPECT_TRUE(world.work_at_once(**store, 1).empty());
      EXPECT_EQ((*store)->failure().value_or(base::Error{}).reason, "io");
      EXPECT_EQ(world.died.size(), 1u);
    }
    world.vfs.cut_after(0);
    store->reset();
    world.vfs.restore_power(world.random);
    world.threading = Threading::in_caller;
    world.expect_kept(acknowledged);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(cut, 20u);
  EXPECT_GT(cut + whole, 100u);
}

// The layer itself must be able to lose something, or the tests above show nothing.
TEST(PowerCut, WithoutSyncsAcknowledgedWorkIsLost) {
  std::size_t lost = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    World world(seed);
    auto store = world.open();
    ASSERT_TRUE(store);
    ASSERT_TRUE(world.add(**store, 1));
    sqlite3* lazy = nullptr;
    ASSERT_EQ(sqlite3_open_v2((world.folder / "store.db").c_str(), &lazy, SQLITE_OPEN_READWRITE,
                              "forgetful"),
              SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(lazy, "PRAGMA synchronous = OFF; INSERT INTO things (tag) VALUES (7)",
                           nullptr, nullptr, nullptr),
              SQLITE_OK);
    world.vfs.cut_after(0);
    store->reset();
    sqlite3_close(lazy);
    world.vfs.restore_power(world.random);
    store = world.open();
    ASSERT_TRUE(store) << store.error().message;
    lost += rows_of(world.loop, **store, "SELECT 1 FROM things WHERE tag = 7").empty();
  }
  EXPECT_GT(lost, 0u);
}

TEST(PowerCut, ACommitReachesTheFileInOneWriteAndASync) {
  World world(1);
  world.log_pages_max = 1000;
  auto store = world.open();
  ASSERT_TRUE(store);
  ASSERT_TRUE(world.add(**store, 1));
  const auto before = world.vfs.acts();
  ASSERT_TRUE(world.add(**store, 2));
  EXPECT_EQ(world.vfs.acts() - before, 2u);
}

TEST(Faults, AFullDiskIsSurvivedOnTheBallast) {
  World world(1);
  world.ballast_bytes = 65536;
  const std::string ballast = world.folder / "store.db.ballast";
  auto store = world.open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(std::filesystem::file_size(ballast), 65536u);
  world.vfs.fail(ForgetfulVfs::Act::write, SQLITE_FULL);

  // What is under way is written all the same, in the space that was kept for it.
  EXPECT_TRUE(world.add(**store, 1));

  EXPECT_FALSE((*store)->failure());
  EXPECT_EQ(rows_of(world.loop, **store, "SELECT tag FROM things WHERE tag = 1").size(), 2u);
  // The disk has plenty, so the space is taken again.
  EXPECT_FALSE((*store)->is_short_of_space());
  EXPECT_EQ(std::filesystem::file_size(ballast), 65536u);
}

TEST(Faults, ADiskThatIsFullWithoutTheBallastRefuses) {
  World world(1);
  world.ballast_bytes = 65536;
  auto store = world.open();
  ASSERT_TRUE(store) << store.error().message;
  world.vfs.fail(ForgetfulVfs::Act::write, SQLITE_FULL, 2);

  const auto refused = world.add(**store, 1);

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_EQ(refused.error().reason, "full");
  EXPECT_FALSE((*store)->failure());
  EXPECT_TRUE((*store)->is_short_of_space());
  EXPECT_FALSE(std::filesystem::exists(world.folder / "store.db.ballast"));
  EXPECT_TRUE(world.add(**store, 2));
  EXPECT_FALSE((*store)->is_short_of_space());
  EXPECT_EQ(rows_of(world.loop, **store, "SELECT tag FROM things WHERE tag = 1").size(), 0u);
}

// Nobody need write for it: while space is short, what is new is refused before it does.
TEST(Faults, RoomIsSeenByTheNextWhoAsksEvenIfNothingIsWritten) {
  World world(1);
  world.ballast_bytes = 65536;
  auto store = world.open();
  ASSERT_TRUE(store) << store.error().message;
  world.vfs.fail(ForgetfulVfs::Act::write, SQLITE_FULL, 2);
  ASSERT_FALSE(world.add(**store, 1));
  ASSERT_TRUE((*store)->is_short_of_space());

  const auto refused = run(world.loop, (*store)->write([](Tx&) -> base::Result<> {
    return base::fail(Code::unavailable, "no room for anything new");
  }));

  EXPECT_FALSE(refused);
  EXPECT_FALSE((*store)->is_short_of_space());
}

TEST(Faults, OnAFullDiskEveryWriterOfAGroupIsServedOnce) {
  World world(1);
  world.threading = Threading::own_threads;
  world.ballast_bytes = 65536;
  auto store = world.open();
  ASSERT_TRUE(store) << store.error().message;
  world.vfs.fail(ForgetfulVfs::Act::write, SQLITE_FULL);

  EXPECT_EQ(world.work_at_once(**store, 40).size(), 40u);

  EXPECT_EQ(rows_of(world.loop, **store, "SELECT tag FROM things").size(), 80u);
}

TEST(Faults, AFailedSyncKillsTheStore) {
  World world(1);
  auto store = world.open();
  ASSERT_TRUE(store);
  ASSERT_TRUE(world.add(**store, 1));
  world.vfs.fail(ForgetfulVfs::Act::sync, SQLITE_IOERR_FSYNC);

  const auto failed = world.add(**store, 2);

  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::unavailable);
  EXPECT_EQ(failed.error().reason, "io");
  const auto later = world.add(**store, 3);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().reason, "io");
  EXPECT_TRUE((*store)->failure());
  world.loop.restart();
  world.loop.run();
  EXPECT_EQ(world.died.size(), 1u);
  store->reset();
  world.expect_kept({1});
}

TEST(Faults, AFailedWriteKillsTheStore) {
  World world(1);
  auto store = world.open();
  ASSERT_TRUE(store);
  ASSERT_TRUE(world.add(**store, 1));
  world.vfs.fail(ForgetfulVfs::Act::write, SQLITE_IOERR_WRITE);
  ASSERT_FALSE(world.add(**store, 2));
  EXPECT_EQ((*store)->failure()->reason, "io");
  store->reset();
  world.expect_kept({1});
}

TEST(Faults, AStoreThatCannotBeWrittenSaysSo) {
  World world(1);
  auto store = world.open();
  ASSERT_TRUE(store);
  world.vfs.fail(ForgetfulVfs::Act::write, SQLITE_READONLY);
  const auto failed = world.add(**store, 2);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::unavailable);
  EXPECT_EQ(failed.error().reason, "readonly");
  EXPECT_FALSE((*store)->failure());
  EXPECT_TRUE(world.add(**store, 3));
}

}  // namespace
}  // namespace store
