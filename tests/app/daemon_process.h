// `flywheel serve` as a child process, from its start to its end.
#pragma once

#include "bridge/http/client.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <sys/types.h>

namespace app {

using Moment = std::chrono::steady_clock::time_point;

class DaemonProcess {
 public:
  struct Options {
    std::filesystem::path project;              // where it runs; the log goes to daemon.log there
    std::vector<std::string> arguments = {};    // after `serve`
    std::vector<std::string> environment = {};  // "NAME=value", besides the test's own
    std::optional<std::size_t> file_bytes_max = {};  // of any file that it writes
  };
  // Dies with the thread that started it, so that it never outlives a test.
  explicit DaemonProcess(Options options);
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;
  // Kills it if it still runs.
  ~DaemonProcess();

  pid_t id() const { return id_; }
  // Waits for it to say READY, as a service manager does. False: it ended, or the time is over.
  bool wait_ready(Moment until);
  // The exit status or 128 + the signal, once it has ended.
  std::optional<int> wait_end(Moment until);
  bool has_ended() { return wait_end(Moment()).has_value(); }
  void signal(int number) const;
  // What this process has written to its standard error.
  std::string log() const;

 private:
  const std::filesystem::path log_file_;
  std::uintmax_t log_begin_ = 0;
  std::filesystem::path socket_file_;
  int socket_ = -1;
  pid_t id_ = -1;
  int handle_ = -1;
  std::optional<int> status_;
};

// Speaks HTTP with the daemon of a state directory: as its administrator, or with a key.
class DaemonCalls {
 public:
  // The daemon must have been ready.
  explicit DaemonCalls(const std::filesystem::path& state, std::string key = {});

  base::Result<http::ClientReply> call(http::ClientRequest request);

 private:
  boost::asio::io_context loop_;
  std::optional<http::Client> client_;
};

}  // namespace app
