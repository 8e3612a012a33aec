// What a person reads when a value is wrong.
#include "tests/schema/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace schema {
namespace {

using testing::ElementsAre;

TEST(Violation, NamesThePlaceInValueAndSchema) {
  Registry registry;
  ASSERT_TRUE(registry.add_text("http://x/common", R"({"$defs":{"n~/":{"minimum":1}}})"));
  const Schema schema = compiled(
      R"({"$id":"http://x/a","properties":{"p":{"items":{"$ref":"common#/$defs/n~0~1"}}}})",
      registry);

  const auto violations = schema.check(parsed(R"({"p":[1,0]})"));

  ASSERT_TRUE(violations);
  EXPECT_THAT(*violations, ElementsAre(Violation{
                               .instance_location = "/p/1",
                               .keyword_location = "/properties/p/items/$ref/minimum",
                               .absolute_keyword_location = "http://x/common#/$defs/n~0~1/minimum",
                               .keyword = "minimum",
                               .message = "must be at least 1, but is 0"}));
}

TEST(Violation, EveryOneIsListedInSchemaOrder) {
  const Schema schema = compiled(R"({"type":"object","required":["a","z"],
      "properties":{"a":{"type":"integer"},"b":{"enum":["x","y"]},"c":{"minLength":2}},
      "additionalProperties":false})");

  EXPECT_THAT(lines(schema, R"({"a":"1","b":"q","c":"","d":1})"),
              ElementsAre("/a: must be an integer, but is a string",
                          R"(/b: must be one of "x", "y", but is "q")",
                          "/c: must have at least 2 characters, but has 0",
                          "/d: is not a known property; known here: a, b, c",
                          R"((root): lacks the required property "z")"));
}

TEST(Violation, MessagesSayWhatWouldBeRight) {
  const auto message = [](std::string_view schema, std::string_view instance) {
    const auto all = lines(compiled(schema), instance);
    return all.empty() ? std::string() : all.front();
  };
  EXPECT_EQ(message(R"({"type":["string","null"]})", "1"),
            "(root): must be a string or null, but is an integer");
  EXPECT_EQ(message(R"({"type":"integer"})", "1.5"), "(root): must be an integer, but is a number");
  EXPECT_EQ(message(R"({"const":{"a":1}})", "[]"), "(root): must be an object, but is an array");
  EXPECT_EQ(message(R"({"const":"b"})", "\"c\""), "(root): must be \"b\", but is \"c\"");
  EXPECT_EQ(message(R"({"exclusiveMaximum":2})", "2"), "(root): must be less than 2, but is 2");
  EXPECT_EQ(message(R"({"multipleOf":0.1})", "0.25"),
            "(root): must be a multiple of 0.1, but is 0.25");
  EXPECT_EQ(message(R"({"maxLength":1})", "\"ab\""),
            "(root): must have at most 1 character, but has 2");
  EXPECT_EQ(message(R"({"pattern":"^a$"})", "\"b\""), "(root): must match the pattern ^a$");
  EXPECT_EQ(message(R"({"minItems":1})", "[]"), "(root): must have at least 1 item, but has 0");
  EXPECT_EQ(message(R"({"uniqueItems":true})", "[1,2,1.0]"),
            "(root): must have no equal items, but items 0 and 2 are equal");
  EXPECT_EQ(message(R"({"maxProperties":0})", R"({"a":1})"),
            "(root): must have at most 0 properties, but has 1");
  EXPECT_EQ(message(R"({"dependentRequired":{"a":["b"]}})", R"({"a":1})"),
            R"((root): lacks the property "b", which "a" requires)");
  EXPECT_EQ(message(R"({"contains":{"const":1},"minContains":2})", "[1]"),
            "(root): must contain at least 2 items as `contains` describes, but has 1");
  EXPECT_EQ(message(R"({"not":{}})", "1"), "(root): must not match the schema of `not`, but does");
  EXPECT_EQ(message("false", "1"), "(root): is not allowed here");
  EXPECT_EQ(message(R"({"unevaluatedProperties":false})", R"({"a":1})"), "/a: is not allowed here");
}

TEST(Violation, AlternativesThatAllFailAreExplainedAfterTheirSum) {
  const Schema schema = compiled(R"({"anyOf":[{"type":"string"},{"minimum":3}]})");

  EXPECT_THAT(lines(schema, "1"), ElementsAre("(root): matches none of the 2 alternatives",
                                              "(root): must be a string, but is an integer",
                                              "(root): must be at least 3, but is 1"));
}

TEST(Violation, SeveralMatchesOfOneOfAreNamed) {
  const Schema schema = compiled(R"({"oneOf":[{"type":"string"},{"minimum":3},{"maximum":9}]})");

  EXPECT_THAT(lines(schema, "5"),
              ElementsAre("(root): must match exactly one alternative, but matches those at 1, 2"));
}

TEST(Violation, WhatABranchThatDoesNotCountSaysIsForgotten) {
  const Schema schema = compiled(R"({"anyOf":[{"type":"string"},{"type":"integer"}],
      "not":{"type":"string"},"if":{"type":"string"},"then":false,"contains":{"const":1}})");

  EXPECT_TRUE(accepts(schema, "1"));
}

TEST(Violation, LongValuesAreCutBetweenCharacters) {
  std::string text(59, 'a');
  text += "éé";

  const auto all = lines(compiled(R"({"enum":[1,2]})"), "\"" + text + "\"");

  EXPECT_THAT(all,
              ElementsAre("(root): must be one of 1, 2, but is \"" + std::string(59, 'a') + "…"));
}

TEST(Violation, TheirNumberIsBounded) {
  const std::string zeros = "[" + std::string("0") + [] {
    std::string more;
    for (int i = 0; i < 3000; ++i) more += ",0";
    return more;
  }() + "]";

  EXPECT_EQ(lines(compiled(R"({"items":{"minimum":1}})"), zeros).size(),
            limits::schema_violations_max);
}

}  // namespace
}  // namespace schema
