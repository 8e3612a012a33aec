#include "bridge/services/beads/file_watch.h"

#include "bridge/base/limits.h"
#include "bridge/base/scope.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace beads {
namespace {

namespace fs = std::filesystem;
namespace asio = boost::asio;
using base::Code;
using base::fail;

constexpr std::uint32_t complete_events =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;
constexpr std::uint32_t folder_events = complete_events | IN_MODIFY | IN_CREATE | IN_ONLYDIR;
constexpr std::uint32_t parent_events = IN_CREATE | IN_MOVED_TO | IN_ONLYDIR;

}  // namespace

FileWatch::FileWatch(asio::any_io_executor executor, int descriptor, fs::path folder,
                     std::string name)
    : descriptor_(std::move(executor), descriptor),
      folder_(std::move(folder)),
      name_(std::move(name)) {}

base::Result<std::unique_ptr<FileWatch>> FileWatch::start(asio::any_io_executor executor,
                                                          const fs::path& folder,
                                                          std::string name) {
  const int descriptor = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor < 0) {
    return fail(Code::unavailable,
                fmt::format("watch {}: {}", folder.string(), std::strerror(errno)));
  }
  std::unique_ptr<FileWatch> watch(
      new FileWatch(std::move(executor), descriptor, folder, std::move(name)));
  watch->parent_watch_ =
      ::inotify_add_watch(descriptor, folder.parent_path().c_str(), parent_events);
  if (watch->parent_watch_ < 0) {
    return fail(Code::unavailable,
                fmt::format("watch {}: {}", folder.parent_path().string(), std::strerror(errno)));
  }
  TRY_OK(watch->watch_folder());
  return watch;
}

base::Result<> FileWatch::watch_folder() {
  // The folder may be another one under the same name: the old one is let go.
  if (folder_watch_ >= 0) ::inotify_rm_watch(descriptor_.native_handle(), folder_watch_);
  folder_watch_ = ::inotify_add_watch(descriptor_.native_handle(), folder_.c_str(), folder_events);
  // A folder that is not there is seen by its parent when it comes.
  if (folder_watch_ >= 0 || errno == ENOENT || errno == ENOTDIR) return {};
  return fail(Code::unavailable,
              fmt::format("watch {}: {}", folder_.string(), std::strerror(errno)));
}

base::Task<> FileWatch::readable() {
  co_await descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  co_return base::Result<>();
}

base::Result<FileWatch::Seen> FileWatch::take_events() {
  Seen seen = Seen::nothing;
  bool is_folder_new = false;
  alignas(inotify_event) char buffer[16 * 1024];
  for (;;) {
    const ssize_t count = ::read(descriptor_.native_handle(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) break;
    if (count <= 0) {
      return fail(Code::unavailable,
                  fmt::format("watch {}: {}", folder_.string(), std::strerror(errno)));
    }
    for (ssize_t at = 0; at < count;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += ssize_t(sizeof(inotify_event) + event->len);
      const std::string_view name = event->len > 0 ? std::string_view(event->name) : "";
      const bool is_about_file = event->wd == folder_watch_ && name == name_;
      const bool is_folder_gone =
          event->wd == folder_watch_ && event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED);
      is_folder_new |=
          is_folder_gone || (event->wd == parent_watch_ && name == folder_.filename().string());
      if (event->mask & IN_Q_OVERFLOW || (is_about_file && event->mask & complete_events)) {
        seen = Seen::complete;
      } else if (is_about_file) {
        seen = std::max(seen, Seen::written);
      }
    }
  }
  if (!is_folder_new) return seen;
  TRY_OK(watch_folder());
  return Seen::complete;
}

base::Task<> FileWatch::changed() {
  Seen seen = Seen::nothing;
  while (seen == Seen::nothing) {
    CO_TRY_OK(co_await readable());
    CO_TRY(seen, take_events());
  }
  for (int i = 0; seen == Seen::written && i < limits::beads_settles_max; ++i) {
    auto more = co_await base::with_deadline(readable(), limits::beads_settle, "wait for a writer");
    if (!more && more.error().code == Code::timeout) break;
    CO_TRY_OK(std::move(more));
    CO_TRY(const Seen next, take_events());
    seen = std::max(seen, next);
  }
  co_return base::Result<>();
}

}  // namespace beads
