#include "bridge/base/limits.h"
#include "bridge/base/scope.h"
#include "bridge/http/client.h"
#include "tests/http/fixture.h"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>

namespace http_test {
namespace {

using http::Method;

TEST(Server, KeepsAConnectionForManyRequests) {
  Fixture f;
  f.add(Method::post, "/echo", echo(), http::Body::bytes);
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    for (const std::string body : {"one", "two", "three"}) {
      const auto reply = co_await client.ask(f.request("POST /echo", "", body));
      EXPECT_EQ(reply.status, 200);
      EXPECT_EQ(reply.body, body);
    }
    EXPECT_EQ(f.server->connection_count(), 1u);
  });
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  Fixture f;
  f.add(Method::post, "/echo", echo(), http::Body::bytes);
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    std::string all;
    for (int i = 0; i < 500; ++i) {
      all += i % 2 == 0 ? f.request("POST /echo", "", fmt::format("body {}", i))
                        : f.request("POST /echo",
                                    "Content-Type: application/json\r\n"
                                    "Transfer-Encoding: chunked\r\n") +
                              fmt::format("{:x}\r\nbody {}\r\n0\r\n\r\n",
                                          fmt::format("body {}", i).size(), i);
    }
    co_await client.send(all);
    for (int i = 0; i < 500; ++i) {
      EXPECT_EQ((co_await client.reply()).body, fmt::format("body {}", i));
    }
  });
}

TEST(Server, SmuggledRequestsAreNeverAnswered) {
  Fixture f;
  int answered = 0;
  f.add(Method::post, "/echo", echo(), http::Body::bytes);
  f.add(Method::get, "/secret", [&](http::Request&) -> base::Task<http::Response> {
    ++answered;
    co_return http::Response();
  });
  f.run([&]() -> Story {
    const auto hidden = f.request("GET /secret");
    for (const std::string headers :
         {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "Content-Length: 0\r\nContent-Length: 70\r\n\r\n", "Transfer-Encoding: xchunked\r\n\r\n",
          "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
          "Transfer-Encoding: chunked\r\n\r\n0;x\r\n\r\n", "X: y\r\n Content-Length: 70\r\n\r\n"}) {
      auto client = co_await f.connect();
      co_await client.send(
          "POST /echo HTTP/1.1\r\nHost: localhost\r\n"
          "Content-Type: application/json\r\n" +
          headers + hidden);
      const auto reply = co_await client.reply();
      EXPECT_EQ(reply.status, 400) << headers;
      EXPECT_EQ(reply.headers.at("connection"), "close");
      EXPECT_EQ(reply.problem().at("code"), "bad_request");
      EXPECT_EQ(co_await client.rest(), "");
    }
  });
  EXPECT_EQ(answered, 0);
}

TEST(Server, RefusesForeignHostsAndOriginsOnEveryMethod) {
  Fixture f({.host_names = {"bridge.example"}, .allowed_origins = {"https://dash.example"}});
  f.add(Method::get, "/", answering("hello"));
  f.run([&]() -> Story {
    const auto port = f.server->port();
    const auto ask = [&](std::string_view method, std::string headers) -> asio::awaitable<int> {
      auto client = co_await f.connect();
      co_await client.send(fmt::format("{} / HTTP/1.1\r\n{}\r\n", method, headers));
      co_return (co_await client.reply(false)).status;
    };
    for (const std::string_view method : {"GET", "HEAD", "OPTIONS", "POST", "DELETE", "PUT"}) {
      EXPECT_EQ(co_await ask(method, "Host: evil.example\r\n"), 421);
      EXPECT_EQ(co_await ask(method, "Host: localhost.evil.example\r\n"), 421);
      EXPECT_EQ(co_await ask(method, "Host: localhost\r\nOrigin: http://evil.example\r\n"), 403);
      EXPECT_EQ(co_await ask(method, "Host: localhost\r\nOrigin: null\r\n"), 403);
      EXPECT_EQ(co_await ask(method, "Host: localhost\r\nOrigin: http://localhost:3000\r\n"), 403);
      EXPECT_EQ(co_await ask(method, "Host: localhost\r\nOrigin: https://localhost\r\n"), 403);
    }
    for (const std::string_view host :
         {"localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80", "bridge.example"}) {
      EXPECT_EQ(co_await ask("GET", fmt::format("Host: {}\r\n", host)), 200) << host;
    }
    for (const std::string_view host : {"localhost:x", "[::1", "a b", "localhost:", "localhost@x",
                                        "localhost:123456", "localhost/x"}) {
      const auto status = co_await ask("GET", fmt::format("Host: {}\r\n", host));
      EXPECT_EQ(status, host == "localhost:" ? 200 : 400) << host;
    }
    EXPECT_EQ(co_await ask("GET", fmt::format("Host: localhost:{0}\r\nOrigin: "
                                              "http://localhost:{0}\r\n",
                                              port)),
              200);
    EXPECT_EQ(co_await ask("GET", "Host: localhost\r\nOrigin: http://localhost:80\r\n"), 200);
    EXPECT_EQ(co_await ask("GET", "Host: localhost\r\nOrigin: https://dash.example\r\n"), 200);
  });
}

TEST(Server, RefusesALargeBodyBeforeItIsSent) {
  Fixture f;
  f.add(Method::post, "/echo", echo(), http::Body::bytes);
  f.run([&]() -> Story {
    const std::string head =
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    auto client = co_await f.connect();
    const auto refused =
        co_await client.ask(head + "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n");
    EXPECT_EQ(refused.status, 413);
    EXPECT_EQ(refused.problem().at("code"), "body_too_large");

    auto polite = co_await f.connect();
    co_await polite.send(head + "Expect: 100-continue\r\nContent-Length: 1048576\r\n\r\n");
    EXPECT_EQ(co_await polite.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    const auto reply = co_await polite.ask(std::string(1048576, 'x'));
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body.size(), 1048576u);

    auto endless = co_await f.connect();
    co_await endless.send(head + "Transfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = fmt::format("{:x}\r\n{}\r\n", 60000, std::string(60000, 'x'));
    for (int i = 0; i < 18; ++i) co_await endless.send(chunk);
    EXPECT_EQ((co_await endless.reply()).status, 413);
  });
}

TEST(Server, ClosesOnThoseWhoAreTooSlow) {
  Fixture f;
  f.add(Method::post, "/echo", echo(), http::Body::bytes);
  f.run([&]() -> Story {
    auto silent = co_await f.connect();
    auto slow_head = co_await f.connect();
    auto slow_body = co_await f.connect();
    auto idle = co_await f.connect();
    EXPECT_EQ((co_await idle.ask(f.request("GET /"))).status, 404);
    co_await slow_head.send("GET / HTTP/1.1\r\nHo");
    co_await slow_body.send(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        "Content-Type: application/json\r\nContent-Length: 500\r\n\r\n");
    co_await slow_body.read_until("100 Continue\r\n\r\n");

    f.clock.advance(std::chrono::seconds(12));

    const auto head_reply = co_await slow_head.reply();
    EXPECT_EQ(head_reply.status, 408);
    EXPECT_EQ(head_reply.problem().at("code"), "request_timeout");
    EXPECT_EQ((co_await slow_body.reply()).status, 408);
    EXPECT_EQ(co_await silent.rest(), "");
    EXPECT_EQ((co_await idle.ask(f.request("GET /"))).status, 404);

    f.clock.advance(limits::http_idle_time + std::chrono::seconds(2));
    EXPECT_EQ(co_await idle.rest(), "");
  });
}

TEST(Server, TurnsAwayConnectionsBeyondItsCaps) {
  Fixture f({.limits = {.connections_per_address_max = 2}});
  f.add(Method::get, "/", answering("hello"));
  f.run([&]() -> Story {
    auto first = co_await f.connect();
    auto second = co_await f.connect();
    EXPECT_EQ((co_await first.ask(f.request("GET /"))).status, 200);
    EXPECT_EQ((co_await second.ask(f.request("GET /"))).status, 200);
    auto third = co_await f.connect();
    EXPECT_EQ((co_await third.reply()).status, 503);
    EXPECT_EQ((co_await first.ask(f.request("GET /"))).status, 200);

    EXPECT_EQ((co_await second.ask(f.request("GET /", "Connection: close\r\n"))).status, 200);
    EXPECT_EQ(co_await second.rest(), "");
    auto fourth = co_await f.connect();
    EXPECT_EQ((co_await fourth.ask(f.request("GET /"))).status, 200);
  });
}

TEST(Server, ServesOthersBesideThousandsOfIdleConnections) {
  constexpr std::size_t idle_count = 5000;
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  ASSERT_GT(files.rlim_max, 2 * idle_count + 100) << "the limit on open files is too low";
  Fixture f;
  f.add(Method::get, "/", answering("hello"));
  f.run([&]() -> Story {
    std::vector<RawClient> idle;
    for (std::size_t i = 0; i < idle_count; ++i) idle.push_back(co_await f.connect());
    auto client = co_await f.connect();
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ((co_await client.ask(f.request("GET /"))).status, 200);
    }
    EXPECT_EQ(f.server->connection_count(), idle_count + 1);
    EXPECT_EQ((co_await idle.back().ask(f.request("GET /"))).status, 200);
  });
}

TEST(Server, AbuseOfOneClientDoesNotReachAnother) {
  Fixture f;
  f.add(
      Method::post, "/json",
      [](http::Request& request) -> base::Task<http::Response> {
        co_return http::json_response(request.json);
      },
      http::Body::json);
  f.run([&]() -> Story {
    auto good = co_await f.connect();
    for (const std::string& abuse :
         std::vector<std::string>{std::string("\0\0\0\0", 4), std::string("\x16\x03\x01\x02"),
                                  std::string(100000, 'A'), "GET /" + std::string(50000, 'a'),
                                  f.request("POST /json", "", std::string(100000, '[')),
                                  f.request("POST /json", "", R"({"a": 1, "a": 2})"),
                                  f.request("POST /json", "", "\"\xFF\""),
                                  std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}) {
      auto bad = co_await f.connect();
      co_await bad.send(abuse);
      const auto refused = co_await bad.reply();
      EXPECT_TRUE(refused.status >= 400 && refused.status < 500 || refused.status == 505)
          << refused.status;
      refused.problem();
      const auto reply = co_await good.ask(f.request("POST /json", "", R"({"fine":true})"));
      EXPECT_EQ(reply.body, R"({"fine":true})");
    }
  });
}

TEST(Server, SaysWhereJsonIsWrong) {
  Fixture f;
  f.add(Method::post, "/json", echo(), http::Body::json);
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    const auto reply = co_await client.ask(f.request("POST /json", "", "{\n  \"a\": x}"));
    EXPECT_EQ(reply.status, 400);
    const auto problem = reply.problem();
    EXPECT_EQ(problem.at("code"), "invalid_json");
    EXPECT_EQ(problem.at("instance"), "/json");
    EXPECT_EQ(problem.at("retryable"), false);
    EXPECT_EQ(problem.at("status"), 400);
    EXPECT_EQ(problem.at("request_id"), json::value(reply.headers.at("x-request-id")));
    EXPECT_NE(problem.at("detail").get_string().find("line 2"), std::string::npos) << reply.body;
    EXPECT_EQ((co_await client.ask(
                   f.request("POST /json", "", std::string(65, '[') + std::string(65, ']'))))
                  .status,
              400);
  });
}

TEST(Server, EchoesTracesAndDecentIdsOnly) {
  Fixture f;
  f.add(Method::get, "/", answering("hello"));
  f.run([&]() -> Story {
    const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    auto client = co_await f.connect();
    auto reply = co_await client.ask(
        f.request("GET /", "traceparent: " + trace + "\r\nX-Request-Id: my-1\r\n"));
    EXPECT_EQ(reply.headers.at("traceparent"), trace);
    EXPECT_EQ(reply.headers.at("x-request-id"), "my-1");
    reply = co_await client.ask(
        f.request("GET /", "traceparent: 00-0\r\nX-Request-Id: \"><script>\r\n"));
    EXPECT_FALSE(reply.headers.contains("traceparent"));
    EXPECT_EQ(reply.headers.at("x-request-id").find('<'), std::string::npos);
    EXPECT_TRUE(reply.headers.contains("date"));
  });
}

TEST(Server, HeadHasTheLengthWithoutTheBody) {
  Fixture f;
  f.add(Method::get, "/", answering("hello"));
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    co_await client.send(f.request("HEAD /"));
    const auto reply = co_await client.reply(false);
    EXPECT_EQ(reply.headers.at("content-length"), "5");
    EXPECT_EQ((co_await client.ask(f.request("GET /"))).body, "hello");
  });
}

TEST(Server, StopFinishesWhatRunsAndClosesTheRest) {
  Fixture f;
  asio::steady_timer gate(f.executor(), asio::steady_timer::time_point::max());
  asio::steady_timer entered(f.executor(), asio::steady_timer::time_point::max());
  f.add(Method::get, "/slow", [&](http::Request&) -> base::Task<http::Response> {
    entered.cancel();
    boost::system::error_code woken;
    co_await gate.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    co_return http::text_response("done", "text/plain");
  });
  std::string running_reply;
  std::string idle_rest = "not read";
  bool is_refused = false;
  f.run([&]() -> Story {
    auto idle = co_await f.connect();
    auto running = co_await f.connect();
    co_await running.send(f.request("GET /slow"));
    boost::system::error_code woken;
    co_await entered.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    auto rest = [&]() -> Story {
      idle_rest = co_await idle.rest();
      try {
        co_await f.connect();
      } catch (const boost::system::system_error&) {
        is_refused = true;
      }
      gate.cancel();
      running_reply = co_await running.rest();
    };
    base::Scope scope(f.executor());
    scope.spawn(rest());
    co_await f.server->stop(std::chrono::seconds(30));
    while (running_reply.empty()) co_await asio::post(f.executor(), asio::use_awaitable);
    co_await scope.join();
  });
  EXPECT_EQ(idle_rest, "");
  EXPECT_TRUE(is_refused);
  EXPECT_NE(running_reply.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(running_reply.ends_with("done")) << running_reply;
}

TEST(Server, StopCancelsWhatDoesNotEndInTime) {
  Fixture f;
  bool has_unwound = false;
  f.add(Method::get, "/never", [&](http::Request&) -> base::Task<http::Response> {
    struct Unwound {
      bool& told;
      ~Unwound() { told = true; }
    } unwound{has_unwound};
    asio::steady_timer never(f.executor(), asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
    co_return http::Response();
  });
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    co_await client.send(f.request("GET /never"));
    co_await f.server->stop(std::chrono::milliseconds(50));
    EXPECT_TRUE(has_unwound);
    EXPECT_EQ(co_await client.rest(), "");
  });
}

TEST(Server, StopServesNobodyWhoWasAcceptedAtTheLastMoment) {
  Fixture f;
  bool is_asked = false;
  f.add(Method::get, "/never", [&](http::Request&) -> base::Task<http::Response> {
    is_asked = true;
    asio::steady_timer never(f.executor(), asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
    co_return http::Response();
  });
  auto started = http::Server::start(f.executor(), f.clock, f.router, f.options);
  ASSERT_TRUE(started) << started.error().message;
  f.server = *std::move(started);
  // Who waits when the server first looks is accepted at once, and the server hears of it when the
  // loop has come round, which is after the story has begun.
  asio::ip::tcp::socket client(f.executor());
  client.connect({asio::ip::address_v4::loopback(), f.server->port()});
  asio::write(client, asio::buffer(f.request("GET /never")));
  f.run([&]() -> Story {
    co_await f.server->stop(std::chrono::seconds(0));
    EXPECT_EQ(f.server->connection_count(), 0u);
    EXPECT_FALSE(is_asked);
  });
}

TEST(Server, TakesASocketOverFromTheServiceManager) {
  Fixture f;
  asio::io_context other;
  asio::ip::tcp::acceptor acceptor(other, {asio::ip::address_v4::loopback(), 0});
  const auto port = acceptor.local_endpoint().port();
  const int descriptor = acceptor.release();
  ::fcntl(descriptor, F_SETFD, 0);  // as the manager leaves it
  f.options.inherited_fd = descriptor;
  f.add(Method::get, "/", answering("hello"));
  f.run([&]() -> Story {
    EXPECT_EQ(f.server->port(), port);
    EXPECT_EQ(f.server->url(), fmt::format("http://127.0.0.1:{}", port));
    EXPECT_EQ(::fcntl(descriptor, F_GETFD), FD_CLOEXEC) << "no program of ours has it";
    auto client = co_await f.connect();
    EXPECT_EQ((co_await client.ask(f.request("GET /"))).status, 200);
  });
}

TEST(Server, IsReachedAtItsAddressAlsoWhereItListensOnAll) {
  for (const std::string all : {"0.0.0.0:0", "127.0.0.1:0"}) {
    Fixture f;
    f.options.listen = all;
    f.add(Method::get, "/", answering("hello"));
    f.run([&]() -> Story {
      EXPECT_EQ(f.server->url(), fmt::format("http://127.0.0.1:{}", f.server->port()));
      http::Client client(f.server->url(), "");
      const auto reply = co_await client.call({.target = "/"});
      EXPECT_TRUE(reply) << reply.error().message;
      if (reply) EXPECT_EQ(reply->status, 200) << reply->body;
    });
  }
}

TEST(Server, SaysWhyItCannotListen) {
  Fixture f;
  const auto start = [&](std::string listen) {
    return http::Server::start(f.executor(), f.clock, f.router, {.listen = std::move(listen)});
  };
  asio::ip::tcp::acceptor taken(f.loop, {asio::ip::address_v4::loopback(), 0});
  const auto port = taken.local_endpoint().port();
  EXPECT_EQ(start(fmt::format("127.0.0.1:{}", port)).error().code, base::Code::unavailable);
  for (const std::string bad :
       {"", "127.0.0.1", "example.com:80", "127.0.0.1:99999", "127.0.0.1:x"}) {
    EXPECT_EQ(start(bad).error().code, base::Code::invalid) << bad;
  }
  EXPECT_EQ(http::Server::start(f.executor(), f.clock, f.router, {.inherited_fd = 0}).error().code,
            base::Code::invalid);
}

TEST(Server, SpeaksWithCurl) {
  Fixture f;
  f.add(Method::post, "/echo", echo(), http::Body::bytes);
  f.run([&]() -> Story {
    const auto done = co_await run_program(fmt::format(
        "head -c 900000 /dev/zero | tr '\\0' 'a' | curl -sS -m 20 -H 'Content-Type: "
        "application/json' "
        "-H 'Transfer-Encoding: chunked' --data-binary @- -w '%{{http_code}}' {}/echo | tail -c 10",
        f.server->url()));
    EXPECT_EQ(done.out, "aaaaaaa200");
  });
}

}  // namespace
}  // namespace http_test
