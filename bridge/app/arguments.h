// Checks arguments against the commands and options there are, before they are parsed.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include <CLI/App.hpp>

namespace app {

struct UsageError {
  const CLI::App* command;  // the innermost command named so far
  std::string message;
};

// The command that `arguments` (without the program's name) choose. An unknown command or option
// is an error that names the nearest known one; what follows an option that takes a value is its
// value, whatever it looks like. A number that follows an option that may go without becomes its
// value: of "--wait 60" is made "--wait=60".
std::expected<const CLI::App*, UsageError> find_command(const CLI::App& root,
                                                        std::vector<std::string>& arguments);

// "packet build" for the command below the program's own name.
std::string path_of(const CLI::App& command);

// Commands and options that may follow `command`, its ancestors' options included.
std::vector<const CLI::App*> subcommands_of(const CLI::App& command);
std::vector<const CLI::Option*> options_of(const CLI::App& command);
// The next word is its value.
bool takes_value(const CLI::Option& option);
// It has a value only behind "=": a flag whose value has a type.
bool may_have_value(const CLI::Option& option);

}  // namespace app
