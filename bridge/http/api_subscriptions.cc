// Subscriptions of agents to events, and the deliveries of webhooks.
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"
#include "bridge/services/events/subscriptions.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include <fmt/format.h>

namespace http {

namespace {

using base::Code;
using base::Task;
using ::events::Delivery;
using ::events::Subscription;
using ::events::Via;

constexpr std::string_view subscribe_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "types": {
      "type": "array", "maxItems": 50,
      "items": {"type": "string",
                "pattern": "^(?:\\*|[a-z][a-z0-9_]*(?:\\.(?:[a-z0-9_]+|\\*))*\\.?)$",
                "maxLength": 200}
    },
    "subjects": {
      "type": "array", "maxItems": 50,
      "items": {"type": "string", "minLength": 1, "maxLength": 200}
    },
    "categories": {
      "type": "array", "maxItems": 50,
      "items": {"type": "string", "pattern": "[A-Za-z0-9]", "maxLength": 200}
    },
    "delivery": {"enum": ["sse", "webhook"]},
    "url": {"type": "string", "minLength": 1, "maxLength": 2048},
    "secret": {"type": "string", "minLength": 1, "maxLength": 100},
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  }
})json";

constexpr std::string_view unsubscribe_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["subscription"],
  "properties": {"subscription": {"type": "string", "minLength": 4, "maxLength": 64}}
})json";

constexpr std::string_view rotate_schema = R"json({
  "type": ["object", "null"],
  "additionalProperties": false,
  "properties": {"secret": {"type": "string", "minLength": 1, "maxLength": 100}}
})json";

constexpr std::string_view range_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["from", "through"],
  "properties": {
    "from": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "through": {"type": "string", "pattern": "^[0-9]{1,18}$"}
  }
})json";

constexpr std::string_view nothing_schema = R"json({
  "type": ["object", "null"], "additionalProperties": false
})json";

std::vector<std::string> words(const json::object& body, std::string_view name) {
  std::vector<std::string> found;
  const auto* list = body.if_contains(name);
  if (list == nullptr) return found;
  for (const auto& word : list->get_array()) found.emplace_back(word.get_string());
  return found;
}

Via via_of(const json::object& body) {
  const auto word = text_in(body, "delivery");
  if (word.empty()) return body.contains("url") ? Via::webhook : Via::sse;
  return word == name(Via::webhook) ? Via::webhook : Via::sse;
}

// Where a "*" may stand.
std::vector<BodyError> check_types(const json::object& body) {
  std::vector<BodyError> errors;
  const auto types = words(body, "types");
  for (std::size_t i = 0; i < types.size(); ++i) {
    const auto pattern = ::events::type_pattern(types[i]);
    if (pattern) continue;
    errors.push_back({fmt::format("/types/{}", i), "pattern", pattern.error().message});
  }
  return errors;
}

// Types of which no event is of a category would wait for ever.
std::vector<BodyError> check_categories(const json::object& body) {
  const auto* categories = body.if_contains("categories");
  const auto* types = body.if_contains("types");
  if (!categories || categories->get_array().empty() || !types) return {};
  for (const auto& type : types->get_array()) {
    const auto pattern = ::events::type_pattern(type.get_string());
    if (!pattern || ::events::may_have_category(*pattern)) continue;
    return {{"/categories", "dependentSchemas",
             fmt::format("no event \"{}\" is of a category: only those of agents, missions, "
                         "messages and memory are",
                         std::string_view(type.get_string()))}};
  }
  return {};
}

std::vector<BodyError> check_new(const json::value& body) {
  const auto& object = body.get_object();
  auto errors = check_types(object);
  std::ranges::move(check_categories(object), std::back_inserter(errors));
  if (via_of(object) == Via::webhook) {
    if (!object.contains("url")) {
      errors.push_back({"", "required", "a webhook needs \"url\""});
    }
    return errors;
  }
  for (const std::string_view name : {"url", "secret"}) {
    if (!object.contains(name)) continue;
    errors.push_back({fmt::format("/{}", name), "dependentRequired",
                      "means something only with \"delivery\": \"webhook\""});
  }
  return errors;
}

::events::Actor actor_of(const Request& request) {
  return {.principal = request.principal.id, .agent = caller_of(request.principal).agent};
}

json::array array_of(const std::vector<std::string>& words) {
  return json::array(words.begin(), words.end());
}

std::string path_of(const Subscription& subscription) {
  return fmt::format("/api/gpt-agents/{}/subscriptions/{}", subscription.agent, subscription.id);
}

json::object view_of(const Subscription& subscription) {
  json::array types;
  for (const auto& type : subscription.wish.types) {
    const bool is_start = type == ::events::everything || type.ends_with('.');
    types.push_back(json::value(is_start ? type + "*" : type));
  }
  const auto agent_path = "/api/gpt-agents/" + subscription.agent;
  json::object view{{"id", subscription.id},
                    {"agent", subscription.agent},
                    {"types", std::move(types)},
                    {"subjects", array_of(subscription.wish.subjects)},
                    {"categories", array_of(subscription.wish.categories)},
                    {"only_own", subscription.wish.only.has_value()},
                    {"delivery", name(subscription.via)},
                    {"created", base::rfc3339(subscription.created)},
                    {"created_by", subscription.creator},
                    {"state", subscription.disabled.empty() ? "active" : "disabled"}};
  json::object links{{"unsubscribe", agent_path + "/unsubscribe"}};
  if (subscription.via == Via::sse) {
    links["events"] = agent_path + "/events";
  } else {
    const auto self = path_of(subscription);
    links["deliveries"] = "/api/deliveries?subscription=" + subscription.id;
    links["enable"] = self + "/enable";
    links["rotate"] = self + "/rotate";
    links["replay"] = self + "/replay";
    view["url"] = subscription.url;
    view["disabled"] = text_or_null(subscription.disabled);
    view["handshake"] = json::object{{"result", text_or_null(subscription.handshake.result)},
                                     {"detail", subscription.handshake.detail},
                                     {"per_minute", subscription.handshake.per_minute}};
    view["failures"] = subscription.failures;
    view["failing_since"] = time_or_null(subscription.failing_since);
    view["throttled_until"] = time_or_null(subscription.throttled_until);
    view["old_secret_until"] = time_or_null(subscription.old_until);
    view["pending"] = subscription.pending;
    view["position"] = std::to_string(subscription.cursor);
  }
  view["links"] = std::move(links);
  return view;
}

json::object view_of(const Delivery& delivery) {
  return {{"id", delivery.id},
          {"subscription", delivery.subscription},
          {"event", std::to_string(delivery.event)},
          {"type", text_or_null(delivery.type)},
          {"state", name(delivery.state)},
          {"attempts", delivery.attempts},
          {"last_status", delivery.status == 0 ? json::value(nullptr) : delivery.status},
          {"detail", text_or_null(delivery.detail)},
          {"created", base::rfc3339(delivery.created)},
          {"last_attempt", time_or_null(delivery.last)},
          {"next_attempt", time_or_null(delivery.next)},
          {"ended", time_or_null(delivery.ended)},
          {"links", json::object{{"self", "/api/deliveries/" + delivery.id},
                                 {"replay", "/api/deliveries/" + delivery.id + "/replay"}}}};
}

// What is wrong with a member of the body shows only when it is looked at more closely.
Response refused(base::Error error) {
  std::string_view pointer;
  if (error.reason == "bad_secret") pointer = "/secret";
  for (const std::string_view reason :
       {"bad_url", "forbidden_target", "no_address", "handshake_refused"}) {
    if (error.reason == reason) pointer = "/url";
  }
  if (pointer.empty()) return error_response(error);
  error.code = Code::invalid;
  return refusal_response({error, {{std::string(pointer), error.reason, error.message}}});
}

Task<Response> subscribe(ApiNeeds& needs, Request& request) {
  const auto& body = request.json.get_object();
  CO_TRY(auto keyed, asked_with(request, "gptId"));
  ::events::NewSubscription asked{.wish = {.types = words(body, "types"),
                                           .subjects = words(body, "subjects"),
                                           .categories = words(body, "categories")},
                                  .via = via_of(body),
                                  .url = text_in(body, "url"),
                                  .secret = text_in(body, "secret"),
                                  .request = std::move(keyed.key),
                                  .request_hash = std::move(keyed.hash)};
  for (auto& type : asked.wish.types) {
    CO_TRY(type, ::events::type_pattern(type));
  }
  for (auto& category : asked.wish.categories) category = ::events::category_key(category);
  auto created = co_await needs.subscriptions.subscribe(request.param("gptId"), std::move(asked),
                                                        actor_of(request));
  if (!created) co_return refused(std::move(created).error());
  auto view = view_of(created->subscription);
  // It is shown to nobody twice: whoever missed it rotates it.
  view["secret"] =
      created->is_replay ? json::value(nullptr) : text_or_null(created->subscription.secret);
  auto response = json_response(view, 201);
  response.add("Location", path_of(created->subscription));
  if (created->is_replay) response.add("Idempotency-Replayed", "true");
  co_return response;
}

Task<Response> unsubscribe(ApiNeeds& needs, Request& request) {
  CO_TRY_OK(co_await needs.subscriptions.unsubscribe(
      request.param("gptId"), text_in(request.json, "subscription"), actor_of(request)));
  co_return Response();
}

Task<Response> list(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto found,
         co_await needs.subscriptions.list(request.param("gptId"), actor_of(request)));
  json::array items;
  for (const auto& subscription : found) items.push_back(view_of(subscription));
  CO_TRY(auto cut, page_from(request, items, "id"));
  co_return page_response(request, std::move(cut.items), cut.next);
}

Task<Response> look(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto found, co_await needs.subscriptions.get(
                               request.param("gptId"), request.param("id"), actor_of(request)));
  co_return json_response(view_of(found));
}

Task<Response> enable(ApiNeeds& needs, Request& request) {
  auto enabled = co_await needs.subscriptions.enable(request.param("gptId"), request.param("id"),
                                                     actor_of(request));
  if (!enabled) co_return refused(std::move(enabled).error());
  co_return json_response(view_of(*enabled));
}

Task<Response> rotate(ApiNeeds& needs, Request& request) {
  auto rotated =
      co_await needs.subscriptions.rotate(request.param("gptId"), request.param("id"),
                                          text_in(request.json, "secret"), actor_of(request));
  if (!rotated) co_return refused(std::move(rotated).error());
  auto view = view_of(*rotated);
  view["secret"] = rotated->secret;
  co_return json_response(view);
}

std::int64_t number_in(const json::value& body, std::string_view member) {
  const auto text = text_in(body, member);
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Task<Response> replay_range(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto replayed,
         co_await needs.subscriptions.replay_range(
             request.param("gptId"), request.param("id"), number_in(request.json, "from"),
             number_in(request.json, "through"), actor_of(request)));
  co_return json_response({{"replayed", replayed.count},
                           {"through", std::to_string(replayed.through)},
                           {"complete", replayed.is_end}},
                          202);
}

// Of the agent's own subscriptions as they are when an event comes.
Task<Response> stream(ApiNeeds& needs, Request& request) {
  auto& subscriptions = needs.subscriptions;
  CO_TRY(const auto agent,
         co_await subscriptions.agent_of(request.param("gptId"), actor_of(request)));
  auto live = [&subscriptions, agent](const engine::Entry& entry) {
    return subscriptions.wants(agent, entry);
  };
  auto still = [wishes = subscriptions.stream_wishes(agent)](const engine::Entry& entry) {
    return ::events::is_wanted_by(wishes, entry);
  };
  co_return co_await events_answer(needs, request, std::move(live), std::move(still));
}

Task<Response> deliveries(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto page, page_of(request));
  const auto word = request.query_value("state");
  const auto state = ::events::delivery_state_named(word.value_or(""));
  if (word && !state) {
    co_return base::fail(Code::invalid,
                         "query parameter state: it is none of pending, delivered and dead",
                         "invalid_query");
  }
  std::optional<std::int64_t> before;
  if (!page.after.empty()) {
    before = 0;
    std::from_chars(page.after.data(), page.after.data() + page.after.size(), *before);
  }
  const auto subscription = request.query_value("subscription").value_or("");
  CO_TRY(const auto found,
         co_await needs.subscriptions.deliveries(std::string(subscription), state, before,
                                                 page.limit, actor_of(request)));
  json::array items;
  for (const auto& delivery : found.deliveries) items.push_back(view_of(delivery));
  const auto next =
      found.is_end ? std::nullopt : std::optional(std::to_string(found.deliveries.back().number));
  co_return page_response(request, std::move(items), next);
}

Task<Response> delivery(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto found,
         co_await needs.subscriptions.delivery(request.param("id"), actor_of(request)));
  co_return json_response(view_of(found));
}

Task<Response> replay(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto replayed,
         co_await needs.subscriptions.replay(request.param("id"), actor_of(request)));
  co_return json_response(view_of(replayed), 202);
}

}  // namespace

void add_subscription_routes(Router& router, ApiNeeds& needs) {
  const auto add = [&](Method method, std::string path, Act act, Body body = Body::none,
                       std::function<std::vector<BodyError>(const json::value&)> check = {}) {
    add_declared(router,
                 {.method = method,
                  .path = "/api" + std::move(path),
                  .scope = "events",
                  .body = body,
                  .check = std::move(check)},
                 with(needs, act));
  };
  const std::string agent = "/gpt-agents/{gptId}";
  const std::string one = agent + "/subscriptions/{id}";
  const auto nothing = body_check(nothing_schema);
  add(Method::post, agent + "/subscribe", subscribe, Body::json,
      body_check(subscribe_schema, check_new));
  add(Method::post, agent + "/unsubscribe", unsubscribe, Body::json,
      body_check(unsubscribe_schema));
  add(Method::get, agent + "/events", stream);
  add(Method::get, agent + "/subscriptions", list);
  add(Method::get, one, look);
  add(Method::post, one + "/enable", enable, Body::optional, nothing);
  add(Method::post, one + "/rotate", rotate, Body::optional, body_check(rotate_schema));
  add(Method::post, one + "/replay", replay_range, Body::json, body_check(range_schema));
  add(Method::get, "/deliveries", deliveries);
  add(Method::get, "/deliveries/{id}", delivery);
  add(Method::post, "/deliveries/{id}/replay", replay, Body::optional, nothing);
}

}  // namespace http
