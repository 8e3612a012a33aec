// What the daemon makes of the limit of open files that it is started with.
#include "bridge/app/open_files.h"

#include "bridge/base/limits.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace app {
namespace {

rlimit limit_now() {
  rlimit found{};
  EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &found), 0);
  return found;
}

// The limit of this process as it was, at the end.
class OpenFilesTest : public testing::Test {
 protected:
  ~OpenFilesTest() override { ::setrlimit(RLIMIT_NOFILE, &before_); }
  void set_soft(rlim_t soft) {
    const rlimit lower{soft, before_.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lower), 0);
  }

 private:
  rlimit before_ = limit_now();
};

TEST_F(OpenFilesTest, TheSoftLimitIsRaisedToWhatCanBeUsedOrIsAllowed) {
  set_soft(256);
  const auto files = raise_open_files();
  EXPECT_EQ(files.before, 256u);
  const rlim_t usable = limits::http_connections_max + limits::open_files_reserved;
  EXPECT_EQ(files.now, std::min(limit_now().rlim_max, usable));
  EXPECT_EQ(limit_now().rlim_cur, files.now);
  const auto again = raise_open_files();
  EXPECT_EQ(again.before, files.now);
  EXPECT_EQ(again.now, files.now);
}

TEST(ConnectionsWithin, LeaveFilesForWhatIsNoConnection) {
  for (const std::size_t files : {2u, 64u, 1024u, 4096u, 10'000u, 17'000u}) {
    const auto allowed = connections_within(files);
    const auto left = files - allowed.connections_max;
    EXPECT_GE(left, std::min(limits::open_files_reserved, files / 2)) << files;
    EXPECT_GE(allowed.connections_max, 1u) << files;
    EXPECT_GE(allowed.connections_per_address_max, 1u) << files;
    EXPECT_LE(allowed.connections_per_address_max, allowed.connections_max) << files;
    if (files < 64) continue;
    EXPECT_LT(allowed.connections_per_address_max, allowed.connections_max) << files;
  }
}

TEST(ConnectionsWithin, AreNoMoreThanTheBoundsWithFilesInPlenty) {
  for (const std::size_t files : {20'000ul, 1ul << 20, ~0ul}) {
    const auto allowed = connections_within(files);
    EXPECT_EQ(allowed.connections_max, limits::http_connections_max) << files;
    EXPECT_EQ(allowed.connections_per_address_max, limits::http_connections_per_address_max);
  }
}

}  // namespace
}  // namespace app
