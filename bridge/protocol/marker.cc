#include "bridge/protocol/marker.h"

#include "bridge/base/hash.h"
#include "bridge/base/result.h"

#include <openssl/crypto.h>

namespace protocol {
namespace {

constexpr std::string_view job_prefix = "FLYWHEEL-JOB-";
constexpr std::string_view end_prefix = "FLYWHEEL-END-";
constexpr std::size_t uuid_size = 36;
constexpr std::size_t digits_size = 16;

bool is_uuid(std::string_view text) {
  if (text.size() != uuid_size) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    if (is_dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

std::string digits(std::string_view job_id, std::string_view key) {
  return base::hex(base::hmac_sha256(key, job_id)).substr(0, digits_size);
}

}  // namespace

std::string job_marker(std::string_view job_id, std::string_view key) {
  BRIDGE_ASSERT(is_uuid(job_id));
  return std::string(job_prefix) + std::string(job_id) + "-" + digits(job_id, key);
}

std::optional<std::string> match_marker(std::string_view first_line, std::string_view key) {
  if (first_line.size() != job_prefix.size() + uuid_size + 1 + digits_size) return {};
  if (!first_line.starts_with(job_prefix)) return {};
  const std::string_view id = first_line.substr(job_prefix.size(), uuid_size);
  if (!is_uuid(id)) return {};
  const std::string expected = job_marker(id, key);
  if (CRYPTO_memcmp(expected.data(), first_line.data(), expected.size()) != 0) return {};
  return std::string(id);
}

std::string end_marker(std::string_view job_id) {
  BRIDGE_ASSERT(is_uuid(job_id));
  return std::string(end_prefix) + std::string(job_id);
}

}  // namespace protocol
