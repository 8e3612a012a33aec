// What the load on a daemon needs: connections and quantiles.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace bench {

using Clock = std::chrono::steady_clock;

inline constexpr int usage_error = 64;
inline constexpr int patience_ms = 30'000;

[[noreturn]] inline void give_up(const std::string& why) {
  fmt::print(stderr, "bench: {}\n", why);
  std::exit(1);
}

// To a port of this machine.
inline int connect_to(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    give_up(fmt::format("nothing listens on port {}", port));
  }
  const int yes = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return socket;
}

inline void say(int socket, const std::string& text) {
  if (::send(socket, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
    give_up("a request could not be sent whole");
  }
}

// What has come.
inline std::string piece_of(int socket) {
  char piece[16384];
  const ssize_t size = ::recv(socket, piece, sizeof piece, 0);
  if (size <= 0) give_up("the daemon closed a connection");
  return {piece, static_cast<std::size_t>(size)};
}

// Tells `poll` to tell of `socket`, by `owner`.
inline void watch(int poll, int socket, void* owner) {
  epoll_event wanted{.events = EPOLLIN, .data = {.ptr = owner}};
  ::epoll_ctl(poll, EPOLL_CTL_ADD, socket, &wanted);
}

inline double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

inline double quantile(const std::vector<double>& sorted, double part) {
  return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
}

}  // namespace bench
