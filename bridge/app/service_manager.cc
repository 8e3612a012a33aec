#include "bridge/app/service_manager.h"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace app {
namespace {

constexpr int first_inherited_socket = 3;

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::optional<long> number(std::string_view text) {
  long value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

// Variables that name a process count for no other, such as our own children.
bool is_meant(const char* pid_variable) {
  const auto pid = number(variable(pid_variable));
  return !pid || *pid == ::getpid();
}

}  // namespace

void notify_service_manager(std::string_view state) {
  const std::string_view path = variable("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';  // an abstract socket
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  (void)::sendto(socket, state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), length);
  ::close(socket);
}

std::optional<std::chrono::microseconds> watchdog_period() {
  const auto allowed = number(variable("WATCHDOG_USEC"));
  if (!allowed || *allowed <= 0 || !is_meant("WATCHDOG_PID")) return std::nullopt;
  return std::chrono::microseconds(*allowed / 2);
}

int inherited_socket() {
  const auto count = number(variable("LISTEN_FDS"));
  const bool is_ours = count && *count > 0 && number(variable("LISTEN_PID")) == ::getpid();
  return is_ours ? first_inherited_socket : -1;
}

}  // namespace app
