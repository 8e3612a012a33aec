// Whether the program lives, whether it is of use, and how it does.
#include "bridge/http/api_parts.h"

#include <algorithm>

namespace http {

namespace {

using base::Result;
using base::Task;

json::array reasons_of(const std::vector<NotReady>& reasons) {
  json::array list;
  for (const auto& reason : reasons) {
    list.push_back(json::object{{"code", reason.code}, {"detail", reason.detail}});
  }
  return list;
}

bool is_ready(const std::vector<NotReady>& reasons) {
  return std::ranges::all_of(reasons, &NotReady::is_partial);
}

// The loop runs, or nobody would answer.
Task<Response> live(ApiNeeds&, Request&) {
  co_return json_response(json::object{{"status", "ok"}});
}

Task<Response> ready(ApiNeeds& needs, Request&) {
  const auto reasons = needs.not_ready();
  if (is_ready(reasons)) co_return json_response(json::object{{"status", "ready"}});
  Problem problem{.status = 503, .code = "not_ready", .is_retryable = true};
  problem.detail = std::ranges::find(reasons, false, &NotReady::is_partial)->detail;
  problem.extra["reasons"] = reasons_of(reasons);
  co_return problem_response(std::move(problem));
}

Task<Response> health(ApiNeeds& needs, Request&) {
  const auto reasons = needs.not_ready();
  const json::object view{{"status", reasons.empty() ? "ok" : "degraded"},
                          {"instance", needs.instance},
                          {"version", needs.version},
                          {"ready", is_ready(reasons)},
                          {"reasons", reasons_of(reasons)}};
  co_return json_response(view);
}

struct Figures {
  std::map<engine::State, int> jobs;
  std::int64_t entries = 0;
};

// What is measured rather than counted.
Task<Figures> figures(ApiNeeds& needs) {
  co_return co_await needs.store.read(
      [queue = &needs.queue, journal = &needs.journal](store::Tx& tx) -> Result<Figures> {
        Figures found;
        TRY(found.jobs, queue->counts(tx));
        TRY(found.entries, journal->last(tx));
        return found;
      });
}

void set_gauges(ApiNeeds& needs, const Result<Figures>& found) {
  auto& metrics = needs.metrics;
  metrics.gauge("flywheel_store_up", "1 while the store answers.").set(found ? 1 : 0);
  if (found) {
    for (const auto state : {engine::State::queued, engine::State::running, engine::State::held}) {
      const auto jobs = found->jobs.find(state);
      metrics
          .gauge("flywheel_queue_jobs", "Unfinished jobs by state.",
                 {{"state", std::string(engine::name(state))}})
          .set(jobs == found->jobs.end() ? 0 : jobs->second);
    }
    metrics.gauge("flywheel_journal_entries", "Entries in the journal.")
        .set(static_cast<double>(found->entries));
  }
  const auto session = needs.session.account();
  for (int i = 0; i <= static_cast<int>(chat::State::ready); ++i) {
    const auto state = static_cast<chat::State>(i);
    metrics
        .gauge("flywheel_session_state", "1 for the state that the session is in.",
               {{"state", std::string(chat::name(state))}})
        .set(state == session.state ? 1 : 0);
  }
  const auto closures = needs.closures();
  const bool is_open = std::ranges::all_of(closures, &services::Closure::is_partial);
  metrics.gauge("flywheel_session_can_send", "1 while packets can be sent.")
      .set(session.can_send && is_open ? 1 : 0);
  metrics
      .gauge("flywheel_breakers_open",
             "What keeps the account or one of its conversations waiting.")
      .set(static_cast<double>(closures.size()));
  metrics.gauge("flywheel_ready", "1 while the bridge is ready.")
      .set(is_ready(needs.not_ready()) ? 1 : 0);
  metrics
      .gauge("flywheel_build_info", "1, labelled with the program's version.",
             {{"version", needs.version}})
      .set(1);
}

Task<Response> metrics(ApiNeeds& needs, Request& request) {
  set_gauges(needs, co_await figures(needs));
  if (accepts(request, "application/openmetrics-text")) {
    co_return text_response(needs.metrics.open_metrics(),
                            "application/openmetrics-text; version=1.0.0; charset=utf-8");
  }
  co_return text_response(needs.metrics.prometheus(), "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace

void add_health_routes(Router& router, ApiNeeds& needs) {
  const auto add_public = [&](std::string path, Act act) {
    add_declared(router, {.method = Method::get, .path = std::move(path), .is_public = true},
                 with(needs, act));
  };
  add_public("/livez", live);
  add_public("/readyz", ready);
  add_public("/healthz", health);
  add_declared(router, {.method = Method::get, .path = "/metrics"}, with(needs, metrics));
}

}  // namespace http
