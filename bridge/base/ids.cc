#include "bridge/base/ids.h"

#include <cstring>
#include <utility>

namespace base {
namespace {

// 16 bytes as a UUID of this version.
std::string uuid(std::string bytes, int version) {
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | (version << 4));
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  std::string text = hex(bytes);
  for (const std::size_t dash : {8u, 13u, 18u, 23u}) text.insert(dash, 1, '-');
  return text;
}

}  // namespace

std::string uuid_v7(WallTime now) {
  SystemRandom random;
  return uuid_v7(now, random);
}

std::string uuid_v7(WallTime now, Random& random) {
  std::string bytes(16, '\0');
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t drawn = random.bits();
    std::memcpy(bytes.data() + at, &drawn, sizeof drawn);
  }
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  auto left = static_cast<std::uint64_t>(since_epoch.count());
  for (int i = 5; i >= 0; --i) {
    bytes[static_cast<std::size_t>(i)] = static_cast<char>(left & 0xff);
    left >>= 8;
  }
  return uuid(std::move(bytes), 7);
}

std::string uuid_v8(const Sha256& digest) {
  return uuid(std::string(digest.begin(), digest.begin() + 16), 8);
}

}  // namespace base
