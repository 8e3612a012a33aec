// The document of the API: it tells every route and nothing else, and what it tells is true.
#include "bridge/http/api_parts.h"
#include "tests/http/documented.h"

#include <algorithm>
#include <set>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAreArray;

schema::Schema compiled(const json::value& document) {
  auto made = schema::Schema::compile(schema::Registry(), document);
  EXPECT_TRUE(made) << json::serialize(document);
  return *std::move(made);
}

// What OpenAPI 3.1 wants of a document, as far as this one uses it.
constexpr std::string_view shape = R"json({
  "type": "object",
  "required": ["openapi", "info", "paths", "components"],
  "additionalProperties": false,
  "properties": {
    "openapi": {"pattern": "^3\\.1\\.\\d+$"},
    "info": {"required": ["title", "version"]},
    "components": {
      "required": ["schemas", "responses", "securitySchemes"],
      "properties": {
        "responses": {"additionalProperties": {"required": ["description"]}},
        "securitySchemes": {"additionalProperties": {"required": ["type"]}}
      }
    },
    "paths": {
      "propertyNames": {"pattern": "^/"},
      "additionalProperties": {
        "propertyNames": {"enum": ["get", "put", "post", "delete", "options", "head", "patch"]},
        "additionalProperties": {
          "required": ["operationId", "responses", "security"],
          "additionalProperties": false,
          "properties": {
            "operationId": {"type": "string", "minLength": 1},
            "tags": {"type": "array", "items": {"type": "string"}},
            "parameters": {
              "type": "array",
              "items": {
                "required": ["name", "in", "schema"],
                "properties": {"in": {"enum": ["path", "query"]}, "required": {"type": "boolean"}},
                "if": {"properties": {"in": {"const": "path"}}},
                "then": {"required": ["required"], "properties": {"required": {"const": true}}},
                "else": {"required": ["description"]}
              }
            },
            "requestBody": {
              "required": ["content"],
              "properties": {"content": {"additionalProperties": {"required": ["schema"]}}}
            },
            "responses": {
              "type": "object",
              "minProperties": 2,
              "required": ["default"],
              "propertyNames": {"pattern": "^(?:2[0-9][0-9]|default)$"}
            },
            "security": {"type": "array", "items": {"additionalProperties": {"type": "array"}}}
          }
        }
      }
    }
  }
})json";

asio::awaitable<json::object> document(ApiFixture& f) {
  const auto reply = co_await f.call_as("", "GET", "/api/openapi.json");
  EXPECT_EQ(reply.status, 200) << reply.body;
  co_return reply.json().as_object();
}

TEST(OpenApi, ItTellsEveryRouteAndNoOther) {
  ApiFixture f;
  f.run([&]() -> Story {
    std::vector<std::string> known, told;
    for (const auto* route : f.router->routes()) {
      known.push_back(fmt::format("{} {}", lower(http::name(route->method)), route->path));
    }
    const auto whole = co_await document(f);
    for (const auto& [path, methods] : whole.at("paths").as_object()) {
      for (const auto& [method, operation] : methods.as_object()) {
        told.push_back(fmt::format("{} {}", std::string_view(method), std::string_view(path)));
      }
    }
    EXPECT_GT(known.size(), 80u);
    EXPECT_THAT(told, UnorderedElementsAreArray(known));
  });
}

TEST(OpenApi, ItHasTheShapeOfTheStandardAndNamesEachOperationOnce) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto whole = co_await document(f);
    const auto violations = compiled(*base::parse_json(shape)).check(whole);
    EXPECT_TRUE(violations);
    for (const auto& one : *violations) ADD_FAILURE() << schema::to_line(one);
    std::set<std::string> ids;
    for (const auto& [path, methods] : whole.at("paths").as_object()) {
      for (const auto& [method, operation] : methods.as_object()) {
        EXPECT_TRUE(ids.insert(text(operation, "operationId")).second) << path << method;
        std::size_t in_path = 0;
        if (const auto* parameters = operation.as_object().if_contains("parameters")) {
          for (const auto& one : parameters->as_array()) in_path += one.at("in") == "path" ? 1 : 0;
        }
        EXPECT_EQ(in_path, static_cast<std::size_t>(std::ranges::count(path, '{'))) << path;
      }
    }
  });
}

TEST(OpenApi, TheSchemaOfABodyIsTheOneThatItIsCheckedBy) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto whole = co_await document(f);
    int bodies = 0;
    for (const auto* route : f.router->routes()) {
      const auto& operation =
          whole.at("paths").at(route->path).at(lower(http::name(route->method))).as_object();
      EXPECT_EQ(operation.contains("requestBody"), route->body != http::Body::none) << route->path;
      if (!route->check) continue;
      // Whatever checks a body tells its schema.
      EXPECT_TRUE(route->check.target<http::BodyCheck>()) << route->path;
      const auto& content = operation.at("requestBody").at("content").as_object();
      const auto by_document = compiled(content.begin()->value().at("schema"));
      ++bodies;
      for (const json::value& body :
           {json::value(json::object{{"surely unknown", 1}}), json::value(7)}) {
        EXPECT_FALSE(by_document.is_valid(body)) << route->path;
        EXPECT_THAT(route->check(body), testing::Not(IsEmpty())) << route->path;
      }
    }
    EXPECT_GT(bodies, 20);
  });
}

TEST(OpenApi, ProblemsAreAsItSays) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto whole = co_await document(f);
    const auto problem = compiled(
        {{"$ref", "#/components/schemas/Problem"}, {"components", whole.at("components")}});
    const auto wrong = co_await f.call("POST", "/api/keys", {.body = json::object{{"x", 1}}});
    const auto unknown = co_await f.call("GET", "/api/packets/none");
    const auto stranger = co_await f.call_as("no key", "GET", "/api/packets");
    for (const auto* reply : {&wrong, &unknown, &stranger}) {
      EXPECT_GE(reply->status, 400);
      EXPECT_TRUE(problem.is_valid(reply->json())) << reply->body;
    }
  });
}

}  // namespace
}  // namespace http_test
