// How subscriptions keep up with the journal.
#include "bridge/services/events/event_limits.h"
#include "bridge/services/events/fan_out.h"
#include "bridge/services/events/subscriptions.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace events {

using base::Result;
using base::Task;

namespace {

constexpr std::string_view agent_removed = "agent.removed";

}  // namespace

void Subscriptions::tell_change() {
  // Runs before anybody sees an entry that was committed later, so no wish is missed.
  is_stale_ = true;
  has_work_ = true;
  notice_.notify();
}

void Subscriptions::tell_end() {
  // It may have been disabled as well, which only means that there is less to do.
  if (!is_full_) return;
  has_work_ = true;
  notice_.notify();
}

Task<> Subscriptions::start(base::Scope& tasks) {
  CO_TRY_OK(co_await mend());
  CO_TRY_OK(co_await refresh());
  CO_TRY(const auto last, co_await needs_.store.read([journal = &needs_.journal](store::Tx& tx) {
    return journal->last(tx);
  }));
  tasks.spawn(follow(last));
  tasks.spawn(spread());
  co_return Result<>();
}

Task<> Subscriptions::mend() {
  struct Found {
    std::vector<std::string> gone;  // agents
    std::vector<Subscription> unfinished;
  };
  auto look = [needs = &needs_](store::Tx& tx) -> Result<Found> {
    Found found;
    TRY(auto all, rows::of_agent(tx, {}));
    for (auto& one : all) {
      const auto agent = needs->find_agent(tx, one.agent, Actor());
      if (!agent && agent.error().code != base::Code::not_found) {
        return std::unexpected(agent.error());
      }
      if (!agent) {
        found.gone.push_back(one.agent);
      } else if (one.pending > 0) {
        found.unfinished.push_back(std::move(one));
      }
    }
    return found;
  };
  CO_TRY(auto found, co_await needs_.store.read(std::move(look)));
  if (!found.gone.empty()) CO_TRY_OK(co_await remove_of(std::move(found.gone)));
  auto write = [needs = &needs_, unfinished = std::move(found.unfinished),
                now = needs_.timeline.now()](store::Tx& tx) -> Result<> {
    const Act act{tx, needs->queue, needs->journal, now};
    for (const auto& one : unfinished) TRY_OK(events::mend(act, one));
    return {};
  };
  co_return co_await needs_.store.write(std::move(write));
}

Task<> Subscriptions::forget_ended(std::string subscription) {
  for (bool is_more = true; is_more;) {
    auto some = [needs = &needs_, subscription,
                 now = needs_.timeline.now()](store::Tx& tx) -> Result<bool> {
      return forget_some({tx, needs->queue, needs->journal, now}, subscription);
    };
    CO_TRY(is_more, co_await needs_.store.write(std::move(some)));
  }
  co_return Result<>();
}

Task<> Subscriptions::remove_of(std::vector<std::string> agents) {
  auto look = [agents](store::Tx& tx) -> Result<std::vector<std::string>> {
    std::vector<std::string> ids;
    for (const auto& agent : agents) {
      TRY(const auto all, rows::of_agent(tx, agent));
      for (const auto& one : all) ids.push_back(one.id);
    }
    return ids;
  };
  CO_TRY(const auto ids, co_await needs_.store.read(std::move(look)));
  for (const auto& id : ids) CO_TRY_OK(co_await forget_ended(id));
  auto write = [this, agents = std::move(agents),
                now = needs_.timeline.now()](store::Tx& tx) -> Result<> {
    const Act act{tx, needs_.queue, needs_.journal, now};
    for (const auto& agent : agents) {
      TRY(const auto all, rows::of_agent(tx, agent));
      for (const auto& one : all) TRY_OK(remove(act, one));
    }
    tx.after_commit([this] { tell_change(); });
    return {};
  };
  co_return co_await needs_.store.write(std::move(write));
}

Task<> Subscriptions::refresh() {
  is_stale_ = false;
  auto all =
      co_await needs_.store.read([](store::Tx& tx) { return rows::of_agent(tx, std::string()); });
  if (!all) {
    is_stale_ = true;
    co_return std::unexpected(std::move(all).error());
  }
  streams_.clear();
  webhooks_.clear();
  for (auto& one : *all) {
    if (one.via == Via::sse) {
      streams_[one.agent].push_back(std::move(one.wish));
    } else if (one.disabled.empty()) {
      webhooks_.push_back(std::move(one.wish));
    }
  }
  co_return Result<>();
}

bool Subscriptions::is_wanted(const engine::Entry& entry) const {
  return is_wanted_by(webhooks_, entry);
}

// Entries that nobody wants cost no transaction: the cursors stay behind for a while, and over a
// crash such entries are looked at once more.
boost::asio::awaitable<void> Subscriptions::follow(std::int64_t after) {
  engine::Follower follower(needs_.journal, needs_.store, needs_.tail, needs_.clock, after);
  for (;;) {
    const auto entries = co_await follower.next(base::Instant::max());
    if (!entries) {
      co_await needs_.clock.sleep_until(needs_.clock.now() + limits::fan_out_retry);
      continue;
    }
    skipped_ += static_cast<std::int64_t>(entries->size());
    for (const auto& entry : *entries) {
      if (entry->type == agent_removed && !entry->subject.empty()) gone_.push_back(entry->subject);
    }
    const bool is_one_wanted =
        std::ranges::any_of(*entries, [&](const auto& entry) { return is_wanted(*entry); });
    const bool is_far = !webhooks_.empty() && skipped_ >= limits::fan_out_skips;
    if (!is_stale_ && !is_one_wanted && !is_far && gone_.empty()) continue;
    skipped_ = 0;
    has_work_ = true;
    notice_.notify();
  }
}

boost::asio::awaitable<void> Subscriptions::spread() {
  for (;;) {
    while (!has_work_) co_await notice_.wait(base::Instant::max());
    has_work_ = false;
    // If it fails, the next start does it.
    if (!gone_.empty()) (void)co_await remove_of(std::exchange(gone_, {}));
    if (is_stale_) (void)co_await refresh();
    auto work = [needs = &needs_, now = needs_.timeline.now()](store::Tx& tx) -> Result<FanOut> {
      return fan_out({tx, needs->queue, needs->journal, now});
    };
    const auto done = co_await needs_.store.write(std::move(work));
    if (!done) {
      has_work_ = true;
      co_await needs_.clock.sleep_until(needs_.clock.now() + limits::fan_out_retry);
      continue;
    }
    is_full_ = done->is_full;
    has_work_ = has_work_ || done->is_more;
  }
}

}  // namespace events
