// What a person reads when a schema is wrong.
#include "tests/schema/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace schema {
namespace {

using testing::HasSubstr;

TEST(Compile, AnUnknownReferenceNamesItsPlaceAndTarget) {
  EXPECT_EQ(refusal(R"({"$id":"http://x/a","properties":{"p":{"$ref":"b.json#/q"}}})"),
            "schema http://x/a#/properties/p/$ref: cannot resolve \"b.json#/q\": no schema is "
            "registered as http://x/b.json; register it or correct the reference");
}

TEST(Compile, APointerToNothingNamesTheStepThatFails) {
  EXPECT_EQ(refusal(R"({"$ref":"#/$defs/a/b","$defs":{"a":{}}})"),
            "schema #/$ref: cannot resolve \"#/$defs/a/b\": schema #/$defs/a: there is no \"b\" "
            "here");
}

TEST(Compile, AnUnknownAnchorListsTheKnownOnes) {
  EXPECT_EQ(refusal(R"({"$ref":"#c","$defs":{"x":{"$anchor":"a"},"y":{"$dynamicAnchor":"b"}}})"),
            "schema #/$ref: cannot resolve \"#c\": schema # has no $anchor \"c\"; it knows: a, b");
}

TEST(Compile, AnInvalidKeywordIsReportedByTheMetaSchema) {
  EXPECT_EQ(refusal(R"({"$id":"http://x/a","properties":{"p":{"minLength":"1"}}})"),
            "schema http://x/a#/properties/p/minLength: must be an integer, but is a string");
  EXPECT_THAT(refusal(R"({"type":"text"})"), HasSubstr("schema #/type: "));
  EXPECT_THAT(refusal(R"({"required":["a","a"],"minimum":"x"})"), HasSubstr("(and 1 more)"));
}

TEST(Compile, AReferencedPlaceThatIsNoSchemaIsRefused) {
  EXPECT_EQ(refusal(R"({"$ref":"#/x","x":{"type":"text"}})").substr(0, 14), "schema #/$ref:");
  EXPECT_NE(refusal(R"({"$ref":"#/x","x":7})"), "");
}

TEST(Compile, ABadPatternNamesTheKeywordAndTheOffset) {
  EXPECT_EQ(refusal(R"({"properties":{"p":{"pattern":"a(b"}}})"),
            "schema #/properties/p/pattern: \"a(b\": not an ECMA-262 regular expression: a group "
            "is not closed with ) at offset 3");
  EXPECT_THAT(refusal(R"({"patternProperties":{"\\a":{}}})"),
              HasSubstr("schema #/patternProperties/\\a: "));
}

TEST(Compile, AMetaSchemaMustBeKnown) {
  EXPECT_THAT(refusal(R"({"$schema":"http://json-schema.org/draft-07/schema#"})"),
              HasSubstr("the meta-schema http://json-schema.org/draft-07/schema is not registered; "
                        "register it, or use https://json-schema.org/draft/2020-12/schema"));
}

TEST(Compile, ARequiredVocabularyMustBeKnown) {
  Registry registry;
  ASSERT_TRUE(registry.add_text("http://x/meta", R"({
      "$schema":"https://json-schema.org/draft/2020-12/schema",
      "$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/core":true,
                     "http://x/vocab/units":true}})"));

  EXPECT_EQ(refusal(R"({"$schema":"http://x/meta"})", registry),
            "schema #/$schema: the meta-schema http://x/meta requires the vocabulary "
            "http://x/vocab/units, which is not known here; make it optional (false) or remove it");
}

TEST(Compile, AMetaSchemaThatDescribesItselfIsUsable) {
  Registry registry;
  ASSERT_TRUE(registry.add_text("http://x/meta", R"({"$schema":"http://x/meta",
      "$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/validation":true,
                     "https://json-schema.org/draft/2020-12/vocab/applicator":true},
      "properties":{"title":{"type":"string"}},"required":["$schema"]})"));

  EXPECT_TRUE(accepts(compiled(R"({"$schema":"http://x/meta","minimum":1})", registry), "1"));
  EXPECT_EQ(refusal(R"({"$schema":"http://x/meta","title":1})", registry),
            "schema #/title: must be a string, but is an integer");
}

TEST(Compile, ReferencesInACircleAreRefused) {
  EXPECT_EQ(refusal(R"({"$ref":"#"})"),
            "schema #: this schema refers back to schema # for the same value, without end; break "
            "the circle of references");
  EXPECT_THAT(refusal(R"({"allOf":[{"$ref":"#/$defs/a"}],
                          "$defs":{"a":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/b"}]},
                                   "b":{"if":{"$ref":"#/$defs/a"}}}})"),
              HasSubstr("without end"));
  EXPECT_EQ(refusal(R"({"properties":{"a":{"$ref":"#"}}})"), "");
}

TEST(Compile, TooDeepOrTooLargeIsRefused) {
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += R"({"not":)";
  deep += "{}" + std::string(200, '}');
  EXPECT_THAT(refusal(deep), HasSubstr("nested deeper than 128 levels"));

  json::array many(limits::schema_document_values_max);
  const auto large = Schema::compile(Registry(), json::object{{"examples", std::move(many)}});
  ASSERT_FALSE(large);
  EXPECT_THAT(large.error().message, HasSubstr("more than 500000 values"));
}

TEST(Compile, ALongChainOfReferencesNeedsNoStack) {
  json::object definitions;
  for (int i = 0; i < 20'000; ++i) {
    definitions[std::to_string(i)] =
        json::object{{"items", json::object{{"$ref", "#/$defs/" + std::to_string(i + 1)}}}};
  }
  definitions["20000"] = true;
  const auto chain = Schema::compile(
      Registry(), json::object{{"$ref", "#/$defs/0"}, {"$defs", std::move(definitions)}});

  ASSERT_TRUE(chain) << chain.error().message;
  EXPECT_TRUE(chain->is_valid(json::array{}));
}

TEST(Compile, WhatIsNoSchemaIsRefused) {
  EXPECT_THAT(refusal("7"), HasSubstr("neither an object nor a boolean"));
  EXPECT_THAT(refusal(R"({"not":[]})"), HasSubstr("schema #/not: "));
}

TEST(Compile, AnUnknownUriIsNotFound) {
  const auto schema = Schema::compile_uri(Registry(), "http://x/a");

  ASSERT_FALSE(schema);
  EXPECT_EQ(schema.error().code, base::Code::not_found);
  EXPECT_EQ(schema.error().message,
            "no schema is registered as http://x/a; register it or correct the reference");
}

TEST(Compile, AUriMayPointIntoASchema) {
  Registry registry;
  ASSERT_TRUE(registry.add_text("http://x/a", R"({"$defs":{"n":{"$anchor":"n","minimum":1}}})"));

  for (const char* uri : {"http://x/a#/$defs/n", "http://x/a#n"}) {
    const auto schema = Schema::compile_uri(registry, uri);
    ASSERT_TRUE(schema) << schema.error().message;
    EXPECT_FALSE(accepts(*schema, "0"));
  }
}

TEST(Compile, TheRegistryIsNotNeededAfterwards) {
  auto schema = [] {
    Registry registry;
    EXPECT_TRUE(registry.add_text("http://x/a", R"({"enum":[["a"]],"title":"A"})"));
    return compiled(R"({"items":{"$ref":"http://x/a"}})", registry);
  }();

  EXPECT_TRUE(accepts(schema, R"([["a"]])"));
  EXPECT_FALSE(accepts(schema, R"(["a"])"));
}

TEST(Compile, DynamicAnchorsOfResourcesReachedOnlyDynamicallyAreFollowed) {
  Registry registry;
  ASSERT_TRUE(registry.add_text("http://x/list", R"({"type":"array",
      "items":{"$dynamicRef":"#item"},"$defs":{"any":{"$dynamicAnchor":"item"}}})"));
  ASSERT_TRUE(registry.add_text("http://x/numbers", R"({"$ref":"list",
      "$defs":{"n":{"$dynamicAnchor":"item","$ref":"limit"}}})"));
  ASSERT_TRUE(registry.add_text("http://x/limit", R"({"type":"number","maximum":9})"));

  const Schema numbers = compiled(R"({"$ref":"http://x/numbers"})", registry);
  const Schema anything = compiled(R"({"$ref":"http://x/list"})", registry);

  EXPECT_TRUE(accepts(numbers, "[1]"));
  EXPECT_FALSE(accepts(numbers, "[10]"));
  EXPECT_FALSE(accepts(numbers, "[\"a\"]"));
  EXPECT_TRUE(accepts(anything, "[\"a\"]"));
}

TEST(Compile, ABundledCopyOfARegisteredSchemaKeepsItsOwnBase) {
  Registry registry;
  const std::string part = R"({"$id":"http://x/deep/part","items":{"$ref":"item"}})";
  ASSERT_TRUE(registry.add_text("http://x/deep/item", R"({"type":"number"})"));
  ASSERT_TRUE(registry.add_text("", part));
  ASSERT_TRUE(registry.add_text("http://x/whole", R"({"properties":{"p":)" + part + "}}"));

  const auto whole = Schema::compile_uri(registry, "http://x/whole");

  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_TRUE(accepts(*whole, R"({"p":[1]})"));
  EXPECT_FALSE(accepts(*whole, R"({"p":["a"]})"));
}

TEST(Compile, FormatAssertsOnlyWhenAskedTo) {
  const char* text = R"({"format":"uuid"})";

  EXPECT_TRUE(accepts(compiled(text), "\"x\""));
  EXPECT_EQ(lines(compiled(text, {}, {.assert_format = true}), "\"x\"").front(),
            "(root): must be in the format uuid, but is \"x\"");
}

}  // namespace
}  // namespace schema
