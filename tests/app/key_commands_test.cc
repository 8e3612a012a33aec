// Keys from the command line.
#include "tests/app/daemon_commands.h"
#include "tests/app/daemon_process.h"

#include <algorithm>
#include <set>

#include <boost/json/parse.hpp>
#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

using KeyCommands = DaemonCommands;

TEST_F(KeyCommands, EveryKeyIsListedHoweverManyThereAre) {
  constexpr std::size_t made = 130;
  DaemonCalls calls(folder.path() / ".flywheel" / "state");
  for (std::size_t i = 0; i < made; ++i) {
    const json::object body{{"name", fmt::format("agent-{}", i)},
                            {"scopes", json::array{"packets"}}};
    const auto created =
        calls.call({.method = "POST", .target = "/api/keys", .body = json::value(body)});
    ASSERT_TRUE(created && created->status == 201);
  }
  const auto listed = json::parse(run({"key", "list", "--json"}).out);
  std::set<std::string> names;
  for (const auto& key : listed.at("items").as_array()) {
    names.emplace(key.at("name").as_string());
  }
  EXPECT_EQ(names.size(), made + 1) << "the administrator's is among them";
  EXPECT_TRUE(names.contains("agent-0"));
  const auto lines = run({"key", "list"}).out;
  EXPECT_EQ(std::ranges::count(lines, '\n'), static_cast<std::ptrdiff_t>(made + 1));
}

TEST_F(KeyCommands, AKeySaysWhetherItIsGoodAndForWhom) {
  ASSERT_EQ(run({"gpt", "register", "--name", "ann", "--kind", "cli"}).status, 0);
  const auto make = [&](const std::string& name, std::vector<std::string> more) {
    more.insert(more.begin(), {"key", "create", "--json", "--name", name, "--scopes", "messages"});
    const auto created = run(std::move(more));
    EXPECT_EQ(created.status, 0) << created.err;
    return std::string(json::parse(created.out).at("id").as_string());
  };
  const auto bound = make("of-ann", {"--agent", "ann", "--days", "2"});
  const auto ended = make("ended", {});
  ASSERT_EQ(run({"key", "revoke", ended}).status, 0);

  const auto all = run({"key", "list"}).out;
  EXPECT_THAT(all, ContainsRegex(bound + "  good     of-ann +messages  for ann  until 20"));
  EXPECT_THAT(all, ContainsRegex(ended + "  revoked  ended +messages\n"));
  const auto good = run({"key", "list", "--good"}).out;
  EXPECT_THAT(good, HasSubstr(bound));
  EXPECT_THAT(good, Not(HasSubstr(ended)));
}

}  // namespace
}  // namespace app
