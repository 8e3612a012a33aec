#include "tests/app/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace app {
namespace {

using ::testing::HasSubstr;

// What bash offers after `words`, of which the last is being typed.
std::string offered(const std::vector<std::string>& words, const TestFolder& folder) {
  const std::string script = folder.write("completion.bash", flywheel({"completion", "bash"}).out);
  std::vector<std::string> command{
      "bash", "-c",
      "source \"$0\"; compopt() { :; }; COMP_WORDS=(flywheel \"$@\"); COMP_CWORD=$#; _flywheel; "
      "printf '%s ' \"${COMPREPLY[@]}\"",
      script};
  command.insert(command.end(), words.begin(), words.end());
  const Finished finished = run_program(command, {}, folder.path());
  return finished.err + finished.out;
}

TEST(Completion, BashReadsTheScript) {
  const TestFolder folder;
  const std::string script = folder.write("c", flywheel({"completion", "bash"}).out);
  const Finished checked = run_program({"bash", "-n", script});
  EXPECT_EQ(checked.status, 0) << checked.err;
}

TEST(Completion, BashOffersCommandsOptionsAndValues) {
  const TestFolder folder;
  folder.write("plan.json", "");
  EXPECT_EQ(offered({"pac"}, folder), "packet ");
  EXPECT_EQ(offered({"packet", ""}, folder),
            "build validate list show response cancel retry resolve ");
  EXPECT_EQ(offered({"packet", "build", "--ty"}, folder), "--type ");
  EXPECT_EQ(offered({"packet", "build", "--type", "RFP_A"}, folder), "RFP_ARBITRATE ");
  EXPECT_EQ(offered({"packet", "validate", "--file", "pl"}, folder), "plan.json ");
  EXPECT_EQ(offered({"completion", ""}, folder), "bash zsh fish ");
}

TEST(Completion, BashTakesAValueForAValue) {
  const TestFolder folder;
  EXPECT_EQ(offered({"packet", "build", "--question", "validate", "--no"}, folder), "--notes ");
  EXPECT_EQ(offered({"packet", "--json", "val"}, folder), "validate ");
}

TEST(Completion, ZshAndFishKnowTheSameCommands) {
  const Finished zsh = flywheel({"completion", "zsh"});
  EXPECT_EQ(zsh.status, 0);
  EXPECT_THAT(zsh.out, HasSubstr("compadd -- build validate"));
  const Finished fish = flywheel({"completion", "fish"});
  EXPECT_EQ(fish.status, 0);
  EXPECT_THAT(fish.out, HasSubstr("complete -c flywheel -n '__flywheel_at packet' -a 'build'"));
}

TEST(Completion, AnUnknownShellIsAUsageError) {
  const Finished finished = flywheel({"completion", "tcsh"});
  EXPECT_EQ(finished.status, 64);
  EXPECT_THAT(finished.err, HasSubstr("there are bash, zsh and fish"));
}

}  // namespace
}  // namespace app
