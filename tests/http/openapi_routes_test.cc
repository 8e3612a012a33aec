// The document of the API as a whole: its references, its query parameters and its answers.
#include "tests/http/documented.h"

#include <map>

#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::Each;
using testing::IsEmpty;
using testing::Not;

// "/api/packets/x" of "/api/packets/{id}".
std::string filled(std::string_view path) {
  std::string target;
  bool is_inside = false;
  for (const char c : path) {
    if (c == '{') target += 'x';
    is_inside = (is_inside || c == '{') && c != '}';
    if (!is_inside && c != '}') target += c;
  }
  return target;
}

// Every "$ref" below.
void collect_references(const json::value& value, std::vector<std::string>& found) {
  if (const auto* list = value.if_array()) {
    for (const auto& one : *list) collect_references(one, found);
  }
  if (const auto* object = value.if_object()) {
    for (const auto& [name, member] : *object) {
      if (name == "$ref" && member.is_string()) found.emplace_back(member.get_string());
      collect_references(member, found);
    }
  }
}

TEST(OpenApiRoutes, EveryReferenceLeadsSomewhereAndEverySchemaIsOne) {
  Documented f;
  f.tell([&]() -> Story {
    std::vector<std::string> references;
    collect_references(f.document, references);
    EXPECT_THAT(references, Not(IsEmpty()));
    EXPECT_THAT(references, Each(testing::StartsWith("#/components/")));
    for (const auto& reference : references) {
      boost::system::error_code missing;
      const json::value whole(f.document);
      EXPECT_TRUE(whole.find_pointer(reference.substr(1), missing)) << reference;
    }
    for (const auto& [name, schema] : f.document.at("components").at("schemas").as_object()) {
      json::object alone{
          {"$ref", "#/components/schemas/" + std::string(name)},
          {"components", f.document.at("components")},
      };
      const auto compiled = schema::Schema::compile(schema::Registry(), alone);
      EXPECT_TRUE(compiled) << name << (compiled ? "" : compiled.error().message);
    }
    co_return;
  });
}

TEST(OpenApiRoutes, WhereOneOfTwoScopesIsEnoughBothAreNamed) {
  Documented f;
  f.tell([&]() -> Story {
    const auto security_of = [&](std::string_view path) {
      return f.document.at("paths").at(path).at("get").at("security");
    };
    EXPECT_EQ(security_of("/api/approvals/{id}"),
              *base::parse_json(R"([{"key": ["actions"]}, {"key": ["approve"]}])"));
    EXPECT_EQ(security_of("/api/actions"), *base::parse_json(R"([{"key": ["actions"]}])"));
    co_return;
  });
}

TEST(OpenApiRoutes, EachRouteTakesTheQueryParametersThatAreToldAndNoOther) {
  Documented f;
  f.tell([&]() -> Story {
    std::size_t told_in_all = 0;
    for (const auto* route : f.router->routes()) {
      const std::string method(http::name(route->method));
      const auto& operation = f.document.at("paths").at(route->path).at(lower(method)).as_object();
      std::vector<std::string> told, known;
      if (const auto* parameters = operation.if_contains("parameters")) {
        for (const auto& one : parameters->as_array()) {
          if (one.at("in") == "query") told.push_back(text(one, "name"));
        }
      }
      if (!route->query) {
        EXPECT_FALSE(route->path.starts_with("/api/")) << "it may read what nobody is told of";
        continue;
      }
      for (const auto& one : *route->query) known.emplace_back(one.name);
      EXPECT_EQ(told, known) << route->path;
      told_in_all += told.size();
      const auto refused = co_await f.call(method, filled(route->path) + "?surely_unknown=1");
      EXPECT_EQ(refused.status, 400) << method << route->path;
      EXPECT_EQ(text(refused.json(), "code"), "invalid_query") << method << route->path;
    }
    EXPECT_GT(told_in_all, 60u);
  });
}

// What cannot say so itself, being nothing but a model's words.
TEST(OpenApiRoutes, AReplyAloneIsToldToBeUntrusted) {
  Documented f;
  f.tell([&]() -> Story {
    const auto told = [&](std::string_view path, std::string_view media_type) {
      const auto& answer = f.document.at("paths").at(path).at("get").at("responses").at("200");
      const auto& use = answer.at("content").at(media_type).at("schema");
      const std::string reference = text(use, "$ref");
      return text(json::value(f.document).at_pointer(reference.substr(1)), "description");
    };
    EXPECT_THAT(told("/api/packets/{id}/response", "application/json"),
                testing::HasSubstr("untrusted"));
    EXPECT_THAT(told("/api/packets/{id}/raw", "text/plain"), testing::HasSubstr("untrusted"));
    co_return;
  });
}

// The document itself is described by others.
TEST(OpenApiRoutes, NoAnswerIsAnObjectOfWhichNothingIsTold) {
  Documented f;
  f.tell([&]() -> Story {
    for (const auto* route : f.router->routes()) {
      if (route->path.ends_with("/openapi.json")) continue;
      for (const auto& answer : route->answers) {
        EXPECT_FALSE(answer.schema == "Object" || answer.schema == "ObjectPage") << route->path;
      }
    }
    co_return;
  });
}

TEST(OpenApiRoutes, EveryRouteTellsWhatItAnswersAndResourcesMoreThanThatTheyAreObjects) {
  Documented f;
  f.tell([&]() -> Story {
    std::map<std::string, int> used;
    for (const auto* route : f.router->routes()) {
      EXPECT_THAT(route->answers, Not(IsEmpty())) << route->path;
      for (const auto& answer : route->answers) ++used[std::string(answer.schema)];
    }
    for (const auto& [name, schema] : f.document.at("components").at("schemas").as_object()) {
      const auto& told = schema.as_object();
      if (told.contains("required") || told.contains("enum")) continue;
      EXPECT_THAT(
          (std::vector<std::string>{"Object", "PacketResponse", "RawReply", "Links", "Registered",
                                    "AskedActionOrDecision", "Counts", "CodeBlocks", "PacketTypes",
                                    "RequestPacket", "NewWorkflow"}),
          testing::Contains(std::string(name)));
    }
    for (const std::string name : {"Packet", "Agent", "Message", "Workflow", "Run", "MemoryEntry",
                                   "Subscription", "Action", "Schedule", "Key"}) {
      EXPECT_GT(used[name] + used[name + "Page"], 0) << name;
    }
    co_return;
  });
}

}  // namespace
}  // namespace http_test
