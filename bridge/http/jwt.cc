#include "bridge/http/jwt.h"

#include "bridge/base/json.h"
#include "bridge/base/limits.h"
#include "bridge/http/base64url.h"
#include "bridge/http/jwt_signature.h"
#include "bridge/http/request.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include <fmt/format.h>
#include <sys/stat.h>

namespace http {
namespace {

constexpr std::size_t name_bytes_max = 256;
constexpr double time_max = 253402300799;  // the end of the year 9999

std::unexpected<base::Error> refuse(std::string why) {
  return base::fail(base::Code::denied, "the token " + std::move(why));
}

std::optional<JwtAlgorithm> algorithm_of(std::string_view name) {
  if (name == "HS256") return JwtAlgorithm::hs256;
  if (name == "RS256") return JwtAlgorithm::rs256;
  if (name == "ES256") return JwtAlgorithm::es256;
  if (name == "EdDSA") return JwtAlgorithm::eddsa;
  return std::nullopt;
}

// The three parts of a compact JWS, in base64url and decoded.
struct Parts {
  std::string_view message;    // header.claims, which is what is signed
  std::string_view signature;  // in base64url
  std::string header, claims, signature_bytes;
};

base::Result<Parts> split(std::string_view token) {
  if (token.size() > limits::jwt_bytes_max) return refuse("is too long");
  const auto first = token.find('.');
  const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos) return refuse("has not three parts");
  Parts parts;
  parts.message = token.substr(0, second);
  parts.signature = token.substr(second + 1);
  auto header = base64url_decoded(token.substr(0, first));
  auto claims = base64url_decoded(token.substr(first + 1, second - first - 1));
  auto signature = base64url_decoded(parts.signature);
  if (!header || !claims || !signature) return refuse("is no canonical base64url in three parts");
  if (header->empty() || claims->empty() || signature->empty()) return refuse("has an empty part");
  parts.header = *std::move(header);
  parts.claims = *std::move(claims);
  parts.signature_bytes = *std::move(signature);
  return parts;
}

base::Result<json::object> parse_object(std::string_view text, std::string_view which) {
  auto parsed = base::parse_json(text, limits::jwt_depth_max);
  if (!parsed || !parsed->is_object() || text.starts_with("\xEF\xBB\xBF")) {
    return refuse(fmt::format("has a {} that is no proper JSON object", which));
  }
  return std::move(parsed->get_object());
}

// A text of some length, or nothing when it is missing or something else.
std::optional<std::string_view> text_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  const std::string_view text(value->get_string().data(), value->get_string().size());
  if (text.empty() || text.size() > name_bytes_max) return std::nullopt;
  return text;
}

base::Result<> check_header(const json::object& header) {
  // What may not be ignored, names keys of its own, or makes the token something else.
  for (const std::string_view name :
       {"crit", "b64", "jwk", "jku", "x5u", "x5c", "cty", "enc", "zip"}) {
    if (header.contains(name)) return refuse(fmt::format("has the header {}", name));
  }
  if (!text_of(header, "alg")) return refuse("names no algorithm");
  if (header.contains("kid") && !text_of(header, "kid")) return refuse("has a kid that is no name");
  if (header.contains("typ")) {
    const auto type = text_of(header, "typ");
    if (!type || (!same_header(*type, "JWT") && !same_header(*type, "at+jwt"))) {
      return refuse("is of another type than JWT");
    }
  }
  return {};
}

// NumericDate; nothing when the claim is missing.
base::Result<std::optional<double>> time_claim(const json::object& claims, std::string_view name) {
  const auto* value = claims.if_contains(name);
  if (value == nullptr) return std::nullopt;
  const double time = value->is_int64()    ? static_cast<double>(value->get_int64())
                      : value->is_uint64() ? static_cast<double>(value->get_uint64())
                      : value->is_double() ? value->get_double()
                                           : -1.0;
  if (!(time >= 0 && time <= time_max))
    return refuse(fmt::format("has an {} that is no time", name));
  return time;
}

// When the token will be refused; far times are cut to what the calendar of this machine can hold.
base::Result<base::WallTime> check_times(const json::object& claims, base::WallTime now) {
  const double seconds = std::chrono::duration<double>(now.time_since_epoch()).count();
  const double leeway = std::chrono::duration<double>(limits::jwt_leeway).count();
  TRY(const auto expires, time_claim(claims, "exp"));
  TRY(const auto begins, time_claim(claims, "nbf"));
  TRY(const auto issued, time_claim(claims, "iat"));
  if (!expires) return refuse("does not say when it expires");
  if (*expires + leeway <= seconds) return refuse("has expired");
  if (begins && *begins - leeway > seconds) return refuse("is not valid yet");
  if (issued && *issued - leeway > seconds) return refuse("was issued in the future");
  constexpr std::chrono::duration<double> horizon = std::chrono::years(10);
  const std::chrono::duration<double> left(*expires + leeway - seconds);
  return now + std::chrono::duration_cast<base::WallTime::duration>(std::min(left, horizon));
}

bool is_for(const json::object& claims, std::string_view audience) {
  const auto* value = claims.if_contains("aud");
  if (value == nullptr) return false;
  if (value->is_string()) return value->get_string() == audience;
  if (!value->is_array()) return false;
  return std::ranges::any_of(value->get_array(), [&](const json::value& item) {
    return item.is_string() && item.get_string() == audience;
  });
}

base::Result<std::vector<std::string>> scopes_of(const json::object& claims,
                                                 std::string_view name) {
  std::vector<std::string> scopes;
  const auto* value = claims.if_contains(name);
  if (value == nullptr) return scopes;
  if (value->is_string()) {
    std::string_view rest(value->get_string().data(), value->get_string().size());
    while (!rest.empty()) {
      const auto word = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(word.size() + 1, rest.size()));
      if (!word.empty()) scopes.emplace_back(word);
    }
    return scopes;
  }
  if (!value->is_array()) return refuse("has scopes that are no words");
  for (const auto& item : value->get_array()) {
    if (!item.is_string()) return refuse("has scopes that are no words");
    scopes.emplace_back(item.get_string());
  }
  return scopes;
}

}  // namespace

struct JwtVerifier::Key {
  JwtIssuer issuer;
  JwtKey key;
};

JwtVerifier::JwtVerifier(std::vector<Key> keys) : keys_(std::move(keys)) {}
JwtVerifier::JwtVerifier(JwtVerifier&&) noexcept = default;
JwtVerifier& JwtVerifier::operator=(JwtVerifier&&) noexcept = default;
JwtVerifier::~JwtVerifier() = default;

base::Result<JwtVerifier> JwtVerifier::create(std::vector<JwtIssuer> issuers) {
  std::vector<Key> keys;
  for (auto& issuer : issuers) {
    const auto algorithm = algorithm_of(issuer.algorithm);
    if (!algorithm || issuer.issuer.empty() || issuer.audience.empty()) {
      return base::fail(base::Code::invalid,
                        "set up JWT: an issuer needs a name, an audience and one of the algorithms "
                        "HS256, RS256, ES256 and EdDSA");
    }
    for (const auto& other : keys) {
      if (other.issuer.issuer != issuer.issuer) continue;
      if (issuer.kid.empty() || other.issuer.kid.empty() || other.issuer.kid == issuer.kid) {
        return base::fail(base::Code::invalid,
                          fmt::format("set up JWT: two keys of {} need two kids", issuer.issuer));
      }
    }
    TRY(auto key, JwtKey::create(*algorithm, std::move(issuer.key)));
    issuer.key.clear();
    keys.push_back({std::move(issuer), std::move(key)});
  }
  return JwtVerifier(std::move(keys));
}

base::Result<const JwtVerifier::Key*> JwtVerifier::key_of(const json::object& header,
                                                          const json::object& claims) const {
  const auto issuer = text_of(claims, "iss");
  if (!issuer) return refuse("names no issuer");
  const auto kid = text_of(header, "kid");
  for (const auto& key : keys_) {
    if (key.issuer.issuer != *issuer) continue;
    if (!key.issuer.kid.empty() && key.issuer.kid != kid) continue;
    if (key.issuer.algorithm != *text_of(header, "alg")) {
      return refuse("uses another algorithm than its issuer's key");
    }
    return &key;
  }
  return refuse("is by no issuer that is known here");
}

base::Result<JwtClaims> JwtVerifier::verify(std::string_view token, base::WallTime now) const {
  TRY(const auto parts, split(token));
  TRY(const auto header, parse_object(parts.header, "header"));
  TRY_OK(check_header(header));
  TRY(auto claims, parse_object(parts.claims, "body"));
  TRY(const Key* key, key_of(header, claims));
  if (!key->key.accepts(parts.message, parts.signature, parts.signature_bytes)) {
    return refuse("has a wrong signature");
  }
  if (!is_for(claims, key->issuer.audience)) return refuse("is for another audience");
  TRY(const auto expires, check_times(claims, now));
  const auto subject = text_of(claims, "sub");
  if (!subject) return refuse("names no subject");
  TRY(auto scopes, scopes_of(claims, key->issuer.scopes_claim));
  return JwtClaims{key->issuer.issuer, std::string(*subject), std::move(scopes), expires,
                   std::move(claims)};
}

base::Result<JwtIssuer> load_jwt_issuer(const json::object& configuration) {
  const auto text = [&](std::string_view name, std::string_view otherwise) {
    const auto* value = configuration.if_contains(name);
    return std::string(
        value != nullptr && value->is_string() ? std::string_view(value->get_string()) : otherwise);
  };
  JwtIssuer issuer{.issuer = text("issuer", ""),
                   .audience = text("audience", ""),
                   .algorithm = text("algorithm", ""),
                   .kid = text("kid", ""),
                   .scopes_claim = text("scopes_claim", "scope")};
  const std::string file = text("key_file", "");
  const auto failed = [&](std::string_view why) {
    return base::fail(base::Code::invalid, fmt::format("read the JWT key {}: {}", file, why));
  };
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return failed("no such file");
  if (issuer.algorithm == "HS256" && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return failed("a secret must be readable by its owner only (chmod 600)");
  }
  if (static_cast<std::size_t>(status.st_size) > limits::http_key_file_bytes_max) {
    return failed("too large");
  }
  std::ifstream in(file, std::ios::binary);
  issuer.key.assign(std::istreambuf_iterator<char>(in), {});
  if (in.bad() || issuer.key.empty()) return failed("unreadable or empty");
  // Editors end a file with a line end, which is no part of a secret.
  if (issuer.algorithm == "HS256" && issuer.key.ends_with('\n')) issuer.key.pop_back();
  return issuer;
}

}  // namespace http
