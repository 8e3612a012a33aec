#include "bridge/services/fleets.h"

#include <fmt/format.h>

namespace services {

namespace json = boost::json;
using agents::Fleet;
using agents::Mission;
using base::Code;
using base::Result;
using base::Task;

namespace {

Result<> check_unbound(std::string_view doing, const Caller& caller) {
  if (caller.agent.empty()) return {};
  return base::fail(Code::denied,
                    fmt::format("{}: the caller acts as agent {} only", doing, caller.agent),
                    "other_agent");
}

}  // namespace

Task<std::vector<Fleet>> Fleets::list() {
  co_return co_await needs_.store.read(
      [this](store::Tx& tx) { return agents::fleets(tx, catalogue_); });
}

Task<Fleet> Fleets::get(std::string category) {
  co_return co_await needs_.store.read([this, category = std::move(category)](store::Tx& tx) {
    return agents::fleet(tx, catalogue_, category);
  });
}

Task<Fleets::Sent> Fleets::deploy(Caller caller, std::string category, std::string objective,
                                  Agents::Request request) {
  CO_TRY_OK(check_unbound("deploy fleet", caller));
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.write(
      [this, caller = std::move(caller), category = std::move(category),
       objective = std::move(objective), request = std::move(request),
       now](store::Tx& tx) -> Result<Sent> {
        TRY(const auto known, agents::answer_of(tx, caller.principal, request.key, request.hash));
        if (known) {
          TRY(auto mission, agents::mission(tx, category, std::string(known->as_string())));
          return Sent{std::move(mission), true};
        }
        TRY_OK(room_for_new(needs_.store));
        const auto doing = act(tx, now, caller.principal);
        TRY(auto mission, agents::deploy(doing, catalogue_, category, objective));
        TRY_OK(agents::keep_answer(doing, request.key, request.hash, json::value(mission.id)));
        return Sent{std::move(mission), false};
      });
}

Task<Mission> Fleets::recall(Caller caller, std::string category) {
  CO_TRY_OK(check_unbound("recall fleet", caller));
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.write(
      [this, caller = std::move(caller), category = std::move(category), now](store::Tx& tx) {
        return agents::recall(act(tx, now, caller.principal), catalogue_, category);
      });
}

Task<Mission> Fleets::mission(std::string category, std::string id) {
  co_return co_await needs_.store.read(
      [category = std::move(category), id = std::move(id)](store::Tx& tx) {
        return agents::mission(tx, category, id);
      });
}

Task<Fleets::Page> Fleets::missions(std::string category, std::string before, std::size_t limit) {
  CO_TRY(auto found, co_await needs_.store.read(
                         [this, category = std::move(category), before = std::move(before),
                          limit](store::Tx& tx) -> Result<store::Part<Mission>> {
                           TRY(auto all, agents::missions(tx, category, before, limit));
                           // What a fleet has done is kept when nobody is in it any more.
                           if (all.items.empty()) TRY_OK(agents::fleet(tx, catalogue_, category));
                           return all;
                         }));
  co_return Page{.missions = std::move(found.items), .is_end = found.is_end};
}

Task<Mission> Fleets::report(Caller caller, std::string category, std::string id, std::string agent,
                             agents::Report report) {
  if (agent.empty()) agent = caller.agent;
  if (agent.empty()) {
    co_return base::fail(Code::invalid, "report to mission: /agent: say which agent reports",
                         "invalid");
  }
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.write([this, caller = std::move(caller),
                                         category = std::move(category), id = std::move(id),
                                         agent = std::move(agent), report = std::move(report),
                                         now](store::Tx& tx) -> Result<Mission> {
    TRY(const auto who, agents::find(tx, agent));
    TRY_OK(agents::check_own(tx, caller.agent, who));
    TRY(auto mission, agents::mission(tx, category, id));
    return agents::report(act(tx, now, caller.principal), catalogue_, std::move(mission), who,
                          report);
  });
}

Task<Fleets::Stats> Fleets::stats() {
  co_return co_await needs_.store.read([this](store::Tx& tx) -> Result<Stats> {
    Stats stats;
    TRY(stats.fleets, agents::fleets(tx, catalogue_));
    TRY(stats.missions, agents::mission_counts(tx));
    return stats;
  });
}

}  // namespace services
