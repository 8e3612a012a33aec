// The real browser behind the seam of live_browser.h: Chrome with ChatGPT's pages in its tabs.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/limits.h"
#include "bridge/chat/chat_page.h"
#include "bridge/chat/live_browser.h"
#include "bridge/chat/profile.h"
#include "cdp/browser.h"

#include <filesystem>
#include <memory>
#include <string>

namespace chat {

struct ChromeOptions {
  cdp::LaunchOptions launch;  // `window` is the keeper's to choose
  // A running browser's WebSocket address; empty launches one. Ending such a browser is to let go
  // of it; the tabs that are ours are closed, also those that an earlier process left (see
  // OwnTabs).
  std::string attach_url;
  std::filesystem::path tabs_file = {};                       // names those tabs
  ChatOptions chat;                                           // `url` is the caller's to choose
  base::Instant::duration ping_limit = limits::browser_ping;  // then it hangs
};

class ChromeLauncher final : public Launcher {
 public:
  // The clock outlives it and all that it starts.
  ChromeLauncher(ChromeOptions options, Profiles profiles, base::Clock& clock)
      : options_(std::move(options)), profiles_(std::move(profiles)), clock_(clock) {}

  base::Task<std::shared_ptr<LiveBrowser>> start(cdp::Window window) override;

 private:
  ChromeOptions options_;
  Profiles profiles_;
  base::Clock& clock_;
};

// One conversation's tab, watched from within the page. Takes the tab that the conversation has.
std::unique_ptr<LiveTab> live_tab(std::unique_ptr<ChatPage> chat);

}  // namespace chat
