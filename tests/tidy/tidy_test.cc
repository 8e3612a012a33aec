// Holds the rules of the source tree that no compiler knows: layers, sizes, forbidden words.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

constexpr std::size_t file_lines_max = 700;
constexpr std::size_t function_lines_max = 70;
constexpr std::size_t line_columns_max = 100;
// Scripts, and tests with scripts and JSON inside.
constexpr std::size_t script_columns_max = 120;

// An include points only to a lower rank; modules of one rank never include one another.
const std::map<std::string, int, std::less<>> ranks = {
    {"cdp", 0},           {"bridge/base", 1},     {"bridge/store", 2}, {"bridge/schema", 2},
    {"bridge/engine", 3}, {"bridge/protocol", 3}, {"bridge/chat", 3},  {"bridge/services", 4},
    {"bridge/http", 5},   {"bridge/mcp", 5},      {"bridge/app", 6},   {"fixtures", 2},
};

struct Source {
  std::string path;  // from the root of the tree
  std::vector<std::string> lines;
};

bool has_ending(const fs::path& path, std::initializer_list<std::string_view> endings) {
  const std::string ending = path.extension().string();
  return std::ranges::find(endings, ending) != endings.end();
}

std::vector<Source> sources(std::initializer_list<std::string_view> folders,
                            std::initializer_list<std::string_view> endings) {
  std::vector<Source> found;
  const fs::path root = SOURCE_DIR;
  for (const auto folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string path = fs::relative(entry.path(), root).string();
      if (!entry.is_regular_file() || !has_ending(entry.path(), endings)) continue;
      if (path.find("node_modules") != std::string::npos) continue;
      Source source{path, {}};
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) source.lines.push_back(line);
      found.push_back(std::move(source));
    }
  }
  return found;
}

std::vector<Source> program() { return sources({"cdp", "bridge", "fixtures"}, {".h", ".cc"}); }

std::vector<Source> everything() {
  return sources({"cdp", "bridge", "fixtures", "tests"}, {".h", ".cc", ".js", ".mjs"});
}

std::optional<std::string> module_of(std::string_view path) {
  for (const auto& [module, rank] : ranks) {
    if (path.starts_with(module + "/")) return module;
  }
  return std::nullopt;
}

std::optional<std::string> included(std::string_view line) {
  constexpr std::string_view start = "#include \"";
  if (!line.starts_with(start)) return std::nullopt;
  line.remove_prefix(start.size());
  return std::string(line.substr(0, line.find('"')));
}

std::size_t columns(std::string_view line) {
  return static_cast<std::size_t>(std::ranges::count_if(
      line, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

TEST(Tidy, IncludesPointDownTheLayers) {
  const auto files = program();
  ASSERT_GT(files.size(), 50u);
  for (const auto& file : files) {
    const auto own = module_of(file.path);
    ASSERT_TRUE(own) << file.path << " is in no known module";
    for (const auto& line : file.lines) {
      const auto path = included(line);
      const auto other = path ? module_of(*path) : std::nullopt;
      if (!other || *other == *own) continue;
      EXPECT_GT(ranks.at(*own), ranks.at(*other)) << file.path << " includes " << *path;
    }
  }
}

TEST(Tidy, IncludesAreNamedFromTheRootOfTheTree) {
  for (const auto& file : program()) {
    for (const auto& line : file.lines) {
      const auto path = included(line);
      if (!path || path->starts_with("embedded/")) continue;
      EXPECT_TRUE(fs::exists(fs::path(SOURCE_DIR) / *path)) << file.path << " includes " << *path;
    }
  }
}

TEST(Tidy, FilesAndLinesStayShort) {
  for (const auto& file : everything()) {
    EXPECT_LE(file.lines.size(), file_lines_max) << file.path;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const bool has_scripts = file.path.ends_with("js") || file.path.starts_with("tests/");
      EXPECT_LE(columns(file.lines[i]), has_scripts ? script_columns_max : line_columns_max)
          << file.path << ":" << i + 1;
    }
  }
}

// A function's body begins at a line that ends in "{" and ends at the first "}" of the same indent.
TEST(Tidy, FunctionsStayShort) {
  const auto begins_function = [](const std::string& line) {
    if (!line.ends_with(") {") && !line.ends_with(") const {") && !line.ends_with("override {")) {
      return false;
    }
    const auto first = line.find_first_not_of(' ');
    const std::string_view start = std::string_view(line).substr(first);
    for (const std::string_view word : {"if ", "for ", "while ", "switch ", "} else", "TEST"}) {
      if (start.starts_with(word)) return false;
    }
    return first <= 2;
  };
  for (const auto& file : sources({"cdp", "bridge", "fixtures", "tests"}, {".h", ".cc"})) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      if (!begins_function(file.lines[i])) continue;
      const std::string end(file.lines[i].find_first_not_of(' '), ' ');
      std::size_t last = i + 1;
      while (last < file.lines.size() && !file.lines[last].starts_with(end + "}")) ++last;
      EXPECT_LE(last - i + 1, function_lines_max) << file.path << ":" << i + 1;
    }
  }
}

struct Ban {
  std::string word;
  std::string why;
};

void expect_none(const std::vector<Source>& files, const std::vector<Ban>& bans) {
  for (const auto& file : files) {
    if (file.path == "tests/tidy/tidy_test.cc") continue;
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      for (const auto& [word, why] : bans) {
        EXPECT_EQ(file.lines[i].find(word), std::string::npos)
            << file.path << ":" << i + 1 << ": " << word << ": " << why;
      }
    }
  }
}

TEST(Tidy, WhatOverflowsOrHidesIsNotUsed) {
  expect_none(program(), {{"std::regex", "overflows the stack on hostile input"},
                          {"TODO", "finish it or leave it out"},
                          {"FIXME", "finish it or leave it out"},
                          {"catch (...)", "hides cancellation and bugs; see Scope"},
                          {"enable-automation", "the browser says itself what it is"},
                          {"AutomationControlled", "the bridge does not hide that it is one"}});
}

// The rules of jobs and services are for every driver of the store; what only one of them has lives
// in the store, or in the index of full text.
TEST(Tidy, TheSqlOfRulesIsThatOfEveryDriver) {
  auto rules = sources({"bridge/engine", "bridge/services"}, {".h", ".cc"});
  std::erase_if(rules, [](const Source& source) {
    return source.path == "bridge/services/memory/text_index.cc";
  });
  const std::string why = "is SQL of one driver";
  expect_none(rules, {{"CROSS JOIN", why},
                      {"INDEXED BY", why},
                      {" GLOB ", why},
                      {"INSERT OR ", why},
                      {"REPLACE INTO", why},
                      {" rowid", why},
                      {"\"PRAGMA", why},
                      {"julianday(", why},
                      {"strftime(", why},
                      {"json_extract(", why},
                      {"IFNULL(", why},
                      {"iif(", why},
                      {"group_concat(", why}});
}

TEST(Tidy, TestsNeitherSleepNorSkip) {
  expect_none(sources({"tests"}, {".h", ".cc"}), {{"sleep_for", "wait for what you wait for"},
                                                  {"GTEST_SKIP", "a test runs or it is not there"},
                                                  {"DISABLED_", "a test runs or it is not there"}});
}

}  // namespace
