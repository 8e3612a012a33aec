// ECMA-262 patterns as this program runs them.
#include "bridge/base/limits.h"
#include "bridge/schema/regex.h"

#include <gtest/gtest.h>

namespace schema {
namespace {

bool matches(std::string_view pattern, std::string_view text) {
  const auto regex = Regex::compile(pattern);
  EXPECT_TRUE(regex) << pattern << ": " << regex.error().message;
  Regex::Memory memory;
  return regex && regex->search(text, memory) == Match::yes;
}

std::string refusal(std::string_view pattern) {
  const auto regex = Regex::compile(pattern);
  return regex ? "" : regex.error().message;
}

TEST(Pattern, MeansWhatEcmaScriptMeans) {
  EXPECT_FALSE(matches("^a$", "a\n"));
  EXPECT_FALSE(matches("^.$", "\r"));
  EXPECT_FALSE(matches("^.$", "\u2028"));
  EXPECT_TRUE(matches("^.$", "\u0085"));
  EXPECT_TRUE(matches("^.$", "\U0001F600"));
  EXPECT_TRUE(matches("^[^]$", "\n"));
  EXPECT_FALSE(matches("[]", "a"));
  EXPECT_TRUE(matches("^\\s\\S$", "\ufeff\u200b"));
  EXPECT_TRUE(matches("^[\\s]$", "\u2003"));
  EXPECT_FALSE(matches("^[\\S]$", "\u2003"));
  EXPECT_TRUE(matches("^[^\\S]$", "\u2003"));
  EXPECT_FALSE(matches("^\\d$", "\u0660"));
  EXPECT_FALSE(matches("\\bé", "é"));
  EXPECT_TRUE(matches("^\\cJ\\x41\\u0042\\u{1F600}\\uD83D\\uDE00$", "\nAB\U0001F600\U0001F600"));
  EXPECT_TRUE(matches("^[\\b\\-\\]]+$", "\b-]"));
  EXPECT_TRUE(matches("^\\/\\.$", "/."));
  EXPECT_TRUE(matches("^[[:alpha:]+$", "[:alph"));
  EXPECT_TRUE(matches("^a-z #x$", "a-z #x"));
}

TEST(Pattern, GroupsAndReferences) {
  EXPECT_TRUE(matches("^(?<year>\\d)-\\k<year>$", "7-7"));
  EXPECT_FALSE(matches("^(?<year>\\d)-\\k<year>$", "7-8"));
  EXPECT_TRUE(matches("^\\k<later>(?<later>a)$", "a"));
  EXPECT_TRUE(matches("^(?:(a)|b)\\1$", "b"));
  EXPECT_TRUE(matches("^(?=.*\\d)(?!x).{2,3}?$", "a1"));
  EXPECT_TRUE(matches("(?<=a)b(?<!c)", "ab"));
  EXPECT_TRUE(matches("^(?<a_very_long_name_that_pcre2_would_not_take_$>x)$", "x"));
}

TEST(Pattern, UnicodePropertiesHaveEcmaScriptNames) {
  EXPECT_TRUE(matches("^\\p{Letter}\\p{Lu}\\p{gc=Nd}\\P{L}$", "éÉ٣-"));
  EXPECT_TRUE(matches("^\\p{Script=Greek}\\p{scx=Hira}[\\p{Emoji}]$", "αあ\U0001F600"));
  EXPECT_TRUE(matches("^\\p{ASCII}\\p{Any}\\p{White_Space}$", "aé "));
  EXPECT_TRUE(matches("^\\p{Assigned}\\P{Assigned}$", "a\u0378"));
  EXPECT_EQ(refusal("\\p{Greek}"),
            "not an ECMA-262 regular expression: unknown Unicode property Greek at offset 3");
  EXPECT_NE(refusal("\\p{letter}"), "");
  EXPECT_NE(refusal("\\pL"), "");
  EXPECT_NE(refusal("\\p{Script=}"), "");
  EXPECT_NE(refusal("\\p{Script=Nonsense}"), "");
}

TEST(Pattern, WhatIsNotEcmaScriptIsRefusedWithTheOffset) {
  EXPECT_EQ(refusal("a\\z"),
            "not an ECMA-262 regular expression: \\z is not an escape of ECMA-262 at offset 2");
  EXPECT_EQ(refusal("a**"), "not an ECMA-262 regular expression: nothing to repeat at offset 2");
  for (const char* pattern : {"(",
                              ")",
                              "(?",
                              "(?>a)",
                              "(?i)a",
                              "(?#c)",
                              "(*ACCEPT)",
                              "a{",
                              "a{1",
                              "a{2,1}",
                              "a{,2}",
                              "}",
                              "]",
                              "[",
                              "[a",
                              "[b-a]",
                              "[\\d-z]",
                              "[a-\\w]",
                              "*",
                              "a++",
                              "(?=a)*",
                              "\\",
                              "\\a",
                              "\\-",
                              "\\_",
                              "\\1",
                              "(a)\\2",
                              "\\k<a>",
                              "(?<a>a)(?<a>b)",
                              "(?<1>a)",
                              "(?<a",
                              "\\c1",
                              "\\x4",
                              "\\u12",
                              "\\u{}",
                              "\\u{110000}",
                              "\\ud800",
                              "\\ud800\\u0041",
                              "\\00",
                              "[\\B]",
                              "a{65536}",
                              "\\Qa\\E",
                              "\\K",
                              "\\R",
                              "\\X",
                              "\\h"}) {
    EXPECT_NE(refusal(pattern), "") << pattern;
  }
}

TEST(Pattern, SizeIsBounded) {
  EXPECT_EQ(refusal(std::string(limits::pattern_bytes_max, 'a')), "");
  EXPECT_NE(refusal(std::string(limits::pattern_bytes_max + 1, 'a')), "");
  EXPECT_NE(refusal(std::string(101, '(') + std::string(101, ')')), "");
  EXPECT_NE(refusal("(?:(?:(?:a{1000}){1000}){1000})"), "");
  EXPECT_NE(refusal("\xff"), "");
}

TEST(Pattern, TextThatIsNotUtf8MatchesNothing) { EXPECT_FALSE(matches("", "\xff")); }

TEST(Pattern, MatchingThatTakesTooLongSaysSo) {
  const auto regex = Regex::compile("^(a+)+$");
  ASSERT_TRUE(regex);
  Regex::Memory memory;

  EXPECT_EQ(regex->search(std::string(50, 'a') + "b", memory), Match::exhausted);
  EXPECT_EQ(regex->search("aaa", memory), Match::yes);
  EXPECT_EQ(regex->search("aab", memory), Match::no);
}

}  // namespace
}  // namespace schema
