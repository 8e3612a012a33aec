#include "tests/http/fixture.h"

#include <array>
#include <cstdio>
#include <thread>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <sys/wait.h>

namespace http_test {

using asio::ip::tcp;

Story TestClock::sleep_until(base::Instant when) {
  const auto executor = co_await asio::this_coro::executor;
  while (now() < when) {
    const auto sleeper = sleepers_.emplace(sleepers_.end(), executor, when - added_);
    boost::system::error_code woken;
    co_await sleeper->async_wait(asio::redirect_error(asio::use_awaitable, woken));
    sleepers_.erase(sleeper);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }
}

void TestClock::advance(std::chrono::steady_clock::duration by) {
  added_ += by;
  for (auto& sleeper : sleepers_) sleeper.cancel();
}

json::object Reply::problem() const {
  json::error_code error;
  auto parsed = json::parse(body, error);
  const auto type = headers.find("content-type");
  EXPECT_TRUE(!error && parsed.is_object() && type != headers.end() &&
              type->second == "application/problem+json")
      << status << " " << body;
  return parsed.is_object() ? parsed.get_object() : json::object();
}

asio::awaitable<bool> RawClient::send(std::string_view bytes) {
  auto [error, count] =
      co_await asio::async_write(socket_, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
  co_return !error;
}

asio::awaitable<std::string> RawClient::read_until(std::string_view text) {
  while (text.empty() || unread_.find(text) == std::string::npos) {
    const auto before = unread_.size();
    unread_.resize(before + 65536);
    auto [error, count] = co_await socket_.async_read_some(
        asio::buffer(unread_.data() + before, 65536), asio::as_tuple(asio::use_awaitable));
    unread_.resize(before + count);
    if (error) co_return std::exchange(unread_, {});
  }
  const auto end = unread_.find(text) + text.size();
  std::string read = unread_.substr(0, end);
  unread_.erase(0, end);
  co_return read;
}

asio::awaitable<Reply> RawClient::reply(bool has_body) {
  Reply reply;
  std::string head = co_await read_until("\r\n\r\n");
  if (!head.ends_with("\r\n\r\n")) co_return reply;
  reply.status = std::stoi(head.substr(9, 3));
  std::size_t line = head.find("\r\n") + 2;
  while (line + 2 < head.size()) {
    const auto end = head.find("\r\n", line);
    const auto colon = head.find(": ", line);
    std::string name = head.substr(line, colon - line);
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    reply.headers[name] = head.substr(colon + 2, end - colon - 2);
    line = end + 2;
  }
  if (!has_body || !reply.headers.contains("content-length")) co_return reply;
  const std::size_t size = std::stoul(reply.headers["content-length"]);
  while (unread_.size() < size) {
    const auto before = unread_.size();
    unread_.resize(size);
    auto [error, count] =
        co_await asio::async_read(socket_, asio::buffer(unread_.data() + before, size - before),
                                  asio::as_tuple(asio::use_awaitable));
    unread_.resize(before + count);
    if (error) co_return Reply();
  }
  reply.body = unread_.substr(0, size);
  unread_.erase(0, size);
  co_return reply;
}

asio::awaitable<Reply> RawClient::ask(std::string_view bytes) {
  co_await send(bytes);
  co_return co_await reply();
}

Fixture::Fixture(http::ServerOptions given)
    : authenticator(
          [this](base::Sha256 digest) -> base::Task<std::optional<http::ApiKey>> {
            ++key_reads;
            if (keys_are_broken) {
              co_return base::fail(base::Code::unavailable, "read keys: the disk is away");
            }
            const auto found = keys.find(digest);
            if (found == keys.end()) co_return std::nullopt;
            co_return found->second;
          },
          std::nullopt, clock),
      router(&authenticator),
      options(std::move(given)) {
  options.listen = "127.0.0.1:0";
}

Fixture::~Fixture() = default;

void Fixture::add(http::Method method, std::string path, http::Handler handler, http::Body body) {
  router.add({.method = method, .path = std::move(path), .is_public = true, .body = body},
             std::move(handler));
}

void Fixture::run(std::function<Story()> story) {
  if (!server) {
    auto started = http::Server::start(executor(), clock, router, options);
    ASSERT_TRUE(started) << started.error().message;
    server = *std::move(started);
  }
  auto whole = [&]() -> Story {
    co_await story();
    co_await server->stop(std::chrono::seconds(10));
  };
  asio::co_spawn(loop, whole, [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
  loop.run();
  server.reset();
}

asio::awaitable<RawClient> Fixture::connect() {
  tcp::socket socket(executor());
  co_await socket.async_connect({asio::ip::address_v4::loopback(), server->port()},
                                asio::use_awaitable);
  co_return RawClient(std::move(socket));
}

std::string Fixture::request(std::string_view line, std::string_view more_headers,
                             std::string_view body) const {
  std::string text = fmt::format("{} HTTP/1.1\r\nHost: 127.0.0.1\r\n{}", line, more_headers);
  if (!body.empty()) {
    if (more_headers.find("Content-Type") == std::string_view::npos) {
      text += "Content-Type: application/json\r\n";
    }
    text += fmt::format("Content-Length: {}\r\n", body.size());
  }
  text += "\r\n";
  return text.append(body);
}

std::string Fixture::new_key(std::vector<std::string> scopes, std::string agent) {
  auto text = http::new_api_key();
  http::ApiKey key{.id = fmt::format("k{}", keys.size()),
                   .name = "test",
                   .agent = std::move(agent),
                   .scopes = std::move(scopes),
                   .digest = *http::api_key_digest(text),
                   .expires = std::nullopt};
  keys[key.digest] = key;
  return text;
}

asio::awaitable<Finished> run_program(std::string command_line) {
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer done(executor, asio::steady_timer::time_point::max());
  Finished finished;
  std::thread runner([&] {
    FILE* pipe = ::popen(command_line.c_str(), "r");
    std::array<char, 4096> piece;
    while (const auto count = std::fread(piece.data(), 1, piece.size(), pipe)) {
      finished.out.append(piece.data(), count);
    }
    finished.status = WEXITSTATUS(::pclose(pipe));
    asio::post(executor, [&] { done.cancel(); });
  });
  boost::system::error_code woken;
  co_await done.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  runner.join();
  co_return finished;
}

http::Handler answering(std::string text) {
  return [text = std::move(text)](http::Request&) -> base::Task<http::Response> {
    co_return http::text_response(text, "text/plain");
  };
}

http::Handler echo() {
  return [](http::Request& request) -> base::Task<http::Response> {
    co_return http::text_response(request.body, "text/plain");
  };
}

}  // namespace http_test
