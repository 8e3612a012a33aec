// Makes JSON Web Tokens, good and bad, with keys of its own.
#pragma once

#include <string>
#include <string_view>

namespace http_test {

// PEM texts made anew in each program.
struct KeyPair {
  std::string private_pem;
  std::string public_pem;
};
KeyPair rsa_key(int bits);
KeyPair ec_key(const std::string& curve);
KeyPair ed25519_key();

// Signatures as JWS has them, not yet in base64url.
std::string hs256(std::string_view message, std::string_view secret);
std::string rs256(std::string_view message, const KeyPair& key);
std::string es256(std::string_view message, const KeyPair& key);  // any curve, SHA-256
std::string eddsa(std::string_view message, const KeyPair& key);

// header.claims, both JSON.
std::string message(std::string_view header, std::string_view claims);
std::string hs256_token(std::string_view header, std::string_view claims, std::string_view secret);

}  // namespace http_test
