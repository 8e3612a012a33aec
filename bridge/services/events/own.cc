#include "bridge/services/events/own.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace events {

namespace {

bool names(const engine::Entry& entry, std::string_view agent,
           std::initializer_list<std::string_view> members) {
  return std::ranges::any_of(members, [&](std::string_view member) {
    const auto* named = entry.data.if_contains(member);
    return named && named->is_string() && std::string_view(named->get_string()) == agent;
  });
}

bool is_one_of(std::string_view noun, std::initializer_list<std::string_view> nouns) {
  return std::ranges::find(nouns, noun) != nouns.end();
}

}  // namespace

bool is_own(const engine::Entry& entry, const Listener& listener) {
  const std::string_view type = entry.type;
  const auto noun = type.substr(0, type.find('.'));
  if (listener.agent.empty()) return false;
  if (noun == "agent") return entry.subject == listener.agent;
  if (noun == "message") return names(entry, listener.agent, {"from_id", "to_id"});
  if (is_one_of(noun, {"workflow", "memory", "subscription", "delivery"})) {
    return names(entry, listener.agent, {"agent"});
  }
  // An action is asked for an agent; the job that does it is queued as the agent's.
  if (noun == "action") return names(entry, listener.agent, {"agent", "sender"});
  if (is_one_of(noun, {"packet", "repair", "query", "step"})) {
    return names(entry, listener.principal, {"principal"}) ||
           names(entry, listener.agent, {"sender"});
  }
  return false;
}

}  // namespace events
