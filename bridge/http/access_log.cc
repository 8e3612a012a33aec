#include "bridge/http/access_log.h"

#include "bridge/base/json.h"
#include "bridge/base/limits.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace http {
namespace {

bool is_secret_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '+' || c == '/' || c == '=';
}

constexpr std::string_view secret_starts[] = {"fwk_", "eyJ", "whsec_"};
constexpr std::size_t secret_size_min = 16;

bool has_secret(std::string_view text) {
  return std::ranges::any_of(secret_starts, [text](std::string_view start) {
    return text.find(start) != std::string_view::npos;
  });
}

}  // namespace

std::string redact(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    std::string_view start;
    for (const auto known : secret_starts) {
      if (text.starts_with(known)) start = known;
    }
    std::size_t size = 0;
    if (!start.empty()) {
      while (size < text.size() && is_secret_character(text[size])) ++size;
    }
    if (size >= secret_size_min) {
      clean.append(start).append("***");
      text.remove_prefix(size);
    } else {
      clean += text.front();
      text.remove_prefix(1);
    }
  }
  return clean;
}

// Written once, by whoever comes first: the end of the turn, too many lines, or the end of the log.
struct AccessLog::Lines {
  int descriptor;
  std::string text = {};

  void write() {
    std::string_view left = text;
    while (!left.empty()) {
      const auto count = ::write(descriptor, left.data(), left.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      left.remove_prefix(static_cast<std::size_t>(count));
    }
    text.clear();
  }
};

AccessLog::AccessLog(boost::asio::any_io_executor executor, int descriptor)
    : executor_(std::move(executor)), lines_(std::make_shared<Lines>(Lines{descriptor})) {}

AccessLog::~AccessLog() { lines_->write(); }

void AccessLog::write(const Access& access) {
  auto& text = lines_->text;
  if (text.empty()) {
    boost::asio::post(executor_, [lines = lines_] { lines->write(); });
  }
  text.append(line(access)).append(1, '\n');
  if (text.size() >= limits::http_buffer_bytes_kept_max) lines_->write();
}

std::string AccessLog::line(const Access& access) {
  const Request& request = access.request;
  std::string line;
  line.reserve(512);
  const auto add = [&line](std::string_view name, std::string_view text) {
    line.append(name);
    base::append_canonical(line, has_secret(text) ? redact(text) : text);
  };
  const auto took = std::chrono::duration<double, std::milli>(access.took).count();
  line.append(R"({"time":")").append(base::rfc3339(access.when));
  add(R"(","level":"info","event":"request","method":)", request.method_name);
  add(R"(,"path":)", request.path);
  add(R"(,"route":)", request.route);
  fmt::format_to(std::back_inserter(line), R"(,"status":{},"bytes":{},"ms":{:.3f})", access.status,
                 access.bytes_sent, took);
  add(R"(,"request_id":)", request.id);
  add(R"(,"address":)", request.address);
  if (!request.principal.id.empty()) add(R"(,"caller":)", request.principal.id);
  if (!request.traceparent.empty()) {
    line.append(R"(,"trace_id":")").append(request.traceparent, 3, 32).append(1, '"');
  }
  return line += '}';
}

}  // namespace http
