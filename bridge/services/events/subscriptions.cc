#include "bridge/services/events/subscriptions.h"

#include "bridge/base/hash.h"
#include "bridge/base/ids.h"
#include "bridge/services/events/event_limits.h"

#include <fmt/format.h>

namespace events {

using base::Code;
using base::Result;
using base::Task;

namespace {

// As much of its hash as tells two addresses apart.
constexpr std::size_t url_digits = 16;

// What the journal tells of a new subscription; never its secret. The path of an address is often
// one as well, and the journal keeps what it has heard for good: it gets the host, and a mark by
// which who has the address knows it again.
Result<json::object> facts(const Subscription& subscription) {
  auto data = rows::object_of(subscription.wish);
  data["only_own"] = subscription.wish.only.has_value();
  if (subscription.url.empty()) return data;
  TRY(const auto target, Target::parse(subscription.url));
  data["receiver"] =
      fmt::format("{}://{}", target.is_secure ? "https" : "http", target.authority());
  data["url_sha256"] = base::sha256_hex(subscription.url).substr(0, url_digits);
  return data;
}

Result<> check_webhook(const Subscription& subscription) {
  if (subscription.via == Via::webhook) return {};
  return base::fail(
      Code::conflict,
      fmt::format("subscription {} is read as a stream and is no webhook", subscription.id),
      "not_a_webhook");
}

base::Error with_reason(base::Error error, std::string reason) {
  error.reason = std::move(reason);
  return error;
}

Result<std::string> secret_of(const std::string& asked) {
  if (asked.empty()) return WebhookSecret::generate().text();
  auto parsed = WebhookSecret::parse(asked);
  if (!parsed) return std::unexpected(with_reason(parsed.error(), "bad_secret"));
  return parsed->text();
}

}  // namespace

Subscriptions::Subscriptions(Needs needs, WebhookSettings settings)
    : needs_(std::move(needs)),
      settings_(std::move(settings)),
      deliverer_({.store = needs_.store,
                  .queue = needs_.queue,
                  .journal = needs_.journal,
                  .timeline = needs_.timeline,
                  .clock = needs_.clock,
                  .outbound = needs_.outbound,
                  .told = [this] { tell_end(); }},
                 settings_),
      notice_(needs_.executor) {}

engine::Handler Subscriptions::handler() {
  return [this](engine::Claim claim, engine::LaneContext& lane) {
    return deliverer_.handle(std::move(claim), lane);
  };
}

Result<> Subscriptions::check_own(store::Tx& tx, const Subscription& subscription,
                                  const Actor& actor) const {
  if (actor.agent.empty()) return {};
  TRY(const auto own, needs_.find_agent(tx, actor.agent, actor));
  if (own == subscription.agent) return {};
  // Whose it is, and that it is there, is nobody else's business.
  return base::fail(Code::not_found,
                    fmt::format("find subscription {}: there is none", subscription.id));
}

Result<Subscription> Subscriptions::find(store::Tx& tx, const std::string& agent,
                                         const std::string& which, const Actor& actor) const {
  TRY(const auto owner, needs_.find_agent(tx, agent, actor));
  TRY(auto found, rows::find(tx, which));
  if (found.agent == owner) return found;
  return base::fail(Code::not_found,
                    fmt::format("find subscription {}: agent {} has none", which, agent));
}

// What is to be known of a webhook before it is stored; nothing for a stream.
Task<std::optional<Handshake>> Subscriptions::checked_target(NewSubscription& asked,
                                                             const Actor& actor) {
  if (asked.via == Via::sse) co_return std::nullopt;
  auto secret = secret_of(asked.secret);
  if (!secret) co_return std::unexpected(std::move(secret).error());
  asked.secret = *std::move(secret);
  auto target = Target::parse(asked.url);
  if (!target) co_return std::unexpected(with_reason(target.error(), "bad_url"));
  auto handshake = co_await deliverer_.shake_hands(*target);
  if (!handshake && !actor.agent.empty()) {
    co_return std::unexpected(without_addresses(*target, std::move(handshake).error()));
  }
  if (!handshake) co_return std::unexpected(std::move(handshake).error());
  if (settings_.needs_handshake && handshake->result != "allowed") {
    co_return base::fail(Code::denied, handshake->detail, "handshake_refused");
  }
  co_return std::optional(*std::move(handshake));
}

Task<Subscriptions::Created> Subscriptions::subscribe(std::string agent, NewSubscription asked,
                                                      Actor actor) {
  // A caller who may not is told before anything is sent to an address of its choice.
  using Known = std::optional<Subscription>;
  CO_TRY(auto known,
         co_await needs_.store.read([this, agent, asked, actor](store::Tx& tx) -> Result<Known> {
           TRY_OK(needs_.find_agent(tx, agent, actor));
           return rows::of_request(tx, actor.principal, asked.request, asked.request_hash);
         }));
  if (known) co_return Created{*std::move(known), true};
  CO_TRY_OK(room_for_new(needs_.store));
  CO_TRY(auto handshake, co_await checked_target(asked, actor));
  auto write = [this, agent = std::move(agent), asked = std::move(asked), actor = std::move(actor),
                handshake = handshake.value_or(Handshake()),
                now = needs_.timeline.now()](store::Tx& tx) -> Result<Created> {
    TRY(auto first, rows::of_request(tx, actor.principal, asked.request, asked.request_hash));
    if (first) return Created{*std::move(first), true};
    const Act act{tx, needs_.queue, needs_.journal, now, actor.principal};
    TRY(auto owner, needs_.find_agent(tx, agent, actor));
    Subscription made{.id = base::uuid_v7(now.wall),
                      .agent = std::move(owner),
                      .wish = asked.wish,
                      .via = asked.via,
                      .creator = actor.principal,
                      .created = now.wall,
                      .url = asked.url,
                      .secret = asked.secret,
                      .handshake = handshake};
    made.wish.only =
        actor.agent.empty() ? std::nullopt : std::optional(Listener{made.agent, actor.principal});
    TRY(auto data, facts(made));
    TRY_OK(act.tell("subscription.created", made, std::move(data)));
    TRY(made.cursor, needs_.journal.last(tx));
    TRY_OK(rows::insert(tx, made, asked.request, asked.request_hash));
    if (made.via == Via::webhook) TRY_OK(declare_lane(act, made));
    tx.after_commit([this] { tell_change(); });
    return Created{std::move(made), false};
  };
  auto created = co_await needs_.store.write(std::move(write));
  if (created) (void)co_await refresh();
  co_return created;
}

Task<Subscription> Subscriptions::change(std::string agent, std::string which, Actor actor,
                                         Change change) {
  auto write = [this, agent = std::move(agent), which = std::move(which), actor = std::move(actor),
                change = std::move(change),
                now = needs_.timeline.now()](store::Tx& tx) -> Result<Subscription> {
    TRY(auto found, find(tx, agent, which, actor));
    const Act act{tx, needs_.queue, needs_.journal, now, actor.principal};
    TRY(auto changed, change(act, std::move(found)));
    tx.after_commit([this] { tell_change(); });
    return changed;
  };
  auto changed = co_await needs_.store.write(std::move(write));
  if (changed) (void)co_await refresh();
  co_return changed;
}

Task<> Subscriptions::unsubscribe(std::string agent, std::string which, Actor actor) {
  auto take_away = [](const Act& act, Subscription found) -> Result<Subscription> {
    TRY_OK(remove(act, found));
    return found;
  };
  CO_TRY(const auto found, co_await get(agent, which, actor));
  CO_TRY_OK(co_await forget_ended(found.id));
  CO_TRY_OK(co_await change(std::move(agent), found.id, std::move(actor), std::move(take_away)));
  co_return Result<>();
}

Task<Subscription> Subscriptions::get(std::string agent, std::string which, Actor actor) {
  co_return co_await needs_.store.read(
      [=, this](store::Tx& tx) { return find(tx, agent, which, actor); });
}

Task<std::vector<Subscription>> Subscriptions::list(std::string agent, Actor actor) {
  co_return co_await needs_.store.read(
      [this, agent, actor](store::Tx& tx) -> Result<std::vector<Subscription>> {
        TRY(const auto owner, needs_.find_agent(tx, agent, actor));
        return rows::of_agent(tx, owner);
      });
}

Task<Subscription> Subscriptions::enable(std::string agent, std::string which, Actor actor) {
  CO_TRY(const auto found, co_await needs_.store.read(
                               [=, this](store::Tx& tx) { return find(tx, agent, which, actor); }));
  CO_TRY_OK(check_webhook(found));
  NewSubscription asked{.via = found.via, .url = found.url, .secret = found.secret};
  CO_TRY(auto handshake, co_await checked_target(asked, actor));
  auto go_on = [handshake](const Act& act, Subscription subscription) -> Result<Subscription> {
    subscription.handshake = *handshake;
    TRY_OK(rows::update(act.tx, subscription));
    TRY_OK(events::enable(act, subscription));
    return subscription;
  };
  co_return co_await change(std::move(agent), found.id, std::move(actor), std::move(go_on));
}

Task<Subscription> Subscriptions::rotate(std::string agent, std::string which, std::string secret,
                                         Actor actor) {
  CO_TRY(auto text, secret_of(secret));
  auto replace = [text = std::move(text)](const Act& act,
                                          Subscription found) -> Result<Subscription> {
    TRY_OK(check_webhook(found));
    if (found.secret == text) {
      return base::fail(
          Code::conflict,
          fmt::format("rotate the secret of subscription {}: it is the same", found.id),
          "same_secret");
    }
    found.old_secret = std::exchange(found.secret, text);
    found.old_until = act.now.wall + limits::webhook_old_secret;
    TRY_OK(rows::update(act.tx, found));
    TRY_OK(
        act.tell("subscription.rotated", found, {{"old_until", base::rfc3339(*found.old_until)}}));
    return found;
  };
  co_return co_await change(std::move(agent), std::move(which), std::move(actor),
                            std::move(replace));
}

Task<Subscriptions::DeliveryPage> Subscriptions::deliveries(std::string subscription,
                                                            std::optional<Delivery::State> state,
                                                            std::optional<std::int64_t> before,
                                                            std::size_t limit, Actor actor) {
  auto read = [this, subscription = std::move(subscription), state, before, limit,
               actor = std::move(actor)](store::Tx& tx) -> Result<DeliveryPage> {
    rows::DeliveryFilter filter{.state = state};
    if (!subscription.empty()) {
      TRY(const auto found, rows::find(tx, subscription));
      TRY_OK(check_own(tx, found, actor));
      filter.subscription = found.id;
    }
    if (!actor.agent.empty()) {
      TRY(filter.agent, needs_.find_agent(tx, actor.agent, actor));
    }
    TRY(auto found, rows::deliveries(tx, filter, before, limit + 1));
    DeliveryPage page{.deliveries = std::move(found), .is_end = true};
    if (page.deliveries.size() > limit) {
      page.deliveries.resize(limit);
      page.is_end = false;
    }
    return page;
  };
  co_return co_await needs_.store.read(std::move(read));
}

Task<Delivery> Subscriptions::delivery(std::string which, Actor actor) {
  co_return co_await needs_.store.read([=, this](store::Tx& tx) -> Result<Delivery> {
    TRY(auto found, rows::find_delivery(tx, which));
    TRY(const auto subscription, rows::with_id(tx, found.subscription));
    TRY_OK(check_own(tx, *subscription, actor));
    return found;
  });
}

Task<Delivery> Subscriptions::replay(std::string which, Actor actor) {
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.write([=, this](store::Tx& tx) -> Result<Delivery> {
    TRY(auto found, rows::find_delivery(tx, which));
    TRY(const auto subscription, rows::with_id(tx, found.subscription));
    TRY_OK(check_own(tx, *subscription, actor));
    const Act act{tx, needs_.queue, needs_.journal, now, actor.principal};
    return events::replay(act, *subscription, std::move(found));
  });
}

Task<Replayed> Subscriptions::replay_range(std::string agent, std::string which, std::int64_t from,
                                           std::int64_t through, Actor actor) {
  const auto now = needs_.timeline.now();
  auto write = [=, this](store::Tx& tx) -> Result<Replayed> {
    TRY(auto found, find(tx, agent, which, actor));
    TRY_OK(check_webhook(found));
    const Act act{tx, needs_.queue, needs_.journal, now, actor.principal};
    return events::replay_range(act, std::move(found), from, through);
  };
  co_return co_await needs_.store.write(std::move(write));
}

Task<std::string> Subscriptions::agent_of(std::string which, Actor actor) {
  co_return co_await needs_.store.read(
      [=, this](store::Tx& tx) { return needs_.find_agent(tx, which, actor); });
}

std::vector<Wish> Subscriptions::stream_wishes(const std::string& agent_id) const {
  const auto found = streams_.find(agent_id);
  return found == streams_.end() ? std::vector<Wish>() : found->second;
}

bool Subscriptions::wants(const std::string& agent_id, const engine::Entry& entry) const {
  const auto found = streams_.find(agent_id);
  return found != streams_.end() && is_wanted_by(found->second, entry);
}

}  // namespace events
