#include "bridge/chat/chrome.h"

#include "bridge/base/limits.h"
#include "bridge/chat/doomed_tab.h"
#include "bridge/chat/eyes.h"
#include "bridge/chat/own_tabs.h"
#include "cdp/limits.h"

#include <utility>

#include <boost/asio/this_coro.hpp>

namespace chat {

namespace asio = boost::asio;

// What a stop keeps for a kill is enough for one.
static_assert(cdp::limits::reap <= limits::browser_dies);

namespace {

class Chrome final : public LiveBrowser {
 public:
  // `tabs`: of a browser that lives on; null for one that was launched.
  Chrome(std::shared_ptr<cdp::Browser> browser, std::shared_ptr<OwnTabs> tabs, std::string version,
         ChromeOptions options, Profiles profiles, base::Clock& clock)
      : browser_(std::move(browser)),
        tabs_(std::move(tabs)),
        version_(std::move(version)),
        options_(std::move(options)),
        profiles_(std::move(profiles)),
        clock_(clock) {}

  std::string version() const override { return version_; }

  base::Task<std::unique_ptr<LiveTab>> open(std::string url) override {
    const auto browser = browser_;
    auto page = co_await browser->open("about:blank");
    if (!page) co_return std::unexpected(translate(page.error(), "open a tab"));
    // Until it has become a conversation.
    DoomedTab doomed(co_await asio::this_coro::executor, browser, (*page)->target_id());
    if (const auto tabs = tabs_) CO_TRY_OK(co_await tabs->add(*browser, (*page)->target_id()));
    ChatOptions options = options_.chat;
    options.url = std::move(url);
    CO_TRY(auto chat,
           co_await ChatPage::open(std::move(*page), profiles_, std::move(options), clock_));
    doomed.spare();
    co_return live_tab(std::move(chat));
  }

  asio::awaitable<std::string> gone() override {
    const auto browser = browser_;
    const cdp::Error error = co_await browser->gone();
    co_return error.message;
  }

  base::Task<> ping() override {
    const auto browser = browser_;
    auto answered = co_await browser->call("Browser.getVersion", {}, options_.ping_limit);
    if (!answered) co_return std::unexpected(translate(answered.error(), "ask the browser"));
    co_return base::Result<>();
  }

  base::Task<> close() override {
    const auto browser = browser_;
    // A person's browser lives on; the tabs in it that are ours do not. What does not close now
    // is closed before the next send.
    if (const auto tabs = tabs_) (void)co_await tabs->close_left(*browser);
    auto closed = co_await browser->close();
    if (!closed) co_return std::unexpected(translate(closed.error(), "close the browser"));
    co_return base::Result<>();
  }

  base::Task<> kill() override {
    const auto browser = browser_;
    auto killed = co_await browser->kill();
    if (!killed) co_return std::unexpected(translate(killed.error(), "kill the browser"));
    co_return base::Result<>();
  }

 private:
  std::shared_ptr<cdp::Browser> browser_;
  std::shared_ptr<OwnTabs> tabs_;
  std::string version_;
  ChromeOptions options_;
  Profiles profiles_;
  base::Clock& clock_;
};

}  // namespace

base::Task<std::shared_ptr<LiveBrowser>> ChromeLauncher::start(cdp::Window window) {
  cdp::LaunchOptions launch = options_.launch;
  launch.window = window;
  auto browser = options_.attach_url.empty() ? co_await cdp::Browser::launch(std::move(launch))
                                             : co_await cdp::Browser::attach(options_.attach_url);
  if (!browser) co_return std::unexpected(translate(browser.error(), "start the browser"));
  std::shared_ptr<cdp::Browser> shared = std::move(*browser);
  auto version = co_await shared->version();
  if (!version) co_return std::unexpected(translate(version.error(), "ask the browser"));
  std::shared_ptr<OwnTabs> tabs;
  if (!options_.attach_url.empty()) {
    tabs = std::make_shared<OwnTabs>(options_.tabs_file, clock_);
    CO_TRY_OK(co_await tabs->close_left(*shared));
  }
  co_return std::make_shared<Chrome>(std::move(shared), std::move(tabs), std::move(*version),
                                     options_, profiles_, clock_);
}

}  // namespace chat
