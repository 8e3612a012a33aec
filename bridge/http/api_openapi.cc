// The API as an OpenAPI document, made of what the router knows: what answers is what is told.
#include "bridge/base/ascii.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"

#include <memory>

#include <fmt/format.h>

namespace http {

namespace {

constexpr std::string_view openapi_path = "/api/openapi.json";

// Problems (RFC 9457), as every route answers them.
constexpr std::string_view problem_schema = R"json({
  "type": "object",
  "required": ["type", "title", "status", "code", "retryable", "request_id"],
  "properties": {
    "type": {"type": "string"},
    "title": {"type": "string"},
    "status": {"type": "integer", "minimum": 400, "maximum": 599},
    "detail": {"type": "string"},
    "instance": {"type": "string"},
    "code": {"type": "string", "description": "A stable machine word."},
    "retryable": {"type": "boolean"},
    "request_id": {"type": "string"},
    "errors": {
      "type": "array",
      "items": {
        "type": "object",
        "required": ["pointer", "keyword", "detail"],
        "properties": {
          "pointer": {"type": "string"},
          "keyword": {"type": "string"},
          "detail": {"type": "string"}
        }
      }
    }
  }
})json";

// "post_packets_id_cancel"
std::string operation_id(const Route& route) {
  std::string id = base::lower(name(route.method));
  for (const char c : route.path) {
    if (base::is_alphanumeric(c)) id += c;
    if (!base::is_alphanumeric(c) && id.back() != '_') id += '_';
  }
  while (id.ends_with('_')) id.pop_back();
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
  return parameters;
}

json::object body_of(const Route& route) {
  json::value schema = true;
  if (const auto* check = route.check.target<BodyCheck>()) {
    auto known = base::parse_json(check->schema);
    BRIDGE_ASSERT(known);
    schema = *std::move(known);
  }
  json::object content;
  for (const auto& type : route.media_types) content[type] = json::object{{"schema", schema}};
  return {{"required", route.body == Body::json}, {"content", std::move(content)}};
}

json::object operation(const Route& route) {
  json::object told{{"operationId", operation_id(route)}, {"tags", json::array{tag_of(route)}}};
  if (auto parameters = parameters_of(route); !parameters.empty()) {
    told["parameters"] = std::move(parameters);
  }
  if (route.body != Body::none) told["requestBody"] = body_of(route);
  const json::object problem{{"$ref", "#/components/responses/Problem"}};
  told["responses"] = json::object{{"2XX", json::object{{"description", "It is done, or begun."}}},
                                   {"default", problem}};
  if (route.is_public) {
    told["security"] = json::array();
  } else {
    json::array scopes;
    if (!route.scope.empty()) scopes.push_back(json::value(route.scope));
    told["security"] = json::array{json::object{{"key", std::move(scopes)}}};
  }
  return told;
}

}  // namespace

json::object openapi(const Router& router, const std::string& version) {
  json::object paths;
  for (const auto* route : router.routes()) {
    auto& path = paths[route->path];
    if (!path.is_object()) path = json::object();
    path.as_object()[base::lower(name(route->method))] = operation(*route);
  }
  const json::object problem{
      {"description", "Why not (RFC 9457)."},
      {"content",
       json::object{
           {"application/problem+json",
            json::object{{"schema", json::object{{"$ref", "#/components/schemas/Problem"}}}}}}}};
  return {{"openapi", "3.1.0"},
          {"info", json::object{{"title", "Flywheel Bridge"}, {"version", version}}},
          {"paths", std::move(paths)},
          {"components",
           json::object{
               {"schemas", json::object{{"Problem", *base::parse_json(problem_schema)}}},
               {"responses", json::object{{"Problem", problem}}},
               {"securitySchemes",
                json::object{{"key", json::object{{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

void add_openapi_routes(Router& router, ApiNeeds& needs) {
  // Routes are all there before the first request.
  auto document = std::make_shared<json::object>();
  router.add({.path = std::string(openapi_path), .is_public = true},
             [&router, &needs, document](Request& request) -> base::Task<Response> {
               CO_TRY_OK(request.only_query({}));
               if (document->empty()) *document = openapi(router, needs.version);
               co_return json_response(*document);
             });
}

}  // namespace http
