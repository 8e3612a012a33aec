// Workflows and their runs.
#include "bridge/base/limits.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"
#include "bridge/services/workflows/workflows.h"
#include "bridge/services/workflows/yaml.h"

#include <fmt/format.h>

namespace http {

namespace {

using base::Code;
using base::Result;
using base::Task;

constexpr std::string_view execute_schema = R"json({
  "type": ["object", "null"],
  "additionalProperties": false,
  "properties": {
    "inputs": {"type": "object"},
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  }
})json";

constexpr std::string_view cancel_schema = R"json({
  "type": ["object", "null"],
  "additionalProperties": false,
  "properties": {
    "at_once": {"type": "boolean"},
    "note": {"type": "string", "maxLength": 4096}
  }
})json";

constexpr std::string_view nothing_schema = R"json({
  "type": ["object", "null"], "additionalProperties": false
})json";

constexpr std::string_view decide_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["decision"],
  "properties": {
    "decision": {"enum": ["approve", "reject"]},
    "note": {"type": "string", "maxLength": 4096}
  }
})json";

bool is_json(const Request& request) {
  const auto type = request.header("content-type").value_or("");
  return same_header(type.substr(0, type.find_first_of("; \t")), "application/json");
}

Result<json::value> from_yaml(std::string_view text) {
  TRY(auto parsed, workflow::parse_yaml(text));
  return std::move(parsed.value);
}

struct Asked {
  json::value document;
  std::string key;
};

// The definition: the body itself, as JSON or YAML, or the text in its member "yaml".
Result<Asked> asked_in(const Request& request) {
  Asked asked;
  TRY(asked.key, idempotency_key(request));
  if (!is_json(request)) {
    TRY(asked.document, from_yaml(request.body));
    return asked;
  }
  auto parsed = base::parse_json(request.body);
  if (!parsed) return base::fail(Code::invalid, parsed.error().message, "invalid_json");
  asked.document = *std::move(parsed);
  auto* object = asked.document.if_object();
  if (!object) return asked;
  if (const auto own = text_in(asked.document, "idempotency_key"); !own.empty()) {
    if (own.size() > limits::idempotency_key_bytes_max) {
      return base::fail(Code::invalid, "/idempotency_key: it is too long", "bad_request");
    }
    if (!asked.key.empty() && asked.key != own) {
      return base::fail(
          Code::invalid,
          "/idempotency_key: must be what the Idempotency-Key header says, or missing");
    }
    asked.key = own;
    object->erase("idempotency_key");
  }
  const auto* yaml = object->if_contains("yaml");
  if (yaml && yaml->is_string() && object->size() == 1) {
    const std::string text(yaml->get_string());
    TRY(asked.document, from_yaml(text));
  }
  return asked;
}

Response unreadable(const base::Error& error) {
  const bool is_text = error.reason == "invalid_json" || error.reason == "not_yaml";
  return is_text ? problem_response(400, error.reason, error.message) : error_response(error);
}

Task<Response> create(ApiNeeds& needs, Request& request) {
  auto asked = asked_in(request);
  if (!asked) co_return unreadable(asked.error());
  auto definition = workflow::Definition::from_json(std::move(asked->document));
  if (!definition) co_return refusal_response(std::move(definition).error());
  auto created = co_await needs.workflows.create(caller_of(request.principal),
                                                 *std::move(definition), std::move(asked->key));
  if (!created) co_return refusal_response(std::move(created).error());
  auto response = json_response(created->view, created->is_new ? 201 : 200);
  response.add("Location", std::string_view(created->view.at("links").at("self").as_string()));
  if (created->is_replay) response.add("Idempotency-Replayed", "true");
  co_return response;
}

Task<Response> validate(ApiNeeds& needs, Request& request) {
  auto asked = asked_in(request);
  if (!asked) co_return unreadable(asked.error());
  std::vector<protocol::Violation> violations;
  auto definition = workflow::Definition::from_json(std::move(asked->document));
  if (definition) {
    CO_TRY(violations, co_await needs.workflows.check(*std::move(definition)));
  } else {
    violations = std::move(definition.error().violations);
  }
  json::array errors;
  for (const auto& one : violations) {
    errors.push_back({{"pointer", one.pointer}, {"keyword", one.keyword}, {"detail", one.detail}});
  }
  const bool is_valid = errors.empty();
  co_return json_response(json::object{{"valid", is_valid}, {"errors", std::move(errors)}});
}

Task<Response> list(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto page, page_of(request));
  CO_TRY(auto found, co_await needs.workflows.list(page.after, page.limit));
  co_return page_response(request, std::move(found.items), found.next);
}

Task<Response> look(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto view, co_await needs.workflows.view(request.param("id")));
  co_return json_response(view);
}

Task<Response> remove(ApiNeeds& needs, Request& request) {
  CO_TRY_OK(co_await needs.workflows.remove(caller_of(request.principal), request.param("id")));
  co_return Response();
}

Task<Response> status(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto view,
         co_await needs.workflows.status(caller_of(request.principal), request.param("id")));
  co_return json_response(view);
}

bool has_finished(const json::object& run) { return run.at("state") == "finished"; }

Task<Response> execute(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto wait, request.wait());
  CO_TRY(auto key, idempotency_key(request));
  if (key.empty()) key = text_in(request.json, "idempotency_key");
  const auto* body = request.json.if_object();
  const auto* inputs = body ? body->if_contains("inputs") : nullptr;
  auto executed = co_await needs.workflows.execute(
      caller_of(request.principal), request.param("id"),
      inputs ? inputs->get_object() : json::object(), std::move(key));
  if (!executed) co_return refusal_response(std::move(executed).error());
  auto view = std::move(executed->view);
  if (wait.count() > 0 && !has_finished(view)) {
    CO_TRY(view, co_await needs.workflows.wait(caller_of(request.principal), executed->run,
                                               needs.clock.now() + wait));
  }
  auto response = json_response(view, has_finished(view) ? 200 : 202);
  response.add("Location", "/api/gpt-workflows/runs/" + executed->run);
  if (executed->is_replay) response.add("Idempotency-Replayed", "true");
  if (wait.count() > 0 && !request.query_value("wait")) {
    response.add("Preference-Applied", fmt::format("wait={}", wait.count()));
  }
  co_return response;
}

Task<Response> runs(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto page, page_of(request));
  const std::string result(request.query_value("result").value_or(""));
  const bool is_known =
      result.empty() || result == "running" || workflow::outcome_named(result).has_value();
  if (!is_known) {
    co_return base::fail(Code::invalid,
                         "query parameter result: must be running, success, failure or cancelled",
                         "invalid_query");
  }
  CO_TRY(auto found,
         co_await needs.workflows.runs(caller_of(request.principal),
                                       std::string(request.query_value("workflow").value_or("")),
                                       result, page.after, page.limit));
  co_return page_response(request, std::move(found.items), found.next);
}

Task<Response> waiting(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto page, page_of(request));
  CO_TRY(auto found,
         co_await needs.workflows.waiting(caller_of(request.principal), page.after, page.limit));
  co_return page_response(request, std::move(found.items), found.next);
}

Task<Response> run(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto wait, request.wait());
  CO_TRY(const auto view,
         co_await needs.workflows.wait(caller_of(request.principal), request.param("run"),
                                       needs.clock.now() + wait));
  co_return json_response(view);
}

Task<Response> step(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto view,
         co_await needs.workflows.step(caller_of(request.principal), request.param("run"),
                                       request.param("step")));
  co_return json_response(view);
}

Task<Response> cancel(ApiNeeds& needs, Request& request) {
  const auto* body = request.json.if_object();
  const auto* at_once = body ? body->if_contains("at_once") : nullptr;
  const auto wish = at_once && at_once->get_bool() ? workflow::Wish::stop : workflow::Wish::cancel;
  CO_TRY(const auto view,
         co_await needs.workflows.cancel(caller_of(request.principal), request.param("run"), wish,
                                         text_in(request.json, "note")));
  co_return json_response(view);
}

Task<Response> retry(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto view,
         co_await needs.workflows.retry(caller_of(request.principal), request.param("run")));
  co_return json_response(view, 202);
}

Task<Response> decide(ApiNeeds& needs, Request& request) {
  const bool is_approved = text_in(request.json, "decision") == "approve";
  CO_TRY(const auto view, co_await needs.workflows.decide(
                              caller_of(request.principal), request.param("run"),
                              request.param("step"), is_approved, text_in(request.json, "note")));
  co_return json_response(view);
}

}  // namespace

void add_workflow_routes(Router& router, ApiNeeds& needs) {
  const auto add = [&](Method method, std::string path, Act act, Body body = Body::none,
                       std::function<std::vector<BodyError>(const json::value&)> check = {},
                       std::string scope = "workflows", std::string or_scope = {}) {
    add_declared(router,
                 {.method = method,
                  .path = "/api/gpt-workflows" + std::move(path),
                  .scope = std::move(scope),
                  .or_scope = std::move(or_scope),
                  .body = body,
                  .check = std::move(check)},
                 with(needs, act));
  };
  const auto add_definition = [&](std::string path, Act act, std::string_view schema = {}) {
    add_declared(router,
                 {.method = Method::post,
                  .path = "/api/gpt-workflows" + std::move(path),
                  .scope = "workflows",
                  .body = Body::bytes,
                  .media_types = {"application/json", "application/yaml", "application/x-yaml",
                                  "text/yaml", "text/x-yaml"},
                  .body_schema = schema},
                 with(needs, act));
  };
  add_definition("/create", create, "NewWorkflow");
  // Whatever it is, it is told what is wrong with it.
  add_definition("/validate", validate);
  add(Method::get, "", list);
  add(Method::get, "/{id}", look);
  add(Method::del, "/{id}", remove);
  add(Method::get, "/{id}/status", status);
  add(Method::post, "/{id}/execute", execute, Body::optional, body_check(execute_schema));
  add(Method::get, "/runs", runs);
  // With `approve` alone: of runs that wait for a person. Nobody decides on what he cannot read.
  add(Method::get, "/runs/approvals", waiting, Body::none, {}, "workflows", "approve");
  add(Method::get, "/runs/{run}", run, Body::none, {}, "workflows", "approve");
  add(Method::get, "/runs/{run}/steps/{step}", step, Body::none, {}, "workflows", "approve");
  add(Method::post, "/runs/{run}/cancel", cancel, Body::optional, body_check(cancel_schema));
  add(Method::post, "/runs/{run}/retry", retry, Body::optional, body_check(nothing_schema));
  add(Method::post, "/runs/{run}/steps/{step}/approve", decide, Body::json,
      body_check(decide_schema), "approve");
}

}  // namespace http
