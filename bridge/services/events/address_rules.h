// Where webhooks may be sent: public addresses, and private networks that are listed by name.
// Pure. Whoever can choose an address must not reach what only this machine can reach.
#pragma once

#include "bridge/base/result.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>

namespace events {

using Address = boost::asio::ip::address;

// "10.0.0.0/8", "fd00::/8", or one address. Both families are kept as IPv6.
class Network {
 public:
  // invalid: neither; or bits are set behind the prefix.
  static base::Result<Network> parse(std::string_view text);

  bool contains(const Address& address) const;
  bool is_single() const { return bits_ == 128; }

 private:
  boost::asio::ip::address_v6::bytes_type start_{};
  unsigned bits_ = 0;
};

// Why nothing is sent there ("it is a loopback address"); empty: it may be. An address that wraps
// another (IPv4-mapped, NAT64, 6to4, Teredo) is judged by what it wraps. A listed network is
// allowed, except that an address of a cloud's metadata service must be listed by itself.
std::string objection_to(const Address& address, std::span<const Network> allowed);

// True if the address is allowed only because its network is listed.
bool is_private_but_listed(const Address& address, std::span<const Network> allowed);

}  // namespace events
