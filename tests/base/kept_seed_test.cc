// What the tests with random seeds rely on.
#include "tests/support/kept_seed.h"

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

namespace test {
namespace {

class KeptSeedTest : public testing::Test {
 protected:
  KeptSeedTest() {
    std::string name = (std::filesystem::temp_directory_path() / "seed-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) folder = name;
  }
  ~KeptSeedTest() override {
    ::unsetenv(variable);
    std::filesystem::remove_all(folder);
  }

  static constexpr const char* variable = "FLYWHEEL_TEST_OF_SEEDS";
  std::filesystem::path folder;
};

TEST_F(KeptSeedTest, OneThatPassesLeavesNothing) {
  {
    EXPECT_EQ(KeptSeed(variable, "some", 7, folder).value(), 7u);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  EXPECT_EQ(KeptSeed(variable, "some", 8, folder).value(), 8u);
}

TEST_F(KeptSeedTest, OneThatFailsComesAgainAndFailsUntilItsFileIsRemoved) {
  KeptSeed(variable, "some", 7, folder).keep();
  for (const std::uint64_t drawn : {8u, 9u}) {
    std::uint64_t value = 0;
    EXPECT_NONFATAL_FAILURE(value = KeptSeed(variable, "some", drawn, folder).value(),
                            "then remove " + (folder / "some.failed_seed").string());
    EXPECT_EQ(value, 7u);
  }
  EXPECT_EQ(KeptSeed(variable, "another", 10, folder).value(), 10u);
  std::filesystem::remove(folder / "some.failed_seed");
  EXPECT_EQ(KeptSeed(variable, "some", 11, folder).value(), 11u);
}

TEST_F(KeptSeedTest, TheOneThatAPersonWantsIsUsedAndKeepsNothing) {
  ::setenv(variable, "12", 1);
  KeptSeed(variable, "some", 7, folder).keep();
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  ::unsetenv(variable);
  KeptSeed(variable, "some", 7, folder).keep();
  ::setenv(variable, "13", 1);
  EXPECT_EQ(KeptSeed(variable, "some", 8, folder).value(), 13u);
}

}  // namespace
}  // namespace test
