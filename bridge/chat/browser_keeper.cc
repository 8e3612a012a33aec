#include "bridge/chat/browser_keeper.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace chat {

namespace asio = boost::asio;
using base::Code;

namespace {

constexpr auto forever = base::Instant::max();

// Equal jitter: half of the exponential wait is certain, the other half is drawn.
base::Instant::duration backoff(int failures, base::Random& random) {
  using Milliseconds = std::chrono::milliseconds;
  Milliseconds whole = limits::browser_backoff_min;
  for (int i = 1; i < failures && whole < limits::browser_backoff_max; ++i) whole *= 2;
  whole = std::min<Milliseconds>(whole, limits::browser_backoff_max);
  const auto half = whole / 2;
  return half + Milliseconds(random.below(static_cast<std::uint64_t>(half.count()) + 1));
}

std::string advice_for(const base::Error& error) {
  if (error.code == Code::busy) {
    return "close the browser that uses the profile, or give the bridge another profile_dir";
  }
  return "see flywheel doctor";
}

}  // namespace

BrowserKeeper::BrowserKeeper(asio::any_io_executor executor, Launcher& launcher, base::Clock& clock,
                             base::Random& random, Changes& changes, cdp::Window window,
                             base::Instant::duration ping_pause)
    : launcher_(launcher),
      clock_(clock),
      random_(random),
      changes_(changes),
      window_(window),
      ping_pause_(ping_pause),
      executor_(executor),
      condition_{.stage = Stage::idle, .evidence = "the browser is started when it is needed"},
      next_start_(clock.now()),
      tasks_(std::move(executor)) {
  tasks_.spawn(run());
}

BrowserKeeper::~BrowserKeeper() { BRIDGE_ASSERT(condition_.stage == Stage::closed); }

void BrowserKeeper::want() {
  if (std::exchange(is_wanted_, true)) return;
  changes_.tell();
}

base::Task<std::shared_ptr<LiveBrowser>> BrowserKeeper::browser() {
  want();
  for (;;) {
    const auto seen = changes_.count();
    if (browser_ && condition_.stage == Stage::up) co_return browser_;
    const bool is_hopeless = condition_.stage == Stage::waiting && has_start_failed_;
    if (is_closing_ || is_hopeless) co_return std::unexpected(unavailable());
    co_await changes_.after(seen, clock_, forever);
  }
}

base::Error BrowserKeeper::unavailable() const {
  std::string message = "there is no browser: " + condition_.evidence;
  if (is_closing_) message = "the browser is being closed for good";
  if (condition_.next_start) {
    message += "; the next start is at " + base::rfc3339(*condition_.next_start);
  }
  if (!condition_.advice.empty()) message += fmt::format(" ({})", condition_.advice);
  return {Code::unavailable, std::move(message), "browser_unavailable"};
}

void BrowserKeeper::set(Stage stage, std::string evidence, std::string advice) {
  condition_ = {stage, std::move(evidence), std::move(advice)};
  if (stage == Stage::waiting)
    condition_.next_start = clock_.wall() + std::chrono::duration_cast<base::WallTime::duration>(
                                                next_start_ - clock_.now());
  changes_.tell();
}

asio::awaitable<void> BrowserKeeper::run() {
  for (;;) {
    const auto seen = changes_.count();
    if (is_closing_) co_return;
    if (!is_wanted_) {
      co_await changes_.after(seen, clock_, forever);
    } else if (clock_.now() < next_start_) {
      co_await changes_.after(seen, clock_, next_start_);
    } else {
      co_await start();
      if (!browser_) continue;
      co_await stay();
      co_await end();
    }
  }
}

asio::awaitable<void> BrowserKeeper::start() {
  set(Stage::starting, "the browser is starting");
  auto started = co_await launcher_.start(window_);
  if (is_closing_) co_return;  // What has started ends with its object.
  has_start_failed_ = !started;
  if (!started) {
    back_off();
    set(Stage::waiting, started.error().message, advice_for(started.error()));
    co_return;
  }
  browser_ = std::move(*started);
  ++generation_;
  ending_.reset();
  up_since_ = clock_.now();
  tasks_.spawn(watch_end(browser_));
  tasks_.spawn(watch_hang(browser_));
  set(Stage::up, browser_->version());
}

void BrowserKeeper::back_off() {
  ++failures_;
  next_start_ = clock_.now() + backoff(failures_, random_);
}

asio::awaitable<void> BrowserKeeper::stay() {
  for (;;) {
    const auto seen = changes_.count();
    if (is_closing_) end_it({Parting::closed, "the bridge is closing"});
    if (ending_) co_return;
    co_await changes_.after(seen, clock_, forever);
  }
}

void BrowserKeeper::end_it(Ending ending) {
  if (ending_) return;
  ending_ = std::move(ending);
  changes_.tell();
}

asio::awaitable<void> BrowserKeeper::watch_end(std::shared_ptr<LiveBrowser> browser) {
  std::string why = co_await browser->gone();
  if (browser_ == browser) end_it({Parting::killed, "the browser ended: " + why});
}

asio::awaitable<void> BrowserKeeper::watch_hang(std::shared_ptr<LiveBrowser> browser) {
  for (;;) {
    const base::Instant next = clock_.now() + ping_pause_;
    while (clock_.now() < next) {
      const auto seen = changes_.count();
      if (browser_ != browser || ending_) co_return;
      co_await changes_.after(seen, clock_, next);
    }
    auto answered = co_await browser->ping();
    if (browser_ != browser || ending_) co_return;
    if (answered) continue;
    end_it({Parting::killed, "the browser hangs: " + answered.error().message});
    co_return;
  }
}

// Lets it save its profile, for as long as there is time: closing for good may set an end to that
// at any moment.
asio::awaitable<void> BrowserKeeper::close_politely() {
  const auto browser = browser_;
  const auto executor = co_await asio::this_coro::executor;
  auto [order, close_error, closed, end_error] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, browser->close(), asio::deferred),
          asio::co_spawn(executor, patience_ends(), asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  const auto first_error = order[0] == 0 ? close_error : end_error;
  if (first_error) std::rethrow_exception(first_error);
}

asio::awaitable<void> BrowserKeeper::patience_ends() {
  for (;;) {
    const auto seen = changes_.count();
    if (clock_.now() >= close_by_) co_return;
    co_await changes_.after(seen, clock_, close_by_);
  }
}

asio::awaitable<void> BrowserKeeper::end() {
  const Ending ending = *ending_;
  set(Stage::ending, ending.why);
  if (ending.how == Parting::closed) co_await close_politely();
  // Whatever the way it ended, only a kill tells for certain that nothing of it is left.
  for (;;) {
    const auto dead = co_await browser_->kill();
    if (dead) died_at_ = clock_.now();
    if (dead || is_closing_) break;
    back_off();
    set(Stage::ending, dead.error().message);
    co_await changes_.after(changes_.count(), clock_, next_start_);
  }
  browser_.reset();
  if (ending.how == Parting::closed) {
    next_start_ = clock_.now();
  } else {
    if (clock_.now() - up_since_ >= limits::browser_is_steady) failures_ = 0;
    back_off();
  }
  set(Stage::waiting, ending.why);
}

base::Task<> BrowserKeeper::kill(std::uint64_t generation, std::string why) {
  for (;;) {
    const auto seen = changes_.count();
    if (generation != generation_ || !browser_) co_return base::Result<>();
    end_it({Parting::killed, why});
    co_await changes_.after(seen, clock_, forever);
  }
}

base::Task<> BrowserKeeper::switch_to(cdp::Window window) {
  const cdp::Window former = window_;
  if (window == former) co_return base::Result<>();
  window_ = window;
  const auto generation = generation_;
  if (browser_) {
    end_it({Parting::closed, "the browser starts again in another window"});
  } else {
    // What kept it from starting before need not keep it from starting so.
    has_start_failed_ = false;
    next_start_ = clock_.now();
    changes_.tell();
  }
  for (;;) {
    const auto seen = changes_.count();
    if (!browser_ || generation_ != generation) break;
    co_await changes_.after(seen, clock_, forever);
  }
  auto started = co_await browser();
  if (started) co_return base::Result<>();
  base::Error error = std::move(started).error();
  window_ = former;
  has_start_failed_ = false;
  next_start_ = clock_.now();
  changes_.tell();
  co_return std::unexpected(std::move(error));
}

asio::awaitable<void> BrowserKeeper::close(base::Instant by) {
  is_closing_ = true;
  close_by_ = by;
  changes_.tell();
  while (browser_) {
    const auto seen = changes_.count();
    co_await changes_.after(seen, clock_, forever);
  }
  co_await tasks_.join();
  set(Stage::closed, "the bridge is closed");
}

}  // namespace chat
