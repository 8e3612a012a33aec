// What every driver of store::Store promises. A driver is a type with
//   std::unique_ptr<Store> open(const Folder&, boost::asio::any_io_executor)
// that gives an empty store with the tables
//   parents (id: integer, key), children (id: integer, key; parent: refers to parents, checked at
//   the end of the transaction), things (id: integer, key; name: text, unique, not null;
//   size: integer, at least 0; note: text), anything (id: integer, key; number: integer;
//   real: double; text: text; bytes: binary).
#pragma once

#include "bridge/base/limits.h"
#include "tests/store/fixture.h"

#include <limits>
#include <stdexcept>

namespace store {

template <class Driver>
class StoreContract : public testing::Test {
 protected:
  base::Result<std::int64_t> add(std::string name, Value size = 1) {
    return write_one(loop, *store, "INSERT INTO things (name, size) VALUES ($1, $2)",
                     {std::move(name), std::move(size)});
  }
  std::vector<std::string> names() {
    std::vector<std::string> found;
    for (const auto& row : rows_of(loop, *store, "SELECT name FROM things ORDER BY id")) {
      found.push_back(row[0].text());
    }
    return found;
  }
  void expect_conflict(std::string sql, Values values, std::string_view reason) {
    const auto done = write_one(loop, *store, std::move(sql), std::move(values));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, base::Code::conflict) << done.error().message;
    EXPECT_EQ(done.error().reason, reason) << done.error().message;
  }

  Folder folder;
  boost::asio::io_context loop;
  Driver driver;
  std::unique_ptr<Store> store = driver.open(folder, loop.get_executor());
};

using Names = std::vector<std::string>;

TYPED_TEST_SUITE_P(StoreContract);

TYPED_TEST_P(StoreContract, CommittedRowsAreRead) {
  auto changed = this->add("one");
  ASSERT_TRUE(changed) << changed.error().message;
  EXPECT_EQ(*changed, 1);
  EXPECT_EQ(this->names(), Names{"one"});
}

TYPED_TEST_P(StoreContract, AFailedTransactionIsUndoneAndGivesItsOwnError) {
  const base::Error own{base::Code::denied, "because", "my_reason"};
  auto done = run(this->loop, this->store->write([&](Tx& tx) -> base::Result<int> {
    EXPECT_TRUE(tx.execute("INSERT INTO things (name, size) VALUES ('a', 1)"));
    return std::unexpected(own);
  }));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error(), own);
  EXPECT_EQ(this->names(), Names{});
}

TYPED_TEST_P(StoreContract, AThrowingTransactionIsUndoneAndTheExceptionComesOut) {
  auto work = [](Tx& tx) -> base::Result<> {
    EXPECT_TRUE(tx.execute("INSERT INTO things (name, size) VALUES ('a', 1)"));
    throw std::runtime_error("out");
  };
  EXPECT_THROW(std::ignore = run(this->loop, this->store->write(work)), std::runtime_error);
  EXPECT_EQ(this->names(), Names{});
  EXPECT_TRUE(this->add("b"));
}

TYPED_TEST_P(StoreContract, ParametersAreBoundByTheirNumber) {
  ASSERT_TRUE(write_one(this->loop, *this->store,
                        "INSERT INTO things (name, note, size) VALUES ($3, $2, $1)",
                        {7, "note", "name"}));
  auto rows = run(this->loop, this->store->read([](Tx& tx) {
    return tx.query("SELECT name, note FROM things WHERE size = $2 AND name = $1 AND $2 = size",
                    {"name", 7});
  }));
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(*rows, (std::vector<Row>{{"name", "note"}}));
}

TYPED_TEST_P(StoreContract, ConstraintsAreClassified) {
  const std::string insert = "INSERT INTO things (id, name, size) VALUES ($1, $2, $3)";
  ASSERT_TRUE(write_one(this->loop, *this->store, insert, {1, "a", 1}));
  this->expect_conflict(insert, {2, "a", 1}, "unique");
  this->expect_conflict(insert, {1, "b", 1}, "unique");
  this->expect_conflict(insert, {2, nullptr, 1}, "not_null");
  this->expect_conflict(insert, {2, "b", -1}, "check");
  this->expect_conflict("INSERT INTO children (id, parent) VALUES ($1, $2)", {1, 99},
                        "foreign_key");
}

TYPED_TEST_P(StoreContract, AViolatedConstraintUndoesItsStatementAlone) {
  auto done = run(this->loop, this->store->write([](Tx& tx) -> base::Result<> {
    const std::string insert = "INSERT INTO things (name, size) VALUES ($1, 1)";
    TRY_OK(tx.execute(insert, {"a"}));
    EXPECT_FALSE(tx.execute(insert, {"a"}));
    TRY_OK(tx.execute(insert, {"b"}));
    return {};
  }));
  EXPECT_TRUE(done);
  EXPECT_EQ(this->names(), (Names{"a", "b"}));
}

TYPED_TEST_P(StoreContract, AFailedAttemptIsUndoneAloneAndTellsNothing) {
  std::vector<std::string> told;
  auto done = run(this->loop, this->store->write([&](Tx& tx) -> base::Result<> {
    const auto add = [&](std::string name) -> base::Result<> {
      TRY_OK(tx.execute("INSERT INTO things (name, size) VALUES ($1, 1)", {name}));
      tx.after_commit([&told, name] { told.push_back(name); });
      return {};
    };
    TRY_OK(add("before"));
    const auto failed = tx.attempt([&]() -> base::Result<int> {
      TRY_OK(add("failed"));
      TRY_OK(tx.execute("INSERT INTO children (id, parent) VALUES (1, 99)"));
      TRY(const int inner, tx.attempt([&]() -> base::Result<int> {
        TRY_OK(add("failed as well"));
        return 1;
      }));
      EXPECT_EQ(inner, 1);
      return base::fail(base::Code::denied, "no", "my_reason");
    });
    EXPECT_EQ(failed.error().reason, "my_reason");
    TRY(const auto made, tx.attempt([&]() -> base::Result<std::string> {
      TRY_OK(add("made"));
      const auto lost = tx.attempt([&]() -> base::Result<int> {
        TRY_OK(add("lost"));
        return base::fail(base::Code::denied, "no");
      });
      EXPECT_FALSE(lost);
      return "result";
    }));
    EXPECT_EQ(made, "result");
    return add("after");
  }));
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_EQ(this->names(), (Names{"before", "made", "after"}));
  EXPECT_EQ(told, (Names{"before", "made", "after"}));
}

TYPED_TEST_P(StoreContract, AWrongStatementInAnAttemptFailsTheTransaction) {
  auto done = run(this->loop, this->store->write([](Tx& tx) -> base::Result<> {
    TRY_OK(tx.execute("INSERT INTO things (name, size) VALUES ('a', 1)"));
    const auto failed = tx.attempt([&]() -> base::Result<int> {
      EXPECT_FALSE(tx.query("SELECT nothing FROM nowhere"));
      return 1;
    });
    EXPECT_EQ(failed.error().reason, "syntax");
    return {};
  }));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().reason, "syntax");
  EXPECT_EQ(this->names(), Names{});
  EXPECT_TRUE(this->add("next"));
}

TYPED_TEST_P(StoreContract, AWrongStatementFailsTheTransactionWhateverWorkSays) {
  auto done = run(this->loop, this->store->write([](Tx& tx) -> base::Result<> {
    EXPECT_TRUE(tx.execute("INSERT INTO things (name, size) VALUES ('a', 1)"));
    EXPECT_FALSE(tx.query("SELECT nothing FROM nowhere"));
    EXPECT_FALSE(tx.query("SELECT 1"));
    return {};
  }));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, base::Code::internal);
  EXPECT_EQ(done.error().reason, "syntax");
  EXPECT_EQ(this->names(), Names{});
}

TYPED_TEST_P(StoreContract, ValuesAreCountedAndStatementsAreSingle) {
  EXPECT_FALSE(write_one(this->loop, *this->store, "DELETE FROM things WHERE id = $1"));
  EXPECT_FALSE(write_one(this->loop, *this->store, "DELETE FROM things WHERE id = $1", {1, 2}));
  EXPECT_FALSE(write_one(this->loop, *this->store, "DELETE FROM things; DELETE FROM things"));
  EXPECT_FALSE(write_one(this->loop, *this->store, ""));
}

TYPED_TEST_P(StoreContract, AWorkCannotEndTheTransaction) {
  for (const auto* sql : {"COMMIT", "ROLLBACK", "BEGIN", "SAVEPOINT mine", "RELEASE work"}) {
    EXPECT_FALSE(write_one(this->loop, *this->store, sql)) << sql;
    EXPECT_TRUE(this->add(sql));
  }
}

TYPED_TEST_P(StoreContract, ValuesComeBackAsTheyWere) {
  const std::string binary("\0\x01\xff\0", 4);
  const Values values[] = {
      {1, std::numeric_limits<std::int64_t>::max(), 0.1, "Größe ✓ 'quoted'", Blob{binary}},
      {2, std::numeric_limits<std::int64_t>::min(), -1e300, "", Blob{}},
      {3, nullptr, nullptr, nullptr, nullptr},
      {4, true, 2.5, std::string(1u << 20, 'x'), Blob{std::string(1u << 20, '\0')}},
  };
  for (const auto& row : values) {
    auto done = write_one(
        this->loop, *this->store,
        "INSERT INTO anything (id, number, real, text, bytes) VALUES ($1, $2, $3, $4, $5)", row);
    ASSERT_TRUE(done) << done.error().message;
  }
  const auto rows =
      rows_of(this->loop, *this->store, "SELECT id, number, real, text, bytes FROM anything");
  EXPECT_TRUE(std::ranges::equal(rows, values));
}

TYPED_TEST_P(StoreContract, ChangedRowsAreCountedAndReturned) {
  for (const auto* name : {"a", "b", "c"}) ASSERT_TRUE(this->add(name));
  EXPECT_EQ(*write_one(this->loop, *this->store, "UPDATE things SET size = 5 WHERE name > 'a'"), 2);
  EXPECT_EQ(*write_one(this->loop, *this->store, "DELETE FROM things WHERE name = 'z'"), 0);
  auto rows = run(this->loop, this->store->write([](Tx& tx) {
    return tx.query("UPDATE things SET size = size + 1 WHERE size = 5 RETURNING size");
  }));
  ASSERT_TRUE(rows);
  EXPECT_EQ(*rows, (std::vector<Row>{{6}, {6}}));
}

TYPED_TEST_P(StoreContract, OneRowOrNone) {
  ASSERT_TRUE(this->add("a"));
  auto find = [&](std::string name) {
    return *run(this->loop, this->store->read([name](Tx& tx) {
      return tx.query_one("SELECT size FROM things WHERE name = $1", {name});
    }));
  };
  EXPECT_EQ(find("a").value().at(0).integer(), 1);
  EXPECT_EQ(find("b"), std::nullopt);
}

TYPED_TEST_P(StoreContract, APartOfManyRowsIsBoundedByCountAndByBytes) {
  const std::size_t size = limits::list_part_bytes / 4;
  for (int i = 1; i <= 10; ++i) {
    ASSERT_TRUE(write_one(this->loop, *this->store,
                          "INSERT INTO things (id, name, size, note) VALUES ($1, $2, 1, $3)",
                          {i, std::to_string(i), std::string(size, 'x')}));
  }
  // The ids of a part, and whether it is the last.
  const auto part = [&](int after, std::size_t most) {
    auto found = run(this->loop, this->store->read([=](Tx& tx) {
      return tx.query_part("SELECT id, note FROM things WHERE id > $1 ORDER BY id", {after}, most);
    }));
    EXPECT_TRUE(found) << found.error().message;
    std::vector<std::int64_t> ids;
    for (const auto& row : found->items) ids.push_back(row[0].integer());
    return std::pair(ids, found->is_end);
  };
  using Ids = std::vector<std::int64_t>;
  EXPECT_EQ(part(0, 2), std::pair(Ids({1, 2}), false));
  EXPECT_EQ(part(0, 100), std::pair(Ids({1, 2, 3, 4}), false));
  EXPECT_EQ(part(6, 100), std::pair(Ids({7, 8, 9, 10}), true));
  EXPECT_EQ(part(8, 2), std::pair(Ids({9, 10}), true));
  EXPECT_EQ(part(10, 2), std::pair(Ids(), true));
}

TYPED_TEST_P(StoreContract, AReadChangesNothing) {
  auto done = run(this->loop, this->store->read([](Tx& tx) {
    return tx.execute("INSERT INTO things (name, size) VALUES ('a', 1)");
  }));
  EXPECT_FALSE(done);
  EXPECT_EQ(this->names(), Names{});
}

TYPED_TEST_P(StoreContract, ErrorsUndoOnlyTheirOwnAmongMany) {
  namespace asio = boost::asio;
  Names expected;
  for (int i = 0; i < 200; ++i) {
    const std::string name = "n" + std::to_string(1000 + i);
    if (i % 4 == 0) expected.push_back(name);
    auto work = [i, name](Tx& tx) -> base::Result<> {
      TRY_OK(tx.execute("INSERT INTO things (id, name, size) VALUES ($1, $2, 1)", {i, name}));
      if (i % 4 == 1) return base::fail(base::Code::denied, "no");
      if (i % 4 == 2) TRY_OK(tx.query("SELECT nothing FROM nowhere"));
      if (i % 4 == 3) TRY_OK(tx.execute("INSERT INTO children (id, parent) VALUES ($1, 99)", {i}));
      return {};
    };
    asio::co_spawn(this->loop, this->store->write(work),
                   [i](std::exception_ptr error, base::Result<> done) {
                     EXPECT_FALSE(error);
                     EXPECT_EQ(done.has_value(), i % 4 == 0);
                   });
  }
  this->loop.restart();
  this->loop.run();
  EXPECT_EQ(this->names(), expected);
}

TYPED_TEST_P(StoreContract, WhatIsCommittedIsToldInOrderBeforeTheWriterGoesOn) {
  namespace asio = boost::asio;
  std::vector<std::string> events;
  auto writer = [&](int i) -> asio::awaitable<void> {
    auto work = [&events, i](Tx& tx) -> base::Result<> {
      TRY_OK(tx.execute("INSERT INTO things (id, name, size) VALUES ($1, $2, 1)",
                        {i, std::to_string(i)}));
      tx.after_commit([&events, i] { events.push_back("told " + std::to_string(i)); });
      if (i % 3 == 0) return base::fail(base::Code::denied, "no");
      return {};
    };
    if (co_await this->store->write(work)) events.push_back("on " + std::to_string(i));
  };
  for (int i = 0; i < 30; ++i) {
    asio::co_spawn(this->loop, writer(i), [](std::exception_ptr e) { EXPECT_FALSE(e); });
  }
  this->loop.restart();
  this->loop.run();
  std::vector<std::string> expected;
  for (const auto& row : rows_of(this->loop, *this->store, "SELECT id FROM things ORDER BY id")) {
    expected.push_back("told " + std::to_string(row[0].integer()));
    expected.push_back("on " + std::to_string(row[0].integer()));
  }
  EXPECT_EQ(expected.size(), 40u);
  EXPECT_EQ(events, expected);
}

TYPED_TEST_P(StoreContract, GenerationsCountFromOneAndEveryOpenHasItsOwnName) {
  EXPECT_EQ(this->store->generation(), 1);
  EXPECT_FALSE(this->store->incarnation().empty());
  EXPECT_FALSE(this->store->is_short_of_space());
}

REGISTER_TYPED_TEST_SUITE_P(
    StoreContract, CommittedRowsAreRead, AFailedTransactionIsUndoneAndGivesItsOwnError,
    AThrowingTransactionIsUndoneAndTheExceptionComesOut, ParametersAreBoundByTheirNumber,
    ConstraintsAreClassified, AViolatedConstraintUndoesItsStatementAlone,
    AFailedAttemptIsUndoneAloneAndTellsNothing, AWrongStatementInAnAttemptFailsTheTransaction,
    AWrongStatementFailsTheTransactionWhateverWorkSays, ValuesAreCountedAndStatementsAreSingle,
    AWorkCannotEndTheTransaction, ValuesComeBackAsTheyWere, ChangedRowsAreCountedAndReturned,
    OneRowOrNone, APartOfManyRowsIsBoundedByCountAndByBytes, AReadChangesNothing,
    ErrorsUndoOnlyTheirOwnAmongMany, WhatIsCommittedIsToldInOrderBeforeTheWriterGoesOn,
    GenerationsCountFromOneAndEveryOpenHasItsOwnName);

}  // namespace store
