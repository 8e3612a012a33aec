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
            "operationId": {"type": "string", "pattern": "^[a-z][A-Za-z0-9]*$"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "parameters": {
              "type": "array",
              "items": {
                "required": ["name", "in", "schema"],
                "properties": {
                  "in": {"enum": ["path", "query", "header"]},
                  "required": {"type": "boolean"}
                },
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

TEST(OpenApi, ItStandsAtBothPathsForEverybody) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto whole = co_await document(f);
    const auto reply = co_await f.call_as("", "GET", "/openapi.json");
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.json(), whole);
    EXPECT_EQ(whole.at("paths").at("/api/packets").at("post").at("operationId"), "sendPacket");
    EXPECT_EQ(whole.at("paths").at("/").at("get").at("operationId"), "getDashboard");
    EXPECT_EQ(whole.at("paths").at("/dashboard/sign-in").at("get").at("operationId"),
              "getDashboardSignIn");
  });
}

std::set<std::string> parameters_in(const json::value& operation, std::string_view place) {
  std::set<std::string> names;
  const auto* parameters = operation.as_object().if_contains("parameters");
  if (parameters == nullptr) return names;
  for (const auto& one : parameters->as_array()) {
    if (text(one, "in") == place) names.insert(text(one, "name"));
  }
  return names;
}

// The schema of the body with all that it refers to.
std::string body_text(const json::value& operation, const json::value& components) {
  const auto* body = operation.as_object().if_contains("requestBody");
  if (body == nullptr) return {};
  std::string whole = json::serialize(*body);
  std::set<std::string> used;
  for (std::size_t before = 0; before != whole.size();) {
    before = whole.size();
    for (const auto& [name, schema] : components.at("schemas").as_object()) {
      const auto reference = fmt::format("schemas/{}\"", std::string_view(name));
      if (whole.find(reference) == whole.npos || !used.emplace(name).second) continue;
      whole += json::serialize(schema);
    }
  }
  return whole;
}

// Whoever cannot set headers says the same in the body or the query, and the other way round.
TEST(OpenApi, AHeaderIsToldWhereItsTwinIs) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto whole = co_await document(f);
    std::size_t keyed = 0;
    for (const auto& [path, methods] : whole.at("paths").as_object()) {
      for (const auto& [method, operation] : methods.as_object()) {
        const auto headers = parameters_in(operation, "header");
        const auto query = parameters_in(operation, "query");
        EXPECT_EQ(headers.contains("Last-Event-ID"), query.contains("last_event_id")) << path;
        // It waits by itself, and is told how long at most.
        const bool always_waits = path == "/api/audit/verify";
        EXPECT_EQ(headers.contains("Prefer"), query.contains("wait") && !always_waits) << path;
        // They look at what others keep.
        if (path.ends_with("/validate")) continue;
        const bool has_twin =
            body_text(operation, whole.at("components")).find("\"idempotency_key\":") !=
            std::string::npos;
        EXPECT_EQ(headers.contains("Idempotency-Key"), has_twin) << method << path;
        keyed += has_twin ? 1 : 0;
      }
    }
    EXPECT_EQ(keyed, 16u);
    const auto& agent = whole.at("paths").at("/api/gpt-agents/{gptId}");
    for (const auto* method : {"patch", "delete"}) {
      EXPECT_TRUE(parameters_in(agent.at(method), "header").contains("If-Match")) << method;
    }
    EXPECT_THAT(parameters_in(agent.at("get"), "header"), IsEmpty());
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
