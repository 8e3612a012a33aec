// Messages and queries between agents.
#include "bridge/base/limits.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"
#include "bridge/services/messages/message_limits.h"
#include "bridge/services/messages/query_question.h"

#include <charconv>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace http {

namespace {

namespace messages = services::messages;
using base::Code;
using base::Task;

constexpr std::string_view message_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["text"],
  "properties": {
    "text": {"type": "string", "minLength": 1, "maxLength": 200000},
    "topic": {"type": "string", "maxLength": 200},
    "thread": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$"},
    "reply_to": {"type": "string", "minLength": 1, "maxLength": 100},
    "meta": {"type": "object", "maxProperties": 100},
    "from": {"type": "string", "minLength": 1, "maxLength": 200},
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  }
})json";

constexpr std::string_view query_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["query"],
  "properties": {
    "query": {"type": "string", "minLength": 1, "maxLength": 200000},
    "context": {"type": "string", "maxLength": 200000},
    "thread": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$"},
    "schema": {"type": "object"},
    "wait": {"type": "integer", "minimum": 0, "maximum": 40},
    "from": {"type": "string", "minLength": 1, "maxLength": 200},
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  }
})json";

constexpr std::string_view broadcast_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["text"],
  "properties": {
    "to": {
      "type": ["array", "string"],
      "description": "Agents; as a text a category, or else a capability.",
      "minLength": 1,
      "maxLength": 200,
      "minItems": 1,
      "maxItems": 1000,
      "uniqueItems": true,
      "items": {"type": "string", "minLength": 1, "maxLength": 200}
    },
    "category": {"type": "string", "minLength": 1, "maxLength": 200},
    "capability": {"type": "string", "minLength": 1, "maxLength": 200},
    "text": {"type": "string", "minLength": 1, "maxLength": 200000},
    "topic": {"type": "string", "maxLength": 200},
    "thread": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$"},
    "meta": {"type": "object", "maxProperties": 100},
    "from": {"type": "string", "minLength": 1, "maxLength": 200},
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  },
  "minProperties": 2
})json";

constexpr std::string_view nothing_schema = R"json({
  "type": ["object", "null"], "additionalProperties": false
})json";

std::vector<BodyError> check_meta(const json::value& body) {
  const auto* meta = body.get_object().if_contains("meta");
  if (!meta || json::serialize(*meta).size() <= limits::message_meta_bytes_max) return {};
  return {{"/meta", "maxLength",
           fmt::format("is larger than {} bytes", limits::message_meta_bytes_max)}};
}

std::vector<BodyError> check_query(const json::value& body) {
  const auto* schema = body.get_object().if_contains("schema");
  if (!schema) return {};
  const auto good = messages::check_schema(*schema);
  if (good) return {};
  return {{"/schema", "schema", good.error().message}};
}

std::vector<BodyError> check_broadcast(const json::value& body) {
  auto errors = check_meta(body);
  const auto& object = body.get_object();
  int ways = 0;
  for (const auto* way : {"to", "category", "capability"}) ways += object.contains(way) ? 1 : 0;
  if (ways != 1) {
    errors.push_back({"", "oneOf", "whom: give one of \"to\", \"category\" and \"capability\""});
  }
  return errors;
}

json::object view_of(const messages::Party& party) {
  return {{"id", text_or_null(party.id)}, {"name", party.name}};
}

// Who answers a query: its agent, by a message, or the conversation that was asked.
std::string_view answered_by(const messages::Message& query) {
  return query.job.empty() ? "inbox" : "conversation";
}

json::object view_of(const messages::Message& message) {
  json::object view{{"id", message.id},
                    {"sequence", message.sequence},
                    {"kind", messages::name(message.kind)},
                    {"thread", message.thread},
                    {"from", view_of(message.sender)},
                    {"to", view_of(message.recipient)},
                    {"text", message.text},
                    {"topic", text_or_null(message.topic)},
                    {"reply_to", text_or_null(message.reply_to)},
                    {"meta", message.meta},
                    {"trust", message.is_untrusted ? "untrusted" : "sender"},
                    {"sent", base::rfc3339(message.sent)},
                    {"acked", time_or_null(message.acked)},
                    {"outcome", text_or_null(message.outcome)}};
  if (message.kind == messages::Kind::query) view["answered_by"] = answered_by(message);
  if (!message.value.is_null()) view["value"] = message.value;
  return view;
}

// Of a query: what was asked, how it stands, and the answer.
json::object view_of(const services::Messages::Result& result) {
  const auto& query = result.query;
  const bool is_open = messages::is_open(query);
  const std::string self =
      fmt::format("/api/gpt-agents/{}/queries/{}", query.recipient.id, query.id);
  json::object view{{"id", query.id},
                    {"state", is_open         ? "open"
                              : result.answer ? "answered"
                                              : "failed"},
                    {"thread", query.thread},
                    {"from", view_of(query.sender)},
                    {"to", view_of(query.recipient)},
                    {"asked", base::rfc3339(query.sent)},
                    {"answered_by", answered_by(query)},
                    {"answer", nullptr},
                    {"error", nullptr},
                    {"links", json::object{{"self", self}}}};
  if (result.answer) view["answer"] = view_of(*result.answer);
  if (!is_open && !result.answer) view["error"] = json::object{{"code", query.outcome}};
  if (!result.job) return view;
  view["job"] = json::object{{"id", result.job->id.text},
                             {"state", engine::name(result.job->state)},
                             {"stage", engine::name(result.job->stage)}};
  if (result.job->error && !result.answer) {
    view["error"] =
        json::object{{"code", result.job->error->code}, {"detail", result.job->error->detail}};
  }
  return view;
}

services::Messages::Say said(const Request& request) {
  const auto& body = request.json;
  services::Messages::Say say{.to = {},
                              .from = text_in(body, "from"),
                              .text = text_in(body, "text"),
                              .topic = text_in(body, "topic"),
                              .thread = text_in(body, "thread"),
                              .reply_to = text_in(body, "reply_to")};
  if (const auto* meta = body.get_object().if_contains("meta")) say.meta = meta->get_object();
  return say;
}

Task<Response> send(ApiNeeds& needs, Request& request) {
  CO_TRY(auto asked, asked_with(request, "gptId"));
  auto say = said(request);
  say.to = request.param("gptId");
  const auto sent = co_await needs.messages.send(caller_of(request.principal), std::move(say),
                                                 {std::move(asked.key), std::move(asked.hash)});
  if (!sent) {
    auto problem = problem_of(sent.error());
    if (sent.error().reason == "wrong_answer") {
      problem.errors.push_back({"/text", "schema", sent.error().message});
    }
    co_return problem_response(std::move(problem));
  }
  auto response = json_response(view_of(sent->message), 201);
  if (sent->is_replay) response.add("Idempotency-Replayed", "true");
  co_return response;
}

Task<Response> query(ApiNeeds& needs, Request& request) {
  CO_TRY(auto wait, request.wait());
  CO_TRY(auto asked, asked_with(request, "gptId"));
  const auto& body = request.json.get_object();
  if (const auto* twin = body.if_contains("wait")) {
    wait = std::chrono::seconds(twin->to_number<std::int64_t>());
  }
  services::Messages::Ask ask{.to = request.param("gptId"),
                              .from = text_in(request.json, "from"),
                              .text = text_in(request.json, "query"),
                              .context = text_in(request.json, "context"),
                              .thread = text_in(request.json, "thread")};
  if (const auto* schema = body.if_contains("schema")) ask.schema = *schema;
  const auto caller = caller_of(request.principal);
  CO_TRY(const auto sent,
         co_await needs.messages.ask(caller, std::move(ask),
                                     {std::move(asked.key), std::move(asked.hash)}));
  CO_TRY(const auto result,
         co_await needs.messages.result(caller, sent.message.recipient.id, sent.message.id,
                                        needs.clock.now() + wait));
  auto response = json_response(view_of(result), messages::is_open(result.query) ? 202 : 200);
  response.add("Location", fmt::format("/api/gpt-agents/{}/queries/{}", sent.message.recipient.id,
                                       sent.message.id));
  if (sent.is_replay) response.add("Idempotency-Replayed", "true");
  co_return response;
}

Task<Response> look(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto wait, request.wait());
  CO_TRY(const auto result,
         co_await needs.messages.result(caller_of(request.principal), request.param("gptId"),
                                        request.param("id"), needs.clock.now() + wait));
  co_return json_response(view_of(result));
}

Task<Response> list(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto page, page_of(request));
  CO_TRY(const auto wait, request.wait());
  CO_TRY(const auto after, request.query_number("after", 0, 1'000'000'000'000'000));
  CO_TRY(const bool only_unread, request.query_flag("unread"));
  CO_TRY(const bool only_dead, request.query_flag("dead"));
  CO_TRY(const bool newest_first, request.query_flag("newest"));
  const auto text = [&](std::string_view name) {
    return std::string(request.query_value(name).value_or(""));
  };
  std::int64_t behind = static_cast<std::int64_t>(after.value_or(0));
  if (!page.after.empty()) {
    std::from_chars(page.after.data(), page.after.data() + page.after.size(), behind);
  }
  messages::Filter filter{.agent = {},
                          .with = text("with"),
                          .thread = text("thread"),
                          .only_unread = only_unread,
                          .only_dead = only_dead,
                          .newest_first = newest_first};
  if (after && filter.newest_first) {
    co_return base::fail(Code::invalid, "query parameter after: not together with newest",
                         "invalid_query");
  }
  CO_TRY(const auto found, co_await needs.messages.list(
                               caller_of(request.principal), request.param("gptId"),
                               std::move(filter), behind, page.limit, needs.clock.now() + wait));
  json::array items;
  for (const auto& message : found.messages) items.push_back(view_of(message));
  const auto next =
      found.is_end ? std::nullopt : std::optional(std::to_string(found.messages.back().sequence));
  auto response = page_response(request, std::move(items), next);
  response.add("Flywheel-Unread", std::to_string(found.unread));
  co_return response;
}

Task<Response> ack(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto message,
         co_await needs.messages.ack(caller_of(request.principal), request.param("gptId"),
                                     request.param("id")));
  co_return json_response(view_of(message));
}

std::string_view word_for(const services::Messages::Delivery& one) {
  if (!one.message) return "failed";
  return one.is_repeat ? "repeated" : "sent";
}

json::value view_of(const std::vector<services::Messages::Delivery>& sent) {
  json::array results;
  std::int64_t count = 0;
  std::int64_t failed = 0;
  for (const auto& one : sent) {
    json::object result{{"to", one.to}, {"result", word_for(one)}};
    if (one.message) {
      if (!one.is_repeat) ++count;
      result["to_id"] = one.message->recipient.id;
      result["message"] = one.message->id;
      result["thread"] = one.message->thread;
    }
    if (one.error) {
      ++failed;
      const auto& error = *one.error;
      result["error"] = json::object{
          {"code", error.reason.empty() ? std::string(base::name(error.code)) : error.reason},
          {"detail", error.message}};
    }
    results.push_back(std::move(result));
  }
  return json::object{{"sent", count}, {"failed", failed}, {"results", std::move(results)}};
}

Task<Response> broadcast(ApiNeeds& needs, Request& request) {
  CO_TRY(auto asked, asked_with(request));
  services::Messages::Everybody whom{.category = text_in(request.json, "category"),
                                     .capability = text_in(request.json, "capability")};
  if (const auto* to = request.json.get_object().if_contains("to")) {
    if (to->is_string()) whom.either = to->get_string();
    if (to->is_array()) {
      for (const auto& name : to->get_array()) whom.to.emplace_back(name.get_string());
    }
  }
  const auto view = [](const auto& sent) { return view_of(sent); };
  CO_TRY(const auto sent, co_await needs.messages.broadcast(
                              caller_of(request.principal), std::move(whom), said(request),
                              {std::move(asked.key), std::move(asked.hash)}, view));
  auto response = json_response(sent.results);
  if (sent.is_replay) response.add("Idempotency-Replayed", "true");
  co_return response;
}

}  // namespace

void add_message_routes(Router& router, ApiNeeds& needs) {
  const auto add = [&](Method method, std::string path, Act act, Body body = Body::none,
                       std::function<std::vector<BodyError>(const json::value&)> check = {}) {
    add_declared(router,
                 {.method = method,
                  .path = "/api/gpt-agents/" + std::move(path),
                  .scope = "messages",
                  .body = body,
                  .check = std::move(check)},
                 with(needs, act));
  };
  add(Method::post, "broadcast", broadcast, Body::json,
      body_check(broadcast_schema, check_broadcast));
  add(Method::post, "{gptId}/message", send, Body::json, body_check(message_schema, check_meta));
  add(Method::post, "{gptId}/query", query, Body::json, body_check(query_schema, check_query));
  add(Method::get, "{gptId}/queries/{id}", look);
  add(Method::get, "{gptId}/messages", list);
  add(Method::post, "{gptId}/messages/{id}/ack", ack, Body::optional, body_check(nothing_schema));
}

}  // namespace http
