// The official JSON Schema test suite for draft 2020-12, one test a file.
#include "bridge/schema/schema.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace schema {
namespace {

namespace fs = std::filesystem;

const fs::path suite = JSON_SCHEMA_SUITE;
const fs::path tests = suite / "tests/draft2020-12";

// Cases that ask for what this implementation documents that it lacks, as "file | group".
const std::set<std::string> unsupported{
    // Only 2020-12 is implemented.
    "optional/cross-draft | refs to historic drafts are processed as historic drafts",
};

json::value read_json(const fs::path& file) {
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  auto value = base::parse_json(text);
  if (!value) throw std::runtime_error(file.string() + ": " + value.error().message);
  return *std::move(value);
}

std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    files.push_back(entry.path().lexically_relative(tests).replace_extension().string());
  }
  std::ranges::sort(files);
  return files;
}

const Registry& remotes() {
  static const Registry registry = [] {
    Registry known;
    for (const char* draft : {"draft2020-12", "draft2019-09", "draft7", ""}) {
      const fs::path folder = suite / "remotes" / draft;
      for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        if (entry.path().extension() != ".json") continue;
        const auto path = entry.path().lexically_relative(suite / "remotes").string();
        // Drafts other than this one may repeat an $id; the first counts.
        (void)known.add("http://localhost:1234/" + path, read_json(entry.path()));
      }
    }
    return known;
  }();
  return registry;
}

// How the group's cases differ from what the suite says, one line each.
std::vector<std::string> differences(const json::value& group, const Options& options) {
  const auto schema = Schema::compile(remotes(), group.at("schema"), options);
  if (!schema) return {schema.error().message};
  std::vector<std::string> all;
  for (const auto& test : group.at("tests").as_array()) {
    const bool expected = test.at("valid").as_bool();
    const json::value& data = test.at("data");
    const auto violations = schema->check(data);
    const auto basic = schema->basic(data);
    const bool agrees = schema->is_valid(data) == expected && violations &&
                        violations->empty() == expected && basic &&
                        basic->at("valid").as_bool() == expected;
    if (!agrees) all.emplace_back(test.at("description").as_string());
  }
  return all;
}

// Runs every case of a file and counts the groups.
std::size_t run_file(const std::string& file, const Options& options) {
  const json::value groups = read_json(tests / (file + ".json"));
  for (const auto& group : groups.as_array()) {
    const std::string name = file + " | " + std::string(group.at("description").as_string());
    const auto found = differences(group, options);
    if (unsupported.contains(name)) {
      EXPECT_THAT(found, testing::Not(testing::IsEmpty())) << name << " is supported by now";
    } else {
      EXPECT_THAT(found, testing::IsEmpty()) << name;
    }
  }
  return groups.as_array().size();
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace_if(name, [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

class Required : public testing::TestWithParam<std::string> {};
TEST_P(Required, EveryCaseIsDecidedAsTheSuiteSays) { EXPECT_GT(run_file(GetParam(), {}), 0u); }
INSTANTIATE_TEST_SUITE_P(Suite, Required, testing::ValuesIn(files_below(tests)), test_name);

class Optional : public testing::TestWithParam<std::string> {};
TEST_P(Optional, EveryCaseIsDecidedAsTheSuiteSays) {
  // `$schema`-driven format assertion is what format-assertion.json is about.
  // Some files are empty in this draft.
  (void)run_file(GetParam(), {.assert_format = GetParam() != "optional/format-assertion"});
}
INSTANTIATE_TEST_SUITE_P(Suite, Optional, testing::ValuesIn(files_below(tests / "optional")),
                         test_name);

class Format : public testing::TestWithParam<std::string> {};
TEST_P(Format, EveryCaseIsDecidedAsTheSuiteSays) {
  EXPECT_GT(run_file(GetParam(), {.assert_format = true}), 0u);
}
INSTANTIATE_TEST_SUITE_P(Suite, Format, testing::ValuesIn(files_below(tests / "optional/format")),
                         test_name);

TEST(Suite, IsThere) {
  EXPECT_GE(files_below(tests).size(), 40u) << tests;
  EXPECT_GE(files_below(tests / "optional/format").size(), 15u);
}

}  // namespace
}  // namespace schema
