#include "bridge/services/events/signature.h"

#include "bridge/base/hash.h"
#include "bridge/services/events/event_limits.h"
#include "cdp/base64.h"

#include <algorithm>
#include <charconv>
#include <ranges>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace events {

using base::Code;
using base::Result;

namespace {

constexpr std::string_view prefix = "whsec_";
constexpr std::size_t generated_bytes = 32;

std::string encode_base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string signature_of(const WebhookSecret& secret, std::string_view id,
                         std::string_view timestamp, std::string_view body) {
  const auto digest =
      base::hmac_sha256(secret.bytes(), fmt::format("{}.{}.{}", id, timestamp, body));
  return "v1," + encode_base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

bool is_same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

Result<WebhookSecret> WebhookSecret::parse(std::string_view text) {
  if (!text.starts_with(prefix)) {
    return base::fail(Code::invalid, "it does not begin with \"whsec_\"");
  }
  auto bytes = cdp::decode_base64(text.substr(prefix.size()));
  if (!bytes) return base::fail(Code::invalid, "what follows \"whsec_\" is not base64");
  if (bytes->size() < limits::webhook_secret_bytes_min ||
      bytes->size() > limits::webhook_secret_bytes_max) {
    return base::fail(Code::invalid, fmt::format("it is {} bytes long; {} to {} are allowed",
                                                 bytes->size(), limits::webhook_secret_bytes_min,
                                                 limits::webhook_secret_bytes_max));
  }
  return WebhookSecret(*std::move(bytes));
}

WebhookSecret WebhookSecret::generate() {
  return WebhookSecret(base::random_bytes(generated_bytes));
}

std::string WebhookSecret::text() const { return std::string(prefix) + encode_base64(bytes_); }

SignedHeaders signed_headers(std::span<const WebhookSecret> secrets, std::string id,
                             base::WallTime now, std::string_view body) {
  BRIDGE_ASSERT(!secrets.empty() && !id.empty() && id.find('.') == std::string::npos);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  SignedHeaders headers{.id = std::move(id), .timestamp = std::to_string(seconds)};
  for (const auto& secret : secrets) {
    if (!headers.signature.empty()) headers.signature += ' ';
    headers.signature += signature_of(secret, headers.id, headers.timestamp, body);
  }
  return headers;
}

Result<> verify_signature(const WebhookSecret& secret, const SignedHeaders& headers,
                          std::string_view body, base::WallTime now) {
  const auto denied = [](std::string_view why) {
    return base::fail(Code::denied, fmt::format("verify webhook: {}", why), "bad_signature");
  };
  std::int64_t seconds = 0;
  const auto* end = headers.timestamp.data() + headers.timestamp.size();
  const auto parsed = std::from_chars(headers.timestamp.data(), end, seconds);
  if (parsed.ec != std::errc() || parsed.ptr != end || seconds < 0) {
    return denied("its timestamp is no time");
  }
  const auto age = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch() -
                   std::chrono::seconds(seconds);
  if (age > limits::webhook_tolerance || -age > limits::webhook_tolerance) {
    return denied("its timestamp is too far from now");
  }
  const auto expected = signature_of(secret, headers.id, headers.timestamp, body);
  for (const auto part : std::views::split(headers.signature, ' ')) {
    if (is_same({part.begin(), part.end()}, expected)) return {};
  }
  return denied("no signature fits");
}

}  // namespace events
