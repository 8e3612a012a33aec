#include "cdp/json_text.h"
#include "cdp/limits.h"
#include "cdp/transport.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <fstream>
#include <unordered_map>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <fcntl.h>
#include <fmt/format.h>

namespace cdp {

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

class RecordTransport final : public Transport {
 public:
  RecordTransport(std::shared_ptr<Transport> inner, std::FILE* file)
      : inner_(std::move(inner)), file_(file) {}

  Result<> send(std::string text) override {
    write("sent", text);
    return inner_->send(std::move(text));
  }

  Task<std::string_view> receive() override {
    CO_TRY(auto message, co_await inner_->receive());
    write("received", message);
    co_return message;
  }

  void close() override { inner_->close(); }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  // A record is an aid: a full disk ends it, not the connection.
  void write(std::string_view direction, std::string_view message) {
    auto line = json::serialize(json::object{{direction, message}}) + "\n";
    std::fwrite(line.data(), 1, line.size(), file_.get());
    std::fflush(file_.get());
  }

  std::shared_ptr<Transport> inner_;
  std::unique_ptr<std::FILE, Close> file_;
};

struct Line {
  bool is_sent = false;
  std::int64_t id = 0;   // of a command or a reply, else 0
  json::object message;  // without its id
};

// Plays the lines in order: received ones are handed out until the next sent one, which waits for
// its command. Commands that the client sends early wait for their line.
class ReplayTransport final : public Transport {
 public:
  ReplayTransport(const asio::any_io_executor& executor, std::deque<Line> lines)
      : lines_(std::move(lines)), changed_(executor, Clock::time_point::max()) {}

  Result<> send(std::string text) override {
    if (is_closed_) return fail(Failure::closed, "the replay is over");
    TRY(auto message, parse_object(text));
    auto id = message.at("id").as_int64();
    message.erase("id");
    for (auto& line : lines_) {
      if (!line.is_sent || ids_.contains(line.id) || line.message != message) continue;
      ids_.emplace(line.id, id);
      changed_.cancel();
      return {};
    }
    return fail(Failure::invalid, fmt::format("the record has no such command (left): {}", text));
  }

  Task<std::string_view> receive() override {
    for (;;) {
      while (!lines_.empty() && lines_.front().is_sent && ids_.contains(lines_.front().id)) {
        lines_.pop_front();
      }
      if (is_closed_ || lines_.empty()) {
        co_return fail(Failure::closed, "the replay is over");
      }
      if (!lines_.front().is_sent) break;
      co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    auto line = std::move(lines_.front());
    lines_.pop_front();
    if (line.id != 0) line.message["id"] = ids_[line.id];
    current_ = json::serialize(line.message);
    co_return current_;
  }

  void close() override {
    is_closed_ = true;
    changed_.cancel();
  }

 private:
  std::deque<Line> lines_;
  std::unordered_map<std::int64_t, std::int64_t> ids_;  // of the record: of this run
  std::string current_;
  bool is_closed_ = false;
  asio::steady_timer changed_;
};

Result<Line> parse_line(const std::string& text) {
  TRY(auto outer, parse_object(text));
  Line line;
  auto* sent = outer.if_contains("sent");
  auto* message = sent != nullptr ? sent : outer.if_contains("received");
  if (message == nullptr || !message->is_string()) {
    return fail(Failure::invalid, "neither sent nor received");
  }
  TRY(line.message, parse_object(message->get_string()));
  line.is_sent = sent != nullptr;
  if (auto* id = line.message.if_contains("id"); id != nullptr && id->is_int64()) {
    line.id = id->get_int64();
    line.message.erase("id");
  }
  if (line.is_sent && line.id == 0) return fail(Failure::invalid, "a command without an id");
  return line;
}

}  // namespace

Result<std::shared_ptr<Transport>> record(std::shared_ptr<Transport> inner, const fs::path& file) {
  int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  std::FILE* stream = descriptor < 0 ? nullptr : ::fdopen(descriptor, "a");
  if (stream == nullptr) {
    return fail(Failure::invalid,
                fmt::format("record to {}: {}", file.string(), std::strerror(errno)));
  }
  return std::make_shared<RecordTransport>(std::move(inner), stream);
}

Result<std::shared_ptr<Transport>> replay(const asio::any_io_executor& executor,
                                          const fs::path& file) {
  std::ifstream in(file);
  if (!in) return fail(Failure::invalid, fmt::format("replay {}: cannot be read", file.string()));
  std::deque<Line> lines;
  for (std::string text; std::getline(in, text);) {
    auto line = parse_line(text);
    if (!line) {
      return fail(Failure::invalid, fmt::format("replay {}, line {}: {}", file.string(),
                                                lines.size() + 1, line.error().message));
    }
    lines.push_back(*std::move(line));
  }
  return std::make_shared<ReplayTransport>(executor, std::move(lines));
}

}  // namespace cdp
