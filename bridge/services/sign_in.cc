#include "bridge/services/sign_in.h"

#include "bridge/base/limits.h"

#include <utility>

namespace services {

namespace asio = boost::asio;
using base::Task;

Task<> SignIn::begin(std::string actor) {
  if (is_well()) co_return base::Result<>();
  if (usual_ == Usual::not_ours) co_return co_await look_there();
  auto shown = co_await needs_.session.show_window();
  if (!shown && shown.error().code == base::Code::unavailable) {
    shown.error().message +=
        "; sign in on a desktop and bring the session here: stop the daemon, then flywheel "
        "session import storageState.json";
  }
  if (!shown) co_return shown;
  closes_ = needs_.clock.now() + limits::sign_in_max;
  // A browser that starts for it opens by itself the pages that wait for a person.
  shall_check_ = usual_ == Usual::window;
  notice_.notify();
  co_return co_await tell("session.window_opened", "a person wants to sign in", std::move(actor));
}

// Somebody may have signed in in the browser that is not ours.
Task<> SignIn::look_there() {
  (void)co_await needs_.session.check();
  if (is_well()) co_return base::Result<>();
  co_return base::fail(
      base::Code::unavailable,
      "no window is opened, for the bridge uses a browser that runs by itself (--attach). If it "
      "shows a window, sign in or decide there, then flywheel session check. If it shows none, as "
      "that of flywheel-browser.service, sign in on a desktop and bring the session into it while "
      "it runs: flywheel session import storageState.json",
      "browser_unavailable");
}

Task<> SignIn::end(std::string actor) {
  if (!closes_) co_return base::Result<>();
  co_return co_await close("asked for", std::move(actor));
}

std::optional<base::WallTime> SignIn::closes() const {
  if (!closes_) return std::nullopt;
  return needs_.clock.wall() +
         std::chrono::duration_cast<base::WallTime::duration>(*closes_ - needs_.clock.now());
}

asio::awaitable<void> SignIn::run() {
  for (;;) {
    if (!closes_) {
      co_await notice_.wait(base::Instant::max());
      continue;
    }
    if (std::exchange(shall_check_, false)) (void)co_await needs_.session.check();
    if (!closes_) continue;
    const bool is_ready = is_well();
    if (is_ready || needs_.clock.now() >= *closes_) {
      // Conversations in use let the window stand a while longer.
      (void)co_await close(is_ready ? "the session is ready" : "nobody signed in in time",
                           "bridge");
    }
    if (closes_) co_await needs_.clock.sleep_until(needs_.clock.now() + limits::sign_in_look);
  }
}

Task<> SignIn::close(std::string why, std::string actor) {
  if (usual_ == Usual::no_window) CO_TRY_OK(co_await needs_.session.hide_window());
  closes_.reset();
  co_return co_await tell("session.window_closed", std::move(why), std::move(actor));
}

Task<> SignIn::tell(std::string type, std::string why, std::string actor) {
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.write(
      [journal = &needs_.journal, type, why, actor, now](store::Tx& tx) -> base::Result<> {
        TRY_OK(journal->append(
            tx, {.type = type, .subject = "session", .actor = actor, .data = {{"why", why}}}, now));
        return {};
      });
}

}  // namespace services
