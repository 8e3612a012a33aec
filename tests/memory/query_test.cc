#include "bridge/services/memory/query.h"

#include "bridge/services/memory/memory_limits.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace services::memory {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> words(std::string_view text) {
  const auto query = Query::parse(text);
  EXPECT_TRUE(query) << text << ": " << (query ? "" : query.error().message);
  std::vector<std::string> found;
  if (!query) return found;
  for (const auto& phrase : query->phrases()) {
    found.push_back(phrase.text + (phrase.is_prefix ? "…" : ""));
  }
  return found;
}

std::string refused(std::string_view text) {
  const auto query = Query::parse(text);
  EXPECT_FALSE(query) << text;
  return query ? "" : query.error().message;
}

TEST(Query, WordsAreWordsAndOperatorsToo) {
  EXPECT_THAT(words("retry  policy\n"), ElementsAre("retry", "policy"));
  EXPECT_THAT(words("a AND (b OR c) NOT NEAR(d)"),
              ElementsAre("a", "AND", "(b", "OR", "c)", "NOT", "NEAR(d)"));
  EXPECT_THAT(words("title:x {y} ^z a-b"), ElementsAre("title:x", "{y}", "^z", "a-b"));
}

TEST(Query, QuotesKeepWordsTogether) {
  EXPECT_THAT(words("the \"exact  words\" here"), ElementsAre("the", "exact  words", "here"));
  EXPECT_THAT(words("an \"open end"), ElementsAre("an", "open end"));
  EXPECT_THAT(words("say\"so\""), ElementsAre("say\"so\""));
}

TEST(Query, AStarMakesTheLastWordABeginning) {
  EXPECT_THAT(words("retry pol*"), ElementsAre("retry", "pol…"));
  EXPECT_THAT(words("retry* policy"), ElementsAre("retry*", "policy"));
  EXPECT_THAT(words("\"retry pol*\""), ElementsAre("retry pol*"));
  EXPECT_THAT(refused("retry po*"), HasSubstr("at least 3 letters"));
  EXPECT_THAT(words("retry *"), ElementsAre("retry"));
}

TEST(Query, SignsAloneAreNothingToLookFor) {
  for (const auto* text :
       {"", "  ", "\"\"", "\" \"", "*", "?!", "()", "\"-\" ;", "—", "… «»", "🙂"}) {
    EXPECT_THAT(refused(text), HasSubstr("a letter or a digit")) << text;
  }
  EXPECT_THAT(words("– größe 数 7 –"), ElementsAre("größe", "数", "7"));
}

TEST(Query, IsBounded) {
  EXPECT_THAT(refused(std::string(limits::memory_query_bytes_max + 1, 'a')), HasSubstr("bytes"));
  std::string many;
  for (std::size_t i = 0; i < limits::memory_query_words_max; ++i) many += "w ";
  EXPECT_EQ(words(many).size(), limits::memory_query_words_max);
  EXPECT_THAT(refused(many + "w"), HasSubstr("at most 32 words"));
}

TEST(Query, ControlCharactersSeparate) {
  EXPECT_THAT(words(std::string_view("one\0two", 7)), ElementsAre("one", "two"));
  EXPECT_THAT(words(std::string_view("\"one\0two\"", 9)), ElementsAre("one two"));
}

}  // namespace
}  // namespace services::memory
