#include "tests/http/tokens.h"

#include "bridge/base/hash.h"
#include "bridge/base/result.h"
#include "bridge/http/base64url.h"

#include <memory>

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

namespace http_test {
namespace {

using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;

std::string text_of(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  std::string text(bytes, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

KeyPair pair_of(EVP_PKEY* made) {
  const Key key(made, EVP_PKEY_free);
  BRIDGE_ASSERT(key != nullptr);
  BIO* own = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(own, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  BIO* open = BIO_new(BIO_s_mem());
  PEM_write_bio_PUBKEY(open, key.get());
  return {text_of(own), text_of(open)};
}

std::string sign(std::string_view text, const KeyPair& pair, const EVP_MD* digest) {
  BIO* bio = BIO_new_mem_buf(pair.private_pem.data(), static_cast<int>(pair.private_pem.size()));
  const Key key(PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr), EVP_PKEY_free);
  BIO_free(bio);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  BRIDGE_ASSERT(EVP_DigestSignInit(context, nullptr, digest, nullptr, key.get()) == 1);
  std::size_t size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  EVP_DigestSign(context, nullptr, &size, bytes, text.size());
  std::string signature(size, '\0');
  const int done = EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()),
                                  &size, bytes, text.size());
  BRIDGE_ASSERT(done == 1);
  signature.resize(size);
  EVP_MD_CTX_free(context);
  return signature;
}

}  // namespace

KeyPair rsa_key(int bits) { return pair_of(EVP_RSA_gen(static_cast<unsigned>(bits))); }
KeyPair ec_key(const std::string& curve) { return pair_of(EVP_EC_gen(curve.c_str())); }
KeyPair ed25519_key() { return pair_of(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); }

std::string hs256(std::string_view text, std::string_view secret) {
  const auto mac = base::hmac_sha256(secret, text);
  return {reinterpret_cast<const char*>(mac.data()), mac.size()};
}

std::string rs256(std::string_view text, const KeyPair& key) {
  return sign(text, key, EVP_sha256());
}
std::string eddsa(std::string_view text, const KeyPair& key) { return sign(text, key, nullptr); }

std::string es256(std::string_view text, const KeyPair& key) {
  const auto der = sign(text, key, EVP_sha256());
  const auto* start = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* parts = d2i_ECDSA_SIG(nullptr, &start, static_cast<long>(der.size()));
  std::string signature(64, '\0');
  auto* out = reinterpret_cast<unsigned char*>(signature.data());
  const int done = std::min(BN_bn2binpad(ECDSA_SIG_get0_r(parts), out, 32),
                            BN_bn2binpad(ECDSA_SIG_get0_s(parts), out + 32, 32));
  BRIDGE_ASSERT(done == 32);
  ECDSA_SIG_free(parts);
  return signature;
}

std::string message(std::string_view header, std::string_view claims) {
  return http::base64url_encoded(header) + "." + http::base64url_encoded(claims);
}

std::string hs256_token(std::string_view header, std::string_view claims, std::string_view secret) {
  const auto signed_text = message(header, claims);
  return signed_text + "." + http::base64url_encoded(hs256(signed_text, secret));
}

}  // namespace http_test
