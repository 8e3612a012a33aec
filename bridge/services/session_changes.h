// What the journal tells of the browser session, which may change often and for moments only.
#pragma once

#include "bridge/chat/session.h"
#include "bridge/engine/journal.h"
#include "bridge/store/store.h"

#include <optional>
#include <string>

namespace services {

// What is told of a session: one that can send is ready, whatever its page shows of the last
// message, for of that the packet's own entries tell.
chat::State told_state(const chat::SessionView& session);

// Where and when it was seen.
struct SeenSession {
  chat::SessionView view;
  std::string account;
  base::Instant at;
};

// Appends "session.changed" if the state is another than was told last, in this life or in one
// before. What may pass by itself is told once it has lasted for limits::session_change_lasts; and
// no more than limits::session_changes_max are told within limits::session_changes_period, so that
// a page that comes and goes fills no journal: what is not told then is told later, if it is still
// so. Gives what was told last.
base::Result<std::optional<chat::State>> tell_session(store::Tx& tx, const engine::Journal& journal,
                                                      const SeenSession& seen, base::WallTime now);

}  // namespace services
