// flywheel fleet: the agents of a category, sent on missions together.
#include "bridge/app/foreign_text.h"
#include "bridge/app/remote_call.h"
#include "bridge/app/run_report.h"
#include "bridge/base/limits.h"
#include "bridge/services/workflows/workflow_limits.h"
#include "bridge/services/workflows/yaml.h"

#include <vector>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

struct FleetOptions {
  BridgeOptions bridge;
  std::string category, objective, key, steps_file;
  std::vector<std::string> steps;
  int wait_s = 0;
};

constexpr std::string_view fleets_path = "/api/custom-gpt-fleets";

std::string path_of(const FleetOptions& options, std::string_view verb = {}) {
  auto path = fmt::format("{}/{}", fleets_path, encoded(options.category));
  return verb.empty() ? path : fmt::format("{}/{}", path, verb);
}

const json::object* object_in(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value ? value->if_object() : nullptr;
}

const json::array* array_in(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value ? value->if_array() : nullptr;
}

// "3 active, 1 draft"
std::string counts_of(const json::object& fleet, std::string_view key) {
  std::string text;
  if (const auto* counts = object_in(fleet, key)) {
    for (const auto& [name, count] : *counts) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", json::serialize(count), shown(name));
    }
  }
  return text;
}

void print_mission(Console& console, const json::object& mission) {
  console.out << fmt::format("mission {}  {}  {}%\n  {}\n", line_in(mission, "id"),
                             line_in(mission, "state"), line_in(mission, "progress"),
                             line_in(mission, "objective"));
  const auto* members = array_in(mission, "members");
  if (!members) return;
  for (const auto& item : *members) {
    const auto* member = item.if_object();
    if (!member) continue;
    const auto note = line_in(*member, "note");
    console.out << fmt::format("  {:<28}  {:<9}  {:>3}%{}\n", line_in(*member, "slug"),
                               line_in(*member, "state"), line_in(*member, "progress"),
                               note.empty() ? "" : "  " + note);
  }
}

void print_line(Console& console, const json::object& fleet) {
  const auto* mission = object_in(fleet, "mission");
  console.out << fmt::format(
      "{:<20}  {:>4}  {:<36}  {}\n", line_in(fleet, "key"), line_in(fleet, "size"),
      counts_of(fleet, "by_status"),
      mission ? fmt::format("on a mission, {}%", line_in(*mission, "progress")) : "");
}

void print_whole(Console& console, const json::object& fleet) {
  console.out << fmt::format("{}: {}\n", line_in(fleet, "category"), line_in(fleet, "purpose"));
  const auto* members = array_in(fleet, "members");
  if (members) {
    for (const auto& item : *members) {
      const auto* agent = item.if_object();
      if (!agent) continue;
      console.out << fmt::format("  {:<28}  {:<8}  {:<9}  {}\n", line_in(*agent, "slug"),
                                 line_in(*agent, "status"), line_in(*agent, "liveness"),
                                 line_in(*agent, "name"));
    }
    if (members->empty()) console.out << "  nobody is in it\n";
  }
  if (const auto* mission = object_in(fleet, "mission")) print_mission(console, *mission);
}

awaitable<int> list(Console& console, const FleetOptions&, http::Client& client) {
  const auto target = fmt::format("{}?limit={}", fleets_path, limits::http_page_max);
  co_return co_await call(console, client, {.target = target}, [&](const json::value& answer) {
    for (const auto& item : items_of(answer)) {
      if (item.is_object()) print_line(console, item.get_object());
    }
  });
}

awaitable<int> show(Console& console, const FleetOptions& options, http::Client& client) {
  co_return co_await call(console, client, {.target = path_of(options)},
                          [&](const json::value& answer) {
                            if (answer.is_object()) print_whole(console, answer.get_object());
                          });
}

awaitable<int> deploy(Console& console, const FleetOptions& options, http::Client& client) {
  json::object body{{"objective", options.objective}};
  if (!options.key.empty()) body["idempotency_key"] = options.key;
  http::ClientRequest request{
      .method = "POST", .target = path_of(options, "deploy"), .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    if (answer.is_object()) print_mission(console, answer.get_object());
  });
}

// --step TEXT, or what the file lists.
base::Result<json::array> steps_of(Console& console, const FleetOptions& options) {
  if (options.steps_file.empty()) return json::array(options.steps.begin(), options.steps.end());
  TRY(const auto text, read_input(console, options.steps_file, limits::yaml_bytes_max));
  TRY(auto parsed, workflow::parse_yaml(text));
  if (parsed.value.is_array()) return std::move(parsed.value.get_array());
  return base::fail(base::Code::invalid, options.steps_file + ": must hold a list of steps");
}

awaitable<int> orchestrate(Console& console, const FleetOptions& options, http::Client& client) {
  auto steps = steps_of(console, options);
  if (!steps) co_return print_failed(console, steps.error());
  json::object body{{"objective", options.objective}};
  if (!steps->empty()) body["steps"] = *std::move(steps);
  if (!options.key.empty()) body["idempotency_key"] = options.key;
  http::ClientRequest request{
      .method = "POST",
      .target = fmt::format("/api/gpt-fleets/{}/orchestrate", encoded(options.category)),
      .body = json::value(std::move(body))};
  const auto answer = co_await client.call_json(std::move(request));
  if (!answer) co_return print_failed(console, answer.error());
  if (!answer->is_object()) co_return exit_bug;
  co_return co_await follow(console, client, text_in(answer->get_object(), "id"), options.wait_s);
}

awaitable<int> recall(Console& console, const FleetOptions& options, http::Client& client) {
  http::ClientRequest request{
      .method = "POST", .target = path_of(options, "recall"), .body = json::value(json::object())};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    if (answer.is_object()) print_mission(console, answer.get_object());
  });
}

awaitable<int> missions(Console& console, const FleetOptions& options, http::Client& client) {
  const auto target = fmt::format("{}?limit={}", path_of(options, "missions"), limits::list_max);
  co_return co_await call(console, client, {.target = target}, [&](const json::value& answer) {
    for (const auto& item : items_of(answer)) {
      if (item.is_object()) print_mission(console, item.get_object());
    }
    if (items_of(answer).empty()) console.err << "no missions\n";
  });
}

void add_category(CLI::App& command, FleetOptions& options) {
  command.add_option("category", options.category, "Its category, or the category's key")
      ->type_name("FLEET")
      ->required();
}

void add_orchestrate(CLI::App& command, FleetOptions& options) {
  add_category(command, options);
  command.add_option("--objective", options.objective, "What it is to achieve")
      ->type_name("TEXT")
      ->required();
  auto* step = command
                   .add_option("--step", options.steps,
                               "A task, after the one before; without, all are asked at once")
                   ->type_name("TEXT");
  command
      .add_option("--steps", options.steps_file,
                  "A list of {task, agent?, id?, needs?}, as YAML or JSON")
      ->type_name("FILE")
      ->excludes(step);
  command.add_option("--idempotency-key", options.key, "Begins once for this key");
  add_wait(command, options.wait_s);
}

}  // namespace

void add_fleet_commands(CLI::App& root, CommandLine& line) {
  CLI::App* group = add_group(root, "fleet", "The agents of a category, sent on missions together",
                              "flywheel fleet list");
  add_remote_command<FleetOptions>(*group, line, "list", "List them", "flywheel fleet list", list);
  add_remote_command<FleetOptions>(*group, line, "show", "Show one with its members",
                                   "flywheel fleet show travel-commerce", show, add_category);
  add_remote_command<FleetOptions>(
      *group, line, "deploy", "Send the active members of one on a mission",
      "flywheel fleet deploy sentinel --objective \"Audit the release\"", deploy,
      [](CLI::App& command, FleetOptions& options) {
        add_category(command, options);
        command.add_option("--objective", options.objective, "What it is to achieve")
            ->type_name("TEXT")
            ->required();
        command.add_option("--idempotency-key", options.key, "Deploys once for this key");
      });
  add_remote_command<FleetOptions>(
      *group, line, "orchestrate", "Ask its agents, in the steps of a workflow's run",
      "flywheel fleet orchestrate travel-commerce --objective \"A week in May\" "
      "--step \"Draw the route\" --step \"Find the hotels\" --wait 600",
      orchestrate, add_orchestrate);
  add_remote_command<FleetOptions>(*group, line, "recall", "End its mission",
                                   "flywheel fleet recall sentinel", recall, add_category);
  add_remote_command<FleetOptions>(*group, line, "missions", "List its missions, newest first",
                                   "flywheel fleet missions sentinel", missions, add_category);
}

}  // namespace app
