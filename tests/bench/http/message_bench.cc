// How long a message takes from being accepted to being read by somebody who waits for it:
//   message_bench PORT TOKEN RATE SECONDS [RECIPIENTS [SENDERS]]
// Registers the recipients. Each of them asks for its unread messages and waits (`wait`), and asks
// again for those behind the last. RATE messages a second are sent at even distances, whether or
// not those before were answered. Prints one JSON line: counted from the 201 and, so that a late
// start hides nothing, from the moment when the message was due.
#include "tests/bench/http/wire.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <memory>
#include <optional>

#include <boost/json/parse.hpp>
#include <unistd.h>

namespace {

using namespace bench;
namespace json = boost::json;

constexpr int waits_s = 30;
constexpr std::size_t events_at_once = 64;

struct Reply {
  int status = 0;
  std::string body;
};

// One connection; one request at a time.
struct Wire {
  int socket = -1;
  std::string unread = {};
  int recipient = -1;  // whose inbox it reads; -1: it sends
  std::int64_t after = 0;
  std::optional<int> message = {};  // that was sent and is not answered

  // The reply once it is whole.
  std::optional<Reply> reply() {
    unread += piece_of(socket);
    const auto end = unread.find("\r\n\r\n");
    if (end == std::string::npos) return std::nullopt;
    const std::string_view name = "Content-Length: ";
    const auto at = unread.find(name);
    if (at == std::string::npos || at > end) give_up("a reply has no Content-Length");
    std::size_t size = 0;
    std::from_chars(unread.data() + at + name.size(), unread.data() + end, size);
    if (unread.size() < end + 4 + size) return std::nullopt;
    Reply whole{.status = 0, .body = unread.substr(end + 4, size)};
    constexpr std::size_t status_at = std::string_view("HTTP/1.1 ").size();
    std::from_chars(unread.data() + status_at, unread.data() + end, whole.status);
    unread.erase(0, end + 4 + size);
    return whole;
  }
};

struct Message {
  Clock::time_point due;
  std::optional<Clock::time_point> accepted, seen;
};

class Post {
 public:
  Post(int port, std::string token, int recipients, int senders)
      : port_(port), token_(std::move(token)), poll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (int i = 0; i < senders; ++i) idle_.push_back(&add(-1));
    for (int i = 0; i < recipients; ++i) {
      ids_.push_back(registered(i));
      listen_to(add(i));
    }
  }

  void run(int rate, int seconds) {
    const auto count = static_cast<std::size_t>(rate * seconds);
    const auto start = Clock::now() + std::chrono::milliseconds(100);
    for (std::size_t i = 0; i < count; ++i) {
      messages_.push_back({start + std::chrono::nanoseconds(1'000'000'000) * i / rate, {}, {}});
    }
    std::size_t next = 0;
    while (seen_ < count || accepted_ < count) {
      while (next < count && !idle_.empty() && messages_[next].due <= Clock::now()) {
        send(next++);
      }
      look(next < count ? 1 : patience_ms);
    }
    print(rate);
  }

 private:
  std::string head(std::string_view method, const std::string& path) const {
    return fmt::format("{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n", method,
                       path, token_);
  }
  void post(Wire& wire, const std::string& path, const std::string& body) const {
    say(wire.socket, fmt::format("{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                                 head("POST", path), body.size(), body));
  }
  Wire& add(int recipient) {
    wires_.push_back(std::make_unique<Wire>(connect_to(port_), "", recipient));
    watch(poll_, wires_.back()->socket, wires_.back().get());
    return *wires_.back();
  }
  std::string registered(int number) const {
    Wire wire{.socket = connect_to(port_)};
    post(wire, "/api/gpt-agents/register",
         fmt::format(R"({{"name": "bench {} {}", "kind": "cli"}})", ::getpid(), number));
    std::optional<Reply> reply;
    while (!reply) reply = wire.reply();
    ::close(wire.socket);
    if (reply->status != 201) give_up(reply->body);
    return std::string(json::parse(reply->body).at("id").as_string());
  }
  void listen_to(Wire& wire) const {
    say(wire.socket,
        head("GET",
             fmt::format("/api/gpt-agents/{}/messages?unread=true&after={}&wait={}",
                         ids_[static_cast<std::size_t>(wire.recipient)], wire.after, waits_s)) +
            "\r\n");
  }
  void send(std::size_t number) {
    Wire& wire = *idle_.front();
    idle_.pop_front();
    wire.message = static_cast<int>(number);
    post(wire, fmt::format("/api/gpt-agents/{}/message", ids_[number % ids_.size()]),
         fmt::format(R"({{"text": "{}"}})", number));
  }
  void look(int wait_ms) {
    epoll_event events[events_at_once];
    const int count = ::epoll_wait(poll_, events, events_at_once, wait_ms);
    if (count == 0 && wait_ms == patience_ms) give_up("messages are missing");
    for (int i = 0; i < count; ++i) {
      Wire& wire = *static_cast<Wire*>(events[i].data.ptr);
      const auto reply = wire.reply();
      const auto now = Clock::now();
      if (reply) wire.recipient < 0 ? sent(wire, *reply, now) : received(wire, *reply, now);
    }
  }
  void sent(Wire& wire, const Reply& reply, Clock::time_point now) {
    if (reply.status != 201) give_up(reply.body);
    messages_[static_cast<std::size_t>(*std::exchange(wire.message, std::nullopt))].accepted = now;
    ++accepted_;
    idle_.push_back(&wire);
  }
  void received(Wire& wire, const Reply& reply, Clock::time_point now) {
    if (reply.status != 200) give_up(reply.body);
    const auto page = json::parse(reply.body);
    for (const auto& item : page.at("items").as_array()) {
      wire.after = item.at("sequence").as_int64();
      const std::string number(item.at("text").as_string());
      auto& message = messages_.at(static_cast<std::size_t>(std::atoi(number.c_str())));
      if (message.seen) give_up("a message came twice");
      message.seen = now;
      ++seen_;
    }
    listen_to(wire);
  }
  void print(int rate) const {
    std::vector<double> accepted, due;
    for (const auto& message : messages_) {
      const auto ms = [&](Clock::time_point from) {
        return std::chrono::duration<double, std::milli>(*message.seen - from).count();
      };
      // The recipient may have it before the sender has its 201.
      accepted.push_back(std::max(0.0, ms(*message.accepted)));
      due.push_back(ms(message.due));
    }
    std::ranges::sort(accepted);
    std::ranges::sort(due);
    fmt::print(
        "{{\"messages\": {}, \"per_second\": {}, \"recipients\": {}, \"from_accepted_p50_ms\": "
        "{:.2f}, \"from_accepted_p99_ms\": {:.2f}, \"from_due_p50_ms\": {:.2f}, "
        "\"from_due_p99_ms\": {:.2f}, \"max_ms\": {:.2f}}}\n",
        messages_.size(), rate, ids_.size(), quantile(accepted, 0.5), quantile(accepted, 0.99),
        quantile(due, 0.5), quantile(due, 0.99), due.back());
  }

  int port_;
  std::string token_;
  int poll_;
  std::vector<std::unique_ptr<Wire>> wires_;
  std::vector<std::string> ids_;
  std::deque<Wire*> idle_;
  std::vector<Message> messages_;
  std::size_t seen_ = 0, accepted_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    fmt::print(stderr, "usage: message_bench PORT TOKEN RATE SECONDS [RECIPIENTS [SENDERS]]\n");
    return usage_error;
  }
  const auto number = [&](int at, int otherwise) {
    return argc > at ? std::atoi(argv[at]) : otherwise;
  };
  Post post(number(1, 0), argv[2], number(5, 50), number(6, 16));
  post.run(number(3, 1000), number(4, 10));
  return 0;
}
