#include "bridge/http/jwt.h"

#include "bridge/http/base64url.h"
#include "tests/http/fixture.h"
#include "tests/http/tokens.h"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

namespace http_test {
namespace {

using http::JwtIssuer;
using http::JwtVerifier;

constexpr std::int64_t now = 1'800'000'000;
const std::string secret = "0123456789abcdef0123456789abcdef";

base::WallTime at(std::int64_t seconds) { return base::WallTime(std::chrono::seconds(seconds)); }

std::string claims_with(std::string_view more, std::string_view issuer = "https://a.test") {
  return fmt::format(R"({{"iss":"{}","aud":"bridge","sub":"me","exp":{}{}{}}})", issuer, now + 60,
                     more.empty() ? "" : ",", more);
}

JwtVerifier verifier_of(std::vector<JwtIssuer> issuers) {
  auto made = JwtVerifier::create(std::move(issuers));
  EXPECT_TRUE(made) << made.error().message;
  return *std::move(made);
}

JwtIssuer shared(std::string issuer = "https://a.test") {
  return {.issuer = std::move(issuer), .audience = "bridge", .algorithm = "HS256", .key = secret};
}

// Why a token is refused; empty when it is accepted.
std::string refusal(const JwtVerifier& verifier, std::string_view token, std::int64_t when = now) {
  const auto verified = verifier.verify(token, at(when));
  return verified ? "" : verified.error().message;
}

const std::string header = R"({"alg":"HS256","typ":"JWT"})";

TEST(Jwt, EveryAlgorithmAcceptsItsOwnSignatures) {
  const auto rsa = rsa_key(2048);
  const auto ec = ec_key("P-256");
  const auto ed = ed25519_key();
  const auto verifier = verifier_of(
      {shared(),
       {.issuer = "rsa", .audience = "bridge", .algorithm = "RS256", .key = rsa.public_pem},
       {.issuer = "ec", .audience = "bridge", .algorithm = "ES256", .key = ec.public_pem},
       {.issuer = "ed", .audience = "bridge", .algorithm = "EdDSA", .key = ed.public_pem}});
  const auto token = [](std::string_view algorithm, std::string_view issuer, auto sign) {
    const auto text = message(fmt::format(R"({{"alg":"{}"}})", algorithm),
                              claims_with(R"("scope":"packets messages")", issuer));
    return text + "." + http::base64url_encoded(sign(text));
  };
  for (const auto& good :
       {hs256_token(header, claims_with(R"("scope":"packets messages")"), secret),
        token("RS256", "rsa", [&](auto text) { return rs256(text, rsa); }),
        token("ES256", "ec", [&](auto text) { return es256(text, ec); }),
        token("EdDSA", "ed", [&](auto text) { return eddsa(text, ed); })}) {
    const auto claims = verifier.verify(good, at(now));
    ASSERT_TRUE(claims) << claims.error().message;
    EXPECT_EQ(claims->subject, "me");
    EXPECT_EQ(claims->scopes, (std::vector<std::string>{"packets", "messages"}));
    // Each bit of a signature counts.
    auto signature = *http::base64url_decoded(good.substr(good.rfind('.') + 1));
    signature.back() = static_cast<char>(signature.back() ^ 1);
    const auto bad = good.substr(0, good.rfind('.') + 1) + http::base64url_encoded(signature);
    EXPECT_EQ(refusal(verifier, bad), "the token has a wrong signature");
  }
}

TEST(Jwt, NoneIsNoAlgorithm) {
  const auto verifier = verifier_of({shared()});
  for (const std::string_view name :
       {"none", "None", "NONE", "nOnE", "", "hs256", "HS384", "HS256 ", "XX"}) {
    const auto text = message(fmt::format(R"({{"alg":"{}"}})", name), claims_with(""));
    EXPECT_NE(refusal(verifier, text + "."), "") << name;
    EXPECT_NE(refusal(verifier, text + "." + http::base64url_encoded(hs256(text, secret))), "")
        << name;
    EXPECT_NE(refusal(verifier, text), "") << name;
  }
  for (const std::string_view bad :
       {R"({})", R"({"alg":null})", R"({"alg":1})", R"({"alg":["HS256"]})",
        R"({"alg":"HS256","alg":"none"})", R"({"ALG":"HS256"})"}) {
    EXPECT_NE(refusal(verifier, hs256_token(bad, claims_with(""), secret)), "") << bad;
  }
}

TEST(Jwt, APublicKeyIsNeverASecret) {
  const auto rsa = rsa_key(2048);
  const auto verifier = verifier_of({{.issuer = "https://a.test",
                                      .audience = "bridge",
                                      .algorithm = "RS256",
                                      .key = rsa.public_pem}});
  EXPECT_EQ(refusal(verifier, hs256_token(header, claims_with(""), rsa.public_pem)),
            "the token uses another algorithm than its issuer's key");
  const auto as_rs256 = message(R"({"alg":"RS256"})", claims_with(""));
  EXPECT_EQ(
      refusal(verifier, as_rs256 + "." + http::base64url_encoded(hs256(as_rs256, rsa.public_pem))),
      "the token has a wrong signature");
  auto confused = shared();
  confused.key = rsa.public_pem;
  EXPECT_FALSE(JwtVerifier::create({confused}));
}

TEST(Jwt, KeysOfOtherKindsOrTooWeakAreRefusedAtTheStart) {
  const auto create = [](std::string algorithm, std::string key) {
    return JwtVerifier::create({{.issuer = "i",
                                 .audience = "a",
                                 .algorithm = std::move(algorithm),
                                 .key = std::move(key)}})
        .has_value();
  };
  EXPECT_FALSE(create("HS256", secret.substr(1)));
  EXPECT_FALSE(create("RS256", rsa_key(1024).public_pem));
  EXPECT_FALSE(create("RS256", ec_key("P-256").public_pem));
  EXPECT_FALSE(create("ES256", ec_key("P-384").public_pem));
  EXPECT_FALSE(create("ES256", ec_key("secp256k1").public_pem));
  EXPECT_FALSE(create("ES256", ed25519_key().public_pem));
  EXPECT_FALSE(create("EdDSA", ec_key("P-256").public_pem));
  EXPECT_FALSE(create("RS256", "no key"));
  EXPECT_FALSE(create("none", secret));
  EXPECT_FALSE(create("HS512", secret + secret));
  EXPECT_TRUE(create("ES256", ec_key("P-256").public_pem));
}

TEST(Jwt, SignaturesOfOtherCurvesAreRefused) {
  const auto ec = ec_key("P-256");
  const auto other = ec_key("secp256k1");
  const auto verifier = verifier_of({{.issuer = "https://a.test",
                                      .audience = "bridge",
                                      .algorithm = "ES256",
                                      .key = ec.public_pem}});
  const auto text = message(R"({"alg":"ES256"})", claims_with(""));
  EXPECT_EQ(refusal(verifier, text + "." + http::base64url_encoded(es256(text, other))),
            "the token has a wrong signature");
  // CVE-2022-21449: the signature of zeros.
  EXPECT_NE(refusal(verifier, text + "." + http::base64url_encoded(std::string(64, '\0'))), "");
  EXPECT_NE(refusal(verifier, text + "." + http::base64url_encoded(std::string(96, '\1'))), "");
}

TEST(Jwt, HeadersThatChangeTheMeaningAreRefused) {
  const auto verifier = verifier_of({shared()});
  for (const std::string_view more :
       {R"("crit":["exp"])", R"("crit":[])", R"("b64":false)", R"("jku":"https://evil.test")",
        R"("jwk":{"kty":"oct"})", R"("x5u":"https://evil.test")", R"("x5c":[])", R"("cty":"JWT")",
        R"("zip":"DEF")", R"("enc":"A128GCM")", R"("typ":"JWE")", R"("typ":1)", R"("kid":1)",
        R"("kid":"")", R"("typ":"dpop+jwt")"}) {
    const auto odd = fmt::format(R"({{"alg":"HS256",{}}})", more);
    EXPECT_NE(refusal(verifier, hs256_token(odd, claims_with(""), secret)), "") << more;
  }
  EXPECT_EQ(
      refusal(verifier, hs256_token(R"({"alg":"HS256","typ":"at+jwt"})", claims_with(""), secret)),
      "");
}

TEST(Jwt, KidChoosesAmongTheKeysOfOneIssuerOnly) {
  auto first = shared();
  auto second = shared();
  auto foreign = shared("https://b.test");
  first.kid = "1";
  second.kid = "2";
  second.key = "another secret of more than 32 bytes";
  foreign.key = "a secret of somebody else entirely....";
  const auto verifier = verifier_of({first, second, foreign});
  const auto token = [](std::string_view kid, std::string_view key,
                        std::string_view issuer = "https://a.test") {
    return hs256_token(fmt::format(R"({{"alg":"HS256","kid":"{}"}})", kid), claims_with("", issuer),
                       key);
  };
  EXPECT_EQ(refusal(verifier, token("1", secret)), "");
  EXPECT_EQ(refusal(verifier, token("2", second.key)), "");
  EXPECT_NE(refusal(verifier, token("2", secret)), "");
  EXPECT_NE(refusal(verifier, token("1", second.key)), "");
  for (const std::string_view kid :
       {"3", "../../etc/passwd", "1' OR '1'='1", "/dev/null", "1\\u0000"}) {
    EXPECT_NE(refusal(verifier, token(kid, secret)), "") << kid;
    EXPECT_NE(refusal(verifier, token(kid, "")), "") << kid;
  }
  EXPECT_NE(refusal(verifier, hs256_token(header, claims_with(""), secret)), "") << "no kid";
  // One issuer's key says nothing for another issuer.
  EXPECT_NE(refusal(verifier, token("1", secret, "https://b.test")), "");
  EXPECT_NE(refusal(verifier, token("1", foreign.key)), "");
  EXPECT_NE(refusal(verifier, token("1", secret, "https://c.test")), "");
  second.kid = "1";
  EXPECT_FALSE(JwtVerifier::create({first, second}));
  second.kid = "";
  EXPECT_FALSE(JwtVerifier::create({first, second}));
}

TEST(Jwt, ClaimsAreRequiredAndOfTheirTypes) {
  const auto verifier = verifier_of({shared()});
  const auto why = [&](std::string_view claims) {
    return refusal(verifier, hs256_token(header, claims, secret));
  };
  const std::string exp = fmt::format("\"exp\":{}", now + 60);
  for (const std::string& bad : std::vector<std::string>{
           R"({"iss":"https://a.test","aud":"bridge","sub":"me"})",
           R"({"iss":"https://a.test","aud":"bridge","sub":"me","exp":"2030"})",
           R"({"iss":"https://a.test","aud":"bridge","sub":"me","exp":null})",
           R"({"iss":"https://a.test","aud":"bridge","sub":"me","exp":1e400})",
           R"({"iss":"https://a.test","aud":"bridge","sub":"me","exp":-1})",
           R"({"iss":"https://a.test","aud":"bridge","sub":"me","exp":18446744073709551615})",
           "{\"iss\":\"https://a.test\",\"aud\":\"bridge\"," + exp + "}",
           "{\"iss\":\"https://a.test\",\"aud\":\"bridge\",\"sub\":\"\"," + exp + "}",
           "{\"iss\":\"https://a.test\",\"aud\":\"bridge\",\"sub\":7," + exp + "}",
           "{\"iss\":\"https://a.test\",\"sub\":\"me\"," + exp + "}",
           "{\"iss\":\"https://a.test\",\"aud\":\"other\",\"sub\":\"me\"," + exp + "}",
           "{\"iss\":\"https://a.test\",\"aud\":[],\"sub\":\"me\"," + exp + "}",
           "{\"iss\":\"https://a.test\",\"aud\":{\"bridge\":1},\"sub\":\"me\"," + exp + "}",
           "{\"aud\":\"bridge\",\"sub\":\"me\"," + exp + "}",
           "{\"iss\":[\"https://a.test\"],\"aud\":\"bridge\",\"sub\":\"me\"," + exp + "}",
           "{\"iss\":\"https://a.test/\",\"aud\":\"bridge\",\"sub\":\"me\"," + exp + "}",
           claims_with(R"("sub":"admin")"),
           claims_with(R"("exp":9999999999)"),
           claims_with(R"("scope":7)"),
           claims_with(R"("scope":["packets",1])"),
           claims_with(R"("nbf":"now")"),
           claims_with("\"x\":\"\xFF\""),
           "[]",
           "\"text\"",
           "null",
           "{",
           "{} {}",
           "\xEF\xBB\xBF" + claims_with(""),
           claims_with("\"x\":" + std::string(20, '[') + std::string(20, ']'))}) {
    EXPECT_NE(why(bad), "") << bad;
  }
  EXPECT_EQ(
      why("{\"iss\":\"https://a.test\",\"aud\":[\"x\",\"bridge\"],\"sub\":\"me\"," + exp + "}"),
      "");
}

TEST(Jwt, TimesAreHeldWithALittleLeeway) {
  const auto verifier = verifier_of({shared()});
  const auto at_time = [&](std::string_view more, std::int64_t when) {
    return refusal(verifier, hs256_token(header, claims_with(more), secret), when);
  };
  EXPECT_EQ(at_time("", now + 60 + 29), "");
  EXPECT_EQ(at_time("", now + 60 + 31), "the token has expired");
  EXPECT_EQ(at_time(fmt::format("\"nbf\":{}", now + 29), now), "");
  EXPECT_EQ(at_time(fmt::format("\"nbf\":{}", now + 31), now), "the token is not valid yet");
  EXPECT_EQ(at_time(fmt::format("\"iat\":{}", now + 31), now),
            "the token was issued in the future");
  EXPECT_EQ(at_time("\"nbf\":5", now), "");
}

TEST(Jwt, OnlyOneSpellingOfATokenIsAccepted) {
  const auto verifier = verifier_of({shared()});
  const auto good = hs256_token(header, claims_with(""), secret);
  ASSERT_EQ(refusal(verifier, good), "");
  std::vector<std::string> odd{good + "=",    good + ".",    good + "A",   " " + good,
                               good + " ",    good + "\n",   "." + good,   good + ".e30",
                               good + "\x80", good + "\xFF", good + "%3D", "",
                               ".",           "..",          "...",        "a.b.c"};
  // The last character of a 32-byte signature carries two bits that mean nothing.
  auto trailing = good;
  trailing.back() = static_cast<char>(trailing.back() + 1);
  odd.push_back(trailing);
  for (std::size_t i = 0; i < good.size(); i += 3) {
    for (const char c : {'\x80', '\xC3', '\xFF', '+', '/', '=', '\0'}) {
      auto changed = good;
      changed[i] = c;
      odd.push_back(changed);
    }
  }
  for (const auto& token : odd) EXPECT_NE(refusal(verifier, token), "") << token;
  EXPECT_EQ(refusal(verifier, std::string(100000, 'a')), "the token is too long");
  EXPECT_NE(refusal(verifier, std::string(8000, '.')), "");
}

TEST(Jwt, RefusalsDoNotQuoteTheToken) {
  const auto verifier = verifier_of({shared()});
  const auto token =
      hs256_token(R"({"alg":"EVIL\"x"})", claims_with(R"("jti":"s3cret")", "EVIL"), secret);
  EXPECT_EQ(refusal(verifier, token).find("EVIL"), std::string::npos);
  EXPECT_EQ(refusal(verifier, "EVIL.EVIL.EVIL").find("EVIL"), std::string::npos);
}

TEST(Jwt, KeyFilesOfSecretsBelongToTheirOwner) {
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("jwt-test-{}", ::getpid());
  std::filesystem::create_directories(folder);
  const auto file = folder / "secret";
  std::ofstream(file) << secret << "\n";
  const json::object configuration{
      {"issuer", "i"}, {"audience", "a"}, {"algorithm", "HS256"}, {"key_file", file.string()}};
  using std::filesystem::perms;
  std::filesystem::permissions(file, perms::owner_read | perms::others_read);
  EXPECT_FALSE(http::load_jwt_issuer(configuration));
  std::filesystem::permissions(file, perms::owner_read);
  const auto loaded = http::load_jwt_issuer(configuration);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->key, secret);
  EXPECT_EQ(loaded->scopes_claim, "scope");
  std::filesystem::remove_all(folder);
  EXPECT_FALSE(http::load_jwt_issuer(configuration));
}

TEST(Jwt, OpensTheDoorOfTheServer) {
  asio::io_context loop;
  TestClock clock;
  http::Authenticator authenticator(
      [](base::Sha256) -> base::Task<std::optional<http::ApiKey>> { co_return std::nullopt; },
      verifier_of({shared()}), clock);
  const auto expires = std::chrono::system_clock::to_time_t(clock.wall()) + 60;
  const auto token = hs256_token(
      header,
      fmt::format(
          R"({{"iss":"https://a.test","aud":"bridge","sub":"me","exp":{},"scope":"packets nonsense"}})",
          expires),
      secret);
  http::Request request;
  const std::string credentials = "bearer " + token;
  request.headers.push_back({"Authorization", credentials});
  const auto story = [&]() -> Story {
    const auto principal = co_await authenticator.authenticate(request);
    EXPECT_TRUE(principal);
    EXPECT_EQ(principal->id, "jwt:https://a.test#me");
    EXPECT_EQ(principal->scopes, std::vector<std::string>{"packets"});
  };
  asio::co_spawn(loop, story, [](const std::exception_ptr& error) { EXPECT_FALSE(error); });
  loop.run();
}

}  // namespace
}  // namespace http_test
