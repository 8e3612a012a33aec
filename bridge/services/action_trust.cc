#include "bridge/services/action_trust.h"

#include "bridge/services/agents/rules.h"
#include "bridge/services/keys.h"

#include <algorithm>

namespace services {

using base::Result;

namespace {

bool has_key(std::string_view principal) { return principal.starts_with("key:"); }

}  // namespace

Result<agents::Tier> tier_without_agent(store::Tx& tx, const std::string& principal,
                                        base::WallTime now) {
  if (!has_key(principal)) return agents::Tier::operator_;
  TRY(const auto key, good_key(tx, principal, now));
  if (!key.agent.empty()) return agents::Tier::visitor;
  const bool is_admin = std::ranges::find(key.scopes, "admin") != key.scopes.end();
  return is_admin ? agents::Tier::founder : agents::Tier::operator_;
}

Result<agents::Tier> tier_with_agent(store::Tx& tx, const agents::Agent& agent, bool is_bound,
                                     const std::string& principal, base::WallTime now) {
  if (is_bound) return agent.tier;
  TRY(const auto own, tier_without_agent(tx, principal, now));
  return std::min(agent.tier, own);
}

Result<> check_behind(store::Tx& tx, const std::string& behind, base::WallTime now) {
  if (has_key(behind)) TRY_OK(good_key(tx, behind, now));
  return {};
}

Result<bool> counts_still(store::Tx& tx, const std::string& principal, base::WallTime now) {
  if (!has_key(principal)) return true;
  const auto key = good_key(tx, principal, now);
  if (key || key.error().reason == "key_not_good") return key.has_value();
  return std::unexpected(key.error());
}

Result<agents::Tier> tier_now(store::Tx& tx, const actions::Asked& asked, base::WallTime now) {
  TRY_OK(check_behind(tx, asked.behind, now));
  if (asked.agent.empty()) return tier_without_agent(tx, asked.principal, now);
  bool is_bound = true;
  if (has_key(asked.principal)) {
    TRY(const auto key, good_key(tx, asked.principal, now));
    is_bound = !key.agent.empty();
  }
  TRY(const auto agent, agents::find(tx, asked.agent));
  return tier_with_agent(tx, agent, is_bound, asked.principal, now);
}

}  // namespace services
