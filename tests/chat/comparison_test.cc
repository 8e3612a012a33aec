#include "bridge/chat/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace chat {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Turn page(std::string text, std::vector<std::string> code = {}) {
  Turn turn;
  turn.text = std::move(text);
  for (auto& one : code) turn.blocks.push_back({.language = "json", .text = std::move(one)});
  return turn;
}

const std::string fenced = "Here:\n\n```json\n{\n  \"a\": 1\n}\n```\n\nTHE-END";

TEST(Comparison, ThePageDrawsMarkdownOtherwiseAndThatIsNoDifference) {
  EXPECT_THAT(differences(page("Here:\nTHE-END", {"{\n  \"a\": 1\n}\n"}), fenced), IsEmpty());
  EXPECT_THAT(differences(page("One two\nthree. four\nEND"),
                          "# One **two**\n\n1. three.\n2. [four](https://a.test/b)\n\nEND"),
              IsEmpty());
  EXPECT_THAT(differences(page("{\u00a0\"a\": 1}\nTHE-END"), "{ \"a\": 1}\nTHE-END"), IsEmpty());
}

TEST(Comparison, CodeInAListOrAQuoteIsTheSameCode) {
  EXPECT_THAT(differences(page("do:", {"{\n  \"a\": 1\n}"}),
                          "1. do:\n\n   ```json\n   {\n     \"a\": 1\n   }\n   ```\n"),
              IsEmpty());
  EXPECT_THAT(differences(page("", {"{\n\"a\": 1\n}"}), "> ```json\n> {\n> \"a\": 1\n> }\n> ```\n"),
              IsEmpty());
}

TEST(Comparison, AnotherCodeBlockIsTold) {
  EXPECT_THAT(differences(page("Here:\nTHE-END", {"{\n  \"a\": 2\n}"}), fenced),
              ElementsAre(HasSubstr("another code block")));
  EXPECT_THAT(differences(page("Here:\nTHE-END", {"{\n  \"a\": 1\n}", "rm -rf"}), fenced),
              ElementsAre(HasSubstr("another code block")));
}

TEST(Comparison, ABlockOfWhichThePageHoldsAPartProvesNothing) {
  Turn shown = page("THE-END", {"{\n  \"b\""});
  shown.blocks[0].partial = true;
  EXPECT_THAT(differences(shown, fenced), IsEmpty());
}

TEST(Comparison, OtherWordsAreToldWhereThereIsNoCode) {
  const std::string answer = "{\"verdict\": \"ok\", \"notes\": \"日本\"}\nTHE-END";
  EXPECT_THAT(differences(page(answer), answer), IsEmpty());
  EXPECT_THAT(differences(page("{\"verdict\": \"no\", \"notes\": \"日本\"}\nTHE-END"), answer),
              ElementsAre(HasSubstr("other words")));
  EXPECT_THAT(differences(page("{\"verdict\": \"ok\", \"notes\": \"日曜\"}\nTHE-END"), answer),
              ElementsAre(HasSubstr("other words")));
  EXPECT_THAT(differences(page(answer + "\nand more"), answer),
              ElementsAre(HasSubstr("other words")));
}

TEST(Comparison, TheSourcesOfAnAnswerMayBeDrawnAsThePageLikes) {
  EXPECT_THAT(differences(page("It rains. weather.test +1"),
                          "It rains. \ue200cite\ue202turn0search1\ue201"),
              IsEmpty());
}

TEST(Comparison, APageThatShowsLessThanHalfIsTold) {
  std::string plan;
  for (int step = 0; step < 20; ++step) plan += "Another step of the plan, in some words.\n";
  EXPECT_THAT(differences(page("THE-END"), plan + "THE-END"), ElementsAre(HasSubstr("less")));
  EXPECT_THAT(differences(page("THE-END", {"{}"}), "```json\n{}\n```\n" + plan + "THE-END"),
              ElementsAre(HasSubstr("less")));
  EXPECT_THAT(differences(page("THE-END", {plan}), "```\n" + plan + "```\nTHE-END"), IsEmpty());
}

TEST(Comparison, WhatWasReadFromThePageMustStayThere) {
  const auto read = [](std::string text, std::vector<std::string> code) {
    Turn turn = page(std::move(text), std::move(code));
    RawReply reply;
    reply.text = std::move(turn.text);
    reply.blocks = std::move(turn.blocks);
    return reply;
  };
  EXPECT_THAT(changes(read("Here: END", {"{}\n"}), page("Here:\nEND", {"{}"})), IsEmpty());
  EXPECT_THAT(changes(read("Here: END", {"{}"}), page("Here: END", {"[]"})),
              ElementsAre(HasSubstr("another answer")));
  EXPECT_THAT(changes(read("one", {}), page("one two")), ElementsAre(HasSubstr("another answer")));
  Turn shown = page("Here: END", {"{"});
  shown.blocks[0].partial = true;
  EXPECT_THAT(changes(read("Here: END", {"{}"}), shown), IsEmpty());
}

}  // namespace
}  // namespace chat
