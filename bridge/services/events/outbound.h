// Requests to servers that somebody else chose. The rules of target.h are applied between `resolve`
// and `send`, so that the address that was checked is the one that is connected to.
#pragma once

#include "bridge/base/result.h"
#include "bridge/services/events/target.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace events {

struct OutboundRequest {
  std::string method = "POST";
  Target target;
  // Checked; tried in this order until one can be connected to. Nothing else is looked up.
  std::vector<Address> addresses;
  std::vector<std::pair<std::string, std::string>> headers = {};  // without Host and lengths
  std::string body = {};
  std::chrono::milliseconds limit{0};  // for all of it
  std::size_t answer_bytes_max = 0;    // of the body; the rest is not read
};

struct OutboundAnswer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers = {};  // names in lower case
  std::string body = {};

  // The first of this name; empty without.
  std::string_view header(std::string_view lower_case_name) const;
};

class Outbound {
 public:
  virtual ~Outbound() = default;

  // Every address of the host. unavailable: it has none, or nobody knows.
  virtual base::Task<std::vector<Address>> resolve(std::string host) = 0;
  // Any status is an answer, and no redirect is followed. The server's certificate must be good for
  // the target's host. unavailable: no connection, or no TLS (reason no_connection: nothing was
  // sent), or it broke; timeout: not in time. The request may have been carried out.
  virtual base::Task<OutboundAnswer> send(OutboundRequest request) = 0;
};

// The target's addresses as far as they may be used; see checked_addresses.
base::Task<std::vector<Address>> resolve_checked(Outbound& outbound, const Target& target,
                                                 const std::vector<Network>& allowed);

}  // namespace events
