// The queue: its lanes, and stopping and starting them.
#include "bridge/http/api_parts.h"

#include <fmt/format.h>

namespace http {

namespace {

using base::Result;
using base::Task;
using engine::Milliseconds;

constexpr std::string_view pause_schema = R"json({
  "type": ["object", "null"],
  "additionalProperties": false,
  "properties": {
    "lane": {"type": "string", "minLength": 1, "maxLength": 512},
    "reason": {"type": "string", "minLength": 1, "maxLength": 500}
  }
})json";

constexpr std::string_view resume_schema = R"json({
  "type": ["object", "null"],
  "additionalProperties": false,
  "properties": {
    "lane": {"type": "string", "minLength": 1, "maxLength": 512},
    "limit_is_over": {"type": "boolean"}
  }
})json";

json::value seconds_or_null(const std::optional<Milliseconds>& time) {
  return time ? json::value(seconds(*time)) : json::value(nullptr);
}

json::object breaker_view(const engine::Breaker& breaker, Milliseconds time) {
  const bool is_open = breaker.is_open(time);
  json::object view{{"open", is_open}};
  if (!is_open) return view;
  view["trip"] = engine::name(*breaker.trip);
  view["detail"] = breaker.detail;
  view["since"] = base::rfc3339(breaker.since);
  view["closes_in_seconds"] =
      breaker.until ? json::value(seconds(*breaker.until - time)) : json::value(nullptr);
  return view;
}

json::object lane_view(const engine::LaneStatus& lane, Milliseconds time) {
  return {
      {"id", lane.id.text},
      {"account", lane.account},
      {"paused", text_or_null(lane.paused)},
      {"paused_itself", lane.is_paused_itself},
      {"running", lane.running ? json::value(lane.running->text) : json::value(nullptr)},
      {"holder", lane.holder},
      {"queued", lane.queued},
      {"held", lane.held},
      {"epoch", lane.epoch},
      {"breaker", breaker_view(lane.breaker.is_open(time) ? lane.breaker : lane.blocked, time)}};
}

json::object limits_view(const engine::QueueOptions& options) {
  json::object accounts;
  for (const auto& [account, of_account] : options.accounts) {
    json::array caps;
    for (const auto& cap : of_account.caps) {
      caps.push_back(json::object{{"count", cap.count}, {"window_seconds", seconds(cap.window)}});
    }
    accounts[account] = json::object{{"caps", std::move(caps)},
                                     {"pause_seconds", seconds(of_account.pause)},
                                     {"pause_jitter_seconds", seconds(of_account.pause_jitter)},
                                     {"burst", of_account.burst},
                                     {"parallel_max", of_account.parallel_max}};
  }
  return {{"depth_max", options.depth_max}, {"accounts", std::move(accounts)}};
}

Result<json::object> view_of(store::Tx& tx, const engine::Queue& queue, const engine::Now& now) {
  TRY(const auto time, engine::engine_now(tx, now));
  TRY(const auto lanes, queue.lanes(tx, now));
  TRY(const auto counts, queue.counts(tx));
  TRY(const bool is_drained, queue.is_drained(tx, now));
  TRY(const auto paused, queue.everything_paused(tx));
  json::array lane_views;
  json::array forecast;
  engine::Breaker breaker;
  for (const auto& lane : lanes) {
    lane_views.push_back(lane_view(lane, time));
    if (lane.breaker.is_open(time)) breaker = lane.breaker;
    Milliseconds room{0};
    if (lane.queued >= queue.options().depth_max) {
      TRY(room, queue.retry_after(tx, lane.id, now));
    }
    forecast.push_back(json::object{{"lane", lane.id.text},
                                    {"next_send_seconds", seconds_or_null(lane.next_send)},
                                    {"job_seconds", seconds(lane.mean_run)},
                                    {"room_seconds", seconds(room)}});
  }
  json::object depths;
  for (const auto state : {engine::State::queued, engine::State::running, engine::State::held}) {
    const auto found = counts.find(state);
    depths[engine::name(state)] = found == counts.end() ? 0 : found->second;
  }
  return json::object{{"lanes", std::move(lane_views)},
                      {"depths", std::move(depths)},
                      {"drained", is_drained},
                      {"paused", text_or_null(paused)},
                      {"breaker", breaker_view(breaker, time)},
                      {"limits", limits_view(queue.options())},
                      {"forecast", std::move(forecast)}};
}

Task<json::object> queue_view(ApiNeeds& needs) {
  co_return co_await needs.store.read([queue = &needs.queue, now = needs.timeline.now()](
                                          store::Tx& tx) { return view_of(tx, *queue, now); });
}

Task<Response> look(ApiNeeds& needs, Request&) {
  CO_TRY(const auto view, co_await queue_view(needs));
  co_return json_response(view);
}

// A limit that passes with time may have passed sooner than the page said: a person who has seen to
// it says so. What only evidence closes stays shut.
Result<> end_limit(store::Tx& tx, const engine::Queue& queue, const engine::LaneStatus& lane,
                   engine::NewEntry& entry) {
  if (!lane.breaker.trip || !lane.breaker.until) return {};
  entry.data["limit_is_over"] = engine::name(*lane.breaker.trip);
  return queue.close_breaker(tx, lane.account);
}

// What is done to the lane that was named, or to everything, and noted of it.
using Turn = std::function<Result<engine::NewEntry>(store::Tx&, const std::string& lane)>;

Task<Response> turn(ApiNeeds& needs, const Request& request, Turn act) {
  const auto now = needs.timeline.now();
  CO_TRY_OK(co_await needs.store.write(
      [journal = &needs.journal, lane = text_in(request.json, "lane"), act = std::move(act),
       instance = needs.instance, actor = request.principal.id, now](store::Tx& tx) -> Result<> {
        TRY(auto entry, act(tx, lane));
        entry.subject = lane.empty() ? instance : lane;
        entry.actor = actor;
        TRY_OK(journal->append(tx, std::move(entry), now.wall));
        return {};
      }));
  CO_TRY(const auto view, co_await queue_view(needs));
  co_return json_response(view);
}

Task<Response> pause(ApiNeeds& needs, Request& request) {
  auto reason = text_in(request.json, "reason");
  if (reason.empty()) reason = fmt::format("paused by {}", request.principal.name);
  auto act = [queue = &needs.queue, reason](store::Tx& tx,
                                            const std::string& lane) -> Result<engine::NewEntry> {
    TRY_OK(lane.empty() ? queue->pause_everything(tx, reason) : queue->pause(tx, {lane}, reason));
    return engine::NewEntry{.type = "queue.paused", .data = {{"reason", reason}}};
  };
  co_return co_await turn(needs, request, std::move(act));
}

Task<Response> resume(ApiNeeds& needs, Request& request) {
  const auto* object = request.json.if_object();
  const auto* member = object ? object->if_contains("limit_is_over") : nullptr;
  const bool is_over = member && member->is_bool() && member->get_bool();
  auto act = [queue = &needs.queue, is_over, now = needs.timeline.now()](
                 store::Tx& tx, const std::string& lane) -> Result<engine::NewEntry> {
    TRY_OK(lane.empty() ? queue->resume_everything(tx) : queue->resume(tx, {lane}));
    engine::NewEntry entry{.type = "queue.resumed"};
    if (!is_over) return entry;
    TRY(const auto lanes, queue->lanes(tx, now));
    for (const auto& one : lanes) {
      if (lane.empty() || one.id.text == lane) TRY_OK(end_limit(tx, *queue, one, entry));
    }
    return entry;
  };
  co_return co_await turn(needs, request, std::move(act));
}

Task<Response> drain(ApiNeeds& needs, Request& request) {
  const auto now = needs.clock.wall();
  CO_TRY_OK(
      co_await needs.store.write([journal = &needs.journal, subject = needs.instance,
                                  actor = request.principal.id, now](store::Tx& tx) -> Result<> {
        TRY_OK(journal->append(tx, {.type = "queue.draining", .subject = subject, .actor = actor},
                               now));
        return {};
      }));
  needs.drain();
  CO_TRY(auto view, co_await queue_view(needs));
  view["draining"] = true;
  co_return json_response(view, 202);
}

}  // namespace

void add_queue_routes(Router& router, ApiNeeds& needs) {
  add_declared(router, {.method = Method::get, .path = "/api/queue", .scope = "packets"},
               with(needs, look));
  const auto add = [&](std::string path, std::string_view schema, Act act) {
    add_declared(router,
                 {.method = Method::post,
                  .path = std::move(path),
                  .scope = "admin",
                  .body = Body::optional,
                  .check = body_check(schema)},
                 with(needs, act));
  };
  add("/api/queue/pause", pause_schema, pause);
  add("/api/queue/resume", resume_schema, resume);
  add("/api/queue/drain", R"json({"type": ["object", "null"], "additionalProperties": false})json",
      drain);
}

}  // namespace http
