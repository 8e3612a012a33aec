#include "tests/kill/arena.h"

#include "bridge/base/result.h"
#include "cdp/browser.h"
#include "cdp/profile.h"

#include <charconv>
#include <fstream>
#include <iterator>
#include <set>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kill_test {

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;

// Runs `task` on a loop of its own.
template <class T>
cdp::Result<T> run(cdp::Task<T> task) {
  asio::io_context loop;
  std::optional<cdp::Result<T>> result;
  asio::co_spawn(loop, std::move(task), [&](const std::exception_ptr& error, cdp::Result<T> told) {
    if (error) std::rethrow_exception(error);
    result = std::move(told);
  });
  loop.run();
  return *std::move(result);
}

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> all;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    pid_t id = 0;
    const auto end = std::from_chars(name.data(), name.data() + name.size(), id);
    if (end.ptr == name.data() + name.size()) all.push_back(id);
  }
  return all;
}

std::vector<pid_t> processes_with(const std::string& entry) {
  std::vector<pid_t> found;
  for (const pid_t id : all_processes()) {
    const std::string environment = '\0' + text_of(fmt::format("/proc/{}/environ", id));
    if (environment.find('\0' + entry + '\0') != environment.npos) found.push_back(id);
  }
  return found;
}

}  // namespace

SharedBrowser::SharedBrowser() {
  std::promise<std::string> told;
  auto url = told.get_future();
  // It dies with its thread, whatever becomes of this process.
  thread_ =
      std::thread([this, told = std::move(told)]() mutable { run(std::move(told), shall_end_); });
  url_ = url.get();
}

SharedBrowser::~SharedBrowser() {
  shall_end_.set_value();
  thread_.join();
}

void SharedBrowser::run(std::promise<std::string> told, std::promise<void>& shall_end) {
  asio::io_context loop;
  std::unique_ptr<cdp::Browser> browser;
  auto start = [](fs::path profile,
                  std::unique_ptr<cdp::Browser>& place) -> cdp::Task<std::string> {
    cdp::LaunchOptions options{.profile_dir = profile, .extra_args = {"--remote-debugging-port=0"}};
    CO_TRY(place, co_await cdp::Browser::launch(std::move(options)));
    co_return co_await cdp::find_debugging_url(profile, 20s);
  };
  auto guard = asio::make_work_guard(loop);
  asio::co_spawn(loop, start(folder_.path() / "profile", browser),
                 [&](const std::exception_ptr&, const cdp::Result<std::string>& url) {
                   EXPECT_TRUE(url) << url.error().message;
                   told.set_value(url ? *url : "");
                 });
  std::thread waiter([&, future = shall_end.get_future()]() mutable {
    future.wait();
    asio::post(loop, [&] {
      if (!browser) return guard.reset();
      asio::co_spawn(loop, browser->kill(), [&](const std::exception_ptr&, const auto&) {
        guard.reset();
        loop.stop();
      });
    });
  });
  loop.run();
  waiter.join();
  browser.reset();
}

std::size_t SharedBrowser::tabs() const {
  auto count = [](std::string url) -> cdp::Task<std::size_t> {
    CO_TRY(auto browser, co_await cdp::Browser::attach(std::move(url)));
    CO_TRY(const auto pages, co_await browser->pages());
    CO_TRY_OK(co_await browser->close());
    co_return pages.size();
  };
  const auto counted = kill_test::run(count(url_));
  EXPECT_TRUE(counted) << counted.error().message;
  return counted.value_or(0);
}

bool SharedBrowser::lose_a_tab(std::string_view part_of_address) const {
  auto lose = [](std::string url, std::string part) -> cdp::Task<bool> {
    CO_TRY(auto browser, co_await cdp::Browser::attach(std::move(url)));
    CO_TRY(const auto pages, co_await browser->pages());
    bool is_lost = false;
    for (const auto& page : pages) {
      if (page.url.find(part) == std::string::npos) continue;
      is_lost = (co_await browser->call("Target.closeTarget", {{"targetId", page.id}})).has_value();
      break;
    }
    CO_TRY_OK(co_await browser->close());
    co_return is_lost;
  };
  const auto lost = kill_test::run(lose(url_, std::string(part_of_address)));
  EXPECT_TRUE(lost) << lost.error().message;
  return lost.value_or(false);
}

Arena::Arena() {
  auto started = fixture::Site::start({});
  BRIDGE_ASSERT(started);
  site = *std::move(started);
}

std::vector<pid_t> wait_for_processes_with(const std::string& entry,
                                           std::chrono::steady_clock::time_point until) {
  for (;;) {
    auto left = processes_with(entry);
    const auto time =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.empty() || time.count() <= 0) return left;
    const int handle = static_cast<int>(::syscall(SYS_pidfd_open, left.front(), 0));
    if (handle < 0) continue;  // It has just ended.
    pollfd watched{handle, POLLIN, 0};
    ::poll(&watched, 1, static_cast<int>(time.count()));
    ::close(handle);
  }
}

void reap_orphans() {
  for (const pid_t id : all_processes()) {
    // pid (name) state ppid …
    const std::string stat = text_of(fmt::format("/proc/{}/stat", id));
    const auto begin = stat.find('(');
    const auto end = stat.rfind(')');
    if (begin == stat.npos || end == stat.npos) continue;
    const bool is_browser = stat.substr(begin, end - begin).find("chrom") != stat.npos;
    const bool is_ours = stat.substr(end).starts_with(fmt::format(") Z {} ", ::getpid()));
    if (is_browser && is_ours) ::waitpid(id, nullptr, WNOHANG);
  }
}

}  // namespace kill_test
