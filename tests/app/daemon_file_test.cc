#include "bridge/app/daemon_file.h"

#include "bridge/store/lock_file.h"
#include "tests/app/daemon_commands.h"
#include "tests/app/process.h"
#include "tests/http/certificate.h"

#include <optional>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace app {
namespace {

class DaemonFileTest : public testing::Test {
 protected:
  // As a daemon of this process does.
  void open_store() {
    auto taken = store::LockFile::acquire(store_ + ".lock", "flywheel serve, writer (pid 1 on x)");
    ASSERT_TRUE(taken) << taken.error().message;
    lock_.emplace(*std::move(taken));
  }
  void write(int pid) const {
    const auto written = write_daemon_file(
        folder_.path(),
        {.url = "http://127.0.0.1:8765", .pid = pid, .incarnation = "life", .store = store_});
    ASSERT_TRUE(written) << written.error().message;
  }
  bool is_believed() const { return read_daemon_file(folder_.path()).has_value(); }

  TestFolder folder_;
  std::string store_ = folder_.path() / "elsewhere.db";
  std::optional<store::LockFile> lock_;
};

TEST_F(DaemonFileTest, IsBelievedWhileItsProcessHoldsTheLockOfItsStore) {
  open_store();
  EXPECT_FALSE(is_believed());
  write(::getpid());
  const auto found = read_daemon_file(folder_.path());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->url, "http://127.0.0.1:8765");
  EXPECT_EQ(found->pid, ::getpid());
  EXPECT_EQ(found->store, store_);
  // Killed: the file stays, and this process, which lives, has its number now.
  lock_.reset();
  EXPECT_FALSE(is_believed());
}

// A command that works the store itself is no daemon.
TEST_F(DaemonFileTest, IsNotBelievedWhileAnotherProcessHoldsTheLock) {
  open_store();
  write(::getpid() + 1);
  EXPECT_FALSE(is_believed());
}

TEST_F(DaemonFileTest, IsBelievedWhereTheHolderCouldNotTellItsName) {
  open_store();
  write(::getpid());
  ASSERT_EQ(::truncate((store_ + ".lock").c_str(), 0), 0);
  EXPECT_TRUE(is_believed());
}

TEST_F(DaemonFileTest, IsTakenAwayByItsOwnLifeOnly) {
  open_store();
  write(::getpid());
  remove_daemon_file(folder_.path(), "another life");
  EXPECT_TRUE(is_believed());
  remove_daemon_file(folder_.path(), "life");
  EXPECT_FALSE(is_believed());
}

// A daemon that is spoken to by TLS, with a certificate that nobody else knows.
class DaemonWithCertificate : http_test::Certificate, public DaemonCommands {
 protected:
  DaemonWithCertificate()
      : DaemonCommands(fmt::format(R"(, "tls": {{"certificate": "{}", "key": "{}"}})",
                                   file().string(), key().string())) {}
};

TEST_F(DaemonWithCertificate, IsKnownByItToTheCommandsOfItsUser) {
  const auto listed = run({"packet", "list"});
  EXPECT_EQ(listed.status, 0) << listed.err;
  EXPECT_NE(folder.read(".flywheel/state/daemon.json").find("https://127.0.0.1:"),
            std::string::npos);
}

}  // namespace
}  // namespace app
