// The tabs of one browser: each conversation in one of its own, watched as long as it is open.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/base/scope.h"
#include "bridge/chat/browser_keeper.h"
#include "bridge/chat/changes.h"
#include "bridge/chat/conversations.h"
#include "bridge/chat/tab_health.h"

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace chat {

// A tab that is not in use stays open for the next one who needs its conversation, until another
// conversation needs the place; then the one that was used least recently goes. A page that has
// been open for limits::page_grows_old is loaded anew before it is used, or in a check where nobody
// can be reading it; a browser in which one tab after another crashes is started anew. A page may
// post by itself once more what the site refused, as after a new token, so it goes before such a
// send ends as certainly unsent: its tab is closed, or loaded anew in a window, where somebody may
// have to sign in.
class TabPool final : public Conversations {
 public:
  // The state of one tab.
  struct Report {
    std::string url;
    Judgement judged;
    std::string shell;
    base::WallTime since;
    base::Instant looked;
    base::Instant loaded;
  };
  struct Options {
    std::size_t tabs_max = 4;
    // Told at once of every change of a tab's state; must not call back.
    std::function<void(const Report&)> on_report = [](const Report&) {};
  };

  // All outlive it; `changes` is the keeper's.
  TabPool(boost::asio::any_io_executor executor, BrowserKeeper& keeper, base::Clock& clock,
          Changes& changes, Options options);
  TabPool(const TabPool&) = delete;
  TabPool& operator=(const TabPool&) = delete;
  // `close` must have ended. Conversations that are still held fail from then on.
  ~TabPool() override;

  base::Task<std::unique_ptr<Conversation>> open(std::string url) override;
  base::Task<base::Instant> alone_since() override;
  base::Task<base::Instant> silence(std::string url) override;

  // No tab is open and nobody waits for one.
  bool is_empty() const;
  // Of the open tabs whose state is known.
  std::vector<Report> reports() const;
  // Asks the site about every tab that is not in use, and loads those anew that may show something
  // old, or are at an address of `doubted`; pages in which a person may be typing are left alone.
  // Returns when their states are known, or after limits::check_settles.
  base::Task<> look_again(std::vector<std::string> doubted);
  // A tab is open at this address.
  bool has_tab_at(std::string_view url) const;
  // Opens a tab at this address, if there is none, for nobody in particular, and returns when its
  // state is known, or after limits::check_settles. Waits for a tab as `open` does.
  base::Task<> look_at(std::string url);
  // Of the tab at this address, else of the one that was used last. not_found: no tab is open.
  base::Task<std::string> screenshot(std::string url);

  // The tab at this address, opened if there is none.
  base::Task<Inspection> inspect(std::string url);

  // Until it is destroyed nobody gets a tab.
  class Pause;
  // Waits until no tab is in use, and lets nobody begin to use one meanwhile. busy: some still are
  // after limits::window_waits.
  base::Task<Pause> pause();
  // Nothing: some tab is in use.
  std::optional<Pause> try_pause();

  // Gives out no more tabs.
  void stop();
  // Ends all watching and returns when nobody waits any more; the tabs are left to the end of the
  // browser, which should have ended before.
  boost::asio::awaitable<void> close();

 private:
  struct Link;
  struct Tab;
  class Hold;
  class Lease;
  class Place;
  using TabPtr = std::shared_ptr<Tab>;

  TabPtr tab_at(const std::string& address) const;
  TabPtr least_recently_used() const;
  bool is_here(const TabPtr& tab) const;
  // Its browser is the one that runs.
  bool is_alive(const Tab& tab) const;
  bool has_tabs_in_use() const;
  base::Task<TabPtr> open_tab(std::string url, std::string address);
  std::unique_ptr<Conversation> lease(TabPtr tab);
  void give_back(const TabPtr& tab);
  base::Task<> close_tab(TabPtr tab);
  base::Task<> end_page(TabPtr tab);
  void bury();
  void forget(const TabPtr& tab);
  boost::asio::awaitable<void> watch(TabPtr tab);
  boost::asio::awaitable<void> close_later(TabPtr tab);
  Report report(const Tab& tab) const;
  void take(Tab& tab, const Glance& glance);
  // What it shows may be gone when it is loaded anew, and nobody is disturbed by that.
  bool is_stale(const Tab& tab) const;
  bool shall_reload(const Tab& tab, std::optional<bool> is_signed_in, bool is_doubted) const;
  bool is_worn(const Tab& tab) const;
  base::Task<> renew_browser();
  boost::asio::awaitable<void> settle(std::vector<TabPtr> asked);

  boost::asio::any_io_executor executor_;
  BrowserKeeper& keeper_;
  base::Clock& clock_;
  Changes& changes_;
  Options options_;
  std::list<TabPtr> tabs_;
  std::list<const Place*> queue_;  // for a tab, first come, first served
  int opening_ = 0;
  int pauses_ = 0;
  base::Instant closed_at_{};            // when a tab was last certainly closed
  std::optional<std::uint64_t> undead_;  // the browser that has not closed one
  int crashes_ = 0;                      // of tabs, since one that was opened worked
  bool is_closing_ = false;
  std::shared_ptr<Link> link_;
  base::Scope tasks_;
};

class TabPool::Pause {
 public:
  explicit Pause(TabPool& pool) : pool_(&pool) { ++pool.pauses_; }
  Pause(Pause&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
  Pause& operator=(Pause&&) = delete;
  ~Pause() {
    if (pool_ == nullptr) return;
    --pool_->pauses_;
    pool_->changes_.tell();
  }

 private:
  TabPool* pool_;
};

}  // namespace chat
