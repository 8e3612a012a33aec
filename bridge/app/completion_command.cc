// flywheel completion bash | zsh | fish: scripts made from the commands there are.
#include "bridge/app/arguments.h"
#include "bridge/app/command_line.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

namespace app {
namespace {

// How the value of an option is completed.
enum class Values { none, files, folders, words };

struct Word {
  std::string text;
  std::string description;
};

struct Valued {
  std::string name;  // with dashes
  Values values;
  std::string words;  // separated by spaces
};

// One command: what may come after it.
struct Place {
  std::string path;  // "packet build"; empty for the program itself
  std::vector<Word> commands;
  std::vector<Word> options;
  std::vector<Valued> valued;
  Values positional = Values::none;
  std::string positional_words;
};

std::pair<Values, std::string> values_of(const CLI::Option& option) {
  std::string type = option.get_type_name();
  if (type == "FILE") return {Values::files, ""};
  if (type == "DIR") return {Values::folders, ""};
  if (type.find('|') == std::string::npos) return {Values::none, ""};
  std::ranges::replace(type, '|', ' ');
  return {Values::words, type};
}

void collect(const CLI::App& command, std::vector<Place>& places) {
  Place place;
  place.path = path_of(command);
  for (const CLI::Option* option : options_of(command)) {
    for (const std::string& name : option->get_lnames()) {
      place.options.push_back({"--" + name, option->get_description()});
      if (!takes_value(*option)) continue;
      auto [values, words] = values_of(*option);
      place.valued.push_back({"--" + name, values, std::move(words)});
    }
  }
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_positional() && place.positional == Values::none) {
      std::tie(place.positional, place.positional_words) = values_of(*option);
    }
  }
  const auto subcommands = subcommands_of(command);
  for (const CLI::App* sub : subcommands) {
    place.commands.push_back({sub->get_name(), sub->get_description()});
  }
  places.push_back(std::move(place));
  for (const CLI::App* sub : subcommands) collect(*sub, places);
}

std::string joined(const std::vector<Word>& words) {
  std::string out;
  for (const Word& word : words) out += (out.empty() ? "" : " ") + word.text;
  return out;
}

// The text between single quotes, for a shell that ends and reopens them around a quote.
std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// The part that bash and zsh share: finds the command in $words_before, leaving its path in $at
// and the option whose value is being typed, if any, in $previous.
std::string find_place(const std::vector<Place>& places) {
  std::string commands;
  std::string valued;
  for (const Place& place : places) {
    const std::string prefix = place.path.empty() ? "" : place.path + " ";
    for (const Word& command : place.commands) {
      commands += (commands.empty() ? "" : "|") + shell_quoted(prefix + command.text);
    }
    for (const Valued& option : place.valued) {
      valued += (valued.empty() ? "" : "|") + shell_quoted(place.path + " " + option.name);
    }
  }
  return fmt::format(
      "  local at='' previous='' word\n"
      "  for word in \"${{words_before[@]}}\"; do\n"
      "    if [[ -n $previous ]]; then previous=''; continue; fi\n"
      "    case \"$at $word\" in {}) previous=$word; continue ;; esac\n"
      "    case \"${{at:+$at }}$word\" in {}) at=\"${{at:+$at }}$word\" ;; esac\n"
      "  done\n",
      valued, commands);
}

struct Dialect {
  std::string_view files;
  std::string_view folders;
  std::string (*words)(const std::string& list);
};

std::string action(const Dialect& dialect, Values values, const std::string& words) {
  switch (values) {
    case Values::none:
      return ":";
    case Values::files:
      return std::string(dialect.files);
    case Values::folders:
      return std::string(dialect.folders);
    case Values::words:
      return dialect.words(words);
  }
  return ":";
}

std::string cases(const Dialect& dialect, const std::vector<Place>& places) {
  std::string out = "  case \"$at $previous\" in\n";
  for (const Place& place : places) {
    for (const Valued& option : place.valued) {
      out += fmt::format("    {}) {} ;;\n", shell_quoted(place.path + " " + option.name),
                         action(dialect, option.values, option.words));
    }
    const std::string options = dialect.words(joined(place.options));
    std::string plain = place.commands.empty()
                            ? action(dialect, place.positional, place.positional_words)
                            : dialect.words(joined(place.commands));
    out += fmt::format("    {}) if [[ $current == -* ]]; then {}; else {}; fi ;;\n",
                       shell_quoted(place.path + " "), options, plain);
  }
  return out + "  esac\n";
}

std::string bash_script(const std::vector<Place>& places) {
  const Dialect bash{"compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\")",
                     "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$current\")",
                     [](const std::string& list) {
                       return fmt::format("mapfile -t COMPREPLY < <(compgen -W {} -- \"$current\")",
                                          shell_quoted(list));
                     }};
  return fmt::format(
      "# bash completion for flywheel. Load it with: source <(flywheel completion bash)\n"
      "_flywheel() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}}\n"
      "  local words_before=(\"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\")\n"
      "  COMPREPLY=()\n"
      "{}{}}}\n"
      "complete -F _flywheel flywheel\n",
      find_place(places), cases(bash, places));
}

std::string zsh_script(const std::vector<Place>& places) {
  const Dialect zsh{"_files", "_files -/",
                    [](const std::string& list) { return fmt::format("compadd -- {}", list); }};
  return fmt::format(
      "#compdef flywheel\n"
      "# zsh completion for flywheel. Load it with: source <(flywheel completion zsh)\n"
      "_flywheel() {{\n"
      "  local current=${{words[CURRENT]}}\n"
      "  local -a words_before=(\"${{(@)words[2,CURRENT-1]}}\")\n"
      "{}{}}}\n"
      "compdef _flywheel flywheel\n",
      find_place(places), cases(zsh, places));
}

std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += (c == '\'' || c == '\\' ? "\\" : "") + std::string(1, c);
  return out + "'";
}

std::string fish_script(const std::vector<Place>& places) {
  std::string out =
      "# fish completion for flywheel. Load it with: flywheel completion fish | source\n"
      "function __flywheel_at\n"
      "  set -l words (commandline -opc)\n"
      "  test (string join ' ' (string match -v -- '-*' $words[2..-1]))' ' = \"$argv \"\n"
      "end\n"
      "function __flywheel_in\n"
      "  set -l words (commandline -opc)\n"
      "  string match -q -- \"$argv *\" (string join ' ' $words[2..-1])' '\n"
      "end\n"
      "complete -c flywheel -f\n";
  for (const Place& place : places) {
    for (const Word& command : place.commands) {
      out += fmt::format("complete -c flywheel -n {} -a {} -d {}\n",
                         fish_quoted("__flywheel_at " + place.path), fish_quoted(command.text),
                         fish_quoted(command.description));
    }
    const std::string condition =
        place.path.empty() ? "" : " -n " + fish_quoted("__flywheel_in " + place.path);
    if (place.positional == Values::files) {
      out += fmt::format("complete -c flywheel{} -F\n", condition);
    } else if (place.positional == Values::words) {
      out += fmt::format("complete -c flywheel{} -a {}\n", condition,
                         fish_quoted(place.positional_words));
    }
    for (const Word& option : place.options) {
      const auto valued = std::ranges::find(place.valued, option.text, &Valued::name);
      std::string value;
      if (valued != place.valued.end()) {
        value = valued->values == Values::words  ? " -x -a " + fish_quoted(valued->words)
                : valued->values == Values::none ? " -x"
                                                 : " -r -F";
      }
      out += fmt::format("complete -c flywheel{} -l {}{} -d {}\n", condition, option.text.substr(2),
                         value, fish_quoted(option.description));
    }
  }
  return out;
}

int print_script(const CLI::App& root, const std::string& shell, Console& console) {
  std::vector<Place> places;
  collect(root, places);
  if (shell == "bash") {
    console.out << bash_script(places);
  } else if (shell == "zsh") {
    console.out << zsh_script(places);
  } else if (shell == "fish") {
    console.out << fish_script(places);
  } else {
    print_error(console,
                "no completion for the shell \"" + shell + "\"; there are bash, zsh and fish");
    return exit_usage;
  }
  return exit_ok;
}

}  // namespace

void add_completion_command(CLI::App& root, CommandLine& line) {
  CLI::App* command = add_command(root, "completion", "Print a script that completes commands",
                                  "source <(flywheel completion bash)");
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "The shell to complete in")
      ->type_name("bash|zsh|fish")
      ->required();
  command->callback([shell, &root, &line] {
    line.run = [shell, &root](Console& console) { return print_script(root, *shell, console); };
  });
}

}  // namespace app
