#include "bridge/app/foreign_text.h"

#include "bridge/app/console.h"

#include <sstream>

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace app {
namespace {

TEST(ForeignText, WhatATerminalWouldObeyIsASpace) {
  EXPECT_EQ(shown("a\x1b[31mb\x07\x7f"), "a [31mb  ");
  EXPECT_EQ(shown("a\nb\tc\rd"), "a b c d");
  EXPECT_EQ(shown("a\u0080b\u009bc\u009fd"), "a b c d");
  EXPECT_EQ(shown("\u202Aa\u202Eb\u2066c\u2069"), " a b c ");
}

TEST(ForeignText, OtherTextStaysAsItIs) {
  for (const std::string text : {"", "plain", "\u00a0\u00e4\u00df", "\u2029\u202F\u2065\u206A",
                                 "\u4f60\u597d \U0001F600", "cut \xC2", "cut \xE2\x80"}) {
    EXPECT_EQ(shown(text), text);
    EXPECT_EQ(shown_json(text), text);
  }
}

TEST(ForeignText, EachLineIsBehindItsIndent) {
  EXPECT_EQ(shown_lines("a\tb\n\nc\x1b\n", "  "), "  a\tb\n  \n  c \n");
  EXPECT_EQ(shown_lines("a\nb"), "a\nb\n");
  EXPECT_EQ(shown_lines(""), "");
}

TEST(ForeignText, JsonMeansTheSameAfterwards) {
  const std::string json = "{\n  \"a\": \"\x7f \u009b \u202E \u2069 \u00e4\"\n}";
  EXPECT_EQ(shown_json(json), "{\n  \"a\": \"\\u007f \\u009b \\u202e \\u2069 \u00e4\"\n}");
  EXPECT_EQ(boost::json::parse(shown_json(json)), boost::json::parse(json));
}

TEST(ForeignText, NothingInAnErrorIsObeyed) {
  std::istringstream in;
  std::ostringstream out, err;
  Console console{.in = in, .out = out, .err = err};
  print_error(console, "a\x1b[2J\nb");
  print_error(console, "");
  EXPECT_EQ(err.str(), "flywheel: a [2J\nb\nflywheel: \n");
}

}  // namespace
}  // namespace app
