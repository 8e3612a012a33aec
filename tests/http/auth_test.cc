#include "bridge/base/limits.h"
#include "tests/http/fixture.h"
#include "tests/http/tokens.h"

#include <array>

#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>

namespace http_test {
namespace {

using http::Body;
using http::Method;

void add_scoped(Fixture& f) {
  f.router.add({.method = Method::get, .path = "/packets", .scope = "packets"},
               [](http::Request& request) -> base::Task<http::Response> {
                 co_return http::text_response(request.principal.id + " " + request.principal.agent,
                                               "text/plain");
               });
}

std::string bearer(std::string_view token) {
  return "Authorization: Bearer " + std::string(token) + "\r\n";
}

TEST(Auth, KeysAreLongRandomAndOnlyTheirHashIsKept) {
  const auto key = http::new_api_key();
  EXPECT_TRUE(key.starts_with("fwk_"));
  EXPECT_EQ(key.size(), 4u + 43u);
  EXPECT_NE(key, http::new_api_key());
  EXPECT_EQ(http::api_key_digest(key), base::sha256(key));
  EXPECT_FALSE(http::api_key_digest(key + "A"));
  EXPECT_FALSE(http::api_key_digest("fwk_"));
  EXPECT_FALSE(http::api_key_digest("xyz_" + key.substr(4)));
}

TEST(Auth, AnswersAsRfc6750Says) {
  Fixture f;
  add_scoped(f);
  const auto good = f.new_key({"messages", "packets"}, "gpt-7");
  const auto admin = f.new_key({"admin"});
  const auto narrow = f.new_key({"messages"});
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    auto reply = co_await client.ask(f.request("GET /packets"));
    EXPECT_EQ(reply.status, 401);
    EXPECT_EQ(reply.headers.at("www-authenticate"), "Bearer realm=\"flywheel\"");
    reply = co_await client.ask(f.request("GET /packets", "Authorization: Basic Zm9v\r\n"));
    EXPECT_EQ(reply.status, 401);
    EXPECT_EQ(reply.headers.at("www-authenticate"), "Bearer realm=\"flywheel\"");

    reply = co_await client.ask(f.request("GET /packets", bearer(http::new_api_key())));
    EXPECT_EQ(reply.status, 401);
    EXPECT_EQ(reply.problem().at("code"), "invalid_token");
    EXPECT_NE(reply.headers.at("www-authenticate").find("error=\"invalid_token\""),
              std::string::npos);

    reply = co_await client.ask(f.request("GET /packets", bearer(narrow)));
    EXPECT_EQ(reply.status, 403);
    EXPECT_EQ(reply.problem().at("code"), "insufficient_scope");
    EXPECT_NE(reply.headers.at("www-authenticate").find("scope=\"packets\""), std::string::npos);

    reply = co_await client.ask(f.request("GET /packets", bearer(good)));
    EXPECT_EQ(reply.body, "key:k0 gpt-7");
    EXPECT_EQ((co_await client.ask(f.request("GET /packets", bearer(admin)))).status, 200);
    reply = co_await client.ask(f.request("GET /packets", bearer(good) + bearer(good)));
    EXPECT_EQ(reply.status, 400);
  });
}

TEST(Auth, RevokedAndExpiredKeysEnd) {
  Fixture f;
  add_scoped(f);
  const auto key = f.new_key({"packets"});
  const auto short_lived = f.new_key({"packets"});
  f.keys[*http::api_key_digest(short_lived)].expires = f.clock.wall() + std::chrono::seconds(3);
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    EXPECT_EQ((co_await client.ask(f.request("GET /packets", bearer(key)))).status, 200);
    EXPECT_EQ((co_await client.ask(f.request("GET /packets", bearer(key)))).status, 200);
    EXPECT_EQ(f.key_reads, 1) << "a key is remembered for a moment";
    EXPECT_EQ((co_await client.ask(f.request("GET /packets", bearer(short_lived)))).status, 200);

    f.keys[*http::api_key_digest(key)].is_revoked = true;
    f.authenticator.forget_keys();
    EXPECT_EQ((co_await client.ask(f.request("GET /packets", bearer(key)))).status, 401);
    f.clock.advance(std::chrono::seconds(4));
    EXPECT_EQ((co_await client.ask(f.request("GET /packets", bearer(short_lived)))).status, 401);
  });
}

TEST(Auth, AKeyRevokedWhileItIsReadIsNotRemembered) {
  asio::io_context loop;
  base::SystemClock clock;
  const auto text = http::new_api_key();
  http::ApiKey key{.id = "k", .digest = *http::api_key_digest(text), .expires = std::nullopt};
  http::Authenticator* reader = nullptr;
  int reads = 0;
  http::Authenticator authenticator(
      [&](base::Sha256) -> base::Task<std::optional<http::ApiKey>> {
        auto as_it_was = key;
        if (++reads == 1) {
          key.is_revoked = true;
          reader->forget_keys();
        }
        co_return as_it_was;
      },
      std::nullopt, clock);
  reader = &authenticator;
  http::Request request;
  const std::string header = "Bearer " + text;
  request.headers.push_back({"Authorization", header});
  const auto story = [&]() -> Story {
    EXPECT_TRUE(co_await authenticator.authenticate(request));
    EXPECT_FALSE(co_await authenticator.authenticate(request));
  };
  asio::co_spawn(loop, story, [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
  loop.run();
  EXPECT_EQ(reads, 2);
}

TEST(Auth, ManyFailuresOfAnAddressAreSlowedWithoutHarmToGoodKeys) {
  Fixture f;
  add_scoped(f);
  const auto good = f.new_key({"packets"});
  f.run([&]() -> Story {
    int refused = 0;
    Reply last;
    for (std::uint32_t i = 0; i <= limits::http_auth_failures; ++i) {
      auto client = co_await f.connect();
      last = co_await client.ask(f.request("GET /packets", bearer("fwk_wrong")));
      refused += last.status == 401 ? 1 : 0;
    }
    EXPECT_EQ(refused, static_cast<int>(limits::http_auth_failures));
    EXPECT_EQ(last.status, 429);
    EXPECT_TRUE(last.headers.contains("retry-after"));
    auto client = co_await f.connect();
    EXPECT_EQ((co_await client.ask(f.request("GET /packets", bearer(good)))).status, 200);

    f.clock.advance(limits::http_auth_failures_window);
    auto later = co_await f.connect();
    EXPECT_EQ((co_await later.ask(f.request("GET /packets", bearer("fwk_wrong")))).status, 401);
  });
}

TEST(Auth, BrokenKeyStorageIsNoBadKey) {
  Fixture f;
  add_scoped(f);
  const auto good = f.new_key({"packets"});
  f.keys_are_broken = true;
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    const auto reply = co_await client.ask(f.request("GET /packets", bearer(good)));
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(reply.problem().at("retryable"), true);
  });
}

TEST(Auth, ATokenWhoseAgentCannotBeReadIsBoundToNobodyAndRefused) {
  asio::io_context loop;
  base::SystemClock clock;
  const std::string shared_secret(32, 's');
  auto verifier = http::JwtVerifier::create({{.issuer = "https://a.test",
                                              .audience = "bridge",
                                              .algorithm = "HS256",
                                              .key = shared_secret}});
  ASSERT_TRUE(verifier) << verifier.error().message;
  http::Authenticator authenticator(
      [](base::Sha256) -> base::Task<std::optional<http::ApiKey>> { co_return std::nullopt; },
      *std::move(verifier), clock);
  const auto expires =
      std::chrono::floor<std::chrono::seconds>(clock.wall() + std::chrono::minutes(1));
  using Outcome = std::expected<http::Principal, http::Response>;
  const auto with_claims = [&](std::string_view more) -> asio::awaitable<Outcome> {
    const auto claims = fmt::format(
        R"({{"iss":"https://a.test","aud":"bridge","sub":"me","scope":"packets","exp":{}{}}})",
        expires.time_since_epoch().count(), more);
    const auto authorization =
        "Bearer " + hs256_token(R"({"alg":"HS256","typ":"JWT"})", claims, shared_secret);
    http::Request request;
    request.headers.push_back({"Authorization", authorization});
    co_return co_await authenticator.authenticate(request);
  };
  const auto story = [&]() -> Story {
    const auto unbound = co_await with_claims("");
    EXPECT_TRUE(unbound && unbound->agent.empty());
    const auto bound = co_await with_claims(R"(,"agent":"critic")");
    EXPECT_TRUE(bound && bound->agent == "critic");
    for (const std::string_view unread : {R"(["critic"])", "{}", "7", "null", "true", R"("")"}) {
      const auto outcome = co_await with_claims(fmt::format(R"(,"agent":{})", unread));
      EXPECT_FALSE(outcome) << unread;
      if (outcome) continue;
      EXPECT_EQ(outcome.error().status, 401) << unread;
      EXPECT_EQ(outcome.error().problem->code, "invalid_token") << unread;
    }
  };
  asio::co_spawn(loop, story, [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
  loop.run();
}

TEST(Auth, BodiesOfStrangersAreNotRead) {
  Fixture f;
  f.router.add({.method = Method::post, .path = "/packets", .body = http::Body::json}, echo());
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    const auto reply = co_await client.ask(
        "POST /packets HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(reply.status, 401);
    EXPECT_EQ(reply.headers.at("connection"), "close");
  });
}

TEST(Auth, ABadKeyIsRefusedBeforeTheBodyAndCountsOnce) {
  Fixture f;
  f.router.add({.method = Method::post, .path = "/packets", .scope = "packets", .body = Body::json},
               echo());
  const auto narrow = f.new_key({"messages"});
  f.run([&]() -> Story {
    const std::string start =
        "POST /packets HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    const std::array<std::string, 3> framings = {
        "Content-Length: 1000000\r\n\r\n{", "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n"};
    for (const auto& framing : framings) {
      auto client = co_await f.connect();
      const auto reply = co_await client.ask(start + bearer(narrow) + framing);
      EXPECT_EQ(reply.status, 403) << framing;
      EXPECT_EQ(reply.headers.at("connection"), "close");
      EXPECT_EQ(reply.problem().at("code"), "insufficient_scope");
    }
    for (std::uint32_t i = 0; i <= limits::http_auth_failures; ++i) {
      auto client = co_await f.connect();
      const auto reply =
          co_await client.ask(start + bearer("fwk_wrong") + framings[i % framings.size()]);
      EXPECT_EQ(reply.status, i < limits::http_auth_failures ? 401 : 429) << i;
      EXPECT_EQ(reply.headers.at("connection"), "close");
      EXPECT_EQ(reply.problem().at("code"),
                i < limits::http_auth_failures ? "invalid_token" : "too_many_failures");
    }
  });
}

TEST(Auth, ABodyThatIsThereCostsABadKeyNoConnection) {
  Fixture f;
  f.router.add({.method = Method::post, .path = "/packets", .body = Body::json}, echo());
  f.run([&]() -> Story {
    auto client = co_await f.connect();
    for (int i = 0; i < 2; ++i) {
      const auto reply = co_await client.ask(f.request("POST /packets", bearer("fwk_wrong"), "{}"));
      EXPECT_EQ(reply.status, 401);
      EXPECT_FALSE(reply.headers.contains("connection"));
    }
  });
}

TEST(Auth, AKeyRevokedWhileTheBodyComesIsRefused) {
  Fixture f;
  f.router.add({.method = Method::post, .path = "/packets", .body = Body::json}, echo());
  const auto key = f.new_key({"packets"});
  f.run([&]() -> Story {
    const std::string head =
        "POST /packets HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
        bearer(key) + "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    for (const int status : {200, 401}) {
      auto client = co_await f.connect();
      co_await client.send(head);
      EXPECT_EQ(co_await client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
      if (status == 401) {
        f.keys[*http::api_key_digest(key)].is_revoked = true;
        f.authenticator.forget_keys();
      }
      EXPECT_EQ((co_await client.ask("{}")).status, status);
    }
  });
}

}  // namespace
}  // namespace http_test
