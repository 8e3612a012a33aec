// A browser that does what a test says, in virtual time.
#pragma once

#include "bridge/chat/account.h"
#include "bridge/chat/changes.h"
#include "bridge/chat/live_browser.h"
#include "tests/support/virtual_clock.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace chat_test {

using Wait = boost::asio::awaitable<void>;

class FakeBrowser;

// What the fakes share: the world that the test plays with.
struct FakeWorld {
  explicit FakeWorld(boost::asio::io_context& loop) : changes(loop.get_executor()) {}

  test::VirtualClock clock;
  chat::Changes changes;
  std::deque<base::Error> start_errors;  // of the next starts
  std::vector<base::Instant> starts;     // every try
  std::vector<cdp::Window> windows;      // of every try
  std::vector<FakeBrowser*> browsers;    // alive or not, oldest first
  std::vector<std::shared_ptr<FakeBrowser>> kept;
  int alive = 0;
  int alive_max = 0;
  int kills_that_fail = 0;
  bool does_not_close_tabs = false;
  int opens_that_crash = 0;
  // What a page shows when it is loaded, by address; ready if not named.
  std::map<std::string, chat::Judgement> shows;
  std::optional<bool> is_signed_in;
  std::optional<base::Error> refusal;  // of every message that is posted
  bool posts_again = false;            // a page, by itself, what was refused
  bool does_not_leave_pages = false;
  std::vector<std::string> log;  // open, reload, leave, close, ask with their addresses
};

inline chat::Judgement ready() {
  return {.state = chat::State::ready, .evidence = "all is well", .can_send = true};
}
inline chat::Judgement blocked(chat::State state) { return {.state = state, .evidence = "a sign"}; }

class FakeConversation final : public chat::Conversation {
 public:
  FakeConversation(FakeWorld& world, const bool& is_gone, bool& has_posted)
      : world_(world), is_gone_(is_gone), has_posted_(has_posted) {}

  std::string url() const override { return {}; }
  base::Task<chat::Judgement> state() override {
    if (is_gone_) co_return blocked(chat::State::tab_closed);
    co_return ready();
  }
  base::Task<chat::Search> find(const chat::Prompt&) override { co_return no<>(); }
  base::Task<chat::Sent> send(const chat::Prompt&, chat::SendSteps&) override {
    if (!world_.refusal || is_gone_) co_return no<>();
    has_posted_ = true;
    co_return std::unexpected(*world_.refusal);
  }
  base::Task<chat::RawReply> reply(const chat::Sent&, const chat::Prompt&, chat::FinishCheck&,
                                   base::Instant::duration) override {
    co_return no<>();
  }
  base::Task<chat::Settled> settle(const chat::Sent&, const chat::Prompt&,
                                   const chat::RawReply&) override {
    co_return no<>();
  }

 private:
  template <class = void>
  static std::unexpected<base::Error> no() {
    return base::fail(base::Code::internal, "the fake exchanges nothing");
  }

  FakeWorld& world_;
  const bool& is_gone_;
  bool& has_posted_;
};

class FakeTab final : public chat::LiveTab {
 public:
  FakeTab(FakeWorld& world, std::vector<FakeTab*>& tabs, std::string url)
      : world_(world),
        tabs_(tabs),
        url_(std::move(url)),
        conversation_(world, is_gone_, has_posted_) {
    tabs_.push_back(this);
    load();
  }
  ~FakeTab() override { std::erase(tabs_, this); }

  chat::Conversation& conversation() override { return conversation_; }
  std::string url() const override { return url_; }
  Wait wait(base::Instant deadline) {
    while (told_ == version_ && world_.clock.now() < deadline) {
      co_await world_.changes.after(world_.changes.count(), world_.clock, deadline);
    }
  }
  boost::asio::awaitable<chat::Glance> next(base::Instant deadline) override {
    co_await wait(deadline);
    told_ = version_;
    co_return chat::Glance{.judged = shown_,
                           .shell = "B",
                           .document_age = world_.clock.now() - loaded_at_,
                           .is_over = is_gone_};
  }
  base::Task<std::optional<bool>> ask_session() override {
    world_.log.push_back("ask " + url_);
    co_return world_.is_signed_in;
  }
  base::Task<> reload() override {
    world_.log.push_back("reload " + url_);
    load();
    co_return base::Result<>();
  }
  bool has_posted(const chat::Prompt&) const override { return has_posted_; }
  bool may_be_taken(const chat::Prompt&) const override { return world_.posts_again; }
  base::Task<> leave() override {
    world_.log.push_back("leave " + url_);
    if (world_.does_not_leave_pages) {
      co_return base::fail(base::Code::timeout, "the page is still there");
    }
    load();
    co_return base::Result<>();
  }
  base::Task<std::string> screenshot() override { co_return "PNG of " + url_; }
  base::Task<chat::Inspection> inspect(int) override {
    chat::Inspection inspection;
    inspection.seen.url = url_;
    inspection.judged = shown_;
    co_return inspection;
  }
  base::Task<> close() override {
    world_.log.push_back("close " + url_);
    if (world_.does_not_close_tabs && !is_gone_) {
      co_return base::fail(base::Code::timeout, "the tab does not close");
    }
    vanish(chat::State::tab_closed);
    co_return base::Result<>();
  }

  void show(chat::Judgement judged) {
    shown_ = std::move(judged);
    ++version_;
    world_.changes.tell();
  }
  void vanish(chat::State state) {
    is_gone_ = true;
    show(blocked(state));
  }
  bool is_gone() const { return is_gone_; }
  void move_to(std::string url) { url_ = std::move(url); }

 private:
  void load() {
    loaded_at_ = world_.clock.now();
    has_posted_ = false;
    const auto named = world_.shows.find(url_);
    show(named == world_.shows.end() ? ready() : named->second);
  }

  FakeWorld& world_;
  std::vector<FakeTab*>& tabs_;
  std::string url_;
  bool is_gone_ = false;
  bool has_posted_ = false;
  FakeConversation conversation_;
  chat::Judgement shown_;
  base::Instant loaded_at_{};
  int version_ = 0;
  int told_ = 0;
};

class FakeBrowser final : public chat::LiveBrowser {
 public:
  explicit FakeBrowser(FakeWorld& world) : world_(world) {
    world_.browsers.push_back(this);
    world_.alive_max = std::max(world_.alive_max, ++world_.alive);
  }

  std::string version() const override { return "Chrome/1.2.3.4"; }
  base::Task<std::unique_ptr<chat::LiveTab>> open(std::string url) override {
    world_.log.push_back("open " + url);
    if (!is_alive_) co_return base::fail(base::Code::unavailable, "the browser has gone");
    if (world_.opens_that_crash > 0) {
      --world_.opens_that_crash;
      co_return std::unexpected(chat::as_error(chat::State::tab_crashed, "Target crashed"));
    }
    co_return std::make_unique<FakeTab>(world_, tabs_, std::move(url));
  }
  boost::asio::awaitable<std::string> gone() override {
    while (!has_left_) {
      co_await world_.changes.after(world_.changes.count(), world_.clock, base::Instant::max());
    }
    co_return "it crashed";
  }
  base::Task<> ping() override {
    if (is_hung) co_return base::fail(base::Code::timeout, "no answer");
    co_return base::Result<>();
  }
  base::Task<> close() override {
    while (does_not_close) {
      co_await world_.changes.after(world_.changes.count(), world_.clock, base::Instant::max());
    }
    has_closed_well = !is_hung;
    die();
    co_return base::Result<>();
  }
  base::Task<> kill() override {
    if (world_.kills_that_fail > 0) {
      --world_.kills_that_fail;
      co_return base::fail(base::Code::timeout, "some of it still runs");
    }
    die();
    co_return base::Result<>();
  }

  // The browser goes by itself; only a kill makes sure that nothing of it is left.
  void crash() {
    has_left_ = true;
    for (FakeTab* tab : std::vector<FakeTab*>(tabs_)) tab->vanish(chat::State::tab_closed);
    world_.changes.tell();
  }
  FakeTab& tab(const std::string& url) {
    for (FakeTab* tab : tabs_) {
      if (tab->url() == url && !tab->is_gone()) return *tab;
    }
    throw std::runtime_error("no tab shows " + url);
  }
  std::size_t tabs() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(tabs_, [](const FakeTab* tab) { return !tab->is_gone(); }));
  }

  bool is_hung = false;
  bool does_not_close = false;
  bool has_closed_well = false;

 private:
  void die() {
    if (std::exchange(is_alive_, false)) --world_.alive;
    crash();
  }

  FakeWorld& world_;
  std::vector<FakeTab*> tabs_;
  bool is_alive_ = true;
  bool has_left_ = false;
};

class FakeLauncher final : public chat::Launcher {
 public:
  explicit FakeLauncher(FakeWorld& world) : world_(world) {}

  base::Task<std::shared_ptr<chat::LiveBrowser>> start(cdp::Window window) override {
    world_.starts.push_back(world_.clock.now());
    world_.windows.push_back(window);
    if (!world_.start_errors.empty()) {
      auto error = std::move(world_.start_errors.front());
      world_.start_errors.pop_front();
      co_return std::unexpected(std::move(error));
    }
    auto browser = std::make_shared<FakeBrowser>(world_);
    world_.kept.push_back(browser);
    co_return browser;
  }

 private:
  FakeWorld& world_;
};

}  // namespace chat_test
