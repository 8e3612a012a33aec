#include "bridge/app/browser_session.h"

#include "bridge/app/exit_status.h"
#include "bridge/chat/eyes.h"

#include <array>
#include <cstdlib>
#include <string_view>

#include <boost/asio/this_coro.hpp>

namespace app {

cdp::Window window_here() {
  const auto is_set = [](const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
  };
  return is_set("DISPLAY") || is_set("WAYLAND_DISPLAY") ? cdp::Window::headed
                                                        : cdp::Window::headless;
}

base::Task<std::unique_ptr<cdp::Browser>> open_browser(const BrowserSettings& settings) {
  auto browser = settings.attach_url.empty() ? co_await cdp::Browser::launch(settings.launch)
                                             : co_await cdp::Browser::attach(settings.attach_url);
  if (!browser) co_return std::unexpected(chat::translate(browser.error(), "start the browser"));
  co_return std::move(*browser);
}

std::shared_ptr<cdp::Browser> if_it_lives_on(const std::shared_ptr<cdp::Browser>& browser) {
  return browser->process_id() == 0 ? browser : nullptr;
}

base::Task<std::unique_ptr<BrowserSession>> BrowserSession::open(BrowserSettings settings,
                                                                 base::Clock& clock) {
  CO_TRY(const auto profiles, chat::Profiles::load(settings.page_profiles));
  std::unique_ptr<BrowserSession> session(new BrowserSession);
  CO_TRY(session->browser_, co_await open_browser(settings));
  session->tab_.emplace(co_await boost::asio::this_coro::executor,
                        if_it_lives_on(session->browser_));
  // A tab of our own: the browser may still be loading something into the one it started with, and
  // in a person's browser the others are the person's.
  auto page = co_await session->browser_->open("about:blank");
  if (!page) co_return std::unexpected(chat::translate(page.error(), "open a tab"));
  session->tab_->becomes((*page)->target_id());
  CO_TRY(session->chat_, co_await chat::ChatPage::open(std::move(*page), profiles,
                                                       std::move(settings.chat), clock));
  co_return std::move(session);
}

base::Task<> BrowserSession::close() {
  if (tab_->is_doomed() && co_await chat_->page().close()) tab_->spare();
  chat_.reset();
  auto closed = co_await browser_->close();
  if (!closed) co_return std::unexpected(chat::translate(closed.error(), "close the browser"));
  co_return base::Result<>();
}

int exit_status_of(const base::Error& error) {
  if (error.reason == "configuration") return exit_configuration;
  if (error.reason == "file_failed") return exit_io;
  if (error.reason == "file_not_created") return exit_cannot_create;
  // The job's own errors (api.md names them) end in 76, unless a person or time can mend them.
  static constexpr std::array<std::string_view, 6> job_failed = {
      "invalid_reply",   "upstream_failed", "refused",
      "payload_altered", "unknown_outcome", "too_long"};
  for (const auto reason : job_failed) {
    if (error.reason == reason) return exit_job_failed;
  }
  return base::exit_status(error.code);
}

}  // namespace app
