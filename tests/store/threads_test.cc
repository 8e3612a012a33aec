// Transactions on threads of their own: who waits for whom, and what ends early.
#include "bridge/base/scope.h"
#include "tests/store/fixture.h"

#include <future>

#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace store {
namespace {

namespace asio = boost::asio;

constexpr Migration tables[] = {
    {"things", 1, "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE) STRICT;"},
};

struct Commits final : base::Faults {
  base::Result<> at(std::string_view point) override {
    if (point == "store.commit") ++count;
    return {};
  }
  std::atomic<int> count = 0;
};

struct Threaded {
  Threaded() {
    auto opened =
        SqliteStore::open({.path = folder / "store.db", .ballast_bytes = 0, .faults = &commits},
                          loop.get_executor(), tables);
    EXPECT_TRUE(opened) << opened.error().message;
    store = *std::move(opened);
  }
  auto adding(std::string name) {
    return store->write(
        [name](Tx& tx) { return tx.execute("INSERT INTO things (name) VALUES ($1)", {name}); });
  }

  Folder folder;
  asio::io_context loop;
  Commits commits;
  std::unique_ptr<SqliteStore> store;
};

// Work that begins, says so, and goes on when it may.
struct Gate {
  std::promise<void> begun;
  std::promise<void> may_go_on;

  auto work() {
    return [this](Tx& tx) -> base::Result<std::int64_t> {
      begun.set_value();
      may_go_on.get_future().wait();
      TRY(auto rows, tx.query("SELECT count(*) FROM things"));
      return rows[0][0].integer();
    };
  }
};

TEST(Threads, WhatWaitsIsCommittedTogether) {
  Threaded f;
  Gate gate;
  int done = 0;
  auto count = [&](std::exception_ptr error, auto result) {
    EXPECT_FALSE(error);
    EXPECT_TRUE(result);
    ++done;
  };
  asio::co_spawn(f.loop, f.store->write(gate.work()), count);
  f.loop.poll();
  gate.begun.get_future().wait();
  for (int i = 0; i < 50; ++i) asio::co_spawn(f.loop, f.adding(std::to_string(i)), count);
  f.loop.poll();
  gate.may_go_on.set_value();
  f.loop.run();
  EXPECT_EQ(done, 51);
  EXPECT_EQ(f.commits.count, 3);  // the gate's, then of those that wait 32 and 18
}

TEST(Threads, OfAGroupOnlyWhatFailedIsUndone) {
  Threaded f;
  Gate gate;
  int failed = 0;
  int thrown = 0;
  auto count = [&](std::exception_ptr error, auto result) {
    thrown += error ? 1 : 0;
    failed += !error && !result ? 1 : 0;
  };
  const auto adding_in_vain = [&](std::string name, bool throws) {
    return f.store->write([name, throws](Tx& tx) -> base::Result<> {
      TRY_OK(tx.execute("INSERT INTO things (name) VALUES ($1)", {name}));
      if (throws) throw std::runtime_error("after it has written");
      return base::fail(base::Code::conflict, "after it has written");
    });
  };
  asio::co_spawn(f.loop, f.store->write(gate.work()), count);
  f.loop.poll();
  gate.begun.get_future().wait();
  asio::co_spawn(f.loop, f.adding("first"), count);
  asio::co_spawn(f.loop, adding_in_vain("fails", false), count);
  asio::co_spawn(f.loop, f.adding("second"), count);
  asio::co_spawn(f.loop, adding_in_vain("throws", true), count);
  asio::co_spawn(f.loop, f.adding("third"), count);
  f.loop.poll();
  gate.may_go_on.set_value();
  f.loop.run();
  EXPECT_EQ(f.commits.count, 2);
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(thrown, 1);
  EXPECT_EQ(rows_of(f.loop, *f.store, "SELECT name FROM things ORDER BY id"),
            (std::vector<Row>{{"first"}, {"second"}, {"third"}}));
}

TEST(Threads, AFailureThatHasWrittenNothingRepeatsNothing) {
  Threaded f;
  Gate gate;
  int runs = 0;
  asio::co_spawn(f.loop, f.store->write(gate.work()), asio::detached);
  f.loop.poll();
  gate.begun.get_future().wait();
  for (const bool fails : {false, true, false}) {
    auto work = [&runs, fails](Tx& tx) -> base::Result<> {
      ++runs;
      if (fails) return base::fail(base::Code::conflict, "before it has written");
      TRY_OK(tx.execute("INSERT INTO things (name) VALUES ($1)", {std::to_string(runs)}));
      return {};
    };
    asio::co_spawn(f.loop, f.store->write(work), [fails](std::exception_ptr, base::Result<> done) {
      EXPECT_EQ(done.has_value(), !fails);
    });
  }
  f.loop.poll();
  gate.may_go_on.set_value();
  f.loop.run();
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(rows_of(f.loop, *f.store, "SELECT name FROM things").size(), 2u);
}

TEST(Threads, AReadSeesOneSnapshotWhileOthersWrite) {
  Threaded f;
  ASSERT_TRUE(run(f.loop, f.adding("before")));
  Gate gate;
  auto snapshot = [&](Tx& tx) -> base::Result<std::pair<std::int64_t, std::int64_t>> {
    TRY(auto first, tx.query("SELECT count(*) FROM things"));
    TRY(auto second, gate.work()(tx));
    return std::pair(first[0][0].integer(), second);
  };
  std::optional<std::pair<std::int64_t, std::int64_t>> seen;
  asio::co_spawn(f.loop, f.store->read(snapshot),
                 [&](std::exception_ptr, auto result) { seen = *result; });
  f.loop.restart();
  f.loop.poll();
  gate.begun.get_future().wait();
  asio::co_spawn(f.loop, f.adding("meanwhile"), [&](std::exception_ptr, auto result) {
    EXPECT_TRUE(result);
    gate.may_go_on.set_value();
  });
  f.loop.run();
  EXPECT_EQ(seen, std::pair(std::int64_t{1}, std::int64_t{1}));
  EXPECT_EQ(rows_of(f.loop, *f.store, "SELECT count(*) FROM things")[0][0].integer(), 2);
}

TEST(Threads, ACancelledWorkThatWaitsNeverRuns) {
  Threaded f;
  Gate gate;
  asio::co_spawn(f.loop, f.store->write(gate.work()), asio::detached);
  f.loop.poll();
  gate.begun.get_future().wait();
  auto owner = [&]() -> asio::awaitable<void> {
    base::Scope scope(f.loop.get_executor());
    auto never = [&]() -> asio::awaitable<void> {
      std::ignore = co_await f.adding("never");
      ADD_FAILURE() << "goes on after its cancellation";
    };
    scope.spawn(never());
    co_await asio::post(f.loop.get_executor(), asio::use_awaitable);
    // Ends although the thread is held up.
    co_await scope.join();
    gate.may_go_on.set_value();
  };
  asio::co_spawn(f.loop, owner(), asio::detached);
  f.loop.restart();
  f.loop.run();
  EXPECT_EQ(rows_of(f.loop, *f.store, "SELECT name FROM things"), std::vector<Row>());
}

TEST(Threads, CancellingWaitsForAWorkThatHasBegun) {
  Threaded f;
  Gate gate;
  bool has_result = false;
  auto owner = [&]() -> asio::awaitable<void> {
    base::Scope scope(f.loop.get_executor());
    auto begun = [&]() -> asio::awaitable<void> {
      auto work = [&](Tx& tx) -> base::Result<> {
        TRY_OK(tx.execute("INSERT INTO things (name) VALUES ('kept')"));
        TRY_OK(gate.work()(tx));
        return {};
      };
      has_result = (co_await f.store->write(work)).has_value();
    };
    scope.spawn(begun());
    co_await asio::post(f.loop.get_executor(), asio::use_awaitable);
    gate.begun.get_future().wait();
    asio::post(f.loop, [&] {
      EXPECT_FALSE(has_result);
      gate.may_go_on.set_value();
    });
    co_await scope.join();
    EXPECT_TRUE(has_result);
  };
  asio::co_spawn(f.loop, owner(), asio::detached);
  f.loop.run();
  EXPECT_TRUE(has_result);
  EXPECT_EQ(rows_of(f.loop, *f.store, "SELECT name FROM things"), (std::vector<Row>{{"kept"}}));
}

TEST(Threads, ClosingEndsWhatHasBegunAndRefusesWhatWaits) {
  Threaded f;
  Gate gate;
  std::optional<base::Result<std::int64_t>> begun;
  std::optional<base::Result<std::int64_t>> waiting;
  asio::co_spawn(f.loop, f.store->write(gate.work()),
                 [&](std::exception_ptr, auto result) { begun = std::move(result); });
  f.loop.poll();
  gate.begun.get_future().wait();
  asio::co_spawn(f.loop, f.adding("late"),
                 [&](std::exception_ptr, auto result) { waiting = std::move(result); });
  f.loop.poll();
  std::thread closing([&] { f.store.reset(); });
  // The refusal comes first: what waits is not held up by what has begun.
  while (!waiting) f.loop.run_one();
  gate.may_go_on.set_value();
  closing.join();
  f.loop.run();
  ASSERT_TRUE(begun && *begun);
  ASSERT_FALSE(*waiting);
  EXPECT_EQ(waiting->error().code, base::Code::unavailable);
  EXPECT_EQ(waiting->error().reason, "closed");
}

TEST(Threads, AThrowingCoroutineDoesNotTakeTheResultsOfOthers) {
  Threaded f;
  Gate gate;
  int done = 0;
  asio::co_spawn(f.loop, f.store->write(gate.work()), asio::detached);
  f.loop.poll();
  gate.begun.get_future().wait();
  for (int i = 0; i < 4; ++i) {
    asio::co_spawn(f.loop, f.adding(std::to_string(i)), [&, i](std::exception_ptr, auto) {
      ++done;
      if (i == 1) throw std::runtime_error("out of the loop");
    });
  }
  f.loop.poll();
  gate.may_go_on.set_value();
  EXPECT_THROW(f.loop.run(), std::runtime_error);
  f.loop.run();
  EXPECT_EQ(done, 4);
}

}  // namespace
}  // namespace store
