#include "bridge/services/events/target.h"

#include "bridge/services/events/event_limits.h"

#include <algorithm>
#include <array>

#include <boost/url/parse.hpp>
#include <fmt/format.h>

namespace events {

using base::Code;
using base::Result;

namespace {

constexpr std::string_view forbidden_target = "forbidden_target";
constexpr std::string_view no_address = "no_address";
constexpr std::uint16_t https_port = 443;
constexpr std::uint16_t http_port = 80;
constexpr std::uint16_t first_free_port = 1024;
// Above the ports of the system, those that browsers refuse as well (WHATWG Fetch, "bad port").
constexpr std::array<std::uint16_t, 15> bad_ports = {1719, 1720, 1723, 2049, 3659, 4045, 5060, 5061,
                                                     6000, 6566, 6665, 6666, 6667, 6679, 10080};

std::unexpected<base::Error> wrong(std::string_view why) {
  return base::fail(Code::invalid, fmt::format("the URL cannot be used: {}", why));
}

bool is_decimal(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Resolvers read "0x7f.1", "2130706433" and "127.1" as addresses, so what ends like a number is one
// or nothing (WHATWG URL, "ends in a number").
bool ends_in_number(std::string_view host) {
  const auto dot = host.rfind('.');
  const auto last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  if (is_decimal(last)) return true;
  return last.starts_with("0x") &&
         last.find_first_not_of("0123456789abcdef", 2) == std::string_view::npos;
}

bool is_name(std::string_view host) {
  constexpr std::size_t name_max = 253;
  constexpr std::size_t label_max = 63;
  if (host.empty() || host.size() > name_max) return false;
  std::size_t label = 0;
  for (const char c : host) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    const bool is_fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!is_fine || ++label > label_max) return false;
  }
  return label > 0;
}

Result<> read_host(Target& target, const boost::urls::url_view& url) {
  std::string host(url.encoded_host());
  for (char& c : host) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  if (host.starts_with('[')) {
    boost::system::error_code error;
    target.host = host.substr(1, host.size() - 2);
    target.address = boost::asio::ip::make_address(target.host, error);
    if (error || target.host.find('%') != std::string::npos) {
      return wrong("the host in brackets is no IPv6 address");
    }
    return {};
  }
  if (host.ends_with('.')) host.pop_back();
  if (ends_in_number(host)) {
    boost::system::error_code error;
    target.address = boost::asio::ip::make_address_v4(host, error);
    if (error) return wrong("write the host's address as four decimal numbers");
  } else if (!is_name(host)) {
    return wrong("the host is no name of letters, digits and dashes (write others in punycode)");
  }
  target.host = std::move(host);
  return {};
}

Result<> read_port(Target& target, const boost::urls::url_view& url) {
  target.port = target.is_secure ? https_port : http_port;
  if (!url.has_port() || url.port().empty()) return {};
  const auto port = url.port_number();
  // A number that does not fit is read as 0.
  const bool is_usual = port == https_port || port == http_port;
  if (port == 0 || (port < first_free_port && !is_usual) ||
      std::ranges::find(bad_ports, port) != bad_ports.end()) {
    return wrong(fmt::format("port {} is no port for webhooks; use 443, 80 or one from 1024 on",
                             std::string_view(url.port())));
  }
  target.port = port;
  return {};
}

}  // namespace

Result<Target> Target::parse(std::string_view text) {
  if (text.size() > limits::webhook_url_bytes_max) return wrong("it is too long");
  const auto url = boost::urls::parse_uri(text);
  if (!url) return wrong("it is no absolute URL");
  Target target;
  if (url->scheme_id() == boost::urls::scheme::http) {
    target.is_secure = false;
  } else if (url->scheme_id() != boost::urls::scheme::https) {
    return wrong("it must begin with https://");
  }
  if (!url->has_authority() || url->encoded_host().empty()) return wrong("it has no host");
  if (url->has_userinfo()) return wrong("leave out user and password");
  if (url->has_fragment()) return wrong("leave out what follows \"#\"");
  // The parser takes what follows an authority for a path, as in "https://1.2.3.4.5/".
  const auto path = url->encoded_path();
  if (!path.empty() && !path.starts_with('/')) return wrong("its host or its port is malformed");
  TRY_OK(read_host(target, *url));
  TRY_OK(read_port(target, *url));
  target.path = path.empty() ? "/" : std::string(path);
  if (url->has_query()) target.path += "?" + std::string(url->encoded_query());
  return target;
}

std::string Target::authority() const {
  const bool is_v6 = address && address->is_v6();
  const std::string name = is_v6 ? fmt::format("[{}]", host) : host;
  const bool is_default = port == (is_secure ? https_port : http_port);
  return is_default ? name : fmt::format("{}:{}", name, port);
}

Result<std::vector<Address>> checked_addresses(const Target& target, std::vector<Address> addresses,
                                               std::span<const Network> allowed) {
  if (addresses.empty()) {
    return base::fail(Code::unavailable, fmt::format("{} has no address", target.host),
                      std::string(no_address));
  }
  const auto denied = [](std::string why) {
    return base::fail(Code::denied, std::move(why), std::string(forbidden_target));
  };
  if (addresses.size() > limits::webhook_addresses_max) {
    return denied(fmt::format("{} has too many addresses", target.host));
  }
  for (const auto& address : addresses) {
    const auto objection = objection_to(address, allowed);
    if (!objection.empty()) {
      return denied(fmt::format("nothing is sent to {}{}: {}", target.host,
                                target.address ? "" : " at " + address.to_string(), objection));
    }
    if (!target.is_secure && !is_private_but_listed(address, allowed)) {
      return denied(fmt::format("nothing is sent to {} without TLS: use https", target.host));
    }
  }
  return addresses;
}

base::Error without_addresses(const Target& target, base::Error error) {
  const bool tells = error.reason == forbidden_target || error.reason == no_address;
  if (!tells || target.address) return error;
  return {.code = Code::denied,
          .message = fmt::format("nothing is sent to {}: it has no address that may be used{}",
                                 target.host, target.is_secure ? "" : " without TLS"),
          .reason = std::string(forbidden_target)};
}

}  // namespace events
