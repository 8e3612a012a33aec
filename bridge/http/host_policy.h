// Which names this server answers to, and which pages may call it.
#pragma once

#include "bridge/http/request.h"
#include "bridge/http/request_parser.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace http {

// For what a browser adds by itself, such as a cookie: 403 unless the request comes from a page of
// this very server, and from its script if it changes anything.
std::optional<Refusal> refuse_foreign_page(const Request& request);

class HostPolicy {
 public:
  // `names` in any case, IPv6 addresses in brackets; the loopback names are always among them.
  HostPolicy(std::vector<std::string> names, std::vector<std::string> origins);

  // 400 for a malformed Host, 421 for a foreign one, 403 for a foreign Origin. An Origin is our
  // own when it names the scheme, host and port that the request itself was sent to.
  std::optional<Refusal> check(const Request& request) const;

 private:
  std::vector<std::string> names_;
  std::vector<std::string> origins_;
};

}  // namespace http
