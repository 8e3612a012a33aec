#include "bridge/services/session_watch.h"

#include "bridge/chat/binding.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace services {

using base::Result;
using engine::Breaker;
using engine::Milliseconds;
using engine::Shut;
using engine::Trip;

namespace {

// What the session's state means for sending, or nothing.
std::optional<Trip> trip_of(chat::State state) {
  using chat::State;
  switch (state) {
    case State::challenge:
      return Trip::challenge;
    case State::account_security:
    case State::login_required:
    case State::session_expired:
      return Trip::login_required;
    case State::rate_limited:
      return Trip::rate_limited;
    case State::usage_cap:
      return Trip::usage_cap;
    default:
      return std::nullopt;
  }
}

bool passes_by_time(Trip trip) { return trip == Trip::rate_limited || trip == Trip::usage_cap; }

// However the address is written.
bool is_same_page(const std::string& one, const std::string& other) {
  const auto first = chat::binding_of(one);
  const auto second = chat::binding_of(other);
  return first && second && first->origin == second->origin && first->path == second->path;
}

// A job that is tried now gets past it, or is told by it why not.
bool is_passable(chat::State state) {
  using chat::State;
  switch (state) {
    case State::browser_gone:
    case State::tab_closed:
    case State::tab_crashed:
    case State::submit_unknown:
    case State::reconnecting:
    case State::hydrating:
      return false;
    default:
      return !chat::is_of_page(state) && !chat::is_of_account(state);
  }
}

class Watch {
 public:
  Watch(store::Tx& tx, const engine::Queue& queue, const WatchedAccount& account,
        const Sights& sights, const engine::Now& now)
      : tx_(tx), queue_(queue), account_(account), sights_(sights), now_(now) {}

  Result<> follow() {
    TRY(time_, engine::engine_now(tx_, now_));
    TRY(shut_, engine::open_breakers(tx_, now_));
    std::erase_if(shut_, [&](const Shut& one) { return one.account != account_.name; });
    TRY_OK(follow_account());
    TRY_OK(block_lanes());
    for (const auto& one : shut_) {
      if (one.lane && page_works(one.breaker)) TRY_OK(queue_.unblock(tx_, *one.lane));
    }
    return {};
  }

 private:
  Result<> follow_account() {
    const auto& view = sights_.account;
    const auto found =
        std::ranges::find_if(shut_, [](const Shut& one) { return !one.lane.has_value(); });
    const Breaker breaker = found == shut_.end() ? Breaker{} : found->breaker;
    const auto why = trip_of(view.state);
    if (why && passes_by_time(*why)) return follow_limit(*why, breaker);
    if (why && breaker.trip != why) {
      return queue_.trip(tx_, account_.name, *why, view.evidence, {}, now_, view.conversation);
    }
    if (why || !breaker.trip || passes_by_time(*breaker.trip)) return {};
    if (view.state != chat::State::ready) return {};
    const bool is_proven = is_after(view.began, breaker) || was_loaded_since(breaker);
    return is_proven ? queue_.close_breaker(tx_, account_.name) : Result<>();
  }

  // The notice of a limit stays on a page beyond the limit's time, and beyond the word of a person
  // who knows that it is over: it counts once. Whether a message gets past it, the next job tells,
  // which loads the page anew.
  Result<> follow_limit(Trip why, const Breaker& breaker) {
    const auto& view = sights_.account;
    TRY(const auto last, queue_.last_trip(tx_, account_.name));
    if (last && !is_later(view.began, *last)) return {};
    if (breaker.trip == why) {  // By what a message was told, which the page shows a moment later.
      return queue_.trip(tx_, account_.name, why, breaker.detail, now_.wall, now_, breaker.url);
    }
    return queue_.trip(tx_, account_.name, why, view.evidence, now_.wall + account_.cooldown, now_,
                       view.conversation);
  }

  // Only where it is worth another row: what is blocked already stays so until its page works. Who
  // resumed a lane has seen what its page had shown then; whether a job gets past it, that job
  // tells.
  Result<> block_lanes() {
    const bool is_any_blocked = std::ranges::any_of(
        sights_.pages, [](const auto& page) { return chat::is_of_page(page.state); });
    if (!is_any_blocked) return {};
    TRY(const auto lanes, queue_.lane_pages(tx_, account_.name));
    for (const auto& page : sights_.pages) {
      if (!chat::is_of_page(page.state)) continue;
      for (const auto& [lane, url, blocked] : lanes) {
        if (is_blocked(lane) || !is_same_page(url, page.conversation)) continue;
        if (blocked && engine::to_stamp(page.since) <= engine::to_stamp(*blocked)) continue;
        const auto error = chat::as_error(page.state, page.evidence);
        TRY_OK(queue_.block(tx_, lane, error.message, url, now_));
      }
    }
    return {};
  }

  bool is_blocked(const engine::LaneId& lane) const {
    return std::ranges::any_of(shut_, [&](const Shut& one) { return one.lane == lane; });
  }

  // Whether a moment is after one of engine time, which no calendar moves.
  bool is_later(base::Instant moment, Milliseconds than) const {
    return time_ - std::chrono::ceil<Milliseconds>(sights_.at - moment) > than;
  }

  bool is_after(base::Instant moment, const Breaker& breaker) const {
    // What may have been at the same moment was not after it.
    const auto age = std::chrono::ceil<Milliseconds>(sights_.at - moment);
    return breaker.is_older_than(age, time_);
  }

  bool was_loaded_since(const Breaker& breaker) const {
    return std::ranges::any_of(sights_.pages, [&](const chat::SessionView& page) {
      if (!is_after(page.loaded, breaker)) return false;
      if (breaker.url.empty()) return page.can_send;
      return is_same_page(page.conversation, breaker.url) && is_passable(page.state);
    });
  }

  bool page_works(const Breaker& breaker) const {
    bool works = false;
    for (const auto& page : sights_.pages) {
      if (!is_same_page(page.conversation, breaker.url)) continue;
      if (chat::is_of_page(page.state)) return false;
      works = works || (is_passable(page.state) && is_after(page.looked, breaker));
    }
    return works;
  }

  store::Tx& tx_;
  const engine::Queue& queue_;
  const WatchedAccount& account_;
  const Sights& sights_;
  const engine::Now& now_;
  Milliseconds time_{0};
  std::vector<Shut> shut_;  // of the account, before anything is changed
};

}  // namespace

Result<> follow_sights(store::Tx& tx, const engine::Queue& queue, const WatchedAccount& account,
                       const Sights& sights, const engine::Now& now) {
  return Watch(tx, queue, account, sights, now).follow();
}

bool waits_for_evidence(const Shut& shut) { return !shut.breaker.until; }

std::string advice(const Shut& shut) {
  switch (shut.breaker.trip.value_or(Trip::blocked)) {
    case Trip::rate_limited:
    case Trip::usage_cap:
      return "wait: the queue goes on by itself";
    case Trip::login_required:
      return "sign in: flywheel session login";
    case Trip::challenge:
      return "open the browser window and answer the challenge yourself: flywheel session login";
    case Trip::blocked:
      break;
  }
  return fmt::format(
      "see what the page asks: flywheel session inspect --url {}; decide in the window: "
      "flywheel session login",
      shut.breaker.url);
}

}  // namespace services
