// Serves HTTP/1.1 on one loop thread, plain or over TLS.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/limits.h"
#include "bridge/base/metrics.h"
#include "bridge/base/result.h"
#include "bridge/http/access_log.h"
#include "bridge/http/router.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace http {

// Shortened by tests; everybody else takes the defaults.
struct ServerLimits {
  std::size_t connections_max = limits::http_connections_max;
  std::size_t connections_per_address_max = limits::http_connections_per_address_max;
  std::chrono::steady_clock::duration head = limits::http_head_time;
  std::chrono::steady_clock::duration idle = limits::http_idle_time;
  std::chrono::steady_clock::duration write_stall = limits::http_write_stall;
  std::chrono::steady_clock::duration event_comment = limits::http_event_comment;
};

struct ServerOptions {
  // "127.0.0.1:8787", "[::1]:0"; port 0 takes a free one. Not used with `inherited_fd`.
  std::string listen = "127.0.0.1:8787";
  int inherited_fd = -1;  // a listening socket from the service manager; the server owns it
  // PEM chain; with `key_file` the server speaks TLS. A renewed one is taken while it runs.
  std::filesystem::path certificate_file;
  std::filesystem::path key_file;
  std::vector<std::string> host_names;       // besides this machine's loopback names
  std::vector<std::string> allowed_origins;  // "https://dash.example"; the server's own always is
  ServerLimits limits;
  AccessLog* access_log = nullptr;   // none: nothing is logged
  base::Metrics* metrics = nullptr;  // none: nothing is counted
};

// Used from the loop thread. Everything given must outlive the server, and the server must have
// been stopped before it ends.
class Server {
 public:
  // Listens when this returns. invalid: a bad address, certificate or key. unavailable: the
  // address is taken.
  static base::Result<std::unique_ptr<Server>> start(boost::asio::any_io_executor executor,
                                                     base::Clock& clock, const Router& router,
                                                     ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // "http://127.0.0.1:8787", with the port that was really bound.
  const std::string& url() const;
  std::uint16_t port() const;
  std::size_t connection_count() const;

  // Accepts nothing more and closes idle connections and event streams; requests that run may
  // finish until `grace` has passed, then they are cancelled. Nothing runs when this returns.
  boost::asio::awaitable<void> stop(std::chrono::steady_clock::duration grace);

 private:
  class Body;
  explicit Server(std::shared_ptr<Body> body);
  std::shared_ptr<Body> body_;
};

}  // namespace http
