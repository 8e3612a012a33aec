#include "cdp/profile.h"

#include "cdp/limits.h"
#include "cdp/process.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <optional>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace cdp {

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// True if a process listens behind the profile's SingletonSocket.
bool has_listener(const fs::path& directory) {
  std::error_code error;
  auto target = fs::read_symlink(directory / "SingletonSocket", error).string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (error || target.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, target.c_str(), target.size() + 1);
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int result = ::connect(socket.value(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
  return result == 0 || errno == EAGAIN || errno == EINPROGRESS;
}

// The lock is a symbolic link to HOST-PID. Chrome itself removes one that a dead process of this
// host left; it refuses one of another host for ever, dead or not.
Result<> check_lock(const fs::path& directory) {
  std::error_code error;
  auto holder = fs::read_symlink(directory / "SingletonLock", error).string();
  if (error) return {};
  auto dash = holder.rfind('-');
  std::string host = holder.substr(0, dash == holder.npos ? 0 : dash);
  std::string process = holder.substr(dash == holder.npos ? 0 : dash + 1);
  if (has_listener(directory)) {
    return fail(Failure::locked, fmt::format("profile {}: in use by browser process {} on {}",
                                             directory.string(), process, host));
  }
  if (host != host_name()) {
    return fail(Failure::locked,
                fmt::format("profile {}: locked by process {} on host {}, and this host is {}; if "
                            "that browser has gone, remove {}/SingletonLock",
                            directory.string(), process, host, host_name(), directory.string()));
  }
  return {};
}

// The port and the path, if both lines are complete.
std::optional<std::string> read_url(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text(limits::devtools_file_bytes_max, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  auto first = text.find('\n');
  if (first == text.npos) return std::nullopt;
  unsigned port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + first, port);
  if (error != std::errc() || end != text.data() + first || port == 0 || port > 65535) {
    return std::nullopt;
  }
  std::string path = text.substr(first + 1);
  if (!path.empty() && path.back() == '\n') path.pop_back();
  // The browser writes both lines at once and no last newline: a path is its prefix and a UUID.
  constexpr std::string_view prefix = "/devtools/browser/";
  if (!path.starts_with(prefix) || path.size() != prefix.size() + 36) return std::nullopt;
  return fmt::format("ws://127.0.0.1:{}{}", port, path);
}

}  // namespace

Result<> prepare_profile(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (!error) fs::permissions(directory, fs::perms::owner_all, error);
  if (error) {
    return fail(Failure::launch, fmt::format("profile {}: {}", directory.string(), error.message()),
                error.value());
  }
  TRY_OK(check_lock(directory));
  fs::remove(directory / "DevToolsActivePort", error);
  return {};
}

Task<std::string> find_debugging_url(fs::path directory, Duration limit) {
  auto executor = co_await asio::this_coro::executor;
  auto file = directory / "DevToolsActivePort";
  Descriptor notifier(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (::inotify_add_watch(notifier.value(), directory.c_str(),
                          IN_CLOSE_WRITE | IN_MOVED_TO | IN_MODIFY) < 0) {
    co_return fail(Failure::invalid,
                   fmt::format("profile {}: {}", directory.string(), std::strerror(errno)));
  }
  asio::posix::stream_descriptor watch(executor, notifier.release());
  asio::steady_timer timer(executor, limit);
  auto deadline = timer.expiry();
  std::array<char, 4096> changes;
  for (;;) {
    if (auto url = read_url(file)) co_return *std::move(url);
    if (Clock::now() >= deadline) {
      co_return fail(Failure::timeout,
                     fmt::format("{}: names no debugging port; was the browser started with "
                                 "--remote-debugging-port?",
                                 file.string()));
    }
    auto [order, read_error, count, timer_error] =
        co_await asio::experimental::make_parallel_group(
            watch.async_read_some(asio::buffer(changes), asio::deferred),
            timer.async_wait(asio::deferred))
            .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    if (read_error && timer_error) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }
}

}  // namespace cdp
