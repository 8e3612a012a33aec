// flywheel packet build | validate: work offline, with the exit statuses of packet protocol v1.
#include "bridge/app/bridge_options.h"
#include "bridge/app/command_line.h"
#include "bridge/app/project.h"
#include "bridge/base/json.h"
#include "bridge/base/limits.h"
#include "bridge/protocol/packet.h"
#include "bridge/protocol/text.h"

#include <memory>
#include <optional>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;

// In v1 everything that is neither valid nor invalid is 1.
constexpr int exit_v1_error = 1;

constexpr const char* type_hint =
    "RFP_PLAN|RFP_ARBITRATE|EVIDENCE_BUNDLE|SPEC_LOCK|ACCEPTANCE_GATE";

struct BuildOptions {
  protocol::PacketParts parts;
  std::string context;
  std::vector<std::string> artifacts;
  std::vector<std::string> options;
  std::string notes;
  std::string idempotency_key;
  std::string out;
  std::optional<std::string> config;
  const CLI::Option* notes_given = nullptr;
  const CLI::Option* key_given = nullptr;
};

struct ValidateOptions {
  std::string file;
  std::optional<std::string> config;
  bool is_stdin = false;
};

int failed(Console& console, const base::Error& error) {
  print_error(console, error.message);
  return exit_v1_error;
}

int print_invalid(Console& console, const protocol::Refusal& refusal, std::string_view label) {
  if (console.is_json) {
    json::array errors;
    for (const auto& violation : refusal.violations) {
      errors.push_back({{"pointer", violation.pointer},
                        {"keyword", violation.keyword},
                        {"detail", violation.detail}});
    }
    print_json(console, {{"valid", false}, {"errors", std::move(errors)}});
  }
  console.err << "INVALID: " << refusal.message << " (" << label << ")\n";
  for (const auto& violation : refusal.violations) {
    console.err << "  " << protocol::to_line(violation) << '\n';
  }
  return exit_invalid_packet;
}

base::Result<json::value> read_json(Console& console, const std::string& path) {
  TRY(const std::string text, read_input(console, path, limits::packet_bytes_max));
  auto value = base::parse_json(text);
  if (!value) {
    return base::fail(value.error().code, fmt::format("read {}: {}", path, value.error().message));
  }
  return value;
}

base::Result<protocol::PacketParts> read_parts(Console& console, const BuildOptions& options) {
  protocol::PacketParts parts = options.parts;
  TRY(parts.context, read_json(console, options.context));
  for (const std::string& path : options.artifacts) {
    TRY(json::value artifact, read_json(console, path));
    parts.artifacts.push_back(std::move(artifact));
  }
  for (const std::string& path : options.options) {
    TRY(json::value option, read_json(console, path));
    parts.options.push_back(std::move(option));
  }
  if (options.notes_given->count() > 0) parts.notes = options.notes;
  if (options.key_given->count() > 0) parts.idempotency_key = options.idempotency_key;
  return parts;
}

int build(Console& console, const BuildOptions& options) {
  auto types = protocol::MessageTypes::load(own_schemas(options.config));
  if (!types) return failed(console, types.error());
  auto parts = read_parts(console, options);
  if (!parts) return failed(console, parts.error());
  auto built = protocol::build(*parts, *types, base::SystemClock().wall());
  if (!built) return print_invalid(console, built.error(), "not built");
  for (const std::string& advice : built->advice) print_warning(console, advice);
  const json::value packet(built->packet.body());
  if (options.out.empty() || options.out == "-") {
    if (console.is_json) {
      print_json(console, packet);
    } else {
      console.out << protocol::pretty_json(packet) << '\n';
    }
    return exit_ok;
  }
  if (auto written = write_file(options.out, protocol::pretty_json(packet) + "\n"); !written) {
    return failed(console, written.error());
  }
  if (console.is_json) {
    print_json(console, {{"valid", true}, {"msg_type", parts->type}, {"file", options.out}});
  } else {
    console.out << "OK: " << parts->type << " (" << options.out << ")\n";
  }
  return exit_ok;
}

int validate(Console& console, const ValidateOptions& options) {
  if (options.file.empty() != options.is_stdin) {
    print_error(console,
                "give exactly one of --file FILE and --stdin\n"
                "Try: flywheel packet validate --help");
    return exit_v1_error;
  }
  auto types = protocol::MessageTypes::load(own_schemas(options.config));
  if (!types) return failed(console, types.error());
  auto message = read_json(console, options.is_stdin ? "-" : options.file);
  if (!message) return failed(console, message.error());
  const std::string label = options.is_stdin || options.file == "-" ? "stdin" : options.file;
  auto msg_type = protocol::check_message(*message, *types);
  if (!msg_type) return print_invalid(console, msg_type.error(), label);
  if (console.is_json) {
    print_json(console, {{"valid", true}, {"msg_type", *msg_type}, {"errors", json::array()}});
  } else {
    console.out << "OK: " << *msg_type << " (" << label << ")\n";
  }
  return exit_ok;
}

// The others below "packet" have them; of a project only its message types are wanted here.
void add_place_of_types(CLI::App& command, std::optional<std::string>& config) {
  add_config(command, config, std::string(types_of_config));
  command.add_option("--state-dir,--state")
      ->description("Taken for the sake of scripts; nothing is read from it")
      ->type_name("DIR");
}

void add_build(CLI::App& group, CommandLine& line) {
  CLI::App* command =
      add_command(group, "build", "Build a request packet and print it",
                  "flywheel packet build --type RFP_PLAN --bead bd-rl42 --sender agent-teal \\\n"
                  "      --context context.json --question \"In which order?\" --out packet.json");
  auto options = std::make_shared<BuildOptions>();
  const auto repeatable = [](CLI::Option* option) {
    return option->allow_extra_args(false);  // One value each; a second needs the option again.
  };
  command->add_option("--type", options->parts.type, "The question to ask")
      ->type_name(type_hint)
      ->required();
  command->add_option("--bead", options->parts.bead_id, "The work item, such as bd-rl42")
      ->type_name("ID")
      ->required();
  command->add_option("--sender", options->parts.sender, "The agent that asks")
      ->type_name("NAME")
      ->required();
  command->add_option("--context", options->context, "JSON: repo, branch, goal, constraints")
      ->type_name("FILE")
      ->required();
  repeatable(command->add_option("--question", options->parts.questions,
                                 "What is asked; may be given again"))
      ->type_name("TEXT");
  repeatable(command->add_option("--artifact", options->artifacts,
                                 "JSON: type, label, content; may be given again"))
      ->type_name("FILE");
  repeatable(command->add_option("--option", options->options,
                                 "JSON object: an alternative to decide between; may be given "
                                 "again"))
      ->type_name("FILE");
  options->notes_given =
      command->add_option("--notes", options->notes, "Wishes about the answer")->type_name("TEXT");
  options->key_given =
      command
          ->add_option("--idempotency-key", options->idempotency_key,
                       "Makes repeated submissions one job (default: derived from the packet)")
          ->type_name("KEY");
  command->add_option("--out", options->out, "Write the packet here (default: standard output)")
      ->type_name("FILE");
  add_place_of_types(*command, options->config);
  command->callback([options, &line] {
    line.run = [options](Console& console) { return build(console, *options); };
  });
  line.usage_status[command] = exit_v1_error;
}

void add_validate(CLI::App& group, CommandLine& line) {
  CLI::App* command =
      add_command(group, "validate", "Check a request or a reply; its msg_type chooses the schema",
                  "flywheel packet validate --file packet.json");
  auto options = std::make_shared<ValidateOptions>();
  command->add_option("--file", options->file, "The file to check")->type_name("FILE");
  command->add_flag("--stdin", options->is_stdin, "Check standard input");
  add_place_of_types(*command, options->config);
  command->callback([options, &line] {
    line.run = [options](Console& console) { return validate(console, *options); };
  });
  line.usage_status[command] = exit_v1_error;
}

}  // namespace

void add_packet_commands(CLI::App& root, CommandLine& line) {
  CLI::App* group =
      add_group(root, "packet", "Build, check and follow packets; cancel, retry and resolve them",
                "flywheel packet validate --file packet.json");
  add_build(*group, line);
  add_validate(*group, line);
}

}  // namespace app
