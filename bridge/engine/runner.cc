#include "bridge/engine/runner.h"

#include "bridge/base/limits.h"
#include "bridge/engine/desk.h"
#include "cdp/try.h"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace engine {

namespace asio = boost::asio;

using base::Code;
using base::Result;
using base::Task;

namespace {

// The store's trouble, not the job's: worth another try as it is.
bool is_of_the_store(const base::Error& error) {
  return error.code == Code::unavailable || error.code == Code::busy;
}

bool is_lost(const base::Error& error) {
  return error.reason == "stale_lease" || error.reason == "stale";
}

// True if only a person, evidence, a new job or much time can let the lane go on. Says of one lane
// what Queue::is_drained says of all.
bool is_drained(const Idle& idle) {
  if (idle.reason.empty()) return !idle.wait || *idle.wait > drain_waits_max;
  return idle.reason == "paused" || idle.reason == "held" || idle.reason == "breaker";
}

asio::awaitable<void> throw_if_cancelled() {
  const auto cancelled = (co_await asio::this_coro::cancellation_state).cancelled();
  if (cancelled != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
}

}  // namespace

Task<> LaneContext::set_stage(Lease lease, Stage stage,
                              std::function<Result<>(store::Tx&, const Now&)> record,
                              Arming arming) {
  CO_TRY_OK(engine_.faults.at(fmt::format("stage.before_{}", name(stage))));
  auto work = [queue = &engine_.queue, lease = std::move(lease), stage, record = std::move(record),
               arming, now = engine_.timeline.now()](store::Tx& tx) -> Result<> {
    TRY_OK(queue->set_stage(tx, lease, stage, now, arming));
    return record ? record(tx, now) : Result<>();
  };
  CO_TRY_OK(co_await engine_.store.write(std::move(work)));
  co_return engine_.faults.at(fmt::format("stage.{}", name(stage)));
}

Task<> LaneContext::wait_to_arm(Lease lease, Milliseconds most) {
  const base::Instant end = engine_.clock.now() + most;
  for (;;) {
    auto ask = [queue = &engine_.queue, lease, now = engine_.timeline.now()](store::Tx& tx) {
      return queue->wait_to_arm(tx, lease, now);
    };
    CO_TRY(const auto wait, co_await engine_.store.read(std::move(ask)));
    if (wait == Milliseconds(0)) co_return Result<>();
    if (!wait) {
      co_return base::fail(Code::busy, "wait to send: a breaker is open", "breaker");
    }
    const base::Instant ready = engine_.clock.now() + *wait;
    if (ready > end) {
      co_return base::fail(
          Code::busy, fmt::format("wait to send: {} ms more are needed", wait->count()), "rate");
    }
    co_await engine_.clock.sleep_until(ready);
  }
}

Runner::Runner(Engine& engine, LaneId lane, const std::map<std::string, Handler>& handlers,
               std::function<void(const LaneNotice&)> tell)
    : engine_(engine),
      lane_(std::move(lane)),
      handlers_(handlers),
      tell_(std::move(tell)),
      listens_(engine.bells, bell_of(lane_)),
      own_(engine.bells, "runner:" + lane_.text),
      lease_ear_(engine.bells, bell_of_lease(lane_)) {}

void Runner::tell(std::string what, std::string detail, std::optional<JobId> job) const {
  if (tell_) tell_({lane_, std::move(what), std::move(detail), std::move(job)});
}

void Runner::stop() {
  is_stopping_ = true;
  if (context_) context_->is_stopping_ = true;
  for (const auto* ear : {&listens_, &own_, &lease_ear_}) engine_.bells.ring(ear->name());
}

void Runner::drain() {
  is_draining_ = true;
  engine_.bells.ring(listens_.name());
}

Task<Turn> Runner::claim() {
  lease_rings_ = lease_ear_.count();
  co_return co_await engine_.store.write(
      [queue = &engine_.queue, lane = lane_, holder = engine_.holder, now = engine_.timeline.now()](
          store::Tx& tx) { return queue->claim(tx, lane, holder, now); });
}

asio::awaitable<void> Runner::run() {
  int failures = 0;
  for (;;) {
    while (next_) {
      auto claim = *std::exchange(next_, std::nullopt);
      if (is_stopping_) {
        co_await record(claim.lease, Outcome{Outcome::Released{}});
      } else {
        told_.clear();
        co_await work(std::move(claim));
      }
    }
    if (is_stopping_) co_return;
    // Read before the claim looks, so that no ring falls between.
    looked_ = listens_.count();
    auto turn = co_await claim();
    if (!turn) {
      co_await pause_after(turn.error(), ++failures);
      continue;
    }
    failures = 0;
    if (auto* claimed = std::get_if<Claim>(&*turn)) {
      next_ = std::move(*claimed);
      continue;
    }
    const Idle idle = std::get<Idle>(*std::move(turn));
    if (idle.reason != told_) {
      told_ = idle.reason;
      tell("idle", idle.reason.empty() ? idle.detail : idle.reason + ": " + idle.detail);
    }
    if (is_draining_ && is_drained(idle)) co_return;
    if (idle.bell != listens_.name()) {
      listens_ = Bells::Ear(engine_.bells, idle.bell);
      continue;
    }
    if (rests_ && !idle.wait && idle.bell == bell_of(lane_)) co_return;
    const base::Instant again = idle.wait
                                    ? engine_.clock.now() + std::max(*idle.wait, Milliseconds(1))
                                    : base::Instant::max();
    if (!is_stopping_) co_await listens_.wait(looked_, engine_.clock, again);
  }
}

asio::awaitable<void> Runner::pause_after(const base::Error& error, int failures) {
  tell("failed", error.message);
  base::Instant::duration pause = limits::runner_retries_store;
  for (int i = 1; i < failures && pause < limits::runner_retries_store_max; ++i) pause *= 2;
  pause = std::min<base::Instant::duration>(pause, limits::runner_retries_store_max);
  const std::uint64_t rings = own_.count();
  if (is_stopping_) co_return;
  co_await own_.wait(rings, engine_.clock, engine_.clock.now() + pause);
}

// Ends when the handler must.
asio::awaitable<Runner::Ending> Runner::keep_lease(Lease lease) {
  const auto period = engine_.queue.options().lease / 3;
  std::uint64_t seen = lease_rings_;
  for (;;) {
    co_await lease_ear_.wait(seen, engine_.clock, engine_.clock.now() + period);
    seen = lease_ear_.count();
    if (is_stopping_) co_return Ending::stopped;
    auto renewed =
        co_await engine_.store.write([queue = &engine_.queue, lease, now = engine_.timeline.now()](
                                         store::Tx& tx) { return queue->renew(tx, lease, now); });
    // Other errors are the store's: the lease may still hold, and only a transaction can use it.
    if (!renewed && !is_of_the_store(renewed.error())) co_return Ending::lost;
  }
}

Task<Outcome> Runner::handle(Claim claim, LaneContext& context) {
  CO_TRY_OK(engine_.faults.at("runner.claimed"));
  const auto found = handlers_.find(claim.job.kind);
  if (found == handlers_.end()) {
    co_return base::fail(
        Code::invalid,
        fmt::format("run job {}: nothing handles {} jobs", claim.job.id.text, claim.job.kind),
        "unknown_kind");
  }
  co_return co_await found->second(std::move(claim), context);
}

asio::awaitable<void> Runner::work(Claim claim) {
  LaneContext context(engine_, claim.lease);
  struct Shown {
    LaneContext*& place;
    ~Shown() { place = nullptr; }
  } shown{context_ = &context};
  const Lease lease = claim.lease;
  tell(claim.is_reconcile ? "reconciling" : "claimed", claim.job.kind, lease.job);
  auto executor = co_await asio::this_coro::executor;
  auto [order, handler_error, outcome, keeper_error, ending] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, handle(std::move(claim), context), asio::deferred),
          asio::co_spawn(executor, keep_lease(lease), asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  co_await throw_if_cancelled();
  if (order[0] == 0) {
    if (handler_error) std::rethrow_exception(handler_error);
    co_await record(lease, std::move(outcome));
    co_return;
  }
  if (keeper_error) std::rethrow_exception(keeper_error);
  if (ending == Ending::lost) {
    tell("lost", "the job was cancelled or taken over", lease.job);
    co_return;
  }
  co_await record(lease, Outcome{Outcome::Released{}});
}

Task<> Runner::write_end(Lease lease, Result<Outcome> outcome, Then then) {
  CO_TRY_OK(engine_.faults.at("runner.before_record"));
  const auto now = engine_.timeline.now();
  auto end = [queue = &engine_.queue, lease = std::move(lease), outcome = std::move(outcome),
              now](store::Tx& tx) -> Result<> {
    if (!outcome) return queue->fail(tx, lease, outcome.error(), now);
    if (outcome->record) TRY_OK(outcome->record(tx));
    if (const auto* done = std::get_if<Outcome::Done>(&outcome->end)) {
      return queue->complete(tx, lease, done->result, now);
    }
    if (const auto* held = std::get_if<Outcome::Held>(&outcome->end)) {
      return queue->hold(tx, lease, held->why, now);
    }
    if (const auto* failed = std::get_if<Outcome::Failed>(&outcome->end)) {
      return queue->fail_for_good(tx, lease, failed->error, now);
    }
    return queue->release(tx, lease, now);
  };
  if (then == Then::ends) {
    CO_TRY_OK(co_await engine_.store.write(std::move(end)));
    co_return engine_.faults.at("runner.recorded");
  }
  // Read before the claim looks, as in `run`.
  looked_ = listens_.count();
  lease_rings_ = lease_ear_.count();
  auto end_and_claim = [end = std::move(end), queue = &engine_.queue, lane = lane_,
                        holder = engine_.holder, now](store::Tx& tx) mutable -> Result<Turn> {
    TRY_OK(end(tx));
    return queue->claim_next(tx, lane, holder, now);
  };
  CO_TRY(auto turn, co_await engine_.store.write(std::move(end_and_claim)));
  // That the lane is idle is found out once more: the end has rung its bell.
  if (auto* claimed = std::get_if<Claim>(&turn)) next_ = std::move(*claimed);
  co_return engine_.faults.at("runner.recorded");
}

// What follows a job that has ended keeps the lane waiting, but no stop.
asio::awaitable<void> Runner::see_to(std::function<asio::awaitable<void>()> after) {
  const std::uint64_t rings = own_.count();
  if (is_stopping_) co_return;
  auto executor = co_await asio::this_coro::executor;
  auto [order, after_error, stop_error] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, after(), asio::deferred),
          asio::co_spawn(executor, own_.wait(rings, engine_.clock, base::Instant::max()),
                         asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  co_await throw_if_cancelled();
  const auto first_error = order[0] == 0 ? after_error : stop_error;
  if (first_error) std::rethrow_exception(first_error);
}

// Until the end is durable or the lease is lost. A stop tries once more only: what is not recorded
// is recovered at the next start.
asio::awaitable<void> Runner::record(Lease lease, Result<Outcome> outcome) {
  // A lane that goes on does so in one commit. What cannot be is done as two: an error of the claim
  // says nothing about the job.
  const bool goes_on = !is_stopping_ && outcome && !outcome->after &&
                       std::holds_alternative<Outcome::Done>(outcome->end);
  if (goes_on) {
    const auto written = co_await write_end(lease, outcome, Then::claims_next);
    if (written) co_return;
  }
  for (int failures = 1;; ++failures) {
    const bool is_last = is_stopping_;
    auto written = co_await write_end(lease, outcome, Then::ends);
    if (written) {
      if (outcome && outcome->after) co_await see_to(outcome->after);
      co_return;
    }
    if (is_lost(written.error())) {
      tell("lost", written.error().message, lease.job);
      co_return;
    }
    if (!is_of_the_store(written.error())) {
      // A refusal of the handler's own record, or of a result: it comes again however often.
      if (!outcome) {
        tell("failed", written.error().message, lease.job);
        co_return;
      }
      outcome = std::unexpected(std::move(written).error());
      continue;
    }
    if (is_last) co_return;
    co_await pause_after(written.error(), failures);
  }
}

}  // namespace engine
