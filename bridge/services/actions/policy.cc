#include "bridge/services/actions/policy.h"

#include "bridge/services/actions/action_limits.h"

#include <algorithm>

#include <fmt/format.h>

namespace services::actions {
namespace {

// The less an agent is trusted, the riskier the same act is.
int risk_of(agents::Tier tier) {
  switch (tier) {
    case agents::Tier::visitor:
      return 20;
    case agents::Tier::citizen:
      return 10;
    case agents::Tier::operator_:
      return 0;
    case agents::Tier::architect:
      return -5;
    case agents::Tier::founder:
      return -10;
  }
  return 100;
}

Decision refused(std::string code, std::string why) {
  Decision decision;
  decision.code = std::move(code);
  decision.reasons.push_back(std::move(why));
  return decision;
}

std::optional<Decision> killed(const Kills& kills, const Wish& wish) {
  std::vector<std::string> places{"all", "action:" + wish.action};
  if (!wish.agent.empty()) places.push_back("agent:" + wish.agent);
  for (const auto& place : places) {
    if (const auto off = kills.find(place); off != kills.end()) {
      return refused("switched_off", fmt::format("{} is switched off: {}", place, off->second));
    }
  }
  return std::nullopt;
}

}  // namespace

Decision decide(const Catalogue& catalogue, const Kills& kills, const Wish& wish) {
  const Definition* definition = catalogue.find(wish.action, wish.undoes);
  if (!definition) {
    return refused("unknown_action", fmt::format("there is no action \"{}\"", wish.action));
  }
  if (auto off = killed(kills, wish)) return *std::move(off);
  if (wish.tier < definition->min_tier) {
    return refused("tier_too_low",
                   fmt::format("it is for the tier {} and above, and this is {}",
                               agents::name(definition->min_tier), agents::name(wish.tier)));
  }
  const auto violations = definition->schema.check(wish.params);
  if (!violations) return refused("invalid_params", violations.error().message);
  if (!violations->empty()) {
    auto decision = refused("invalid_params", "the parameters are not those of the action");
    for (const auto& one : *violations) {
      decision.violations.push_back({one.instance_location, one.keyword, one.message});
    }
    return decision;
  }
  if (definition->kind == Kind::http) {
    const auto request = request_of(definition->call, wish.params);
    if (!request) return refused("invalid_params", request.error().message);
  }
  Decision decision;
  decision.is_allowed = true;
  decision.risk = definition->risk;
  decision.reasons.push_back(fmt::format("the action's own risk is {}", definition->risk));
  for (const auto& raise : definition->raises) {
    if (!raise.when.is_valid(wish.params)) continue;
    decision.risk += raise.add;
    decision.reasons.push_back(fmt::format("its parameters add {}", raise.add));
  }
  if (const int add = risk_of(wish.tier); add != 0) {
    decision.risk += add;
    decision.reasons.push_back(fmt::format("the tier {} adds {}", agents::name(wish.tier), add));
  }
  decision.risk = std::clamp(decision.risk, 0, 100);
  decision.is_told_whole = decision.risk > limits::risk_audited;
  if (decision.risk > limits::risk_approved) decision.approvers = 1;
  if (decision.risk > limits::risk_approved_twice) decision.approvers = 2;
  if (decision.approvers > 0) {
    decision.reasons.push_back(
        fmt::format("a risk of {} needs {}", decision.risk,
                    decision.approvers == 1 ? "a person's approval" : "two persons' approval"));
  }
  return decision;
}

}  // namespace services::actions
