#include "bridge/http/client.h"
#include "bridge/http/events.h"
#include "tests/http/certificate.h"
#include "tests/http/fixture.h"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

namespace http_test {
namespace {

using http::Method;

struct TlsFixture : Certificate, Fixture {
  TlsFixture() : Fixture({.certificate_file = file(), .key_file = key()}) {
    add(Method::get, "/", answering("hello"));
    add(Method::post, "/echo", echo(), http::Body::bytes);
  }
};

TEST(Tls, CurlAndOpensslSpeakWithTheServer) {
  TlsFixture f;
  f.run([&]() -> Story {
    const auto curl = co_await run_program(
        fmt::format("head -c 1000000 /dev/zero | tr '\\0' 'a' | curl -sS -m 20 --cacert {} "
                    "-H 'Content-Type: application/json' --data-binary @- {}/echo | wc -c",
                    f.file().string(), f.server->url()));
    EXPECT_EQ(curl.out, "1000000\n");
    const auto openssl = co_await run_program(
        fmt::format("printf 'GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: "
                    "close\\r\\n\\r\\n' | timeout 20 openssl "
                    "s_client -quiet -tls1_2 -connect 127.0.0.1:{} 2>/dev/null",
                    f.server->port()));
    EXPECT_TRUE(openssl.out.ends_with("hello")) << openssl.out;
  });
}

TEST(Tls, OldVersionsAndPlainTextAreRefused) {
  TlsFixture f;
  f.run([&]() -> Story {
    for (const std::string_view version : {"-tls1", "-tls1_1"}) {
      const auto old = co_await run_program(fmt::format(
          "timeout 20 openssl s_client {} -cipher ALL:@SECLEVEL=0 -connect 127.0.0.1:{} </dev/null "
          ">/dev/null 2>&1",
          version, f.server->port()));
      EXPECT_NE(old.status, 0);
      EXPECT_NE(old.status, 124);
    }
    auto plain = co_await f.connect();
    co_await plain.send(f.request("GET /"));
    EXPECT_EQ((co_await plain.rest()).find("HTTP/1.1 200"), std::string::npos);
    auto silent = co_await f.connect();
    while (f.server->connection_count() == 0)
      co_await asio::post(f.executor(), asio::use_awaitable);
    f.clock.advance(std::chrono::seconds(12));
    EXPECT_EQ(co_await silent.rest(), "");
  });
}

TEST(Tls, OurClientTrustsOnlyWhatItWasTold) {
  TlsFixture f;
  f.run([&]() -> Story {
    const auto url = fmt::format("https://localhost:{}", f.server->port());
    http::Client client(url, "", f.file().string());
    for (int i = 0; i < 3; ++i) {
      const auto reply = co_await client.call({.target = "/"});
      EXPECT_TRUE(reply) << reply.error().message;
      if (reply) EXPECT_EQ(reply->body, "hello");
    }
    EXPECT_EQ(f.server->connection_count(), 1u);
    http::Client stranger(url, "");
    const auto refused = co_await stranger.call({.target = "/"});
    EXPECT_EQ(refused.error().code, base::Code::unavailable);
  });
}

TEST(Tls, OurClientKnowsACertificateWhateverNameItIsFor) {
  TlsFixture f;
  f.run([&]() -> Story {
    const auto is_known = [&](std::string certificate) -> asio::awaitable<bool> {
      http::Client client(fmt::format("https://127.0.0.1:{}", f.server->port()), "", "",
                          std::move(certificate));
      co_return (co_await client.call({.target = "/"})).has_value();
    };
    const auto former = f.file().string() + ".former";
    std::filesystem::copy_file(f.file(), former);
    f.renew("DNS:bridge.example");
    f.clock.advance(limits::http_certificate_look);
    EXPECT_TRUE(co_await is_known(f.file().string()));
    EXPECT_FALSE(co_await is_known(former));
    EXPECT_FALSE(co_await is_known("/nothing"));
  });
}

TEST(Tls, ARenewedCertificateIsServedWithoutARestart) {
  TlsFixture f;
  f.run([&]() -> Story {
    const auto is_served = [&](std::filesystem::path authority) -> asio::awaitable<bool> {
      http::Client client(fmt::format("https://localhost:{}", f.server->port()), "",
                          authority.string());
      co_return (co_await client.call({.target = "/"})).has_value();
    };
    const auto former = f.file().string() + ".former";
    std::filesystem::copy_file(f.file(), former);
    // Somebody is still writing it.
    std::ofstream(f.file()) << "-----BEGIN";
    f.clock.advance(limits::http_certificate_look);
    EXPECT_TRUE(co_await is_served(former));
    f.renew();
    EXPECT_FALSE(co_await is_served(f.file()));
    f.clock.advance(limits::http_certificate_look);
    EXPECT_TRUE(co_await is_served(f.file()));
    EXPECT_FALSE(co_await is_served(former));
  });
}

TEST(Tls, BadFilesAreNamed) {
  Certificate certificate;
  Fixture f;
  const auto why = [&](std::filesystem::path file, std::filesystem::path key) {
    const auto started =
        http::Server::start(f.executor(), f.clock, f.router,
                            {.listen = "127.0.0.1:0", .certificate_file = file, .key_file = key});
    return started ? std::string() : started.error().message;
  };
  EXPECT_NE(why("/nothing", certificate.key()).find("/nothing"), std::string::npos);
  EXPECT_NE(why(certificate.file(), certificate.file()).find("private key"), std::string::npos);
  EXPECT_NE(why(certificate.file(), ""), "");
}

}  // namespace
}  // namespace http_test
