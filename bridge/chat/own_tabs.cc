#include "bridge/chat/own_tabs.h"

#include "bridge/base/json.h"
#include "bridge/base/limits.h"
#include "bridge/chat/eyes.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace chat {

namespace fs = std::filesystem;
namespace json = boost::json;
using base::Code;
using base::Result;

// What is added meanwhile is not looked for.
base::Task<> OwnTabs::forget_closed(cdp::Browser& browser) {
  const auto looked_for = targets_;
  auto pages = co_await browser.pages();
  if (!pages) co_return std::unexpected(translate(pages.error(), "list the browser's tabs"));
  for (const auto& target : looked_for) {
    const bool is_open = std::ranges::find(*pages, target, &cdp::TargetInfo::id) != pages->end();
    if (!is_open) std::erase(targets_, target);
  }
  co_return Result<>();
}

base::Task<> OwnTabs::close_left(cdp::Browser& browser) {
  read();
  const base::Instant deadline = clock_.now() + limits::page_call;
  CO_TRY_OK(co_await forget_closed(browser));
  const auto left = targets_;
  for (const auto& target : left) {
    json::object params{{"targetId", target}};
    auto closed = co_await browser.call("Target.closeTarget", std::move(params), limits::page_call);
    // Refused: it has just gone by itself.
    if (!closed && closed.error().failure != cdp::Failure::refused) {
      co_return std::unexpected(translate(closed.error(), "close a tab of an earlier process"));
    }
  }
  while (!targets_.empty()) {
    if (clock_.now() >= deadline) {
      co_return base::fail(Code::unavailable,
                           fmt::format("{} tabs that an earlier process left in the browser do not "
                                       "close; close them by hand",
                                       targets_.size()),
                           "browser_unavailable");
    }
    co_await clock_.sleep_until(clock_.now() + limits::watch_pause);
    CO_TRY_OK(co_await forget_closed(browser));
  }
  co_return write();
}

base::Task<> OwnTabs::add(cdp::Browser& browser, std::string target) {
  targets_.push_back(std::move(target));
  CO_TRY_OK(co_await forget_closed(browser));
  co_return write();
}

// A file that holds anything else is as good as none: it names no tab.
void OwnTabs::read() {
  if (file_.empty()) return;
  std::ifstream in(file_, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto value = base::parse_json(text);
  if (!value || !value->is_array()) return;
  targets_.clear();
  for (const auto& item : value->get_array()) {
    if (item.is_string() && targets_.size() < limits::tabs_max) {
      targets_.emplace_back(item.get_string());
    }
  }
}

// In one step, so that a crash leaves the old list or the new one.
Result<> OwnTabs::write() const {
  if (file_.empty()) return {};
  const fs::path draft = file_.string() + ".new";
  errno = 0;
  std::ofstream out(draft, std::ios::binary | std::ios::trunc);
  out << json::serialize(json::array(targets_.begin(), targets_.end())) << '\n';
  out.close();
  std::error_code error;
  if (out) fs::rename(draft, file_, error);
  if (out && !error) return {};
  return base::fail(Code::unavailable, fmt::format("remember the tabs in {}: {}", file_.string(),
                                                   error ? error.message() : std::strerror(errno)));
}

}  // namespace chat
