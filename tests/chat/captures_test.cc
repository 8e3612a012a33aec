// Pages that were captured, if a folder of them is at hand: INDEX.tsv says what each one holds.
#include "bridge/base/json.h"
#include "tests/chat/saved_page.h"

#include <map>
#include <sstream>

#include <gtest/gtest.h>

namespace chat_test {
namespace {

namespace fs = std::filesystem;

// file → what it shows, its fourth column.
std::map<std::string, std::string> read_index(const fs::path& folder) {
  std::map<std::string, std::string> rows;
  std::ifstream in(folder / "INDEX.tsv");
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> columns;
    std::istringstream cells(line);
    for (std::string cell; std::getline(cells, cell, '\t');) columns.push_back(cell);
    if (columns.size() >= 4) rows[columns[0]] = columns[3];
  }
  return rows;
}

std::vector<std::string> expected_code(std::string_view list) {
  constexpr std::string_view between = " || ";
  std::vector<std::string> code;
  while (!list.empty()) {
    const std::string_view one = list.substr(0, list.find(between));
    code.emplace_back(must_be(base::parse_json(one)).as_string());
    list.remove_prefix(std::min(one.size() + between.size(), list.size()));
  }
  return code;
}

// The words of the index and the states that they may stand for.
const std::vector<std::pair<std::string_view, std::vector<chat::State>>> states = {
    {"challenge", {chat::State::challenge}},
    {"logged", {chat::State::login_required}},
    {"rate limited", {chat::State::rate_limited}},
    {"not hydrated", {chat::State::hydrating}},
    {"not loadable", {chat::State::conversation_not_found}},
    {"reconnecting", {chat::State::reconnecting, chat::State::generating, chat::State::error_turn}},
    {"generating", {chat::State::generating, chat::State::hydrating}},
    {"error", {chat::State::error_turn}},
};

TEST(Captures, ShowWhatTheirIndexSays) {
  const fs::path folder = CAPTURES_DIR;
  auto rows = read_index(folder);
  std::vector<fs::path> files;
  for (const auto& [file, shows] : rows) {
    const bool is_claim = shows.starts_with("CODE: ") || shows.starts_with("STATE ");
    if (is_claim && file.ends_with(".html")) files.push_back(folder / file);
  }
  look_at_files(files, [&](const fs::path& file, const chat::Sighting& seen) {
    const std::string& shows = rows.at(file.filename().string());
    if (shows.starts_with("CODE: ")) {
      EXPECT_EQ(code_of(seen), expected_code(std::string_view(shows).substr(6))) << file;
      return;
    }
    for (const auto& [word, allowed] : states) {
      if (shows.find(word) == std::string::npos) continue;
      const chat::State state = state_of(seen);
      EXPECT_TRUE(std::ranges::find(allowed, state) != allowed.end())
          << file << ": " << shows << ", judged " << chat::name(state);
      return;
    }
    ADD_FAILURE() << file << ": no state is known for " << shows;
  });
}

}  // namespace
}  // namespace chat_test
