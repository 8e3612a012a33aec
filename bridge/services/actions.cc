#include "bridge/services/actions.h"

#include "bridge/services/actions/action_limits.h"

#include <algorithm>
#include <array>
#include <string_view>

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

constexpr std::string_view action_place = "action:";
constexpr std::string_view agent_place = "agent:";

// The place as its switch has it.
base::Result<std::string> exact_place(store::Tx& tx, const actions::Catalogue& catalogue,
                                      const std::string& place) {
  if (place.starts_with(action_place) && !catalogue.find(place.substr(action_place.size()))) {
    return base::fail(Code::not_found, fmt::format("switch {}: no such action", place));
  }
  if (!place.starts_with(agent_place)) return place;
  TRY(const auto found, agents::find(tx, place.substr(agent_place.size())));
  return std::string(agent_place) + found.id;
}

// What these say is the agent's own word, or a run's that goes on to speak for it.
constexpr std::array<std::string_view, 3> voices = {"memory.store", "message.send", "workflow.run"};

// Nobody speaks for an agent but its own key and operators, whichever way they take: see
// Messages::send.
base::Result<> check_voice(const Caller& caller, const agents::Agent& agent,
                           const std::string& action) {
  if (!caller.agent.empty() || caller.may_send_for_others) return {};
  if (std::ranges::find(voices, action) == voices.end()) return {};
  return base::fail(
      Code::denied,
      fmt::format("do {} as {}: only the agent itself and administrators may", action, agent.name),
      "forged_sender");
}

// In whose name and with what trust somebody asks.
base::Result<> complete(store::Tx& tx, const Caller& caller, const std::string& which, Wish& wish,
                        base::WallTime now) {
  TRY_OK(check_behind(tx, caller.behind, now));
  wish.tier = agents::Tier::visitor;
  if (which.empty() && caller.agent.empty()) {
    TRY(wish.tier, tier_without_agent(tx, caller.principal, now));
    return {};
  }
  TRY(const auto agent, agents::find(tx, which.empty() ? caller.agent : which));
  TRY_OK(agents::check_own(tx, caller.agent, agent));
  TRY_OK(check_voice(caller, agent, wish.action));
  wish.agent = agent.id;
  TRY(wish.tier, tier_with_agent(tx, agent, !caller.agent.empty(), caller.principal, now));
  return {};
}

// not_found: this agent, if one is named, has not asked for it.
base::Result<> check_asker(store::Tx& tx, const std::string& which, const Asked& asked) {
  if (which.empty()) return {};
  TRY(const auto agent, agents::find(tx, which));
  if (agent.id == asked.agent) return {};
  return base::fail(Code::not_found,
                    fmt::format("action {}: {} has not asked for it", asked.id, agent.name));
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
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.read([this, caller = std::move(caller), which = std::move(which),
                                        wish = std::move(wish),
                                        now](store::Tx& tx) -> base::Result<actions::Decision> {
    Wish whole = wish;
    TRY_OK(complete(tx, caller, which, whole, now));
    TRY_OK(aim(tx, whole));
    return actions::decide(tx, catalogue_, whole);
  });
}

Task<actions::Answer> Actions::ask(Caller caller, std::string which, Wish wish,
                                   actions::Request request) {
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.write([this, caller = std::move(caller), which = std::move(which),
                                         wish = std::move(wish), request = std::move(request),
                                         now](store::Tx& tx) -> base::Result<actions::Answer> {
    TRY_OK(check_room(act(tx, now, caller.principal), request));
    return ask(tx, caller, which, wish, request, now);
  });
}

base::Result<actions::Answer> Actions::ask(store::Tx& tx, const Caller& caller,
                                           const std::string& which, Wish wish,
                                           const actions::Request& request,
                                           const engine::Now& now) const {
  TRY_OK(complete(tx, caller, which, wish, now.wall));
  wish.behind = caller.behind;
  const auto acting = act(tx, now, caller.principal);
  // What was asked for before may be gone by now, and by that very action.
  TRY(auto known, actions::replayed(acting, request));
  if (known) return *std::move(known);
  TRY_OK(aim(tx, wish));
  return actions::ask(acting, catalogue_, wish, caller.name, request);
}

// What was asked for before needs none.
base::Result<> Actions::check_room(const actions::Act& acting,
                                   const actions::Request& request) const {
  auto room = room_for_new(needs_.store);
  if (room) return {};
  TRY(const auto known, actions::replayed(acting, request));
  return known ? base::Result<>() : std::move(room);
}

base::Result<> Actions::aim(store::Tx& tx, Wish& wish) const {
  const auto target = targets_.find(wish.action);
  if (target == targets_.end() || !wish.undoes.empty()) return {};
  TRY(const auto decision, actions::decide(tx, catalogue_, wish));
  if (!decision.is_allowed) return {};
  TRY(wish.params, target->second(tx, wish.params));
  return {};
}

base::Result<bool> Actions::withdraw(store::Tx& tx, const std::string& id, const engine::Now& now,
                                     std::string actor) const {
  return actions::withdraw(act(tx, now, std::move(actor)), id);
}

Task<actions::Answer> Actions::undo(Caller caller, std::string id, actions::Request request) {
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.write([this, caller = std::move(caller), id = std::move(id),
                                         request = std::move(request),
                                         now](store::Tx& tx) -> base::Result<actions::Answer> {
    Wish who;
    TRY_OK(complete(tx, caller, "", who, now.wall));
    TRY_OK(check_room(act(tx, now, caller.principal), request));
    who.behind = caller.behind;
    TRY(const auto done, actions::find(tx, id));
    return actions::undo(act(tx, now, caller.principal), catalogue_, done.id, std::move(who),
                         caller.name, request);
  });
}

Task<Asked> Actions::decide(Caller caller, std::string which, std::string id, bool is_yes,
                            std::string note) {
  if (!caller.agent.empty()) {
    co_return base::fail(Code::denied, "decide on an action: only a person may", "not_a_person");
  }
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.write([this, caller = std::move(caller), which = std::move(which),
                                         id = std::move(id), is_yes, note = std::move(note),
                                         now](store::Tx& tx) -> base::Result<Asked> {
    TRY(const auto asked, actions::find(tx, id));
    TRY_OK(check_asker(tx, which, asked));
    return actions::say(act(tx, now, caller.principal), catalogue_, asked.id,
                        {caller.principal, caller.name, is_yes, note, now.wall});
  });
}

Task<Asked> Actions::resolve(Caller caller, std::string id, std::string verdict, std::string note) {
  if (!caller.agent.empty()) {
    co_return base::fail(Code::denied, "resolve an action: only a person may", "not_a_person");
  }
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.write([this, caller = std::move(caller), id = std::move(id),
                                         verdict = std::move(verdict), note = std::move(note),
                                         now](store::Tx& tx) -> base::Result<Asked> {
    TRY(const auto asked, actions::find(tx, id));
    return actions::resolve(act(tx, now, caller.principal), asked.id,
                            {verdict, caller.principal, caller.name, note, now.wall});
  });
}

base::Result<> Actions::on_change(store::Tx& tx, const engine::Change& change,
                                  const engine::Now& now) {
  return actions::on_change(act(tx, now, "bridge"), change);
}

Task<Actions::View> Actions::get(Caller caller, std::string which, base::Instant deadline) {
  CO_TRY(const auto id,
         co_await needs_.store.read([which](store::Tx& tx) -> base::Result<std::string> {
           TRY(auto asked, actions::find(tx, which));
           return std::move(asked.id);
         }));
  const engine::Bells::Ear ear(needs_.bells, actions::bell_of_action(id));
  for (;;) {
    const auto rung = ear.count();
    const auto now = needs_.clock.wall();
    CO_TRY(auto view, co_await needs_.store.read([this, caller, id,
                                                  now](store::Tx& tx) -> base::Result<View> {
      TRY(auto asked, actions::get(tx, id));
      if (!caller.agent.empty()) {
        TRY(const auto own, agents::find(tx, caller.agent));
        if (own.id != asked.agent) {
          return base::fail(Code::denied, "the action is another agent's", "other_agent");
        }
      }
      TRY(auto approvals, actions::approvals(tx, asked, counts_still, now));
      TRY(auto resolutions, actions::resolutions(tx, id));
      TRY(auto undo, actions::undo_of(tx, id));
      View found{
          std::move(asked), std::move(approvals), std::move(resolutions), std::move(undo), {}};
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

Task<store::Part<Asked>> Actions::list(Caller caller, actions::Filter filter, std::string before,
                                       std::size_t limit) {
  co_return co_await needs_.store.read([caller = std::move(caller), filter = std::move(filter),
                                        before = std::move(before),
                                        limit](store::Tx& tx) -> base::Result<store::Part<Asked>> {
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
    const auto acting = act(tx, now, caller.principal);
    const auto exact = exact_place(tx, catalogue_, place);
    if (exact && is_off) return actions::kill(acting, *exact, reason);
    if (exact) return actions::revive(acting, *exact, reason);
    // What is switched off can be switched on, also if it is not there any more.
    TRY(const auto off, actions::kills(tx));
    if (!is_off && off.contains(place)) return actions::revive(acting, place, reason);
    return std::unexpected(exact.error());
  });
}

base::Result<> Actions::on_removal(const agents::Act& removing, const agents::Agent& agent) const {
  const auto place = std::string(agent_place) + agent.id;
  TRY(const auto off, actions::kills(removing.tx));
  if (!off.contains(place)) return {};
  const engine::Now now{.wall = removing.now, .steady = {}, .boot = {}};
  return actions::revive(act(removing.tx, now, removing.actor), place, "the agent was removed");
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
