// Posts packets to a daemon from many connections at once, each the next when the last one was
// answered, and prints how it went as one JSON line:
//   post_bench PORT TOKEN PACKET CONNECTIONS COUNT [PATH]
// Every packet has an idempotency key of its own. A status other than 202 ends it.
#include "tests/bench/http/wire.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include <sys/resource.h>
#include <unistd.h>

namespace {

using namespace bench;

constexpr std::size_t reply_bytes_max = 1u << 16;

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct Connection {
  int socket = -1;
  std::string reply;
  Clock::time_point asked;
};

struct Load {
  std::string token;
  std::string packet;
  std::string path = "/api/packets";
  std::string run;  // tells the keys of this run from those before
  int left = 0;
  int next_key = 0;
  std::vector<double> took_ms = {};
};

void ask(Load& load, Connection& connection) {
  const std::string request = fmt::format(
      "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n"
      "Content-Type: application/json\r\nIdempotency-Key: \"{}-{}\"\r\nContent-Length: "
      "{}\r\n\r\n{}",
      load.path, load.token, load.run, load.next_key++, load.packet.size(), load.packet);
  connection.asked = Clock::now();
  --load.left;
  say(connection.socket, request);
}

// Whether the reply is whole; it must be a 202 with a Content-Length.
bool is_whole(const std::string& reply) {
  const auto end = reply.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  if (!reply.starts_with("HTTP/1.1 202")) give_up(fmt::format("the daemon answered {}", reply));
  const std::string_view name = "Content-Length: ";
  const auto at = reply.find(name);
  if (at == std::string::npos) give_up("a reply has no Content-Length");
  std::size_t size = 0;
  std::from_chars(reply.data() + at + name.size(), reply.data() + end, size);
  return reply.size() >= end + 4 + size;
}

// Reads what is there. Asks the next once the reply is whole; false: there is nothing more to ask.
bool go_on(Load& load, Connection& connection) {
  connection.reply += piece_of(connection.socket);
  if (connection.reply.size() > reply_bytes_max) give_up("a reply is too long");
  if (!is_whole(connection.reply)) return true;
  load.took_ms.push_back(ms_since(connection.asked));
  connection.reply.clear();
  if (load.left == 0) return false;
  ask(load, connection);
  return true;
}

void run(Load& load, int port, int connections) {
  std::vector<Connection> all(static_cast<std::size_t>(connections));
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  for (auto& connection : all) {
    connection.socket = connect_to(port);
    watch(poll, connection.socket, &connection);
  }
  int active = 0;
  for (auto& connection : all) {
    if (load.left == 0) break;
    ask(load, connection);
    ++active;
  }
  std::vector<epoll_event> events(all.size());
  while (active > 0) {
    const int count =
        ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), patience_ms);
    if (count <= 0) give_up("the daemon has not answered for 30 s");
    for (int i = 0; i < count; ++i) {
      if (!go_on(load, *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr))) {
        --active;
      }
    }
  }
  for (auto& connection : all) ::close(connection.socket);
  ::close(poll);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    fmt::print(stderr, "usage: post_bench PORT TOKEN PACKET CONNECTIONS COUNT [PATH]\n");
    return usage_error;
  }
  std::ifstream in(argv[3]);
  Load load{.token = argv[2],
            .packet = std::string(std::istreambuf_iterator<char>(in), {}),
            .run = fmt::format("{}-{}", ::getpid(), Clock::now().time_since_epoch().count()),
            .left = std::atoi(argv[5])};
  if (argc > 6) load.path = argv[6];
  if (load.packet.empty() || load.left < 1) give_up("no packet, or nothing to post");
  const auto start = Clock::now();
  run(load, std::atoi(argv[1]), std::max(1, std::atoi(argv[4])));
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::ranges::sort(load.took_ms);
  fmt::print(
      "{{\"count\": {}, \"per_second\": {:.0f}, \"p50_ms\": {:.2f}, \"p99_ms\": {:.2f}, "
      "\"max_ms\": {:.2f}, \"cpu_us_each\": {:.1f}}}\n",
      load.took_ms.size(), static_cast<double>(load.took_ms.size()) / seconds,
      quantile(load.took_ms, 0.5), quantile(load.took_ms, 0.99), load.took_ms.back(),
      cpu_seconds() / static_cast<double>(load.took_ms.size()) * 1e6);
  return 0;
}
