// Lets a person sign in, in a window of the daemon's own browser, and closes the window again.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/notice.h"
#include "bridge/base/result.h"
#include "bridge/chat/session.h"
#include "bridge/engine/journal.h"
#include "bridge/store/store.h"

#include <functional>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>

namespace services {

class SignIn {
 public:
  enum class Usual { window, no_window, not_ours };
  struct Needs {
    chat::Session& session;
    store::Store& store;
    const engine::Journal& journal;
    base::Clock& clock;
    // True while a breaker is open that only a person or a look ends, however well the session
    // looks.
    std::function<bool()> is_shut = [] { return false; };
  };
  // All outlive it. `usual`: how the browser runs otherwise; where it has a window anyway, nothing
  // is opened and closed, and in one that somebody else runs nothing can be.
  SignIn(boost::asio::any_io_executor executor, Needs needs, Usual usual)
      : needs_(needs), usual_(usual), notice_(std::move(executor)) {}

  // Returns when there is a window. It closes when the session is ready and nothing is shut, or
  // after limits::sign_in_max; asking again while it is open gives that time anew. busy:
  // conversations are in use. unavailable: no window can be shown, and what to do instead. Where
  // all is well it needs none; a browser that is not ours is looked at first.
  base::Task<> begin(std::string actor);
  // Closes the window at once.
  base::Task<> end(std::string actor);
  // When the window closes at the latest; nothing: nobody is signing in.
  std::optional<base::WallTime> closes() const;

  // Closes the window when it is time, for as long as it runs.
  boost::asio::awaitable<void> run();

 private:
  bool is_well() const { return needs_.session.account().can_send && !needs_.is_shut(); }
  base::Task<> look_there();
  base::Task<> close(std::string why, std::string actor);
  base::Task<> tell(std::string type, std::string why, std::string actor);

  Needs needs_;
  Usual usual_;
  base::Notice notice_;
  std::optional<base::Instant> closes_;
  bool shall_check_ = false;
};

}  // namespace services
