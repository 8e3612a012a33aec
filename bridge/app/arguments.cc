#include "bridge/app/arguments.h"

#include "bridge/base/nearest.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace app {
namespace {

const CLI::Option* find_option(const CLI::App& command, const std::string& name) {
  for (const CLI::Option* option : options_of(command)) {
    const bool is_long = name.starts_with("--");
    if (is_long ? option->check_lname(name.substr(2)) : option->check_sname(name.substr(1))) {
      return option;
    }
  }
  return nullptr;
}

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : options_of(command)) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* sub : subcommands_of(command)) names.push_back(sub->get_name());
  return names;
}

std::string of_command(const CLI::App& command) {
  const std::string path = path_of(command);
  return path.empty() ? "" : " for " + path;
}

bool is_number(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

void join_number(std::vector<std::string>& arguments, std::size_t i) {
  if (i + 1 == arguments.size() || !is_number(arguments[i + 1])) return;
  arguments[i] += "=" + arguments[i + 1];
  arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1);
}

}  // namespace

std::expected<const CLI::App*, UsageError> find_command(const CLI::App& root,
                                                        std::vector<std::string>& arguments) {
  const CLI::App* command = &root;
  const auto wrong = [&](std::string message) {
    return std::unexpected(UsageError{command, std::move(message)});
  };
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    const std::string& word = arguments[i];
    if (word.size() > 1 && word.starts_with('-')) {
      const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
      const std::string name = word.substr(0, equals);
      const CLI::Option* option = find_option(*command, name);
      if (!option) {
        return wrong("unknown option " + name + of_command(*command) +
                     base::suggestion(name, option_names(*command)));
      }
      if (equals != std::string::npos) continue;
      if (may_have_value(*option)) join_number(arguments, i);
      if (!takes_value(*option)) continue;
      if (++i == arguments.size()) return wrong(name + " needs a value");
    } else if (const auto subs = subcommands_of(*command); !subs.empty()) {
      const auto sub = std::ranges::find(subs, word, &CLI::App::get_name);
      if (sub == subs.end()) {
        return wrong("unknown command \"" + word + "\"" + of_command(*command) +
                     base::suggestion(word, command_names(*command)));
      }
      command = *sub;
    }
  }
  return command;
}

std::string path_of(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  if (!parent) return {};
  const std::string before = path_of(*parent);
  return before.empty() ? command.get_name() : before + " " + command.get_name();
}

std::vector<const CLI::App*> subcommands_of(const CLI::App& command) {
  return command.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<const CLI::Option*> options_of(const CLI::App& command) {
  std::vector<const CLI::Option*> out;
  for (const CLI::App* app = &command; app; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      const bool is_known = std::ranges::any_of(
          out, [&](const CLI::Option* other) { return other->get_name() == option->get_name(); });
      if (option->nonpositional() && !is_known) out.push_back(option);
    }
  }
  return out;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

bool may_have_value(const CLI::Option& option) {
  return !takes_value(option) && !option.get_type_name().empty();
}

}  // namespace app
