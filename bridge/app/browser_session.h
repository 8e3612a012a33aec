// A browser and a conversation for the length of one command.
#pragma once

#include "bridge/app/console.h"
#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/chat/chat_page.h"
#include "bridge/chat/doomed_tab.h"
#include "cdp/browser.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace app {

struct BrowserSettings {
  cdp::LaunchOptions launch;
  std::string attach_url;               // a running browser's WebSocket address; empty launches one
  std::filesystem::path page_profiles;  // overrides of the built-in ones; may be missing
  chat::ChatOptions chat;
};

// A window where the person can see one, else none.
cdp::Window window_here();

// The conversation is in a tab of its own. In a browser that was running before, that tab is closed
// however the session ends, also one that was only being opened.
class BrowserSession {
 public:
  // Starts or attaches to the browser and opens the conversation in it. `clock` outlives it.
  static base::Task<std::unique_ptr<BrowserSession>> open(BrowserSettings settings,
                                                          base::Clock& clock);

  chat::ChatPage& chat() { return *chat_; }
  cdp::Browser& browser() { return *browser_; }
  // The tab stays open in a browser that was running before, for a person who acts in it.
  void leave_tab() { tab_->spare(); }
  // Lets a launched browser save its profile and quit.
  base::Task<> close();

 private:
  BrowserSession() = default;

  std::shared_ptr<cdp::Browser> browser_;
  std::optional<chat::DoomedTab> tab_;  // nothing's in a launched browser, which takes it along
  std::unique_ptr<chat::ChatPage> chat_;
};

// The browser alone.
base::Task<std::unique_ptr<cdp::Browser>> open_browser(const BrowserSettings& settings);
// Null for one that was launched: its tabs end with it, and nothing shall keep it.
std::shared_ptr<cdp::Browser> if_it_lives_on(const std::shared_ptr<cdp::Browser>& browser);

// The exit status that tells of what failed: a job, a session, a file or a call of the daemon.
int exit_status_of(const base::Error& error);

}  // namespace app
