#include "bridge/http/outbound.h"

#include "bridge/base/scope.h"
#include "bridge/http/name_lookup.h"
#include "bridge/http/reply_reader.h"
#include "bridge/services/events/event_limits.h"

#include <algorithm>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <fmt/format.h>

namespace http {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::Code;
using base::Task;
using events::OutboundAnswer;
using events::OutboundRequest;

namespace {

std::string written(const OutboundRequest& request) {
  const auto is_clean = [](std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
  };
  BRIDGE_ASSERT(is_clean(request.target.path) && is_clean(request.target.host));
  std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method,
                                 request.target.path, request.target.authority());
  for (const auto& [name, value] : request.headers) {
    BRIDGE_ASSERT(is_clean(name) && is_clean(value));
    text += fmt::format("{}: {}\r\n", name, value);
  }
  if (!request.body.empty() || request.method == "POST") {
    text += fmt::format("Content-Length: {}\r\n", request.body.size());
  }
  return text + "Connection: close\r\n\r\n" + request.body;
}

Task<std::vector<events::Address>> addresses_of(std::string host) {
  const auto found = co_await look_up(host, "");
  std::vector<events::Address> addresses;
  for (const auto& endpoint : found.value_or(Endpoints())) {
    const auto address = endpoint.address();
    if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
  }
  if (addresses.empty()) {
    co_return base::fail(Code::unavailable, fmt::format("{} has no address that is known", host),
                         "no_address");
  }
  co_return addresses;
}

}  // namespace

base::Result<std::unique_ptr<Internet>> Internet::create(
    const std::filesystem::path& authority_file) {
  std::unique_ptr<Internet> internet(new Internet());
  if (!authority_file.empty()) {
    TRY(internet->tls_, TlsContext::client(authority_file));
  }
  return internet;
}

Task<std::vector<events::Address>> Internet::resolve(std::string host) {
  auto doing = "look up " + host;
  co_return co_await base::with_deadline(addresses_of(std::move(host)), limits::webhook_resolve,
                                         std::move(doing));
}

Task<OutboundAnswer> Internet::send(OutboundRequest request) {
  BRIDGE_ASSERT(!request.addresses.empty() && request.limit.count() > 0);
  const auto limit = request.limit;
  auto doing = fmt::format("{} to {}", request.method, request.target.authority());
  co_return co_await base::with_deadline(exchange(std::move(request)), limit, std::move(doing));
}

// The system's certificates take most of a megabyte: those who call nobody do without.
base::Result<TlsContext*> Internet::tls() {
  if (!tls_) {
    TRY(tls_, TlsContext::client({}));
  }
  return &*tls_;
}

Task<std::unique_ptr<Stream>> Internet::connect(const OutboundRequest& request) {
  const auto executor = co_await asio::this_coro::executor;
  boost::system::error_code error;
  tcp::socket socket(executor);
  const auto most = std::min(request.addresses.size(), limits::webhook_connects_max);
  for (std::size_t i = 0; i < most; ++i) {
    socket = tcp::socket(executor);
    co_await socket.async_connect({request.addresses[i], request.target.port},
                                  asio::redirect_error(asio::use_awaitable, error));
    if (!error) break;
  }
  if (error) {
    co_return base::fail(
        Code::unavailable,
        fmt::format("connect to {}: {}", request.target.authority(), error.message()),
        "no_connection");
  }
  if (!request.target.is_secure) co_return plain_stream(std::move(socket));
  CO_TRY(auto* const secure, tls());
  auto stream = tls_client_stream(std::move(socket), *secure, request.target.host);
  if (!co_await stream->handshake()) {
    co_return base::fail(Code::unavailable,
                         fmt::format("connect to {}: no TLS connection with a certificate that is "
                                     "trusted and is for this host",
                                     request.target.authority()),
                         "no_connection");
  }
  co_return stream;
}

Task<OutboundAnswer> Internet::exchange(OutboundRequest request) {
  CO_TRY(const auto stream, co_await connect(request));
  const auto broken = [&] {
    return base::fail(Code::unavailable, fmt::format("{} to {}: the connection broke before the "
                                                     "answer",
                                                     request.method, request.target.authority()));
  };
  if (!co_await write_whole(*stream, written(request))) co_return broken();
  ClientReply reply;
  ReplyReader reader([&](std::string_view piece) {
    const auto room = request.answer_bytes_max - reply.body.size();
    reply.body += piece.substr(0, room);
    return piece.size() <= room;
  });
  const auto end = co_await reader.read(*stream, reply);
  // What breaks behind the head takes nothing from the answer.
  if (end == ReplyReader::End::broken && !reader.has_head()) co_return broken();
  stream->close();
  co_return OutboundAnswer{
      .status = reply.status, .headers = std::move(reply.headers), .body = std::move(reply.body)};
}

}  // namespace http
