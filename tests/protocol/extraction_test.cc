#include "bridge/protocol/extraction.h"

#include "bridge/base/limits.h"

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace protocol {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view end = "FLYWHEEL-END-01";

bool has_answer(const json::object& object) { return object.contains("answer"); }

base::Result<Extraction> from(std::string_view markdown) {
  return extract(markdown, end, has_answer);
}

// What was found, as "<route>[ marked]: <json>", or "<reason>".
std::string found_in(std::string_view markdown) {
  auto result = from(markdown);
  if (!result) return result.error().reason;
  return std::string(name(result->route)) + (result->is_end_marked ? " marked: " : ": ") +
         json::serialize(result->value);
}

std::string message_for(std::string_view markdown) {
  auto result = from(markdown);
  return result ? "" : result.error().message;
}

TEST(Extraction, TheExpectedReplyIsAFencedBlockAndTheEndMarker) {
  EXPECT_EQ(found_in("```json\n{\"answer\": 1}\n```\n\nFLYWHEEL-END-01"),
            "fenced_json marked: {\"answer\":1}");
}

TEST(Extraction, ProseAroundTheBlockDoesNotMatter) {
  EXPECT_EQ(found_in("Sure! {braces} here.\n```json\n{\"answer\": 1}\n```\nHope it helps {:-}\n"),
            "fenced_json: {\"answer\":1}");
}

TEST(Extraction, AnyFenceWillDo) {
  EXPECT_EQ(found_in("```\n{\"answer\":1}\n```"), "fenced: {\"answer\":1}");
  EXPECT_EQ(found_in("```JSON5 title=x\n{\"answer\":1}\n```"), "fenced: {\"answer\":1}");
  EXPECT_EQ(found_in("```JSON\n{\"answer\":1}\n```"), "fenced_json: {\"answer\":1}");
  EXPECT_EQ(found_in("~~~json\n{\"answer\":1}\n~~~"), "fenced_json: {\"answer\":1}");
  EXPECT_EQ(found_in("`````json\n{\"answer\":\"```\"}\n`````"),
            "fenced_json: {\"answer\":\"```\"}");
}

TEST(Extraction, AFenceInsideAListOrQuoteIsAFence) {
  EXPECT_EQ(found_in("1. Here:\n\n   ```json\n   {\n     \"answer\": 1\n   }\n   ```\n"),
            "fenced_json: {\"answer\":1}");
  EXPECT_EQ(found_in("> ```json\n> {\"answer\": 1}\n> ```\n"), "fenced_json: {\"answer\":1}");
}

TEST(Extraction, AnIndentedBlockIsFound) {
  EXPECT_EQ(found_in("Here:\n\n    {\"answer\": 1}\n\nDone."), "indented: {\"answer\":1}");
}

TEST(Extraction, WithoutAFenceTheJsonIsFoundByItsGrammar) {
  EXPECT_EQ(found_in("The set {1, 2} says {\"answer\": {\"deep\": [1, -2.5e3, true, null]}} ok?"),
            "prose: {\"answer\":{\"deep\":[1,-2.5E3,true,null]}}");
  EXPECT_EQ(
      found_in("{\n  \"answer\": 1,\n\n    \"more\": [\n\n    {\"a\": 2}]\n}\nFLYWHEEL-END-01\n"),
      "prose marked: {\"answer\":1,\"more\":[{\"a\":2}]}");
}

TEST(Extraction, AnUnbalancedQuoteInProseHidesNothing) {
  EXPECT_EQ(found_in("He wrote {\"the answer and left. {\"answer\": 1}"), "prose: {\"answer\":1}");
}

TEST(Extraction, AFenceInsideAStringValueEndsNothing) {
  EXPECT_EQ(found_in("```json\n{\"answer\": \"```js\\nx()\\n```\"}\n```\nFLYWHEEL-END-01"),
            "fenced_json marked: {\"answer\":\"```js\\nx()\\n```\"}");
}

TEST(Extraction, OfSeveralBlocksTheOnlyAcceptableOneIsTaken) {
  auto result = from("```json\n{\"example\": 1}\n```\nand\n```json\n{\"answer\": 2}\n```\n");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::serialize(result->value), "{\"answer\":2}");
  EXPECT_THAT(result->warnings, ElementsAre(HasSubstr("1 other JSON object")));
}

TEST(Extraction, TheSameObjectTwiceIsOneObject) {
  EXPECT_EQ(found_in("```json\n{\"answer\": 2}\n```\n```json\n{ \"answer\": 2 }\n```\n"),
            "fenced_json: {\"answer\":2}");
}

TEST(Extraction, TwoDifferentAcceptableObjectsAreAmbiguous) {
  const std::string reply = "```json\n{\"answer\": 1}\n```\n```json\n{\"answer\": 2}\n```\n";
  EXPECT_EQ(found_in(reply), "ambiguous");
  EXPECT_EQ(message_for(reply),
            "extract the reply: 2 different objects answer the request (code block 1 (json), "
            "code block 2 (json)); there must be one");
}

TEST(Extraction, AnUnacceptableObjectIsReturnedIfItWasClearlyMeant) {
  EXPECT_EQ(found_in("```json\n{\"wrong\": 1}\n```"), "fenced_json: {\"wrong\":1}");
  EXPECT_EQ(found_in("As in {\"a\":1}:\n```json\n{\"wrong\": 1}\n```"),
            "fenced_json: {\"wrong\":1}");
  EXPECT_EQ(found_in("```\n{\"a\":1}\n```\n```json\n{\"wrong\": 1}\n```"),
            "fenced_json: {\"wrong\":1}");
  EXPECT_EQ(found_in("```json\n{\"a\":1}\n```\n```json\n{\"wrong\": 1}\n```"), "ambiguous");
}

TEST(Extraction, ATruncatedReplyIsIncompleteAndNotInvalid) {
  EXPECT_EQ(found_in("```json\n{\"answer\": [{\"x\": 1}, {\"y\""), "incomplete");
  EXPECT_EQ(found_in("```json\n{\"answer\": 1}\n"), "incomplete");
  EXPECT_EQ(found_in("Here: {\"answer\": [{\"x\": 1}, "), "incomplete");
  EXPECT_EQ(found_in("```json\n{\"answer\": 1,\n```\n"), "invalid_json");
}

TEST(Extraction, AnUnclosedFenceIsCompleteWithTheEndMarker) {
  auto result = from("```json\n{\"answer\": 1}\nFLYWHEEL-END-01\n");
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->is_end_marked);
  EXPECT_THAT(result->warnings, ElementsAre("a code block is not closed"));
}

TEST(Extraction, TheEndMarkerMayBeTheLastLineOfTheBlock) {
  EXPECT_EQ(found_in("```json\n{\"answer\": 1}\nFLYWHEEL-END-01\n```"),
            "fenced_json marked: {\"answer\":1}");
}

TEST(Extraction, TheEndMarkerCountsOnlyAsTheLastLine) {
  EXPECT_EQ(found_in("{\"answer\":1}\nFLYWHEEL-END-01\n\n  \n"), "prose marked: {\"answer\":1}");
  EXPECT_EQ(found_in("{\"answer\":1}\nFLYWHEEL-END-01\nBye"), "prose: {\"answer\":1}");
  EXPECT_EQ(found_in("{\"answer\":1}\nFLYWHEEL-END-012"), "prose: {\"answer\":1}");
  EXPECT_EQ(found_in("{\"answer\":1}\nSay FLYWHEEL-END-01"), "prose: {\"answer\":1}");
  EXPECT_EQ(found_in("{\"answer\":1}\n**FLYWHEEL-END-01**"), "prose marked: {\"answer\":1}");
}

TEST(Extraction, AWritingContainerIsSeenThrough) {
  EXPECT_EQ(found_in(":::writing{variant=\"document\" id=\"5\"}\n```json\n{\"answer\": 1}\n```\n"
                     "FLYWHEEL-END-01\n:::\n"),
            "fenced_json marked: {\"answer\":1}");
  EXPECT_EQ(found_in(":::writing{id=\"5\"}\n{\"answer\": 1}\n:::\n"), "prose: {\"answer\":1}");
}

TEST(Extraction, InvisibleCharactersBetweenTokensAreRemovedWithAWarning) {
  auto result = from(
      "```json\n\xEF\xBB\xBF{\xC2\xA0\"answer\":\xE2\x80\x8B \"no\xC2\xA0"
      "break\"}\n```");
  ASSERT_TRUE(result);
  EXPECT_EQ(json::serialize(result->value),
            "{\"answer\":\"no\xC2\xA0"
            "break\"}");
  EXPECT_THAT(result->warnings, ElementsAre(HasSubstr("invisible characters")));
}

TEST(Extraction, CitationMarksOutsideStringsAreRemoved) {
  const std::string cite =
      "\xEE\x88\x80"
      "cite"
      "\xEE\x88\x82"
      "turn0\",{}"
      "\xEE\x88\x81";
  EXPECT_EQ(found_in("{\"answer\": 1" + cite + "}" + cite + "\nFLYWHEEL-END-01" + cite),
            "prose marked: {\"answer\":1}");
}

TEST(Extraction, CurlyQuotesAreNotRepairedButNamed) {
  const std::string reply =
      "```json\n{\n  \xE2\x80\x9C"
      "answer\xE2\x80\x9D: 1\n}\n```\n";
  EXPECT_EQ(found_in(reply), "invalid_json");
  EXPECT_EQ(message_for(reply),
            "extract the reply: a curly quote where only a straight one is allowed in code block 1 "
            "(json), line 3, column 3");
}

TEST(Extraction, WhatIsWrongIsSaidWithItsPlace) {
  EXPECT_THAT(message_for("{\"answer\": 1,}"), HasSubstr("a comma before the closing brace in the "
                                                         "text, line 1, column 14"));
  EXPECT_THAT(message_for("{\"answer\": [1,]}"), HasSubstr("a comma before a closing bracket"));
  EXPECT_THAT(message_for("{\"answer\": \"a\nb\"}"), HasSubstr("a line break"));
  EXPECT_THAT(message_for("{\"answer\": TRUE}"), HasSubstr("no JSON value"));
  EXPECT_THAT(message_for("{\"answer\": 01}"), HasSubstr("neither a comma nor"));
  EXPECT_THAT(message_for("{\"answer\": 1 // why\n}"), HasSubstr("neither a comma nor"));
  EXPECT_THAT(message_for("{\"a\": 1, \"a\": 2}"), HasSubstr("duplicate object key \"a\""));
  EXPECT_THAT(message_for("{\"answer\": 1e999}"), HasSubstr("number out of range"));
  EXPECT_EQ(message_for("Sorry, I cannot."), "extract the reply: there is no JSON object in it");
}

TEST(Extraction, InnerObjectsOfABrokenReplyAreNotTakenForIt) {
  EXPECT_EQ(found_in("{\"steps\": [{\"a\": 1}, {\"a\": 2}], \"x\": oops}"), "invalid_json");
}

TEST(Extraction, AnEmptyObjectIsNoReply) { EXPECT_EQ(found_in("\\frac{}{ }"), "no_json"); }

TEST(Extraction, TheDomRouteReadsBlocksFirstAndTheMarkerFromTheText) {
  auto result = extract(SeenReply{{{"JSON", "{\"answer\":\n 1}"}}, "json\nCopy\nFLYWHEEL-END-01"},
                        end, has_answer);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->route, Route::dom_block);
  EXPECT_TRUE(result->is_end_marked);
}

TEST(Extraction, TheDomRouteFindsJsonInPlainText) {
  auto result = extract(SeenReply{{}, "It is {\"answer\": 1}."}, end, has_answer);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->route, Route::dom_text);
  EXPECT_FALSE(result->is_end_marked);
}

TEST(Extraction, TheDomRouteSeesATruncatedBlock) {
  auto result = extract(SeenReply{{{"", "{\"answer\": ["}}, "Copy"}, end, has_answer);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().reason, "incomplete");
}

std::string megabyte_of(std::string_view piece) {
  std::string text;
  while (text.size() < 1u << 20) text += piece;
  return text;
}

TEST(Extraction, AnObjectIsFoundBehindAnyAmountOfMarks) {
  const std::string reply = "\n\n```json\n{\"answer\": 1}\n```\n\nFLYWHEEL-END-01";
  for (const std::string_view piece : {"a<!--", "![l", "[", "*a ", "_", "&", "<a ", "a`", "a\\",
                                       "> ", "- ", "1. ", "> - ", "- a\n", "[a]: x\n", "a\n\n"}) {
    EXPECT_EQ(found_in(megabyte_of(piece) + reply), "fenced_json marked: {\"answer\":1}") << piece;
  }
  // These open a block that takes in the fence.
  EXPECT_EQ(found_in(megabyte_of("<!--") + reply), "prose marked: {\"answer\":1}");
  EXPECT_EQ(found_in(megabyte_of("`") + reply), "fenced marked: {\"answer\":1}");
  EXPECT_EQ(found_in(megabyte_of("~") + reply), "fenced marked: {\"answer\":1}");
}

TEST(Extraction, TheSameObjectInAnyOrderAndPlaceIsOne) {
  EXPECT_EQ(found_in("{\"answer\": 1, \"x\": [2]} and\n```\n{\"x\": [2], \"answer\": 1}\n```\n"),
            "fenced: {\"x\":[2],\"answer\":1}");
}

TEST(Extraction, EachOfSeveralWrongThingsIsFoundAtItsOwnPlace) {
  EXPECT_THAT(message_for("{\"a\": 1, \"a\": 2}\n\n x {\"longer\": 1, \"longer\": 2}"),
              HasSubstr("in the text, line 3, column 4 is "));
  EXPECT_THAT(message_for("{\"longer\": 1, \"longer\": 2}\n {\"a\": 1, \"a\": 2}"),
              HasSubstr("in the text, line 1, column 1 is "));
}

TEST(Extraction, ATooLongReplyIsRefused) {
  EXPECT_EQ(found_in(std::string(limits::reply_bytes_max + 1, ' ')), "too_long");
}

}  // namespace
}  // namespace protocol
