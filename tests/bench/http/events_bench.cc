// How long a change takes to reach everybody who follows the events of a daemon:
//   events_bench PORT TOKEN PACKET SUBSCRIBERS COUNT [PID]
// Posts COUNT packets one after the other and notes when each subscriber has the event that the
// packet was accepted, counted from before the POST. Prints one JSON line, with what memory the
// daemon PID has resident once all of them listen.
#include "tests/bench/http/wire.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <unistd.h>

namespace {

using namespace bench;

struct Subscriber {
  int socket = -1;
  std::string unread;
  int accepted = 0;  // events so far
};

// Counts whole events of accepted packets.
void count_events(Subscriber& subscriber) {
  subscriber.unread += piece_of(subscriber.socket);
  for (std::size_t end; (end = subscriber.unread.find("\n\n")) != std::string::npos;) {
    const std::string_view event = std::string_view(subscriber.unread).substr(0, end);
    if (event.find("packet.accepted") != std::string_view::npos) ++subscriber.accepted;
    subscriber.unread.erase(0, end + 2);
  }
}

class Audience {
 public:
  Audience(int port, const std::string& token, int count)
      : subscribers_(static_cast<std::size_t>(count)), poll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (auto& subscriber : subscribers_) {
      subscriber.socket = connect_to(port);
      say(subscriber.socket,
          fmt::format("GET /api/events?types=packet.* HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                      "Authorization: Bearer {}\r\nAccept: text/event-stream\r\n\r\n",
                      token));
      while (subscriber.unread.find("\r\n\r\n") == std::string::npos) {
        subscriber.unread += piece_of(subscriber.socket);
      }
      if (!subscriber.unread.starts_with("HTTP/1.1 200")) give_up(subscriber.unread);
      watch(poll_, subscriber.socket, &subscriber);
    }
  }

  // Waits until everybody has had `wanted` events; notes how long after `start` each had them.
  void hear(int wanted, Clock::time_point start, std::vector<double>& took) {
    std::vector<epoll_event> events(subscribers_.size());
    std::size_t missing = subscribers_.size();
    while (missing > 0) {
      const int count =
          ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), patience_ms);
      if (count <= 0) give_up(fmt::format("{} subscribers heard nothing", missing));
      for (int i = 0; i < count; ++i) {
        auto& subscriber = *static_cast<Subscriber*>(events[static_cast<std::size_t>(i)].data.ptr);
        const bool had = subscriber.accepted >= wanted;
        count_events(subscriber);
        if (had || subscriber.accepted < wanted) continue;
        --missing;
        took.push_back(ms_since(start));
      }
    }
  }

 private:
  std::vector<Subscriber> subscribers_;
  int poll_;
};

// Of a process; 0: there is none.
double resident_mib(const std::string& pid) {
  std::ifstream status("/proc/" + pid + "/status");
  constexpr std::string_view name = "VmRSS:";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::atof(line.c_str() + name.size()) / 1024;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    fmt::print(stderr, "usage: events_bench PORT TOKEN PACKET SUBSCRIBERS COUNT [PID]\n");
    return usage_error;
  }
  const int port = std::atoi(argv[1]);
  const std::string token = argv[2];
  std::ifstream in(argv[3]);
  const std::string packet(std::istreambuf_iterator<char>(in), {});
  const std::string pid = argc > 6 ? argv[6] : "";
  const double before = resident_mib(pid);
  Audience audience(port, token, std::atoi(argv[4]));
  const double listening = resident_mib(pid);
  const int poster = connect_to(port);
  std::vector<double> took;
  const int count = std::atoi(argv[5]);
  for (int i = 1; i <= count; ++i) {
    const auto start = Clock::now();
    say(poster,
        fmt::format("POST /api/packets HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n"
                    "Content-Type: application/json\r\nIdempotency-Key: \"events-{}-{}\"\r\n"
                    "Content-Length: {}\r\n\r\n{}",
                    token, ::getpid(), i, packet.size(), packet));
    if (!piece_of(poster).starts_with("HTTP/1.1 202")) give_up("a packet was refused");
    audience.hear(i, start, took);
  }
  std::ranges::sort(took);
  fmt::print("{{\"events\": {}, \"p50_ms\": {:.2f}, \"p99_ms\": {:.2f}, \"max_ms\": {:.2f}",
             took.size(), quantile(took, 0.5), quantile(took, 0.99), took.back());
  if (!pid.empty()) {
    fmt::print(", \"resident_before_mib\": {:.1f}, \"resident_listening_mib\": {:.1f}", before,
               listening);
  }
  fmt::print("}}\n");
  return 0;
}
