// The API with its own document at hand.
#pragma once

#include "bridge/schema/registry.h"
#include "bridge/schema/schema.h"
#include "tests/http/api_fixture.h"

#include <cctype>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>

namespace http_test {

inline std::string lower(std::string_view text) {
  std::string word(text);
  for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word;
}

// The schema names members: by itself, or by what it refers to. Others take any.
inline bool names_members(const json::object& schema, const json::object& schemas) {
  if (schema.contains("additionalProperties")) return false;
  if (schema.contains("properties")) return true;
  const auto* reference = schema.if_contains("$ref");
  if (reference == nullptr) return false;
  const std::string_view path = reference->get_string();
  const auto* target = schemas.if_contains(path.substr(path.rfind('/') + 1));
  return target && target->is_object() && names_members(target->get_object(), schemas);
}

inline void close_parts(json::object& schema, const json::object& schemas);

// Members that it does not name are wrong from here on. Where others build on a schema, only the
// whole may say so, which is why this is done to the uses of a component and not to itself.
inline void close_schema(json::value& value, const json::object& schemas) {
  auto* schema = value.if_object();
  if (schema == nullptr) return;
  close_parts(*schema, schemas);
  if (names_members(*schema, schemas)) (*schema)["unevaluatedProperties"] = false;
}

inline void close_parts(json::object& schema, const json::object& schemas) {
  for (const auto* name : {"items", "additionalProperties"}) {
    if (auto* part = schema.if_contains(name)) close_schema(*part, schemas);
  }
  for (const auto* name : {"anyOf", "oneOf"}) {
    auto* parts = schema.if_contains(name);
    if (parts == nullptr) continue;
    for (auto& part : parts->as_array()) close_schema(part, schemas);
  }
  if (auto* members = schema.if_contains("properties")) {
    for (auto& [name, member] : members->as_object()) close_schema(member, schemas);
  }
}

// The targets under every "links" within.
inline void gather_links(const json::value& value, std::set<std::string>& found) {
  if (const auto* list = value.if_array()) {
    for (const auto& item : *list) gather_links(item, found);
  }
  const auto* object = value.if_object();
  if (object == nullptr) return;
  for (const auto& [name, member] : *object) {
    gather_links(member, found);
    if (name != "links" || !member.is_object()) continue;
    for (const auto& [way, target] : member.get_object()) found.emplace(target.as_string());
  }
}

// Every reply that comes through here is held against the document, and may have no member that
// the document does not know. In the end its links are followed.
struct Documented : ApiFixture {
  void tell(std::function<Story()> story) {
    run([this, story = std::move(story)]() -> Story {
      const auto reply = co_await call_as("", "GET", "/api/openapi.json");
      EXPECT_EQ(reply.status, 200) << reply.body;
      document = reply.json().as_object();
      closed = document.at("components").as_object();
      const auto open = closed.at("schemas").as_object();
      for (auto& [name, schema] : closed.at("schemas").as_object()) {
        if (schema.is_object()) close_parts(schema.get_object(), open);
      }
      const json::object agent{{"name", "Builder"}, {"kind", "cli"}, {"tier", "operator"}};
      (void)co_await ask("POST", "/api/gpt-agents/register", "/api/gpt-agents/register",
                         json::object(agent));
      co_await story();
      co_await follow_links();
    });
  }

  // Each leads to something, and asks for it as it wants to be asked; what only takes a POST says
  // so.
  Story follow_links() {
    for (const auto& target : links) {
      const auto reply =
          co_await call("GET", target, {.headers = {{"Accept", "application/json"}}});
      EXPECT_NE(reply.status, 400) << target << reply.body;
      EXPECT_THAT(reply.body, testing::Not(testing::HasSubstr("there is nothing at"))) << target;
    }
  }

  // The schema of this answer; null where it has none.
  json::value schema_of(std::string_view method, std::string_view path, int status) const {
    const auto& responses =
        document.at("paths").at(path).at(lower(method)).at("responses").as_object();
    const auto* answer = responses.if_contains(std::to_string(status));
    if (answer == nullptr) return nullptr;
    const auto& content = answer->at("content").as_object();
    return content.at("application/json").at("schema");
  }

  asio::awaitable<json::value> ask(std::string method, std::string target, std::string path,
                                   std::optional<json::value> body = {}) {
    const auto reply =
        co_await call(method, std::move(target),
                      {.body = std::move(body), .headers = {{"Accept", "application/json"}}});
    const auto schema = schema_of(method, path, reply.status);
    EXPECT_FALSE(schema.is_null()) << method << " " << path << " " << reply.status << reply.body;
    if (!schema.is_null()) expect_valid(reply.json(), schema, method + " " + path);
    gather_links(reply.json(), links);
    co_return reply.json();
  }

  void expect_valid(const json::value& instance, const json::value& schema,
                    const std::string& where) const {
    json::value outermost = schema;
    close_schema(outermost, document.at("components").at("schemas").as_object());
    auto whole = outermost.as_object();
    whole["components"] = closed;
    const auto compiled = schema::Schema::compile(schema::Registry(), whole);
    EXPECT_TRUE(compiled) << where << (compiled ? "" : compiled.error().message);
    if (!compiled) return;
    const auto violations = compiled->check(instance);
    EXPECT_TRUE(violations);
    if (!violations) return;
    for (const auto& one : *violations) {
      ADD_FAILURE() << where << ": " << schema::to_line(one) << "\n" << json::serialize(instance);
    }
  }

  json::object document;
  json::object closed;  // its components
  std::set<std::string> links;
};

}  // namespace http_test
