#include "bridge/services/beads/file_watch.h"

#include "bridge/base/scope.h"
#include "tests/beads/samples.h"

#include <functional>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

namespace beads {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

class FileWatchTest : public testing::Test {
 protected:
  FileWatchTest() {
    folder_.write(".beads/issues.jsonl", "one\n");
    auto started = FileWatch::start(loop_.get_executor(), file_.parent_path(), "issues.jsonl");
    EXPECT_TRUE(started) << started.error().message;
    watch_ = *std::move(started);
  }
  // Waits for the file to have this text, waking only when told of a change.
  void expect_seen(const std::function<void()>& act, const std::string& text) {
    bool is_seen = false;
    act();
    asio::co_spawn(
        loop_,
        [&]() -> asio::awaitable<void> {
          while (!is_seen) {
            const auto changed = co_await watch_->changed();
            EXPECT_TRUE(changed);
            is_seen = !changed || file_text(file_) == text;
          }
        },
        asio::detached);
    loop_.restart();
    loop_.run();
    EXPECT_TRUE(is_seen);
  }
  void write(const fs::path& path, const std::string& text, std::ios::openmode mode = {}) {
    std::ofstream(path, std::ios::binary | mode) << text;
  }

  app::TestFolder folder_;
  fs::path file_ = folder_.path() / ".beads/issues.jsonl";
  asio::io_context loop_;
  std::unique_ptr<FileWatch> watch_;
};

TEST_F(FileWatchTest, SeesEveryWayOfWriting) {
  expect_seen([&] { write(file_, "two\n", std::ios::app); }, "one\ntwo\n");
  expect_seen([&] { write(file_, "new\n"); }, "new\n");
  expect_seen([&] { fs::resize_file(file_, 0); }, "");
  const auto replace = [&] {
    write(folder_.path() / ".beads/issues.jsonl.tmp", "moved\n");
    fs::rename(folder_.path() / ".beads/issues.jsonl.tmp", file_);
  };
  expect_seen(replace, "moved\n");
  expect_seen([&] { fs::remove(file_); }, "");
  expect_seen([&] { write(file_, "again\n"); }, "again\n");
  expect_seen(replace, "moved\n");
}

TEST_F(FileWatchTest, SeesAWriterThatKeepsTheFileOpen) {
  std::ofstream stream(file_, std::ios::binary | std::ios::app);
  expect_seen([&] { stream << "two\n" << std::flush; }, "one\ntwo\n");
  expect_seen([&] { stream << "three\n" << std::flush; }, "one\ntwo\nthree\n");
}

TEST_F(FileWatchTest, FollowsTheFolderWhenItGoesAndComesAgain) {
  const fs::path folder = file_.parent_path();
  expect_seen([&] { fs::rename(folder, folder_.path() / "away"); }, "");
  expect_seen(
      [&] {
        folder_.write("next/issues.jsonl", "other\n");
        fs::rename(folder_.path() / "next", folder);
      },
      "other\n");
  expect_seen([&] { write(file_, "in the new one\n"); }, "in the new one\n");
  expect_seen([&] { fs::remove_all(folder); }, "");
  expect_seen([&] { folder_.write(".beads/issues.jsonl", "made anew\n"); }, "made anew\n");
}

TEST_F(FileWatchTest, OtherFilesOfTheFolderWakeNobody) {
  folder_.write(".beads/beads.db", "x");
  folder_.write(".beads/flywheel/watch.json", "{}");
  bool is_changed = false;
  asio::co_spawn(
      loop_,
      [&]() -> asio::awaitable<void> {
        const auto changed = co_await watch_->changed();
        is_changed = changed.has_value();
      },
      asio::detached);
  loop_.poll();
  EXPECT_FALSE(is_changed);
  write(file_, "two\n");
  loop_.restart();
  loop_.run();
  EXPECT_TRUE(is_changed);
}

}  // namespace
}  // namespace beads
