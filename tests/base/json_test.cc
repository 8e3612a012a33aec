#include "bridge/base/json.h"

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace base {
namespace {

std::string refusal_of(std::string_view text) {
  auto value = parse_json(text);
  return value ? "" : value.error().message;
}

TEST(Json, DuplicateKeysAreRefusedWithTheKeyAndPlace) {
  EXPECT_EQ(refusal_of("{\"a\":1,\n \"b\":{\"x\":1,\"x\":2}}"),
            "not JSON: duplicate object key \"x\" at line 2, column 15");
}

TEST(Json, InvalidUtf8AndLoneSurrogatesAreRefused) {
  EXPECT_NE(refusal_of("\"\xC3\x28\""), "");
  EXPECT_NE(refusal_of("\"\\ud800\""), "");
  EXPECT_EQ(refusal_of("\"\\ud83d\\ude00\""), "");
}

TEST(Json, ALeadingByteOrderMarkIsIgnored) {
  auto value = parse_json("\xEF\xBB\xBF{\"a\":[1]}");
  ASSERT_TRUE(value);
  EXPECT_EQ(json::serialize(*value), "{\"a\":[1]}");
}

TEST(Json, DepthIsBounded) {
  EXPECT_EQ(refusal_of(std::string(64, '[') + std::string(64, ']')), "");
  EXPECT_NE(refusal_of(std::string(65, '[') + std::string(65, ']')), "");
}

TEST(Json, WhatIsLeftOverOrMissingIsRefused) {
  for (const char* text : {"", " ", "{", "{} x", "[1,]", "01", "nul", "1e999", "{\"a\" 1}"}) {
    EXPECT_NE(refusal_of(text), "") << text;
  }
}

TEST(Json, LongKeysAndStringsSurviveTheParsersPieces) {
  const std::string text =
      "{\"k\\n" + std::string(5000, 'k') + "\":\"v\\u00e9" + std::string(70000, 'v') + "\"}";
  auto value = parse_json(text);
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(value->as_object().begin()->key().size(), 5002u);
  EXPECT_EQ(value->as_object().begin()->value().as_string().size(), 70003u);
}

// The example of RFC 8785, section 3.2.3.
TEST(CanonicalJson, SortsByUtf16CodeUnits) {
  auto value = parse_json(
      "{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\",\"\\ufb33\":\"Hebrew\","
      "\"1\":\"One\",\"\\ud83d\\ude00\":\"Emoji\",\"\\u0080\":\"Control\",\"\\u00f6\":\"o\"}");
  ASSERT_TRUE(value);
  EXPECT_EQ(canonical_json(*value),
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"\u00f6\":\"o\","
            "\"\u20ac\":\"Euro Sign\",\"\U0001F600\":\"Emoji\",\"\uFB33\":\"Hebrew\"}");
}

TEST(CanonicalJson, IntegersAreThoseOfADouble) {
  const auto value =
      parse_json("[0,-5,9007199254740992,9007199254740993,-9007199254740993,18446744073709551615]");
  ASSERT_TRUE(value);
  EXPECT_EQ(canonical_json(*value),
            "[0,-5,9007199254740992,9007199254740992,-9007199254740992,18446744073709552000]");
}

TEST(CanonicalJson, MembersCanBeLeftOut) {
  const auto value = parse_json(R"({"c":1,"ts":"now","a":{"ts":2},"b":[]})");
  ASSERT_TRUE(value);
  EXPECT_EQ(canonical_json_without(value->as_object(), {"ts", "b"}), R"({"a":{"ts":2},"c":1})");
}

TEST(CanonicalJson, OnlyWhatMustBeIsEscaped) {
  std::string out;
  append_canonical(out, std::string_view("a\"\\/\x7f\0\x1f\b\f\n\r\té", 14));
  EXPECT_EQ(out, "\"a\\\"\\\\/\x7f\\u0000\\u001f\\b\\f\\n\\r\\té\"");
}

// Values of RFC 8785, appendix B.
TEST(CanonicalJson, NumbersAreWrittenAsEcmaScriptDoes) {
  EXPECT_EQ(ecmascript_number(-0.0), "0");
  EXPECT_EQ(ecmascript_number(5e-324), "5e-324");
  EXPECT_EQ(ecmascript_number(-1.7976931348623157e308), "-1.7976931348623157e+308");
  EXPECT_EQ(ecmascript_number(9007199254740992), "9007199254740992");
  EXPECT_EQ(ecmascript_number(295147905179352830000.0), "295147905179352830000");
  EXPECT_EQ(ecmascript_number(9.999999999999997e22), "9.999999999999997e+22");
  EXPECT_EQ(ecmascript_number(1e23), "1e+23");
  EXPECT_EQ(ecmascript_number(999999999999999700000.0), "999999999999999700000");
  EXPECT_EQ(ecmascript_number(1e21), "1e+21");
  EXPECT_EQ(ecmascript_number(9.999999999999997e-7), "9.999999999999997e-7");
  EXPECT_EQ(ecmascript_number(0.000001), "0.000001");
  EXPECT_EQ(ecmascript_number(333333333.33333329), "333333333.3333333");
}

}  // namespace
}  // namespace base
