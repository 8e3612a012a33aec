#include "bridge/http/api_declared.h"

#include "bridge/http/api_parts.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace http {

namespace json = boost::json;

namespace {

constexpr std::string_view page_end = "Page";

// What stands before the separator; `rest` becomes what follows it.
std::string_view next_word(std::string_view& rest, std::string_view separator) {
  const auto end = rest.find(separator);
  const auto word = rest.substr(0, end);
  rest = end == rest.npos ? std::string_view() : rest.substr(end + separator.size());
  return word;
}

QueryParameter parameter_of(std::string_view key) {
  const auto all = declared_parameters();
  const auto found = std::ranges::find(all, key, &DeclaredParameter::key);
  BRIDGE_ASSERT(found != all.end());
  const auto dot = key.find('.');
  const auto name = dot == key.npos ? key : key.substr(dot + 1);
  return {.name = name, .schema = found->schema, .description = found->description};
}

std::optional<std::vector<QueryParameter>> query_of(std::string_view keys) {
  if (keys == "*") return std::nullopt;
  std::vector<QueryParameter> query;
  while (!keys.empty()) query.push_back(parameter_of(next_word(keys, " ")));
  return query;
}

std::vector<HeaderParameter> headers_of(std::string_view names) {
  std::vector<HeaderParameter> headers;
  const auto all = declared_headers();
  while (!names.empty()) {
    const auto found = std::ranges::find(all, next_word(names, " "), &HeaderParameter::name);
    BRIDGE_ASSERT(found != all.end());
    headers.push_back(*found);
  }
  return headers;
}

std::vector<Answer> answers_of(std::string_view text) {
  std::vector<Answer> answers;
  while (!text.empty()) {
    auto what = next_word(text, ", ");
    const auto status = next_word(what, " ");
    Answer answer;
    const auto read = std::from_chars(status.data(), status.data() + status.size(), answer.status);
    BRIDGE_ASSERT(read.ec == std::errc());
    const bool is_json = !what.empty() && what.find('/') == what.npos;
    if (!is_json) answer.media_type = next_word(what, " ");
    answer.schema = what;
    answers.push_back(answer);
  }
  return answers;
}

json::object page_schema(std::string_view item) {
  const auto reference = fmt::format("#/components/schemas/{}", item);
  return {{"type", "object"},
          {"required", json::array{"items", "next_cursor"}},
          {"properties",
           json::object{{"items", json::object{{"type", "array"},
                                               {"items", json::object{{"$ref", reference}}}}},
                        {"next_cursor", json::object{{"type", json::array{"string", "null"}}}}}}};
}

// Refuses a wish that has one key in its head and another in its body.
Handler with_one_key(Handler handler) {
  return [handler = std::move(handler)](Request& request) -> base::Task<Response> {
    CO_TRY(const auto key, idempotency_key(request));
    const auto own = text_in(request.json, "idempotency_key");
    if (key.empty() || own.empty() || key == own) co_return co_await handler(request);
    Problem problem{.status = 422, .code = "invalid"};
    problem.detail = "the body's idempotency_key is not the one of the Idempotency-Key header";
    problem.errors = {{"/idempotency_key", "const", "must be what the header says, or missing"}};
    co_return problem_response(std::move(problem));
  };
}

}  // namespace

json::object component_schemas(const protocol::MessageTypes& types) {
  auto schemas = derived_schemas(types);
  for (const auto group :
       {work_schemas(), registry_schemas(), common_schemas(), bridge_schemas()}) {
    for (const auto& [name, text] : group) {
      auto schema = base::parse_json(text);
      BRIDGE_ASSERT(schema);
      schemas[name] = *std::move(schema);
    }
  }
  for (const auto& declaration : declarations()) {
    for (const auto& answer : answers_of(declaration.answers)) {
      if (!answer.schema.ends_with(page_end) || schemas.contains(answer.schema)) continue;
      const auto item = answer.schema.substr(0, answer.schema.size() - page_end.size());
      schemas[answer.schema] = page_schema(item);
    }
  }
  return schemas;
}

void add_declared(Router& router, Route route, Handler handler) {
  const auto operation = fmt::format("{} {}", name(route.method), route.path);
  const auto all = declarations();
  const auto found = std::ranges::find(all, operation, &Declaration::operation);
  BRIDGE_ASSERT(found != all.end());
  route.query = query_of(found->query);
  route.answers = answers_of(found->answers);
  route.headers = headers_of(found->headers);
  route.operation_id = found->id;
  const bool has_key = std::ranges::any_of(
      route.headers, [](const auto& header) { return header.name == "Idempotency-Key"; });
  if (has_key) handler = with_one_key(std::move(handler));
  router.add(std::move(route), std::move(handler));
}

}  // namespace http
