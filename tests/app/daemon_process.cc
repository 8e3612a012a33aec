#include "tests/app/daemon_process.h"

#include "bridge/base/json.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <boost/asio/co_spawn.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace app {

namespace fs = std::filesystem;

namespace {

std::string text_of(const fs::path& file, std::uintmax_t begin = 0) {
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(begin));
  return {std::istreambuf_iterator<char>(in), {}};
}

int milliseconds_until(Moment until) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, std::min<std::int64_t>(left.count(), 600'000)));
}

// A socket that hears what a service tells its manager.
int bound_socket(const fs::path& file) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  BRIDGE_ASSERT(file.native().size() < sizeof address.sun_path);
  file.native().copy(address.sun_path, sizeof address.sun_path - 1);
  const int made = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  BRIDGE_ASSERT(::bind(made, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return made;
}

// What the child needs, made before the fork: between fork and exec nothing may allocate.
struct ChildPlan {
  std::vector<char*> words;
  std::vector<char*> environment;
  const char* folder;
  int log;
  pid_t parent;
  rlim_t file_bytes_max;
};

[[noreturn]] void become(const ChildPlan& plan) {
  const int nothing = ::open("/dev/null", O_RDONLY);
  const rlimit files{plan.file_bytes_max, plan.file_bytes_max};
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != plan.parent ||
      ::chdir(plan.folder) != 0 || ::dup2(nothing, 0) < 0 || ::dup2(plan.log, 1) < 0 ||
      ::dup2(plan.log, 2) < 0 ||
      (plan.file_bytes_max != RLIM_INFINITY && ::setrlimit(RLIMIT_FSIZE, &files) != 0)) {
    ::_exit(127);
  }
  // A file that may not grow gives an error instead of a signal, as a full disk does.
  if (plan.file_bytes_max != RLIM_INFINITY) ::signal(SIGXFSZ, SIG_IGN);
  ::execve(plan.words[0], plan.words.data(), plan.environment.data());
  ::_exit(127);
}

}  // namespace

DaemonProcess::DaemonProcess(Options options) : log_file_(options.project / "daemon.log") {
  static std::atomic<int> number = 0;
  socket_file_ =
      fs::temp_directory_path() / fmt::format("flywheel-notify-{}-{}", ::getpid(), ++number);
  socket_ = bound_socket(socket_file_);
  const int log = ::open(log_file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  BRIDGE_ASSERT(log >= 0);
  log_begin_ = fs::file_size(log_file_);
  options.arguments.insert(options.arguments.begin(), {FLYWHEEL_PROGRAM, "serve"});
  options.environment.push_back("NOTIFY_SOCKET=" + socket_file_.string());
  ChildPlan plan{.words = {},
                 .environment = {},
                 .folder = options.project.c_str(),
                 .log = log,
                 .parent = ::getpid(),
                 .file_bytes_max = options.file_bytes_max.value_or(RLIM_INFINITY)};
  for (auto& word : options.arguments) plan.words.push_back(word.data());
  plan.words.push_back(nullptr);
  // The first of two variables of one name counts.
  for (auto& variable : options.environment) plan.environment.push_back(variable.data());
  for (char** variable = environ; *variable != nullptr; ++variable) {
    plan.environment.push_back(*variable);
  }
  plan.environment.push_back(nullptr);
  id_ = ::fork();
  if (id_ == 0) become(plan);
  BRIDGE_ASSERT(id_ > 0);
  ::close(log);
  handle_ = static_cast<int>(::syscall(SYS_pidfd_open, id_, 0));
  BRIDGE_ASSERT(handle_ >= 0);
}

DaemonProcess::~DaemonProcess() {
  signal(SIGKILL);
  static_cast<void>(wait_end(Moment::max()));
  if (socket_ >= 0) ::close(socket_);
  ::close(handle_);
  std::error_code ignored;
  fs::remove(socket_file_, ignored);
}

void DaemonProcess::signal(int number) const {
  if (!status_) ::kill(id_, number);
}

bool DaemonProcess::wait_ready(Moment until) {
  for (;;) {
    std::array<pollfd, 2> watched{{{socket_, POLLIN, 0}, {handle_, POLLIN, 0}}};
    if (::poll(watched.data(), watched.size(), milliseconds_until(until)) <= 0) return false;
    std::array<char, 512> text{};
    ssize_t count = 0;
    while ((count = ::recv(socket_, text.data(), text.size(), 0)) > 0) {
      if (std::string_view(text.data(), static_cast<std::size_t>(count)) != "READY=1") continue;
      // What it tells from now on goes nowhere and does not pile up.
      ::close(std::exchange(socket_, -1));
      return true;
    }
    if (watched[1].revents != 0) return false;
  }
}

std::optional<int> DaemonProcess::wait_end(Moment until) {
  if (status_) return status_;
  pollfd watched{handle_, POLLIN, 0};
  const int most = until == Moment::max() ? -1 : milliseconds_until(until);
  if (::poll(&watched, 1, most) <= 0) return std::nullopt;
  int status = 0;
  BRIDGE_ASSERT(::waitpid(id_, &status, 0) == id_);
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return status_;
}

std::string DaemonProcess::log() const { return text_of(log_file_, log_begin_); }

DaemonCalls::DaemonCalls(const fs::path& state, std::string key) {
  const auto place = base::parse_json(text_of(state / "daemon.json"));
  std::string token = key.empty() ? text_of(state / "admin.key") : std::move(key);
  while (token.ends_with('\n')) token.pop_back();
  // A daemon that has died since leaves the file behind or takes it along.
  if (place) client_.emplace(std::string(place->at("url").as_string()), std::move(token));
}

base::Result<http::ClientReply> DaemonCalls::call(http::ClientRequest request) {
  if (!client_) return base::fail(base::Code::unavailable, "there is no daemon.json");
  std::optional<base::Result<http::ClientReply>> reply;
  boost::asio::co_spawn(loop_, client_->call(std::move(request)),
                        [&](const std::exception_ptr& error, base::Result<http::ClientReply> told) {
                          if (error) std::rethrow_exception(error);
                          reply = std::move(told);
                        });
  loop_.restart();
  loop_.run();
  return *std::move(reply);
}

}  // namespace app
