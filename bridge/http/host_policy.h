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

  // Whole lines of headers that let a page of a listed origin make its call and read the answer,
  // whatever it is (CORS). Credentials that a browser adds by itself are never among what it may
  // use, and of an answer to the dashboard's cookie no other page reads anything.
  std::string headers_for_page(const Request& request) const;

 private:
  bool is_listed(std::string_view origin) const;

  std::vector<std::string> names_;
  std::vector<std::string> origins_;
};

}  // namespace http
