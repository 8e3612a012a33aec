#include "bridge/services/events/address_rules.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace events {

namespace ip = boost::asio::ip;
using base::Code;
using base::Result;
using Bytes = ip::address_v6::bytes_type;

namespace {

// IPv4 addresses stand in ::ffff:0:0/96, so that one kind of table serves both.
Bytes bytes_of(const Address& address) {
  if (address.is_v6()) return address.to_v6().to_bytes();
  return ip::make_address_v6(ip::v4_mapped, address.to_v4()).to_bytes();
}

bool has_prefix(const Bytes& bytes, const Bytes& start, unsigned bits) {
  const unsigned whole = bits / 8;
  if (!std::equal(start.begin(), start.begin() + whole, bytes.begin())) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<unsigned char>(0xFF << (8 - bits % 8));
  return ((bytes[whole] ^ start[whole]) & mask) == 0;
}

struct Rule {
  std::string_view network;
  std::string_view what;
};

// The special-purpose registries of IANA, and what clouds answer to their own machines only.
constexpr std::array rules = {
    Rule{"0.0.0.0/8", "an unspecified address"},
    Rule{"10.0.0.0/8", "a private address"},
    Rule{"100.64.0.0/10", "an address shared behind a carrier's NAT"},
    Rule{"127.0.0.0/8", "a loopback address"},
    Rule{"169.254.0.0/16", "a link-local address"},
    Rule{"172.16.0.0/12", "a private address"},
    Rule{"192.0.0.0/24", "an address for protocol assignments"},
    Rule{"192.0.2.0/24", "an address for documentation"},
    Rule{"192.88.99.0/24", "an address of 6to4 relays"},
    Rule{"192.168.0.0/16", "a private address"},
    Rule{"198.18.0.0/15", "an address for benchmarks"},
    Rule{"198.51.100.0/24", "an address for documentation"},
    Rule{"203.0.113.0/24", "an address for documentation"},
    Rule{"224.0.0.0/4", "a multicast address"},
    Rule{"240.0.0.0/4", "a reserved address"},
    Rule{"::1/128", "a loopback address"},
    Rule{"::/96", "an unspecified address"},
    Rule{"64:ff9b:1::/48", "an address of a local NAT64"},
    Rule{"100::/64", "an address that discards"},
    Rule{"2001::/23", "an address for protocol assignments"},
    Rule{"2001:db8::/32", "an address for documentation"},
    Rule{"3fff::/20", "an address for documentation"},
    Rule{"fc00::/7", "a private address"},
    Rule{"fe80::/10", "a link-local address"},
    Rule{"fec0::/10", "a site-local address"},
    Rule{"ff00::/8", "a multicast address"},
};

constexpr std::array<std::string_view, 5> metadata = {"169.254.169.254/32", "100.100.100.200/32",
                                                      "168.63.129.16/32", "192.0.0.192/32",
                                                      "fd00:ec2::254/128"};

struct Known {
  Network network;
  std::string_view what;
};

const std::vector<Known>& special_networks() {
  static const auto all = [] {
    std::vector<Known> found;
    for (const auto& rule : rules) found.push_back({*Network::parse(rule.network), rule.what});
    return found;
  }();
  return all;
}

bool is_metadata(const Address& address) {
  static const auto all = [] {
    std::vector<Network> found;
    for (const auto text : metadata) found.push_back(*Network::parse(text));
    return found;
  }();
  return std::ranges::any_of(all, [&](const Network& one) { return one.contains(address); });
}

bool is_in(const Address& address, std::string_view network) {
  return Network::parse(network)->contains(address);
}

Address v4_at(const Bytes& bytes, std::size_t offset, unsigned char mask = 0) {
  ip::address_v4::bytes_type inner{};
  for (std::size_t i = 0; i < inner.size(); ++i) {
    inner[i] = static_cast<unsigned char>(bytes[offset + i] ^ mask);
  }
  return ip::address_v4(inner);
}

// The IPv4 addresses that packets to this IPv6 address may end at.
std::vector<Address> wrapped(const Address& address) {
  if (address.is_v4()) return {};
  const auto bytes = address.to_v6().to_bytes();
  if (is_in(address, "::ffff:0:0/96") || is_in(address, "64:ff9b::/96")) {
    return {v4_at(bytes, 12)};
  }
  if (is_in(address, "2002::/16")) return {v4_at(bytes, 2)};
  // The server, and the client with its bits turned over.
  if (is_in(address, "2001::/32")) return {v4_at(bytes, 4), v4_at(bytes, 12, 0xFF)};
  return {};
}

bool is_listed(const Address& address, std::span<const Network> allowed) {
  const bool needs_own = is_metadata(address);
  return std::ranges::any_of(allowed, [&](const Network& one) {
    return one.contains(address) && (!needs_own || one.is_single());
  });
}

std::string objection_to_plain(const Address& address) {
  if (is_metadata(address)) return "it is the address of a metadata service";
  for (const auto& [network, what] : special_networks()) {
    if (network.contains(address)) return fmt::format("it is {}", what);
  }
  if (address.is_v6() && !is_in(address, "2000::/3")) return "it is no global address";
  return {};
}

}  // namespace

Result<Network> Network::parse(std::string_view text) {
  const auto invalid = [&](std::string_view why) {
    return base::fail(Code::invalid, fmt::format("network \"{}\": {}", text, why));
  };
  const auto slash = text.find('/');
  boost::system::error_code error;
  const auto address = ip::make_address(std::string(text.substr(0, slash)), error);
  if (error) return invalid("it is no address with or without a prefix length");
  const unsigned most = address.is_v4() ? 32 : 128;
  unsigned bits = most;
  if (slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    const auto* end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, bits);
    if (parsed.ec != std::errc() || parsed.ptr != end || bits > most) {
      return invalid("its prefix length is out of range");
    }
  }
  Network network;
  network.start_ = bytes_of(address);
  network.bits_ = bits + (128 - most);
  for (unsigned bit = network.bits_; bit < 128; ++bit) {
    if ((network.start_[bit / 8] >> (7 - bit % 8)) & 1) {
      return invalid("it has bits behind its prefix");
    }
  }
  return network;
}

bool Network::contains(const Address& address) const {
  return has_prefix(bytes_of(address), start_, bits_);
}

std::string objection_to(const Address& address, std::span<const Network> allowed) {
  const auto inner = wrapped(address);
  if (inner.empty()) {
    return is_listed(address, allowed) ? std::string() : objection_to_plain(address);
  }
  for (const auto& one : inner) {
    if (is_listed(one, allowed)) continue;
    const auto objection = objection_to_plain(one);
    if (!objection.empty()) return fmt::format("{} ({} in it)", objection, one.to_string());
  }
  return {};
}

bool is_private_but_listed(const Address& address, std::span<const Network> allowed) {
  return !objection_to(address, {}).empty() && objection_to(address, allowed).empty();
}

}  // namespace events
