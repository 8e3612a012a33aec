#include "bridge/app/console.h"

#include "bridge/app/browser_session.h"
#include "bridge/app/exit_status.h"
#include "tests/app/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace app {
namespace {

using ::testing::HasSubstr;

TEST(Console, WhatIsNewAndCannotBeMadeIsToldFromWhatCannotBeWritten) {
  const TestFolder folder;
  const auto nowhere = write_file(folder.path() / "no folder" / "page.png", "x");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().reason, "file_not_created");
  EXPECT_EQ(exit_status_of(nowhere.error()), exit_cannot_create);
  EXPECT_THAT(nowhere.error().message, HasSubstr("page.png: No such file or directory"));

  const auto full = write_file("/dev/full", "x");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().reason, "file_failed");
  EXPECT_EQ(exit_status_of(full.error()), exit_io);
}

TEST(Console, WhatCannotBeReadIsNoDaemonThatIsAway) {
  const TestFolder folder;
  for (const auto& path : {folder.path() / "missing", folder.path()}) {
    const auto text = read_file(path, 100);
    ASSERT_FALSE(text);
    EXPECT_EQ(exit_status_of(text.error()), exit_io) << text.error().message;
  }
  const auto text = read_file(folder.write("long", "0123456789"), 9);
  ASSERT_FALSE(text);
  EXPECT_EQ(exit_status_of(text.error()), exit_bad_input);
}

}  // namespace
}  // namespace app
