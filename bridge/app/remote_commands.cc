// The commands that ask a running daemon: packets, the queue, the session, keys, audit, events.
#include "bridge/app/foreign_text.h"
#include "bridge/app/queue_report.h"
#include "bridge/app/remote_call.h"
#include "bridge/app/verification.h"
#include "bridge/base/clock.h"
#include "bridge/base/limits.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

struct RemoteOptions {
  BridgeOptions bridge;
  std::string id;
  std::string state, sender, bead, note, verdict, name, agent, scopes, type, subject, lane;
  bool limit_is_over = false;
  std::string after;
  int limit = 20;
  int wait_s = 0;
  std::optional<int> days;
  bool is_once = false;
  bool only_good = false;
};
using Story = std::function<awaitable<int>(Console&, const RemoteOptions&, http::Client&)>;

void add_remote(CLI::App& parent, CommandLine& line, const std::string& name,
                const std::string& summary, const std::string& example, Story story,
                const std::function<void(CLI::App&, RemoteOptions&)>& more = {}) {
  add_remote_command<RemoteOptions>(parent, line, name, summary, example, std::move(story), more);
}

void add_id(CLI::App& command, RemoteOptions& options) {
  command.add_option("id", options.id, "The packet's id, or its unique beginning")
      ->type_name("ID")
      ->required();
}

// ---- packets

void print_line(Console& console, const json::object& job) {
  const auto* error = job.if_contains("error");
  const std::string code =
      error && error->is_object() ? line_in(error->get_object(), "code") : std::string();
  const auto* timings = job.if_contains("timings");
  const std::string queued =
      timings && timings->is_object() ? line_in(timings->get_object(), "queued") : "";
  const std::string kind = line_in(job, "kind");
  console.out << fmt::format("{}  {:<9}  {:<7}  {:<16}  {:<16}  {}  {}{}\n", line_in(job, "id"),
                             line_in(job, "state"), line_in(job, "stage"), line_in(job, "sender"),
                             line_in(job, "bead"), queued, code,
                             kind.empty() || kind == "packet" ? "" : fmt::format("  ({})", kind));
}

awaitable<int> list(Console& console, const RemoteOptions& options, http::Client& client) {
  std::string target = "/api/packets?limit=" + std::to_string(options.limit);
  add_query(target, "state", options.state);
  add_query(target, "sender", options.sender);
  add_query(target, "bead", options.bead);
  co_return co_await call(console, client, {.target = target}, [&](const json::value& answer) {
    for (const auto& item : items_of(answer)) {
      if (item.is_object()) print_line(console, item.get_object());
    }
    if (items_of(answer).empty()) console.err << "no packets\n";
  });
}

// For as long as was asked, in pieces that the daemon allows.
awaitable<int> show(Console& console, const RemoteOptions& options, http::Client& client) {
  const auto until = base::Instant::clock::now() + std::chrono::seconds(options.wait_s);
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(until - base::Instant::clock::now());
    const auto wait = std::clamp<std::int64_t>(left.count(), 0, limits::http_wait_max.count());
    http::ClientRequest request{
        .target = fmt::format("/api/packets/{}?wait={}", encoded(options.id), wait)};
    const auto answer = co_await client.call_json(std::move(request));
    if (!answer) co_return print_failed(console, answer.error());
    const auto state = answer->is_object() ? text_in(answer->get_object(), "state") : "";
    if (wait > 0 && (state == "queued" || state == "running")) continue;
    if (console.is_json) {
      print_json(console, *answer);
    } else {
      print_pretty(console, *answer);
    }
    co_return exit_ok;
  }
}

awaitable<int> response(Console& console, const RemoteOptions& options, http::Client& client) {
  co_return co_await call(console, client,
                          {.target = fmt::format("/api/packets/{}/response", encoded(options.id))},
                          [&](const json::value& answer) { print_pretty(console, answer); });
}

Story change(std::string verb) {
  return [verb = std::move(verb)](Console& console, const RemoteOptions& options,
                                  http::Client& client) -> awaitable<int> {
    json::object body;
    if (!options.verdict.empty()) body["verdict"] = options.verdict;
    if (!options.note.empty()) body["note"] = options.note;
    http::ClientRequest request{
        .method = "POST",
        .target = fmt::format("/api/packets/{}/{}", encoded(options.id), verb),
        .body = json::value(std::move(body))};
    co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
      if (!answer.is_object()) return;
      console.out << fmt::format("{} {}\n", text_in(answer.get_object(), "id"),
                                 text_in(answer.get_object(), "state"));
    });
  };
}

void add_packets(CLI::App& packet, CommandLine& line) {
  add_remote(
      packet, line, "list", "List packets, newest first; with --is held, queries too",
      "flywheel packet list --is held", list, [](CLI::App& command, RemoteOptions& options) {
        command.add_option("--is", options.state, "Only packets in this state")
            ->type_name("queued|running|done|failed|held|cancelled|expired");
        command.add_option("--sender", options.sender, "Only of this sender");
        command.add_option("--bead", options.bead, "Only about this bead");
        command.add_option("--limit", options.limit, "How many at most")->check(CLI::Range(1, 500));
      });
  add_remote(packet, line, "show", "Show a packet's state, errors and times",
             "flywheel packet show 0192", show, [](CLI::App& command, RemoteOptions& options) {
               add_id(command, options);
               command
                   .add_option("--wait", options.wait_s,
                               "Wait so many seconds for its end (default: do not)")
                   ->type_name("SECONDS")
                   ->check(CLI::Range(0, 86400));
             });
  add_remote(packet, line, "response", "Print the validated reply", "flywheel packet response 0192",
             response, add_id);
  const auto with_note = [](CLI::App& command, RemoteOptions& options) {
    add_id(command, options);
    command.add_option("--note", options.note, "Why, for the audit trail");
  };
  add_remote(packet, line, "cancel", "Cancel a packet that has not been sent",
             "flywheel packet cancel 0192", change("cancel"), with_note);
  add_remote(packet, line, "retry", "Queue a failed packet again, as a new message",
             "flywheel packet retry 0192", change("retry"), add_id);
  add_remote(packet, line, "resolve", "Say what became of a held packet",
             "flywheel packet resolve 0192 --verdict sent", change("resolve"),
             [with_note](CLI::App& command, RemoteOptions& options) {
               with_note(command, options);
               command
                   .add_option(
                       "--verdict", options.verdict,
                       "sent: it is in the conversation, read on; not-sent: it is not, send "
                       "it; abandon: give it up")
                   ->type_name("sent|not-sent|abandon")
                   ->check(CLI::IsMember({"sent", "not-sent", "abandon"}))
                   ->required();
             });
}

// ---- queue

awaitable<int> queue(Console& console, const RemoteOptions&, http::Client& client) {
  co_return co_await call(console, client, {.target = "/api/queue"},
                          [&](const json::value& answer) { print_queue(console, answer); });
}

using Print = void (*)(Console&, const json::value&);

Story post_to(std::string target, Print print) {
  return [target = std::move(target), print](Console& console, const RemoteOptions& options,
                                             http::Client& client) -> awaitable<int> {
    json::object body;
    if (!options.lane.empty()) body["lane"] = options.lane;
    if (options.limit_is_over) body["limit_is_over"] = true;
    http::ClientRequest request{
        .method = "POST", .target = target, .body = json::value(std::move(body))};
    co_return co_await call(
        console, client, std::move(request),
        [&console, print](const json::value& answer) { print(console, answer); });
  };
}

void add_lane(CLI::App& command, RemoteOptions& options) {
  command.add_option("--lane", options.lane, "Only this one of those that queue show lists")
      ->type_name("LANE");
}

void add_queue(CLI::App& root, CommandLine& line) {
  CLI::App* group =
      add_group(root, "queue", "The queue of a running daemon", "flywheel queue show");
  add_remote(*group, line, "show", "Lanes, depths, limits and what they wait for",
             "flywheel queue show", queue);
  add_remote(*group, line, "pause",
             "Take nothing new from the queue, whatever lanes come; what was sent goes on",
             "flywheel queue pause", post_to("/api/queue/pause", print_queue), add_lane);
  add_remote(*group, line, "resume",
             "Go on after a pause, or after a look at the page that keeps a lane shut",
             "flywheel queue resume", post_to("/api/queue/resume", print_queue),
             [](CLI::App& command, RemoteOptions& options) {
               add_lane(command, options);
               command.add_flag("--limit-is-over", options.limit_is_over,
                                "Do not wait for the end of the provider's limit either: you know "
                                "that it is over");
             });
}

// ---- audit

void print_entry(Console& console, const json::object& entry) {
  const auto* data = entry.if_contains("data");
  console.out << fmt::format("{:>8}  {}  {:<22}  {}  by {}  {}\n", line_in(entry, "sequence"),
                             line_in(entry, "time"), line_in(entry, "type"),
                             line_in(entry, "subject"), line_in(entry, "actor"),
                             data ? shown_json(json::serialize(*data)) : std::string());
}

// The newest entries that match, of as many as are worth a look.
awaitable<int> audit_tail(Console& console, const RemoteOptions& options, http::Client& client) {
  const bool is_filtered = !options.type.empty() || !options.subject.empty();
  const int looked_at = is_filtered ? limits::journal_scan_max : options.limit;
  std::string first = fmt::format("/api/audit?last={}&limit={}", looked_at,
                                  std::min<std::size_t>(looked_at, limits::http_page_max));
  add_query(first, "type", options.type);
  add_query(first, "subject", options.subject);
  json::array newest;
  for (std::string target = first; !target.empty();) {
    auto answer = co_await client.call_json({.target = target});
    if (!answer) co_return print_failed(console, answer.error());
    for (const auto& item : items_of(*answer)) newest.push_back(item);
    const auto surplus = newest.size() - std::min<std::size_t>(newest.size(), options.limit);
    newest.erase(newest.begin(), newest.begin() + static_cast<std::ptrdiff_t>(surplus));
    const auto cursor = answer->is_object() ? text_in(answer->get_object(), "next_cursor") : "";
    target = cursor.empty() ? "" : first;
    add_query(target, "cursor", cursor);
  }
  if (console.is_json) {
    print_json(console, json::object{{"items", std::move(newest)}});
    co_return exit_ok;
  }
  for (const auto& item : newest) {
    if (item.is_object()) print_entry(console, item.get_object());
  }
  co_return exit_ok;
}

awaitable<int> audit_verify(Console& console, const RemoteOptions&, http::Client& client) {
  const auto ask = [&client](std::int64_t after) {
    return client.call_json({.target = fmt::format("/api/audit/verify?after={}", after)});
  };
  const auto found = co_await verify_journal(
      ask, [&console](std::string_view progress) { print_progress(console, progress); });
  if (!found) co_return print_failed(console, found.error());
  if (console.is_json) {
    print_json(console, *found);
  } else {
    print_pretty(console, *found);
  }
  co_return exit_status_of_verification(*found);
}

void add_audit(CLI::App& root, CommandLine& line) {
  CLI::App* group = add_group(root, "audit", "The chained journal of everything that happened",
                              "flywheel audit verify");
  add_remote(*group, line, "tail", "The newest entries", "flywheel audit tail --limit 50",
             audit_tail, [](CLI::App& command, RemoteOptions& options) {
               command.add_option("--type", options.type, "Only this type, or those below \"x.\"");
               command.add_option("--subject", options.subject, "Only about this id");
               command.add_option("--limit", options.limit, "How many")->check(CLI::Range(1, 500));
             });
  add_remote(*group, line, "verify",
             "Check every hash and every signed checkpoint; exit 1 if one is not good",
             "flywheel audit verify", audit_verify);
  add_remote(*group, line, "checkpoint", "Sign the journal as it is now",
             "flywheel audit checkpoint", post_to("/api/audit/checkpoint", print_pretty));
}

// ---- keys

awaitable<int> key_create(Console& console, const RemoteOptions& options, http::Client& client) {
  json::array scopes;
  for (std::size_t at = 0; at <= options.scopes.size();) {
    const std::size_t end = std::min(options.scopes.find(',', at), options.scopes.size());
    scopes.push_back(json::value(options.scopes.substr(at, end - at)));
    at = end + 1;
  }
  json::object body{{"name", options.name}, {"scopes", std::move(scopes)}};
  if (!options.agent.empty()) body["agent"] = options.agent;
  if (options.days) body["expires_in_days"] = *options.days;
  http::ClientRequest request{
      .method = "POST", .target = "/api/keys", .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    if (!answer.is_object()) return;
    console.out << text_in(answer.get_object(), "key") << '\n';
    console.err << fmt::format("key {} is shown this once; keep it safe\n",
                               text_in(answer.get_object(), "id"));
  });
}

constexpr int keys_at_once = 100;

// Times of one form are in the order of their letters.
std::string_view state_of_key(const json::object& key, std::string_view now) {
  if (!text_in(key, "revoked").empty()) return "revoked";
  const std::string expires = text_in(key, "expires");
  return !expires.empty() && expires <= now ? "expired" : "good";
}

std::string scopes_of(const json::object& key) {
  const auto* scopes = key.if_contains("scopes");
  std::string text;
  if (!scopes || !scopes->is_array()) return text;
  for (const auto& scope : scopes->get_array()) {
    if (!scope.is_string()) continue;
    text += (text.empty() ? "" : ",") + shown(scope.get_string());
  }
  return text;
}

void print_key(Console& console, const json::object& key, std::string_view state) {
  const std::string agent = line_in(key, "agent");
  const std::string expires = line_in(key, "expires");
  console.out << fmt::format("{}  {:<7}  {:<20}  {}{}{}\n", line_in(key, "id"), state,
                             line_in(key, "name"), scopes_of(key),
                             agent.empty() ? "" : fmt::format("  for {}", agent),
                             expires.empty() ? "" : fmt::format("  until {}", expires));
}

// All of them, newest first.
awaitable<int> key_list(Console& console, const RemoteOptions& options, http::Client& client) {
  const std::string now = base::rfc3339(base::SystemClock().wall());
  const std::string first = fmt::format("/api/keys?limit={}", keys_at_once);
  json::array keys;
  for (std::string target = first; !target.empty();) {
    const auto answer = co_await client.call_json({.target = target});
    if (!answer) co_return print_failed(console, answer.error());
    for (const auto& item : items_of(*answer)) {
      if (!item.is_object()) continue;
      const auto state = state_of_key(item.get_object(), now);
      if (options.only_good && state != "good") continue;
      if (!console.is_json) print_key(console, item.get_object(), state);
      json::object key = item.get_object();
      key["state"] = state;
      keys.push_back(std::move(key));
    }
    const auto cursor = answer->is_object() ? text_in(answer->get_object(), "next_cursor") : "";
    target = cursor.empty() ? "" : first;
    add_query(target, "cursor", cursor);
  }
  if (console.is_json) print_json(console, json::object{{"items", std::move(keys)}});
  co_return exit_ok;
}

awaitable<int> key_revoke(Console& console, const RemoteOptions& options, http::Client& client) {
  http::ClientRequest request{.method = "DELETE", .target = "/api/keys/" + encoded(options.id)};
  co_return co_await call(console, client, std::move(request),
                          [&](const json::value&) { console.out << options.id << " revoked\n"; });
}

void add_keys(CLI::App& root, CommandLine& line) {
  CLI::App* group =
      add_group(root, "key", "Keys that let agents use the daemon", "flywheel key list");
  add_remote(*group, line, "create", "Make a key and print it once",
             "flywheel key create --name agent-7 --scopes packets", key_create,
             [](CLI::App& command, RemoteOptions& options) {
               command
                   .add_option("--name", options.name,
                               "Whose key it is; packets sent with it have this sender")
                   ->required();
               command
                   .add_option("--scopes", options.scopes,
                               "What it may do, separated by commas: packets, agents:read, "
                               "agents:write, messages, workflows, memory, events, actions, "
                               "approve, session, audit, or admin for everything")
                   ->required();
               command.add_option("--agent", options.agent, "Acts only as this agent");
               command.add_option("--days", options.days, "Expires after so many days")
                   ->check(CLI::Range(1, 3650));
             });
  add_remote(
      *group, line, "list",
      "List all keys, newest first, without their secrets: good, revoked or expired, and for "
      "which agent",
      "flywheel key list --good", key_list, [](CLI::App& command, RemoteOptions& options) {
        command.add_flag("--good", options.only_good,
                         "Only those that are neither revoked nor expired");
      });
  add_remote(*group, line, "revoke", "Make a key useless at once", "flywheel key revoke 0192",
             key_revoke, [](CLI::App& command, RemoteOptions& options) {
               command.add_option("id", options.id, "The key's id")->type_name("ID")->required();
             });
}

// ---- events

awaitable<int> events_tail(Console& console, const RemoteOptions& options, http::Client& client) {
  std::string target = "/api/events";
  add_query(target, "last_event_id", options.after);
  add_query(target, "types", options.type);
  http::ClientRequest request{.target = target, .headers = {{"Accept", "text/event-stream"}}};
  auto ended = co_await client.events(std::move(request), [&](const http::ClientEvent& event) {
    if (event.name == "reset") {
      console.err << "events before were missed\n";
      return true;
    }
    console.out << event.data << std::endl;
    return console.out.good();
  });
  co_return ended ? exit_ok : print_failed(console, ended.error());
}

void add_events(CLI::App& root, CommandLine& line) {
  CLI::App* group =
      add_group(root, "events", "What happens, while it happens", "flywheel events tail");
  add_remote(*group, line, "tail", "Print events as CloudEvents, one a line, until interrupted",
             "flywheel events tail", events_tail, [](CLI::App& command, RemoteOptions& options) {
               command.add_option("--type", options.type, "Only these types, separated by commas");
               command.add_option("--after", options.after, "Begin after this event's id");
             });
}

}  // namespace

void add_remote_commands(CLI::App& root, CommandLine& line) {
  add_packets(*root.get_subcommand("packet"), line);
  add_queue(root, line);
  add_audit(root, line);
  add_keys(root, line);
  add_events(root, line);
}

}  // namespace app
