// A token is hostile: any bytes are judged without harm, and what the gate lets through is what it
// promises, even from an issuer who signs anything.
#include "bridge/base/hash.h"
#include "bridge/base/json.h"
#include "bridge/base/result.h"
#include "bridge/http/base64url.h"
#include "bridge/http/jwt.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

constexpr std::string_view secret = "0123456789abcdef0123456789abcdef";
constexpr std::string_view p256_key =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnWc0/XIVwavzYW03peAaWdfkZ9R+\n"
    "NswPBVuT621a3+Lm8/v6+IQxO/rlNNvcivCTrU0YT0gjICvrlqBHxcwHMA==\n"
    "-----END PUBLIC KEY-----\n";
constexpr std::int64_t now = 1'800'000'000;

const http::JwtVerifier& verifier() {
  static const auto made = http::JwtVerifier::create({
      {.issuer = "a", .audience = "bridge", .algorithm = "HS256", .key = std::string(secret)},
      {.issuer = "b", .audience = "bridge", .algorithm = "ES256", .key = std::string(p256_key)},
  });
  BRIDGE_ASSERT(made.has_value());
  return *made;
}

void judge(std::string_view token) {
  const auto claims = verifier().verify(token, base::WallTime(std::chrono::seconds(now)));
  if (!claims) {
    BRIDGE_ASSERT(claims.error().code == base::Code::denied);
    return;
  }
  const auto body_start = token.find('.') + 1;
  const auto header = base::parse_json(*http::base64url_decoded(token.substr(0, body_start - 1)));
  BRIDGE_ASSERT(header->at("alg").get_string() == "HS256");
  BRIDGE_ASSERT(!header->get_object().contains("crit"));
  BRIDGE_ASSERT(claims->issuer == "a" && claims->all.at("iss").get_string() == "a");
  BRIDGE_ASSERT(!claims->subject.empty() && claims->all.at("sub").get_string() == claims->subject);
  BRIDGE_ASSERT(claims->all.at("exp").to_number<double>() + 30 > static_cast<double>(now));
  BRIDGE_ASSERT(claims->all.contains("aud"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  judge(text);
  // The same bytes as header and claims, one line each, signed properly.
  const auto line = std::min(text.find('\n'), text.size());
  const auto message = http::base64url_encoded(text.substr(0, line)) + "." +
                       http::base64url_encoded(text.substr(std::min(line + 1, text.size())));
  const auto mac = base::hmac_sha256(secret, message);
  judge(message + "." +
        http::base64url_encoded({reinterpret_cast<const char*>(mac.data()), mac.size()}));
  return 0;
}
