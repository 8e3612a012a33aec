#include "bridge/http/authenticator.h"

#include "bridge/base/limits.h"
#include "bridge/http/base64url.h"
#include "bridge/http/host_policy.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/crypto.h>

namespace http {

namespace asio = boost::asio;

namespace {

constexpr std::string_view key_prefix = "fwk_";
constexpr std::size_t key_bytes = 32;

// The token behind "Bearer "; nothing for other schemes or without the header.
std::optional<std::string_view> bearer_token(const Request& request) {
  const auto header = request.header("authorization");
  constexpr std::string_view scheme = "Bearer ";
  if (!header || header->size() < scheme.size()) return std::nullopt;
  if (!same_header(header->substr(0, scheme.size()), scheme)) return std::nullopt;
  return header->substr(scheme.size());
}

base::Error denied(std::string why) { return {base::Code::denied, std::move(why)}; }

}  // namespace

std::string new_api_key() {
  return std::string(key_prefix) + base64url_encoded(base::random_bytes(key_bytes));
}

std::optional<base::Sha256> api_key_digest(std::string_view key) {
  if (!key.starts_with(key_prefix)) return std::nullopt;
  const auto bytes = base64url_decoded(key.substr(key_prefix.size()));
  if (!bytes || bytes->size() != key_bytes) return std::nullopt;
  return base::sha256(key);
}

bool is_scope(std::string_view scope) {
  static constexpr std::array<std::string_view, 12> scopes = {
      "packets", "agents:read", "agents:write", "messages", "workflows", "memory",
      "events",  "actions",     "approve",      "session",  "audit",     "admin"};
  return std::ranges::find(scopes, scope) != scopes.end();
}

Authenticator::Authenticator(FindApiKey find, std::optional<JwtVerifier> jwt,
                             const base::Clock& clock)
    : find_(std::move(find)),
      jwt_(std::move(jwt)),
      clock_(clock),
      failures_({.name = "auth",
                 .quota = limits::http_auth_failures,
                 .window = limits::http_auth_failures_window},
                clock),
      sessions_(clock) {}

bool Authenticator::has_credentials(const Request& request) {
  return bearer_token(request).has_value() || dashboard_cookie(request).has_value();
}

std::optional<base::Sha256> Authenticator::key_of(const Request& request) {
  const auto token = bearer_token(request);
  return token ? api_key_digest(*token) : std::nullopt;
}

Response Authenticator::no_credentials() {
  auto response = problem_response(401, "unauthorized", "an API key or a token is needed");
  response.add("WWW-Authenticate", "Bearer realm=\"flywheel\"");
  return response;
}

Response Authenticator::insufficient_scope(std::string_view scope, std::string_view or_scope) {
  auto detail = fmt::format("this needs the scope {}, which the caller lacks", scope);
  if (!or_scope.empty()) {
    detail =
        fmt::format("this needs the scope {} or {}, and the caller has neither", scope, or_scope);
  }
  auto response = problem_response(403, "insufficient_scope", std::move(detail));
  response.add(
      "WWW-Authenticate",
      fmt::format("Bearer realm=\"flywheel\", error=\"insufficient_scope\", scope=\"{}\"", scope));
  return response;
}

asio::awaitable<std::expected<Principal, Response>> Authenticator::authenticate(
    const Request& request) {
  const auto token = bearer_token(request);
  if (!token) {
    const auto cookie = dashboard_cookie(request);
    if (!cookie) co_return std::unexpected(no_credentials());
    co_return co_await by_cookie(request, *cookie);
  }
  base::Result<Principal> principal = base::fail(base::Code::denied, "the token is no key of ours");
  if (const auto digest = api_key_digest(*token)) {
    principal = co_await by_key(*digest);
  } else if (jwt_ && !token->starts_with(key_prefix)) {
    principal = by_token(*token);
  }
  if (!principal) co_return std::unexpected(refuse(request, principal.error()));
  co_return *std::move(principal);
}

asio::awaitable<std::expected<Principal, Response>> Authenticator::by_cookie(
    const Request& request, std::string_view secret) {
  if (auto foreign = refuse_foreign_page(request)) {
    co_return std::unexpected(
        problem_response(foreign->status, std::string(foreign->code), std::move(foreign->detail)));
  }
  base::Result<Principal> principal = std::unexpected(denied("there is no such session"));
  if (const auto session = sessions_.find(secret)) principal = co_await by_key(session->key);
  if (principal) co_return *std::move(principal);
  if (principal.error().code != base::Code::denied) {
    co_return std::unexpected(error_response(principal.error()));
  }
  // Not counted as an attempt: a page that was left open asks until its person looks at it again.
  auto response = problem_response(
      401, "session_over", "the dashboard's session is over; flywheel dashboard gives a new link");
  response.add("WWW-Authenticate", "Bearer realm=\"flywheel\"");
  co_return std::unexpected(std::move(response));
}

asio::awaitable<std::expected<Authenticator::SignedIn, Response>> Authenticator::sign_in(
    const Request& request, std::string_view link) {
  if (auto foreign = refuse_foreign_page(request)) {
    co_return std::unexpected(
        problem_response(foreign->status, std::string(foreign->code), std::move(foreign->detail)));
  }
  auto made = sessions_.sign_in(link);
  if (!made) co_return std::unexpected(refuse(request, made.error()));
  auto principal = co_await by_key(made->key);
  if (!principal) {
    sessions_.sign_out(made->secret);
    co_return std::unexpected(refuse(request, principal.error()));
  }
  co_return SignedIn{*std::move(made), *std::move(principal)};
}

asio::awaitable<base::Result<Principal>> Authenticator::by_key(base::Sha256 digest) {
  const auto now = clock_.now();
  auto known = known_.find(digest);
  ApiKey key;
  if (known != known_.end() && known->second.until > now) {
    key = known->second.key;
  } else {
    const auto forgotten = forgotten_;
    CO_TRY(auto found, co_await find_(digest));
    if (!found) co_return base::fail(base::Code::denied, "the key is not known");
    // The store looked the digest up; that it found this one is checked without telling by the
    // time it takes how much of it was right.
    if (CRYPTO_memcmp(found->digest.data(), digest.data(), digest.size()) != 0) {
      co_return base::fail(base::Code::denied, "the key is not known");
    }
    key = *std::move(found);
    if (known_.size() >= limits::http_keys_remembered_max) known_.clear();
    // A key that was revoked while it was being read must not be remembered as it was.
    if (forgotten == forgotten_) {
      known_.insert_or_assign(digest, Known{key, now + limits::http_key_remembered});
    }
  }
  if (key.is_revoked) co_return std::unexpected(denied("the key has been revoked"));
  if (key.expires && *key.expires <= clock_.wall()) {
    co_return std::unexpected(denied("the key has expired"));
  }
  co_return Principal{.id = "key:" + key.id,
                      .name = std::move(key.name),
                      .agent = std::move(key.agent),
                      .agent_id = std::move(key.agent_id),
                      .scopes = std::move(key.scopes),
                      .expires = key.expires};
}

base::Result<Principal> Authenticator::by_token(std::string_view token) const {
  TRY(auto claims, jwt_->verify(token, clock_.wall()));
  Principal principal;
  principal.id = fmt::format("jwt:{}#{}", claims.issuer, claims.subject);
  principal.name = claims.subject;
  principal.expires = claims.expires;
  if (const auto* agent = claims.all.if_contains("agent")) {
    // Who is bound to nobody may do more: a claim that cannot be read must not be as good as none.
    if (!agent->is_string() || agent->get_string().empty()) {
      return std::unexpected(denied("the token's claim agent is no name of an agent"));
    }
    principal.agent = std::string(agent->get_string());
  }
  std::ranges::copy_if(claims.scopes, std::back_inserter(principal.scopes), is_scope);
  return principal;
}

void Authenticator::forget_keys() {
  known_.clear();
  ++forgotten_;
}

Response Authenticator::refuse(const Request& request, const base::Error& error) {
  if (error.code != base::Code::denied) return error_response(error);
  const auto verdict = failures_.take(request.address);
  if (!verdict.is_allowed) {
    auto response = problem_response(Problem{.status = 429,
                                             .code = "too_many_failures",
                                             .detail = "too many bad credentials from this address",
                                             .is_retryable = true,
                                             .retry_after = verdict.retry_after});
    response.closes = true;
    return response;
  }
  auto response = problem_response(401, "invalid_token", error.message);
  response.add("WWW-Authenticate",
               fmt::format("Bearer realm=\"flywheel\", error=\"invalid_token\", "
                           "error_description=\"{}\"",
                           error.message));
  return response;
}

}  // namespace http
