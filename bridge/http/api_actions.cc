// Actions: what may be asked for, what was, and what people say to it.
#include "bridge/base/limits.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"
#include "bridge/services/actions/action_limits.h"
#include "bridge/services/untrusted.h"
#include "bridge/services/workflows/run_world.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace http {

namespace {

namespace actions = services::actions;
using base::Code;
using base::Task;

constexpr std::string_view check_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["action"],
  "properties": {
    "action": {"type": "string", "minLength": 1, "maxLength": 200},
    "params": {"type": "object"}
  }
})json";

constexpr std::string_view execute_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["action"],
  "properties": {
    "action": {"type": "string", "minLength": 1, "maxLength": 200},
    "params": {"type": "object"},
    "dry_run": {"type": "boolean"},
    "wait": {"type": "integer", "minimum": 0, "maximum": 40},
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  }
})json";

constexpr std::string_view decide_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["approval", "decision"],
  "properties": {
    "approval": {"type": "string", "minLength": 1, "maxLength": 100},
    "decision": {"enum": ["approve", "reject"]},
    "note": {"type": "string", "maxLength": 2000}
  }
})json";

constexpr std::string_view resolve_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["verdict"],
  "properties": {
    "verdict": {"enum": ["sent", "not-sent", "abandon"]},
    "note": {"type": "string", "maxLength": 2000}
  }
})json";

constexpr std::string_view undo_schema = R"json({
  "type": ["object", "null"],
  "additionalProperties": false,
  "properties": {
    "wait": {"type": "integer", "minimum": 0, "maximum": 40},
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  }
})json";

constexpr std::string_view kill_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["on", "reason"],
  "properties": {
    "action": {"type": "string", "minLength": 1, "maxLength": 200},
    "agent": {"type": "string", "minLength": 1, "maxLength": 200},
    "all": {"const": true},
    "on": {"type": "boolean"},
    "reason": {"type": "string", "minLength": 1, "maxLength": 500}
  }
})json";

std::vector<BodyError> check_params(const json::value& body) {
  const auto* params = body.get_object().if_contains("params");
  if (!params || json::serialize(*params).size() <= limits::action_params_bytes_max) return {};
  return {{"/params", "maxLength",
           fmt::format("is larger than {} bytes", limits::action_params_bytes_max)}};
}

std::vector<BodyError> check_place(const json::value& body) {
  const auto& object = body.get_object();
  int places = 0;
  for (const auto* place : {"action", "agent", "all"}) places += object.contains(place) ? 1 : 0;
  if (places == 1) return {};
  return {{"", "oneOf", "what: give one of \"action\", \"agent\" and \"all\""}};
}

json::object view_of(const actions::Decision& decision) {
  json::array errors;
  for (const auto& one : decision.violations) {
    errors.push_back(json::object{
        {"pointer", "/params" + one.pointer}, {"keyword", one.keyword}, {"detail", one.detail}});
  }
  return {{"allowed", decision.is_allowed},
          {"code", text_or_null(decision.code)},
          {"risk", decision.risk},
          {"reasons", json::array(decision.reasons.begin(), decision.reasons.end())},
          {"needs_approval", decision.needs_approval()},
          {"approvers", decision.approvers},
          {"errors", std::move(errors)}};
}

// All is asked for an agent or in a run: the parameters may be its words, or what a model gave it.
json::object view_of(const actions::Asked& asked) {
  json::object view{
      {"id", asked.id},
      {"action", asked.action},
      {"params", asked.params},
      {"agent", text_or_null(asked.agent)},
      {"asker", asked.asker},
      {"workflow_run", text_or_null(services::run_of_principal(asked.principal).value_or(""))},
      {"risk", asked.risk},
      {"approvers", asked.approvers},
      {"state", actions::name(asked.state)},
      {"hash", asked.hash},
      {"requested", base::rfc3339(asked.asked)},
      {"expires", base::rfc3339(asked.expires)},
      {"ended", time_or_null(asked.ended)},
      {"error", text_or_null(asked.error)},
      {"job", text_or_null(asked.job)},
      {"undoes", text_or_null(asked.undoes)},
      {"links", json::object{{"self", "/api/approvals/" + asked.id},
                             {"events", "/api/events?subject=" + asked.id}}}};
  services::mark_untrusted(view, "params");
  return view;
}

json::object view_of(const services::Actions::View& found) {
  auto view = view_of(found.asked);
  json::array approvals;
  for (const auto& one : found.approvals) {
    approvals.push_back(json::object{{"by", one.name},
                                     {"decision", one.is_yes ? "approve" : "reject"},
                                     {"note", text_or_null(one.note)},
                                     {"time", base::rfc3339(one.time)},
                                     {"counts", one.counts}});
  }
  view["approvals"] = std::move(approvals);
  json::array resolutions;
  for (const auto& one : found.resolutions) {
    resolutions.push_back(json::object{{"by", one.name},
                                       {"verdict", one.verdict},
                                       {"note", text_or_null(one.note)},
                                       {"time", base::rfc3339(one.time)}});
  }
  view["resolutions"] = std::move(resolutions);
  view["undo"] = nullptr;
  if (found.undo) {
    view["undo"] =
        json::object{{"id", found.undo->id}, {"state", actions::name(found.undo->state)}};
  }
  view["result"] = nullptr;
  if (found.job && found.job->result) view["result"] = *found.job->result;
  services::mark_untrusted(view, "result");
  if (found.job && found.job->error) {
    view["error"] = found.job->error->code;
    view["detail"] = found.job->error->detail;
  }
  if (found.asked.state == actions::State::expired) {
    view["detail"] = actions::expiry_of(found.asked);
  }
  return view;
}

actions::Wish wish_in(const json::value& body) {
  const auto* params = body.get_object().if_contains("params");
  return {.action = text_in(body, "action"), .params = params ? *params : json::object()};
}

Response refusal(const actions::Decision& decision) {
  std::vector<BodyError> errors;
  for (const auto& one : decision.violations) {
    errors.push_back({"/params" + one.pointer, one.keyword, one.detail});
  }
  const bool is_invalid = decision.code == "invalid_params";
  const bool is_unknown = decision.code == "unknown_action";
  auto problem = problem_of({is_invalid   ? Code::invalid
                             : is_unknown ? Code::not_found
                                          : Code::denied,
                             decision.reasons.front(), decision.code});
  problem.errors = std::move(errors);
  return problem_response(std::move(problem));
}

Task<Response> check(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto decision,
         co_await needs.actions.check(caller_of(request.principal), request.param("gptId"),
                                      wish_in(request.json)));
  co_return json_response(view_of(decision));
}

// By the query or the body.
base::Result<std::chrono::seconds> wait_in(const Request& request) {
  const auto* body = request.json.if_object();
  if (const auto* twin = body ? body->if_contains("wait") : nullptr) {
    return std::chrono::seconds(twin->to_number<std::int64_t>());
  }
  return request.wait();
}

// What is wanted, once it has ended or waits for people, or the request does not wait any more.
Task<Response> answered(ApiNeeds& needs, Request& request, actions::Answer answer,
                        std::chrono::seconds wait) {
  if (!answer.asked) co_return refusal(answer.decision);
  CO_TRY(const auto found, co_await needs.actions.get(caller_of(request.principal),
                                                      answer.asked->id, needs.clock.now() + wait));
  const auto state = found.asked.state;
  const bool is_open = state == actions::State::waiting || state == actions::State::approved;
  auto view = view_of(found);
  view["decision"] = view_of(answer.decision);
  auto response = json_response(view, is_open ? 202 : 200);
  response.add("Location", "/api/approvals/" + found.asked.id);
  if (answer.is_replay) response.add("Idempotency-Replayed", "true");
  co_return response;
}

Task<Response> execute(ApiNeeds& needs, Request& request) {
  const auto& body = request.json.get_object();
  const auto* dry = body.if_contains("dry_run");
  if (dry && dry->get_bool()) {
    CO_TRY(const auto decision,
           co_await needs.actions.check(caller_of(request.principal), request.param("gptId"),
                                        wish_in(request.json)));
    auto view = view_of(decision);
    view["dry_run"] = true;
    co_return json_response(view);
  }
  CO_TRY(const auto wait, wait_in(request));
  CO_TRY(auto asked, asked_with(request, "gptId"));
  CO_TRY(auto answer, co_await needs.actions.ask(caller_of(request.principal),
                                                 request.param("gptId"), wish_in(request.json),
                                                 {std::move(asked.key), std::move(asked.hash)}));
  co_return co_await answered(needs, request, std::move(answer), wait);
}

Task<Response> undo(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto wait, wait_in(request));
  CO_TRY(auto asked, asked_with(request, "id"));
  CO_TRY(auto answer, co_await needs.actions.undo(caller_of(request.principal), request.param("id"),
                                                  {std::move(asked.key), std::move(asked.hash)}));
  co_return co_await answered(needs, request, std::move(answer), wait);
}

// Of whichever agent, or of none, where the path says "-".
Task<Response> decide(ApiNeeds& needs, Request& request) {
  const auto agent = request.param("gptId") == "-" ? std::string() : request.param("gptId");
  CO_TRY(const auto asked,
         co_await needs.actions.decide(
             caller_of(request.principal), agent, text_in(request.json, "approval"),
             text_in(request.json, "decision") == "approve", text_in(request.json, "note")));
  CO_TRY(const auto found,
         co_await needs.actions.get(caller_of(request.principal), asked.id, base::Instant::min()));
  co_return json_response(view_of(found));
}

Task<Response> look(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto wait, request.wait());
  CO_TRY(const auto found,
         co_await needs.actions.get(caller_of(request.principal), request.param("id"),
                                    needs.clock.now() + wait));
  co_return json_response(view_of(found));
}

Task<Response> resolve(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto wait, request.wait());
  const auto caller = caller_of(request.principal);
  CO_TRY(const auto asked, co_await needs.actions.resolve(caller, request.param("id"),
                                                          text_in(request.json, "verdict"),
                                                          text_in(request.json, "note")));
  CO_TRY(const auto found, co_await needs.actions.get(caller, asked.id, needs.clock.now() + wait));
  co_return json_response(view_of(found));
}

Task<Response> list_asked(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto page, page_of(request));
  CO_TRY(const bool is_oldest_first, request.query_flag("oldest"));
  actions::Filter filter{.state = {},
                         .agent = std::string(request.query_value("agent").value_or("")),
                         .oldest_first = is_oldest_first};
  if (const auto word = request.query_value("state")) {
    filter.state = actions::state_named(*word);
    if (!filter.state) {
      co_return base::fail(Code::invalid,
                           fmt::format("query parameter state: {} is not known", *word),
                           "invalid_query");
    }
  }
  CO_TRY(auto found, co_await needs.actions.list(caller_of(request.principal), std::move(filter),
                                                 page.after, page.limit));
  json::array items;
  for (const auto& asked : found.items) items.push_back(view_of(asked));
  co_return page_response(request, std::move(items),
                          found.is_end ? std::nullopt : std::optional(found.items.back().id));
}

json::array actions_of(const ApiNeeds& needs, const actions::Kills& off) {
  json::array items;
  for (const auto& [name, definition] : needs.actions.catalogue().all()) {
    const auto own = off.find("action:" + name);
    items.push_back(json::object{
        {"name", name},
        {"description", definition.description},
        {"kind", actions::name(definition.kind)},
        {"risk", definition.risk},
        {"min_tier", services::agents::name(definition.min_tier)},
        {"params", definition.params},
        {"undo", definition.undo != nullptr},
        {"switched_off", own == off.end() ? json::value(nullptr) : json::value(own->second)}});
  }
  return items;
}

json::object switches_of(const actions::Kills& off) {
  json::object switches;
  for (const auto& [place, reason] : off) switches[place] = reason;
  return {{"switched_off", std::move(switches)}};
}

Task<Response> list_actions(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto off, co_await needs.actions.switches());
  CO_TRY(auto cut, page_from(request, actions_of(needs, off), "name"));
  co_return page_response(request, std::move(cut.items), cut.next, switches_of(off));
}

Task<Response> kill(ApiNeeds& needs, Request& request) {
  const auto& body = request.json;
  std::string place = "all";
  for (const auto* kind : {"action", "agent"}) {
    if (const auto named = text_in(body, kind); !named.empty())
      place = fmt::format("{}:{}", kind, named);
  }
  CO_TRY_OK(co_await needs.actions.set_switch(caller_of(request.principal), std::move(place),
                                              body.at("on").get_bool(), text_in(body, "reason")));
  CO_TRY(const auto off, co_await needs.actions.switches());
  co_return page_response(request, actions_of(needs, off), std::nullopt, switches_of(off));
}

}  // namespace

void add_action_routes(Router& router, ApiNeeds& needs) {
  const auto add = [&](Method method, std::string path, std::string scope, Act act,
                       Body body = Body::none,
                       std::function<std::vector<BodyError>(const json::value&)> check = {},
                       std::string or_scope = {}) {
    add_declared(router,
                 {.method = method,
                  .path = "/api/" + std::move(path),
                  .scope = std::move(scope),
                  .or_scope = std::move(or_scope),
                  .body = body,
                  .check = std::move(check)},
                 with(needs, act));
  };
  add(Method::get, "actions", "actions", list_actions);
  add(Method::post, "actions/kill", "admin", kill, Body::json,
      body_check(kill_schema, check_place));
  // Nobody decides on what he cannot read.
  add(Method::get, "approvals", "actions", list_asked, Body::none, {}, "approve");
  add(Method::get, "approvals/{id}", "actions", look, Body::none, {}, "approve");
  add(Method::post, "approvals/{id}/undo", "actions", undo, Body::optional,
      body_check(undo_schema));
  add(Method::post, "approvals/{id}/resolve", "approve", resolve, Body::json,
      body_check(resolve_schema));
  add(Method::post, "gpt-agents/{gptId}/actions/check", "actions", check, Body::json,
      body_check(check_schema, check_params));
  add(Method::post, "gpt-agents/{gptId}/actions/execute", "actions", execute, Body::json,
      body_check(execute_schema, check_params));
  add(Method::post, "gpt-agents/{gptId}/actions/approve", "approve", decide, Body::json,
      body_check(decide_schema));
}

}  // namespace http
