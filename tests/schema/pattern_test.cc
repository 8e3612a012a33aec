// ECMA-262 patterns as this program runs them.
#include "bridge/base/limits.h"
#include "bridge/schema/ecma_pattern.h"
#include "bridge/schema/pattern_shape.h"
#include "bridge/schema/regex.h"

#include <string>

#include <gtest/gtest.h>

namespace schema {
namespace {

Match search(const Regex& regex, std::string_view text,
             std::uint64_t steps = limits::schema_steps_max) {
  Regex::Memory memory;
  return regex.search(text, memory, steps);
}

// At full speed and, with few steps left, item by item.
bool matches(std::string_view pattern, std::string_view text) {
  const auto regex = Regex::compile(pattern);
  EXPECT_TRUE(regex) << pattern << ": " << regex.error().message;
  if (!regex) return false;
  const Match match = search(*regex, text);
  EXPECT_EQ(search(*regex, text, 500), match) << pattern;
  return match == Match::yes;
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

  EXPECT_EQ(search(*regex, std::string(50, 'a') + "b"), Match::exhausted);
  EXPECT_EQ(search(*regex, "aaa"), Match::yes);
  EXPECT_EQ(search(*regex, "aab"), Match::no);
}

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(Pattern, WhatPcre2DoesNotCountIsBoundedToo) {
  const std::string many(1u << 20, 'a');
  const auto found = [](std::string_view pattern, std::string_view text) {
    const auto regex = Regex::compile(pattern);
    EXPECT_TRUE(regex) << pattern;
    return regex ? search(*regex, text, 1'000'000) : Match::yes;
  };

  // Alternatives in groups that capture.
  EXPECT_EQ(found("^" + repeated("(a|a)", 60) + "x", many), Match::exhausted);
  EXPECT_EQ(found("^(a|a){60}x", many), Match::exhausted);
  // One long look after another.
  EXPECT_EQ(found("^a*a*[bc]", many), Match::exhausted);
  EXPECT_EQ(found("^(?:a*){3}[bc]", many), Match::exhausted);
  EXPECT_EQ(found("^(a*)\\1[bc]", many), Match::exhausted);
  // From every place anew.
  EXPECT_EQ(found("a*[bc]", many), Match::exhausted);
  EXPECT_EQ(found("[ab]{60000}[cd]", many), Match::exhausted);
}

TEST(Pattern, ManyShortMatchesCostWhatTheyTake) {
  const auto regex = Regex::compile("^(a|a)*$");
  ASSERT_TRUE(regex);
  Regex::Memory memory;
  std::uint64_t steps = limits::schema_steps_max;
  const std::string text = std::string(10, 'a') + "!";

  EXPECT_EQ(regex->search(text, memory, steps), Match::no);
  EXPECT_LT(steps, limits::schema_steps_max - 1000);  // two to the power of ten ways
  Match last = Match::no;
  for (int i = 0; i < 10'000 && last == Match::no; ++i) last = regex->search(text, memory, steps);
  EXPECT_EQ(last, Match::exhausted);
}

TEST(Pattern, LongTextsAreSearchedByHonestPatterns) {
  const std::string words = repeated("word ", 20'000);
  const std::string digits = repeated("aB3/", 2500);
  constexpr std::string_view base64 =
      "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";
  const auto finds = [](std::string_view pattern, const std::string& text) {
    const auto regex = Regex::compile(pattern);
    EXPECT_TRUE(regex) << pattern;
    return regex && search(*regex, text) == Match::yes;
  };

  EXPECT_TRUE(finds("(\\w+\\s+){5,}", words));
  EXPECT_TRUE(finds("[A-Z]+-\\d+", words + "ABC-12"));
  EXPECT_TRUE(finds("TODO|FIXME", words + "TODO"));
  EXPECT_TRUE(finds("^(?:[a-z]+ )*$", words.substr(0, 10'000)));
  EXPECT_TRUE(finds("^\\s*\\S[^]*$", words));
  EXPECT_TRUE(finds(base64, digits + "aB=="));
  EXPECT_FALSE(finds(base64, digits + "aB="));
}

TEST(Pattern, ItsTextSaysHowMuchWorkItMayBe) {
  const auto shape = [](std::string_view ecma) {
    const auto pattern = pcre2_pattern(ecma);
    EXPECT_TRUE(pattern) << ecma;
    return pattern ? shape_of(*pattern) : PatternShape();
  };

  EXPECT_EQ(shape("^[*+{|(]\\*\\|\\({1,3}$").scans, 0u);
  EXPECT_EQ(shape("^[*+{|(]\\*\\|\\({1,3}$").ways, 1u);
  EXPECT_EQ(shape("^a*b+?c{3,}d{2,500}e{8}$").scans, 4u);
  EXPECT_EQ(shape("(a*){2}").scans, 2u);
  EXPECT_EQ(shape("(a)\\1").scans, 1u);
  EXPECT_EQ(shape("a|(b|c|d)(?:e|f)").ways, 12u);
  EXPECT_EQ(shape("((?:a|b){3}|c){1,2}").ways, 256u);
  EXPECT_EQ(shape("(a|b){1,}").ways, pattern_ways_max);
  EXPECT_EQ(shape("\\p{Lu}{7}\\x41{9,20}").silent, 9u);
}

}  // namespace
}  // namespace schema
