// From a request to the handler that answers it.
#pragma once

#include "bridge/base/limits.h"
#include "bridge/base/result.h"
#include "bridge/http/authenticator.h"
#include "bridge/http/problem.h"
#include "bridge/http/rate_limiter.h"
#include "bridge/http/request.h"
#include "bridge/http/response.h"

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace http {

// An Error becomes its problem. The Request lives until the handler has ended; cancelled when the
// server stops.
using Handler = std::function<base::Task<Response>(Request&)>;

enum class Body {
  none,      // a body is refused
  optional,  // JSON or nothing
  json,      // JSON, 400 without
  bytes,     // not parsed
};

// One answer of a route when all goes well, for documents.
struct Answer {
  int status = 200;
  std::string_view schema = {};                      // the name of a component; empty: none is told
  std::string_view media_type = "application/json";  // empty: no body
};

// A header that a route reads, for documents.
struct HeaderParameter {
  std::string_view name;
  std::string_view schema;       // JSON Schema of its value, as text
  std::string_view description;  // for people
};

struct Route {
  Method method = Method::get;
  std::string path;           // "/api/packets/{id}"; literal segments win over parameters
  std::string scope;          // empty: any authenticated caller
  std::string or_scope = {};  // does as well; empty: none
  bool is_public = false;
  Body body = Body::none;
  std::vector<std::string> media_types = {"application/json"};  // of bodies; else 415
  // Everything wrong with a JSON body; 422 with all of it.
  std::function<std::vector<BodyError>(const json::value&)> check = {};
  std::size_t body_bytes_max = limits::http_body_bytes_max;
  bool is_rate_limited = true;
  // Its query parameters; others are refused. Nothing: the handler looks at the query by itself.
  std::optional<std::vector<QueryParameter>> query = {};
  std::vector<Answer> answers = {};
  std::vector<HeaderParameter> headers = {};
  std::string_view operation_id = {};  // for documents; empty: made of method and path
  // The name of a component, for documents: a body that the handler checks by itself. Empty:
  // `check` says it, or it may be anything.
  std::string_view body_schema = {};
};

// Routes are added before the server starts. Answers HEAD by GET and OPTIONS by the methods there.
// Refuses, in this order: unknown paths 404, methods 405 or 501, callers 401 and 429, scopes 403,
// media types 415, queries 400, bodies 400 and 422.
class Router {
 public:
  // Neither may end before the router. Without an authenticator only public routes answer. The
  // limiter slows each agent, with all of its keys together, and nobody else; without one it does
  // not slow them either.
  explicit Router(Authenticator* authenticator = nullptr, RateLimiter* limiter = nullptr);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // The same method and path twice, and two parameters of different names in one place, are bugs.
  void add(Route route, Handler handler);

  // For the server: what can be refused before the body is read, else how large it may be.
  std::expected<std::size_t, Response> admit(Request& request) const;
  // For the server, of what was admitted, before it waits for a body: why the caller may not call;
  // nothing when it may. `answer` looks again, as a key may end meanwhile.
  boost::asio::awaitable<std::optional<Response>> refuse_caller(Request& request) const;
  // For the server: never fails and never throws anything but cancellation.
  boost::asio::awaitable<Response> answer(Request& request) const;

  // Every route, for documents and tests.
  std::vector<const Route*> routes() const;

 private:
  struct Node;
  struct Entry;

  std::expected<const Entry*, Response> find(Request& request) const;
  boost::asio::awaitable<std::optional<Response>> refuse_caller(const Entry& entry,
                                                                Request& request) const;

  Authenticator* authenticator_;
  RateLimiter* limiter_;
  std::unique_ptr<Node> root_;
};

}  // namespace http
