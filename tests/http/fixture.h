// A server on loopback, and a client that sends whatever bytes a test wants, on one loop.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/http/authenticator.h"
#include "bridge/http/router.h"
#include "bridge/http/server.h"

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

namespace http_test {

namespace asio = boost::asio;
namespace json = boost::json;
using Story = asio::awaitable<void>;

// Real time, and what a test adds to it.
class TestClock final : public base::Clock {
 public:
  base::Instant now() const override { return std::chrono::steady_clock::now() + added_; }
  base::WallTime wall() const override { return std::chrono::system_clock::now() + added_; }
  Story sleep_until(base::Instant when) override;
  void advance(std::chrono::steady_clock::duration by);

 private:
  std::chrono::steady_clock::duration added_{0};
  std::list<asio::steady_timer> sleepers_;
};

struct Reply {
  int status = 0;                              // 0: the connection ended first
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  json::object problem() const;
};

class RawClient {
 public:
  explicit RawClient(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}

  asio::awaitable<bool> send(std::string_view bytes);
  // One reply with a Content-Length.
  asio::awaitable<Reply> reply(bool has_body = true);
  // Until the text has come, or all there is until the end.
  asio::awaitable<std::string> read_until(std::string_view text);
  asio::awaitable<std::string> rest() { return read_until({}); }
  asio::awaitable<Reply> ask(std::string_view bytes);
  asio::ip::tcp::socket& socket() { return socket_; }

 private:
  asio::ip::tcp::socket socket_;
  std::string unread_;
};

class Fixture {
 public:
  explicit Fixture(http::ServerOptions options = {});
  ~Fixture();

  asio::any_io_executor executor() { return loop.get_executor(); }
  // Adds a route without credentials.
  void add(http::Method method, std::string path, http::Handler handler,
           http::Body body = http::Body::none);
  // Starts the server, runs the story to its end and stops the server.
  void run(std::function<Story()> story);
  asio::awaitable<RawClient> connect();
  std::string request(std::string_view line, std::string_view more_headers = "",
                      std::string_view body = "") const;

  asio::io_context loop{1};
  TestClock clock;
  std::map<base::Sha256, http::ApiKey> keys;
  int key_reads = 0;
  bool keys_are_broken = false;
  http::Authenticator authenticator;
  http::Router router;
  std::unique_ptr<http::Server> server;
  http::ServerOptions options;

  // Stores a key and gives its text.
  std::string new_key(std::vector<std::string> scopes, std::string agent = "");
};

// A program's exit status and what it wrote, without stopping the loop.
struct Finished {
  int status = -1;
  std::string out;
};
asio::awaitable<Finished> run_program(std::string command_line);

http::Handler answering(std::string text);
http::Handler echo();

}  // namespace http_test
