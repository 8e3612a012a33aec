// flywheel schedule: what a running daemon does by itself from time to time.
#include "bridge/app/foreign_text.h"
#include "bridge/app/project.h"
#include "bridge/app/remote_call.h"
#include "bridge/app/run_report.h"
#include "bridge/base/limits.h"
#include "bridge/protocol/packet.h"

#include <optional>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

struct ScheduleOptions {
  BridgeOptions bridge;
  std::string which;
  std::optional<std::string> name, cron, zone, every, packet, workflow, priority;
  RunInputs inputs;
  std::optional<int> deadline_s;
  bool checks_session = false;
  bool is_paused = false;
  bool takes_newest = false;
};
using Story = std::function<awaitable<int>(Console&, const ScheduleOptions&, http::Client&)>;

std::string path_of(const ScheduleOptions& options, std::string_view verb = {}) {
  const std::string path = "/api/schedules/" + encoded(options.which);
  return verb.empty() ? path : fmt::format("{}/{}", path, verb);
}

// "every 15m", or the expression with its zone.
std::string rule_of(const json::object& schedule) {
  const auto interval = line_in(schedule, "interval");
  if (!interval.empty()) return "every " + interval;
  return fmt::format("{} ({})", line_in(schedule, "cron"), line_in(schedule, "time_zone"));
}

std::string name_of(const json::object& schedule) {
  const auto name = line_in(schedule, "name");
  return name.empty() ? line_in(schedule, "id") : name;
}

std::string next_of(const json::object& schedule) {
  const auto next = line_in(schedule, "next_run");
  return next.empty() ? "paused" : "next " + next;
}

std::string run_line(const json::object& run) {
  std::string line = fmt::format("{}  {}", line_in(run, "started"), line_in(run, "outcome"));
  for (const auto* key : {"job", "workflow_run", "detail"}) {
    if (const auto text = line_in(run, key); !text.empty()) line += "  " + text;
  }
  return line;
}

void print_line(Console& console, const json::object& schedule) {
  const auto* last = schedule.if_contains("last_run");
  console.out << fmt::format(
      "{:<24}  {:<13}  {:<28}  {:<29}  {}\n", name_of(schedule), line_in(schedule, "does"),
      rule_of(schedule), next_of(schedule),
      last && last->is_object() ? "last " + line_in(last->get_object(), "outcome") : "not yet run");
}

void print_whole(Console& console, const json::object& schedule) {
  const auto row = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) console.out << fmt::format("{:<9} {}\n", name, shown(text));
  };
  row("id", text_in(schedule, "id"));
  row("name", text_in(schedule, "name"));
  row("when", rule_of(schedule));
  const auto* packet = schedule.if_contains("packet");
  if (packet && packet->is_object()) {
    const auto& body = packet->get_object();
    row("what", fmt::format("{} for {}, sent by {}, {}", text_in(body, "msg_type"),
                            text_in(body, "bead_id"), text_in(body, "sender"),
                            text_in(schedule, "priority")));
  } else if (const auto workflow = text_in(schedule, "workflow"); !workflow.empty()) {
    const auto version = text_in(schedule, "workflow_version");
    row("what", fmt::format("a run of the workflow {}, {}", workflow,
                            version == "0" ? "no version that is known: resume it with --newest"
                                           : "version " + version));
    row("inputs", text_in(schedule, "inputs"));
  } else {
    row("what", "a look at the session");
  }
  const auto next = text_in(schedule, "next_run");
  row("next run", next.empty() ? "none: it is paused" : next);
  row("runs", text_in(schedule, "runs"));
  const auto* recent = schedule.if_contains("recent_runs");
  if (!recent || !recent->is_array()) return;
  for (const auto& run : recent->get_array()) {
    if (run.is_object()) row("", run_line(run.get_object()));
  }
}

awaitable<int> list(Console& console, const ScheduleOptions&, http::Client& client) {
  const auto target = fmt::format("/api/schedules?limit={}", limits::schedules_max);
  co_return co_await call(console, client, {.target = target}, [&](const json::value& answer) {
    for (const auto& item : items_of(answer)) {
      if (item.is_object()) print_line(console, item.get_object());
    }
    if (items_of(answer).empty()) console.err << "no schedules\n";
    const auto* page = answer.if_object();
    if (page && !text_in(*page, "next_cursor").empty()) {
      console.err << "there are more than one answer holds: /api/schedules gives them by its "
                     "next_cursor\n";
    }
  });
}

awaitable<int> show(Console& console, const ScheduleOptions& options, http::Client& client) {
  co_return co_await call(console, client, {.target = path_of(options)},
                          [&](const json::value& answer) {
                            if (answer.is_object()) print_whole(console, answer.get_object());
                          });
}

// The packet, checked before anybody is asked, so that its faults are told by their lines.
base::Result<json::object> packet_in(Console& console, const ScheduleOptions& options) {
  const std::string& path = *options.packet;
  TRY(const auto types, protocol::MessageTypes::load(own_schemas(options.bridge.config)));
  TRY(const std::string text, read_input(console, path, limits::packet_bytes_max));
  auto packet = protocol::Packet::parse(text, types);
  if (packet) return packet->body();
  std::string message = fmt::format("{}: {}", path, packet.error().message);
  for (const auto& violation : packet.error().violations) {
    message += "\n  " + protocol::to_line(violation);
  }
  return base::fail(base::Code::invalid, std::move(message), "invalid_packet");
}

awaitable<int> create(Console& console, const ScheduleOptions& options, http::Client& client) {
  json::object body;
  const auto add = [&](std::string_view key, const auto& value) {
    if (value) body[key] = *value;
  };
  add("name", options.name);
  add("cron", options.cron);
  add("time_zone", options.zone);
  add("interval", options.every);
  add("priority", options.priority);
  add("deadline_seconds", options.deadline_s);
  if (options.workflow) {
    auto inputs = inputs_of(console, options.inputs);
    if (!inputs) co_return print_failed(console, inputs.error());
    body["workflow"] = *options.workflow;
    body["inputs"] = *std::move(inputs);
  }
  if (options.checks_session) body["session_check"] = true;
  if (options.is_paused) body["paused"] = true;
  if (options.packet) {
    auto packet = packet_in(console, options);
    if (!packet) co_return print_failed(console, packet.error());
    body["packet"] = *std::move(packet);
  }
  http::ClientRequest request{
      .method = "POST", .target = "/api/schedules", .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    if (answer.is_object()) print_whole(console, answer.get_object());
  });
}

Story change(std::string verb) {
  return [verb = std::move(verb)](Console& console, const ScheduleOptions& options,
                                  http::Client& client) -> awaitable<int> {
    json::object body;
    if (options.takes_newest) body["newest_version"] = true;
    http::ClientRequest request{
        .method = "POST", .target = path_of(options, verb), .body = json::value(std::move(body))};
    co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
      if (answer.is_object()) print_line(console, answer.get_object());
    });
  };
}

awaitable<int> run(Console& console, const ScheduleOptions& options, http::Client& client) {
  http::ClientRequest request{
      .method = "POST", .target = path_of(options, "run"), .body = json::value(json::object())};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    if (answer.is_object()) console.out << run_line(answer.get_object()) << '\n';
  });
}

awaitable<int> remove(Console& console, const ScheduleOptions& options, http::Client& client) {
  http::ClientRequest request{.method = "DELETE", .target = path_of(options)};
  co_return co_await call(console, client, std::move(request), [&](const json::value&) {
    console.out << options.which << " deleted\n";
  });
}

void add_create_options(CLI::App& command, ScheduleOptions& options) {
  command.add_option("--name", options.name, "By what it is called in the other commands");
  auto* cron = command.add_option(
      "--cron", options.cron, "minute hour day-of-month month day-of-week, or @hourly, @daily, …");
  command.add_option("--time-zone", options.zone, "Of the cron expression (default: UTC)")
      ->type_name("ZONE")
      ->needs(cron);
  command.add_option("--every", options.every, "An interval: 90s, 15m, 1h30m, 1d")->excludes(cron);
  auto* packet = command.add_option("--packet", options.packet, "The packet to hand in each time")
                     ->type_name("FILE");
  auto* workflow =
      command
          .add_option("--workflow", options.workflow, "The workflow to begin a run of each time")
          ->type_name("NAME")
          ->excludes(packet);
  add_inputs(command, options.inputs);
  for (const auto* name : {"--input", "--inputs"}) command.get_option(name)->needs(workflow);
  command.add_flag("--session-check", options.checks_session, "Look at the session instead")
      ->excludes(packet)
      ->excludes(workflow);
  command.add_option("--priority", options.priority, "Of the packets (default: P2)")
      ->type_name("P0|P1|P2|P3")
      ->check(CLI::IsMember({"P0", "P1", "P2", "P3"}))
      ->needs(packet);
  command
      .add_option("--deadline", options.deadline_s,
                  "A packet that is not sent within so many seconds expires")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 2678400))
      ->needs(packet);
  command.add_flag("--paused", options.is_paused, "Let it wait for flywheel schedule resume");
}

}  // namespace

void add_schedule_commands(CLI::App& root, CommandLine& line) {
  CLI::App* group =
      add_group(root, "schedule", "Packets, workflows and session checks that run by themselves",
                "flywheel schedule list");
  const auto add = [&](const std::string& name, const std::string& summary,
                       const std::string& example, Story story,
                       const std::function<void(CLI::App&, ScheduleOptions&)>& more = {}) {
    add_remote_command<ScheduleOptions>(*group, line, name, summary, example, std::move(story),
                                        more);
  };
  const auto add_which = [](CLI::App& command, ScheduleOptions& options) {
    command.add_option("which", options.which, "Its name, or the beginning of its id")
        ->type_name("NAME|ID")
        ->required();
  };
  add("create", "Make one; a missed run is made up for once",
      "flywheel schedule create --name nightly --cron \"0 3 * * *\" --time-zone Europe/Berlin "
      "--packet packet.json",
      create, add_create_options);
  add("list", "List them, newest first", "flywheel schedule list", list);
  add("show", "Show one with its newest runs", "flywheel schedule show nightly", show, add_which);
  add("pause", "Let it rest; what is missed meanwhile is not made up for",
      "flywheel schedule pause nightly", change("pause"), add_which);
  add("resume", "Let a paused one go on", "flywheel schedule resume nightly", change("resume"),
      [&](CLI::App& command, ScheduleOptions& options) {
        add_which(command, options);
        command.add_flag("--newest", options.takes_newest,
                         "Begin the newest version of its workflow from now on, whoever made it");
      });
  add("run", "Run it once, now", "flywheel schedule run nightly", run, add_which);
  add("delete", "Remove it; what it handed in and began stays", "flywheel schedule delete nightly",
      remove, add_which);
}

}  // namespace app
