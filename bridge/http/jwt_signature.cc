#include "bridge/http/jwt_signature.h"

#include "bridge/base/hash.h"
#include "bridge/base/limits.h"

#include <exception>

#include <jwt/jwt.hpp>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

namespace http {
namespace {

std::unexpected<base::Error> bad_key(std::string why) {
  return base::fail(base::Code::invalid, "read the key of a JWT issuer: " + std::move(why));
}

std::shared_ptr<EVP_PKEY> public_key(const std::string& pem) {
  ERR_clear_error();
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  BRIDGE_ASSERT(bio != nullptr);
  std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr),
                                EVP_PKEY_free);
  ERR_clear_error();
  return key;
}

bool is_p256(EVP_PKEY* key) {
  char name[64] = {};
  std::size_t size = 0;
  return EVP_PKEY_get_group_name(key, name, sizeof name, &size) == 1 &&
         (std::string_view(name) == "prime256v1" || std::string_view(name) == "P-256");
}

}  // namespace

base::Result<JwtKey> JwtKey::create(JwtAlgorithm algorithm, std::string text) {
  JwtKey made;
  made.algorithm_ = algorithm;
  made.text_ = std::move(text);
  if (algorithm == JwtAlgorithm::hs256) {
    if (made.text_.size() < limits::jwt_secret_bytes_min) {
      return bad_key("an HS256 secret has at least 32 bytes");
    }
    // Whoever knows the public key could sign with it (RFC 8725, 2.1).
    if (made.text_.find("-----BEGIN") != std::string::npos) {
      return bad_key("a PEM file is no HS256 secret");
    }
    return made;
  }
  made.key_ = public_key(made.text_);
  if (!made.key_) return bad_key("no public key in PEM");
  EVP_PKEY* key = made.key_.get();
  const int bits = EVP_PKEY_get_bits(key);
  switch (algorithm) {
    case JwtAlgorithm::rs256:
      if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return bad_key("RS256 needs an RSA key");
      if (bits < limits::jwt_rsa_bits_min || bits > limits::jwt_rsa_bits_max) {
        return bad_key("an RSA key has 2048 to 8192 bits");
      }
      made.signature_size_ = static_cast<std::size_t>(EVP_PKEY_get_size(key));
      break;
    case JwtAlgorithm::es256:
      if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC || !is_p256(key)) {
        return bad_key("ES256 needs a key on the curve P-256");
      }
      made.signature_size_ = 64;
      break;
    case JwtAlgorithm::eddsa:
      if (EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519)
        return bad_key("EdDSA needs an Ed25519 key");
      made.signature_size_ = 64;
      break;
    case JwtAlgorithm::hs256:
      break;
  }
  return made;
}

bool JwtKey::accepts(std::string_view message, std::string_view signature,
                     std::string_view signature_bytes) const {
  if (signature_bytes.size() != signature_size_) return false;
  if (algorithm_ == JwtAlgorithm::eddsa) return by_openssl(message, signature_bytes);
  if (algorithm_ == JwtAlgorithm::hs256) {
    // The library compares MACs with ==, whose time tells how much of a guess is right.
    const auto mac = base::hmac_sha256(text_, message);
    if (CRYPTO_memcmp(mac.data(), signature_bytes.data(), mac.size()) != 0) return false;
  }
  return by_library(message, signature);
}

// The library's part: it never sees a token's header or claims, only the algorithm of our own key.
bool JwtKey::by_library(std::string_view message, std::string_view signature) const {
  const auto own = algorithm_ == JwtAlgorithm::hs256   ? jwt::algorithm::HS256
                   : algorithm_ == JwtAlgorithm::rs256 ? jwt::algorithm::RS256
                                                       : jwt::algorithm::ES256;
  try {
    const jwt::jwt_header header{own};
    jwt::jwt_signature checker{jwt::string_view(text_.data(), text_.size())};
    const auto [is_right, error] =
        checker.verify(header, jwt::string_view(message.data(), message.size()),
                       jwt::string_view(signature.data(), signature.size()));
    ERR_clear_error();
    return is_right && !error;
  } catch (const std::exception&) {  // Its own types derive from runtime_error and bad_alloc.
    ERR_clear_error();
    return false;
  }
}

bool JwtKey::by_openssl(std::string_view message, std::string_view signature_bytes) const {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  BRIDGE_ASSERT(context != nullptr);
  const bool is_right =
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(context.get(), bytes(signature_bytes), signature_bytes.size(),
                       bytes(message), message.size()) == 1;
  ERR_clear_error();
  return is_right;
}

}  // namespace http
