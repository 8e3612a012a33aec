// A person signs in in a window that a command has opened; the bridge only looks.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/chat/conversation.h"

#include <ostream>

namespace app {

// Ends when the conversation is ready. What the page shows meanwhile goes to `told`, once a change.
// login_required: the window, or the tab in it, was closed before. unavailable: the tab crashed.
// Others as of Conversation::state.
base::Task<> wait_for_sign_in(chat::Conversation& conversation, std::ostream& told,
                              base::Clock& clock);

}  // namespace app
