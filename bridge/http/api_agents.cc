// The registry of agents: registered, imported, looked at, changed, and heard of.
#include "bridge/http/api_agents.h"

#include "bridge/base/limits.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"
#include "bridge/services/agents/agent_limits.h"

#include <charconv>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace http {

namespace {

namespace agents = services::agents;
using base::Code;
using base::Task;

constexpr std::string_view agent_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["name"],
  "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 200},
    "kind": {"enum": ["custom_gpt", "plugin", "mcp_client", "a2a_agent", "cli"]},
    "link": {"type": ["string", "null"], "maxLength": 2000},
    "category": {"type": ["string", "null"], "maxLength": 200},
    "purpose": {"type": ["string", "null"], "maxLength": 4000},
    "status": {"type": "string", "pattern": "^(?:[Dd]raft|[Aa]ctive|[Ss]tandby|[Dd]eployed)$"},
    "tier": {"enum": ["visitor", "citizen", "operator", "architect", "founder"]},
    "date_added": {
      "type": ["string", "null"],
      "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt ][0-9:.]{5,18}(?:[Zz]|[+-][0-9:]{4,5})?)?$"
    },
    "aliases": {"type": "array", "maxItems": 50, "items": {"type": "string", "minLength": 1}},
    "capabilities": {"type": "array", "maxItems": 50, "items": {"type": "string", "minLength": 1}},
    "key": {
      "type": ["boolean", "object"],
      "additionalProperties": false,
      "required": ["scopes"],
      "properties": {
        "scopes": {
          "type": "array",
          "minItems": 1,
          "uniqueItems": true,
          "items": {
            "enum": ["packets", "agents:read", "agents:write", "messages", "workflows", "memory",
                     "events", "actions"]
          }
        }
      }
    },
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  }
})json";

constexpr std::string_view import_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["import"],
  "properties": {
    "import": {"type": "array", "minItems": 1, "maxItems": 2000},
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  }
})json";

constexpr std::string_view beat_schema = R"json({
  "type": ["object", "null"],
  "additionalProperties": false,
  "properties": {
    "status": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,31}$"},
    "metrics": {"type": "object", "maxProperties": 100}
  }
})json";

std::vector<BodyError> check_beat(const json::value& body) {
  const auto* object = body.if_object();
  const auto* metrics = object ? object->if_contains("metrics") : nullptr;
  if (!metrics || json::serialize(*metrics).size() <= limits::agent_metrics_bytes_max) return {};
  return {{"/metrics", "maxLength",
           fmt::format("is larger than {} bytes", limits::agent_metrics_bytes_max)}};
}

// The members of one schema, without some and with others required.
BodyCheck variant(std::initializer_list<std::string_view> without,
                  std::initializer_list<std::string_view> required) {
  auto schema = *base::parse_json(agent_schema);
  for (const auto name : without) schema.at("properties").as_object().erase(name);
  schema.at("required") = json::array(required.begin(), required.end());
  return body_check(json::serialize(schema));
}

// What a registry.json has, and what its agents have beside.
BodyCheck entry_check() {
  return variant({"tier", "key", "idempotency_key"}, {"name", "category", "status"});
}

std::vector<BodyError> check_entries(const json::array& entries) {
  static const auto check = entry_check();
  std::vector<BodyError> errors;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    for (auto& error : check(entries[i])) {
      error.pointer.insert(0, fmt::format("/import/{}", i));
      errors.push_back(std::move(error));
    }
    if (errors.size() > limits::http_page_max) break;
  }
  return errors;
}

std::vector<BodyError> check_new(const json::value& body) {
  static const auto check_one = variant({}, {"name"});
  static const auto check_import = body_check(import_schema);
  const auto* object = body.if_object();
  if (object == nullptr || !object->contains("import")) return check_one(body);
  auto errors = check_import(body);
  return errors.empty() ? check_entries(object->at("import").get_array()) : errors;
}

// One agent, or many.
BodyCheck new_check() {
  auto many = *base::parse_json(import_schema);
  many.at("properties").at("import").as_object()["items"] = *base::parse_json(entry_check().schema);
  return {
      fmt::format(R"({{"anyOf": [{}, {}]}})", variant({}, {"name"}).schema, json::serialize(many)),
      check_new};
}

std::optional<std::string> said(const json::object& body, std::string_view name) {
  const auto* value = body.if_contains(name);
  if (value == nullptr) return std::nullopt;
  return value->is_null() ? std::string() : std::string(value->get_string());
}

std::optional<std::vector<std::string>> words(const json::object& body, std::string_view name) {
  const auto* list = body.if_contains(name);
  if (list == nullptr) return std::nullopt;
  std::vector<std::string> all;
  for (const auto& word : list->get_array()) all.emplace_back(word.get_string());
  return all;
}

// Of a body that was checked.
agents::Facts facts_in(const json::object& body) {
  agents::Facts facts{.name = said(body, "name"),
                      .link = said(body, "link"),
                      .category = said(body, "category"),
                      .purpose = said(body, "purpose"),
                      .date_added = said(body, "date_added"),
                      .aliases = words(body, "aliases"),
                      .capabilities = words(body, "capabilities")};
  if (const auto kind = said(body, "kind")) facts.kind = agents::kind_of(*kind);
  if (const auto status = said(body, "status")) facts.status = agents::status_of(*status);
  if (const auto tier = said(body, "tier")) facts.tier = agents::tier_of(*tier);
  return facts;
}

// The key that is to be made with an agent, if one is wanted.
std::optional<services::NewKey> key_in(const json::object& body, const std::string& text) {
  const auto* wanted = body.if_contains("key");
  if (wanted == nullptr || (wanted->is_bool() && !wanted->get_bool())) return std::nullopt;
  services::NewKey key{.name = {}, .scopes = {}, .digest = *api_key_digest(text), .creator = {}};
  if (wanted->is_bool()) {
    key.scopes = {"agents:read", "agents:write", "messages", "memory", "events"};
  } else {
    for (const auto& scope : wanted->at("scopes").get_array()) {
      key.scopes.emplace_back(scope.get_string());
    }
  }
  return key;
}

// Of what people say about the agent. Its liveness changes by itself, so it is no part of this, and
// a GET is never answered with 304.
std::string tag_of(const agents::Agent& agent) {
  return entity_tag(fmt::format("{} {}", agent.id, agent.revision));
}

Response agent_response(ApiNeeds& needs, const agents::Agent& agent, int status = 200) {
  auto response = json_response(agent_view(needs, agent), status);
  response.add("ETag", tag_of(agent));
  return response;
}

Task<Response> import(ApiNeeds& needs, Request& request, services::Agents::Request asked) {
  std::vector<agents::Facts> all;
  for (const auto& entry : request.json.at("import").get_array()) {
    all.push_back(facts_in(entry.get_object()));
  }
  auto done =
      co_await needs.agents.import(caller_of(request.principal), std::move(all), std::move(asked));
  if (!done) co_return refusal_response(std::move(done).error());
  std::map<std::string, std::int64_t> counts{{"created", 0}, {"updated", 0}, {"unchanged", 0}};
  json::array results;
  for (std::size_t i = 0; i < done->agents.size(); ++i) {
    const auto& one = done->agents[i];
    ++counts[one.outcome];
    results.push_back(json::object{{"index", i},
                                   {"name", one.name},
                                   {"result", one.outcome},
                                   {"id", one.id},
                                   {"slug", one.slug},
                                   {"note", text_or_null(one.note)}});
  }
  json::object body{{"total", done->agents.size()}};
  for (const auto& [outcome, count] : counts) body[outcome] = count;
  body["results"] = std::move(results);
  auto response = json_response(body, counts["created"] > 0 ? 201 : 200);
  if (done->is_replay) response.add("Idempotency-Replayed", "true");
  co_return response;
}

Task<Response> add(ApiNeeds& needs, Request& request) {
  CO_TRY(auto keyed, asked_with(request));
  services::Agents::Request asked{std::move(keyed.key), std::move(keyed.hash)};
  const auto& body = request.json.get_object();
  if (body.contains("import")) co_return co_await import(needs, request, std::move(asked));
  const std::string text = new_api_key();
  auto added = co_await needs.agents.add(caller_of(request.principal), facts_in(body),
                                         std::move(asked), key_in(body, text));
  if (!added) co_return refusal_response(std::move(added).error());
  auto view = agent_view(needs, added->agent);
  // It is shown to nobody twice, as by POST /api/keys.
  if (!added->key.empty()) {
    view["key"] = text;
    view["key_id"] = added->key;
  }
  auto response = json_response(view, 201);
  response.add("ETag", tag_of(added->agent));
  response.add("Location", "/api/gpt-agents/" + added->agent.id);
  if (added->is_replay) response.add("Idempotency-Replayed", "true");
  co_return response;
}

Task<Response> look(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto agent, co_await needs.agents.get(request.param("gptId")));
  co_return agent_response(needs, agent);
}

// The revision that If-Match names, if the header is there.
Task<std::optional<std::int64_t>> matched(ApiNeeds& needs, const Request& request) {
  if (!request.header("if-match")) co_return std::nullopt;
  CO_TRY(const auto agent, co_await needs.agents.get(request.param("gptId")));
  CO_TRY_OK(check_if_match(request, tag_of(agent)));
  co_return agent.revision;
}

Task<Response> change(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto revision, co_await matched(needs, request));
  auto changed = co_await needs.agents.change(caller_of(request.principal), request.param("gptId"),
                                              facts_in(request.json.get_object()), revision);
  if (!changed) co_return refusal_response(std::move(changed).error());
  // Its keys have its new name.
  if (request.json.get_object().contains("name")) needs.authenticator.forget_keys();
  co_return agent_response(needs, *changed);
}

Task<Response> remove(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto revision, co_await matched(needs, request));
  CO_TRY_OK(
      co_await needs.agents.remove(caller_of(request.principal), request.param("gptId"), revision));
  // Its keys went with it.
  needs.authenticator.forget_keys();
  co_return Response();
}

Task<Response> beat(ApiNeeds& needs, Request& request) {
  std::optional<json::object> metrics;
  if (const auto* body = request.json.if_object(); body && body->contains("metrics")) {
    metrics = body->at("metrics").get_object();
  }
  CO_TRY(const auto beaten,
         co_await needs.agents.beat(caller_of(request.principal), request.param("gptId"),
                                    text_in(request.json, "status"), std::move(metrics)));
  co_return json_response(json::object{{"id", beaten.agent.id},
                                       {"slug", beaten.agent.slug},
                                       {"liveness", agents::name(beaten.after)},
                                       {"previous_liveness", agents::name(beaten.before)},
                                       {"last_heartbeat", time_or_null(beaten.agent.last_beat)},
                                       {"heartbeats", beaten.agent.beats}});
}

Task<Response> beats(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto page, page_of(request));
  std::int64_t before = 0;
  std::from_chars(page.after.data(), page.after.data() + page.after.size(), before);
  CO_TRY(auto found, co_await needs.agents.beats(request.param("gptId"), before, page.limit + 1));
  const bool is_end = found.size() <= page.limit;
  if (!is_end) found.resize(page.limit);
  json::array items;
  for (const auto& one : found) {
    items.push_back(json::object{{"number", one.number},
                                 {"time", base::rfc3339(one.time)},
                                 {"status", text_or_null(one.status)},
                                 {"metrics", one.metrics}});
  }
  co_return page_response(
      request, std::move(items),
      is_end ? std::nullopt : std::optional(std::to_string(found.back().number)));
}

template <class Read>
auto word_of(const Request& request, std::string_view name, Read read)
    -> base::Result<decltype(read(std::string_view()))> {
  const auto text = request.query_value(name);
  if (!text) return decltype(read(std::string_view()))();
  auto value = read(*text);
  if (value) return value;
  return base::fail(Code::invalid, fmt::format("query parameter {}: {} is not known", name, *text),
                    "invalid_query");
}

base::Result<agents::Filter> filter_of(const Request& request) {
  const auto text = [&](std::string_view name) {
    return std::string(request.query_value(name).value_or(""));
  };
  agents::Filter filter{
      .category = text("category"), .capability = text("capability"), .text = text("q")};
  TRY(filter.status, word_of(request, "status", agents::status_of));
  TRY(filter.tier, word_of(request, "tier", agents::tier_of));
  TRY(filter.kind, word_of(request, "kind", agents::kind_of));
  return filter;
}

Task<Response> list_of(ApiNeeds& needs, const Request& request, agents::Filter filter) {
  CO_TRY(const auto page, page_of(request));
  CO_TRY(const auto found, co_await needs.agents.list(std::move(filter), page.after, page.limit));
  json::array items;
  for (const auto& agent : found.agents) items.push_back(agent_view(needs, agent));
  const auto next = found.is_end ? std::nullopt : std::optional(found.agents.back().slug);
  co_return page_response(request, std::move(items), next);
}

Task<Response> list(ApiNeeds& needs, Request& request) {
  CO_TRY(auto filter, filter_of(request));
  co_return co_await list_of(needs, request, std::move(filter));
}

Task<Response> list_custom_gpts(ApiNeeds& needs, Request& request) {
  CO_TRY(auto filter, filter_of(request));
  filter.kind = agents::Kind::custom_gpt;
  co_return co_await list_of(needs, request, std::move(filter));
}

Task<Response> stats(ApiNeeds& needs, Request&) {
  CO_TRY(const auto found, co_await needs.agents.stats());
  const auto counts = [](const std::map<std::string, std::int64_t>& counted) {
    json::object object;
    for (const auto& [name, count] : counted) object[name] = count;
    return object;
  };
  co_return json_response(json::object{{"total", found.total},
                                       {"by_status", counts(found.statuses)},
                                       {"by_liveness", counts(found.livenesses)},
                                       {"by_tier", counts(found.tiers)},
                                       {"by_kind", counts(found.kinds)},
                                       {"by_category", counts(found.categories)}});
}

}  // namespace

json::object agent_view(const ApiNeeds& needs, const agents::Agent& agent) {
  const std::string self = "/api/gpt-agents/" + agent.id;
  const auto& catalogue = needs.agents.settings().catalogue;
  const auto* ecosystem = catalogue.ecosystem(agent.category_key);
  const auto clusters = catalogue.clusters_of(agent);
  const auto list = [](const std::vector<std::string>& all) {
    return json::array(all.begin(), all.end());
  };
  return {{"id", agent.id},
          {"slug", agent.slug},
          {"name", agent.name},
          {"kind", agents::name(agent.kind)},
          {"link", text_or_null(agent.link)},
          {"category", text_or_null(agent.category)},
          {"category_key", text_or_null(agent.category_key)},
          {"ecosystem", ecosystem ? json::value(ecosystem->name) : json::value(nullptr)},
          {"clusters", list(clusters)},
          {"purpose", agent.purpose},
          {"status", agents::name(agent.status)},
          {"tier", agents::name(agent.tier)},
          {"aliases", list(agent.aliases)},
          {"capabilities", list(agent.capabilities)},
          {"liveness", agents::name(needs.agents.liveness(agent))},
          {"last_heartbeat", time_or_null(agent.last_beat)},
          {"heartbeats", agent.beats},
          {"reported_status", text_or_null(agent.reported)},
          {"metrics", agent.metrics},
          {"date_added", text_or_null(agent.date_added)},
          {"created", base::rfc3339(agent.created)},
          {"created_by", agent.creator},
          {"changed", base::rfc3339(agent.changed)},
          {"revision", agent.revision},
          {"links", json::object{{"self", self},
                                 {"heartbeat", self + "/heartbeat"},
                                 {"heartbeats", self + "/heartbeats"},
                                 {"events", "/api/events?subject=" + agent.id}}}};
}

void add_agent_routes(Router& router, ApiNeeds& needs) {
  const auto add_route = [&](Method method, std::string path, std::string scope, Act act,
                             Body body = Body::none,
                             std::function<std::vector<BodyError>(const json::value&)> check = {}) {
    add_declared(router,
                 {.method = method,
                  .path = "/api/gpt-agents" + std::move(path),
                  .scope = std::move(scope),
                  .body = body,
                  .check = std::move(check)},
                 with(needs, act));
  };
  add_route(Method::post, "/register", "agents:write", add, Body::json, new_check());
  add_route(Method::get, "", "agents:read", list);
  add_route(Method::get, "/stats", "agents:read", stats);
  add_route(Method::get, "/{gptId}", "agents:read", look);
  add_route(Method::patch, "/{gptId}", "agents:write", change, Body::json,
            variant({"date_added", "key", "idempotency_key"}, {}));
  add_route(Method::del, "/{gptId}", "agents:write", remove);
  add_route(Method::post, "/{gptId}/heartbeat", "agents:write", beat, Body::optional,
            body_check(beat_schema, check_beat));
  add_route(Method::get, "/{gptId}/heartbeats", "agents:read", beats);
  add_declared(router, {.method = Method::get, .path = "/api/custom-gpts", .scope = "agents:read"},
               with(needs, list_custom_gpts));
}

}  // namespace http
