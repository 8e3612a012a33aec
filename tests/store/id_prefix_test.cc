// Rows that are called by the beginning of their ids.
#include "bridge/store/id_prefix.h"

#include "tests/store/fixture.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace store {
namespace {

using base::Code;
using testing::HasSubstr;

class IdPrefixTest : public testing::Test {
 protected:
  IdPrefixTest() {
    static const Migration things[] = {{"things", 1, R"sql(
      CREATE TABLE things (id TEXT NOT NULL PRIMARY KEY, colour TEXT NOT NULL) STRICT;
      INSERT INTO things (id, colour)
      VALUES ('0193-a1', 'red'), ('0193-a2', 'blue'), ('0193-ff', 'blue'), ('0194-00', 'red')
    )sql"}};
    auto opened = SqliteStore::open({.path = ":memory:"}, loop.get_executor(), things);
    BRIDGE_ASSERT(opened);
    store = *std::move(opened);
  }
  // The whole id, or why there is none.
  std::string found(std::string_view prefix, std::string where = {}, Values values = {}) {
    const auto id = run(loop, store->read([&](Tx& tx) -> base::Result<std::string> {
      TRY(const auto row,
          find_by_prefix({.noun = "thing",
                          .column = "t.id",
                          .prefix = prefix,
                          .where = std::move(where),
                          .values = std::move(values)},
                         [&](const std::string& rest, Values all) {
                           return tx.query(fmt::format("SELECT t.id FROM things t {}", rest), all);
                         }));
      return row[0].text();
    }));
    return id ? *id : fmt::format("{} {}", base::name(id.error().code), id.error().reason);
  }

  boost::asio::io_context loop;
  std::unique_ptr<SqliteStore> store;
};

TEST_F(IdPrefixTest, TheOneThatBeginsSoIsFound) {
  EXPECT_EQ(found("0194"), "0194-00");
  EXPECT_EQ(found("0193-a2"), "0193-a2");
  EXPECT_EQ(found("0193-f"), "0193-ff");
  EXPECT_EQ(found("0193"), "invalid ambiguous_id");
  EXPECT_EQ(found("0193-a"), "invalid ambiguous_id");
  EXPECT_EQ(found("0193-b"), "not_found ");
  EXPECT_EQ(found("0194-000"), "not_found ");
  EXPECT_EQ(found("019%"), "not_found ");
}

TEST_F(IdPrefixTest, TooLittleOfAnIdIsNone) {
  EXPECT_EQ(found("019"), "not_found ");
  EXPECT_EQ(found(""), "not_found ");
}

TEST_F(IdPrefixTest, OthersThanThoseThatAreMeantAreNotThere) {
  EXPECT_EQ(found("0193", "WHERE t.colour = $1", {"red"}), "0193-a1");
  EXPECT_EQ(found("0193", "WHERE t.colour = $1 AND t.id <> $2", {"blue", "0193-ff"}), "0193-a2");
  EXPECT_EQ(found("0193", "WHERE t.colour = $1", {"blue"}), "invalid ambiguous_id");
  EXPECT_EQ(found("0193", "WHERE t.colour = $1", {"green"}), "not_found ");
}

TEST_F(IdPrefixTest, WhatIsSaidNamesTheThingAndTheWayOut) {
  EXPECT_EQ(ambiguous_id("thing", "0193").message,
            "find thing 0193: several ids begin so; give more of it");
  EXPECT_EQ(no_such_id("thing", "0195").message, "find thing 0195: there is none");
}

}  // namespace
}  // namespace store
