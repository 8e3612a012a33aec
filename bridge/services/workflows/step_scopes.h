// What the steps of a workflow take of whoever lets them be done: a workflow is no way to packets,
// messages and actions for those who may not have them otherwise.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/json.h"
#include "bridge/services/caller.h"
#include "bridge/store/store.h"

#include <string>
#include <string_view>

namespace services {

// The scope that a step of this kind needs; empty: none, it only waits for a person.
std::string_view scope_of_step(std::string_view kind);

// denied, reason no_packets, no_messages or no_actions: the definition has a job that needs a scope
// which the caller lacks, or the key of the one for whom the caller acts; reason key_not_good: that
// key is revoked or has expired.
base::Result<> check_scopes(store::Tx& tx, const Caller& caller, const base::json::object& document,
                            base::WallTime now);

// The same for one step of a run that goes on, by the key that began it as it is now. What a token
// allowed was looked at when the run began.
base::Result<> check_step_scope(store::Tx& tx, const std::string& behind, const std::string& step,
                                std::string_view kind, base::WallTime now);

}  // namespace services
