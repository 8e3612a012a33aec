// Signatures of JWTs: keys that are known to be right, and the check itself.
#pragma once

#include "bridge/base/result.h"
#include "bridge/http/jwt.h"

#include <memory>
#include <string>
#include <string_view>

typedef struct evp_pkey_st EVP_PKEY;

namespace http {

class JwtKey {
 public:
  // invalid: not a key of this algorithm, or a weak one. `text` as in JwtIssuer::key.
  static base::Result<JwtKey> create(JwtAlgorithm algorithm, std::string text);

  JwtAlgorithm algorithm() const { return algorithm_; }
  // `signature` in base64url and its bytes; both canonical. `message` is ASCII.
  bool accepts(std::string_view message, std::string_view signature,
               std::string_view signature_bytes) const;

 private:
  bool by_library(std::string_view message, std::string_view signature) const;
  bool by_openssl(std::string_view message, std::string_view signature_bytes) const;

  JwtAlgorithm algorithm_ = JwtAlgorithm::hs256;
  std::string text_;
  std::shared_ptr<EVP_PKEY> key_;  // none for HS256
  std::size_t signature_size_ = 32;
};

}  // namespace http
