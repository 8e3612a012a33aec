// Missions as rows. Internal to fleets.
#pragma once

#include "bridge/services/agents/fleets.h"

namespace services::agents::mission_rows {

// With their members.
base::Result<std::vector<Mission>> all(store::Tx& tx, std::string_view rest, store::Values values);
// The first of them, at most `most`, and no more once their texts have limits::list_part_bytes.
base::Result<store::Part<Mission>> some(store::Tx& tx, std::string_view rest, store::Values values,
                                        std::size_t most);
base::Result<std::optional<Mission>> one(store::Tx& tx, std::string_view rest,
                                         store::Values values);
// Without members.
base::Result<> insert(store::Tx& tx, const Mission& mission);
base::Result<> add_member(store::Tx& tx, const std::string& mission, const Member& member);
base::Result<> set_member(store::Tx& tx, const std::string& mission, const Member& member);
base::Result<> set_state(store::Tx& tx, const Mission& mission);

}  // namespace services::agents::mission_rows
