#include "bridge/services/events/signature.h"

#include "bridge/services/events/event_limits.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace events {
namespace {

using testing::HasSubstr;
using testing::Not;

// The example that the libraries of Standard Webhooks test themselves with.
constexpr std::string_view secret_text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr std::string_view body = R"({"test": 2432232314})";
const base::WallTime then{std::chrono::seconds(1614265330)};

WebhookSecret secret(std::string_view text = secret_text) { return *WebhookSecret::parse(text); }

SignedHeaders example() {
  const std::array secrets{secret()};
  return signed_headers(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", then, body);
}

TEST(WebhookSignature, IsThatOfTheStandardsExample) {
  const auto headers = example();
  EXPECT_EQ(headers.timestamp, "1614265330");
  EXPECT_EQ(headers.signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  EXPECT_TRUE(verify_signature(secret(), headers, body, then));
}

TEST(WebhookSignature, WhoeverChangesAnythingIsFound) {
  const auto is_good = [&](SignedHeaders headers, std::string_view text = body) {
    return verify_signature(secret(), headers, text, then).has_value();
  };
  auto headers = example();
  EXPECT_FALSE(is_good(headers, R"({"test": 2432232315})"));
  headers.id += "x";
  EXPECT_FALSE(is_good(headers));
  headers = example();
  headers.timestamp = "1614265331";
  EXPECT_FALSE(is_good(headers));
  headers = example();
  headers.signature = "v1," + headers.signature;
  EXPECT_FALSE(is_good(headers));
  headers.signature.clear();
  EXPECT_FALSE(is_good(headers));
  for (const auto* timestamp : {"soon", "-1", "-9223372036854775808", "9223372036854775807"}) {
    headers = example();
    headers.timestamp = timestamp;
    EXPECT_FALSE(is_good(headers)) << timestamp;
  }
  EXPECT_FALSE(verify_signature(WebhookSecret::generate(), example(), body, then));
}

TEST(WebhookSignature, HoldsForAWhileOnly) {
  const auto edge = limits::webhook_tolerance;
  for (const auto age : {std::chrono::seconds(0), edge, -edge}) {
    EXPECT_TRUE(verify_signature(secret(), example(), body, then + age)) << age.count();
  }
  for (const auto age : {edge + std::chrono::seconds(1), -edge - std::chrono::seconds(1)}) {
    EXPECT_FALSE(verify_signature(secret(), example(), body, then + age)) << age.count();
  }
}

TEST(WebhookSignature, IsGoodForTheOldAndTheNewSecretWhileItIsChanged) {
  const std::array secrets{WebhookSecret::generate(), secret()};
  const auto headers = signed_headers(secrets, "msg_1", then, body);
  for (const auto& one : secrets) EXPECT_TRUE(verify_signature(one, headers, body, then));
}

TEST(WebhookSecret, IsGeneratedReadAndWrittenTheSame) {
  const auto made = WebhookSecret::generate();
  EXPECT_THAT(made.text(), testing::StartsWith("whsec_"));
  EXPECT_EQ(secret(made.text()), made);
  EXPECT_NE(WebhookSecret::generate(), made);
  EXPECT_EQ(secret().text(), secret_text);
}

TEST(WebhookSecret, HasTheLengthOfTheStandardAndIsNeverRepeatedInErrors) {
  const auto with = [](std::size_t count) { return "whsec_" + std::string(count, 'A'); };
  EXPECT_TRUE(WebhookSecret::parse(with(32)));   // 24 bytes
  EXPECT_FALSE(WebhookSecret::parse(with(28)));  // 21 bytes
  EXPECT_TRUE(WebhookSecret::parse(with(84)));   // 63 bytes
  EXPECT_FALSE(WebhookSecret::parse(with(88)));  // 66 bytes
  for (const std::string bad : {"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!", "whsec_MfKQ9r8GKYqrT"}) {
    const auto parsed = WebhookSecret::parse(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_THAT(parsed.error().message, Not(HasSubstr("MfKQ")));
  }
}

}  // namespace
}  // namespace events
