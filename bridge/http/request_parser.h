// Bytes to requests. Beast reads the heads; what it lets pass and others read differently is
// refused here first, so that nobody in front of the bridge can be made to disagree with it. Chunks
// are read here: Beast's reader takes extensions and trailers, and an assertion of it ends the
// process when a last chunk arrives cut before its last byte.
#pragma once

#include "bridge/http/request.h"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace http {

// Why a message is refused. The connection closes after it.
struct Refusal {
  int status = 400;
  std::string_view code = "bad_request";
  std::string detail;
};

// One request. `head` until it gives a size, then `body` for chunked ones until it is done.
class RequestParser {
 public:
  enum class Framing { none, length, chunked };

  // `bytes` begins at the request and grows from call to call. The size of the head once it is
  // complete, with `request` pointing into `bytes`; 0 while it is not.
  std::expected<std::size_t, Refusal> head(std::string_view bytes, Request& request);

  Framing framing() const { return framing_; }
  std::uint64_t content_length() const { return content_length_; }
  bool keeps_alive() const { return keeps_alive_; }
  bool expects_continue() const { return expects_continue_; }

  // Takes bytes of a chunked body and appends what they carry; gives how many it used. Bytes it
  // did not use are given again, with more behind them.
  std::expected<std::size_t, Refusal> chunks(std::string_view bytes, std::string& body,
                                             std::size_t body_bytes_max);
  bool is_done() const { return is_done_; }

 private:
  enum class ChunkPart { size, bytes, bytes_end, last_end };

  std::expected<void, Refusal> check_fields(const Request& request);

  std::size_t searched_ = 0;
  Framing framing_ = Framing::none;
  std::uint64_t content_length_ = 0;
  bool keeps_alive_ = true;
  bool expects_continue_ = false;
  bool is_done_ = false;
  ChunkPart chunk_part_ = ChunkPart::size;
  std::uint64_t chunk_left_ = 0;
};

}  // namespace http
