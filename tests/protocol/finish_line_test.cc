#include "bridge/protocol/finish_line.h"

#include "bridge/base/limits.h"
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

TEST(FinishLine, NeedsNoObjectWhereTextIsWanted) {
  FinishLine line(end, FinishLine::Wants::text);
  line.feed("warm\n");
  EXPECT_FALSE(line.reached());
  line.feed(end);
  EXPECT_TRUE(line.reached());
}

TEST(FinishWatch, ATextIsWorthReadingOnceForEachLineThatIsTheMarker) {
  FinishWatch watch(end, FinishLine::Wants::object);
  std::string text = "{\"a\":1}\n";
  EXPECT_FALSE(watch.is_worth_reading(text));
  EXPECT_TRUE(watch.is_worth_reading(text += end));
  for (const std::string_view more : {"", "\n", "\xE2\x80\x8B", "\n```\n", ":::\n", "and more"}) {
    EXPECT_FALSE(watch.is_worth_reading(text += more)) << more;
  }
  EXPECT_FALSE(watch.is_worth_reading(text += "\n"));
  EXPECT_TRUE(watch.is_worth_reading(text += end));
}

TEST(FinishWatch, ATextThatBecameShorterIsWorthReadingAgain) {
  FinishWatch watch(end, FinishLine::Wants::text);
  const std::string text = "warm\n" + std::string(end);
  EXPECT_TRUE(watch.is_worth_reading(text + "\n"));
  EXPECT_TRUE(watch.is_worth_reading(text));
}

TEST(FinishWatch, AMarkerThatComesOverAndOverIsReadInLinearTime) {
  FinishWatch watch(end, FinishLine::Wants::text);
  std::string text;
  std::size_t times = 0;
  std::size_t bytes = 0;
  for (int i = 0; i < 10'000; ++i) {
    text += "x\n" + std::string(end) + "\n";
    if (!watch.is_worth_reading(text)) continue;
    ++times;
    bytes += text.size();
  }
  EXPECT_GE(times, limits::finish_reads_max);
  EXPECT_LE(bytes, limits::finish_reads_max * text.size());
}

TEST(FinishWatch, ATextThatIsRewrittenOverAndOverIsLeftUntilItHasGrown) {
  FinishWatch watch(end, FinishLine::Wants::text);
  const std::string text = "warm\n" + std::string(end);
  std::size_t times = 0;
  for (int i = 0; i < 1000; ++i) {
    times += watch.is_worth_reading(text) ? 1 : 0;
    EXPECT_FALSE(watch.is_worth_reading(text.substr(0, text.size() - 1)));
  }
  EXPECT_GE(times, 1u);
  EXPECT_LE(times, limits::finish_reads_max);
  EXPECT_TRUE(watch.is_worth_reading(std::string(text.size(), 'x') + "\n" + text));
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
