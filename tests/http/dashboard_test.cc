// The dashboard's files, and who may sign in to it.
#include "bridge/http/dashboard_limits.h"
#include "tests/http/api_fixture.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using Headers = std::vector<std::pair<std::string, std::string>>;

const std::string folder = std::string(SOURCE_DIR) + "/bridge/http/dashboard";
const std::string session_path = "/api/dashboard/session";

// What the dashboard's own script sends along.
Headers of_page(const std::string& cookie = "") {
  Headers headers{{"X-Flywheel-Dashboard", "1"}, {"Sec-Fetch-Site", "same-origin"}};
  if (!cookie.empty()) headers.emplace_back("Cookie", cookie);
  return headers;
}

// The token of a new link.
asio::awaitable<std::string> new_link(ApiFixture& f, std::string key = "") {
  const auto made = co_await f.call_as(key.empty() ? f.admin : key, "POST", "/api/dashboard/links");
  EXPECT_EQ(made.status, 201) << made.body;
  const auto url = text(made.json(), "url");
  const auto start = f.server->url() + "/dashboard/sign-in#";
  EXPECT_TRUE(url.starts_with(start)) << url;
  EXPECT_EQ(url.size(), start.size() + 43) << "256 bits in base64url";
  co_return url.substr(std::min(start.size(), url.size()));
}

asio::awaitable<http::ClientReply> use(ApiFixture& f, std::string token) {
  co_return co_await f.call_as("", "POST", session_path,
                               {.body = json::object{{"token", token}}, .headers = of_page()});
}

// A signed-in page's cookie.
asio::awaitable<std::string> sign_in(ApiFixture& f, std::string key = "") {
  const auto reply = co_await use(f, co_await new_link(f, std::move(key)));
  EXPECT_EQ(reply.status, 201) << reply.body;
  const std::string set(reply.header("set-cookie").value_or(""));
  co_return set.substr(0, set.find(';'));
}

asio::awaitable<int> status_of(ApiFixture& f, std::string method, std::string path,
                               Headers headers) {
  std::optional<json::value> body;
  if (method == "POST") body = json::object();
  const auto reply = co_await f.call_as("", std::move(method), std::move(path),
                                        {.body = std::move(body), .headers = std::move(headers)});
  co_return reply.status;
}

TEST(Dashboard, EveryFileIsServedUnderAStrictPolicy) {
  ApiFixture f;
  f.run([&]() -> Story {
    std::vector<std::string> paths{"/", "/dashboard/sign-in"};
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      const auto path = std::filesystem::relative(entry.path(), folder).string();
      if (path.ends_with(".js") || path.ends_with(".css") || path.ends_with(".svg")) {
        paths.push_back("/dashboard/" + path);
      }
    }
    EXPECT_GT(paths.size(), 10u);
    for (const auto& path : paths) {
      const auto reply = co_await f.call_as("", "GET", path);
      EXPECT_EQ(reply.status, 200) << path;
      const std::string policy(reply.header("content-security-policy").value_or(""));
      for (const auto* part :
           {"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
            "img-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'",
            "require-trusted-types-for 'script'"}) {
        EXPECT_THAT(policy, HasSubstr(part)) << path;
      }
      EXPECT_THAT(policy, Not(HasSubstr("unsafe"))) << path;
      EXPECT_EQ(reply.header("x-content-type-options"), "nosniff");
      EXPECT_EQ(reply.header("referrer-policy"), "no-referrer");
      EXPECT_EQ(reply.header("cross-origin-opener-policy"), "same-origin");
      EXPECT_EQ(reply.header("cache-control"), "no-cache");

      const std::string tag(reply.header("etag").value_or(""));
      EXPECT_TRUE(tag.starts_with('"')) << path;
      const auto again = co_await f.call_as("", "GET", path, {.headers = {{"If-None-Match", tag}}});
      EXPECT_EQ(again.status, 304) << path;
    }
    EXPECT_EQ(co_await status_of(f, "GET", "/dashboard/../api.js", {}), 400);
    EXPECT_EQ(co_await status_of(f, "GET", "/dashboard/none.js", {}), 404);
  });
}

// What others wrote becomes text nodes, never markup: the words that could do otherwise are not
// there.
TEST(Dashboard, NoScriptTurnsTextIntoMarkupOrCode) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const auto path = entry.path().string();
    const bool is_page = path.ends_with(".html");
    if (!is_page && !path.ends_with(".js")) continue;
    ++files;
    std::ifstream in(entry.path());
    const std::string source{std::istreambuf_iterator<char>(in), {}};
    for (const auto* word : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                             "eval(", "Function(", "DOMParser", "setHTML", "srcdoc",
                             "createContextualFragment", "localStorage", "javascript:"}) {
      EXPECT_THAT(source, Not(HasSubstr(word))) << path;
    }
    if (!is_page) continue;
    EXPECT_THAT(source,
                AllOf(Not(HasSubstr(" style=")), Not(HasSubstr(" onclick=")),
                      Not(HasSubstr("<style")), Not(HasSubstr("http:")), Not(HasSubstr("https:"))));
  }
  EXPECT_GT(files, 10u);
}

TEST(Dashboard, ALinkSignsInOnceAndTheCookieIsOutOfReachOfScripts) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto token = co_await new_link(f);
    const auto first = co_await use(f, token);
    EXPECT_EQ(first.status, 201) << first.body;
    const std::string set(first.header("set-cookie").value_or(""));
    EXPECT_TRUE(set.starts_with(fmt::format("flywheel_session_{}=", f.server->port()))) << set;
    EXPECT_THAT(
        set, AllOf(HasSubstr("; HttpOnly"), HasSubstr("; SameSite=Strict"), HasSubstr("; Path=/"),
                   HasSubstr("; Max-Age=43200"), Not(HasSubstr("Secure"))));
    EXPECT_THAT(first.body, Not(HasSubstr(set.substr(set.find('=') + 1, 43))));
    EXPECT_EQ(first.json().at("name"), "root");

    const auto second = co_await use(f, token);
    EXPECT_EQ(second.status, 401) << second.body;
    EXPECT_FALSE(second.header("set-cookie"));

    const auto cookie = set.substr(0, set.find(';'));
    const auto mine = co_await f.call_as("", "GET", session_path, {.headers = of_page(cookie)});
    EXPECT_EQ(mine.status, 200) << mine.body;
    EXPECT_EQ(mine.json().at("scopes").as_array().size(), 1u);
    EXPECT_EQ(co_await status_of(f, "GET", "/api/queue", of_page(cookie)), 200);
    EXPECT_EQ(co_await status_of(f, "GET", "/api/queue", {{"Cookie", "a=b; " + cookie + "; c=d"}}),
              200);
    const auto audit = co_await f.call("GET", "/api/audit?type=dashboard.");
    EXPECT_EQ(audit.json().at("items").as_array().size(), 2u);
    EXPECT_THAT(audit.body, Not(HasSubstr(token)));
  });
}

TEST(Dashboard, ALinkIsGivenOnlyToAKeyOfAnAdministratorAndEndsSoon) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto narrow = co_await f.key("reader", {"packets"});
    EXPECT_EQ((co_await f.call_as(narrow, "POST", "/api/dashboard/links")).status, 403);
    EXPECT_EQ((co_await f.call_as("", "POST", "/api/dashboard/links")).status, 401);
    const auto cookie = co_await sign_in(f);
    EXPECT_EQ(co_await status_of(f, "POST", "/api/dashboard/links", of_page(cookie)), 403)
        << "a session makes no further sessions";

    const auto token = co_await new_link(f);
    f.clock.advance(limits::dashboard_link_life);
    EXPECT_EQ((co_await use(f, token)).status, 401);
    EXPECT_EQ((co_await use(f, "x")).status, 401);
    EXPECT_EQ((co_await use(f, "")).status, 422);
  });
}

TEST(Dashboard, ASessionEndsWithItsTimeItsKeyAndItsPerson) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto key = co_await f.key("operator", {"admin"});
    const auto of_key = co_await sign_in(f, key);
    const auto keys = co_await f.keys->list("", 10);
    EXPECT_TRUE(co_await f.keys->revoke(keys->keys.front().id, "test"));
    f.authenticator->forget_keys();
    const auto gone = co_await f.call_as("", "GET", "/api/queue", {.headers = of_page(of_key)});
    EXPECT_EQ(gone.status, 401);
    EXPECT_EQ(gone.json().at("code"), "session_over");

    const auto left = co_await sign_in(f);
    const auto out = co_await f.call_as("", "DELETE", session_path, {.headers = of_page(left)});
    EXPECT_EQ(out.status, 204);
    EXPECT_THAT(std::string(out.header("set-cookie").value_or("")), HasSubstr("=; Max-Age=0"));
    EXPECT_EQ(co_await status_of(f, "GET", "/api/queue", of_page(left)), 401);

    const auto old = co_await sign_in(f);
    f.clock.advance(limits::dashboard_session_life);
    EXPECT_EQ(co_await status_of(f, "GET", "/api/queue", of_page(old)), 401);
  });
}

TEST(Dashboard, OnlyItsOwnPagesMayUseTheCookie) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto cookie = co_await sign_in(f);
    const auto with = [&](Headers more) {
      more.emplace_back("Cookie", cookie);
      return more;
    };
    const std::string pause = "/api/queue/pause";
    const auto own = f.server->url();
    EXPECT_EQ(co_await status_of(f, "POST", pause,
                                 with({{"X-Flywheel-Dashboard", "1"}, {"Origin", own}})),
              200);
    EXPECT_EQ(co_await status_of(f, "POST", pause, with({{"Origin", own}})), 403)
        << "a form could have sent this";
    EXPECT_EQ(co_await status_of(f, "POST", pause, with({{"X-Flywheel-Dashboard", "0"}})), 403);
    EXPECT_EQ(co_await status_of(f, "DELETE", session_path, with({})), 403);
    for (const auto* site : {"same-site", "cross-site"}) {
      EXPECT_EQ(co_await status_of(f, "GET", "/api/queue", with({{"Sec-Fetch-Site", site}})), 403);
    }
    EXPECT_EQ(co_await status_of(f, "GET", "/api/queue", with({{"Sec-Fetch-Site", "none"}})), 200);
    EXPECT_EQ(co_await status_of(f, "GET", "/api/queue", with({{"Origin", "http://localhost:1"}})),
              403);

    // Signing somebody in to a stranger's session is a change, too.
    const auto token = co_await new_link(f);
    const auto reply =
        co_await f.call_as("", "POST", session_path, {.body = json::object{{"token", token}}});
    EXPECT_EQ(reply.status, 403);
    EXPECT_EQ((co_await use(f, token)).status, 201) << "the link was not used up";
  });
}

}  // namespace
}  // namespace http_test
