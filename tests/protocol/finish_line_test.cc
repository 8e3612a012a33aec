#include "bridge/protocol/finish_line.h"

#include "bridge/protocol/object_finder.h"

#include <gtest/gtest.h>

namespace protocol {
namespace {

constexpr std::string_view end = "FLYWHEEL-END-01";

bool reached_after(std::string_view text) {
  FinishLine line(end);
  line.feed(text);
  return line.reached();
}

TEST(FinishLine, IsReachedAtTheLastByteOfTheMarkerAndNotBefore) {
  const std::string reply = "```json\n{\"a\": {\"b\": \"}\"}}\n```\n\nFLYWHEEL-END-01";
  FinishLine line(end);
  for (const char& c : reply) {
    EXPECT_FALSE(line.reached());
    line.feed({&c, 1});
  }
  EXPECT_TRUE(line.reached());
}

TEST(FinishLine, NeedsACompleteObject) {
  EXPECT_FALSE(reached_after("FLYWHEEL-END-01"));
  EXPECT_FALSE(reached_after("{\"a\": 1\nFLYWHEEL-END-01"));
  EXPECT_FALSE(reached_after("{}\nFLYWHEEL-END-01"));
}

TEST(FinishLine, NeedsTheMarkerAsTheWholeLastLine) {
  EXPECT_TRUE(reached_after("{\"a\":1}\nFLYWHEEL-END-01 \n\n:::\n"));
  EXPECT_FALSE(reached_after("{\"a\":1}\nFLYWHEEL-END-01\nOne more thing"));
  EXPECT_FALSE(reached_after("{\"a\":1} FLYWHEEL-END-01"));
  EXPECT_FALSE(reached_after("{\"a\":1}\nFLYWHEEL-END-02"));
}

TEST(FinishLine, DoesNotDependOnThePieces) {
  const std::string reply =
      "Set {\"x: {\"\\u00e9\": [{\"k\":1}]}\r\n\xC2\xA0**FLYWHEEL-END-01**\xE2\x80\x8B\n";
  for (std::size_t size = 1; size <= reply.size(); ++size) {
    FinishLine pieces(end);
    for (std::size_t at = 0; at < reply.size(); at += size) {
      pieces.feed(std::string_view(reply).substr(at, size));
    }
    EXPECT_TRUE(pieces.reached()) << size;
  }
}

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

std::size_t steps_a_byte(const std::string& text) {
  ObjectFinder finder;
  finder.feed(text);
  return finder.steps() / text.size();
}

TEST(ObjectFinder, WorkIsLinearForNestedAndInterleavedObjects) {
  constexpr std::size_t steps_max = 6;
  EXPECT_LE(steps_a_byte(repeated("{\"a\":", 20000)), steps_max);
  EXPECT_LE(steps_a_byte(repeated("{\"a\":", 60) + repeated("[1],", 20000)), steps_max);
  EXPECT_LE(steps_a_byte(repeated("{\":\":\"{\",", 20000)), steps_max);
  EXPECT_LE(steps_a_byte("{\"a\":[" + repeated("{\"b\":[{\"c\":1}]},", 20000) + "x"), steps_max);
  EXPECT_LE(steps_a_byte("{\"a\":\"" + repeated("{\\\"a\\\":", 20000)), steps_max);
  EXPECT_LE(steps_a_byte(repeated("{", 100000)), steps_max);
  EXPECT_LE(steps_a_byte("{\":\":\"" + repeated(",\":\":{\":\":\"", 20000)), steps_max);
}

TEST(ObjectFinder, RemembersTheAttemptThatGotFurthest) {
  ObjectFinder finder;
  finder.feed("{x} {\"a\": [1, 2, oops]} {y}");
  ASSERT_TRUE(finder.longest_broken());
  EXPECT_EQ(finder.longest_broken()->begin, 4u);
  EXPECT_EQ(finder.longest_broken()->at, 17u);
}

TEST(ObjectFinder, KnowsTheObjectTheTextEndsInside) {
  ObjectFinder finder;
  finder.feed("{\"a\":1} then {\"b\":");
  EXPECT_EQ(finder.open_since(), 13u);
  finder.feed("2}");
  EXPECT_EQ(finder.open_since(), std::nullopt);
  EXPECT_EQ(finder.found().size(), 2u);
}

}  // namespace
}  // namespace protocol
