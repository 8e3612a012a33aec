#include "bridge/http/router.h"

#include "bridge/base/ascii.h"
#include "bridge/base/json.h"
#include "bridge/http/uri_text.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace http {

namespace asio = boost::asio;

struct Router::Entry {
  Route route;
  Handler handler;
};

struct Router::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::unique_ptr<Node> parameter;
  std::string parameter_name;
  std::map<Method, Entry> entries;

  // The node of these segments that has entries; literals first. Fills `params` on the way.
  const Node* find(std::span<const std::string_view> segments, Request& request) const {
    if (segments.empty()) return entries.empty() ? nullptr : this;
    const auto segment = percent_decoded(segments.front());
    if (!segment || segment->empty()) return nullptr;
    if (const auto literal = literals.find(*segment); literal != literals.end()) {
      if (const auto* found = literal->second->find(segments.subspan(1), request)) return found;
    }
    if (!parameter) return nullptr;
    request.params.emplace_back(parameter_name, *segment);
    if (const auto* found = parameter->find(segments.subspan(1), request)) return found;
    request.params.pop_back();
    return nullptr;
  }

  const Entry* entry(Method method) const {
    auto found = entries.find(method);
    if (found == entries.end() && method == Method::head) found = entries.find(Method::get);
    return found == entries.end() ? nullptr : &found->second;
  }

  std::string allowed() const {
    std::string list;
    for (const auto& [method, entry] : entries) {
      if (method == Method::get) list += "GET, HEAD, ";
      if (method != Method::get && method != Method::head) list += std::string(name(method)) + ", ";
    }
    return list + "OPTIONS";
  }
};

namespace {

using Segments = std::array<std::string_view, limits::http_path_segments_max>;

// Nothing when there are too many. "/" has none.
std::optional<std::span<const std::string_view>> split(std::string_view path, Segments& segments) {
  std::size_t count = 0;
  path.remove_prefix(std::min<std::size_t>(path.size(), 1));
  if (path.empty()) return std::span<const std::string_view>();
  while (true) {
    if (count == segments.size()) return std::nullopt;
    const auto end = path.find('/');
    segments[count++] = path.substr(0, end);
    if (end == std::string_view::npos)
      return std::span<const std::string_view>(segments.data(), count);
    path.remove_prefix(end + 1);
  }
}

// The type is one of `media_types`, and its charset, if it names one, is UTF-8.
bool is_media_type(std::string_view sent, const std::vector<std::string>& media_types) {
  auto rest = sent;
  const auto type = base::without_blanks(rest.substr(0, rest.find(';')));
  rest.remove_prefix(std::min(rest.find(';'), rest.size()));
  if (std::ranges::none_of(media_types, [&](const auto& own) { return same_header(own, type); })) {
    return false;
  }
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const auto parameter = base::without_blanks(rest.substr(0, rest.find(';')));
    rest.remove_prefix(std::min(rest.find(';'), rest.size()));
    if (parameter.size() >= 8 && same_header(parameter.substr(0, 8), "charset=")) {
      const auto charset = parameter.substr(8);
      if (!same_header(charset, "utf-8") && !same_header(charset, "\"utf-8\"")) return false;
    }
  }
  return true;
}

std::optional<Response> check_body_head(const Route& route, const Request& request) {
  if (!request.has_body) return std::nullopt;
  if (route.body == Body::none) {
    return problem_response(400, "unexpected_body", fmt::format("{} takes no body", request.path));
  }
  const auto coding = request.header("content-encoding");
  if (coding && !same_header(*coding, "identity")) {
    return problem_response(415, "unsupported_media_type", "bodies are taken without an encoding");
  }
  const auto type = request.header("content-type");
  if (!type || !is_media_type(*type, route.media_types)) {
    return problem_response(
        415, "unsupported_media_type",
        fmt::format("the body must be {}", fmt::join(route.media_types, " or ")));
  }
  return std::nullopt;
}

// Parses and checks the body as the route wants it.
std::optional<Response> read_body(const Route& route, Request& request) {
  if (route.body == Body::none || route.body == Body::bytes) return std::nullopt;
  if (request.body.empty()) {
    if (route.body == Body::optional) return std::nullopt;
    return problem_response(400, "invalid_json", "the body is empty, JSON is needed");
  }
  auto parsed = base::parse_json(request.body);
  if (!parsed) return problem_response(400, "invalid_json", parsed.error().message);
  request.json = *std::move(parsed);
  if (!route.check) return std::nullopt;
  auto errors = route.check(request.json);
  if (errors.empty()) return std::nullopt;
  Problem problem{.status = 422, .code = "invalid"};
  problem.detail =
      fmt::format("the body has {} error{}", errors.size(), errors.size() == 1 ? "" : "s");
  problem.errors = std::move(errors);
  return problem_response(std::move(problem));
}

void add_rate_headers(const RateLimiter& limiter, const RateLimiter::Verdict& verdict,
                      Response& response) {
  response.add("RateLimit-Policy", limiter.policy_header());
  response.add("RateLimit", limiter.state_header(verdict));
}

}  // namespace

Router::Router(Authenticator* authenticator, RateLimiter* limiter)
    : authenticator_(authenticator), limiter_(limiter), root_(std::make_unique<Node>()) {}

Router::~Router() = default;

void Router::add(Route route, Handler handler) {
  BRIDGE_ASSERT(route.path.starts_with('/') && handler);
  BRIDGE_ASSERT(route.method != Method::unknown && route.method != Method::options);
  BRIDGE_ASSERT(route.is_public || authenticator_ != nullptr);
  Segments buffer;
  const auto segments = split(route.path, buffer);
  BRIDGE_ASSERT(segments.has_value());
  Node* node = root_.get();
  for (const auto segment : *segments) {
    BRIDGE_ASSERT(!segment.empty());
    std::unique_ptr<Node>* next = nullptr;
    if (segment.starts_with('{')) {
      const auto parameter = segment.substr(1, segment.size() - 2);
      BRIDGE_ASSERT(segment.ends_with('}') && !parameter.empty());
      BRIDGE_ASSERT(!node->parameter || node->parameter_name == parameter);
      node->parameter_name = parameter;
      next = &node->parameter;
    } else {
      next = &node->literals[std::string(segment)];
    }
    if (!*next) *next = std::make_unique<Node>();
    node = next->get();
  }
  const auto method = route.method;
  const bool is_new =
      node->entries.emplace(method, Entry{std::move(route), std::move(handler)}).second;
  BRIDGE_ASSERT(is_new);
}

std::vector<const Route*> Router::routes() const {
  std::vector<const Route*> found;
  const auto visit = [&found](const Node& node, const auto& self) -> void {
    for (const auto& [method, entry] : node.entries) found.push_back(&entry.route);
    for (const auto& [text, child] : node.literals) self(*child, self);
    if (node.parameter) self(*node.parameter, self);
  };
  visit(*root_, visit);
  return found;
}

std::expected<const Router::Entry*, Response> Router::find(Request& request) const {
  if (request.target == "*") {
    Response options;
    options.add("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    return std::unexpected(std::move(options));
  }
  if (request.matched != nullptr) return static_cast<const Entry*>(request.matched);
  Segments buffer;
  const auto segments = split(request.path, buffer);
  request.params.clear();
  const Node* node = segments ? root_->find(*segments, request) : nullptr;
  if (request.method == Method::unknown) {
    return std::unexpected(
        problem_response(501, "not_implemented", "the method is not known here"));
  }
  if (node == nullptr) {
    return std::unexpected(
        problem_response(404, "not_found", fmt::format("there is nothing at {}", request.path)));
  }
  if (const auto* entry = node->entry(request.method)) {
    request.route = entry->route.path;
    request.matched = entry;
    if (entry->route.query) request.declared = *entry->route.query;
    return entry;
  }
  Response refusal;
  if (request.method != Method::options) {
    refusal = problem_response(405, "method_not_allowed",
                               fmt::format("{} is not for {}", request.path, request.method_name));
  }
  refusal.add("Allow", node->allowed());
  return std::unexpected(std::move(refusal));
}

std::expected<std::size_t, Response> Router::admit(Request& request) const {
  auto entry = find(request);
  if (!entry) return std::unexpected(std::move(entry).error());
  const Route& route = (*entry)->route;
  if (!route.is_public && !Authenticator::has_credentials(request)) {
    return std::unexpected(Authenticator::no_credentials());
  }
  if (auto refusal = check_body_head(route, request)) return std::unexpected(*std::move(refusal));
  const auto query =
      request.target.substr(std::min(request.path.size() + 1, request.target.size()));
  auto pairs = parse_query(query);
  if (!pairs) return std::unexpected(problem_response(400, "invalid_query", pairs.error().message));
  request.query = *std::move(pairs);
  return route.body_bytes_max;
}

asio::awaitable<std::optional<Response>> Router::refuse_caller(Request& request) const {
  const auto found = find(request);
  BRIDGE_ASSERT(found.has_value());
  co_return co_await refuse_caller(**found, request);
}

asio::awaitable<std::optional<Response>> Router::refuse_caller(const Entry& entry,
                                                               Request& request) const {
  if (entry.route.is_public) co_return std::nullopt;
  auto principal = co_await authenticator_->authenticate(request);
  if (!principal) co_return std::move(principal).error();
  request.principal = *std::move(principal);
  const std::string& scope = entry.route.scope;
  const std::string& or_scope = entry.route.or_scope;
  const auto has = [&](const std::string& one) { return request.principal.has_scope(one); };
  if (scope.empty() || has(scope) || (!or_scope.empty() && has(or_scope))) co_return std::nullopt;
  co_return Authenticator::insufficient_scope(scope, or_scope);
}

asio::awaitable<Response> Router::answer(Request& request) const {
  auto found = find(request);
  if (!found) co_return std::move(found).error();
  const Entry& entry = **found;
  if (auto refusal = co_await refuse_caller(entry, request)) co_return *std::move(refusal);

  std::optional<RateLimiter::Verdict> verdict;
  const auto& agent = request.principal.agent;
  if (limiter_ != nullptr && entry.route.is_rate_limited && !agent.empty()) {
    const auto& id = request.principal.agent_id;
    verdict = limiter_->take(id.empty() ? agent : id);
    if (!verdict->is_allowed) {
      auto refusal = problem_response(Problem{.status = 429,
                                              .code = "rate_limited",
                                              .detail = "too many requests of this agent",
                                              .is_retryable = true,
                                              .retry_after = verdict->retry_after});
      add_rate_headers(*limiter_, *verdict, refusal);
      co_return refusal;
    }
  }
  Response response;
  if (const auto known = request.check_query(); !known) {
    response = error_response(known.error());
  } else if (auto refusal = read_body(entry.route, request)) {
    response = *std::move(refusal);
  } else {
    auto handled = co_await entry.handler(request);
    response = handled ? *std::move(handled) : error_response(handled.error());
  }
  if (verdict) add_rate_headers(*limiter_, *verdict, response);
  co_return response;
}

}  // namespace http
