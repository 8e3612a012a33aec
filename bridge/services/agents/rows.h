// Agents as rows. Internal to the rules.
#pragma once

#include "bridge/services/agents/agent.h"
#include "bridge/services/agents/rules.h"
#include "bridge/store/store.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services::agents::rows {

// Every agent that the rest of the statement leaves ("WHERE a.id = $1").
base::Result<std::vector<Agent>> all(store::Tx& tx, std::string_view rest, store::Values values);
// The first of them.
base::Result<std::optional<Agent>> one(store::Tx& tx, std::string_view rest, store::Values values);

base::Result<> insert(store::Tx& tx, const Agent& agent);
// Writes what people say about it.
base::Result<> update(store::Tx& tx, const Agent& agent);
// Writes what its last heartbeat said.
base::Result<> set_beat(store::Tx& tx, const Agent& agent);
base::Result<> set_told_offline(store::Tx& tx, const Agent& agent);
// Nobody answers to the alias of this agent any more, which `update` will write so.
base::Result<> free_alias(store::Tx& tx, const std::string& id, const std::string& alias);
// The aliases that agents have from registry files, by id; others were given by hand, or before
// there was a note of it. An alias that is gone may still be among them.
base::Result<std::map<std::string, std::vector<std::string>>> given_aliases(store::Tx& tx);
base::Result<> set_given_aliases(store::Tx& tx, const std::string& id,
                                 const std::vector<std::string>& aliases);
base::Result<> remove(store::Tx& tx, const std::string& id);

// Adds the agent's newest heartbeat to its history and forgets old ones.
base::Result<> add_beat(store::Tx& tx, const Agent& agent);
base::Result<std::vector<Beat>> beats(store::Tx& tx, const std::string& id, std::int64_t before,
                                      std::size_t limit);

}  // namespace services::agents::rows
