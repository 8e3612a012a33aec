#include "cdp/browser.h"

#include "cdp/process.h"
#include "cdp/profile.h"

#include <array>
#include <cstdlib>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace cdp {

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

// What Chromium exits with when another browser has its profile.
constexpr int exit_profile_in_use = 21;

std::vector<std::string> command_line(const LaunchOptions& options) {
  std::vector<std::string> argv{options.executable.string(),
                                "--remote-debugging-pipe",
                                fmt::format("--user-data-dir={}", options.profile_dir.string()),
                                fmt::format("--window-size={},{}", options.width, options.height),
                                "--no-first-run",
                                "--no-default-browser-check",
                                "--disable-background-networking",
                                "--disable-component-update",
                                "--disable-sync",
                                "--disable-quic"};
  if (options.window == Window::headless) {
    argv.insert(argv.end(), {"--headless=new", "--disable-gpu"});
  }
  if (options.sandbox == LaunchOptions::Sandbox::off || ::geteuid() == 0) {
    argv.emplace_back("--no-sandbox");
  }
  argv.insert(argv.end(), options.extra_args.begin(), options.extra_args.end());
  argv.emplace_back("about:blank");
  return argv;
}

// Why a browser that closed its pipe during the launch did so.
asio::awaitable<Error> explain_launch(Process& process, const LaunchOptions& options, Error error) {
  auto status = co_await process.exit_status(limits::polite_close);
  // With a window, a second browser hands its tabs to the first one and ends well.
  if (status && (*status == exit_profile_in_use || *status == 0)) {
    co_return Error{Failure::locked, *status,
                    fmt::format("profile {}: in use by another browser (exit status {})",
                                options.profile_dir.string(), *status)};
  }
  std::string ending = status ? fmt::format("exit status {}", *status) : error.message;
  co_return Error{Failure::launch, status.value_or(0),
                  fmt::format("launch {}: {}; it said: {}", options.executable.string(), ending,
                              process.last_words())};
}

// A tab that is ordered, until somebody has it. One that nobody will have is closed, also if the
// browser makes it only after whoever ordered it has left.
class NewTab {
 public:
  NewTab(const asio::any_io_executor& executor, std::shared_ptr<Connection> connection)
      : order_(std::make_shared<Order>(executor, std::move(connection))) {
    asio::co_spawn(executor, make(order_), asio::detached);
  }
  NewTab(const NewTab&) = delete;
  NewTab& operator=(const NewTab&) = delete;
  ~NewTab() {
    order_->is_wanted = is_handed_over_;
    close_unwanted(*order_);
  }

  // Its target id, once there is one.
  Task<std::string> made() { return wait(order_); }
  // Somebody else answers for it from now on.
  void hand_over() { is_handed_over_ = true; }

 private:
  struct Order {
    Order(const asio::any_io_executor& executor, std::shared_ptr<Connection> to)
        : connection(std::move(to)), bell(executor, Clock::time_point::max()) {}

    std::shared_ptr<Connection> connection;
    asio::steady_timer bell;  // never expires
    std::optional<Result<std::string>> target;
    bool is_wanted = true;
  };

  // A task of its own: a caller that is cancelled would never hear which tab it has made.
  static asio::awaitable<void> make(std::shared_ptr<Order> order) {
    json::object params{{"url", "about:blank"}};
    auto created = co_await order->connection->call("", "Target.createTarget", std::move(params),
                                                    limits::command);
    if (created) {
      order->target.emplace(text_in(*created, "targetId"));
    } else {
      order->target.emplace(std::unexpected(created.error()));
    }
    order->bell.cancel();
    close_unwanted(*order);
  }

  static Task<std::string> wait(std::shared_ptr<Order> order) {
    if (!order->target) co_await order->bell.async_wait(asio::as_tuple(asio::use_awaitable));
    if (!order->target) throw boost::system::system_error(asio::error::operation_aborted);
    co_return *order->target;
  }

  static void close_unwanted(const Order& order) {
    if (order.is_wanted || !order.target || !*order.target) return;
    order.connection->post("", "Target.closeTarget", {{"targetId", **order.target}});
  }

  std::shared_ptr<Order> order_;
  bool is_handed_over_ = false;
};

}  // namespace

Result<fs::path> find_browser() {
  if (const char* chosen = std::getenv("FLYWHEEL_BROWSER"); chosen != nullptr && *chosen != '\0') {
    if (::access(chosen, X_OK) == 0) return fs::path(chosen);
    return fail(Failure::launch, fmt::format("FLYWHEEL_BROWSER={}: not a program", chosen));
  }
  constexpr std::array names{"chromium",           "chromium-browser",
                             "google-chrome",      "google-chrome-stable",
                             "google-chrome-beta", "microsoft-edge"};
  const char* path = std::getenv("PATH");
  std::string_view folders = path == nullptr ? "/usr/bin:/bin" : path;
  for (std::string_view name : names) {
    for (std::size_t begin = 0; begin <= folders.size();) {
      auto end = std::min(folders.find(':', begin), folders.size());
      auto candidate = fs::path(folders.substr(begin, end - begin)) / name;
      if (candidate.is_absolute() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
      begin = end + 1;
    }
  }
  return fail(Failure::launch,
              "no browser found: install chromium, or name one in FLYWHEEL_BROWSER");
}

Task<std::unique_ptr<Browser>> Browser::launch(LaunchOptions options) {
  auto executor = co_await asio::this_coro::executor;
  if (options.executable.empty()) {
    CO_TRY(options.executable, find_browser());
  }
  if (options.profile_dir.empty()) co_return fail(Failure::invalid, "launch: no profile directory");
  options.profile_dir = fs::absolute(options.profile_dir);
  CO_TRY_OK(prepare_profile(options.profile_dir));
  CO_TRY(auto process, Process::start(executor, command_line(options),
                                      options.profile_dir / "Crash Reports", options.open_files));
  auto pipe = process->take_pipe();
  auto transport = pipe_transport(executor, pipe.from_child.release(), pipe.to_child.release());
  if (!options.record_file.empty()) {
    CO_TRY(transport, record(std::move(transport), options.record_file));
  }
  std::unique_ptr<Browser> browser(
      new Browser(Connection::open(executor, std::move(transport)), std::move(process)));
  auto version =
      co_await browser->connection_->call("", "Browser.getVersion", {}, options.start_limit);
  if (version) {
    browser->process_->note_crash_handlers();
    co_return browser;
  }
  co_return std::unexpected(co_await explain_launch(*browser->process_, options, version.error()));
}

Task<std::unique_ptr<Browser>> Browser::attach(std::string url, Duration limit) {
  auto executor = co_await asio::this_coro::executor;
  if (url.starts_with('/')) {
    CO_TRY(url, co_await find_debugging_url(url, limit));
  }
  CO_TRY(auto transport, co_await websocket_transport(std::move(url), limit));
  co_return over(executor, std::move(transport));
}

std::unique_ptr<Browser> Browser::over(const asio::any_io_executor& executor,
                                       std::shared_ptr<Transport> transport) {
  return std::unique_ptr<Browser>(
      new Browser(Connection::open(executor, std::move(transport)), nullptr));
}

Browser::Browser(std::shared_ptr<Connection> connection, std::unique_ptr<Process> process)
    : connection_(std::move(connection)), process_(std::move(process)) {}

Browser::~Browser() { connection_->close({Failure::closed, 0, "the browser was closed"}); }

Task<std::vector<TargetInfo>> Browser::pages() {
  CO_TRY(auto reply, co_await call("Target.getTargets"));
  std::vector<TargetInfo> pages;
  auto* targets = reply.if_contains("targetInfos");
  if (targets == nullptr || !targets->is_array()) co_return pages;
  for (const auto& target : targets->get_array()) {
    auto* info = target.if_object();
    if (info == nullptr || text_in(*info, "type") != "page") continue;
    pages.push_back({text_in(*info, "targetId"), text_in(*info, "title"), text_in(*info, "url")});
  }
  co_return pages;
}

Task<std::unique_ptr<Page>> Browser::open(std::string url) {
  NewTab tab(co_await asio::this_coro::executor, connection_);
  CO_TRY(auto target, co_await tab.made());
  CO_TRY(auto page, co_await attach_page(std::move(target)));
  if (url != "about:blank") {
    auto loaded = co_await page->navigate(std::move(url));
    if (!loaded) {
      static_cast<void>(co_await page->close());
      co_return std::unexpected(loaded.error());
    }
  }
  tab.hand_over();
  co_return page;
}

Task<std::unique_ptr<Page>> Browser::attach_page(std::string target_id) {
  return Page::attach(connection_, std::move(target_id));
}

Task<std::unique_ptr<Page>> Browser::first_page() {
  CO_TRY(auto open_pages, co_await pages());
  if (open_pages.empty()) co_return fail(Failure::detached, "the browser has no open tab");
  co_return co_await attach_page(open_pages.front().id);
}

Task<json::object> Browser::call(std::string method, json::object params, Duration limit) {
  return connection_->call("", std::move(method), std::move(params), limit);
}

Subscription Browser::subscribe(std::vector<std::string> methods) {
  return connection_->subscribe("", std::move(methods));
}

Task<std::string> Browser::version() {
  CO_TRY(auto reply, co_await call("Browser.getVersion"));
  co_return text_in(reply, "product");
}

Task<> Browser::close() {
  Error closed{Failure::closed, 0, "the browser was closed"};
  if (!process_) {
    connection_->close(closed);
    co_return Result<>();
  }
  // The reply races with the end of the pipe, so only the exit counts.
  static_cast<void>(co_await call("Browser.close", {}, limits::polite_close));
  auto status = co_await process_->exit_status(limits::exit_after_close);
  connection_->close(closed);
  co_await process_->kill();
  if (!status) {
    co_return fail(Failure::timeout, "close: the browser did not quit in time and was killed");
  }
  co_return Result<>();
}

Task<> Browser::kill() {
  connection_->close({Failure::closed, 0, "the browser was killed"});
  if (!process_) co_return Result<>();
  co_await process_->kill();
  if (process_->has_ended()) co_return Result<>();
  co_return fail(Failure::timeout,
                 fmt::format("kill: processes of browser {} still run", process_->id()));
}

int Browser::process_id() const { return process_ ? process_->id() : 0; }

}  // namespace cdp
