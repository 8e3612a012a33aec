#include "bridge/chat/session_care.h"

#include "bridge/base/limits.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace chat {

namespace asio = boost::asio;
using base::Code;
using base::fail;
using Stage = BrowserKeeper::Stage;

SessionCare::SessionCare(asio::any_io_executor executor, BrowserKeeper& keeper, TabPool& pool,
                         base::Clock& clock, base::Random& random, Changes& changes,
                         CareOptions options, SessionListener& listener)
    : keeper_(keeper),
      pool_(pool),
      clock_(clock),
      random_(random),
      changes_(changes),
      options_(std::move(options)),
      listener_(listener),
      account_(judge_account()),
      tasks_(std::move(executor)) {
  account_.since = clock_.wall();
  account_.began = clock_.now();
  plan_next_check();
  tasks_.spawn(run());
}

SessionView SessionCare::view_of(const TabPool::Report& report) const {
  return {.state = report.judged.state,
          .can_send = report.judged.can_send,
          .evidence = report.judged.evidence,
          .advice = std::string(advice(report.judged.state)),
          .shell = report.shell,
          .browser = keeper_.current() ? keeper_.current()->version() : "",
          .conversation = report.url,
          .since = report.since,
          .looked = report.looked,
          .loaded = report.loaded,
          .next_check = next_check_wall_};
}

SessionView SessionCare::judge_account() const {
  const auto& condition = keeper_.condition();
  if (condition.stage != Stage::up) {
    SessionView gone;
    gone.state = State::browser_gone;
    gone.evidence = condition.evidence;
    gone.advice = condition.advice;
    gone.next_check = condition.next_start ? condition.next_start : next_check_wall_;
    return gone;
  }
  // What concerns the account is true of all its pages, whichever shows it; else one that works
  // proves that the account does.
  const auto reports = pool_.reports();
  const auto rank = [](const TabPool::Report& report) {
    const State state = report.judged.state;
    const int group = is_of_account(state) ? 0 : report.judged.can_send ? 1 : 2;
    return std::pair(group, state);
  };
  const auto telling = std::ranges::min_element(reports, {}, rank);
  if (telling != reports.end()) return view_of(*telling);
  SessionView same = account_;
  same.browser = keeper_.current()->version();
  same.next_check = next_check_wall_;
  if (same.state != State::browser_gone) return same;
  same.state = State::hydrating;
  same.evidence = "the browser runs, and no page has been seen yet";
  same.advice.clear();
  return same;
}

SessionView SessionCare::account() const {
  SessionView now = judge_account();
  now.since = account_.since;
  now.began = account_.began;
  return now;
}

std::vector<SessionView> SessionCare::conversations() const {
  std::vector<SessionView> views;
  for (const auto& report : pool_.reports()) views.push_back(view_of(report));
  return views;
}

void SessionCare::refresh() {
  if (is_closed_) return;
  SessionView now = judge_account();
  const bool is_news = now.state != account_.state || now.can_send != account_.can_send;
  now.since = is_news ? clock_.wall() : account_.since;
  now.began = is_news ? clock_.now() : account_.began;
  account_ = std::move(now);
  if (is_news) listener_.on_account(account_);
}

void SessionCare::on_report(const TabPool::Report& report) {
  if (is_closed_) return;
  listener_.on_conversation(view_of(report));
  if (report.judged.can_send) {
    // Whoever signed in did so for all pages.
    for (const auto& other : pool_.reports()) {
      if (is_of_account(other.judged.state)) shall_look_ = true;
    }
  }
  refresh();
}

void SessionCare::plan_next_check() {
  const bool is_limited =
      account_.state == State::rate_limited || account_.state == State::usage_cap;
  const std::chrono::milliseconds pause =
      is_limited ? std::max<std::chrono::seconds>(options_.check_pause, limits::limit_check_pause)
                 : options_.check_pause;
  const auto jitter =
      std::chrono::milliseconds(random_.below(static_cast<std::uint64_t>(pause.count()) / 5 + 1));
  next_check_ = clock_.now() + pause + jitter;
  next_check_wall_ = clock_.wall() + pause + jitter;
}

asio::awaitable<void> SessionCare::run() {
  for (;;) {
    const auto seen = changes_.count();
    refresh();
    const bool is_up = keeper_.condition().stage == Stage::up;
    const bool is_new = is_up && keeper_.generation() != looked_at_generation_;
    const bool is_due = clock_.now() >= next_check_;
    if (!is_looking_ && (is_new || is_due || (is_up && shall_look_))) {
      (void)co_await check();
      continue;
    }
    co_await changes_.after(seen, clock_, next_check_);
  }
}

base::Task<SessionView> SessionCare::check() {
  if (is_looking_) {
    while (is_looking_) {
      const auto seen = changes_.count();
      co_await changes_.after(seen, clock_, base::Instant::max());
    }
    co_return account();
  }
  is_looking_ = true;
  struct Done {
    SessionCare& care;
    ~Done() {
      care.is_looking_ = false;
      care.changes_.tell();
    }
  } done{*this};
  // Why there is no browser is part of the state.
  (void)co_await look();
  refresh();
  plan_next_check();
  account_.next_check = next_check_wall_;
  if (!is_closed_) listener_.on_check();
  co_return account();
}

base::Task<> SessionCare::look() {
  CO_TRY_OK(co_await keeper_.browser());
  looked_at_generation_ = keeper_.generation();
  shall_look_ = false;
  if (pool_.is_empty()) {
    CO_TRY_OK(co_await pool_.open(options_.home_url));
  }
  CO_TRY_OK(co_await pool_.look_again(doubted_));
  co_await look_at_doubted();
  co_return base::Result<>();
}

// One after another: each may take the tab of the one before.
asio::awaitable<void> SessionCare::look_at_doubted() {
  const auto doubted = doubted_;
  std::size_t opened = 0;
  for (std::size_t i = 0; i < doubted.size() && opened < limits::doubted_pages_opened; ++i) {
    const std::string& url = doubted[next_doubted_++ % doubted.size()];
    if (is_closed_ || pool_.has_tab_at(url)) continue;
    ++opened;
    // What cannot be opened stays doubted.
    (void)co_await base::with_deadline(clock_, pool_.look_at(url), limits::doubted_page,
                                       "look at " + url);
  }
}

base::Task<std::string> SessionCare::screenshot() {
  if (!options_.may_take_screenshots) {
    co_return fail(Code::denied, "screenshots are not enabled in the configuration");
  }
  co_return co_await pool_.screenshot(account().conversation);
}

base::Task<Inspection> SessionCare::inspect(std::string url) {
  if (url.empty()) url = account().conversation;
  if (url.empty()) url = options_.home_url;
  co_return co_await base::with_deadline(clock_, pool_.inspect(url), limits::inspection,
                                         "look at " + url);
}

// A person waits for it, so the conversations that would begin now wait too.
base::Task<> SessionCare::show_window() {
  ++windows_asked_for_;
  changes_.tell();
  if (keeper_.window() == cdp::Window::headed) co_return base::Result<>();
  CO_TRY(const auto pause, co_await pool_.pause());
  co_return co_await keeper_.switch_to(cdp::Window::headed);
}

// Nobody waits for that: it takes the first moment in which no conversation is in use, and until
// then they come and go as ever.
base::Task<> SessionCare::hide_window() {
  const base::Instant deadline = clock_.now() + limits::window_waits;
  const auto asked_for_before = windows_asked_for_;
  for (;;) {
    const auto seen = changes_.count();
    if (keeper_.window() == cdp::Window::headless) co_return base::Result<>();
    if (windows_asked_for_ != asked_for_before) {
      co_return fail(Code::busy, "the window stays: somebody has asked for it again");
    }
    if (const auto pause = pool_.try_pause()) {
      co_return co_await keeper_.switch_to(cdp::Window::headless);
    }
    if (clock_.now() >= deadline) {
      co_return fail(Code::busy, "the window cannot be closed now: conversations are in use");
    }
    co_await changes_.after(seen, clock_, deadline);
  }
}

asio::awaitable<void> SessionCare::close() {
  is_closed_ = true;
  co_await tasks_.join();
}

}  // namespace chat
