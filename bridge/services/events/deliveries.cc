#include "bridge/services/events/deliveries.h"

#include "bridge/base/ids.h"
#include "bridge/base/utf8.h"
#include "bridge/services/events/event_limits.h"
#include "bridge/services/events/subscription_rows.h"

#include <algorithm>

#include <fmt/format.h>

namespace events {

using base::Code;
using base::Result;

namespace {

constexpr std::string_view account = "webhooks";  // without limits

// Hands in the job of the next attempt. Of the jobs in the lane each belongs to a delivery that is
// pending, and backlog_max bounds how many begin. What has begun goes on, also where a lane may
// hold less than in the program's life before.
Result<> schedule(const Act& act, const Subscription& subscription, Delivery& delivery,
                  base::WallTime when) {
  ++delivery.jobs;
  delivery.next = when;
  TRY(const auto accepted,
      act.queue.submit(act.tx,
                       {.kind = std::string(webhook_kind),
                        .lane = subscription.lane(),
                        .sender = subscription.id,
                        .principal = "subscription:" + subscription.id,
                        .key = fmt::format("{}/{}", delivery.id, delivery.jobs),
                        .not_before = when,
                        .payload = {{"delivery", delivery.id}, {"number", delivery.jobs}},
                        .subject = delivery.id,
                        .has_room = true},
                       act.now));
  delivery.job = accepted.job.id.text;
  return {};
}

void note_failure(Subscription& subscription, const Verdict& verdict, base::WallTime now) {
  ++subscription.failures;
  if (!subscription.failing_since) subscription.failing_since = now;
  if (verdict.throttle.count() == 0) return;
  ++subscription.throttles;
  subscription.throttled_until = now + verdict.throttle;
}

void note_success(Subscription& subscription, base::WallTime now) {
  subscription.failures = 0;
  subscription.failing_since.reset();
  subscription.throttles = 0;
  subscription.throttled_until.reset();
  if (subscription.handshake.per_minute == 0) return;
  subscription.throttled_until =
      now + std::chrono::milliseconds(60'000) / subscription.handshake.per_minute;
}

Result<> bury(const Act& act, const Subscription& subscription, Delivery& delivery) {
  delivery.state = Delivery::State::dead;
  delivery.next.reset();
  delivery.ended = act.now.wall;
  TRY_OK(act.journal.append(act.tx,
                            {.type = "delivery.dead",
                             .subject = delivery.id,
                             .actor = act.actor,
                             .cause = std::to_string(delivery.event),
                             .data = {{"subscription", subscription.id},
                                      {"agent", subscription.agent},
                                      {"event", std::to_string(delivery.event)},
                                      {"attempts", delivery.attempts},
                                      {"status", delivery.status},
                                      {"detail", delivery.detail}}},
                            act.now.wall));
  return {};
}

// Why a subscription has had its last attempt; empty: it has not.
std::string reason_to_disable(const Subscription& subscription, const Verdict& verdict,
                              base::WallTime now) {
  if (verdict.disables) return "the receiver answered 410: it wants no more";
  if (!subscription.failing_since) return {};
  if (now - *subscription.failing_since < limits::webhook_failing_max) return {};
  return fmt::format("{} attempts in a row have failed since {}; the last: {}",
                     subscription.failures, base::rfc3339(*subscription.failing_since),
                     verdict.detail);
}

// A job that waits is not needed any more.
Result<> cancel_job(const Act& act, const std::string& job) {
  auto cancelled = act.queue.cancel(act.tx, {job}, "not needed any more", act.now, act.actor);
  if (cancelled || cancelled.error().code == Code::conflict) return {};
  if (cancelled.error().code == Code::not_found) return {};
  return std::unexpected(std::move(cancelled).error());
}

// Those that have ended; nothing leads to them any more.
Result<> forget_jobs(const Act& act, const std::vector<std::string>& deliveries) {
  for (const auto& id : deliveries) TRY_OK(act.queue.forget(act.tx, webhook_kind, id));
  return {};
}

}  // namespace

bool is_about(const engine::Entry& entry, const Subscription& subscription) {
  if (entry.subject == subscription.id) return true;
  const auto* named = entry.data.if_contains("subscription");
  return named && named->is_string() && named->get_string() == subscription.id;
}

Result<> Act::tell(std::string type, const Subscription& subscription, json::object more) const {
  more["agent"] = subscription.agent;
  more["delivery"] = name(subscription.via);
  TRY_OK(journal.append(tx,
                        {.type = std::move(type),
                         .subject = subscription.id,
                         .actor = actor,
                         .data = std::move(more)},
                        now.wall));
  return {};
}

int backlog_max(const engine::Queue& queue) {
  return std::min(limits::webhook_backlog_max, queue.options().depth_max);
}

Result<> declare_lane(const Act& act, const Subscription& subscription) {
  return act.queue.declare_lane(act.tx, subscription.lane(), std::string(account));
}

Result<> begin(const Act& act, const Subscription& subscription, const engine::Entry& entry) {
  Delivery delivery{.id = base::uuid_v7(act.now.wall),
                    .subscription = subscription.id,
                    .event = entry.sequence,
                    .type = entry.type,
                    .created = act.now.wall};
  TRY_OK(schedule(act, subscription, delivery, act.now.wall));
  return rows::insert_delivery(act.tx, delivery);
}

Result<> pass_over(const Act& act, const Subscription& subscription, std::int64_t from,
                   std::int64_t through) {
  const auto detail = fmt::format(
      "events {} to {} were passed over, since the subscription was too far behind; replay them as "
      "a range if they are still wanted",
      from, through);
  TRY(const auto known, rows::delivery_of(act.tx, subscription.id, from));
  if (!known) {
    TRY_OK(rows::insert_delivery(act.tx, {.id = base::uuid_v7(act.now.wall),
                                          .subscription = subscription.id,
                                          .event = from,
                                          .state = Delivery::State::dead,
                                          .detail = detail,
                                          .created = act.now.wall,
                                          .ended = act.now.wall}));
  }
  return act.tell(
      "subscription.reset", subscription,
      {{"from", std::to_string(from)}, {"through", std::to_string(through)}, {"detail", detail}});
}

Result<> finish(const Act& act, Delivery delivery, Subscription subscription,
                const Attempt& attempt) {
  BRIDGE_ASSERT(delivery.state == Delivery::State::pending);
  const auto now = act.now.wall;
  ++delivery.attempts;
  ++delivery.round;
  auto verdict = judge(attempt, delivery.round, subscription.throttles);
  verdict.detail.resize(
      base::beginning_of(verdict.detail, limits::webhook_detail_bytes_max).size());
  delivery.status = attempt.status;
  delivery.detail = verdict.detail;
  delivery.last = now;
  if (verdict.fate == Verdict::Fate::delivered) {
    note_success(subscription, now);
    delivery.state = Delivery::State::delivered;
    delivery.next.reset();
    delivery.ended = now;
  } else if (!attempt.is_pointless) {
    note_failure(subscription, verdict, now);
  }
  if (verdict.fate == Verdict::Fate::again) {
    TRY_OK(schedule(act, subscription, delivery, now + std::max(verdict.pause, verdict.throttle)));
  } else if (verdict.fate == Verdict::Fate::dead) {
    TRY_OK(bury(act, subscription, delivery));
  }
  TRY_OK(rows::update_delivery(act.tx, delivery));
  TRY_OK(rows::update(act.tx, subscription));
  if (attempt.is_pointless) return {};  // says nothing of the receiver
  auto why = reason_to_disable(subscription, verdict, now);
  return why.empty() ? Result<>() : disable(act, subscription, std::move(why));
}

Result<> forget_old(const Act& act, const Subscription& subscription) {
  TRY(const auto forgotten, rows::forget_old(act.tx, subscription.id));
  return forget_jobs(act, forgotten);
}

Result<bool> forget_some(const Act& act, const std::string& subscription) {
  constexpr auto most = limits::webhook_forgotten_at_once;
  TRY(const auto forgotten, rows::forget_ended(act.tx, subscription, most));
  TRY_OK(forget_jobs(act, forgotten));
  return static_cast<int>(forgotten.size()) == most;
}

Result<Delivery> replay(const Act& act, const Subscription& subscription, Delivery delivery) {
  if (delivery.type.empty()) {
    return base::fail(
        Code::conflict,
        fmt::format("replay delivery {}: it stands for several events; replay them as "
                    "a range",
                    delivery.id),
        "is_range");
  }
  if (delivery.state == Delivery::State::pending) {
    TRY(const auto job, act.queue.get(act.tx, {delivery.job}));
    if (job.state == engine::State::running) {
      return base::fail(Code::conflict,
                        fmt::format("replay delivery {}: it is being sent just now", delivery.id),
                        "is_running");
    }
    TRY_OK(cancel_job(act, delivery.job));
  } else if (subscription.pending >= backlog_max(act.queue)) {
    return std::unexpected(base::Error{
        .code = Code::busy,
        .message = fmt::format("replay delivery {}: {} deliveries of its subscription wait already",
                               delivery.id, subscription.pending),
        .reason = "backlog_full",
        .retry_after = limits::webhook_look});
  }
  delivery.state = Delivery::State::pending;
  delivery.round = 0;
  delivery.ended.reset();
  TRY_OK(schedule(act, subscription, delivery, act.now.wall));
  TRY_OK(rows::update_delivery(act.tx, delivery));
  return delivery;
}

Result<Replayed> replay_range(const Act& act, Subscription subscription, std::int64_t from,
                              std::int64_t through) {
  from = std::max<std::int64_t>(from, 1);
  TRY(const auto page, act.journal.page(act.tx, from - 1, limits::webhook_replays_max));
  Replayed done{.through = std::min(page.last, through),
                .is_end = page.is_end || page.last >= through};
  for (const auto& entry : page.entries) {
    if (entry.sequence > through) break;
    if (!subscription.wish.matches(entry) || is_about(entry, subscription)) continue;
    TRY(auto known, rows::delivery_of(act.tx, subscription.id, entry.sequence));
    if (known && known->state == Delivery::State::pending) continue;
    if (subscription.pending >= backlog_max(act.queue)) {
      done.through = entry.sequence - 1;
      done.is_end = false;
      return done;
    }
    if (known && !known->type.empty()) {
      TRY_OK(replay(act, subscription, *std::move(known)));
    } else {
      if (known) TRY_OK(rows::remove_delivery(act.tx, known->id));
      TRY_OK(begin(act, subscription, entry));
    }
    ++subscription.pending;
    ++done.count;
  }
  return done;
}

Result<> mend(const Act& act, const Subscription& subscription) {
  TRY(auto pending, rows::pending_of(act.tx, subscription.id));
  for (auto& delivery : pending) {
    const auto job = act.queue.get(act.tx, {delivery.job});
    if (job && !engine::is_final(job->state)) continue;
    if (!job && job.error().code != Code::not_found) return std::unexpected(job.error());
    TRY_OK(schedule(act, subscription, delivery, act.now.wall));
    TRY_OK(rows::update_delivery(act.tx, delivery));
  }
  return {};
}

Result<> disable(const Act& act, Subscription& subscription, std::string why) {
  subscription.disabled = std::move(why);
  TRY_OK(rows::update(act.tx, subscription));
  TRY_OK(act.queue.pause(act.tx, subscription.lane(), subscription.disabled));
  return act.tell("subscription.disabled", subscription, {{"detail", subscription.disabled}});
}

Result<> enable(const Act& act, Subscription& subscription) {
  if (subscription.disabled.empty()) return {};
  subscription.disabled.clear();
  subscription.failures = 0;
  subscription.failing_since.reset();
  subscription.throttles = 0;
  subscription.throttled_until.reset();
  TRY_OK(rows::update(act.tx, subscription));
  TRY_OK(act.queue.resume(act.tx, subscription.lane()));
  return act.tell("subscription.enabled", subscription);
}

Result<> remove(const Act& act, const Subscription& subscription) {
  TRY(const auto pending, rows::pending_of(act.tx, subscription.id));
  for (const auto& delivery : pending) {
    TRY_OK(cancel_job(act, delivery.job));
    TRY_OK(forget_jobs(act, {delivery.id}));
  }
  for (bool is_more = true; is_more;) {
    TRY(is_more, forget_some(act, subscription.id));
  }
  TRY_OK(rows::remove(act.tx, subscription.id));
  TRY_OK(act.queue.retire_lane(act.tx, subscription.lane()));
  return act.tell("subscription.removed", subscription);
}

}  // namespace events
