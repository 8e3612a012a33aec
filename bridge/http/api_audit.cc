// The journal as an audit trail: read, verified, and vouched for by signed checkpoints.
#include "bridge/base/limits.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"

#include <charconv>

#include <fmt/format.h>

namespace http {

namespace {

using base::Code;
using base::Result;
using base::Task;

json::object view_of(const engine::Entry& entry) {
  return {{"sequence", entry.sequence},   {"time", base::rfc3339(entry.time)},
          {"type", entry.type},           {"subject", entry.subject},
          {"actor", entry.actor},         {"thread", entry.thread},
          {"cause", entry.cause},         {"data", entry.data},
          {"hash", base::hex(entry.hash)}};
}

// Where to begin: behind the cursor, after ?after=, before the last ?last= entries, at the start.
Task<std::int64_t> start_of(ApiNeeds& needs, const Request& request, const Page& page) {
  constexpr auto most = static_cast<std::uint64_t>(INT64_MAX);
  CO_TRY(const auto after, request.query_number("after", 0, most));
  CO_TRY(const auto count, request.query_number("last", 0, most));
  if (!page.after.empty()) {
    std::int64_t position = 0;
    const auto end = page.after.data() + page.after.size();
    if (std::from_chars(page.after.data(), end, position).ptr != end) {
      co_return base::fail(Code::invalid, "query parameter cursor: it is of another list",
                           "invalid_query");
    }
    co_return position;
  }
  if (after) co_return static_cast<std::int64_t>(*after);
  if (!count) co_return std::int64_t{0};
  CO_TRY(const auto newest, co_await needs.store.read([journal = &needs.journal](store::Tx& tx) {
    return journal->last(tx);
  }));
  co_return std::max<std::int64_t>(0, newest - static_cast<std::int64_t>(*count));
}

Task<Response> list(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto page, page_of(request));
  CO_TRY(const auto after, co_await start_of(needs, request, page));
  engine::EntryFilter filter;
  filter.type = request.query_value("type").value_or("");
  filter.subject = request.query_value("subject").value_or("");
  filter.actor = request.query_value("actor").value_or("");
  filter.thread = request.query_value("thread").value_or("");
  CO_TRY(const auto found,
         co_await needs.store.read([journal = &needs.journal, after, filter,
                                    limit = static_cast<int>(page.limit)](store::Tx& tx) {
           return journal->page(tx, after, limit, filter);
         }));
  json::array items;
  for (const auto& entry : found.entries) items.push_back(view_of(entry));
  const auto next = found.is_end ? std::nullopt : std::optional(std::to_string(found.last));
  co_return page_response(request, std::move(items), next);
}

// At least one piece, and more for as long as `wait`.
Task<engine::Verification> verify_from(ApiNeeds& needs, std::int64_t after,
                                       std::chrono::seconds wait) {
  const auto* journal = &needs.journal;
  engine::Verification progress;
  if (after > 0) {
    CO_TRY(progress, co_await needs.store.read([journal, after](store::Tx& tx) {
      return journal->resume_from(tx, after);
    }));
  }
  const auto until = needs.clock.now() + wait;
  const std::string verifier_key = needs.signer.verifier_key();
  do {
    // A piece at a time, so that others get their turn at the store.
    CO_TRY(progress,
           co_await needs.store.read([journal, verifier_key, progress = std::move(progress)](
                                         store::Tx& tx) mutable -> Result<engine::Verification> {
             TRY_OK(journal->verify(tx, progress, verifier_key, limits::audit_verify_entries));
             return std::move(progress);
           }));
  } while (!progress.is_finished && !progress.broken && needs.clock.now() < until);
  co_return progress;
}

// Where the next request begins. Behind a checkpoint the tree is known, so that no root that was
// signed later goes unchecked.
std::int64_t next_after(const engine::Verification& found, std::int64_t after) {
  return found.vouched > after ? found.vouched : found.checked;
}

Task<Response> verify(ApiNeeds& needs, Request& request) {
  CO_TRY(const auto given, request.query_number("after", 0, static_cast<std::uint64_t>(INT64_MAX)));
  CO_TRY(const auto waited, request.query_number("wait", 0, 1'000'000));
  const auto after = static_cast<std::int64_t>(given.value_or(0));
  constexpr auto most = std::chrono::seconds(limits::http_wait_max);
  const auto wait = waited ? std::min(most, std::chrono::seconds(*waited)) : most;
  CO_TRY(const auto found, co_await verify_from(needs, after, wait));
  const bool is_finished = found.is_finished || found.broken;
  json::object view{{"valid", is_finished ? json::value(!found.broken) : nullptr},
                    {"finished", is_finished},
                    {"checked", found.checked},
                    {"next_after", is_finished ? nullptr : json::value(next_after(found, after))},
                    {"checkpoints", found.checkpoints},
                    {"vouched", found.vouched},
                    {"broken", nullptr},
                    {"verifier_key", needs.signer.verifier_key()}};
  if (found.broken) {
    view["broken"] = json::object{{"sequence", *found.broken}, {"detail", found.why}};
  }
  co_return json_response(view);
}

Result<json::object> checkpoint_view(const ApiNeeds& needs, const std::string& note) {
  const auto verifier_key = needs.signer.verifier_key();
  TRY(const auto text, engine::open_note(note, verifier_key));
  TRY(const auto checkpoint, engine::Checkpoint::parse(text));
  return json::object{{"note", note},
                      {"origin", checkpoint.origin},
                      {"size", checkpoint.size},
                      {"root", base::hex(checkpoint.root)},
                      {"verifier_key", verifier_key}};
}

Task<Response> make_checkpoint(ApiNeeds& needs, Request&) {
  CO_TRY(const auto note,
         co_await engine::make_checkpoint(needs.store, needs.journal, needs.signer, needs.clock));
  CO_TRY(const auto view, checkpoint_view(needs, note));
  co_return json_response(view);
}

Task<Response> last_checkpoint(ApiNeeds& needs, Request&) {
  CO_TRY(const auto note, co_await needs.store.read([journal = &needs.journal](store::Tx& tx) {
    return journal->last_checkpoint(tx);
  }));
  if (!note) co_return base::fail(Code::not_found, "read the last checkpoint: there is none yet");
  CO_TRY(const auto view, checkpoint_view(needs, *note));
  co_return json_response(view);
}

}  // namespace

void add_audit_routes(Router& router, ApiNeeds& needs) {
  const auto add = [&](Method method, std::string path, Act act) {
    Route route{.method = method, .path = std::move(path), .scope = "audit"};
    if (method == Method::post) {
      route.body = Body::optional;
      route.check =
          body_check(R"json({"type": ["object", "null"], "additionalProperties": false})json");
    }
    add_declared(router, std::move(route), with(needs, act));
  };
  add(Method::get, "/api/audit", list);
  add(Method::get, "/api/audit/verify", verify);
  add(Method::get, "/api/audit/checkpoint", last_checkpoint);
  add(Method::post, "/api/audit/checkpoint", make_checkpoint);
}

}  // namespace http
