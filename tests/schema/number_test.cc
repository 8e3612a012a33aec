#include "bridge/schema/number.h"

#include "bridge/schema/key_table.h"
#include "tests/schema/check.h"

#include <limits>

#include <gtest/gtest.h>

namespace schema {
namespace {

constexpr double two_to_63 = 0x1p63;
constexpr double two_to_64 = 0x1p64;

TEST(Number, IntegersAndDoublesCompareExactly) {
  const json::value largest(std::numeric_limits<std::uint64_t>::max());
  const json::value most(std::numeric_limits<std::int64_t>::max());
  const json::value least(std::numeric_limits<std::int64_t>::min());

  EXPECT_TRUE(compare_numbers(largest, two_to_64) < 0);
  EXPECT_TRUE(compare_numbers(two_to_64, largest) > 0);
  EXPECT_TRUE(compare_numbers(most, two_to_63) < 0);
  EXPECT_TRUE(compare_numbers(std::uint64_t{1} << 63, two_to_63) == 0);
  EXPECT_TRUE(compare_numbers(least, -two_to_63) == 0);
  EXPECT_TRUE(compare_numbers(least, largest) < 0);
  EXPECT_TRUE(compare_numbers(9007199254740993, 9007199254740992.0) > 0);
  EXPECT_TRUE(compare_numbers(-1, -1.5) > 0);
  EXPECT_TRUE(compare_numbers(0, -0.5) > 0);
  EXPECT_TRUE(compare_numbers(-0.0, 0) == 0);
  EXPECT_TRUE(compare_numbers(1e308, largest) > 0);
}

TEST(Number, MultiplesAreDecimal) {
  EXPECT_TRUE(is_multiple_of(0.3, 0.1));
  EXPECT_TRUE(is_multiple_of(4.35, 0.01));
  EXPECT_TRUE(is_multiple_of(1e308, 0.5));
  EXPECT_TRUE(is_multiple_of(5e-324, 5e-324));
  EXPECT_TRUE(is_multiple_of(0, 7));
  EXPECT_TRUE(is_multiple_of(-12, 4.0));
  EXPECT_TRUE(is_multiple_of(std::numeric_limits<std::uint64_t>::max(), 5));
  EXPECT_TRUE(is_multiple_of(std::numeric_limits<std::int64_t>::min(), 2));
  EXPECT_FALSE(is_multiple_of(1e308, 0.123456789));
  EXPECT_FALSE(is_multiple_of(0.35, 0.1));
  EXPECT_FALSE(is_multiple_of(1, 1e300));
  EXPECT_FALSE(is_multiple_of(1e-300, 1));
  EXPECT_FALSE(is_multiple_of(std::numeric_limits<std::uint64_t>::max(), 2));
}

TEST(Number, EqualityIsMathematicalAndHashesAgree) {
  const char* same[][2] = {{"1", "1.0"},
                           {"-3", "-3e0"},
                           {"9223372036854775808", "9223372036854775808.0"},
                           {"0", "-0.0"},
                           {R"({"a":1,"b":[2]})", R"({"b":[2.0],"a":1.0})"}};
  for (const auto& [left, right] : same) {
    const auto a = base::parse_json(left);
    const auto b = base::parse_json(right);
    ASSERT_TRUE(a && b);
    EXPECT_TRUE(equal(*a, *b)) << left;
    EXPECT_EQ(hash_of(*a), hash_of(*b)) << left;
  }
  EXPECT_FALSE(equal(parsed("[1,2]"), parsed("[2,1]")));
  EXPECT_FALSE(equal(parsed("1"), parsed("true")));
  EXPECT_FALSE(equal(parsed("0"), parsed("false")));
  EXPECT_FALSE(equal(parsed(R"({"a":1})"), parsed(R"({"b":1})")));
  EXPECT_FALSE(equal(parsed("9007199254740993"), parsed("9007199254740992.0")));
}

TEST(Number, HugeCountsBoundWhatTheySay) {
  EXPECT_FALSE(accepts(compiled(R"({"minLength":1e300})"), "\"a\""));
  EXPECT_TRUE(accepts(compiled(R"({"maxLength":18446744073709551615})"), "\"a\""));
  EXPECT_TRUE(accepts(compiled(R"({"maxItems":2.0})"), "[1,2]"));
  EXPECT_FALSE(accepts(compiled(R"({"maxItems":2.0})"), "[1,2,3]"));
}

TEST(Number, LengthCountsCodePoints) {
  const Schema two = compiled(R"({"minLength":2,"maxLength":2})");

  EXPECT_TRUE(accepts(two, "\"é\U0001F600\""));
  EXPECT_FALSE(accepts(two, "\"\U0001F600\""));
  EXPECT_FALSE(accepts(two, "\"ééé\""));
}

TEST(KeyTable, FindsEveryKeyAndNothingElse) {
  std::vector<std::string> names{"", "a", "b", "ab", "abc", "abcdefgh", "abcdefgi"};
  for (int i = 0; i < 3000; ++i) names.push_back("name_of_a_property_" + std::to_string(i * i));
  const std::vector<std::string_view> views(names.begin(), names.end());
  const KeyTable table(views);

  for (std::uint32_t i = 0; i < names.size(); ++i) EXPECT_EQ(table.find(names[i]), i) << names[i];
  for (const char* other : {"c", "aa", "abd", "abcdefgj", "name_of_a_property_2", "name_of"}) {
    EXPECT_EQ(table.find(other), KeyTable::npos) << other;
  }
  EXPECT_EQ(KeyTable().find("a"), KeyTable::npos);
}

}  // namespace
}  // namespace schema
