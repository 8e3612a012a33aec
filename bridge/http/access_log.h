// One JSON line on stderr for every request.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/http/request.h"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace spdlog {
class logger;
}

namespace http {

// `text` with everything that looks like an API key, a JWT or a webhook secret blackened.
std::string redact(std::string_view text);

struct Access {
  const Request& request;
  int status = 0;
  std::uint64_t bytes_sent = 0;
  std::chrono::steady_clock::duration took{};
  base::WallTime when;
};

class AccessLog {
 public:
  // Writes to stderr.
  AccessLog();
  explicit AccessLog(std::shared_ptr<spdlog::logger> logger);
  ~AccessLog();

  void write(const Access& access);
  // The line itself. Neither bodies, nor query values, nor credentials are in it.
  static std::string line(const Access& access);

 private:
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace http
