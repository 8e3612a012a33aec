// One HTTP request as handlers see it.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

namespace http {

namespace json = boost::json;

enum class Method { get, head, post, put, patch, del, options, unknown };

std::string_view name(Method method);  // "GET"; empty for unknown
Method method_of(std::string_view name);

struct Header {
  std::string_view name;  // as it was sent; compare with same_header
  std::string_view value;
};

// Names of headers are ASCII and compare without case.
bool same_header(std::string_view a, std::string_view b);

// Who asks, once the credentials have been checked.
struct Principal {
  std::string id;        // "key:<id>" or "jwt:<issuer>#<subject>"; empty on public routes
  std::string name;      // for people
  std::string agent;     // the agent this caller is bound to and acts as, or empty
  std::string agent_id;  // the same in the registry, if it was there when the key was made
  std::vector<std::string> scopes;
  std::optional<base::WallTime> expires = {};  // when its credentials will count no more

  // `admin` has every scope, but who is bound to an agent is never an administrator: it could make
  // itself a key that is bound to none.
  bool has_scope(std::string_view scope) const;
};

// A part of the query that a route knows.
struct QueryParameter {
  std::string_view name;
  std::string_view schema;       // JSON Schema of its value, as text
  std::string_view description;  // for people
};

// Views point into the connection's buffer: they hold while the handler runs, not longer.
class Request {
 public:
  Method method = Method::get;
  std::string_view method_name;  // as it was sent
  std::string_view target;       // as it was sent
  std::string_view path;         // the target up to '?', still percent-encoded
  std::vector<Header> headers;
  bool is_http_1_0 = false;
  bool is_secure = false;  // came over TLS
  bool has_body = false;   // more than zero bytes follow the head

  std::string body;
  json::value json;  // the parsed body of routes that take JSON; null when there was none

  std::string id;           // the client's X-Request-Id when it is decent, else a new one
  std::string traceparent;  // valid (W3C Trace Context) or empty
  std::string address;      // the peer's IP address
  Principal principal;
  std::string_view route;  // the pattern that matched: "/api/packets/{id}"; empty before

  const void* matched = nullptr;  // the router's own note

  // What the route declares of its query. Nothing: the handler makes of it what it likes.
  std::optional<std::span<const QueryParameter>> declared;

  // Decoded, in the order they were sent. No name comes twice.
  std::vector<std::pair<std::string, std::string>> query;
  std::vector<std::pair<std::string_view, std::string>> params;

  // The first header of this name. Hosts, lengths and credentials are known to come once.
  std::optional<std::string_view> header(std::string_view name) const;
  // What the route does not declare is never there: the router refuses it.
  std::optional<std::string_view> query_value(std::string_view name) const;
  // A parameter of the route; it must be in the route's path.
  const std::string& param(std::string_view name) const;

  // invalid: a value that is no number within [low, high].
  base::Result<std::optional<std::uint64_t>> query_number(std::string_view name, std::uint64_t low,
                                                          std::uint64_t high) const;
  // True for "true" or "1", false for "false", "0" or nothing; invalid otherwise.
  base::Result<bool> query_flag(std::string_view name) const;
  // invalid names the first query parameter that the route does not declare.
  base::Result<> check_query() const;

  // How long the caller wants to be held: ?wait=N, else Prefer: wait=N; zero without; at most
  // limits::http_wait_max.
  base::Result<std::chrono::seconds> wait() const;

  // Forgets everything but keeps the memory.
  void clear();
};

}  // namespace http
