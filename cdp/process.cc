#include "cdp/process.h"

#include "cdp/crash_handlers.h"
#include "cdp/limits.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <thread>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cdp {

namespace asio = boost::asio;

namespace {

constexpr auto reap_interval = std::chrono::milliseconds(2);

Error system_failure(std::string_view doing) {
  return {Failure::launch, errno, fmt::format("{}: {}", doing, std::strerror(errno))};
}

struct Ends {
  Descriptor ours;
  Descriptor theirs;
};

Result<Ends> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::unexpected(system_failure("pipe"));
  return Ends{Descriptor(ends[0]), Descriptor(ends[1])};
}

Result<Ends> make_socket_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return std::unexpected(system_failure("socketpair"));
  }
  return Ends{Descriptor(ends[0]), Descriptor(ends[1])};
}

// The limit of a child that may have so many files open at first.
std::optional<rlimit> files_for(std::optional<std::size_t> open_files) {
  rlimit own{};
  if (!open_files || ::getrlimit(RLIMIT_NOFILE, &own) != 0) return std::nullopt;
  own.rlim_cur = std::min<rlim_t>(*open_files, own.rlim_max);
  return own;
}

// What the child needs, made before the fork: between fork and exec nothing may allocate.
struct ChildPlan {
  std::vector<char*> argv;
  std::vector<char*> environment;
  int commands = -1;
  int replies = -1;
  int standard_error = -1;
  int failure = -1;  // gets errno if there is no exec
  std::optional<rlimit> files;
  pid_t parent = 0;
};

// Runs in the child: async-signal-safe calls only.
[[noreturn]] void become(const ChildPlan& plan) {
  auto give_up = [&] {
    int error = errno;
    static_cast<void>(!::write(plan.failure, &error, sizeof(error)));
    ::_exit(127);
  };
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, nullptr) != 0) give_up();
  for (int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::signal(signal, SIG_DFL);
  if (::setpgid(0, 0) != 0) give_up();
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up();
  if (::getppid() != plan.parent) ::_exit(127);  // The parent died before the line above.
  // The ends may themselves be 3 or 4, so they move out of the way first.
  int commands = ::fcntl(plan.commands, F_DUPFD_CLOEXEC, 10);
  int replies = ::fcntl(plan.replies, F_DUPFD_CLOEXEC, 10);
  int standard_error = ::fcntl(plan.standard_error, F_DUPFD_CLOEXEC, 10);
  int failure = ::fcntl(plan.failure, F_DUPFD_CLOEXEC, 10);
  int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (commands < 0 || replies < 0 || standard_error < 0 || failure < 0 || nothing < 0) give_up();
  if (::dup2(nothing, 0) < 0 || ::dup2(standard_error, 1) < 0 || ::dup2(standard_error, 2) < 0 ||
      ::dup2(commands, 3) < 0 || ::dup2(replies, 4) < 0) {
    give_up();
  }
  if (::syscall(SYS_close_range, 5u, ~0u, CLOSE_RANGE_CLOEXEC) != 0) give_up();
  // Last, for a limit below the numbers above would refuse them.
  if (plan.files && ::setrlimit(RLIMIT_NOFILE, &*plan.files) != 0) give_up();
  ::execve(plan.argv[0], plan.argv.data(), plan.environment.data());
  int error = errno;
  static_cast<void>(!::write(failure, &error, sizeof(error)));
  ::_exit(127);
}

void signal_group(int leader, int signal) { ::kill(-leader, signal); }

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

Descriptor::~Descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// Reads the standard error so that the browser never blocks on it; keeps its end.
struct Process::Diary : std::enable_shared_from_this<Diary> {
  Diary(const asio::any_io_executor& executor, int descriptor) : source(executor, descriptor) {}

  void read() {
    source.async_read_some(
        asio::buffer(chunk),
        [self = shared_from_this()](boost::system::error_code error, std::size_t count) {
          if (error) return;
          self->text.append(self->chunk.data(), count);
          if (self->text.size() > limits::stderr_bytes_kept) {
            self->text.erase(0, self->text.size() - limits::stderr_bytes_kept);
          }
          self->read();
        });
  }

  asio::posix::stream_descriptor source;
  std::array<char, 4096> chunk;
  std::string text;
};

Result<std::unique_ptr<Process>> Process::start(const asio::any_io_executor& executor,
                                                const std::vector<std::string>& argv,
                                                std::filesystem::path crash_directory,
                                                std::optional<std::size_t> open_files) {
  TRY(auto commands, make_socket_pair());
  TRY(auto replies, make_pipe());
  TRY(auto standard_error, make_pipe());
  TRY(auto failure, make_pipe());
  // A larger pipe means fewer wake-ups for long replies; the default works too.
  ::fcntl(replies.ours.value(), F_SETPIPE_SZ, limits::pipe_bytes);
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    return std::unexpected(system_failure("become the reaper of the browser's processes"));
  }
  ChildPlan plan{{},
                 {},
                 commands.theirs.value(),
                 replies.theirs.value(),
                 standard_error.theirs.value(),
                 failure.theirs.value(),
                 files_for(open_files),
                 ::getpid()};
  for (const auto& argument : argv) plan.argv.push_back(const_cast<char*>(argument.c_str()));
  plan.argv.push_back(nullptr);
  auto crash_variable = "BREAKPAD_DUMP_LOCATION=" + crash_directory.string();
  for (char** variable = environ; *variable != nullptr; ++variable) {
    plan.environment.push_back(*variable);
  }
  plan.environment.insert(plan.environment.end(), {crash_variable.data(), nullptr});

  pid_t id = ::fork();
  if (id < 0) return std::unexpected(system_failure("fork"));
  if (id == 0) become(plan);
  ::setpgid(id, id);  // In both processes, so that neither has to wait for the other.
  Descriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, id, 0)));
  failure.theirs = Descriptor();
  int error = 0;
  bool has_failed = ::read(failure.ours.value(), &error, sizeof(error)) > 0;
  if (has_failed || handle.value() < 0) {
    if (!has_failed) error = errno;
    signal_group(id, SIGKILL);
    ::waitpid(id, nullptr, 0);
    return fail(Failure::launch, fmt::format("start {}: {}", argv[0], std::strerror(error)), error);
  }
  return std::unique_ptr<Process>(new Process(
      executor, id, std::move(handle), Pipe{std::move(commands.ours), std::move(replies.ours)},
      std::move(standard_error.ours), std::move(crash_directory)));
}

Process::Process(const asio::any_io_executor& executor, int id, Descriptor handle, Pipe pipe,
                 Descriptor standard_error, std::filesystem::path crash_directory)
    : id_(id),
      group_(std::in_place, id),
      crash_directory_(std::move(crash_directory)),
      handle_(executor, handle.release()),
      pipe_(std::move(pipe)),
      diary_(std::make_shared<Diary>(executor, standard_error.release())) {
  diary_->read();
}

Process::~Process() {
  boost::system::error_code ignored;
  diary_->source.close(ignored);
  if (has_ended_) return;
  signal_all();
  auto deadline = Clock::now() + limits::reap;
  while (!has_reaped_all() && Clock::now() < deadline) std::this_thread::sleep_for(reap_interval);
}

std::string_view Process::last_words() const { return diary_->text; }

Task<int> Process::exit_status(Duration limit) {
  if (!status_) {
    asio::steady_timer timer(co_await asio::this_coro::executor, limit);
    auto [order, wait_error, timer_error] =
        co_await asio::experimental::make_parallel_group(
            handle_.async_wait(asio::posix::stream_descriptor::wait_read, asio::deferred),
            timer.async_wait(asio::deferred))
            .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    if (wait_error && timer_error) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
    // Looked at, not reaped: while the leader is a zombie, the group's number is not used again.
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == id_) {
      status_ = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    }
  }
  if (status_) co_return *status_;
  co_return fail(Failure::timeout, fmt::format("browser process {} still runs", id_));
}

void Process::note_crash_handlers() {
  // A handler is ours to reap and so keeps its number; noting it twice changes nothing.
  auto found = find_crash_handlers(crash_directory_);
  crash_handlers_.insert(crash_handlers_.end(), found.begin(), found.end());
}

void Process::signal_all() {
  note_crash_handlers();
  signal_group(id_, SIGKILL);
  for (int handler : crash_handlers_) ::kill(handler, SIGKILL);
}

bool Process::has_reaped_all() {
  std::erase_if(crash_handlers_,
                [](int handler) { return ::waitpid(handler, nullptr, WNOHANG) != 0; });
  pid_t reaped = 0;
  do {
    reaped = ::waitpid(-id_, nullptr, WNOHANG);
  } while (reaped > 0);
  has_ended_ = reaped < 0 && crash_handlers_.empty();
  if (has_ended_) group_.reset();
  return has_ended_;
}

asio::awaitable<void> Process::kill() {
  if (has_ended_) co_return;
  signal_all();
  asio::steady_timer pause(co_await asio::this_coro::executor);
  for (auto deadline = Clock::now() + limits::reap; !has_reaped_all() && Clock::now() < deadline;) {
    pause.expires_after(reap_interval);
    co_await pause.async_wait(asio::use_awaitable);
  }
}

}  // namespace cdp
