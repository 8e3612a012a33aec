// Time that passes only when nobody has anything else to do.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

namespace test {

// A clock for one io_context. Sleepers wake in order of their time, then of their arrival.
class VirtualClock final : public base::Clock {
 public:
  base::Instant now() const override { return now_; }
  base::WallTime wall() const override {
    return base_wall_ +
           std::chrono::duration_cast<base::WallTime::duration>(now_.time_since_epoch() + step_);
  }
  boost::asio::awaitable<void> sleep_until(base::Instant when) override {
    namespace asio = boost::asio;
    auto executor = co_await asio::this_coro::executor;
    struct Place {
      Sleepers& all;
      Sleepers::iterator mine;
      ~Place() { all.erase(mine); }
    } place{sleepers_, sleepers_.emplace(std::pair(when, arrivals_++), Sleeper(executor)).first};
    if (when <= now_) {
      place.mine->second.is_woken = true;
      place.mine->second.timer.expires_at(asio::steady_timer::time_point::min());
    }
    boost::system::error_code ignored;
    co_await place.mine->second.timer.async_wait(
        asio::redirect_error(asio::use_awaitable, ignored));
    const auto cancelled = (co_await asio::this_coro::cancellation_state).cancelled();
    if (cancelled != asio::cancellation_type::none) {
      throw boost::system::system_error(asio::error::operation_aborted);
    }
  }

  // The calendar alone jumps; sleepers do not notice.
  void step_wall(base::Instant::duration by) { step_ += by; }
  // When the next sleeper wants to wake; nullopt: nobody sleeps.
  std::optional<base::Instant> next() const {
    for (const auto& [key, sleeper] : sleepers_) {
      if (!sleeper.is_woken) return key.first;
    }
    return std::nullopt;
  }
  // Goes to the next sleeper's time and wakes all of that time. False: nobody sleeps.
  bool jump() {
    const auto when = next();
    if (!when) return false;
    advance_to(*when);
    return true;
  }
  void advance_to(base::Instant when) {
    BRIDGE_ASSERT(when < base::Instant::max());
    now_ = std::max(now_, when);
    for (auto& [key, sleeper] : sleepers_) {
      if (key.first > now_) break;
      if (std::exchange(sleeper.is_woken, true)) continue;
      sleeper.timer.cancel();
    }
  }

 private:
  struct Sleeper {
    explicit Sleeper(const boost::asio::any_io_executor& executor)
        : timer(executor, boost::asio::steady_timer::time_point::max()) {}
    boost::asio::steady_timer timer;
    bool is_woken = false;
  };
  using Sleepers = std::map<std::pair<base::Instant, std::uint64_t>, Sleeper>;

  Sleepers sleepers_;
  std::uint64_t arrivals_ = 0;
  base::Instant now_{std::chrono::hours(1)};
  base::Instant::duration step_{0};
  base::WallTime base_wall_{std::chrono::seconds(1'795'000'000)};
};

// Runs `loop` in virtual time: all that is ready, then a jump to the next sleeper, until `until`
// says true. False: everybody waits and nobody sleeps, or `limit` of virtual time has passed.
// Work on other threads is waited for if `is_quiet` says when none is under way.
template <class Until, class Quiet>
bool run_virtually(boost::asio::io_context& loop, VirtualClock& clock, Until until, Quiet is_quiet,
                   base::Instant::duration limit = std::chrono::hours(1'000'000)) {
  const base::Instant end = clock.now() + limit;
  for (;;) {
    loop.restart();
    while (loop.poll_one() > 0) {
      if (until()) return true;
    }
    if (until()) return true;
    if (!is_quiet()) {
      loop.restart();
      loop.run_one_for(std::chrono::milliseconds(50));
      continue;
    }
    // What another thread posted just before it became quiet.
    loop.restart();
    if (loop.poll_one() > 0) continue;
    const auto next = clock.next();
    if (!next || *next > end || !clock.jump()) return false;
  }
}

template <class Until>
bool run_virtually(boost::asio::io_context& loop, VirtualClock& clock, Until until) {
  return run_virtually(loop, clock, std::move(until), [] { return true; });
}

}  // namespace test
