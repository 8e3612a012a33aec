#include "tests/app/process.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(WorkflowCommand, EveryExampleIsValidWithoutADaemon) {
  int examples = 0;
  for (const auto& file : std::filesystem::directory_iterator(SOURCE_DIR "/fixtures/workflows")) {
    const Finished checked = flywheel({"workflow", "validate", file.path()});
    EXPECT_EQ(checked.status, 0) << checked.err;
    EXPECT_THAT(checked.out, HasSubstr("valid, "));
    ++examples;
  }
  EXPECT_GE(examples, 6);
}

TEST(WorkflowCommand, MistakesAreToldWithTheirLine) {
  const std::string yaml =
      "name: w\njobs:\n  a: {uses: gtp/x}\n  b:\n    uses: gpt/x\n    needs: [c]\n";
  const Finished told = flywheel({"workflow", "validate", "-"}, yaml);
  EXPECT_EQ(told.status, 1);
  EXPECT_THAT(told.err, HasSubstr("-:3:7: /jobs/a/uses: write gpt/<agent>"));
  EXPECT_THAT(told.err, HasSubstr("-:6:13: /jobs/b/needs/0: there is no job \"c\""));

  const Finished json = flywheel({"--json", "workflow", "validate", "-"}, yaml);
  EXPECT_EQ(json.status, 1);
  EXPECT_THAT(json.out, HasSubstr("\"valid\":false"));
  EXPECT_THAT(json.out, HasSubstr("\"pointer\":\"/jobs/a/uses\""));

  const Finished broken = flywheel({"workflow", "validate", "-"}, "name: [");
  EXPECT_EQ(broken.status, 65);
  EXPECT_THAT(broken.err, HasSubstr("not valid YAML at line"));
}

}  // namespace
}  // namespace app
