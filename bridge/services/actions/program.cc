#include "bridge/services/actions/program.h"

#include "bridge/base/scope.h"
#include "bridge/services/actions/place.h"
#include "cdp/children.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace services::actions {

namespace asio = boost::asio;
using asio::posix::stream_descriptor;
using base::Code;

namespace {

constexpr std::size_t piece_bytes = 4096;
// Looks at what was killed; what has not ended then is left to whoever reaps orphans.
constexpr int reaps_max = 500;
constexpr auto reap_pause = std::chrono::milliseconds(2);

int status_of(int how) { return WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how); }

// Leads its group. Nothing here waits: what is killed may take its time to end, and a program that
// has become another user's cannot be killed at all.
class Child {
 public:
  Child(pid_t id, Kill kill) : id_(id), kill_(std::move(kill)), group_(id) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    end();
    has_reaped_all();
  }

  // Kills whatever is left of it.
  void end() {
    if (std::exchange(is_told_to_end_, true)) return;
    kill_(-id_, SIGKILL);
    // It may have left the group; its number is its own until it is reaped.
    if (!status_) kill_(id_, SIGKILL);
  }
  // True once nothing of it is left for us to wait for.
  bool has_reaped_all() {
    if (!group_) return true;
    pid_t reaped = 0;
    do {
      reaped = reap(-id_);
    } while (reaped > 0);
    const bool is_group_gone = reaped < 0;
    if (!status_) reap(id_);
    if (is_group_gone && status_) group_.reset();
    return !group_;
  }
  // None while it runs.
  std::optional<int> status() const { return status_; }

 private:
  pid_t reap(pid_t whom) {
    int how = 0;
    const pid_t reaped = ::waitpid(whom, &how, WNOHANG);
    if (reaped == id_) status_ = status_of(how);
    return reaped;
  }

  const pid_t id_;
  const Kill kill_;
  std::optional<cdp::WaitedGroup> group_;  // until all of it is reaped
  std::optional<int> status_;
  bool is_told_to_end_ = false;
};

struct Output {
  std::string text;
  std::size_t most = 0;
  bool is_clipped = false;

  void add(const char* bytes, std::size_t size) {
    const std::size_t room = most - text.size();
    text.append(bytes, std::min(size, room));
    is_clipped = is_clipped || size > room;
  }
};

// A pipe whose reading end is ours.
struct Pipe {
  int ours = -1, theirs = -1;

  bool open() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    ours = ends[0];
    theirs = ends[1];
    return true;
  }
  void close_theirs() {
    if (theirs >= 0) ::close(theirs);
    theirs = -1;
  }
};

asio::awaitable<void> drain(stream_descriptor& from, Output& output) {
  std::array<char, piece_bytes> piece;
  for (;;) {
    boost::system::error_code error;
    const auto size = co_await from.async_read_some(
        asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    output.add(piece.data(), size);
  }
}

// What is still in the pipe of a program that has ended. Who has left its group may go on writing
// into it: no more is read than the pipe can have held.
void drain_rest(stream_descriptor& from, Output& output) {
  const int held = ::fcntl(from.native_handle(), F_GETPIPE_SZ);
  auto left = static_cast<std::size_t>(std::max(held, 0));
  std::array<char, piece_bytes> piece;
  boost::system::error_code error;
  from.non_blocking(true, error);
  while (!error && left > 0 && !output.is_clipped) {
    const auto size = from.read_some(asio::buffer(piece, left), error);
    if (error) break;
    output.add(piece.data(), size);
    left -= size;
  }
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (auto& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

base::Result<pid_t> spawn(const Program& program, std::vector<std::string> words, const Pipe& out,
                          const Pipe& err) {
  std::vector<std::string> environment;
  for (const auto& [key, value] : program.environment) environment.push_back(key + "=" + value);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t how;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&how);
  ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, out.theirs, 1);
  ::posix_spawn_file_actions_adddup2(&files, err.theirs, 2);
  const std::string folder = program.folder.empty() ? "/" : program.folder;
  ::posix_spawn_file_actions_addchdir_np(&files, folder.c_str());
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&how, &none);
  ::posix_spawnattr_setsigdefault(&how, &all);
  ::posix_spawnattr_setpgroup(&how, 0);
  ::posix_spawnattr_setflags(
      &how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t id = 0;
  const int failed = ::posix_spawn(&id, program.argv.front().c_str(), &files, &how,
                                   pointers(words).data(), pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&how);
  if (failed == 0) return id;
  return base::fail(Code::unavailable,
                    fmt::format("start {}: {}", program.argv.front(),
                                std::error_code(failed, std::generic_category()).message()),
                    "not_started");
}

// There is no attribute for it in a spawn. The program has only begun, so that it has not opened
// more than this; one that runs as another user keeps what it has.
void limit_files(pid_t id, std::size_t soft) {
  rlimit allowed{};
  if (::prlimit(id, RLIMIT_NOFILE, nullptr, &allowed) != 0) return;
  allowed.rlim_cur = std::min<rlim_t>(soft, allowed.rlim_max);
  ::prlimit(id, RLIMIT_NOFILE, &allowed, nullptr);
}

base::Task<> ended(stream_descriptor& handle) {
  co_await handle.async_wait(stream_descriptor::wait_read, asio::use_awaitable);
  co_return base::Result<>();
}

// Who outlives the leader of a group becomes a child of ours, as this process reaps for its
// browser: killed and not reaped, it would stay in the table of processes.
asio::awaitable<void> reap_all(Child& child) {
  asio::steady_timer pause(co_await asio::this_coro::executor);
  for (int look = 0; look < reaps_max && !child.has_reaped_all(); ++look) {
    pause.expires_after(reap_pause);
    co_await pause.async_wait(asio::use_awaitable);
  }
}

// Its status, once nothing of its group is left.
base::Task<int> watch(Child& child, stream_descriptor& handle, const Program& program) {
  const std::string doing = "run " + program.argv.front();
  const auto in_time =
      co_await base::with_deadline(ended(handle), std::chrono::seconds(program.timeout_s), doing);
  child.end();
  co_await reap_all(child);
  const auto status = child.status();
  if (!status) {
    co_return base::fail(Code::timeout, doing + ": no answer in time, and it cannot be killed",
                         std::string(still_runs));
  }
  if (!in_time) co_return std::unexpected(in_time.error());
  co_return *status;
}

}  // namespace

std::vector<std::string> words_of(const Program& program, const base::json::value& params) {
  std::vector<std::string> words;
  for (const auto& word : program.argv) {
    const auto name = place_in(word);
    const auto* value = name ? value_of(params, *name) : nullptr;
    words.push_back(value ? text_of(*value) : word);
  }
  return words;
}

base::Task<Ran> run(const Program& program, std::vector<std::string> words, Means means) {
  const auto executor = co_await asio::this_coro::executor;
  for (const auto& word : words) {
    if (word.contains('\0')) {
      co_return base::fail(Code::invalid, "a parameter holds a NUL byte", "invalid_params");
    }
  }
  Pipe out_pipe, err_pipe;
  const bool has_pipes = out_pipe.open() && err_pipe.open();
  stream_descriptor out(executor), err(executor), handle(executor);
  if (out_pipe.ours >= 0) out.assign(out_pipe.ours);
  if (err_pipe.ours >= 0) err.assign(err_pipe.ours);
  auto id = has_pipes ? spawn(program, std::move(words), out_pipe, err_pipe)
                      : base::Result<pid_t>(base::fail(
                            Code::unavailable, "start a program: no more files", "not_started"));
  out_pipe.close_theirs();
  err_pipe.close_theirs();
  if (!id) co_return std::unexpected(std::move(id).error());
  Child child(*id, std::move(means.kill));
  if (means.open_files) limit_files(*id, *means.open_files);
  handle.assign(static_cast<int>(::syscall(SYS_pidfd_open, *id, 0)));
  Output told{.text = {}, .most = program.output_bytes_max};
  Output complained{.text = {}, .most = program.output_bytes_max};
  auto watching = base::beside(drain(err, complained), watch(child, handle, program));
  const auto status = co_await base::beside(drain(out, told), std::move(watching));
  if (!status) co_return std::unexpected(status.error());
  drain_rest(out, told);
  drain_rest(err, complained);
  co_return Ran{*status, std::move(told.text), std::move(complained.text),
                told.is_clipped || complained.is_clipped};
}

}  // namespace services::actions
