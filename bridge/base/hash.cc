#include "bridge/base/hash.h"

#include "bridge/base/result.h"

#include <memory>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace base {
namespace {

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

template <class T>
std::unique_ptr<T, void (*)(T*)> made(T* resource, void (*free)(T*)) {
  BRIDGE_ASSERT(resource != nullptr);
  return {resource, free};
}

}  // namespace

Sha256 sha256(std::string_view bytes) {
  // Looking the algorithm up and making a context cost more than hashing a short text.
  static const auto algorithm = made(EVP_MD_fetch(nullptr, "SHA256", nullptr), EVP_MD_free);
  thread_local const auto context = made(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  Sha256 digest;
  unsigned size = 0;
  const bool ok = EVP_DigestInit_ex2(context.get(), algorithm.get(), nullptr) == 1 &&
                  EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1 &&
                  EVP_DigestFinal_ex(context.get(), digest.data(), &size) == 1;
  BRIDGE_ASSERT(ok && size == digest.size());
  return digest;
}

Sha256 hmac_sha256(std::string_view key, std::string_view bytes) {
  Sha256 digest;
  unsigned size = 0;
  const auto* done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(bytes),
                          bytes.size(), digest.data(), &size);
  BRIDGE_ASSERT(done != nullptr && size == digest.size());
  return digest;
}

std::string hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    text += digits[value >> 4];
    text += digits[value & 15];
  }
  return text;
}

std::string hex(const Sha256& digest) {
  return hex(std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

std::string sha256_hex(std::string_view bytes) { return hex(sha256(bytes)); }

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  const int ok =
      RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count));
  BRIDGE_ASSERT(ok == 1);
  return bytes;
}

}  // namespace base
