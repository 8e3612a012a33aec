// Who calls: API keys, JWTs and people at the dashboard.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/hash.h"
#include "bridge/base/result.h"
#include "bridge/http/dashboard_sessions.h"
#include "bridge/http/jwt.h"
#include "bridge/http/rate_limiter.h"
#include "bridge/http/request.h"
#include "bridge/http/response.h"

#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace http {

// "fwk_" and 256 random bits in base64url. Shown once, stored as its SHA-256.
std::string new_api_key();
// Nothing when the text does not have the form of a key.
std::optional<base::Sha256> api_key_digest(std::string_view key);

struct ApiKey {
  std::string id;
  std::string name;
  std::string agent;
  std::string agent_id = {};
  std::vector<std::string> scopes;
  base::Sha256 digest{};
  std::optional<base::WallTime> expires;
  bool is_revoked = false;
};

// Where keys are kept. Gives nothing for a digest that it does not know.
using FindApiKey = std::function<base::Task<std::optional<ApiKey>>(base::Sha256 digest)>;

// The scopes that a key may have (api.md).
bool is_scope(std::string_view scope);

class Authenticator {
 public:
  // The clock outlives this.
  Authenticator(FindApiKey find, std::optional<JwtVerifier> jwt, const base::Clock& clock);

  // Who sent the request, or a whole answer that refuses it: 401 with WWW-Authenticate as RFC 6750
  // says, 429 for an address that keeps presenting bad credentials, 503 when the keys cannot be
  // read. Good credentials are never refused because others at their address sent bad ones. A
  // dashboard's cookie counts only without Authorization and on requests of the dashboard's own
  // pages, else 403.
  boost::asio::awaitable<std::expected<Principal, Response>> authenticate(const Request& request);

  // 401 when there are no credentials at all; looks at nothing else, so it needs no waiting.
  static bool has_credentials(const Request& request);
  static Response no_credentials();
  // `or_scope` would have done as well; empty: none.
  static Response insufficient_scope(std::string_view scope, std::string_view or_scope = {});

  // The digest of the API key that a request came with; nothing for other credentials.
  static std::optional<base::Sha256> key_of(const Request& request);

  struct SignedIn {
    DashboardSessions::Made session;
    Principal principal;
  };
  // Turns a one-time link into a session. Refuses as `authenticate` does; the link is used up.
  boost::asio::awaitable<std::expected<SignedIn, Response>> sign_in(const Request& request,
                                                                    std::string_view link);
  DashboardSessions& sessions() { return sessions_; }

  // Keys are remembered for limits::http_key_remembered. Whoever revokes or changes one says so.
  void forget_keys();

 private:
  struct Known {
    ApiKey key;
    base::Instant until;
  };

  boost::asio::awaitable<base::Result<Principal>> by_key(base::Sha256 digest);
  boost::asio::awaitable<std::expected<Principal, Response>> by_cookie(const Request& request,
                                                                       std::string_view secret);
  base::Result<Principal> by_token(std::string_view token) const;
  Response refuse(const Request& request, const base::Error& error);

  FindApiKey find_;
  std::optional<JwtVerifier> jwt_;
  const base::Clock& clock_;
  RateLimiter failures_;
  DashboardSessions sessions_;
  std::map<base::Sha256, Known> known_;
  std::uint64_t forgotten_ = 0;  // how often
};

}  // namespace http
