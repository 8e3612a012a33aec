// Hostile schemas and values come to an end, and never to "valid".
#include "tests/schema/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace schema {
namespace {

using testing::HasSubstr;

std::string nested_arrays(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

void expect_out_of_bounds(const Schema& schema, std::string_view instance) {
  const json::value value = parsed(instance);
  const auto violations = schema.check(value);
  ASSERT_FALSE(violations);
  EXPECT_EQ(violations.error().code, base::Code::invalid);
  EXPECT_EQ(violations.error().reason, "schema_bounds");
  EXPECT_FALSE(schema.is_valid(value));
  EXPECT_FALSE(schema.basic(value));
}

TEST(Bounds, AValueDeeperThanTheBoundIsAnError) {
  const Schema list = compiled(R"({"items":{"$ref":"#"}})");

  EXPECT_TRUE(accepts(list, nested_arrays(150)));
  expect_out_of_bounds(list, nested_arrays(500));
}

TEST(Bounds, TheDeepestCheckFitsTheStack) {
  const Schema deep = compiled(R"({"$dynamicAnchor":"n","$defs":{"r":{"oneOf":[{"$ref":"#"}]}},
      "items":{"anyOf":[{"if":{"allOf":[{"$ref":"#/$defs/r"}]},"then":true}]},
      "properties":{"p":{"$dynamicRef":"#n"}},"unevaluatedItems":false})");

  expect_out_of_bounds(deep, nested_arrays(1500));
}

TEST(Bounds, ExponentialAlternativesRunOutOfSteps) {
  const Schema schema = compiled(R"({"anyOf":[{"items":{"$ref":"#/$defs/a"}},
      {"items":{"$ref":"#/$defs/b"}}],"type":"array","minItems":1,
      "$defs":{"a":{"$ref":"#"},"b":{"$ref":"#"}}})",
                                 {}, {.steps_max = 100'000});

  expect_out_of_bounds(schema, nested_arrays(60));
}

TEST(Bounds, RunningOutInsideNotIsNotValid) {
  const Schema schema = compiled(R"({"not":{"items":{"$ref":"#/$defs/deep"}},
      "$defs":{"deep":{"items":{"$ref":"#/$defs/deep"}}}})");

  expect_out_of_bounds(schema, nested_arrays(500));
}

TEST(Bounds, AnEvilPatternIsStopped) {
  const std::string evil = "\"" + std::string(40, 'a') + "!\"";

  expect_out_of_bounds(compiled(R"({"pattern":"^(a+)+$"})"), evil);
  expect_out_of_bounds(compiled(R"({"not":{"pattern":"^(a|a)*$"}})"), evil);
  expect_out_of_bounds(compiled(R"({"patternProperties":{"^(a+)+$":true}})"), "{" + evil + ":1}");
}

TEST(Bounds, ALongNameIsNotRepeatedWithoutEnd) {
  const std::string name(500'000, 'n');
  std::string many = "{}", named = R"({"$id":"0"})";
  for (int i = 1; i < 20'000; ++i) {
    many += ",{}";
    named += R"(,{"$id":")" + std::to_string(i) + R"("})";
  }

  EXPECT_THAT(refusal(R"({"properties":{")" + name + R"(":{"anyOf":[)" + many + "]}}}"),
              HasSubstr("too long names"));
  EXPECT_THAT(refusal(R"({"$id":"http://x/)" + name + R"(/y","anyOf":[)" + named + "]}"),
              HasSubstr("too long names"));
  // Where no schema is expected, a reference finds one.
  EXPECT_THAT(
      refusal(R"({"$ref":"#/)" + name + R"(","":0,")" + name + R"(":{"anyOf":[)" + many + "]}}"),
      HasSubstr("too long names"));
  EXPECT_EQ(refusal(R"({"properties":{")" + name + R"(":{"anyOf":[{},{}]}}})"), "");
}

TEST(Bounds, ALongNameInTheValueIsNotToldWithoutEnd) {
  const Schema schema = compiled(R"({"additionalProperties":{"items":{"type":"string"}}})");
  const auto value = [](std::size_t size, int items) {
    std::string many = "0";
    for (int i = 1; i < items; ++i) many += ",0";
    return R"({")" + std::string(size, 'n') + R"(":[)" + many + "]}";
  };

  expect_out_of_bounds(schema, value(500'000, 1000));
  EXPECT_EQ(lines(schema, value(500'000, 2)).size(), 2u);
  EXPECT_EQ(lines(schema, value(1000, 1000)).size(), 1000u);
}

TEST(Bounds, ManyHardMatchesTogetherAreStopped) {
  std::string patterns, texts;
  for (int i = 0; i < 100; ++i) {
    const std::string comma = i > 0 ? "," : "";
    patterns += comma + R"({"pattern":"^(a|a)*[bc]{0,)" + std::to_string(i + 1) + R"(}$"})";
    texts += comma + R"("aaaaaaaaaa!")";
  }
  const Schema schema =
      compiled(R"({"items":{"not":{"anyOf":[)" + patterns + "]}}}", {}, {.steps_max = 5'000'000});

  EXPECT_TRUE(accepts(schema, R"(["aaaaaaaaaa!"])"));
  expect_out_of_bounds(schema, "[" + texts + "]");
}

TEST(Bounds, APatternMatchesAMegabyteOrSaysThatItCannot) {
  const json::value text(std::string(1u << 20, 'a'));

  EXPECT_TRUE(compiled(R"({"pattern":"^a+$"})").is_valid(text));
  const auto grouped = compiled(R"({"pattern":"^(?:a|b)*$"})").check(text);
  EXPECT_TRUE(!grouped || grouped->empty());
}

TEST(Bounds, StepsAreChosenByTheCaller) {
  const Schema schema = compiled(R"({"items":{"minimum":0}})", {}, {.steps_max = 50});

  EXPECT_TRUE(accepts(schema, "[1,2,3]"));
  expect_out_of_bounds(
      schema, "[" + [] {
        std::string many = "1";
        for (int i = 0; i < 100; ++i) many += ",1";
        return many;
      }() + "]");
  EXPECT_THAT(lines(schema, "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]").front(),
              HasSubstr("check against schema #: not decided within 50 steps"));
}

TEST(Bounds, ManyEqualItemsAreFoundWithoutComparingAllPairs) {
  json::array items;
  for (int i = 0; i < 100'000; ++i) items.push_back(json::array{i, 0.5});
  const Schema schema = compiled(R"({"uniqueItems":true})");

  EXPECT_TRUE(schema.is_valid(items));
  items.push_back(json::array{7.0, 0.5});
  EXPECT_FALSE(schema.is_valid(items));
}

}  // namespace
}  // namespace schema
