// A page and an event stream on loopback.
#pragma once

#include "tests/cdp/browser_fixture.h"

#include <memory>
#include <string>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

namespace cdp_test {

// Serves GET / as a small page and GET /stream as chunked server-sent events, whose second half
// waits for `release`. Ends with itself.
class WebServer {
 public:
  explicit WebServer(const boost::asio::any_io_executor& executor)
      : acceptor_(std::make_shared<Acceptor>(
            executor, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0))),
        released_(std::make_shared<Timer>(executor, Timer::time_point::max())) {
    boost::asio::co_spawn(executor, accept(acceptor_, released_), boost::asio::detached);
  }
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;
  ~WebServer() { acceptor_->close(); }

  std::string url(std::string_view host) const {
    return fmt::format("http://{}:{}/", host, acceptor_->local_endpoint().port());
  }

  void release() { released_->expires_at(Timer::time_point::min()); }

  static std::string stream_text() {
    std::string text;
    for (int i = 0; i < event_count; ++i) text += event(i);
    return text;
  }

 private:
  using Tcp = boost::asio::ip::tcp;
  using Acceptor = Tcp::acceptor;
  using Timer = boost::asio::steady_timer;
  static constexpr int event_count = 200;

  static std::string event(int i) {
    return fmt::format("data: {{\"n\": {}, \"text\": \"höher {}\"}}\n\n", i,
                       std::string(static_cast<std::size_t>(i), 'x'));
  }

  static Story accept(std::shared_ptr<Acceptor> acceptor, std::shared_ptr<Timer> released) {
    for (;;) {
      auto [error, socket] =
          co_await acceptor->async_accept(boost::asio::as_tuple(boost::asio::use_awaitable));
      if (error) co_return;
      boost::asio::co_spawn(acceptor->get_executor(), answer(std::move(socket), released),
                            boost::asio::detached);
    }
  }

  static Story answer(Tcp::socket socket, std::shared_ptr<Timer> released) {
    auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
    std::string request;
    auto [error, count] = co_await boost::asio::async_read_until(
        socket, boost::asio::dynamic_buffer(request), "\r\n\r\n", token);
    if (error) co_return;
    if (!request.starts_with("GET /stream ")) {
      constexpr std::string_view page =
          "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 12\r\n"
          "Connection: close\r\n\r\n<p>hello</p>";
      co_await boost::asio::async_write(socket, boost::asio::buffer(page), token);
      co_return;
    }
    socket.set_option(Tcp::no_delay(true));
    constexpr std::string_view head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    co_await boost::asio::async_write(socket, boost::asio::buffer(head), token);
    for (int i = 0; i < event_count; ++i) {
      if (i == event_count / 2) co_await released->async_wait(token);
      auto text = event(i);
      auto chunk = fmt::format("{:x}\r\n{}\r\n", text.size(), text);
      co_await boost::asio::async_write(socket, boost::asio::buffer(chunk), token);
    }
    co_await boost::asio::async_write(socket, boost::asio::buffer(std::string_view("0\r\n\r\n")),
                                      token);
  }

  std::shared_ptr<Acceptor> acceptor_;
  std::shared_ptr<Timer> released_;
};

}  // namespace cdp_test
