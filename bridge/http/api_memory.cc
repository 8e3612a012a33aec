// Memory: what agents store, what is found in it, and what it says about them.
#include "bridge/base/hash.h"
#include "bridge/base/limits.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"
#include "bridge/http/time_text.h"
#include "bridge/services/memory/memory.h"
#include "bridge/services/memory/memory_limits.h"

#include <charconv>

#include <fmt/format.h>

namespace http {

namespace {

using base::Task;
namespace memory = services::memory;

constexpr std::string_view new_entry_schema = R"json({
  "type": "object",
  "required": ["content"],
  "additionalProperties": false,
  "properties": {
    "title": {"type": "string", "maxLength": 300},
    "content": {"type": "string", "minLength": 1, "maxLength": 262144},
    "type": {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,31}$"},
    "tags": {
      "type": "array", "maxItems": 32,
      "items": {"type": "string", "minLength": 1, "maxLength": 64}
    },
    "sharing": {"enum": ["private", "fleet", "all"]},
    "metadata": {"type": "object"},
    "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 255}
  }
})json";

constexpr std::string_view search_schema = R"json({
  "type": "object",
  "required": ["query"],
  "additionalProperties": false,
  "properties": {
    "query": {"type": "string"},
    "scope": {"enum": ["own", "fleet", "all"]},
    "type": {"type": "string", "minLength": 1, "maxLength": 32},
    "tag": {"type": "string", "minLength": 1, "maxLength": 64},
    "agent": {"type": "string", "minLength": 1, "maxLength": 200},
    "since": {"type": "string", "minLength": 1, "maxLength": 64},
    "limit": {"type": "integer", "minimum": 1, "maximum": 100}
  }
})json";

std::vector<BodyError> check_search(const json::value& body) {
  std::vector<BodyError> errors;
  if (const auto query = memory::Query::parse(text_in(body, "query")); !query) {
    errors.push_back({"/query", "query", query.error().message});
  }
  const auto since = text_in(body, "since");
  if (!since.empty() && !time_in(since)) {
    errors.push_back({"/since", "format", "must be a time such as 2026-11-21T05:06:07Z"});
  }
  return errors;
}

// Who asks: a key that is bound to an agent acts as that agent only.
memory::Asker asker_of(const Principal& principal) {
  return {.principal = principal.id,
          .agent = principal.agent_id.empty() ? principal.agent : principal.agent_id};
}

json::array array_of(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

// Every view says whether anybody vouches for the text, beside where it comes from.
json::object view_of(const memory::Entry& entry) {
  const std::string self = fmt::format("/api/gpt-agents/{}/memory/{}", entry.owner.agent, entry.id);
  return {{"id", entry.id},
          {"agent", entry.owner.agent},
          {"type", entry.type},
          {"title", entry.title},
          {"tags", array_of(entry.tags)},
          {"sharing", memory::name(entry.sharing)},
          {"trust", memory::is_trusted(entry.origin) ? "person" : "untrusted"},
          {"origin", memory::name(entry.origin)},
          {"provenance", entry.provenance},
          {"created", base::rfc3339(entry.created)},
          {"created_by", entry.creator},
          {"sha256", entry.sha256},
          {"bytes", entry.bytes},
          {"links", json::object{{"self", self}}}};
}

json::object whole(const memory::Entry& entry) {
  auto view = view_of(entry);
  view["metadata"] = entry.metadata;
  view["content"] = entry.content;
  return view;
}

json::object summary(const memory::Entry& entry) {
  auto view = view_of(entry);
  view["excerpt"] = entry.content;
  return view;
}

json::array summaries(const std::vector<memory::Entry>& entries) {
  json::array items;
  for (const auto& entry : entries) items.push_back(summary(entry));
  return items;
}

memory::NewEntry entry_in(const json::object& body) {
  memory::NewEntry entry{.title = text_in(body, "title"), .content = text_in(body, "content")};
  if (auto type = text_in(body, "type"); !type.empty()) entry.type = std::move(type);
  if (const auto sharing = memory::sharing_named(text_in(body, "sharing"))) {
    entry.sharing = *sharing;
  }
  if (const auto* tags = body.if_contains("tags")) {
    for (const auto& tag : tags->get_array()) entry.tags.emplace_back(tag.get_string());
  }
  if (const auto* metadata = body.if_contains("metadata")) entry.metadata = metadata->get_object();
  return entry;
}

Task<Response> store(ApiNeeds& needs, Request& request) {
  CO_TRY(auto asked, asked_with(request, "gptId"));
  auto stored = co_await needs.memory.store(asker_of(request.principal), request.param("gptId"),
                                            entry_in(request.json.get_object()),
                                            std::move(asked.key), std::move(asked.hash));
  if (!stored) co_return refusal_response(std::move(stored).error());
  const auto view = whole(stored->entry);
  auto response = json_response(view, 201);
  response.add("Location", std::string(view.at("links").at("self").as_string()));
  if (stored->is_replay) response.add("Idempotency-Replayed", "true");
  co_return response;
}

Task<Response> list(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto page, page_of(request));
  CO_TRY(const auto since, query_time(request, "since"));
  memory::Listing listing{.type = std::string(request.query_value("type").value_or("")),
                          .tag = std::string(request.query_value("tag").value_or("")),
                          .since = since,
                          .limit = std::min(page.limit, limits::memory_page_max)};
  if (!page.after.empty()) {
    std::int64_t before = 0;
    std::from_chars(page.after.data(), page.after.data() + page.after.size(), before);
    listing.before = before;
  }
  CO_TRY(const auto found, co_await needs.memory.list(asker_of(request.principal),
                                                      request.param("gptId"), std::move(listing)));
  const auto next =
      found.is_end ? std::nullopt : std::optional(std::to_string(found.entries.back().number));
  co_return page_response(request, summaries(found.entries), next);
}

Task<Response> look(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto entry, co_await needs.memory.get(asker_of(request.principal),
                                                     request.param("gptId"), request.param("id")));
  co_return json_response(whole(entry));
}

Task<Response> remove(ApiNeeds& needs, Request& request) {
  CO_TRY_OK(co_await needs.memory.remove(asker_of(request.principal), request.param("gptId"),
                                         request.param("id")));
  co_return Response();
}

memory::Scope scope_in(const json::value& body) {
  const auto word = text_in(body, "scope");
  if (word == "own") return memory::Scope::own;
  return word == "fleet" ? memory::Scope::fleet : memory::Scope::all;
}

Task<Response> search(ApiNeeds& needs, Request& request) {
  const auto& body = request.json.get_object();
  CO_TRY(auto query, memory::Query::parse(text_in(body, "query")));
  memory::Search search{.query = std::move(query),
                        .scope = scope_in(body),
                        .type = text_in(body, "type"),
                        .tag = text_in(body, "tag"),
                        .agent = text_in(body, "agent"),
                        .since = time_in(text_in(body, "since"))};
  if (const auto* limit = body.if_contains("limit")) {
    search.limit = limit->to_number<std::size_t>();
  }
  CO_TRY(const auto found, co_await needs.memory.search(asker_of(request.principal),
                                                        request.param("gptId"), std::move(search)));
  json::array items;
  for (const auto& hit : found.hits) {
    auto view = view_of(hit.entry);
    view["score"] = hit.score;
    view["snippet"] = hit.snippet;
    items.push_back(std::move(view));
  }
  json::object answer{
      {"items", std::move(items)}, {"ranked", found.ranked}, {"bounded", found.is_bounded}};
  if (found.is_bounded) {
    answer["note"] = fmt::format(
        "More entries have these words: the newest {} were compared. Add words, or narrow by type, "
        "tag, agent or since.",
        found.ranked);
  }
  co_return json_response(answer);
}

Task<Response> dreams(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto limit, request.query_number("limit", 1, limits::memory_page_max));
  CO_TRY(const auto found,
         co_await needs.memory.dreams(asker_of(request.principal), request.param("gptId"),
                                      static_cast<std::size_t>(limit.value_or(20))));
  json::array expertise;
  for (const auto& topic : found.expertise) {
    expertise.push_back(json::object{
        {"topic", topic.tag}, {"entries", topic.entries}, {"last", base::rfc3339(topic.last)}});
  }
  json::object view{{"agent", found.owner.agent},
                    {"entries", found.holdings.entries},
                    {"bytes", found.holdings.bytes},
                    {"knowledge_base", summaries(found.knowledge)},
                    {"conversation_logs", summaries(found.conversations)},
                    {"analyses", summaries(found.analyses)},
                    {"expertise", std::move(expertise)}};
  co_return json_response(view);
}

}  // namespace

void add_memory_routes(Router& router, ApiNeeds& needs) {
  const auto add = [&](Method method, std::string path, Act act, Body body = Body::none,
                       std::function<std::vector<BodyError>(const json::value&)> check = {}) {
    add_declared(router,
                 {.method = method,
                  .path = "/api/gpt-agents/{gptId}" + std::move(path),
                  .scope = "memory",
                  .body = body,
                  .check = std::move(check)},
                 with(needs, act));
  };
  add(Method::post, "/memory/store", store, Body::json, body_check(new_entry_schema));
  add(Method::post, "/memory/search", search, Body::json, body_check(search_schema, check_search));
  add(Method::get, "/memory", list);
  add(Method::get, "/memory/{id}", look);
  add(Method::del, "/memory/{id}", remove);
  add(Method::get, "/dreams", dreams);
}

}  // namespace http
