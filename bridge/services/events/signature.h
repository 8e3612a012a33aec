// Standard Webhooks (standardwebhooks.com): what makes a delivery believable to its receiver.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"

#include <span>
#include <string>
#include <string_view>

namespace events {

// The key of one subscription, shared with its receiver: "whsec_" and 24 to 64 bytes in base64.
class WebhookSecret {
 public:
  // invalid says what is wrong, and never the text.
  static base::Result<WebhookSecret> parse(std::string_view text);
  static WebhookSecret generate();

  std::string text() const;
  const std::string& bytes() const { return bytes_; }
  friend bool operator==(const WebhookSecret&, const WebhookSecret&) = default;

 private:
  explicit WebhookSecret(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string bytes_;
};

struct SignedHeaders {
  std::string id;         // webhook-id: the same for every attempt
  std::string timestamp;  // webhook-timestamp: seconds, of this attempt
  std::string signature;  // webhook-signature: "v1,…", one for each secret
};

// One signature for each secret that a receiver may still have, in their order. `id` has no dot.
SignedHeaders signed_headers(std::span<const WebhookSecret> secrets, std::string id,
                             base::WallTime now, std::string_view body);

// What a receiver does. denied: not signed with this secret, or further than the tolerance from
// `now`.
base::Result<> verify_signature(const WebhookSecret& secret, const SignedHeaders& headers,
                                std::string_view body, base::WallTime now);

}  // namespace events
