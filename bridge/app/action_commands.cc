// flywheel action: what agents ask for, and what people say to it.
#include "bridge/app/foreign_text.h"
#include "bridge/app/remote_call.h"
#include "bridge/base/json.h"
#include "bridge/base/limits.h"
#include "bridge/services/actions/action_limits.h"

#include <vector>

#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

struct ActionOptions {
  BridgeOptions bridge;
  std::string agent, action, params, id, note, state, key, verdict;
  std::string reason;
  bool is_dry = false, is_all = false;
};
using Story = std::function<awaitable<int>(Console&, const ActionOptions&, http::Client&)>;

void print_line(Console& console, const json::object& asked) {
  // An undo bears the name of the action that it takes back.
  const auto* deed = line_in(asked, "undoes").empty() ? "" : "undo of ";
  console.out << fmt::format("{}  {:<9}  {:<20}  risk {:<3}  by {}\n", line_in(asked, "id"),
                             line_in(asked, "state"), deed + line_in(asked, "action"),
                             line_in(asked, "risk"), line_in(asked, "asker"));
}

void print_whole(Console& console, const json::object& asked) {
  print_line(console, asked);
  for (const auto* name :
       {"undoes", "params", "approvals", "resolutions", "expires", "error", "detail", "result"}) {
    const auto text = line_in(asked, name);
    if (text.empty()) continue;
    const auto trust = trust_in(asked, name);
    console.out << fmt::format("{:<10}{} {}\n", name, trust, text);
  }
}

awaitable<int> list(Console& console, const ActionOptions&, http::Client& client) {
  co_return co_await call(
      console, client, {.target = fmt::format("/api/actions?limit={}", limits::http_page_max)},
      [&](const json::value& answer) {
        for (const auto& item : items_of(answer)) {
          const auto& one = item.as_object();
          const auto off = line_in(one, "switched_off");
          console.out << fmt::format(
              "{:<24}  {:<8}  risk {:<3}  {:<9}  {}{}\n", line_in(one, "name"),
              line_in(one, "kind"), line_in(one, "risk"), line_in(one, "min_tier"),
              line_in(one, "description"), off.empty() ? "" : "  [switched off: " + off + "]");
        }
      });
}

base::Result<json::object> wish(Console& console, const ActionOptions& options) {
  json::object body{{"action", options.action}};
  if (!options.key.empty()) body["idempotency_key"] = options.key;
  if (options.params.empty()) return body;
  std::string text = options.params;
  if (text == "-") {
    TRY(text, read_input(console, "-", limits::action_params_bytes_max));
  }
  auto params = base::parse_json(text);
  if (!params || !params->is_object()) {
    return base::fail(base::Code::invalid, "--params: must be a JSON object");
  }
  body["params"] = *std::move(params);
  return body;
}

std::string path_of(const ActionOptions& options, std::string_view verb) {
  return fmt::format("/api/gpt-agents/{}/actions/{}", encoded(options.agent), verb);
}

awaitable<int> check(Console& console, const ActionOptions& options, http::Client& client) {
  auto body = wish(console, options);
  if (!body) co_return print_failed(console, body.error());
  auto answer = co_await client.call_json({.method = "POST",
                                           .target = path_of(options, "check"),
                                           .body = json::value(*std::move(body))});
  if (!answer) co_return print_failed(console, answer.error());
  const auto& decision = answer->as_object();
  if (console.is_json) {
    print_json(console, *answer);
  } else {
    const bool needs = decision.at("needs_approval").as_bool();
    console.out << fmt::format("{}, risk {}\n",
                               !decision.at("allowed").as_bool() ? "refused"
                               : needs                           ? "allowed after approval"
                                                                 : "allowed",
                               text_in(decision, "risk"));
    for (const auto& reason : decision.at("reasons").as_array()) {
      console.out << "  " << shown(reason.as_string()) << '\n';
    }
    for (const auto& error : decision.at("errors").as_array()) {
      console.out << fmt::format("  {}: {}\n", line_in(error.as_object(), "pointer"),
                                 line_in(error.as_object(), "detail"));
    }
  }
  co_return decision.at("allowed").as_bool() ? exit_ok : exit_negative;
}

awaitable<int> execute(Console& console, const ActionOptions& options, http::Client& client) {
  auto body = wish(console, options);
  if (!body) co_return print_failed(console, body.error());
  (*body)["wait"] = 30;
  if (options.is_dry) (*body)["dry_run"] = true;
  auto answer = co_await client.call_json({.method = "POST",
                                           .target = path_of(options, "execute"),
                                           .body = json::value(*std::move(body))});
  if (!answer) co_return print_failed(console, answer.error());
  if (console.is_json) {
    print_json(console, *answer);
  } else if (options.is_dry) {
    print_pretty(console, *answer);
  } else {
    print_whole(console, answer->as_object());
  }
  const auto state = text_in(answer->as_object(), "state");
  co_return state == "failed" || state == "held" ? exit_job_failed : exit_ok;
}

awaitable<int> approvals(Console& console, const ActionOptions& options, http::Client& client) {
  std::string target = "/api/approvals";
  add_query(target, "state", options.state);
  add_query(target, "agent", options.agent);
  co_return co_await call(console, client, {.target = target}, [&](const json::value& answer) {
    for (const auto& item : items_of(answer)) print_line(console, item.as_object());
    if (items_of(answer).empty()) console.err << "none\n";
  });
}

awaitable<int> show(Console& console, const ActionOptions& options, http::Client& client) {
  co_return co_await call(
      console, client, {.target = "/api/approvals/" + encoded(options.id)},
      [&](const json::value& answer) { print_whole(console, answer.as_object()); });
}

Story decide(std::string decision) {
  return [decision = std::move(decision)](Console& console, const ActionOptions& options,
                                          http::Client& client) -> awaitable<int> {
    json::object body{{"approval", options.id}, {"decision", decision}};
    if (!options.note.empty()) body["note"] = options.note;
    http::ClientRequest request{.method = "POST",
                                .target = "/api/gpt-agents/-/actions/approve",
                                .body = json::value(std::move(body))};
    co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
      print_whole(console, answer.as_object());
    });
  };
}

awaitable<int> resolve(Console& console, const ActionOptions& options, http::Client& client) {
  json::object body{{"verdict", options.verdict}};
  if (!options.note.empty()) body["note"] = options.note;
  http::ClientRequest request{
      .method = "POST",
      .target = fmt::format("/api/approvals/{}/resolve?wait=30", encoded(options.id)),
      .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    print_whole(console, answer.as_object());
  });
}

void print_switches(Console& console, const json::value& answer) {
  const auto& off = answer.as_object().at("switched_off").as_object();
  for (const auto& [place, reason] : off) {
    console.out << fmt::format("off  {:<40}  {}\n", shown(place), shown(reason.as_string()));
  }
  if (off.empty()) console.err << "nothing is switched off\n";
}

awaitable<int> switches(Console& console, const ActionOptions&, http::Client& client) {
  co_return co_await call(console, client, {.target = "/api/actions"},
                          [&](const json::value& answer) { print_switches(console, answer); });
}

// The API's "on" is that of the kill switch.
Story flip(bool is_killed) {
  return [is_killed](Console& console, const ActionOptions& options,
                     http::Client& client) -> awaitable<int> {
    json::object body{{"on", is_killed}, {"reason", options.reason}};
    if (options.is_all) body["all"] = true;
    if (!options.action.empty()) body["action"] = options.action;
    if (!options.agent.empty()) body["agent"] = options.agent;
    http::ClientRequest request{
        .method = "POST", .target = "/api/actions/kill", .body = json::value(std::move(body))};
    co_return co_await call(console, client, std::move(request),
                            [&](const json::value& answer) { print_switches(console, answer); });
  };
}

void add_switch(CLI::App& command, ActionOptions& options) {
  auto* all = command.add_flag("--all", options.is_all, "Every action");
  auto* action = command.add_option("--action", options.action, "This action and its undo");
  auto* agent = command.add_option("--agent", options.agent, "Whatever this agent asks for");
  action->type_name("ACTION")->excludes(all);
  agent->type_name("AGENT")->excludes(all)->excludes(action);
  command.add_option("--reason", options.reason, "Why; everybody can read it")
      ->type_name("TEXT")
      ->required();
}

awaitable<int> undo(Console& console, const ActionOptions& options, http::Client& client) {
  json::object body{{"wait", 30}};
  if (!options.key.empty()) body["idempotency_key"] = options.key;
  http::ClientRequest request{.method = "POST",
                              .target = "/api/approvals/" + encoded(options.id) + "/undo",
                              .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    print_whole(console, answer.as_object());
  });
}

void add_wish(CLI::App& command, ActionOptions& options) {
  command.add_option("agent", options.agent, "The agent that wants it")
      ->type_name("AGENT")
      ->required();
  command.add_option("action", options.action, "Its name")->type_name("ACTION")->required();
  command.add_option("--params", options.params, "A JSON object; - reads standard input")
      ->type_name("JSON");
}

using More = std::function<void(CLI::App&, ActionOptions&)>;

// Adds commands of the group.
class Group {
 public:
  Group(CLI::App& group, CommandLine& line) : group_(group), line_(line) {}

  void add(const std::string& name, const std::string& summary, const std::string& example,
           Story story, const More& more = {}) {
    add_remote_command<ActionOptions>(group_, line_, name, summary, "flywheel action " + example,
                                      std::move(story), more);
  }

 private:
  CLI::App& group_;
  CommandLine& line_;
};

void add_id(CLI::App& command, ActionOptions& options) {
  command.add_option("id", options.id, "What was asked for: its id, or its unique beginning")
      ->type_name("ID")
      ->required();
}

void add_word(CLI::App& command, ActionOptions& options) {
  add_id(command, options);
  command.add_option("--note", options.note, "Why; everybody can read it")->type_name("TEXT");
}

void add_key(CLI::App& command, ActionOptions& options) {
  command.add_option("--idempotency-key", options.key, "The same key asks once")->type_name("KEY");
}

void add_verdict(CLI::App& command, ActionOptions& options) {
  add_word(command, options);
  command
      .add_option("--verdict", options.verdict,
                  "sent: it was done; not-sent: it was not, do it now if it still may be done; "
                  "abandon: give it up")
      ->type_name("sent|not-sent|abandon")
      ->check(CLI::IsMember({"sent", "not-sent", "abandon"}))
      ->required();
}

constexpr std::string_view example_id = "0197f3a2-0000-7000-8000-000000000001";
constexpr std::string_view example_wish =
    "builder message.send --params '{\"to\": \"critic\", \"text\": \"hi\"}'";

void add_wishes(Group& group) {
  group.add("list", "List what may be asked for", "list", list);
  group.add("check", "Say what would happen, and why; nothing is done",
            fmt::format("check {}", example_wish), check, add_wish);
  group.add("execute", "Do it, or ask people first", fmt::format("execute {}", example_wish),
            execute, [](CLI::App& command, ActionOptions& options) {
              add_wish(command, options);
              command.add_flag("--dry-run", options.is_dry, "Only decide");
              add_key(command, options);
            });
  group.add("approvals", "List what was asked for, newest first", "approvals --is waiting",
            approvals, [](CLI::App& command, ActionOptions& options) {
              command.add_option("--is", options.state, "Only those in this state")
                  ->type_name("waiting|approved|rejected|expired|done|failed|held");
              command.add_option("--agent", options.agent, "Only this agent's")->type_name("AGENT");
            });
  group.add("show", "Show one with what people said", fmt::format("show {}", example_id), show,
            add_id);
}

// What people say to what was asked for.
void add_words(Group& group) {
  group.add("approve", "Let it be done, once", fmt::format("approve {}", example_id),
            decide("approve"), add_word);
  group.add("reject", "Let it not be done",
            fmt::format("reject {} --note \"not today\"", example_id), decide("reject"), add_word);
  group.add("undo", "Take back one that was done, under the same policy",
            fmt::format("undo {}", example_id), undo,
            [](CLI::App& command, ActionOptions& options) {
              add_id(command, options);
              add_key(command, options);
            });
  group.add("resolve", "Say what became of one that is held: nobody knows whether it was done",
            fmt::format("resolve {}", example_id) + " --verdict sent --note \"it is in the log\"",
            resolve, add_verdict);
  group.add("switches", "Show what is switched off, and why", "switches", switches);
  group.add("off", "Switch off an action, an agent's actions, or all, at once",
            "off --all --reason \"incident 7\"", flip(true), add_switch);
  group.add("on", "Switch on again", "on --action deploy.staging --reason \"it is mended\"",
            flip(false), add_switch);
}

}  // namespace

void add_action_commands(CLI::App& root, CommandLine& line) {
  Group group(*add_group(root, "action", "What agents ask for, and what people say to it",
                         "flywheel action approvals --is waiting"),
              line);
  add_wishes(group);
  add_words(group);
}

}  // namespace app
