#include "bridge/services/workflows/yaml.h"

#include "bridge/services/workflows/workflow_limits.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace workflow {
namespace {

using base::parse_json;
using testing::HasSubstr;

base::json::value yaml(std::string_view text) {
  auto parsed = parse_yaml(text);
  EXPECT_TRUE(parsed) << text << ": " << (parsed ? "" : parsed.error().message);
  return parsed ? parsed->value : base::json::value("failed");
}

std::string refusal(std::string_view text) {
  const auto parsed = parse_yaml(text);
  EXPECT_FALSE(parsed) << text;
  return parsed ? "accepted" : parsed.error().message;
}

TEST(Yaml, PlainScalarsFollowTheCoreSchema) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"~", "null"},
      {"null", "null"},
      {"Null", "null"},
      {"nUll", "\"nUll\""},
      {"true", "true"},
      {"TRUE", "true"},
      {"yes", "\"yes\""},
      {"no", "\"no\""},
      {"on", "\"on\""},
      {"12", "12"},
      {"-12", "-12"},
      {"+12", "12"},
      {"012", "12"},
      {"0o17", "15"},
      {"0x1F", "31"},
      {"0b1", "\"0b1\""},
      {"1_000", "\"1_000\""},
      {"1:30", "\"1:30\""},
      {"1.5", "1.5"},
      {".5", "0.5"},
      {"5.", "5.0"},
      {"1e3", "1000.0"},
      {"-1.5E-1", "-0.15"},
      {"1.2.3", "\"1.2.3\""},
      {"2026-01-02", "\"2026-01-02\""},
      {"18446744073709551615", "18446744073709551615"},
      {"'12'", "\"12\""},
      {"\"true\"", "\"true\""},
      {"''", "\"\""},
      {"!!str 12", "\"12\""},
      {"!!int '12'", "12"},
      {"!!float 1", "1.0"},
      {"\"a\\u00e9\\n\"", "\"a\u00e9\\n\""},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(yaml("a: " + std::string(text)), *parse_json("{\"a\":" + std::string(expected) + "}"))
        << text;
  }
}

TEST(Yaml, CollectionsBlocksAndAliasesBecomeJson) {
  EXPECT_EQ(yaml("a: [1, {b: c}]\nd:\n  - e\n  - f: g\n"),
            *parse_json(R"({"a":[1,{"b":"c"}],"d":["e",{"f":"g"}]})"));
  EXPECT_EQ(yaml("a: |\n  one\n  two\nb: >-\n  one\n  two\n"),
            *parse_json(R"({"a":"one\ntwo\n","b":"one two"})"));
  EXPECT_EQ(yaml("a: &x {k: 1}\nb: *x\nc: [*x, *x]\n"),
            *parse_json(R"({"a":{"k":1},"b":{"k":1},"c":[{"k":1},{"k":1}]})"));
  EXPECT_EQ(yaml("a:\nb: ''\n"), *parse_json(R"({"a":null,"b":""})"));
  EXPECT_EQ(yaml("%YAML 1.2\n---\na: 1\n...\n"), *parse_json(R"({"a":1})"));
  EXPECT_EQ(yaml("1: a\ntrue: b\n"), *parse_json(R"({"1":"a","true":"b"})"));
}

TEST(Yaml, WhatIsWrongIsNamedWithItsPlace) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"a: 1\nb: [1, 2\nc: 3\n", "line 3"},
      {"a: 1\na: 2\n", "line 2, column 1: the key \"a\" comes a second time"},
      {"a: .inf", "line 1, column 4: JSON has no number like .inf"},
      {"a: 1e999", "out of range"},
      {"? [a]\n: b\n", "a key must be a text"},
      {"a: 1\n---\nb: 2\n", "line 2, column 1: a second document begins here"},
      {"", "there is nothing in it"},
      {"a: *x\n", "line 1, column 4: the alias *x stands for nothing before it"},
      {"a: &x [*x]\n", "stands for nothing"},
      {"a: !thing b", "the tag !thing is not known here"},
      {"a: !!int b", "\"b\" is no int"},
      {"a: !!binary aGk=", "is not known here"},
      {"a:\n\t- b\n", "line 2"},
      {"a: \"\xff\"", "line 1"},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_THAT(refusal(text), HasSubstr(expected)) << text;
}

TEST(Yaml, WhatGrowsIsBounded) {
  // Each line doubles what the one before stands for.
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string before = std::to_string(i - 1), own = std::to_string(i);
    bomb += "a" + own + ": &a" + own + " [*a" + before + ", *a" + before + "]\n";
  }
  EXPECT_THAT(refusal(bomb), HasSubstr("values"));
  std::string many = "a: &a 1\nb:\n";
  for (std::size_t i = 0; i <= limits::yaml_aliases_max; ++i) many += "  - *a\n";
  EXPECT_THAT(refusal(many), HasSubstr("aliases"));
  EXPECT_THAT(refusal(std::string(200, '[') + std::string(200, ']')), HasSubstr("levels"));
  EXPECT_THAT(refusal(std::string(100'000, '[')), HasSubstr("not valid YAML"));
  EXPECT_THAT(refusal(std::string(limits::yaml_bytes_max + 1, ' ')), HasSubstr("bytes"));
}

TEST(Yaml, AKeyThatEveryPointerWouldRepeatIsRefused) {
  std::string items = "0";
  for (int i = 1; i < 50'000; ++i) items += ",0";
  const auto under = [&](std::size_t size) {
    return "? \"" + std::string(size, 'k') + "\"\n: [" + items + "]\n";
  };

  EXPECT_THAT(refusal(under(100 * limits::workflow_key_bytes_max)),
              HasSubstr("line 1, column 3: a key of more than 1024 bytes"));
  EXPECT_THAT(refusal(under(limits::workflow_key_bytes_max + 1)), HasSubstr("a key of more"));
  const auto parsed = parse_yaml(under(limits::workflow_key_bytes_max));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_TRUE(parsed->places.empty());
}

TEST(Yaml, EveryMemberHasAPlace) {
  const auto parsed = parse_yaml("name: x\njobs:\n  a/b:\n    needs: [c, d]\n", YamlPlaces::kept);
  ASSERT_TRUE(parsed);
  const auto at = [&](const std::string& pointer) { return parsed->places.at(pointer); };
  EXPECT_EQ(at("/jobs").line, 2u);
  EXPECT_EQ(at("/jobs/a~1b").line, 3u);
  EXPECT_EQ(at("/jobs/a~1b/needs/1").column, 16u);
}

}  // namespace
}  // namespace workflow
