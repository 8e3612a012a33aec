#include "bridge/app/bead_watch.h"

#include "bridge/app/daemon_client.h"
#include "bridge/app/exit_status.h"
#include "bridge/app/loop.h"
#include "bridge/app/project.h"
#include "bridge/base/limits.h"
#include "bridge/services/beads/file_watch.h"
#include "bridge/services/beads/files.h"
#include "bridge/services/beads/watcher.h"
#include "bridge/services/beads/workspace.h"

#include <cerrno>
#include <cstring>

#include <boost/asio/this_coro.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

namespace app {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;

// Held while a watcher runs; the kernel lets it go with the process.
class WatchLock {
 public:
  static base::Result<WatchLock> take(const fs::path& path) {
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    WatchLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (lock.file_ < 0) {
      return fail(Code::unavailable, fmt::format("open {}: {}", path.string(), strerror(errno)),
                  "file_failed");
    }
    if (::flock(lock.file_, LOCK_EX | LOCK_NB) == 0) return lock;
    return fail(Code::busy, fmt::format("these beads are watched already ({})", path.string()));
  }
  WatchLock(WatchLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  WatchLock& operator=(WatchLock&&) = delete;
  ~WatchLock() {
    if (file_ >= 0) ::close(file_);
  }

 private:
  explicit WatchLock(int file) : file_(file) {}

  int file_;
};

class BeadWatch {
 public:
  BeadWatch(Console& console, beads::Workspace workspace, protocol::MessageTypes types)
      : console_(console),
        workspace_(std::move(workspace)),
        archive_(workspace_.own_folder()),
        types_(std::move(types)) {}

  base::Result<> recall() {
    auto text = beads::read_file(state_path(), limits::watch_state_bytes_max);
    if (!text && text.error().code == Code::not_found) return {};
    if (!text) return std::unexpected(text.error());
    auto watcher = beads::Watcher::from_text(*text);
    if (!watcher) {
      return fail(watcher.error().code,
                  fmt::format("{}: {}; remove it to be told everything again",
                              state_path().string(), watcher.error().message));
    }
    watcher_ = *std::move(watcher);
    return {};
  }

  // One look at the file: prints what is new, then remembers it.
  base::Result<> look(bool is_quiet) {
    TRY(const auto all, workspace_.read());
    beads::Watcher next = watcher_;
    const auto reports = next.look(
        all, [&](const beads::Bead& bead) { return beads::judge_gate(archive_, bead, types_); });
    if (!is_quiet) {
      for (const auto& report : reports) print(report);
    }
    console_.out.flush();
    if (!console_.out) return fail(Code::unavailable, "write standard output: output error");
    if (next == watcher_) return {};
    TRY_OK(beads::replace_file(state_path(), next.to_text()));
    watcher_ = std::move(next);
    return {};
  }

  // Looks after every change. A file that cannot be read now is looked at again when it changes.
  boost::asio::awaitable<int> follow(bool is_quiet) {
    auto executor = co_await boost::asio::this_coro::executor;
    auto watch = beads::FileWatch::start(executor, workspace_.folder(),
                                         workspace_.file().filename().string());
    if (!watch) co_return print_failed(console_, watch.error());
    print_progress(console_, "watching " + workspace_.file().string());
    std::string last_warning;
    for (;;) {
      const auto looked = look(is_quiet);
      const std::string warning = looked ? std::string() : looked.error().message;
      if (!console_.out) co_return exit_io;
      if (looked) is_quiet = false;
      if (!looked && warning != last_warning) print_warning(console_, warning);
      last_warning = warning;
      const auto changed = co_await (*watch)->changed();
      if (!changed) co_return print_failed(console_, changed.error());
    }
  }

 private:
  fs::path state_path() const { return workspace_.own_folder() / "watch.json"; }

  void print(const beads::Report& report) {
    if (console_.is_json) {
      print_json(console_, beads::to_json(report));
    } else {
      console_.out << beads::to_line(report) << std::endl;
    }
  }

  Console& console_;
  beads::Workspace workspace_;
  beads::Archive archive_;
  protocol::MessageTypes types_;
  beads::Watcher watcher_;
};

}  // namespace

int run_bead_watch(Console& console, const BeadWatchOptions& options) {
  auto types = protocol::MessageTypes::load(own_schemas(options.config));
  if (!types) return print_failed(console, types.error());
  auto workspace = beads::Workspace::find(options.workspace);
  if (!workspace) return print_failed(console, workspace.error());
  auto lock = WatchLock::take(workspace->own_folder() / "watch.lock");
  if (!lock) return print_failed(console, lock.error());
  BeadWatch watch(console, *std::move(workspace), *std::move(types));
  if (auto recalled = watch.recall(); !recalled) return print_failed(console, recalled.error());
  if (options.is_once) {
    auto looked = watch.look(options.is_baseline);
    return looked ? static_cast<int>(exit_ok) : print_failed(console, looked.error());
  }
  return run_to_end(console, [&] { return watch.follow(options.is_baseline); });
}

}  // namespace app
