#include "bridge/http/api_events.h"

#include "bridge/base/limits.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace http {

namespace {

using base::Code;
using base::Result;
using base::Task;

struct Outcome {
  std::string_view type;  // of the entry that tells it
  std::string_view name;
};
constexpr std::array outcomes = {Outcome{"packet.replied", "done"},
                                 Outcome{"packet.failed", "failed"}, Outcome{"packet.held", "held"},
                                 Outcome{"packet.cancelled", "cancelled"},
                                 Outcome{"packet.expired", "expired"}};

}  // namespace

Task<std::unique_ptr<JournalEvents>> JournalEvents::open(boost::asio::any_io_executor executor,
                                                         Sources sources) {
  CO_TRY(const auto last, co_await sources.store.read([journal = &sources.journal](store::Tx& tx) {
    return journal->last(tx);
  }));
  co_return std::unique_ptr<JournalEvents>(
      new JournalEvents(std::move(executor), std::move(sources), last));
}

JournalEvents::JournalEvents(boost::asio::any_io_executor executor, Sources sources,
                             std::int64_t last)
    : sources_(std::move(sources)),
      follower_(sources_.journal, sources_.store, sources_.tail, sources_.clock, last),
      feed_(std::make_shared<EventFeed>(std::move(executor), static_cast<std::uint64_t>(last))) {
  // A count that is not there yet is zero.
  for (const auto& outcome : outcomes) (void)ended(outcome.name);
}

boost::asio::awaitable<void> JournalEvents::run() {
  for (;;) {
    const auto entries = co_await follower_.next(base::Instant::max());
    if (!entries) {
      // The store is away; readers keep their places until it is back.
      co_await sources_.clock.sleep_until(sources_.clock.now() + limits::http_event_retry);
      continue;
    }
    for (const auto& entry : *entries) {
      count(*entry);
      if (feed_->has_readers()) {
        feed_->publish(feed_entry(entry));
      } else {
        feed_->skip(static_cast<std::uint64_t>(entry->sequence));
      }
    }
  }
}

std::unique_ptr<EventSource> JournalEvents::reader(std::uint64_t after, Wants wants) {
  return feed_->reader(
      after,
      [wants = std::move(wants)](const EventFeed::Entry& entry) {
        return wants(*static_cast<const engine::Entry*>(entry.subject.get()));
      },
      [this](std::uint64_t seen) { return older(seen); });
}

EventFeed::Entry JournalEvents::feed_entry(std::shared_ptr<const engine::Entry> entry) const {
  const auto id = std::to_string(entry->sequence);
  auto bytes = event_bytes(id, {}, json::serialize(cloud_event(*entry, sources_.instance)));
  const auto number = static_cast<std::uint64_t>(entry->sequence);
  return {.number = number, .bytes = std::move(bytes), .subject = std::move(entry)};
}

Task<std::vector<EventFeed::Entry>> JournalEvents::older(std::uint64_t after) const {
  CO_TRY(auto page,
         co_await sources_.store.read([journal = &sources_.journal, after](store::Tx& tx) {
           return journal->page(tx, static_cast<std::int64_t>(after), limits::http_event_batch_max);
         }));
  std::vector<EventFeed::Entry> entries;
  for (auto& entry : page.entries) {
    entries.push_back(feed_entry(std::make_shared<const engine::Entry>(std::move(entry))));
  }
  co_return entries;
}

Task<JournalEvents::Page> JournalEvents::page(std::int64_t after, Wants wants, std::size_t limit) {
  auto read = [journal = &sources_.journal, instance = sources_.instance, after,
               wants = std::move(wants), limit](store::Tx& tx) -> Result<Page> {
    Page page{.events = {}, .last = after};
    const auto looked_most = after + limits::journal_scan_max;
    bool is_cut = false;
    while (!page.is_end && !is_cut && page.last < looked_most && page.events.size() < limit) {
      TRY(const auto found, journal->page(tx, page.last, limits::follow_entries_max));
      page.is_end = found.is_end;
      is_cut = found.is_cut;
      for (const auto& entry : found.entries) {
        if (page.events.size() == limit) {
          page.is_end = false;
          break;
        }
        page.last = entry.sequence;
        if (wants(entry)) page.events.push_back(cloud_event(entry, instance));
      }
    }
    return page;
  };
  co_return co_await sources_.store.read(std::move(read));
}

base::Counter& JournalEvents::ended(std::string_view outcome) {
  return sources_.metrics.counter("flywheel_jobs_total", "Packets by what became of them.",
                                  {{"outcome", std::string(outcome)}});
}

void JournalEvents::count(const engine::Entry& entry) {
  const auto outcome = std::ranges::find(outcomes, entry.type, &Outcome::type);
  if (outcome != outcomes.end()) ended(outcome->name).add();
}

namespace {

// The number that the reader has seen, if it says one.
Result<std::optional<std::uint64_t>> seen_by(const Request& request) {
  const auto id = last_event_id(request);
  if (id.empty()) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error == std::errc() && end == id.data() + id.size() && number <= INT64_MAX) return number;
  return base::fail(Code::invalid, "Last-Event-ID: it is the id of no event", "bad_request");
}

Task<Response> page_of_events(ApiNeeds& needs, Request& request, std::uint64_t after,
                              JournalEvents::Wants wants) {
  CO_TRY(const auto page, page_of(request));
  if (!page.after.empty()) {
    const auto end = page.after.data() + page.after.size();
    if (std::from_chars(page.after.data(), end, after).ptr != end) {
      co_return base::fail(Code::invalid, "query parameter cursor: it is of another list",
                           "invalid_query");
    }
  }
  CO_TRY(auto found, co_await needs.events.page(static_cast<std::int64_t>(after), std::move(wants),
                                                page.limit));
  const auto next = found.is_end ? std::nullopt : std::optional(std::to_string(found.last));
  co_return page_response(request, std::move(found.events), next);
}

// What was allowed to a key or a token goes no further than it: its stream ends when it is revoked
// or expires.
class KeysEvents final : public EventSource {
 public:
  KeysEvents(ApiNeeds& needs, std::uint64_t after, JournalEvents::Wants wants,
             const Principal& principal)
      : clock_(needs.clock),
        wants_(std::move(wants)),
        principal_(principal.id),
        expires_(principal.expires ? clock_.now() + (*principal.expires - clock_.wall())
                                   : base::Instant::max()),
        source_(needs.events.reader(after,
                                    [this](const engine::Entry& entry) { return sees(entry); })) {}

  boost::asio::awaitable<std::optional<std::vector<EventBytes>>> next(
      base::Instant until) override {
    auto batch = co_await source_->next(std::min(until, expires_));
    if (is_revoked_ || clock_.now() >= expires_) co_return std::nullopt;
    co_return batch;
  }

 private:
  bool sees(const engine::Entry& entry) {
    is_revoked_ =
        is_revoked_ || (entry.type == "key.revoked" && "key:" + entry.subject == principal_);
    // The last one only wakes who waits.
    return is_revoked_ || wants_(entry);
  }

  const base::Clock& clock_;
  JournalEvents::Wants wants_;
  std::string principal_;
  base::Instant expires_;
  bool is_revoked_ = false;
  std::unique_ptr<EventSource> source_;
};

// Whether a page is wanted, and no stream: by ?format, else by what is accepted.
Result<bool> wants_page(const Request& request) {
  const auto format = request.query_value("format");
  if (!format) {
    return accepts(request, "application/json") && !accepts(request, "text/event-stream");
  }
  if (*format == "json") return true;
  if (*format == "sse") return false;
  return base::fail(Code::invalid, "query parameter format: it is neither json nor sse",
                    "invalid_query");
}

// All that happens, whoever it is about: for operators. Agents have streams of their own.
Task<Response> events(ApiNeeds& needs, Request& request) {
  if (!request.principal.agent.empty()) {
    co_return base::fail(Code::denied,
                         fmt::format("read the events of all: the caller is bound to agent {}; its "
                                     "own are at /api/gpt-agents/{{gptId}}/events",
                                     request.principal.agent),
                         "other_agent");
  }
  auto wish = ::events::wish_of(request.query_value("types").value_or(""),
                                request.query_value("subject").value_or(""));
  if (!wish) {
    co_return base::fail(Code::invalid, "query parameter types: " + wish.error().message,
                         "invalid_query");
  }
  const JournalEvents::Wants wants = [wish = *std::move(wish)](const engine::Entry& entry) {
    return wish.matches(entry);
  };
  co_return co_await events_answer(needs, request, wants, wants);
}

}  // namespace

Task<Response> events_answer(ApiNeeds& needs, Request& request, JournalEvents::Wants live,
                             JournalEvents::Wants still) {
  CO_TRY(const auto seen, seen_by(request));
  CO_TRY(const bool is_page, wants_page(request));
  if (!is_page) {
    co_return event_response(std::make_unique<KeysEvents>(needs, seen.value_or(needs.events.last()),
                                                          std::move(live), request.principal));
  }
  CO_TRY(auto response,
         co_await page_of_events(needs, request, seen.value_or(0), std::move(still)));
  response.add("Vary", "Accept");
  co_return response;
}

void add_event_routes(Router& router, ApiNeeds& needs) {
  add_declared(router, {.method = Method::get, .path = "/api/events", .scope = "events"},
               with(needs, events));
}

}  // namespace http
