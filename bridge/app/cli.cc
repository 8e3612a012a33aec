#include "bridge/app/cli.h"

#include "bridge/app/arguments.h"
#include "bridge/app/command_line.h"

#include <algorithm>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fmt/format.h>

namespace app {
namespace {

constexpr const char* summary =
    "Flywheel Bridge: lets coding agents talk to ChatGPT conversations through a signed-in "
    "browser.";

void set_up(CLI::App& root, CommandLine& line) {
  root.set_version_flag("--version", "flywheel " FLYWHEEL_VERSION, "Print the version");
  root.set_help_flag("-h,--help", "Print this help");
  root.add_flag("--json")->description("Print the result as JSON");
  root.footer(std::string("Example:\n"
                          "  flywheel packet validate --file packet.json\n\n"
                          "flywheel <command> --help explains a command.\n\n") +
              exit_status_help);
  root.require_subcommand(1);
  add_demo_command(root, line);
  add_serve_command(root, line);
  add_drain_command(root, line);
  add_send_command(root, line);
  add_session_commands(root, line);
  add_packet_commands(root, line);
  add_schema_commands(root, line);
  add_remote_commands(root, line);
  add_schedule_commands(root, line);
  add_action_commands(root, line);
  add_agent_commands(root, line);
  add_message_commands(root, line);
  add_fleet_commands(root, line);
  add_workflow_commands(root, line);
  add_memory_commands(root, line);
  add_subscription_commands(root, line);
  add_dashboard_command(root, line);
  add_store_commands(root, line);
  add_bead_commands(root, line);
  add_doctor_command(root, line);
  add_fixture_command(root, line);
  add_completion_command(root, line);
}

int usage_error(Console& console, const CommandLine& line, const UsageError& error) {
  const std::string path = path_of(*error.command);
  print_error(console, fmt::format("{}\nTry: flywheel{}{} --help", error.message,
                                   path.empty() ? "" : " ", path));
  const auto status = line.usage_status.find(error.command);
  return status == line.usage_status.end() ? exit_usage : status->second;
}

// What a person forgot, for commands that need a subcommand or required options.
std::string what_is_missing(const CLI::App& command, const std::string& fallback) {
  std::string names;
  for (const CLI::App* sub : subcommands_of(command)) {
    names += (names.empty() ? "" : ", ") + sub->get_name();
  }
  if (!names.empty()) return "which command? There are: " + names;
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_required() || option->count() > 0) continue;
    const std::string name =
        option->nonpositional() ? "--" + option->get_lnames().front() : option->get_name(true);
    names += (names.empty() ? "" : ", ") + name;
  }
  return names.empty() ? fallback : "missing: " + names;
}

}  // namespace

CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& text,
                      const std::string& example) {
  CLI::App* command = parent.add_subcommand(name, text);
  command->footer("Example:\n  " + example);
  command->fallthrough();
  return command;
}

CLI::App* add_group(CLI::App& parent, const std::string& name, const std::string& text,
                    const std::string& example) {
  CLI::App* group = add_command(parent, name, text, example);
  group->require_subcommand(1);
  return group;
}

int run_command_line(int argc, const char* const* argv, Console& console) {
  CLI::App root(summary, "flywheel");
  CommandLine line;
  set_up(root, line);
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  const auto command = find_command(root, arguments);
  const bool asks_for_help = std::ranges::any_of(
      arguments, [](const std::string& word) { return word == "--help" || word == "-h"; });
  if (!command && !asks_for_help) return usage_error(console, line, command.error());
  try {
    std::ranges::reverse(arguments);  // CLI11 takes them from the back.
    root.parse(arguments);
  } catch (const CLI::Success& success) {  // Help or version.
    return root.exit(success, console.out, console.err);
  } catch (const CLI::RequiredError& error) {
    const CLI::App& where = command ? **command : root;
    return usage_error(console, line, {&where, what_is_missing(where, error.what())});
  } catch (const CLI::ParseError& error) {
    return usage_error(console, line, {command ? *command : &root, error.what()});
  }
  console.is_json = root.get_option("--json")->count() > 0;
  const int status = line.run(console);
  console.out.flush();
  if (!console.out) {
    print_error(console, "write standard output: output error");
    return exit_io;
  }
  return status;
}

}  // namespace app
