// Whose memory it is, as the registry of agents says.
#include "bridge/services/agents/rules.h"
#include "bridge/services/memory/rules_parts.h"

#include <fmt/format.h>

namespace services::memory {

using base::Code;
using base::Result;

namespace {

Owner owner(agents::Agent agent) { return {std::move(agent.id), std::move(agent.category_key)}; }

}  // namespace

Result<Owner> owner_of(store::Tx& tx, std::string_view which) {
  if (which == conversation) return Owner{std::string(which)};
  TRY(auto agent, agents::find(tx, which));
  return owner(std::move(agent));
}

Result<Owner> owner_of_link(store::Tx& tx, std::string_view url) {
  TRY(auto agent, agents::with_link(tx, std::string(url)));
  return agent ? owner(*std::move(agent)) : Owner{std::string(conversation)};
}

namespace rules {

Result<Viewer> viewer_of(store::Tx& tx, const Asker& asker) {
  if (asker.agent.empty()) return Viewer{.is_operator = true};
  if (asker.agent == conversation) return Viewer{.self = {asker.agent}};
  // A key may be bound to somebody who is not registered: that one sees what all may see.
  TRY(auto agent, agents::look(tx, asker.agent));
  return Viewer{.self = agent ? owner(*std::move(agent)) : Owner{}};
}

Result<Owner> owner_for(store::Tx& tx, const Asker& asker, std::string_view which) {
  auto named = owner_of(tx, which);
  if (named || named.error().code != Code::not_found || !asker.agent.empty()) return named;
  // The row stays when the last entry goes.
  TRY(const auto left, tx.query_one("SELECT 1 FROM memory_holdings WHERE agent = $1", {which}));
  return left ? Owner{std::string(which)} : std::move(named);
}

Result<Owner> own(store::Tx& tx, const Asker& asker, const std::string& which) {
  TRY(auto named, owner_for(tx, asker, which));
  if (asker.agent.empty()) return named;
  TRY(const auto viewer, viewer_of(tx, asker));
  if (viewer.self.agent == named.agent) return named;
  return base::fail(Code::denied,
                    fmt::format("the memory of {} is its own, and you are {}", which, asker.agent),
                    "other_agent");
}

}  // namespace rules

Result<Owner> owner_for_operators(store::Tx& tx, std::string_view which) {
  return rules::owner_for(tx, {}, which);
}

}  // namespace services::memory
