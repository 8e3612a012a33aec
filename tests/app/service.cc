#include "tests/app/service.h"

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdlib>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace app {

Manager::Manager(const std::string& path)
    : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (path.front() == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), length), 0) << path;
}

Manager::~Manager() { ::close(socket_); }

std::string Manager::next(std::chrono::milliseconds limit) const {
  pollfd waited{.fd = socket_, .events = POLLIN, .revents = 0};
  if (::poll(&waited, 1, static_cast<int>(limit.count())) != 1) return {};
  std::array<char, 4096> text{};
  const auto size = ::recv(socket_, text.data(), text.size(), 0);
  return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
}

std::vector<std::string> Manager::until(const std::string& start) const {
  std::vector<std::string> heard;
  for (int i = 0; i < 1000; ++i) {
    heard.push_back(next());
    if (heard.back().starts_with(start)) return heard;
    if (heard.back().empty()) break;
  }
  return {};
}

Environment::Environment(std::initializer_list<std::pair<const char*, std::string>> variables) {
  for (const auto& [name, value] : variables) {
    names_.push_back(name);
    ::setenv(name, value.c_str(), 1);
  }
}

Environment::~Environment() {
  for (const char* name : names_) ::unsetenv(name);
}

Service::Service(std::vector<std::string> arguments, const TestFolder& folder,
                 std::vector<std::string> launcher) {
  arguments.insert(arguments.begin(), FLYWHEEL_PROGRAM);
  arguments.insert(arguments.begin(), launcher.begin(), launcher.end());
  std::vector<char*> words;
  for (auto& word : arguments) words.push_back(word.data());
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string log = folder.write("log", "");
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(), O_WRONLY, 0);
  posix_spawn_file_actions_addchdir_np(&actions, folder.path().c_str());
  EXPECT_EQ(posix_spawnp(&process_, words[0], &actions, nullptr, words.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
}

Service::~Service() {
  if (process_ <= 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

int Service::stop() {
  ::kill(process_, SIGTERM);
  return wait();
}

int Service::wait() {
  int status = -1;
  ::waitpid(std::exchange(process_, 0), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace app
