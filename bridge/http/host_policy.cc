#include "bridge/http/host_policy.h"

#include "bridge/base/ascii.h"
#include "bridge/http/dashboard_sessions.h"

#include <algorithm>

namespace http {
namespace {

// What a client reads of answers and sends with calls, beyond what every page may.
constexpr std::string_view headers_exposed =
    "Access-Control-Expose-Headers: ETag, Flywheel-Unread, Idempotency-Replayed, Link, Location, "
    "Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, "
    "X-Request-Id, traceparent\r\n";
constexpr std::string_view headers_allowed =
    "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE\r\n"
    "Access-Control-Allow-Headers: Authorization, Content-Type, Idempotency-Key, If-Match, "
    "If-None-Match, Last-Event-ID, Prefer, X-Request-Id, traceparent\r\n"
    "Access-Control-Max-Age: 600\r\n";

struct Authority {
  std::string_view name;  // an IPv6 address keeps its brackets
  std::string_view port;  // empty: the default one
};

std::optional<Authority> parse_authority(std::string_view text) {
  const auto name_end =
      text.starts_with('[') ? text.find(']') + 1 : std::min(text.find(':'), text.size());
  if (name_end == 0) return std::nullopt;  // no closing bracket, or no name
  Authority authority{text.substr(0, name_end), {}};
  const auto rest = text.substr(name_end);
  const bool is_address = text.starts_with('[');
  for (const char c : authority.name) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
    if (!is_plain && !(is_address && (c == '[' || c == ']' || c == ':'))) return std::nullopt;
  }
  if (rest.empty()) return authority;
  if (rest[0] != ':' || rest.size() > 6) return std::nullopt;
  authority.port = rest.substr(1);
  if (!std::ranges::all_of(authority.port, [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  return authority;
}

// "host:port" with the scheme's port spelled out.
std::string full(const Authority& authority, bool is_secure) {
  std::string text = base::lower(authority.name) + ":";
  return text += authority.port.empty() ? (is_secure ? "443" : "80") : authority.port;
}

bool is_own_origin(const Request& request, const Authority& host, std::string_view origin) {
  const std::string_view scheme = request.is_secure ? "https://" : "http://";
  if (origin.size() <= scheme.size() || !same_header(origin.substr(0, scheme.size()), scheme)) {
    return false;
  }
  const auto own = parse_authority(origin.substr(scheme.size()));
  return own && full(*own, request.is_secure) == full(host, request.is_secure);
}

}  // namespace

std::optional<Refusal> refuse_foreign_page(const Request& request) {
  const auto host = parse_authority(request.header("host").value_or(""));
  const auto origin = request.header("origin");
  // "none": a person typed the address. Other ports of this host are the same site, so they do get
  // the cookie, but they are other origins.
  const auto site = request.header("sec-fetch-site").value_or("same-origin");
  if (!host || (origin && !is_own_origin(request, *host, *origin)) ||
      (site != "same-origin" && site != "none")) {
    return Refusal{403, "foreign_origin", "pages of other origins may not use the dashboard"};
  }
  const bool reads = request.method == Method::get || request.method == Method::head;
  if (!reads && request.header("x-flywheel-dashboard") != "1") {
    return Refusal{403, "foreign_origin",
                   "with the dashboard's cookie, changes need the header X-Flywheel-Dashboard: 1"};
  }
  return std::nullopt;
}

HostPolicy::HostPolicy(std::vector<std::string> names, std::vector<std::string> origins)
    : names_{"localhost", "127.0.0.1", "[::1]"} {
  for (const auto& name : names) names_.push_back(base::lower(name));
  for (const auto& origin : origins) origins_.push_back(base::lower(origin));
}

std::optional<Refusal> HostPolicy::check(const Request& request) const {
  const auto host = parse_authority(request.header("host").value_or(""));
  if (!host) return Refusal{400, "bad_request", "Host is no host"};
  if (std::ranges::find(names_, base::lower(host->name)) == names_.end()) {
    return Refusal{421, "misdirected_request", "this server does not answer to that Host"};
  }
  const auto origin = request.header("origin");
  if (!origin) return std::nullopt;
  if (is_listed(*origin)) return std::nullopt;
  if (is_own_origin(request, *host, *origin)) return std::nullopt;
  return Refusal{403, "foreign_origin", "pages of other origins may not call this server"};
}

bool HostPolicy::is_listed(std::string_view origin) const {
  return std::ranges::find(origins_, base::lower(origin)) != origins_.end();
}

std::string HostPolicy::headers_for_page(const Request& request) const {
  if (origins_.empty()) return {};
  std::string lines = "Vary: Origin\r\n";
  const auto origin = request.header("origin");
  if (!origin || !is_listed(*origin) || dashboard_cookie(request)) return lines;
  // As it was sent: browsers compare it letter by letter.
  lines.append("Access-Control-Allow-Origin: ").append(*origin).append("\r\n");
  lines += headers_exposed;
  const bool asks_first = request.method == Method::options &&
                          request.header("access-control-request-method").has_value();
  if (!asks_first) return lines;
  lines += headers_allowed;
  if (request.header("access-control-request-private-network") == "true") {
    lines += "Access-Control-Allow-Private-Network: true\r\n";
  }
  return lines;
}

}  // namespace http
