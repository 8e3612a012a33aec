#include "bridge/http/server.h"

#include "bridge/base/notice.h"
#include "bridge/base/scope.h"
#include "bridge/http/connection.h"
#include "bridge/http/hub.h"
#include "bridge/http/stream.h"

#include <array>
#include <charconv>
#include <filesystem>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace http {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto accept_pause = std::chrono::milliseconds(100);

base::Result<tcp::endpoint> parse_listen(std::string_view text) {
  const auto refuse = [&] {
    return base::fail(base::Code::invalid, fmt::format("listen on {}: not an ADDRESS:PORT", text));
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return refuse();
  auto host = text.substr(0, colon);
  const auto digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (bad != std::errc() || end != digits.data() + digits.size()) return refuse();
  if (host == "localhost") host = "127.0.0.1";
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const auto address = asio::ip::make_address(std::string(host), error);
  if (error) return refuse();
  return tcp::endpoint(address, port);
}

base::Result<> listen_on(tcp::acceptor& acceptor, const std::string& where) {
  TRY(const auto endpoint, parse_listen(where));
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(limits::http_accepts_pending, error);
  if (error) {
    return base::fail(base::Code::unavailable,
                      fmt::format("listen on {}: {}", where, error.message()));
  }
  return {};
}

base::Result<> take_over(tcp::acceptor& acceptor, int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  int listens = 0;
  socklen_t listens_size = sizeof listens;
  const bool is_listening =
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
      ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) == 0 &&
      listens != 0;
  if (!is_listening || (address.ss_family != AF_INET && address.ss_family != AF_INET6)) {
    return base::fail(base::Code::invalid,
                      fmt::format("listen on descriptor {}: no listening TCP socket", descriptor));
  }
  // A service manager leaves it open for programs that this one starts; they are not to have it.
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  boost::system::error_code error;
  acceptor.assign(address.ss_family == AF_INET ? tcp::v4() : tcp::v6(), descriptor, error);
  if (error) {
    return base::fail(base::Code::invalid,
                      fmt::format("listen on descriptor {}: {}", descriptor, error.message()));
  }
  return {};
}

// When each of the files was written last.
using Stamps = std::array<std::filesystem::file_time_type, 2>;

Stamps stamps_of(const ServerOptions& options) {
  Stamps stamps;
  std::error_code error;
  stamps[0] = std::filesystem::last_write_time(options.certificate_file, error);
  stamps[1] = std::filesystem::last_write_time(options.key_file, error);
  return stamps;
}

std::string text_of(const asio::ip::address& address) {
  return address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
}

// Who listens on all addresses is reached on this machine at the one that is always there.
std::string reachable(const asio::ip::address& address) {
  if (!address.is_unspecified()) return text_of(address);
  return address.is_v6() ? "[::1]" : "127.0.0.1";
}

}  // namespace

class Server::Body {
 public:
  Body(const asio::any_io_executor& executor, tcp::acceptor acceptor, std::optional<TlsContext> tls,
       std::shared_ptr<Hub> hub)
      : acceptor_(std::move(acceptor)),
        tls_(std::move(tls)),
        hub_(std::move(hub)),
        stamps_(stamps_of(hub_->options)),
        certificate_look_(hub_->clock.now() + limits::http_certificate_look),
        connection_ended_(executor),
        services_(executor),
        clients_(executor) {
    boost::system::error_code error;
    const auto endpoint = acceptor_.local_endpoint(error);
    BRIDGE_ASSERT(!error);
    port_ = endpoint.port();
    url_ = fmt::format("{}://{}:{}", tls_ ? "https" : "http", reachable(endpoint.address()), port_);
    services_.spawn(accept_all());
    services_.spawn(keep_time());
  }

  ~Body() { BRIDGE_ASSERT(is_stopped_); }

  const std::string& url() const { return url_; }
  std::uint16_t port() const { return port_; }
  std::size_t connection_count() const { return hub_->connections.size(); }

  asio::awaitable<void> stop(std::chrono::steady_clock::duration grace) {
    const auto until = std::chrono::steady_clock::now() + grace;
    hub_->is_stopping = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    for (auto* connection : hub_->connections) connection->finish();
    while (!hub_->connections.empty() && std::chrono::steady_clock::now() < until) {
      co_await connection_ended_.wait(until);
    }
    co_await services_.join();  // nobody begins to serve a client after this
    co_await clients_.join();
    is_stopped_ = true;
  }

 private:
  asio::awaitable<void> accept_all() {
    while (acceptor_.is_open()) {
      auto [error, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
      if (hub_->is_stopping) co_return;  // Also where it was accepted just before.
      if (!error) {
        welcome(std::move(socket));
      } else if (acceptor_.is_open()) {
        // Out of descriptors, most likely; connections that end give some back.
        asio::steady_timer pause(acceptor_.get_executor(), accept_pause);
        co_await pause.async_wait(asio::use_awaitable);
      }
    }
  }

  void welcome(tcp::socket socket) {
    boost::system::error_code error;
    const auto peer = socket.remote_endpoint(error);
    if (error) return;  // It has gone already.
    std::string address = peer.address().to_string();
    if (!hub_->has_room_for(address)) {
      hub_->refused_connection();
      turn_away(std::move(socket));
      return;
    }
    auto stream =
        tls_ ? tls_server_stream(std::move(socket), *tls_) : plain_stream(std::move(socket));
    clients_.spawn(serve(std::move(stream), std::move(address)));
  }

  asio::awaitable<void> serve(std::unique_ptr<Stream> stream, std::string address) {
    struct Ended {
      base::Notice& notice;
      ~Ended() { notice.notify(); }
    };
    const Ended ended{connection_ended_};
    co_await Connection::serve(hub_, std::move(stream), std::move(address), tls_.has_value());
  }

  // What fits into an empty socket at once; a TLS client just sees the connection end.
  void turn_away(tcp::socket socket) const {
    if (tls_) return;
    static constexpr std::string_view answer =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 5\r\n"
        "Connection: close\r\n\r\n";
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(answer), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
  }

  asio::awaitable<void> keep_time() {
    while (true) {
      co_await hub_->clock.sleep_until(hub_->clock.now() + limits::http_sweep);
      const auto now = hub_->clock.now();
      for (auto* connection : hub_->connections) connection->look(now);
      if (tls_ && now >= certificate_look_) renew_certificate(now);
    }
  }

  // Certificates are renewed while the server runs; new connections are served the new one. Files
  // that are being written are looked at again.
  void renew_certificate(base::Instant now) {
    certificate_look_ = now + limits::http_certificate_look;
    const Stamps stamps = stamps_of(hub_->options);
    if (stamps == stamps_) return;
    auto renewed = TlsContext::server(hub_->options.certificate_file, hub_->options.key_file);
    if (!renewed) return;
    tls_ = *std::move(renewed);
    stamps_ = stamps;
  }

  tcp::acceptor acceptor_;
  std::optional<TlsContext> tls_;
  std::shared_ptr<Hub> hub_;
  Stamps stamps_;
  base::Instant certificate_look_;
  base::Notice connection_ended_;
  std::string url_;
  std::uint16_t port_ = 0;
  bool is_stopped_ = false;
  base::Scope services_;
  base::Scope clients_;
};

Server::Server(std::shared_ptr<Body> body) : body_(std::move(body)) {}
Server::~Server() = default;

base::Result<std::unique_ptr<Server>> Server::start(asio::any_io_executor executor,
                                                    base::Clock& clock, const Router& router,
                                                    ServerOptions options) {
  tcp::acceptor acceptor(executor);
  if (options.inherited_fd >= 0) {
    TRY_OK(take_over(acceptor, options.inherited_fd));
  } else {
    TRY_OK(listen_on(acceptor, options.listen));
  }
  std::optional<TlsContext> tls;
  if (options.certificate_file.empty() != options.key_file.empty()) {
    return base::fail(base::Code::invalid, "listen: TLS needs both a certificate and a key file");
  }
  if (!options.certificate_file.empty()) {
    TRY(tls, TlsContext::server(options.certificate_file, options.key_file));
  }
  boost::system::error_code error;
  const auto address = acceptor.local_endpoint(error).address();
  auto names = options.host_names;
  if (!error && !address.is_unspecified()) names.push_back(text_of(address));
  auto hub = std::make_shared<Hub>(clock, router, std::move(options), std::move(names));
  return std::unique_ptr<Server>(new Server(
      std::make_shared<Body>(executor, std::move(acceptor), std::move(tls), std::move(hub))));
}

const std::string& Server::url() const { return body_->url(); }
std::uint16_t Server::port() const { return body_->port(); }
std::size_t Server::connection_count() const { return body_->connection_count(); }

asio::awaitable<void> Server::stop(std::chrono::steady_clock::duration grace) {
  co_await body_->stop(grace);
}

}  // namespace http
