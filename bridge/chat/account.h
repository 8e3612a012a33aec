// One account of the provider, as the daemon owns it: its browser, its conversations, its session.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/random.h"
#include "bridge/chat/browser_keeper.h"
#include "bridge/chat/conversations.h"
#include "bridge/chat/session.h"
#include "bridge/chat/session_care.h"
#include "bridge/chat/tab_pool.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace chat {

struct AccountOptions {
  CareOptions care;
  std::size_t tabs_max = 4;
  // For a browser that a person runs: headed, so that no page is loaded anew under their hands.
  cdp::Window window = cdp::Window::headless;
  base::Instant::duration ping_pause = limits::browser_ping_pause;
};

class Account {
 public:
  // All outlive it. Nothing is started before somebody needs it: a conversation, a check or
  // `start`.
  Account(boost::asio::any_io_executor executor, Launcher& launcher, base::Clock& clock,
          base::Random& random, AccountOptions options, SessionListener listener = {});
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;
  // `close` must have ended.
  ~Account() = default;

  void start() { keeper_.want(); }
  Conversations& conversations() { return pool_; }
  Session& session() { return care_; }
  // See SessionCare.
  void doubt(std::vector<std::string> urls) { care_.doubt(std::move(urls)); }
  const BrowserKeeper& keeper() const { return keeper_; }

  // Closes the browser, which saves its profile; one that has not closed `by` then is killed.
  // Afterwards nothing of it runs. Conversations that are still held fail. Calls that wait end with
  // browser_unavailable.
  boost::asio::awaitable<void> close(base::Instant by = base::Instant::max());

 private:
  SessionListener listener_;
  Changes changes_;
  BrowserKeeper keeper_;
  TabPool pool_;
  SessionCare care_;
};

}  // namespace chat
