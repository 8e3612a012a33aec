// Actions and approvals as rows. Internal to the rules.
#pragma once

#include "bridge/services/actions/action.h"
#include "bridge/services/actions/policy.h"
#include "bridge/store/store.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services::actions::rows {

base::Result<std::vector<Asked>> all(store::Tx& tx, std::string_view rest, store::Values values);
// The first of them, as Tx::query_part ends them.
base::Result<store::Part<Asked>> some(store::Tx& tx, std::string_view rest, store::Values values,
                                      std::size_t most);
base::Result<std::optional<Asked>> one(store::Tx& tx, std::string_view rest, store::Values values);
base::Result<> insert(store::Tx& tx, const Asked& asked, const std::string& request,
                      const std::string& request_hash);
// Writes state, job, end and error if the state still is `from`. conflict, reason stale: it is not.
base::Result<> move(store::Tx& tx, const Asked& asked, State from);

// conflict with reason unique: this person has spoken.
base::Result<> add_approval(store::Tx& tx, const std::string& id, const std::string& hash,
                            const Approval& approval);
// Those that were given for this hash.
base::Result<std::vector<Approval>> approvals(store::Tx& tx, const std::string& id,
                                              const std::string& hash);

base::Result<> add_resolution(store::Tx& tx, const std::string& id, const Resolution& word);
// In their order; the latest limits::resolutions_shown.
base::Result<std::vector<Resolution>> resolutions(store::Tx& tx, const std::string& id);

base::Result<Kills> kills(store::Tx& tx);
base::Result<> set_kill(store::Tx& tx, const std::string& place, const std::string& reason,
                        const std::string& principal, base::WallTime now);
base::Result<> clear_kill(store::Tx& tx, const std::string& place);

}  // namespace services::actions::rows
