// Short ways to say what a test is about.
#pragma once

#include "bridge/schema/schema.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace schema {

inline json::value parsed(std::string_view text) {
  auto value = base::parse_json(text, 2000);
  EXPECT_TRUE(value) << text << ": " << value.error().message;
  return value ? *std::move(value) : json::value();
}

inline Schema compiled(std::string_view text, const Registry& registry = {}, Options options = {}) {
  auto schema = Schema::compile(registry, parsed(text), options);
  EXPECT_TRUE(schema) << schema.error().message;
  return schema ? *std::move(schema) : *Schema::compile(registry, true);
}

// Empty if the schema compiles.
inline std::string refusal(std::string_view text, const Registry& registry = {}) {
  auto schema = Schema::compile(registry, parsed(text));
  if (schema) return "";
  EXPECT_EQ(schema.error().code, base::Code::invalid) << schema.error().message;
  return schema.error().message;
}

// One line a violation.
inline std::vector<std::string> lines(const Schema& schema, std::string_view instance) {
  const json::value value = parsed(instance);
  const auto violations = schema.check(value);
  if (!violations) return {violations.error().message};
  EXPECT_EQ(schema.is_valid(value), violations->empty()) << instance;
  std::vector<std::string> all;
  for (const auto& violation : *violations) all.push_back(to_line(violation));
  return all;
}

inline bool accepts(const Schema& schema, std::string_view instance) {
  return lines(schema, instance).empty();
}

}  // namespace schema
