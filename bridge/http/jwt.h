// JSON Web Tokens behind a gate: the library that checks signatures sees a token only after
// everything it is known to get wrong has been ruled out.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace http {

namespace json = boost::json;

enum class JwtAlgorithm { hs256, rs256, es256, eddsa };

// As configured in bridge.auth.jwt, with the key read from its file.
struct JwtIssuer {
  std::string issuer;
  std::string audience;
  std::string algorithm;  // HS256, RS256, ES256 or EdDSA
  std::string key;        // HS256: at least 32 bytes; else a public key in PEM
  std::string kid;        // empty: the only key of its issuer, whatever `kid` a token has
  std::string scopes_claim = "scope";  // a string of words or an array of strings
};

struct JwtClaims {
  std::string issuer;
  std::string subject;
  std::vector<std::string> scopes;  // whatever words the token has
  base::WallTime expires;           // limits::jwt_leeway after its `exp`
  json::object all;
};

// One element of bridge.auth.jwt, whose shape the configuration's schema has checked: reads its
// key_file. invalid: the file cannot be read, exceeds limits::http_key_file_bytes_max, or holds a
// secret (HS256) that others than its owner may read.
base::Result<JwtIssuer> load_jwt_issuer(const json::object& configuration);

// RFC 8725. A token names its issuer, and only that issuer's keys are tried, each with its own
// algorithm only.
class JwtVerifier {
 public:
  // invalid: an unknown algorithm, a key of another kind or too weak, or two keys that a token
  // cannot tell apart.
  static base::Result<JwtVerifier> create(std::vector<JwtIssuer> issuers);
  JwtVerifier(JwtVerifier&&) noexcept;
  JwtVerifier& operator=(JwtVerifier&&) noexcept;
  ~JwtVerifier();

  // denied with why in the message, which never quotes the token.
  base::Result<JwtClaims> verify(std::string_view token, base::WallTime now) const;

 private:
  struct Key;
  explicit JwtVerifier(std::vector<Key> keys);

  base::Result<const Key*> key_of(const json::object& header, const json::object& claims) const;

  std::vector<Key> keys_;
};

}  // namespace http
