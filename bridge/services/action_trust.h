// How far those are trusted who ask for actions.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/services/actions/action.h"
#include "bridge/services/agents/agent.h"
#include "bridge/store/store.h"

#include <string>

namespace services {

// Of somebody who asks for no agent: as far as the key goes now, that of a founder with the scope
// admin, of an operator with any other. What a token or a workflow may cannot be looked at again
// when the action is done, so that makes nobody a founder. denied, reason key_not_good: the key of
// `principal` is revoked or has expired.
base::Result<agents::Tier> tier_without_agent(store::Tx& tx, const std::string& principal,
                                              base::WallTime now);

// Of somebody who asks for `agent`, being bound to it or not (`is_bound`): the agent's, and for who
// is not no more than their own. denied, reason key_not_good.
base::Result<agents::Tier> tier_with_agent(store::Tx& tx, const agents::Agent& agent, bool is_bound,
                                           const std::string& principal, base::WallTime now);

// Whoever asks for another, such as the run that a key began, may ask no longer than that key is
// good. An empty `behind` and one without a key are taken as they are. denied, reason key_not_good.
base::Result<> check_behind(store::Tx& tx, const std::string& behind, base::WallTime now);

// False: `principal` has a key that is not good any more, and what was said with it does not count.
// A token cannot be looked at again, and counts as it did.
base::Result<bool> counts_still(store::Tx& tx, const std::string& principal, base::WallTime now);

// Of whoever asked, when it is to be done: the agent's by then, or as above. What a token was
// trusted with stays as it was looked at when it asked: whether it was bound is not known. A key
// that is no longer good takes what was asked with it along, also by a run that it began.
base::Result<agents::Tier> tier_now(store::Tx& tx, const actions::Asked& asked, base::WallTime now);

}  // namespace services
