// What of a text is shown, and what in it is marked.
#include "bridge/store/passage.h"

#include "tests/store/fixture.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace store {
namespace {

class PassageTest : public testing::Test {
 protected:
  PassageTest() {
    auto opened = SqliteStore::open({.path = ":memory:"}, loop.get_executor(), {});
    BRIDGE_ASSERT(opened);
    store = *std::move(opened);
  }
  std::string ask(std::string_view ending, const std::string& text, const std::string& phrases,
                  int words) {
    const auto row = run(loop, store->read([&](Tx& tx) {
      return tx.query_one(fmt::format("SELECT passage($1, $2, {}, $3)", ending),
                          {text, phrases, words});
    }));
    EXPECT_TRUE(row && *row) << (row ? "" : row.error().message);
    return row && *row ? (*row)->at(0).text() : "";
  }
  std::string shown(const std::string& text, const std::string& phrases, int words = 100) {
    return ask("0", text, phrases, words);
  }
  std::string shown_with_prefix(const std::string& text, const std::string& phrases) {
    return ask("1", text, phrases, 100);
  }

  boost::asio::io_context loop;
  std::unique_ptr<SqliteStore> store;
};

TEST_F(PassageTest, EveryWordThatIsMeantIsMarked) {
  EXPECT_EQ(shown("(The plan; a PLAN!)", "plan"), "(The [plan]; a [PLAN]!)");
  EXPECT_EQ(shown("Él llegó el café", "cafe\nel"), "[Él] llegó [el] [café]");
  EXPECT_EQ(shown("planned explanations", "plan"), "planned explanations");
  EXPECT_EQ(shown("nothing of it", "plan"), "nothing of it");
  EXPECT_EQ(shown("", "plan"), "");
  EXPECT_EQ(shown("text", ""), "text");
  EXPECT_EQ(shown("a – b", "–\nb"), "a – [b]");
}

TEST_F(PassageTest, APhraseIsFoundWhereItsWordsStandSideBySide) {
  EXPECT_EQ(shown("retry with care, with retry", "retry with"), "[retry with] care, with retry");
  EXPECT_EQ(shown("one-off and off one", "one off"), "[one-off] and off one");
  // Where it begins anew within itself, and where phrases overlap.
  EXPECT_EQ(shown("a a b", "a b"), "a [a b]");
  EXPECT_EQ(shown("a b a b a c", "a b a c"), "a b [a b a c]");
  EXPECT_EQ(shown("w x y z", "w x\nx y"), "[w x y] z");
}

TEST_F(PassageTest, OnlyTheLastWordMayBeABeginning) {
  EXPECT_EQ(shown_with_prefix("backoff, backs", "back"), "[backoff], [backs]");
  EXPECT_EQ(shown_with_prefix("the backoff of theirs", "the\nback"), "[the] [backoff] of theirs");
  EXPECT_EQ(shown_with_prefix("try backing, trying back", "try back"),
            "[try backing], trying back");
  EXPECT_EQ(shown("backoff, backs", "back"), "backoff, backs");
}

TEST_F(PassageTest, ALongTextIsCutToWhereMostPhrasesStand) {
  std::string before;
  std::string after;
  for (int i = 0; i < 50; ++i) {
    before += fmt::format("b{} ", i);
    after += fmt::format(" a{}", i);
  }
  EXPECT_EQ(shown(before + "x" + after, "x", 5), "…b48 b49 [x] a0 a1…");
  EXPECT_EQ(shown("x" + after, "x", 5), "[x] a0 a1 a2 a3…");
  EXPECT_EQ(shown(before + "x.", "x", 5), "…b46 b47 b48 b49 [x].");
  EXPECT_EQ(shown("x x x " + before + "x y" + after, "x\ny", 4), "…b49 [x] [y] a0…");
  EXPECT_EQ(shown("x " + before + "x x" + after, "x", 4), "…b49 [x] [x] a0…");
  EXPECT_EQ(shown(before + "x x" + after + " x x", "x", 4), "…b49 [x] [x] a0…");
  EXPECT_EQ(shown(before, "x", 3), "b0 b1 b2…");
  EXPECT_EQ(shown(before + "end. It is x" + after, "x", 6), "…It is [x] a0 a1 a2…");
  // A phrase that is longer than what is shown.
  EXPECT_EQ(shown(before + "p q r s" + after, "p q r s", 3), "…[p q r]…");
}

}  // namespace
}  // namespace store
