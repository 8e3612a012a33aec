// A browser and a conversation for the length of one command.
#pragma once

#include "bridge/app/console.h"
#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/chat/chat_page.h"
#include "cdp/browser.h"

#include <filesystem>
#include <memory>
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

class BrowserSession {
 public:
  // Starts or attaches to the browser and opens the conversation in it. `clock` outlives it.
  static base::Task<std::unique_ptr<BrowserSession>> open(BrowserSettings settings,
                                                          base::Clock& clock);

  chat::ChatPage& chat() { return *chat_; }
  cdp::Browser& browser() { return *browser_; }
  // Lets a launched browser save its profile and quit.
  base::Task<> close();

 private:
  BrowserSession() = default;

  std::unique_ptr<cdp::Browser> browser_;
  std::unique_ptr<chat::ChatPage> chat_;
};

// The browser alone.
base::Task<std::unique_ptr<cdp::Browser>> open_browser(const BrowserSettings& settings);

// The exit status that tells of what failed: a job, a session, a file or a call of the daemon.
int exit_status_of(const base::Error& error);

}  // namespace app
