#include "bridge/app/job_report.h"

#include "bridge/app/exit_status.h"
#include "bridge/protocol/text.h"
#include "cdp/json_text.h"

#include <array>
#include <utility>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace app {

namespace json = boost::json;

namespace {

// What a step is called for people; empty for steps nobody waits for.
std::string_view told(std::string_view type) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 14> words = {{
      {"packet.claimed", "waiting for the page to be ready"},
      {"packet.intent", "ready: inserting the prompt"},
      {"packet.armed", "inserted and read back: sending"},
      {"packet.sent", "sent; waiting for the reply"},
      {"packet.answered", "reply complete"},
      {"packet.replied", "reply valid"},
      {"packet.unsent", "certainly not sent"},
      {"packet.retrying", "goes again later"},
      {"packet.held", "held: it may have been sent, and only a person can tell"},
      {"packet.settled", "page ready again"},
      {"repair.submitted", "reply not usable: asking again"},
      {"repair.armed", "inserted and read back: sending"},
      {"repair.sent", "sent; waiting for the reply"},
      {"repair.answered", "reply complete"},
  }};
  for (const auto& [name, text] : words) {
    if (name == type) return text;
  }
  return {};
}

// The code of the error that a view of a job tells of; empty: it tells of none.
std::string code_in(const json::object& view) {
  const auto* error = cdp::object_in(view, "error");
  return error ? cdp::text_in(*error, "code") : "";
}

}  // namespace

Progress::Progress(Console& console, const base::Clock& clock, Chatter chatter)
    : console_(console), clock_(clock), chatter_(chatter), began_(clock.now()) {}

void Progress::begin(std::string_view title) {
  began_ = clock_.now();
  say(title);
}

void Progress::note(const engine::Entry& entry) {
  const std::string_view text = told(entry.type);
  if (text.empty()) return;
  const std::string code = code_in(entry.data);
  step(code.empty() ? std::string(text) : fmt::format("{} ({})", text, code));
}

void Progress::step(std::string_view text) {
  const std::chrono::duration<double> elapsed = clock_.now() - began_;
  say(fmt::format("  {:6.2f} s  {}", elapsed.count(), text));
}

void Progress::say(std::string_view text) {
  if (chatter_ == Chatter::always) {
    console_.err << text << std::endl;
  } else {
    print_progress(console_, text);
  }
}

int exit_status_of(const json::object& view) {
  const std::string state = cdp::text_in(view, "state");
  if (state == "done") return exit_ok;
  if (state == "queued" || state == "running") return exit_timeout;
  // It has ended without a reply. A person, or time, can mend only some of what ends one.
  const std::string code = code_in(view);
  if (code == "login_required" || code == "challenge") return exit_not_authorised;
  if (code == "rate_limited" || code == "usage_cap") return exit_try_again;
  return exit_job_failed;
}

namespace {

// Whoever asks about what has changed since must not take an old answer for a new one.
void print_replay(Console& console, const json::object& view) {
  const auto* replayed = view.if_contains("replayed");
  if (replayed == nullptr || !replayed->is_bool() || !replayed->get_bool()) return;
  const auto* timings = cdp::object_in(view, "timings");
  const std::string queued = timings ? cdp::text_in(*timings, "queued") : "";
  print_warning(console,
                fmt::format("this packet was handed in before{}{}, under the same idempotency key: "
                            "nothing is sent anew, and this is what became of it",
                            queued.empty() ? "" : ", at ", queued));
}

}  // namespace

void print_warnings(Console& console, const json::object& view) {
  print_replay(console, view);
  const auto* warnings = view.if_contains("warnings");
  if (warnings == nullptr || !warnings->is_array()) return;
  for (const auto& warning : warnings->get_array()) {
    if (warning.is_string()) print_warning(console, warning.get_string());
  }
}

int print_job(Console& console, const json::object& view) {
  print_warnings(console, view);
  const int status = exit_status_of(view);
  if (console.is_json) print_json(console, view);
  if (status == exit_ok) {
    const auto* response = view.if_contains("response");
    if (!console.is_json && response && response->is_object()) {
      console.out << protocol::pretty_json(response->get_object()) << std::endl;
    }
    return status;
  }
  const auto* error = cdp::object_in(view, "error");
  if (status == exit_timeout && error == nullptr) {
    print_error(console, fmt::format("packet {} is still {}", cdp::text_in(view, "id"),
                                     cdp::text_in(view, "state")));
    return status;
  }
  const std::string raw = error ? cdp::text_in(*error, "raw") : "";
  if (!console.is_json && !raw.empty()) print_error(console, "the reply as it came:\n" + raw);
  print_error(console, error ? cdp::text_in(*error, "detail")
                             : "the packet is " + cdp::text_in(view, "state"));
  return status;
}

namespace {

bool is_of(const engine::Entry& entry, const engine::JobId& id) {
  return entry.subject == id.text || entry.thread == id.text;
}

bool is_unfinished(const json::object& view) {
  const std::string state = cdp::text_in(view, "state");
  return state == "queued" || state == "running";
}

// Why a packet that nobody will send later is given up, kept in place of "cancelled".
base::Task<json::object> give_up(Bridge& bridge, engine::JobId id, json::object before) {
  auto cancelled = co_await bridge.packets().cancel(id, "nobody is left to send it later", "local");
  // Armed meanwhile: only its own end tells.
  if (!cancelled) co_return co_await bridge.packets().view(id);
  if (const auto* error = before.if_contains("error")) (*cancelled)["error"] = *error;
  (*cancelled)["state"] = "failed";
  co_return *std::move(cancelled);
}

// What has become of it by the deadline.
base::Task<json::object> watch_to_end(Bridge& bridge, engine::JobId id, engine::Follower& follower,
                                      Progress& progress, base::Instant deadline) {
  for (;;) {
    CO_TRY(const auto entries, co_await follower.next(deadline));
    bool has_failed = false;
    for (const auto& entry : entries) {
      if (!is_of(*entry, id)) continue;
      progress.note(*entry);
      has_failed = entry->type == "packet.retrying";
    }
    CO_TRY(auto view, co_await bridge.packets().view(id));
    const std::string state = cdp::text_in(view, "state");
    if (!is_unfinished(view)) co_return std::move(view);
    if (has_failed && state == "queued") {
      co_return co_await give_up(bridge, id, std::move(view));
    }
    if (bridge.clock().now() >= deadline) co_return std::move(view);
  }
}

base::Task<json::object> hand_in_and_watch(Bridge& bridge, services::Caller caller,
                                           json::value packet, Progress& progress,
                                           base::Instant deadline, Rest rest) {
  CO_TRY_OK(co_await bridge.recover());
  CO_TRY(const auto last, co_await bridge.store().read(
                              [&bridge](store::Tx& tx) { return bridge.journal().last(tx); }));
  engine::Follower follower(bridge.journal(), bridge.store(), bridge.tail(), bridge.clock(), last);
  auto submitted = co_await bridge.packets().submit(std::move(caller), std::move(packet), {});
  if (!submitted) co_return std::unexpected<base::Error>(submitted.error());
  if (rest == Rest::left_alone) bridge.end_with(submitted->id);
  // Of a packet that was handed in before, nothing new may ever be written.
  CO_TRY(auto view, co_await bridge.packets().view(submitted->id));
  if (is_unfinished(view)) {
    CO_TRY_OK(co_await bridge.start());
    CO_TRY(view, co_await watch_to_end(bridge, submitted->id, follower, progress, deadline));
  }
  if (submitted->is_replay) view["replayed"] = true;
  co_return std::move(view);
}

}  // namespace

base::Task<json::object> see_through(Bridge& bridge, services::Caller caller, json::value packet,
                                     Progress& progress, base::Instant deadline, Rest rest) {
  return bridge.while_store_lives(
      hand_in_and_watch(bridge, std::move(caller), std::move(packet), progress, deadline, rest));
}

}  // namespace app
