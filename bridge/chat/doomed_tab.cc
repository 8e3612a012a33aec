#include "bridge/chat/doomed_tab.h"

#include "bridge/base/limits.h"

#include <chrono>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace chat {

namespace asio = boost::asio;

namespace {

// What a browser is asked to close while it goes to an address may be there all the same.
constexpr int closings_max = 40;
constexpr auto closing_pause = std::chrono::milliseconds(25);

asio::awaitable<void> close_tab(std::shared_ptr<cdp::Browser> browser, std::string target) {
  if (target.empty()) {
    // What was asked before is answered before: Browser::open closes what nobody waits for.
    (void)co_await browser->call("Browser.getVersion", {}, limits::page_call);
    co_return;
  }
  asio::steady_timer pause(co_await asio::this_coro::executor);
  for (int i = 0; i < closings_max; ++i) {
    const auto closed =
        co_await browser->call("Target.closeTarget", {{"targetId", target}}, limits::page_call);
    // It is there no more, or the browser is not.
    if (!closed) co_return;
    pause.expires_after(closing_pause);
    co_await pause.async_wait(asio::use_awaitable);
  }
}

}  // namespace

DoomedTab::DoomedTab(asio::any_io_executor executor, std::shared_ptr<cdp::Browser> browser,
                     std::string target)
    : executor_(std::move(executor)), browser_(std::move(browser)), target_(std::move(target)) {}

DoomedTab::~DoomedTab() {
  if (!browser_) return;
  asio::co_spawn(executor_, close_tab(std::move(browser_), std::move(target_)), asio::detached);
}

}  // namespace chat
