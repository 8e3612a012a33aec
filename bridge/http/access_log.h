// One JSON line on stderr for every request.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/http/request.h"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>

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

// Lives on the loop thread. Lines of one turn of the loop are written together at its end.
class AccessLog {
 public:
  // `descriptor` stays open as long as this lives; what cannot be written there is lost.
  explicit AccessLog(boost::asio::any_io_executor executor, int descriptor = 2);
  // Writes what is left.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  void write(const Access& access);
  // The line itself. Neither bodies, nor query values, nor credentials are in it.
  static std::string line(const Access& access);

 private:
  struct Lines;

  boost::asio::any_io_executor executor_;
  std::shared_ptr<Lines> lines_;
};

}  // namespace http
