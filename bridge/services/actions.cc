#include "bridge/services/actions.h"

#include "bridge/schema/utf8.h"
#include "bridge/services/actions/action_limits.h"
#include "bridge/services/actions/program.h"

#include <algorithm>

#include <fmt/format.h>

namespace services {

namespace asio = boost::asio;
namespace json = boost::json;
using actions::Asked;
using actions::State;
using actions::Wish;
using base::Code;
using base::Task;

namespace {

// In whose name and with what trust somebody asks.
base::Result<> complete(store::Tx& tx, const Caller& caller, const std::string& which, Wish& wish) {
  wish.tier = agents::Tier::visitor;
  if (which.empty() && caller.agent.empty()) {
    wish.tier = caller.is_admin ? agents::Tier::founder : agents::Tier::operator_;
    return {};
  }
  TRY(const auto agent, agents::find(tx, which.empty() ? caller.agent : which));
  TRY_OK(agents::check_own(tx, caller.agent, agent));
  wish.agent = agent.id;
  wish.tier = agent.tier;
  return {};
}

// What the job may use is what the agent is trusted with by then.
base::Result<agents::Tier> tier_now(store::Tx& tx, const Asked& asked) {
  if (asked.agent.empty()) return agents::Tier::founder;
  TRY(const auto agent, agents::find(tx, asked.agent));
  return agent.tier;
}

std::string text_in(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

// What a program wrote, with U+FFFD for what is no UTF-8.
std::string as_text(std::string_view bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto decoded = schema::decode_utf8(bytes, at);
    text += decoded.size == 0 ? std::string_view("\xEF\xBF\xBD") : bytes.substr(at, decoded.size);
    at += std::max<std::size_t>(decoded.size, 1);
  }
  return text;
}

engine::Outcome failed(std::string code, std::string detail) {
  return engine::Outcome{engine::Outcome::Failed{{std::move(code), std::move(detail)}}};
}

}  // namespace

base::Result<std::unique_ptr<Actions>> Actions::create(Needs needs, const json::object& configured,
                                                       std::map<std::string, BuiltIn> builtins) {
  std::vector<std::string> names;
  for (const auto& [name, act] : builtins) names.push_back(name);
  TRY(auto catalogue, actions::Catalogue::load(names, configured));
  return std::unique_ptr<Actions>(new Actions(needs, std::move(catalogue), std::move(builtins)));
}

Task<actions::Decision> Actions::check(Caller caller, std::string which, Wish wish) {
  co_return co_await needs_.store.read(
      [this, caller = std::move(caller), which = std::move(which),
       wish = std::move(wish)](store::Tx& tx) -> base::Result<actions::Decision> {
        Wish whole = wish;
        TRY_OK(complete(tx, caller, which, whole));
        return actions::decide(tx, catalogue_, whole);
      });
}

Task<actions::Answer> Actions::ask(Caller caller, std::string which, Wish wish,
                                   actions::Request request) {
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.write(
      [this, caller = std::move(caller), which = std::move(which), wish = std::move(wish),
       request = std::move(request),
       now](store::Tx& tx) { return ask(tx, caller, which, wish, request, now); });
}

base::Result<actions::Answer> Actions::ask(store::Tx& tx, const Caller& caller,
                                           const std::string& which, Wish wish,
                                           const actions::Request& request,
                                           const engine::Now& now) const {
  TRY_OK(complete(tx, caller, which, wish));
  wish.behind = caller.behind;
  return actions::ask(act(tx, now, caller.principal), catalogue_, wish, caller.name, request);
}

base::Result<bool> Actions::withdraw(store::Tx& tx, const std::string& id, const engine::Now& now,
                                     std::string actor) const {
  return actions::withdraw(act(tx, now, std::move(actor)), id);
}

Task<Asked> Actions::decide(Caller caller, std::string id, bool is_yes, std::string note) {
  if (!caller.agent.empty()) {
    co_return base::fail(Code::denied, "decide on an action: only a person may", "not_a_person");
  }
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.write([this, caller = std::move(caller), id = std::move(id),
                                         is_yes, note = std::move(note),
                                         now](store::Tx& tx) -> base::Result<Asked> {
    return actions::say(act(tx, now, caller.principal), catalogue_, id,
                        {caller.principal, caller.name, is_yes, note, now.wall});
  });
}

Task<engine::Outcome> Actions::handle(engine::Claim claim, engine::LaneContext& lane) {
  // It began and nobody knows how far it came.
  if (claim.is_reconcile) {
    co_return engine::Outcome{engine::Outcome::Held{
        {"unknown_outcome", "the bridge ended while the action was being done"}}};
  }
  const auto id = text_in(claim.job.payload, "asked");
  const auto job = claim.job.id.text;
  auto asked = co_await needs_.store.read([this, id, job](store::Tx& tx) -> base::Result<Asked> {
    TRY(const auto wanted, actions::get(tx, id));
    TRY(const auto tier, tier_now(tx, wanted));
    return actions::checked(tx, catalogue_, id, job, tier);
  });
  if (!asked && asked.error().code != Code::denied && asked.error().code != Code::not_found) {
    co_return std::unexpected(std::move(asked).error());
  }
  if (!asked) co_return failed("not_allowed", asked.error().message);
  const auto& definition = *catalogue_.find(asked->action);
  if (definition.kind == actions::Kind::program) {
    co_return co_await run_program(*std::move(asked), definition, lane);
  }
  const Caller as{.principal = "action:" + asked->id,
                  .name = asked->asker,
                  .agent = asked->agent,
                  .may_act = true,  // it asked for an action
                  .behind = asked->behind.empty() ? asked->principal : asked->behind,
                  .within = asked->principal};
  auto result = co_await builtins_.at(asked->action)(*asked, as);
  if (result) co_return engine::Outcome{engine::Outcome::Done{*std::move(result)}};
  const auto& error = result.error();
  if (error.code == Code::unavailable || error.code == Code::busy) {
    co_return std::unexpected(error);
  }
  co_return failed(error.reason.empty() ? std::string(base::name(error.code)) : error.reason,
                   error.message);
}

Task<engine::Outcome> Actions::run_program(Asked asked, const actions::Definition& what,
                                           engine::LaneContext& lane) {
  CO_TRY_OK(co_await lane.set_stage(lane.lease(), engine::Stage::intent));
  CO_TRY_OK(co_await lane.set_stage(lane.lease(), engine::Stage::armed));
  auto ran = co_await actions::run(what.program, actions::words_of(what.program, asked.params));
  // From here on it is known how it ended.
  CO_TRY_OK(co_await lane.set_stage(lane.lease(), engine::Stage::sent));
  if (!ran) {
    co_return failed(
        ran.error().reason.empty() ? std::string(base::name(ran.error().code)) : ran.error().reason,
        ran.error().message);
  }
  if (ran->status != 0) {
    co_return failed("program_failed", fmt::format("it ended with status {}: {}", ran->status,
                                                   ran->err.substr(0, 1000)));
  }
  co_return engine::Outcome{engine::Outcome::Done{json::object{{"status", ran->status},
                                                               {"out", as_text(ran->out)},
                                                               {"err", as_text(ran->err)},
                                                               {"clipped", ran->is_clipped}}}};
}

base::Result<> Actions::on_change(store::Tx& tx, const engine::Change& change,
                                  const engine::Now& now) {
  return actions::on_change(act(tx, now, "bridge"), change);
}

Task<Actions::View> Actions::get(Caller caller, std::string id, base::Instant deadline) {
  const engine::Bells::Ear ear(needs_.bells, actions::bell_of_action(id));
  for (;;) {
    const auto rung = ear.count();
    CO_TRY(auto view,
           co_await needs_.store.read([this, caller, id](store::Tx& tx) -> base::Result<View> {
             TRY(auto asked, actions::get(tx, id));
             if (!caller.agent.empty()) {
               TRY(const auto own, agents::find(tx, caller.agent));
               if (own.id != asked.agent) {
                 return base::fail(Code::denied, "the action is another agent's", "other_agent");
               }
             }
             TRY(auto approvals, actions::approvals(tx, asked));
             View found{std::move(asked), std::move(approvals), {}};
             if (found.asked.job.empty()) return found;
             TRY(found.job, needs_.queue.get(tx, {found.asked.job}));
             return found;
           }));
    if (view.asked.state != State::approved || needs_.clock.now() >= deadline) {
      co_return std::move(view);
    }
    co_await ear.wait(rung, needs_.clock, deadline);
  }
}

Task<std::vector<Asked>> Actions::list(Caller caller, actions::Filter filter, std::string before,
                                       std::size_t limit) {
  co_return co_await needs_.store.read([caller = std::move(caller), filter = std::move(filter),
                                        before = std::move(before),
                                        limit](store::Tx& tx) -> base::Result<std::vector<Asked>> {
    actions::Filter own = filter;
    const std::string& named = filter.agent.empty() ? caller.agent : filter.agent;
    if (!named.empty()) {
      TRY(const auto agent, agents::find(tx, named));
      TRY_OK(agents::check_own(tx, caller.agent, agent));
      own.agent = agent.id;
    }
    return actions::list(tx, own, before, limit);
  });
}

Task<> Actions::set_switch(Caller caller, std::string place, bool is_off, std::string reason) {
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.write([this, caller = std::move(caller), place = std::move(place),
                                         is_off, reason = std::move(reason),
                                         now](store::Tx& tx) -> base::Result<> {
    std::string exact = place;
    constexpr std::string_view action = "action:", agent = "agent:";
    if (place.starts_with(action) && !catalogue_.find(place.substr(action.size()))) {
      return base::fail(Code::not_found, fmt::format("switch {}: no such action", place));
    }
    if (place.starts_with(agent)) {
      TRY(const auto found, agents::find(tx, place.substr(agent.size())));
      exact = std::string(agent) + found.id;
    }
    const auto acting = act(tx, now, caller.principal);
    return is_off ? actions::kill(acting, exact, reason) : actions::revive(acting, exact, reason);
  });
}

Task<actions::Kills> Actions::switches() {
  co_return co_await needs_.store.read([](store::Tx& tx) { return actions::kills(tx); });
}

void Actions::start(base::Scope& tasks) { tasks.spawn(keep_house()); }

asio::awaitable<void> Actions::keep_house() {
  for (;;) {
    const auto now = needs_.timeline.now();
    (void)co_await needs_.store.write([this, now](store::Tx& tx) -> base::Result<> {
      TRY_OK(actions::sweep(act(tx, now, "bridge")));
      return {};
    });
    co_await needs_.clock.sleep_until(needs_.clock.now() + limits::approvals_look);
  }
}

}  // namespace services
