// The ranking beside FTS5's own.
#include "bridge/store/relevance.h"

#include "tests/store/fixture.h"

#include <array>

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace store {
namespace {

constexpr std::array steps = {Migration{"texts", 1, R"sql(
  CREATE VIRTUAL TABLE texts USING fts5 (title, body, marks)
)sql"}};

class RelevanceTest : public testing::Test {
 protected:
  RelevanceTest() {
    auto opened = SqliteStore::open({.path = ":memory:"}, loop.get_executor(), steps);
    BRIDGE_ASSERT(opened);
    store = *std::move(opened);
  }
  void add(const std::string& title, const std::string& body, const std::string& marks = "m") {
    EXPECT_TRUE(
        write_one(loop, *store, "INSERT INTO texts VALUES ($1, $2, $3)", {title, body, marks}));
  }
  // Row and score by a ranking, best first.
  std::vector<std::pair<std::int64_t, double>> ranked(std::string_view by, std::string_view what) {
    const auto rows = rows_of(
        loop, *store,
        fmt::format("SELECT rowid, {} FROM texts WHERE texts MATCH '{}' ORDER BY 2, 1", by, what));
    std::vector<std::pair<std::int64_t, double>> found;
    for (const auto& row : rows) found.emplace_back(row[0].integer(), row[1].real());
    return found;
  }

  boost::asio::io_context loop;
  std::unique_ptr<SqliteStore> store;
};

TEST_F(RelevanceTest, IsBm25WhileEveryHitIsCounted) {
  add("plan", "one plan and one more plan");
  add("retries", "back off, then try the plan again");
  add("queue", "jobs wait in a queue until their lane is free, and none is lost on the way");
  add("plan plan plan", "x");
  for (int i = 0; i < 20; ++i) add("other", "words of another text");
  for (const auto* what : {"plan", "plan one", "plan OR queue", "\"the plan\""}) {
    const auto own = ranked(
        "relevance(texts, 9, words_in(title) + words_in(body) + words_in(marks), 4.0, 1.0, 1.0)",
        what);
    const auto theirs = ranked("bm25(texts, 4.0, 1.0, 1.0)", what);
    ASSERT_EQ(own.size(), theirs.size()) << what;
    EXPECT_FALSE(own.empty()) << what;
    for (std::size_t i = 0; i < own.size(); ++i) {
      EXPECT_EQ(own[i].first, theirs[i].first) << what;
      EXPECT_NEAR(own[i].second, theirs[i].second, 1e-9) << what;
    }
  }
}

TEST_F(RelevanceTest, PhrasesBehindTheCountedOnesDoNotMatter) {
  add("a", "the plan");
  add("b", "the plan", "m m m m");
  for (int i = 0; i < 20; ++i) add("other", "words");
  const auto found = ranked("relevance(texts, 1, 3, 1.0, 1.0, 0.0)", "body : plan AND marks : m");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_GT(found[0].second,
            ranked("relevance(texts, 2, 3)", "body : plan AND marks : m")[0].second);
  EXPECT_THAT(ranked("relevance(texts)", "plan"),
              testing::Each(testing::Field(&std::pair<std::int64_t, double>::second, 0.0)));
}

TEST_F(RelevanceTest, LikenessDependsOnTheRowAlone) {
  add("plan", "one plan and one more plan");
  add("b", "back off, then try the plan again");
  const auto* by = "likeness(texts, 1, words_in(title) + words_in(body), 4.0, 1.0, 0.0)";
  const auto before = ranked(by, "plan NOT other");
  ASSERT_EQ(before.size(), 2u);
  EXPECT_EQ(before[0].first, 1);
  EXPECT_LT(before[0].second, before[1].second);
  EXPECT_LT(before[1].second, 0);
  for (int i = 0; i < 20; ++i) add("other", "the plan of another who has many words for it");
  EXPECT_EQ(ranked(by, "plan NOT other"), before);
  // The same in fewer words is more.
  add("c", "short plan");
  const auto more = ranked(by, "plan NOT other");
  ASSERT_EQ(more.size(), 3u);
  EXPECT_EQ(more[0], before[0]);
  EXPECT_EQ(more[1].first, 23);
  EXPECT_EQ(more[2], before[1]);
}

TEST_F(RelevanceTest, WhatIsVeryCommonIsEstimated) {
  const auto many = run(loop, store->write([](Tx& tx) {
    return tx.execute(
        "INSERT INTO texts SELECT '', 'common ' || iif(i % 1000 = 0, 'rare', 'x'), '' FROM "
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) "
        "SELECT i FROM n)");
  }));
  ASSERT_TRUE(many);
  // Of 30,000 rows 2,000 are read; the rarity of what is everywhere is nothing all the same.
  const auto common = ranked("relevance(texts, 1, 2)", "common");
  EXPECT_EQ(common.size(), 30'000u);
  EXPECT_NEAR(common.front().second, 0, 1e-5);
  EXPECT_LT(ranked("relevance(texts, 2, 2)", "common rare").front().second, -1);
}

TEST_F(RelevanceTest, RowsAreCountedAsTheyAreLookedAt) {
  for (int i = 0; i < 5; ++i) add("a", "the plan");
  add("b", "another");
  const auto counted = [&](std::string_view more) {
    const auto rows =
        rows_of(loop, *store,
                fmt::format("SELECT nth FROM (SELECT rowid AS number, nth(texts) AS nth FROM texts "
                            "WHERE texts MATCH 'plan' ORDER BY rowid DESC LIMIT 4) {}",
                            more));
    std::vector<std::int64_t> found;
    for (const auto& row : rows) found.push_back(row[0].integer());
    return found;
  };
  using testing::ElementsAre;
  EXPECT_THAT(counted(""), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(counted("WHERE number = 4 OR nth = 4"), ElementsAre(2, 4));
  // Every query counts for itself.
  EXPECT_THAT(counted(""), ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace store
