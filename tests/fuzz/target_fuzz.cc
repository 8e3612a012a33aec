// The URL of a receiver is hostile: what is accepted goes into a request as it is, and the system's
// resolver takes no host for an address that was not checked as one.
#include "bridge/base/result.h"
#include "bridge/services/events/target.h"

#include <cstdint>
#include <string>
#include <string_view>

#include <netdb.h>

namespace {

bool is_clean(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7F) return false;
  }
  return !text.empty();
}

// What the resolver makes of the host without asking anybody; empty: it is a name.
std::string numeric_address(const std::string& host) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
  char text[NI_MAXHOST] = {};
  const int failed = ::getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, nullptr, 0,
                                   NI_NUMERICHOST);
  ::freeaddrinfo(found);
  BRIDGE_ASSERT(failed == 0);
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string url(reinterpret_cast<const char*>(data), size);
  const auto target = events::Target::parse(url);
  if (!target) {
    BRIDGE_ASSERT(target.error().code == base::Code::invalid);
    return 0;
  }
  BRIDGE_ASSERT(is_clean(target->host) && is_clean(target->path) && is_clean(target->authority()));
  BRIDGE_ASSERT(target->path.starts_with('/') && target->port != 0);
  const auto numeric = numeric_address(target->host);
  BRIDGE_ASSERT(numeric.empty() == !target->address.has_value());
  if (target->address) {
    BRIDGE_ASSERT(boost::asio::ip::make_address(numeric) == *target->address);
    (void)events::objection_to(*target->address, {});
  }
  return 0;
}
