// What the job of an action does.
#include "bridge/services/actions.h"
#include "bridge/services/actions/action_limits.h"
#include "bridge/services/actions/place.h"
#include "bridge/services/actions/program.h"

#include <fmt/format.h>

namespace services {

namespace json = boost::json;
using actions::Asked;
using base::Code;
using base::Task;

namespace {

engine::Outcome failed(std::string code, std::string detail) {
  return engine::Outcome{engine::Outcome::Failed{{std::move(code), std::move(detail)}}};
}

engine::Outcome failed(const base::Error& error) {
  return failed(error.reason.empty() ? std::string(base::name(error.code)) : error.reason,
                error.message);
}

engine::Outcome held(std::string why) {
  return engine::Outcome{engine::Outcome::Held{{"unknown_outcome", std::move(why)}}};
}

}  // namespace

Task<engine::Outcome> Actions::handle(engine::Claim claim, engine::LaneContext& lane) {
  const auto* named = claim.job.payload.if_contains("asked");
  BRIDGE_ASSERT(named && named->is_string());
  const std::string id(named->get_string());
  if (claim.is_reconcile) co_return co_await reconcile(std::move(claim), id);
  const auto job = claim.job.id.text;
  const auto now = needs_.timeline.now();
  auto asked =
      co_await needs_.store.read([this, id, job, now](store::Tx& tx) -> base::Result<Asked> {
        TRY(const auto wanted, actions::get(tx, id));
        TRY(const auto tier, tier_now(tx, wanted, now.wall));
        return actions::checked(act(tx, now, "bridge"), catalogue_, id, job, tier);
      });
  if (!asked && asked.error().code != Code::denied && asked.error().code != Code::not_found) {
    co_return std::unexpected(std::move(asked).error());
  }
  if (!asked) {
    const bool is_late = asked.error().reason == "expired";
    co_return failed(is_late ? "expired" : "not_allowed", asked.error().message);
  }
  const auto& definition = *catalogue_.find(asked->action, asked->undoes);
  if (definition.kind == actions::Kind::program) {
    co_return co_await run_program(*std::move(asked), definition, lane);
  }
  if (definition.kind == actions::Kind::http) {
    co_return co_await call_http(*std::move(asked), definition.call, lane);
  }
  // Whoever is behind it is looked at again; what a token allowed cannot be.
  const auto& behind = asked->behind.empty() ? asked->principal : asked->behind;
  const bool has_key = behind.starts_with("key:");
  const Caller as{.principal = "action:" + asked->id,
                  .name = asked->asker,
                  .agent = asked->agent,
                  .may_act = true,  // it asked for an action
                  .may_post = has_key,
                  .may_write = has_key,
                  .behind = behind,
                  .within = asked->principal};
  auto result = co_await builtins_.at(asked->action)(*asked, as);
  if (result) co_return engine::Outcome{engine::Outcome::Done{*std::move(result)}};
  const auto& error = result.error();
  if (error.code == Code::unavailable || error.code == Code::busy) {
    co_return std::unexpected(error);
  }
  co_return failed(error);
}

// It began and nobody knows how far it came, unless a person has said that it was done.
Task<engine::Outcome> Actions::reconcile(engine::Claim claim, std::string id) {
  CO_TRY(const auto words,
         co_await needs_.store.read([id](store::Tx& tx) { return actions::resolutions(tx, id); }));
  const bool was_done = !words.empty() && words.back().verdict == "sent";
  if (!was_done || claim.job.stage < engine::Stage::sent) {
    co_return held("the bridge ended while the action was being done");
  }
  const auto& word = words.back();
  co_return engine::Outcome{engine::Outcome::Done{
      json::object{{"resolved", word.verdict}, {"by", word.name}, {"note", word.note}}}};
}

Task<engine::Outcome> Actions::run_program(Asked asked, const actions::Definition& what,
                                           engine::LaneContext& lane) {
  CO_TRY_OK(co_await lane.set_stage(lane.lease(), engine::Stage::intent));
  CO_TRY_OK(co_await lane.set_stage(lane.lease(), engine::Stage::armed));
  auto ran = co_await actions::run(what.program, actions::words_of(what.program, asked.params),
                                   needs_.program_means);
  if (!ran && ran.error().reason == actions::still_runs) co_return held(ran.error().message);
  // From here on it is known how it ended.
  CO_TRY_OK(co_await lane.set_stage(lane.lease(), engine::Stage::sent));
  if (!ran) co_return failed(ran.error());
  if (ran->status != 0) {
    co_return failed("program_failed", fmt::format("it ended with status {}: {}", ran->status,
                                                   actions::as_text(ran->err.substr(0, 1000))));
  }
  co_return engine::Outcome{engine::Outcome::Done{json::object{{"status", ran->status},
                                                               {"out", actions::as_text(ran->out)},
                                                               {"err", actions::as_text(ran->err)},
                                                               {"clipped", ran->is_clipped}}}};
}

Task<engine::Outcome> Actions::call_http(Asked asked, const actions::HttpCall& call,
                                         engine::LaneContext& lane) {
  auto request = actions::request_of(call, asked.params);
  if (!request) co_return failed(request.error());
  if (!needs_.outbound) co_return failed("unavailable", "this bridge calls nobody");
  auto addresses =
      co_await events::resolve_checked(*needs_.outbound, request->target, needs_.allowed_networks);
  // Nothing was sent, so it may go again.
  if (!addresses && addresses.error().code != Code::denied) {
    co_return std::unexpected(std::move(addresses).error());
  }
  if (!addresses) co_return failed(addresses.error());
  request->addresses = *std::move(addresses);
  request->headers.emplace_back("Idempotency-Key", asked.id);
  if (!call.is_read()) {
    CO_TRY_OK(co_await lane.set_stage(lane.lease(), engine::Stage::intent));
    CO_TRY_OK(co_await lane.set_stage(lane.lease(), engine::Stage::armed));
  }
  auto answer = co_await needs_.outbound->send(*std::move(request));
  const bool is_known = answer || answer.error().reason == "no_connection";
  if (!call.is_read() && !is_known) co_return held(answer.error().message);
  if (!call.is_read()) CO_TRY_OK(co_await lane.set_stage(lane.lease(), engine::Stage::sent));
  if (!answer) co_return failed(answer.error());
  const int status = answer->status;
  auto result = actions::result_of(call, *std::move(answer));
  if (status >= 200 && status < 300) {
    co_return engine::Outcome{engine::Outcome::Done{std::move(result)}};
  }
  const auto body = actions::text_of(result.at("body"));
  co_return failed("http_status", fmt::format("the answer was {}: {}", status,
                                              actions::as_text(body.substr(0, 1000))));
}

}  // namespace services
