#include "bridge/http/client.h"

#include "bridge/base/json.h"
#include "bridge/base/limits.h"
#include "bridge/base/scope.h"
#include "bridge/http/event_reader.h"
#include "bridge/http/name_lookup.h"
#include "bridge/http/reply_reader.h"
#include "bridge/http/stream.h"

#include <algorithm>
#include <charconv>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace http {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// What a status means to a caller that wanted success.
base::Code code_of(int status) {
  switch (status) {
    case 401:
    case 403:
      return base::Code::denied;
    case 404:
      return base::Code::not_found;
    case 409:
    case 412:
      return base::Code::conflict;
    case 429:
      return base::Code::busy;
    case 502:
    case 503:
      return base::Code::unavailable;
    case 504:
      return base::Code::timeout;
    default:
      return status >= 500 ? base::Code::internal : base::Code::invalid;
  }
}

constexpr std::size_t errors_shown_max = 20;

// What is wrong with a body, a line each, unless the problem's own words say it.
std::string errors_in(const json::value& problem, const std::string& said) {
  std::string lines;
  const auto* object = problem.if_object();
  const auto* errors = object == nullptr ? nullptr : object->if_contains("errors");
  if (errors == nullptr || !errors->is_array()) return lines;
  std::size_t count = 0;
  for (const auto& item : errors->get_array()) {
    const auto* error = item.if_object();
    if (error == nullptr || ++count > errors_shown_max) break;
    const auto text = [&](std::string_view name) {
      const auto* value = error->if_contains(name);
      return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                    : std::string();
    };
    const auto detail = text("detail");
    if (said.find(detail) == std::string::npos) {
      lines += fmt::format("\n  {}: {}", text("pointer"), detail);
    }
  }
  return lines;
}

base::Error error_of(const ClientReply& reply, std::string_view asked) {
  const auto problem = reply.json();
  const auto text = [&](std::string_view name) {
    const auto* object = problem.if_object();
    const auto* value = object == nullptr ? nullptr : object->if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
  };
  auto detail = text("detail");
  if (detail.empty()) detail = fmt::format("the daemon answered {}", reply.status);
  detail += errors_in(problem, detail);
  base::Error error{code_of(reply.status), fmt::format("{}: {}", asked, detail), text("code")};
  if (error.reason == "login_required") error.code = base::Code::login_required;
  return error;
}

}  // namespace

std::optional<std::string_view> ClientReply::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return std::nullopt;
}

json::value ClientReply::json() const {
  auto parsed = base::parse_json(body);
  return parsed ? *std::move(parsed) : json::value();
}

class Client::Body {
 public:
  Body(std::string url, std::string token, std::string authority_file, std::string certificate_file)
      : url_(std::move(url)),
        token_(std::move(token)),
        authority_file_(std::move(authority_file)),
        certificate_file_(std::move(certificate_file)) {}

  // One exchange. `on_body` gets the body's pieces and ends the exchange by giving false.
  base::Task<ClientReply> exchange(const ClientRequest& request,
                                   std::function<bool(std::string_view)> on_body) {
    const std::string text = written(request);
    const bool was_open = stream_ != nullptr;
    auto reply = co_await attempt(request, text, on_body);
    // A kept connection may have been closed by the daemon meanwhile, before it read anything.
    if (!reply && was_open && !has_heard_ && request.method == "GET") {
      reply = co_await attempt(request, text, on_body);
    }
    co_return reply;
  }

  void drop() { stream_.reset(); }
  std::string asked(const ClientRequest& request) const {
    return fmt::format("{} {}{}", request.method, url_, request.target);
  }

 private:
  std::string written(const ClientRequest& request) const {
    const auto host = std::string_view(url_).substr(std::min(url_.find("//") + 2, url_.size()));
    std::string text =
        fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.target, host);
    if (!token_.empty()) text += fmt::format("Authorization: Bearer {}\r\n", token_);
    for (const auto& [name, value] : request.headers)
      text += fmt::format("{}: {}\r\n", name, value);
    const std::string body = request.body ? json::serialize(*request.body) : std::string();
    if (request.body) text += "Content-Type: application/json\r\n";
    if (request.body || request.method != "GET") {
      text += fmt::format("Content-Length: {}\r\n", body.size());
    }
    return text + "\r\n" + body;
  }

  base::Task<ClientReply> attempt(const ClientRequest& request, const std::string& text,
                                  const std::function<bool(std::string_view)>& on_body) {
    has_heard_ = false;
    if (!stream_ && !request.may_connect) co_return broken(request);
    if (!stream_) CO_TRY_OK(co_await connect());
    // Only an exchange that ran to its end leaves a connection that can be used again.
    auto stream = std::move(stream_);
    if (!co_await write_whole(*stream, text)) co_return broken(request);
    ClientReply reply;
    bool is_too_long = false;
    ReplyReader reader(
        [&](std::string_view piece) {
          if (on_body) return on_body(piece);
          is_too_long = reply.body.size() + piece.size() > limits::http_reply_bytes_max;
          if (!is_too_long) reply.body += piece;
          return !is_too_long;
        },
        request.method == "HEAD");
    const auto end = co_await reader.read(*stream, reply);
    has_heard_ = reader.has_heard();
    if (is_too_long) {
      co_return base::fail(base::Code::internal, asked(request) + ": the answer is too long");
    }
    if (end == ReplyReader::End::broken) co_return broken(request);
    if (end == ReplyReader::End::whole && reader.is_kept_open()) stream_ = std::move(stream);
    co_return reply;
  }

  std::unexpected<base::Error> broken(const ClientRequest& request) const {
    return base::fail(base::Code::unavailable,
                      asked(request) + ": the connection broke before the answer");
  }

  base::Task<> connect() {
    const bool is_secure = url_.starts_with("https://");
    if (!is_secure && !url_.starts_with("http://")) co_return bad_url();
    const auto authority = std::string_view(url_).substr(is_secure ? 8 : 7);
    const auto colon = authority.rfind(':');
    if (colon == std::string_view::npos) co_return bad_url();
    std::string host(authority.substr(0, colon));
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const auto digits = authority.substr(colon + 1);
    std::uint16_t port = 0;
    const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (bad != std::errc() || end != digits.data() + digits.size()) co_return bad_url();

    const auto executor = co_await asio::this_coro::executor;
    boost::system::error_code error;
    tcp::socket socket(executor);
    base::Result<Endpoints> endpoints = Endpoints();
    if (const auto address = asio::ip::make_address(host, error); !error) {
      endpoints->emplace_back(address, port);
    } else {
      endpoints = co_await look_up(host, std::string(digits));
    }
    if (!endpoints) co_return no_connection(endpoints.error().message);
    error = asio::error::host_not_found;
    for (const auto& endpoint : *endpoints) {
      socket = tcp::socket(executor);
      co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
      if (!error) break;
    }
    if (error) co_return no_connection(error.message());
    if (!is_secure) {
      stream_ = plain_stream(std::move(socket));
      co_return base::Result<>();
    }
    if (!tls_) {
      CO_TRY(tls_, certificate_file_.empty() ? TlsContext::client(authority_file_)
                                             : TlsContext::client_of(certificate_file_));
    }
    stream_ = tls_client_stream(std::move(socket), *tls_, host);
    if (!co_await stream_->handshake()) {
      stream_.reset();
      co_return base::fail(
          base::Code::unavailable,
          fmt::format("connect to {}: no TLS connection with a trusted server", url_));
    }
    co_return base::Result<>();
  }

  std::unexpected<base::Error> no_connection(std::string_view why) const {
    return base::fail(base::Code::unavailable, fmt::format("connect to {}: {}", url_, why));
  }

  std::unexpected<base::Error> bad_url() const {
    return base::fail(
        base::Code::invalid,
        fmt::format("connect to {}: neither http://HOST:PORT nor https://HOST:PORT", url_));
  }

  std::string url_;
  std::string token_;
  std::string authority_file_;
  std::string certificate_file_;
  std::optional<TlsContext> tls_;
  std::unique_ptr<Stream> stream_;
  bool has_heard_ = false;  // the daemon has answered something to the request under way
};

Client::Client(std::string url, std::string token, std::string authority_file,
               std::string certificate_file)
    : body_(std::make_unique<Body>(std::move(url), std::move(token), std::move(authority_file),
                                   std::move(certificate_file))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

base::Task<ClientReply> Client::call(ClientRequest request) {
  const auto limit = request.limit;
  auto doing = body_->asked(request);
  auto reply =
      co_await base::with_deadline(body_->exchange(request, nullptr), limit, std::move(doing));
  co_return reply;
}

base::Task<ClientReply> Client::call_well(ClientRequest request) {
  const auto doing = body_->asked(request);
  CO_TRY(auto reply, co_await call(std::move(request)));
  if (!reply.is_success()) co_return std::unexpected(error_of(reply, doing));
  co_return std::move(reply);
}

base::Task<json::value> Client::call_json(ClientRequest request) {
  CO_TRY(const auto reply, co_await call_well(std::move(request)));
  co_return reply.json();
}

base::Task<std::string> Client::call_bytes(ClientRequest request) {
  CO_TRY(auto reply, co_await call_well(std::move(request)));
  co_return std::move(reply.body);
}

base::Task<> Client::events(ClientRequest request, std::function<bool(const ClientEvent&)> sink) {
  request.headers.emplace_back("Accept", "text/event-stream");
  const auto doing = body_->asked(request);
  EventReader reader;
  std::string refusal;  // the start of what may be a problem instead of a stream
  bool goes_on = true;
  auto last_heard = std::chrono::steady_clock::now();
  const auto on_body = [&](std::string_view piece) {
    last_heard = std::chrono::steady_clock::now();
    if (refusal.size() < limits::http_read_bytes) refusal += piece;
    reader.feed(piece, [&](const ClientEvent& event) { goes_on = goes_on && sink(event); });
    return goes_on;
  };
  const auto limit = request.limit;
  const auto silence = [](const auto* heard, auto most) -> base::Task<> {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    while (std::chrono::steady_clock::now() < *heard + most) {
      timer.expires_at(*heard + most);
      co_await timer.async_wait(asio::use_awaitable);
    }
    co_return base::Result<>();
  };
  const auto executor = co_await asio::this_coro::executor;
  auto [order, error, reply, silence_error, silent] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, body_->exchange(request, on_body), asio::deferred),
          asio::co_spawn(executor, silence(&last_heard, limit), asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  if (order[0] == 1) {
    if (silence_error) std::rethrow_exception(silence_error);
    co_return base::fail(base::Code::timeout, doing + ": the stream fell silent");
  }
  if (error) std::rethrow_exception(error);
  CO_TRY(auto answered, std::move(reply));
  answered.body = std::move(refusal);
  if (!answered.is_success()) co_return std::unexpected(error_of(answered, doing));
  co_return base::Result<>();
}

}  // namespace http
