#include "bridge/services/action_targets.h"

#include "bridge/services/memory/memory.h"

#include <optional>

namespace services {

namespace json = boost::json;
using base::Code;
using base::Result;
using base::Task;

namespace {

std::string text_of(const json::value& params, std::string_view name) {
  const auto* value = params.as_object().if_contains(name);
  return value ? std::string(value->as_string()) : std::string();
}

void aim(json::value& params, const agents::Agent& agent) {
  params.as_object()["agent"] = agent.id;
  params.as_object()["name"] = agent.name;
}

Result<json::value> at_agent(store::Tx& tx, json::value params) {
  TRY(const auto agent, agents::find(tx, text_of(params, "agent")));
  aim(params, agent);
  return params;
}

// Memory stays when its agent goes, and some is nobody's.
Result<json::value> at_memory(store::Tx& tx, json::value params) {
  TRY(const auto owner, memory::owner_for_operators(tx, text_of(params, "agent")));
  TRY(const auto agent, agents::with_id(tx, owner.agent));
  params.as_object()["agent"] = owner.agent;
  params.as_object().erase("name");
  if (agent) aim(params, *agent);
  return params;
}

}  // namespace

std::map<std::string, Actions::Target> action_targets() {
  return {{"agent.deregister", at_agent}, {"memory.purge", at_memory}};
}

Task<json::value> deregister(Agents& agents, const actions::Asked& asked, Caller as) {
  const auto id = text_of(asked.params, "agent");
  json::object done{{"removed", text_of(asked.params, "name")}, {"id", id}};
  const auto named = co_await agents.get(id);
  const bool is_gone = named ? named->id != id : named.error().code == Code::not_found;
  if (is_gone) co_return done;
  as.agent.clear();
  as.is_admin = true;  // people or the policy have decided
  auto removed = co_await agents.remove(std::move(as), id, std::nullopt);
  if (!removed && removed.error().code != Code::not_found) {
    co_return std::unexpected(std::move(removed).error());
  }
  co_return done;
}

}  // namespace services
