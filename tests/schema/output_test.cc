// The official suite's cases of the output format `basic`.
#include "tests/schema/check.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace schema {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Output, BasicIsAsTheSuiteDescribes) {
  const fs::path folder = fs::path(JSON_SCHEMA_SUITE) / "output-tests/draft2020-12";
  Registry registry;
  ASSERT_TRUE(registry.add_text("", text_of(folder / "output-schema.json")));
  std::size_t cases = 0;
  for (const auto& entry : fs::directory_iterator(folder / "content")) {
    for (const auto& group : parsed(text_of(entry.path())).as_array()) {
      const auto schema = Schema::compile(Registry(), group.at("schema"));
      ASSERT_TRUE(schema) << schema.error().message;
      for (const auto& test : group.at("tests").as_array()) {
        ++cases;
        const auto expected = Schema::compile(registry, test.at_pointer("/output/basic"));
        ASSERT_TRUE(expected) << expected.error().message;
        const auto output = schema->basic(test.at("data"));
        ASSERT_TRUE(output) << output.error().message;
        EXPECT_TRUE(expected->is_valid(*output))
            << entry.path() << ": " << test.at("description") << json::serialize(*output);
      }
    }
  }
  EXPECT_GE(cases, 5u);
}

TEST(Output, AnnotationsOfFailedBranchesAreDropped) {
  const Schema schema = compiled(
      R"({"anyOf":[{"type":"string","title":"text"},{"title":"any"}],
          "not":{"title":"n","type":"null"}})");

  const auto output = schema.basic(parsed("1"));

  ASSERT_TRUE(output);
  std::vector<std::string> titles;
  for (const auto& unit : output->at("annotations").as_array()) {
    if (auto* value = unit.as_object().if_contains("annotation")) {
      titles.emplace_back(value->as_string());
    }
  }
  EXPECT_EQ(titles, std::vector<std::string>{"any"});
}

}  // namespace
}  // namespace schema
