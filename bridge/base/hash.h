// Hashes and random bytes, by OpenSSL.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace base {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::string_view bytes);
// HMAC-SHA-256 (RFC 2104).
Sha256 hmac_sha256(std::string_view key, std::string_view bytes);
std::string hex(std::string_view bytes);
std::string hex(const Sha256& digest);
std::string sha256_hex(std::string_view bytes);

// Bytes from the system's cryptographic generator; aborts if it has none.
std::string random_bytes(std::size_t count);

}  // namespace base
