// How command groups join the command line: one function a group, each in a file of its own.
#pragma once

#include "bridge/app/console.h"
#include "bridge/app/exit_status.h"

#include <functional>
#include <map>
#include <string>

#include <CLI/App.hpp>

namespace app {

// What the command line asks for. Groups fill it in while CLI11 parses.
struct CommandLine {
  // Runs the chosen command and returns an ExitStatus or another process exit status.
  std::function<int(Console&)> run;
  // The exit status of a usage error, for commands where it is not exit_usage.
  std::map<const CLI::App*, int> usage_status;
};

// Adds a command below `parent`. Option type names say how a value is completed: "FILE", "DIR",
// or its choices as "ok|no".
CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& summary,
                      const std::string& example);
// Adds a command that only holds others.
CLI::App* add_group(CLI::App& parent, const std::string& name, const std::string& summary,
                    const std::string& example);

// The groups, in the order in which help shows them.
void add_demo_command(CLI::App& root, CommandLine& line);
void add_serve_command(CLI::App& root, CommandLine& line);
void add_drain_command(CLI::App& root, CommandLine& line);
void add_send_command(CLI::App& root, CommandLine& line);
void add_session_commands(CLI::App& root, CommandLine& line);
void add_packet_commands(CLI::App& root, CommandLine& line);
void add_schema_commands(CLI::App& root, CommandLine& line);
// After add_packet_commands, whose group it adds to.
void add_remote_commands(CLI::App& root, CommandLine& line);
void add_schedule_commands(CLI::App& root, CommandLine& line);
void add_action_commands(CLI::App& root, CommandLine& line);
void add_agent_commands(CLI::App& root, CommandLine& line);
// After add_agent_commands, whose group it adds to.
void add_message_commands(CLI::App& root, CommandLine& line);
void add_fleet_commands(CLI::App& root, CommandLine& line);
void add_workflow_commands(CLI::App& root, CommandLine& line);
void add_memory_commands(CLI::App& root, CommandLine& line);
void add_subscription_commands(CLI::App& root, CommandLine& line);
void add_dashboard_command(CLI::App& root, CommandLine& line);
void add_store_commands(CLI::App& root, CommandLine& line);
void add_bead_commands(CLI::App& root, CommandLine& line);
void add_doctor_command(CLI::App& root, CommandLine& line);
void add_fixture_command(CLI::App& root, CommandLine& line);
void add_completion_command(CLI::App& root, CommandLine& line);

}  // namespace app
