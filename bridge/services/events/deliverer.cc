#include "bridge/services/events/deliverer.h"

#include "bridge/base/json.h"
#include "bridge/services/events/event_limits.h"
#include "bridge/services/events/subscription_rows.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace events {

using base::Code;
using base::Result;
using base::Task;

namespace {

// What a job says it is for; empty, 0: nothing that is known here.
struct Named {
  std::string delivery;
  std::int64_t number = 0;
};

Named named_in(const engine::Job& job) {
  Named named;
  const auto* delivery = job.payload.if_contains("delivery");
  const auto* number = job.payload.if_contains("number");
  if (delivery && delivery->is_string()) named.delivery = delivery->get_string();
  if (number && number->is_int64()) named.number = number->get_int64();
  return named;
}

// Only if this job is still the delivery's own.
Result<std::optional<Delivery>> delivery_of_job(store::Tx& tx, const Named& named) {
  TRY(auto found, rows::delivery_with_id(tx, named.delivery));
  const bool is_wanted =
      found && found->state == Delivery::State::pending && found->jobs == named.number;
  return is_wanted ? std::move(found) : std::nullopt;
}

std::vector<WebhookSecret> secrets_of(const Subscription& subscription, base::WallTime now) {
  std::vector<WebhookSecret> secrets;
  const auto add = [&](const std::string& text) {
    auto secret = WebhookSecret::parse(text);
    BRIDGE_ASSERT(secret.has_value());
    secrets.push_back(*std::move(secret));
  };
  add(subscription.secret);
  if (subscription.old_until && now < *subscription.old_until) add(subscription.old_secret);
  return secrets;
}

// The beginning of a foreign answer, for people: one line of printable text.
std::string excerpt(std::string_view body) {
  std::string text;
  for (const char c : body.substr(0, limits::webhook_detail_bytes_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      text += c;
    } else if (!text.empty() && !text.ends_with(' ')) {
      text += ' ';
    }
  }
  return text;
}

engine::Outcome skipped() { return {engine::Outcome::Done{json::object{{"skipped", true}}}}; }

int rate_in(std::string_view text) {
  int rate = 0;
  const auto* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, rate);
  return error == std::errc() && last == end && rate > 0 ? rate : 0;
}

// "*", or a list with our name.
bool allows(std::string_view header, std::string_view origin) {
  while (!header.empty()) {
    const auto comma = header.find(',');
    auto word = header.substr(0, comma);
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    if (word == "*" || word == origin) return true;
    header.remove_prefix(comma == std::string_view::npos ? header.size() : comma + 1);
  }
  return false;
}

Handshake read_handshake(const OutboundAnswer& answer, std::string_view origin) {
  const auto allowed = answer.header("webhook-allowed-origin");
  if (allowed.empty()) {
    return {.result = "unanswered",
            .detail = fmt::format("the receiver answered {} to OPTIONS and named no allowed origin",
                                  answer.status)};
  }
  const bool is_success = answer.status >= 200 && answer.status < 300;
  if (!is_success || !allows(allowed, origin)) {
    return {.result = "refused",
            .detail = fmt::format("the receiver answered {} and allows {}, not {}", answer.status,
                                  excerpt(allowed), origin)};
  }
  return {.result = "allowed",
          .detail = fmt::format("the receiver allows {}", excerpt(allowed)),
          .per_minute = rate_in(answer.header("webhook-allowed-rate"))};
}

}  // namespace

engine::RetryPolicy webhook_retries() {
  // The rows say when a delivery is given up; its jobs never do.
  return {.failures_max = std::numeric_limits<int>::max(),
          .backoff = {.first = limits::webhook_look, .most = limits::webhook_look_max}};
}

Deliverer::Deliverer(Needs needs, WebhookSettings settings)
    : needs_(std::move(needs)), settings_(std::move(settings)) {}

Task<std::optional<Deliverer::Work>> Deliverer::find(const engine::Job& job) {
  auto read = [journal = &needs_.journal,
               named = named_in(job)](store::Tx& tx) -> Result<std::optional<Work>> {
    TRY(auto delivery, delivery_of_job(tx, named));
    if (!delivery) return std::nullopt;
    TRY(auto subscription, rows::with_id(tx, delivery->subscription));
    if (!subscription) return std::nullopt;
    TRY(auto entry, journal->get(tx, delivery->event));
    return Work{*std::move(delivery), *std::move(subscription), std::move(entry)};
  };
  co_return co_await needs_.store.read(std::move(read));
}

Task<OutboundAnswer> Deliverer::post(const Work& work) {
  CO_TRY(auto target, Target::parse(work.subscription.url));
  CO_TRY(auto addresses,
         co_await resolve_checked(needs_.outbound, target, settings_.allow_private));
  auto body = json::serialize(cloud_event(work.entry, settings_.instance));
  const auto now = needs_.clock.wall();
  auto headers = signed_headers(secrets_of(work.subscription, now), work.delivery.id, now, body);
  OutboundRequest request{
      .target = std::move(target),
      .addresses = std::move(addresses),
      .headers = {{"Content-Type", "application/cloudevents+json; charset=utf-8"},
                  {"User-Agent", settings_.agent},
                  {"webhook-id", std::move(headers.id)},
                  {"webhook-timestamp", std::move(headers.timestamp)},
                  {"webhook-signature", std::move(headers.signature)}},
      .body = std::move(body),
      .limit = limits::webhook_answer,
      .answer_bytes_max = limits::webhook_answer_bytes_max};
  co_return co_await needs_.outbound.send(std::move(request));
}

std::string Deliverer::told_of(const Work& work, base::Error error) {
  // Whoever subscribed with a key of its own reads it.
  const auto target = Target::parse(work.subscription.url);
  if (!work.subscription.wish.only || !target) return std::move(error.message);
  return without_addresses(*target, std::move(error)).message;
}

boost::asio::awaitable<Attempt> Deliverer::attempt(const Work& work) {
  // Begun when less was known of whose it is.
  const auto& only = work.subscription.wish.only;
  if (only && !is_own(work.entry, *only)) {
    co_return Attempt{.detail = "the event is not the agent's own, and its own key subscribed",
                      .is_pointless = true};
  }
  auto answer = co_await post(work);
  if (!answer) {
    const bool is_ours =
        answer.error().code == Code::denied || answer.error().code == Code::invalid;
    co_return Attempt{.detail = told_of(work, std::move(answer).error()), .is_forbidden = is_ours};
  }
  co_return Attempt{
      .status = answer->status,
      .detail = excerpt(answer->body),
      .retry_after = retry_after_of(answer->header("retry-after"), needs_.clock.wall())};
}

Task<engine::Outcome> Deliverer::handle(engine::Claim claim, engine::LaneContext&) {
  CO_TRY(const auto work, co_await find(claim.job));
  if (!work) co_return skipped();
  if (const auto until = work->subscription.throttled_until) {
    const auto wait = *until - needs_.clock.wall();
    if (wait > limits::webhook_waits) {
      co_return base::fail(Code::busy,
                           fmt::format("deliver {}: the receiver is left alone until {}",
                                       work->delivery.id, base::rfc3339(*until)),
                           "throttled");
    }
    if (wait.count() > 0) co_await needs_.clock.sleep_until(needs_.clock.now() + wait);
  }
  const auto made = co_await attempt(*work);
  engine::Outcome outcome{engine::Outcome::Done{
      json::object{{"delivery", work->delivery.id}, {"status", made.status}}}};
  outcome.record = [needs = &needs_, made, named = named_in(claim.job),
                    now = needs_.timeline.now()](store::Tx& tx) -> Result<> {
    TRY(auto delivery, delivery_of_job(tx, named));
    if (!delivery) return {};
    TRY(auto subscription, rows::with_id(tx, delivery->subscription));
    BRIDGE_ASSERT(subscription.has_value());
    const Act act{tx, needs->queue, needs->journal, now};
    TRY_OK(finish(act, *std::move(delivery), *std::move(subscription), made));
    tx.after_commit(needs->told);
    return {};
  };
  co_return outcome;
}

Task<Handshake> Deliverer::shake_hands(Target target) {
  CO_TRY(auto addresses,
         co_await resolve_checked(needs_.outbound, target, settings_.allow_private));
  OutboundRequest request{
      .method = "OPTIONS",
      .target = std::move(target),
      .addresses = std::move(addresses),
      .headers = {{"User-Agent", settings_.agent}, {"WebHook-Request-Origin", settings_.origin}},
      .limit = limits::webhook_handshake,
      .answer_bytes_max = limits::webhook_answer_bytes_max};
  auto answer = co_await needs_.outbound.send(std::move(request));
  if (!answer) {
    co_return Handshake{.result = "unreachable", .detail = std::move(answer.error().message)};
  }
  co_return read_handshake(*answer, settings_.origin);
}

}  // namespace events
