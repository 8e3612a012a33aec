// The conversations of one account. Who drives exchanges knows no more of browsers than this; a
// simulation brings its own.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/chat/conversation.h"

#include <memory>
#include <string>

namespace chat {

class Conversations {
 public:
  virtual ~Conversations() = default;

  // The conversation at this address, for the caller alone until the object is destroyed: nobody
  // else closes, navigates or writes into its page. "/" and "/g/…" give a new chat at every call.
  // Waits for its turn, with no limit but cancellation, while another holds the conversation or all
  // tabs of the account are in use.
  // invalid: no address of a conversation. unavailable with reason browser_unavailable: there is no
  // browser now and none soon; the message says why and until when. Other errors: the page did not
  // load. What the page shows, such as login_required, is no error here but the conversation's
  // state.
  virtual base::Task<std::unique_ptr<Conversation>> open(std::string url) = 0;

  // The time from which certainly no page of an earlier process could send, or of a browser before
  // the one that runs now. What was sent before may still be on its way. browser_unavailable: not
  // certain.
  virtual base::Task<base::Instant> alone_since() = 0;

  // Makes certain that no page that was opened at this address before, by this process or an
  // earlier one, can still send, and gives the time from which that holds. Whoever holds the
  // conversation finds its tab closed; a browser that does not close it is killed, and then all
  // conversations end with browser_gone. What was sent before may still be on its way.
  // browser_unavailable: not certain.
  virtual base::Task<base::Instant> silence(std::string url) = 0;
};

}  // namespace chat
