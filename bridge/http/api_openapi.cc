// The API as an OpenAPI document, made of what the router knows: what answers is what is told.
#include "bridge/base/ascii.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"

#include <array>
#include <memory>

#include <fmt/format.h>

namespace http {

namespace {

constexpr std::array<std::string_view, 2> openapi_paths = {"/openapi.json", "/api/openapi.json"};

constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

// Its own, or of what has none: "getDashboardViewsEventsJs" of "GET /dashboard/views/events.js".
std::string operation_id(const Route& route) {
  if (!route.operation_id.empty()) return std::string(route.operation_id);
  std::string id = base::lower(name(route.method));
  bool begins_word = true;
  for (const char c : route.path) {
    if (base::is_alphanumeric(c)) id += begins_word ? upper(c) : c;
    begins_word = !base::is_alphanumeric(c);
  }
  return id;
}

// The part of the API that it belongs to: "packets" of "/api/packets/{id}".
std::string tag_of(const Route& route) {
  constexpr std::string_view api = "/api/";
  std::string_view path = route.path;
  if (!path.starts_with(api)) return "pages and health";
  path.remove_prefix(api.size());
  return std::string(path.substr(0, path.find('/')));
}

// A text that is no JSON is a bug.
json::value schema_in(std::string_view text) {
  auto schema = base::parse_json(text);
  BRIDGE_ASSERT(schema);
  return *std::move(schema);
}

json::object reference_to(std::string_view group, std::string_view name) {
  return {{"$ref", fmt::format("#/components/{}/{}", group, name)}};
}

json::array parameters_of(const Route& route) {
  json::array parameters;
  std::string_view path = route.path;
  for (auto open = path.find('{'); open != path.npos; open = path.find('{')) {
    const auto close = path.find('}', open);
    parameters.push_back(json::object{{"name", path.substr(open + 1, close - open - 1)},
                                      {"in", "path"},
                                      {"required", true},
                                      {"schema", json::object{{"type", "string"}}}});
    path.remove_prefix(close + 1);
  }
  const auto add = [&parameters](std::string_view place, const auto& known) {
    parameters.push_back(json::object{{"name", known.name},
                                      {"in", place},
                                      {"required", false},
                                      {"description", known.description},
                                      {"schema", schema_in(known.schema)}});
  };
  if (route.query) {
    for (const auto& known : *route.query) add("query", known);
  }
  for (const auto& known : route.headers) add("header", known);
  return parameters;
}

json::object body_of(const Route& route) {
  json::value schema = true;
  if (!route.body_schema.empty()) schema = reference_to("schemas", route.body_schema);
  if (const auto* check = route.check.target<BodyCheck>()) schema = schema_in(check->schema);
  json::object content;
  for (const auto& type : route.media_types) content[type] = json::object{{"schema", schema}};
  return {{"required", route.body == Body::json}, {"content", std::move(content)}};
}

// One status may come in several media types.
json::object responses_of(const Route& route) {
  json::object responses;
  for (const auto& answer : route.answers) {
    auto& told = responses[std::to_string(answer.status)];
    if (!told.is_object()) {
      const auto begun = answer.status == 202 ? "It is begun." : "It is done.";
      told = json::object{{"description", begun}};
    }
    if (answer.media_type.empty()) continue;
    auto& content = told.as_object()["content"];
    if (!content.is_object()) content = json::object();
    json::object type;
    if (!answer.schema.empty()) type["schema"] = reference_to("schemas", answer.schema);
    content.as_object()[answer.media_type] = std::move(type);
  }
  responses["default"] = reference_to("responses", "Problem");
  return responses;
}

json::object key_with(const std::string& scope) {
  json::array scopes;
  if (!scope.empty()) scopes.push_back(json::value(scope));
  return {{"key", std::move(scopes)}};
}

json::object operation(const Route& route) {
  json::object told{{"operationId", operation_id(route)}, {"tags", json::array{tag_of(route)}}};
  if (auto parameters = parameters_of(route); !parameters.empty()) {
    told["parameters"] = std::move(parameters);
  }
  if (route.body != Body::none) told["requestBody"] = body_of(route);
  told["responses"] = responses_of(route);
  if (route.is_public) {
    told["security"] = json::array();
  } else {
    told["security"] = json::array{key_with(route.scope)};
    // One of several is enough.
    if (!route.or_scope.empty()) told["security"].as_array().push_back(key_with(route.or_scope));
  }
  return told;
}

}  // namespace

json::object openapi(const Router& router, const std::string& version,
                     const protocol::MessageTypes& types) {
  json::object paths;
  for (const auto* route : router.routes()) {
    auto& path = paths[route->path];
    if (!path.is_object()) path = json::object();
    path.as_object()[base::lower(name(route->method))] = operation(*route);
  }
  const json::object problem{
      {"description", "Why not (RFC 9457)."},
      {"content", json::object{{"application/problem+json",
                                json::object{{"schema", reference_to("schemas", "Problem")}}}}}};
  return {{"openapi", "3.1.0"},
          {"info", json::object{{"title", "Flywheel Bridge"}, {"version", version}}},
          {"paths", std::move(paths)},
          {"components",
           json::object{
               {"schemas", component_schemas(types)},
               {"responses", json::object{{"Problem", problem}}},
               {"securitySchemes",
                json::object{{"key", json::object{{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

void add_openapi_routes(Router& router, ApiNeeds& needs) {
  // Routes are all there before the first request.
  auto document = std::make_shared<json::object>();
  for (const auto path : openapi_paths) {
    add_declared(router, {.path = std::string(path), .is_public = true},
                 [&router, &needs, document](Request&) -> base::Task<Response> {
                   if (document->empty()) *document = openapi(router, needs.version, needs.types);
                   co_return json_response(*document);
                 });
  }
}

}  // namespace http
