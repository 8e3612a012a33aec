// Text messages to and from a browser.
#pragma once

#include "cdp/result.h"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>

namespace cdp {

// Used from one thread. The executor's io_context outlives it.
class Transport : public std::enable_shared_from_this<Transport> {
 public:
  virtual ~Transport() = default;

  // Takes one message, in order; never waits. overflow: the browser reads too slowly. closed: no
  // message can be sent any more. invalid: a replay expected another message.
  virtual Result<> send(std::string text) = 0;

  // The next message; valid until the next call. One caller at a time, who keeps this alive.
  // closed: the peer went, or `close` was called. overflow: a message exceeds message_bytes_max.
  virtual Task<std::string_view> receive() = 0;

  virtual void close() = 0;
};

// Messages end in NUL. Owns both descriptors; `write_fd` is a stream socket, so that writing to a
// dead browser raises no signal.
std::shared_ptr<Transport> pipe_transport(const boost::asio::any_io_executor& executor, int read_fd,
                                          int write_fd);

// Connects to ws://ADDRESS:PORT/PATH, where ADDRESS is an IP address or localhost. Chrome may ask
// its user first, so `limit` is long. launch: no browser answers there, or it refuses.
Task<std::shared_ptr<Transport>> websocket_transport(std::string url, Duration limit);

// Passes everything on and appends it to a new or existing file (mode 0600) as JSON lines,
// {"sent": "<message>"} or {"received": "<message>"}. Nothing is redacted.
Result<std::shared_ptr<Transport>> record(std::shared_ptr<Transport> inner,
                                          const std::filesystem::path& file);

// Plays a record's browser: what the browser said after a command is received once the same
// command (whatever its id) has been sent; then the connection closes.
Result<std::shared_ptr<Transport>> replay(const boost::asio::any_io_executor& executor,
                                          const std::filesystem::path& file);

}  // namespace cdp
