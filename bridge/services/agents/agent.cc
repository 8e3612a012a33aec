#include "bridge/services/agents/agent.h"

#include "bridge/base/ascii.h"
#include "bridge/services/agents/agent_limits.h"

#include <algorithm>
#include <array>
#include <utility>

namespace services::agents {

namespace {

template <class Enum, std::size_t count>
using Words = std::array<std::pair<Enum, std::string_view>, count>;

constexpr Words<Kind, 5> kinds = {{{Kind::custom_gpt, "custom_gpt"},
                                   {Kind::plugin, "plugin"},
                                   {Kind::mcp_client, "mcp_client"},
                                   {Kind::a2a_agent, "a2a_agent"},
                                   {Kind::cli, "cli"}}};
constexpr Words<Status, 4> statuses = {{{Status::draft, "draft"},
                                        {Status::active, "active"},
                                        {Status::standby, "standby"},
                                        {Status::deployed, "deployed"}}};
constexpr Words<Liveness, 4> livenesses = {{{Liveness::unknown, "unknown"},
                                            {Liveness::active, "active"},
                                            {Liveness::degraded, "degraded"},
                                            {Liveness::offline, "offline"}}};
constexpr Words<Tier, 5> tiers = {{{Tier::visitor, "visitor"},
                                   {Tier::citizen, "citizen"},
                                   {Tier::operator_, "operator"},
                                   {Tier::architect, "architect"},
                                   {Tier::founder, "founder"}}};

template <class Enum, std::size_t count>
std::string_view word_of(const Words<Enum, count>& words, Enum value) {
  for (const auto& [known, word] : words) {
    if (known == value) return word;
  }
  BRIDGE_ASSERT(false);
  return {};
}

template <class Enum, std::size_t count>
std::optional<Enum> value_of(const Words<Enum, count>& words, std::string_view word) {
  for (const auto& [value, known] : words) {
    if (known == word) return value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view name(Kind kind) { return word_of(kinds, kind); }
std::string_view name(Status status) { return word_of(statuses, status); }
std::string_view name(Liveness liveness) { return word_of(livenesses, liveness); }
std::string_view name(Tier tier) { return word_of(tiers, tier); }

std::optional<Kind> kind_of(std::string_view word) { return value_of(kinds, word); }
std::optional<Status> status_of(std::string_view word) {
  return value_of(statuses, base::lower(word));
}
std::optional<Liveness> liveness_of(std::string_view word) { return value_of(livenesses, word); }
std::optional<Tier> tier_of(std::string_view word) { return value_of(tiers, word); }

std::string slug_of(std::string_view text) {
  std::string slug;
  bool is_gap = false;
  for (const char c : text) {
    const char small = base::lower(c);
    if (!base::is_alphanumeric(small)) {
      is_gap = true;
      continue;
    }
    if (is_gap && !slug.empty()) slug += '-';
    is_gap = false;
    if (slug.size() >= limits::agent_slug_bytes_max) break;
    slug += small;
  }
  while (slug.ends_with('-')) slug.pop_back();
  return slug;
}

Liveness liveness_of(const Agent& agent, base::WallTime now, const Windows& windows) {
  if (!agent.last_beat) return Liveness::unknown;
  const auto age = now - *agent.last_beat;
  if (age >= windows.degraded || agent.reported == name(Liveness::offline)) {
    return Liveness::offline;
  }
  if (age >= windows.active || agent.reported == name(Liveness::degraded)) {
    return Liveness::degraded;
  }
  return Liveness::active;
}

}  // namespace services::agents
