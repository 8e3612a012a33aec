// What the care of a browser needs of one: a seam, so that the care is tested without any. Every
// call ends in bounded time.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/chat/conversation.h"
#include "bridge/chat/inspection.h"
#include "bridge/chat/state.h"
#include "cdp/browser.h"

#include <memory>
#include <optional>
#include <string>

namespace chat {

// What a tab shows.
struct Glance {
  Judgement judged;
  std::string shell;
  base::Instant::duration document_age{};
  bool is_over = false;  // the tab is of no more use: closed, crashed or hung
};

class LiveTab {
 public:
  // Lets go of the tab, which stays open.
  virtual ~LiveTab() = default;

  virtual Conversation& conversation() = 0;
  // Of a new chat, the address it got.
  virtual std::string url() const = 0;

  // What the tab shows, once that may have changed since the last call, or at the deadline. The
  // first call tells as soon as there is something to see. One caller at a time.
  virtual boost::asio::awaitable<Glance> next(base::Instant deadline) = 0;
  // Asks the site whether anybody is signed in; the page does not change. Nothing: it does not say.
  virtual base::Task<std::optional<bool>> ask_session() = 0;
  virtual base::Task<> reload() = 0;
  // The page that is there has posted this message.
  virtual bool has_posted(const Prompt& prompt) const = 0;
  // Some page of this tab has posted it, and was not certainly refused. Once the page has gone
  // (`leave`, `close`) nothing more can come.
  virtual bool may_be_taken(const Prompt& prompt) const = 0;
  // Loads the conversation anew. An error: it is not certain that the page before has gone.
  virtual base::Task<> leave() = 0;
  virtual base::Task<std::string> screenshot() = 0;
  // With the text of the last `turns` turns; the page does not change.
  virtual base::Task<Inspection> inspect(int turns) = 0;
  // Returns when the tab has gone.
  virtual base::Task<> close() = 0;
};

class LiveBrowser {
 public:
  // Kills what still runs of it.
  virtual ~LiveBrowser() = default;

  virtual std::string version() const = 0;
  // A new tab with the conversation at this address.
  virtual base::Task<std::unique_ptr<LiveTab>> open(std::string url) = 0;
  // Returns when the browser has ended or the connection to it has, with the reason.
  virtual boost::asio::awaitable<std::string> gone() = 0;
  // timeout: it hangs.
  virtual base::Task<> ping() = 0;
  // Lets it save its profile and quit; returns when all its processes have ended.
  virtual base::Task<> close() = 0;
  // The same at once and unsaved. An error: some of it may still run. Can be repeated.
  virtual base::Task<> kill() = 0;
};

class Launcher {
 public:
  virtual ~Launcher() = default;
  // busy: another browser uses the profile. Other errors: it did not start.
  virtual base::Task<std::shared_ptr<LiveBrowser>> start(cdp::Window window) = 0;
};

}  // namespace chat
