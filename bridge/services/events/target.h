// The address of a webhook's receiver, as it was written and as it may be used.
#pragma once

#include "bridge/base/result.h"
#include "bridge/services/events/address_rules.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace events {

struct Target {
  bool is_secure = true;
  std::string host;                // lower case, no brackets, no trailing dot
  std::optional<Address> address;  // of a host that is one
  std::uint16_t port = 443;
  std::string path = "/";  // with the query; percent-encoded

  // invalid says what is wrong with the URL: only http and https, no user, no fragment, a host that
  // is a name or a plain address, and a port that no other service is known for. Whether http may
  // be used shows when the addresses are known.
  static base::Result<Target> parse(std::string_view url);

  // "host" or "host:8443", as the Host header has it.
  std::string authority() const;
};

// What one may connect to: all of the host's addresses in their order. denied, reason
// forbidden_target: one of them may not be used, so none is; or they are not all on listed networks
// and the scheme is http. unavailable: there is none.
base::Result<std::vector<Address>> checked_addresses(const Target& target,
                                                     std::vector<Address> addresses,
                                                     std::span<const Network> allowed);

// The same error for who is not to learn which names the networks around know, and where they lead:
// one that has no address and one whose addresses may not be used are alike. Of a host that was
// written as an address there is nothing to hide.
base::Error without_addresses(const Target& target, base::Error error);

}  // namespace events
