#include "bridge/chat/tab_pool.h"

#include "bridge/base/limits.h"
#include "bridge/chat/chat_page.h"
#include "bridge/chat/session.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace chat {

namespace asio = boost::asio;
using base::Code;
using base::fail;

namespace {

constexpr auto forever = base::Instant::max();

// The same for all ways to write the address of a conversation.
base::Result<std::string> address_of(std::string_view url) {
  TRY(const Binding bound, binding_of(url));
  return bound.origin + bound.path;
}

// The page shows something that a new load may mend.
bool may_be_mended(State state) {
  switch (state) {
    case State::offline:
    case State::rate_limited:
    case State::usage_cap:
    case State::too_long:
    case State::conversation_not_found:
    case State::wrong_conversation:
    case State::error_turn:
    case State::reconnecting:
    case State::hydrating:
    case State::unknown_ui:
      return true;
    default:
      return false;
  }
}

}  // namespace

// How conversations in use find back to the pool, which they may outlive.
struct TabPool::Link {
  TabPool* pool = nullptr;  // null once it is closed
};

struct TabPool::Tab {
  std::shared_ptr<Link> link;
  std::string address;
  std::uint64_t generation = 0;
  std::unique_ptr<LiveTab> live = nullptr;  // null while it is being opened
  Use use = Use::idle;
  bool is_held = false;  // by the pool itself: opening, loading anew or closing
  bool is_over = false;
  base::Instant used_at{};
  TabHealth health = {};
  std::string shell = {};
  base::WallTime since{};

  bool is_free() const { return use == Use::idle && !is_held; }
};

// Keeps others away from a tab while the pool itself works on it.
class TabPool::Hold {
 public:
  explicit Hold(TabPtr tab) : tab_(std::move(tab)) { tab_->is_held = true; }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  ~Hold() {
    tab_->is_held = false;
    if (tab_->link->pool) tab_->link->pool->changes_.tell();
  }

 private:
  TabPtr tab_;
};

// A place in the queue for a tab.
class TabPool::Place {
 public:
  explicit Place(TabPool& pool) : pool_(pool) { ++pool_.opening_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    std::erase(pool_.queue_, this);
    --pool_.opening_;
    pool_.changes_.tell();
  }

  bool is_first() {
    if (std::ranges::find(pool_.queue_, this) == pool_.queue_.end()) pool_.queue_.push_back(this);
    return pool_.queue_.front() == this;
  }
  void leave() {
    if (std::erase(pool_.queue_, this) > 0) pool_.changes_.tell();
  }

 private:
  TabPool& pool_;
};

// A conversation in use; given back with its end.
class TabPool::Lease final : public Conversation {
 public:
  explicit Lease(TabPtr tab) : tab_(std::move(tab)) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() override {
    if (tab_->link->pool) tab_->link->pool->give_back(tab_);
  }

  std::string url() const override { return tab_->live->url(); }
  base::Task<Judgement> state() override { return inner().state(); }
  base::Task<Search> find(const Prompt& prompt) override { return inner().find(prompt); }
  base::Task<Sent> send(const Prompt& prompt, SendSteps& steps) override {
    auto sent = co_await inner().send(prompt, steps);
    if (sent || sent.error().reason == "unknown_outcome") co_return sent;
    if (!tab_->live->has_posted(prompt)) co_return sent;
    const bool has_gone = tab_->link->pool && co_await tab_->link->pool->end_page(tab_);
    if (has_gone && !tab_->live->may_be_taken(prompt)) co_return sent;
    co_return fail(
        Code::timeout,
        fmt::format("the page may have posted the message again after: {}", sent.error().message),
        "unknown_outcome");
  }
  base::Task<RawReply> reply(const Sent& sent, const Prompt& prompt, FinishCheck& finish,
                             base::Instant::duration limit) override {
    return inner().reply(sent, prompt, finish, limit);
  }
  base::Task<Settled> settle(const Sent& sent, const Prompt& prompt,
                             const RawReply& accepted) override {
    return inner().settle(sent, prompt, accepted);
  }

 private:
  Conversation& inner() { return tab_->live->conversation(); }

  TabPtr tab_;
};

TabPool::TabPool(asio::any_io_executor executor, BrowserKeeper& keeper, base::Clock& clock,
                 Changes& changes, Options options)
    : executor_(executor),
      keeper_(keeper),
      clock_(clock),
      changes_(changes),
      options_(std::move(options)),
      link_(std::make_shared<Link>(this)),
      tasks_(std::move(executor)) {
  BRIDGE_ASSERT(options_.tabs_max >= 1 && options_.tabs_max <= limits::tabs_max);
}

TabPool::~TabPool() { BRIDGE_ASSERT(is_closing_ && opening_ == 0); }

base::Task<std::unique_ptr<Conversation>> TabPool::open(std::string url) {
  CO_TRY(const std::string address, address_of(url));
  Place place(*this);
  for (;;) {
    const auto seen = changes_.count();
    if (is_closing_) {
      co_return fail(Code::unavailable, "open " + url + ": the bridge is closing",
                     "browser_unavailable");
    }
    CO_TRY_OK(co_await keeper_.browser());
    bury();
    const auto tab = tab_at(address);
    if (pauses_ > 0) {
      // The browser may be about to end.
    } else if (tab) {
      place.leave();
      if (tab->is_free()) {
        if (!is_stale(*tab) && !is_worn(*tab) && !tab->is_over) co_return lease(tab);
        (void)co_await close_tab(tab);
        continue;
      }
    } else if (place.is_first()) {
      if (crashes_ >= limits::tab_crashes_max && !has_tabs_in_use()) {
        CO_TRY_OK(co_await renew_browser());
        continue;
      }
      if (tabs_.size() < options_.tabs_max) {
        place.leave();
        CO_TRY(auto opened, co_await open_tab(url, address));
        co_return lease(std::move(opened));
      }
      if (const auto idle = least_recently_used()) {
        (void)co_await close_tab(idle);
        continue;
      }
    }
    co_await changes_.after(seen, clock_, forever);
  }
}

base::Task<TabPool::TabPtr> TabPool::open_tab(std::string url, std::string address) {
  const auto browser = keeper_.current();
  auto tab = std::make_shared<Tab>();
  tab->link = link_;
  tab->address = std::move(address);
  tab->generation = keeper_.generation();
  tab->used_at = clock_.now();
  tab->since = clock_.wall();
  tabs_.push_back(tab);
  struct Undo {
    TabPool& pool;
    const TabPtr tab;
    ~Undo() {
      if (!tab->live) pool.forget(tab);
    }
  } undo{*this, tab};
  Hold hold(tab);
  auto opened = co_await browser->open(std::move(url));
  if (!opened && is_error_of(opened.error(), State::tab_crashed)) ++crashes_;
  CO_TRY(tab->live, std::move(opened));
  tasks_.spawn(watch(tab));
  co_return tab;
}

// One page that crashes is broken itself; where none lives, what they share is, such as the files
// of a browser that was upgraded while it ran.
base::Task<> TabPool::renew_browser() {
  crashes_ = 0;
  co_return co_await keeper_.kill(keeper_.generation(), "its tabs crash one after another");
}

std::unique_ptr<Conversation> TabPool::lease(TabPtr tab) {
  BRIDGE_ASSERT(tab->use == Use::idle && tab->live);
  tab->use = Use::leased;
  tab->used_at = clock_.now();
  return std::make_unique<Lease>(std::move(tab));
}

void TabPool::give_back(const TabPtr& tab) {
  tab->use = Use::idle;
  tab->used_at = clock_.now();
  // A new chat has got an address of its own, and the next new chat needs a new page.
  if (auto address = address_of(tab->live->url())) tab->address = std::move(*address);
  if (tab->is_over && !is_closing_) tasks_.spawn(close_later(tab));
  bury();
  changes_.tell();
}

asio::awaitable<void> TabPool::close_later(TabPtr tab) {
  if (is_here(tab) && tab->is_free()) (void)co_await close_tab(std::move(tab));
}

base::Task<> TabPool::close_tab(TabPtr tab) {
  Hold hold(tab);
  auto closed = co_await tab->live->close();
  if (closed) {
    closed_at_ = clock_.now();
  } else {
    undead_ = tab->generation;
  }
  tab->is_over = true;
  forget(tab);
  co_return closed;
}

base::Task<> TabPool::end_page(TabPtr tab) {
  if (keeper_.window() == cdp::Window::headed) {
    tab->health.restart();
    if (co_await tab->live->leave()) co_return base::Result<>();
  }
  // What it showed last is what there is to tell of it.
  tab->is_over = true;
  co_return co_await close_tab(std::move(tab));
}

// A browser that runs proves that all before it are dead, also one of an earlier process: the
// profile was free. Of one that lives on, the tabs that were left are closed before it counts.
base::Task<base::Instant> TabPool::alone_since() {
  CO_TRY_OK(co_await keeper_.browser());
  co_return keeper_.up_since();
}

base::Task<base::Instant> TabPool::silence(std::string url) {
  CO_TRY(const std::string address, address_of(url));
  for (;;) {
    const auto seen = changes_.count();
    CO_TRY(const base::Instant alone, co_await alone_since());
    bury();
    // One that did not close may be the one that is asked about.
    if (undead_ == keeper_.generation()) {
      CO_TRY_OK(co_await keeper_.kill(*undead_, "a tab that had to be silenced did not close"));
      continue;
    }
    const auto found = std::ranges::find_if(tabs_, [&](const TabPtr& tab) {
      if (tab->address == address) return true;
      const auto now_at = tab->live ? address_of(tab->live->url()) : address;
      return now_at && *now_at == address;
    });
    if (found == tabs_.end()) co_return std::max(alone, closed_at_);
    const TabPtr tab = *found;
    if (tab->is_held) {
      co_await changes_.after(seen, clock_, forever);
      continue;
    }
    (void)co_await close_tab(tab);
  }
}

TabPool::TabPtr TabPool::tab_at(const std::string& address) const {
  const auto found = std::ranges::find(
      tabs_, address, [](const TabPtr& tab) -> const std::string& { return tab->address; });
  return found == tabs_.end() ? nullptr : *found;
}

TabPool::TabPtr TabPool::least_recently_used() const {
  TabPtr oldest;
  for (const auto& tab : tabs_) {
    if (tab->is_free() && (!oldest || tab->used_at < oldest->used_at)) oldest = tab;
  }
  return oldest;
}

bool TabPool::is_here(const TabPtr& tab) const {
  return std::ranges::find(tabs_, tab) != tabs_.end();
}

bool TabPool::has_tabs_in_use() const {
  return std::ranges::any_of(tabs_, [](const TabPtr& tab) { return !tab->is_free(); });
}

// The tabs of dead browsers are gone; who holds one finds out by itself.
void TabPool::bury() {
  std::erase_if(tabs_, [&](const TabPtr& tab) { return !tab->is_held && !is_alive(*tab); });
}

void TabPool::forget(const TabPtr& tab) {
  if (std::erase(tabs_, tab) > 0) changes_.tell();
}

bool TabPool::is_empty() const { return tabs_.empty() && opening_ == 0; }

TabPool::Report TabPool::report(const Tab& tab) const {
  return {tab.live ? tab.live->url() : tab.address,
          *tab.health.judged(),
          tab.shell,
          tab.since,
          tab.health.looked(),
          tab.health.loaded()};
}

std::vector<TabPool::Report> TabPool::reports() const {
  std::vector<Report> all;
  for (const auto& tab : tabs_) {
    if (is_alive(*tab) && tab->health.judged()) all.push_back(report(*tab));
  }
  return all;
}

bool TabPool::is_alive(const Tab& tab) const {
  return keeper_.current() != nullptr && tab.generation == keeper_.generation();
}

asio::awaitable<void> TabPool::watch(TabPtr tab) {
  while (!tab->is_over) {
    const auto next = std::min(tab->health.wake(), clock_.now() + limits::page_wait_slice);
    const Glance glance = co_await tab->live->next(next);
    if (!tab->is_over) take(*tab, glance);
  }
  if (is_here(tab) && tab->is_free()) (void)co_await close_tab(std::move(tab));
}

void TabPool::take(Tab& tab, const Glance& glance) {
  const bool was_decided = tab.health.is_decided();
  tab.shell = glance.shell;
  if (glance.is_over && glance.judged.state == State::tab_crashed) ++crashes_;
  tab.is_over = tab.is_over || glance.is_over;
  if (tab.health.take(glance, tab.use, clock_.now())) {
    tab.since = clock_.wall();
    options_.on_report(report(tab));
    changes_.tell();
  } else if (tab.is_over || tab.health.is_decided() != was_decided) {
    changes_.tell();
  }
  if (!was_decided && tab.health.is_decided() && tab.health.judged()->can_send) crashes_ = 0;
}

// It has leaked for long, and its script is of another day. Only of a page that is ready: in others
// there may be what a person wrote.
bool TabPool::is_worn(const Tab& tab) const {
  const auto& judged = tab.health.judged();
  return judged && judged->can_send && clock_.now() - tab.health.loaded() >= limits::page_grows_old;
}

// Of a page that asks somebody: without a window nobody can be reading it.
bool TabPool::is_stale(const Tab& tab) const {
  const auto& judged = tab.health.judged();
  if (!judged) return false;
  const bool is_unseen = keeper_.window() == cdp::Window::headless;
  return may_be_mended(judged->state) || (is_of_page(judged->state) && is_unseen);
}

bool TabPool::shall_reload(const Tab& tab, std::optional<bool> is_signed_in,
                           bool is_doubted) const {
  const auto& judged = tab.health.judged();
  if (!tab.health.is_decided() || !judged) return false;
  // A person may be typing a password into a window, or reading what a page shows; without one
  // nobody can be.
  const bool is_unseen = keeper_.window() == cdp::Window::headless;
  if (judged->can_send) return is_doubted || (is_unseen && is_worn(tab));
  if (is_stale(tab)) return true;
  return is_of_account(judged->state) && (is_unseen || is_signed_in == true);
}

base::Task<> TabPool::look_again(std::vector<std::string> doubted) {
  const auto is_doubted = [&doubted](const Tab& tab) {
    return std::ranges::any_of(doubted, [&](const std::string& url) {
      const auto address = address_of(url);
      return address && *address == tab.address;
    });
  };
  std::vector<TabPtr> asked;
  for (const auto& tab : std::vector<TabPtr>(tabs_.begin(), tabs_.end())) {
    if (!tab->is_free() || tab->is_over || !tab->live) continue;
    const auto is_signed_in = co_await tab->live->ask_session();
    if (!tab->is_free() || tab->is_over) continue;
    asked.push_back(tab);
    const auto told = is_signed_in ? *is_signed_in : std::nullopt;
    if (!shall_reload(*tab, told, is_doubted(*tab))) continue;
    Hold hold(tab);
    tab->health.restart();
    (void)co_await tab->live->reload();
  }
  co_await settle(std::move(asked));
  co_return base::Result<>();
}

// Until the states of these tabs are known, or for limits::check_settles.
asio::awaitable<void> TabPool::settle(std::vector<TabPtr> asked) {
  const base::Instant deadline = clock_.now() + limits::check_settles;
  for (;;) {
    const auto seen = changes_.count();
    const bool is_settled = std::ranges::all_of(
        asked, [](const TabPtr& tab) { return tab->is_over || tab->health.is_decided(); });
    if (is_settled || is_closing_ || clock_.now() >= deadline) co_return;
    co_await changes_.after(seen, clock_, deadline);
  }
}

bool TabPool::has_tab_at(std::string_view url) const {
  const auto address = address_of(url);
  const auto tab = address ? tab_at(*address) : nullptr;
  return tab && is_alive(*tab);
}

base::Task<> TabPool::look_at(std::string url) {
  CO_TRY(const std::string address, address_of(url));
  CO_TRY(auto held, co_await open(std::move(url)));
  const TabPtr tab = tab_at(address);
  // In use it would be judged as the page of an exchange.
  held.reset();
  if (tab) co_await settle({tab});
  co_return base::Result<>();
}

base::Task<std::string> TabPool::screenshot(std::string url) {
  bury();
  TabPtr chosen;
  for (const auto& tab : tabs_) {
    if (!tab->live || tab->is_over) continue;
    if (tab->live->url() == url) chosen = tab;
    if (chosen && chosen->live->url() == url) break;
    if (!chosen || tab->used_at > chosen->used_at) chosen = tab;
  }
  if (!chosen) co_return fail(Code::not_found, "screenshot: no page is open");
  co_return co_await chosen->live->screenshot();
}

base::Task<Inspection> TabPool::inspect(std::string url) {
  CO_TRY(const std::string address, address_of(url));
  CO_TRY_OK(co_await keeper_.browser());
  bury();
  TabPtr tab = tab_at(address);
  std::unique_ptr<Conversation> held;
  if (!tab || !tab->live || tab->is_over) {
    CO_TRY(held, co_await open(url));
    tab = tab_at(address);
    BRIDGE_ASSERT(tab && tab->live);
  }
  co_await settle({tab});
  co_return co_await tab->live->inspect(limits::turns_inspected);
}

base::Task<TabPool::Pause> TabPool::pause() {
  Pause pause(*this);
  const base::Instant deadline = clock_.now() + limits::window_waits;
  for (;;) {
    const auto seen = changes_.count();
    bury();
    if (!has_tabs_in_use()) co_return std::move(pause);
    if (clock_.now() >= deadline) {
      co_return fail(Code::busy, "the browser cannot be closed now: conversations are in use");
    }
    co_await changes_.after(seen, clock_, deadline);
  }
}

std::optional<TabPool::Pause> TabPool::try_pause() {
  bury();
  if (has_tabs_in_use()) return std::nullopt;
  return std::optional<Pause>(std::in_place, *this);
}

void TabPool::stop() {
  is_closing_ = true;
  changes_.tell();
}

asio::awaitable<void> TabPool::close() {
  stop();
  while (opening_ > 0) {
    const auto seen = changes_.count();
    co_await changes_.after(seen, clock_, forever);
  }
  co_await tasks_.join();
  link_->pool = nullptr;
  tabs_.clear();
}

}  // namespace chat
