#include "bridge/chat/doomed_tab.h"

#include "bridge/base/limits.h"

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace chat {

namespace asio = boost::asio;

namespace {

asio::awaitable<void> close_tab(std::shared_ptr<cdp::Browser> browser, std::string target) {
  if (target.empty()) {
    // What was asked before is answered before: Browser::open closes what nobody waits for.
    (void)co_await browser->call("Browser.getVersion", {}, limits::page_call);
  } else {
    (void)co_await browser->call("Target.closeTarget", {{"targetId", target}}, limits::page_call);
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
