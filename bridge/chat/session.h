// The health of an account's browser session, as people and the daemon see it.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/chat/inspection.h"
#include "bridge/chat/state.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace chat {

struct SessionView {
  State state = State::browser_gone;
  bool can_send = false;     // a packet would go out now, or after the exchange that runs
  std::string evidence;      // what was seen that proves the state
  std::string advice;        // what a person can do about it; empty if nothing
  std::string shell;         // B, C, …; empty where no page is known
  std::string browser;       // "Chrome/156.0.8078.79"; empty while there is none
  std::string conversation;  // the address of the page that shows it; empty for the browser's own
  base::WallTime since;      // when the state began
  base::Instant began;       // of the account's state: the same, whatever the calendar does
  base::Instant looked;      // when the page was last seen so; of the browser's own state: never
  base::Instant loaded;      // when the document that was seen then was loaded
  std::optional<base::WallTime> next_check;
};

// Called on the loop after every change of state; must not block and not call back.
struct SessionListener {
  // Of the account: what every lane depends on.
  std::function<void(const SessionView&)> on_account = [](const SessionView&) {};
  // Of one conversation.
  std::function<void(const SessionView&)> on_conversation = [](const SessionView&) {};
  // A check has ended, whatever it found.
  std::function<void()> on_check = [] {};
};

class Session {
 public:
  virtual ~Session() = default;

  // As last seen; nothing is asked.
  virtual SessionView account() const = 0;
  // One for each open tab.
  virtual std::vector<SessionView> conversations() const = 0;

  // Looks now, starting the browser if there is none; conversations in use are only looked at.
  // The result is the state, whatever it is.
  virtual base::Task<SessionView> check() = 0;

  // The page that shows the account's state, as the bytes of a PNG file. It may show what people
  // wrote. denied: not enabled. not_found: no page is open.
  virtual base::Task<std::string> screenshot() = 0;

  // What the bridge sees at this address, or of the page that shows the account's state if it is
  // empty; a page that is not open is opened. Nothing is changed or sent. It shows what people
  // wrote. timeout: all tabs are in use.
  virtual base::Task<Inspection> inspect(std::string url) = 0;

  // Closes the browser (its profile is saved) and starts it again with a window for a person to
  // sign in, or without. Nothing happens if it is so already. Both wait until no conversation is in
  // use; none begins before a window is shown, but to hide one holds nobody up.
  // busy: conversations are in use, or a window to be hidden is asked for again. unavailable: no
  // window can be shown; it runs as before.
  virtual base::Task<> show_window() = 0;
  virtual base::Task<> hide_window() = 0;
};

}  // namespace chat
