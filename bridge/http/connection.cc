#include "bridge/http/connection.h"

#include "bridge/http/events.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace http {

namespace asio = boost::asio;

namespace {

constexpr auto linger_time = std::chrono::seconds(2);
constexpr std::size_t linger_bytes_max = 4u << 20;
constexpr std::size_t body_step = 64u << 10;

bool is_decent_id(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::ranges::all_of(id, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  });
}

// version-trace-parent-flags of W3C Trace Context.
bool is_traceparent(std::string_view text) {
  if (text.size() != 55 || !text.starts_with("00-") || text[35] != '-' || text[52] != '-')
    return false;
  const auto is_hex = [](std::string_view part) {
    return std::ranges::all_of(
        part, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  };
  const auto trace = text.substr(3, 32);
  const auto parent = text.substr(36, 16);
  return is_hex(trace) && is_hex(parent) && is_hex(text.substr(53)) &&
         trace.find_first_not_of('0') != std::string_view::npos &&
         parent.find_first_not_of('0') != std::string_view::npos;
}

bool has_no_body(int status) { return status == 204 || status == 304; }

}  // namespace

Connection::Connection(Hub& hub, std::unique_ptr<Stream> stream, std::string address,
                       bool is_secure)
    : hub_(hub),
      stream_(std::move(stream)),
      address_(std::move(address)),
      is_secure_(is_secure),
      self_(hub_.connections.insert(hub_.connections.end(), this)) {
  hub_.opened(address_);
}

Connection::~Connection() {
  hub_.connections.erase(self_);
  hub_.closed(address_);
}

asio::awaitable<void> Connection::serve(std::shared_ptr<Hub> hub, std::unique_ptr<Stream> stream,
                                        std::string address, bool is_secure) {
  Connection connection(*hub, std::move(stream), std::move(address), is_secure);
  co_await connection.run();
}

void Connection::look(base::Instant now) {
  if (now < deadline_) return;
  deadline_ = base::Instant::max();
  is_late_ = true;
  stream_->interrupt();
}

void Connection::finish() {
  if (!work_ && !is_streaming_) stream_->close();
  if (is_streaming_) stream_->interrupt();
}

asio::awaitable<void> Connection::run() {
  may_take(hub_.options.limits.head);
  if (!co_await stream_->handshake()) co_return;
  while (co_await has_input() && co_await serve_one()) {
  }
  stream_->close();
}

asio::awaitable<bool> Connection::has_input() {
  // Hardly anybody has sent the next request when the answer has just left.
  bool may_be_there = !work_ || stream_->may_hold_bytes();
  if (work_) work_->next_request();
  while (!work_ || work_->unread().empty()) {
    if (may_be_there) {
      if (!work_) work_ = hub_.borrow();
      const auto count = stream_->read(work_->room());
      if (count == Stream::gone) co_return false;
      work_->end += static_cast<std::size_t>(count);
      if (count > 0) break;
    }
    hub_.give_back(std::move(work_));
    if (hub_.is_stopping || !co_await stream_->readable()) co_return false;
    may_be_there = true;
  }
  co_return !is_late_;
}

asio::awaitable<bool> Connection::serve_one() {
  began_ = hub_.clock.now();
  deadline_ = began_ + hub_.options.limits.head;
  Request& request = work_->request;
  request.clear();
  RequestParser parser;
  const auto head = co_await read_head(parser);
  describe(request);
  if (!head) co_return co_await refuse(head.error());
  if (!*head) co_return false;

  if (auto refusal = hub_.hosts.check(request)) co_return co_await refuse(*std::move(refusal));
  request.has_body = parser.framing() != RequestParser::Framing::none;
  auto body_bytes_max = hub_.router.admit(request);
  if (!body_bytes_max) {
    co_return co_await refuse_unread(std::move(body_bytes_max).error(), parser.keeps_alive());
  }
  if (request.has_body) {
    if (auto refusal = co_await refuse_waiting(parser)) {
      co_return co_await refuse_unread(*std::move(refusal), false);
    }
    const auto body = co_await read_body(parser, *body_bytes_max);
    if (!body) co_return co_await refuse(body.error());
    if (!*body) co_return false;
  }
  deadline_ = base::Instant::max();
  auto response = co_await hub_.router.answer(request);
  co_return co_await send(std::move(response), parser.keeps_alive());
}

// Nobody but a caller who may call keeps memory waiting for a body.
asio::awaitable<std::optional<Response>> Connection::refuse_waiting(const RequestParser& parser) {
  const bool is_there = parser.framing() == RequestParser::Framing::length &&
                        parser.content_length() <= work_->unread().size();
  if (is_there) co_return std::nullopt;
  deadline_ = base::Instant::max();
  co_return co_await hub_.router.refuse_caller(work_->request);
}

// The body that follows has not been read and must not be taken for a request.
asio::awaitable<bool> Connection::refuse_unread(Response response, bool keeps_alive) {
  const bool has_body = work_->request.has_body;
  const bool goes_on = co_await send(std::move(response), keeps_alive && !has_body);
  if (has_body) co_await linger();
  co_return goes_on;
}

void Connection::describe(Request& request) {
  request.address = address_;
  request.is_secure = is_secure_;
  const auto id = request.header("x-request-id");
  request.id = id && is_decent_id(*id) ? std::string(*id) : hub_.new_request_id();
  const auto trace = request.header("traceparent");
  if (trace && is_traceparent(*trace)) request.traceparent = *trace;
}

asio::awaitable<Connection::Read> Connection::read_head(RequestParser& parser) {
  while (true) {
    // The parser refuses a head that would fill the buffer, so there is room while it wants more.
    const auto size = parser.head(work_->unread(), work_->request);
    if (!size) co_return std::unexpected(size.error());
    if (*size > 0) {
      work_->begin += *size;
      co_return true;
    }
    const auto count = stream_->read(work_->room());
    if (count == Stream::gone) co_return false;
    work_->end += static_cast<std::size_t>(count);
    if (count > 0) continue;
    const auto more = co_await more_comes();
    if (!more || !*more) co_return more;
  }
}

// Waits for bytes; refuses once the time for them is up.
asio::awaitable<Connection::Read> Connection::more_comes() {
  const bool is_readable = co_await stream_->readable();
  if (is_late_) {
    is_late_ = false;
    co_return std::unexpected(Refusal{408, "request_timeout", "the request came too slowly"});
  }
  co_return is_readable;
}

asio::awaitable<Connection::Read> Connection::read_body(RequestParser& parser,
                                                        std::size_t body_bytes_max) {
  const bool has_length = parser.framing() == RequestParser::Framing::length;
  if (has_length && parser.content_length() > body_bytes_max) {
    co_return std::unexpected(
        Refusal{413, "body_too_large", fmt::format("the body exceeds {} bytes", body_bytes_max)});
  }
  if (parser.expects_continue() && work_->unread().empty()) {
    std::array text{asio::buffer(std::string_view("HTTP/1.1 100 Continue\r\n\r\n"))};
    if (!co_await write_all(text)) co_return false;
  }
  if (has_length) co_return co_await read_length(parser.content_length());
  co_return co_await read_chunks(parser, body_bytes_max);
}

asio::awaitable<Connection::Read> Connection::read_length(std::size_t size) {
  auto& body = work_->request.body;
  body = work_->unread().substr(0, size);
  work_->begin += body.size();
  const auto began = hub_.clock.now();
  while (body.size() < size) {
    const auto before = body.size();
    deadline_ = began + limits::http_body_time +
                std::chrono::seconds(before / limits::http_body_bytes_per_second_min);
    body.resize(std::min(size, before + body_step));
    const auto count = stream_->read(std::span(body).subspan(before));
    body.resize(before + static_cast<std::size_t>(std::max<std::ptrdiff_t>(count, 0)));
    if (count == Stream::gone) co_return false;
    if (count > 0) continue;
    const auto more = co_await more_comes();
    if (!more || !*more) co_return more;
  }
  co_return true;
}

asio::awaitable<Connection::Read> Connection::read_chunks(RequestParser& parser,
                                                          std::size_t body_bytes_max) {
  // The head's views point into `in`, which therefore stays as it is.
  auto& bytes = work_->extra;
  bytes = work_->unread();
  work_->begin = work_->end;
  const auto began = hub_.clock.now();
  while (true) {
    const auto used = parser.chunks(bytes, work_->request.body, body_bytes_max);
    if (!used) co_return std::unexpected(used.error());
    bytes.erase(0, *used);
    if (parser.is_done()) co_return true;
    deadline_ =
        began + limits::http_body_time +
        std::chrono::seconds(work_->request.body.size() / limits::http_body_bytes_per_second_min);
    const auto before = bytes.size();
    bytes.resize(before + limits::http_read_bytes);
    const auto count = stream_->read(std::span(bytes).subspan(before));
    bytes.resize(before + static_cast<std::size_t>(std::max<std::ptrdiff_t>(count, 0)));
    if (count == Stream::gone) co_return false;
    if (count > 0) continue;
    const auto more = co_await more_comes();
    if (!more || !*more) co_return more;
  }
}

asio::awaitable<bool> Connection::refuse(Refusal refusal) {
  co_await send(
      problem_response(refusal.status, std::string(refusal.code), std::move(refusal.detail)),
      false);
  co_await linger();
  co_return false;
}

asio::awaitable<bool> Connection::send(Response response, bool keeps_alive) {
  Request& request = work_->request;
  if (response.problem) {
    response.content_type = "application/problem+json";
    response.body = problem_json(*response.problem, request.path, request.id);
  }
  if (response.events) {
    const bool is_chunked = !request.is_http_1_0;
    write_head(response, {}, false);
    hub_.answered(request, response.status, 0, began_);
    std::string head = std::move(work_->out);
    const bool has_body = request.method != Method::head;
    hub_.give_back(std::move(work_));
    std::array buffers{asio::buffer(std::as_const(head))};
    if (co_await write_all(buffers) && has_body) {
      co_await stream_events(std::move(response.events), is_chunked);
    }
    co_return false;
  }
  keeps_alive = keeps_alive && !response.closes && !hub_.is_stopping;
  const std::string_view body = response.shared_body ? *response.shared_body : response.body;
  write_head(response, body, keeps_alive);
  const bool has_body = request.method != Method::head && !has_no_body(response.status);
  std::array<asio::const_buffer, 2> buffers{
      asio::buffer(std::as_const(work_->out)),
      asio::const_buffer(body.data(), has_body ? body.size() : 0)};
  const auto size = asio::buffer_size(buffers);
  const bool is_written = co_await write_all(buffers);
  hub_.answered(request, response.status, size, began_);
  deadline_ = hub_.clock.now() + hub_.options.limits.idle;
  co_return is_written&& keeps_alive;
}

void Connection::write_head(const Response& response, std::string_view body, bool keeps_alive) {
  const Request& request = work_->request;
  auto& out = work_->out;
  out.clear();
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\nDate: {}\r\nX-Request-Id: {}\r\n",
                 response.status, phrase(response.status), hub_.date(), request.id);
  if (!response.content_type.empty()) {
    fmt::format_to(std::back_inserter(out), "Content-Type: {}\r\n", response.content_type);
  }
  if (response.events) {
    if (!request.is_http_1_0) out += "Transfer-Encoding: chunked\r\n";
    out += "X-Accel-Buffering: no\r\n";
  } else if (!has_no_body(response.status)) {
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", body.size());
  }
  if (!request.traceparent.empty()) {
    fmt::format_to(std::back_inserter(out), "traceparent: {}\r\n", request.traceparent);
  }
  if (!keeps_alive) out += "Connection: close\r\n";
  if (response.header_lines.find("Cache-Control: ") == std::string::npos) {
    out += "Cache-Control: no-store\r\n";
  }
  out += "X-Content-Type-Options: nosniff\r\n";
  out += hub_.hosts.headers_for_page(request);
  out += response.header_lines;
  out += "\r\n";
}

asio::awaitable<bool> Connection::write_all(std::span<asio::const_buffer> buffers) {
  while (true) {
    while (!buffers.empty() && buffers.front().size() == 0) buffers = buffers.subspan(1);
    if (buffers.empty()) co_return true;
    auto count = stream_->write(buffers);
    if (count == Stream::gone) co_return false;
    if (count == Stream::not_now) {
      may_take(hub_.options.limits.write_stall);
      if (!co_await stream_->writable() || is_late_) co_return false;
      deadline_ = base::Instant::max();
      continue;
    }
    for (auto& buffer : buffers) {
      const auto part = std::min(static_cast<std::size_t>(count), buffer.size());
      buffer += part;
      count -= static_cast<std::ptrdiff_t>(part);
    }
  }
}

// A peer that is still sending when we close would lose our answer to the reset that follows.
asio::awaitable<void> Connection::linger() {
  hub_.give_back(std::move(work_));
  stream_->end();
  is_late_ = false;
  may_take(linger_time);
  auto bytes = std::make_unique<std::array<char, limits::http_read_bytes>>();
  for (std::size_t total = 0; total < linger_bytes_max;) {
    const auto count = stream_->read(*bytes);
    if (count == Stream::gone) break;
    if (count == Stream::not_now && (!co_await stream_->readable() || is_late_)) break;
    total += static_cast<std::size_t>(count);
  }
}

}  // namespace http
