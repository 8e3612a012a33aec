#include "bridge/http/request_parser.h"

#include "bridge/base/limits.h"
#include "bridge/http/uri_text.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <boost/beast/http/basic_parser.hpp>
#include <fmt/format.h>

namespace http {
namespace {

namespace beast = boost::beast;
using Text = boost::core::string_view;

constexpr std::size_t chunk_digits_max = 16;

std::string_view standard(Text text) { return {text.data(), text.size()}; }

std::unexpected<Refusal> refuse(std::string detail) {
  return std::unexpected(Refusal{400, "bad_request", std::move(detail)});
}

std::unexpected<Refusal> refuse(int status, std::string_view code, std::string detail) {
  return std::unexpected(Refusal{status, code, std::move(detail)});
}

// tchar of RFC 9110.
constexpr auto token_characters = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[c] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c :
       {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return token_characters[static_cast<unsigned char>(c)];
  });
}

bool is_field_value(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
  });
}

bool is_target(std::string_view text) {
  // What RFC 3986 lets stand in a path and a query; browsers also send "|", "[" and the like bare.
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > 0x20 && c < 0x7F && c != '#' && c != '"' && c != '<' && c != '>' && c != '\\' &&
           c != '^' && c != '`' && c != '{' && c != '}';
  });
}

std::expected<void, Refusal> check_request_line(std::string_view line) {
  const auto first = line.find(' ');
  const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return refuse("the request line has not three parts");
  const auto method = line.substr(0, first);
  const auto target = line.substr(first + 1, second - first - 1);
  const auto version = line.substr(second + 1);
  if (!is_token(method) || method.size() > 32) return refuse("the method is no token");
  if (target.size() > limits::http_target_bytes_max) {
    return refuse(414, "target_too_long",
                  fmt::format("the target exceeds {} bytes", limits::http_target_bytes_max));
  }
  if (!is_target(target)) return refuse("the target holds what no target may");
  const bool asterisk = target == "*" && method == "OPTIONS";
  if (!asterisk && !is_plain_path(target.substr(0, target.find('?')))) {
    return refuse("the target is no plain path");
  }
  if (version == "HTTP/1.1" || version == "HTTP/1.0") return {};
  if (version.size() == 8 && version.starts_with("HTTP/") && version[6] == '.') {
    return refuse(505, "version_not_supported", "only HTTP/1.1 and HTTP/1.0 are spoken here");
  }
  return refuse("the version is none of HTTP's");
}

std::expected<void, Refusal> check_field_line(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return refuse("a header line is folded");
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return refuse("a header line has no colon");
  if (!is_token(line.substr(0, colon))) return refuse("a header name is no token");
  if (!is_field_value(line.substr(colon + 1))) {
    return refuse("a header value holds a control character");
  }
  return {};
}

// `head` ends with the empty line, and every LF in it follows a CR.
std::expected<void, Refusal> check_lines(std::string_view head) {
  std::size_t lines = 0;
  while (true) {
    const auto line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(line.size() + 2);
    if (line.find('\r') != std::string_view::npos) return refuse("a CR stands alone");
    if (lines == 0) {
      if (auto checked = check_request_line(line); !checked) return checked;
    } else if (line.empty()) {
      return {};
    } else if (lines > limits::http_headers_max) {
      return refuse(431, "headers_too_large",
                    fmt::format("more than {} headers", limits::http_headers_max));
    } else if (auto checked = check_field_line(line); !checked) {
      return checked;
    }
    ++lines;
  }
}

// Headers that mean something only once.
constexpr std::string_view single_headers[] = {
    "host",   "content-length", "transfer-encoding", "content-type", "authorization",
    "origin", "expect",         "idempotency-key",   "if-match",     "last-event-id"};

bool lists_token(std::string_view value, std::string_view token) {
  while (!value.empty()) {
    auto item = value.substr(0, value.find(','));
    value.remove_prefix(std::min(item.size() + 1, value.size()));
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (same_header(item, token)) return true;
  }
  return false;
}

// Beast's reading of a head.
class HeadReader final : public beast::http::basic_parser<true> {
 public:
  explicit HeadReader(Request& request) : request_(request) {
    header_limit(limits::http_head_bytes_max);
    body_limit(boost::none);
    eager(true);
  }

 private:
  using Error = beast::error_code;

  void on_request_impl(beast::http::verb, Text method, Text target, int version, Error&) override {
    request_.method_name = standard(method);
    request_.method = method_of(request_.method_name);
    request_.target = standard(target);
    request_.path = request_.target.substr(0, request_.target.find('?'));
    request_.is_http_1_0 = version == 10;
  }
  void on_field_impl(beast::http::field, Text name, Text value, Error&) override {
    request_.headers.push_back({standard(name), standard(value)});
  }
  void on_response_impl(int, Text, int, Error&) override {}
  void on_header_impl(Error&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
  std::size_t on_body_impl(Text, Error&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, Text, Error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text, Error&) override { return 0; }
  void on_finish_impl(Error&) override {}

  Request& request_;
};

}  // namespace

std::expected<std::size_t, Refusal> RequestParser::head(std::string_view bytes, Request& request) {
  // Methods are upper case; anything else is another protocol, which may never send a line end.
  if (!bytes.empty() && (bytes[0] < 'A' || bytes[0] > 'Z')) return refuse("this is no request");
  std::size_t size = 0;
  for (; searched_ < bytes.size(); ++searched_) {
    if (bytes[searched_] != '\n') continue;
    if (searched_ == 0 || bytes[searched_ - 1] != '\r') return refuse("an LF stands alone");
    if (searched_ >= 3 && bytes[searched_ - 2] == '\n') {
      size = searched_ + 1;
      break;
    }
  }
  if (size > limits::http_head_bytes_max ||
      (size == 0 && bytes.size() >= limits::http_head_bytes_max)) {
    if (bytes.find("\r\n") > limits::http_target_bytes_max + 64) {
      return refuse(414, "target_too_long", "the request line is too long");
    }
    return refuse(431, "headers_too_large",
                  fmt::format("the head exceeds {} bytes", limits::http_head_bytes_max));
  }
  if (size == 0) return 0;
  const auto whole = bytes.substr(0, size);
  if (auto checked = check_lines(whole); !checked) return std::unexpected(checked.error());

  HeadReader reader(request);
  beast::error_code error;
  const auto used = reader.put(boost::asio::const_buffer(whole.data(), whole.size()), error);
  if (error && error != beast::http::error::need_more) return refuse(error.message());
  if (!reader.is_header_done() || used != size) return refuse("the head is not well formed");
  if (auto checked = check_fields(request); !checked) return std::unexpected(checked.error());
  return size;
}

std::expected<void, Refusal> RequestParser::check_fields(const Request& request) {
  std::array<std::optional<std::string_view>, std::size(single_headers)> singles;
  keeps_alive_ = !request.is_http_1_0;
  for (const auto& [name, value] : request.headers) {
    if (same_header(name, "connection") && lists_token(value, "close")) keeps_alive_ = false;
    for (std::size_t i = 0; i < singles.size(); ++i) {
      if (!same_header(name, single_headers[i])) continue;
      if (singles[i]) return refuse(fmt::format("{} comes twice", single_headers[i]));
      singles[i] = value;
    }
  }
  const auto& [host, length, encoding, type, authorization, origin, expect, key, match, event] =
      singles;
  if (!host || host->empty()) return refuse("there is no Host");
  if (encoding) {
    if (length) return refuse("both Content-Length and Transfer-Encoding");
    if (request.is_http_1_0) return refuse("HTTP/1.0 has no Transfer-Encoding");
    if (*encoding != "chunked") return refuse("a Transfer-Encoding other than chunked");
    framing_ = Framing::chunked;
  } else if (length) {
    const char* end = length->data() + length->size();
    const auto [stop, error] = std::from_chars(length->data(), end, content_length_);
    if (error != std::errc() || stop != end || length->size() > 18) {
      return refuse("Content-Length is no number");
    }
    if (content_length_ > 0) framing_ = Framing::length;
  }
  if (expect) {
    if (!same_header(*expect, "100-continue")) {
      return refuse(417, "expectation_failed", "only 100-continue can be expected");
    }
    expects_continue_ = !request.is_http_1_0 && framing_ != Framing::none;
  }
  is_done_ = framing_ != Framing::chunked;
  return {};
}

std::expected<std::size_t, Refusal> RequestParser::chunks(std::string_view bytes, std::string& body,
                                                          std::size_t body_bytes_max) {
  BRIDGE_ASSERT(framing_ == Framing::chunked && !is_done_);
  std::size_t used = 0;
  while (!is_done_) {
    const auto rest = bytes.substr(used);
    if (chunk_part_ == ChunkPart::bytes) {
      const auto piece = rest.substr(0, static_cast<std::size_t>(chunk_left_));
      body += piece;
      used += piece.size();
      chunk_left_ -= piece.size();
      if (chunk_left_ > 0) break;
      chunk_part_ = ChunkPart::bytes_end;
      continue;
    }
    std::size_t digits = 0;
    if (chunk_part_ == ChunkPart::size) {
      const auto is_hex = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
      };
      while (digits < rest.size() && is_hex(rest[digits])) ++digits;
      if (digits > chunk_digits_max || (digits == 0 && !rest.empty())) {
        return refuse("a chunk's size is no number");
      }
    }
    // Nothing but a line end may follow: no extensions, and no trailers behind the last chunk.
    const auto line_end = rest.substr(digits, 2);
    if (line_end != std::string_view("\r\n").substr(0, line_end.size())) {
      return refuse("a chunk's line does not end where it must");
    }
    if (line_end.size() < 2) break;
    if (chunk_part_ == ChunkPart::size) {
      std::from_chars(rest.data(), rest.data() + digits, chunk_left_, 16);
      if (chunk_left_ > body_bytes_max - body.size()) {
        return refuse(413, "body_too_large",
                      fmt::format("the body exceeds {} bytes", body_bytes_max));
      }
      chunk_part_ = chunk_left_ > 0 ? ChunkPart::bytes : ChunkPart::last_end;
    } else {
      is_done_ = chunk_part_ == ChunkPart::last_end;
      chunk_part_ = ChunkPart::size;
    }
    used += digits + 2;
  }
  return used;
}

}  // namespace http
