// flywheel schema validate: any JSON Schema 2020-12, offline.
#include "bridge/app/command_line.h"
#include "bridge/base/json.h"
#include "bridge/base/limits.h"
#include "bridge/schema/schema.h"

#include <istream>
#include <memory>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;

struct ValidateOptions {
  std::string schema;
  std::string registry;
  std::string registry_base = "http://localhost:1234/";
  bool asserts_format = false;
  std::vector<std::string> instances;
};

base::Result<json::value> parse(const std::string& name, std::string_view text) {
  auto value = base::parse_json(text, limits::schema_document_depth_max);
  if (!value) {
    return base::fail(value.error().code, fmt::format("{}: {}", name, value.error().message));
  }
  return value;
}

base::Result<schema::Schema> compile(Console& console, const ValidateOptions& options) {
  schema::Registry registry;
  if (!options.registry.empty()) {
    TRY_OK(schema::add_directory(registry, options.registry, options.registry_base));
  }
  TRY(const std::string text, read_input(console, options.schema, limits::schema_file_bytes_max));
  TRY(json::value document, parse(options.schema, text));
  schema::Options how;
  how.assert_format = options.asserts_format;
  auto compiled = schema::Schema::compile(registry, std::move(document), how);
  if (!compiled) {
    return base::fail(compiled.error().code,
                      fmt::format("{}: {}", options.schema, compiled.error().message));
  }
  return compiled;
}

int status_of(const base::Error& error) {
  return error.reason == "file_failed" ? exit_io : exit_bad_input;
}

// Prints one line for one instance, and returns how it went.
int report(Console& console, const schema::Schema& schema,
           const base::Result<json::value>& instance) {
  json::array errors;
  int status = exit_ok;
  const auto add = [&](std::string_view location, std::string_view keyword, std::string_view what) {
    errors.push_back(
        {{"instanceLocation", location}, {"keywordLocation", keyword}, {"error", what}});
  };
  if (!instance) {
    add("", "", instance.error().message);
    status = status_of(instance.error());
  } else if (auto violations = schema.check(*instance); !violations) {
    add("", "", violations.error().message);
    status = exit_bad_input;
  } else {
    for (const auto& violation : *violations) {
      add(violation.instance_location, violation.keyword_location, violation.message);
      status = exit_negative;
    }
  }
  print_json(console, {{"valid", status == exit_ok}, {"errors", std::move(errors)}});
  return status;
}

enum class LineEnd { line, end_of_input, too_long };

LineEnd read_line(std::istream& in, std::string& line) {
  line.clear();
  std::streambuf& buffer = *in.rdbuf();
  for (int c = buffer.sbumpc(); c != std::char_traits<char>::eof(); c = buffer.sbumpc()) {
    if (c == '\n') return LineEnd::line;
    if (line.size() == limits::schema_file_bytes_max) return LineEnd::too_long;
    line.push_back(char(c));
  }
  return line.empty() ? LineEnd::end_of_input : LineEnd::line;
}

// One instance a line of standard input; blank lines are skipped.
int report_lines(Console& console, const schema::Schema& schema) {
  int status = exit_ok;
  std::string line;
  for (std::size_t number = 1;; ++number) {
    const std::string name = fmt::format("line {}", number);
    switch (read_line(console.in, line)) {
      case LineEnd::end_of_input:
        return status;
      case LineEnd::too_long:
        print_error(console, fmt::format("{} of standard input is longer than {} bytes", name,
                                         limits::schema_file_bytes_max));
        return exit_bad_input;
      case LineEnd::line:
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        status = std::max(status, report(console, schema, parse(name, line)));
    }
  }
}

base::Result<json::value> read_instance(const std::string& path) {
  TRY(const std::string text, read_file(path, limits::schema_file_bytes_max));
  return parse(path, text);
}

int validate(Console& console, const ValidateOptions& options) {
  auto schema = compile(console, options);
  if (!schema) {
    print_error(console, schema.error().message);
    return status_of(schema.error());
  }
  int status = exit_ok;
  for (const std::string& path : options.instances) {
    if (path == "-") {
      status = std::max(status, report_lines(console, *schema));
      continue;
    }
    const auto instance = read_instance(path);
    const int reported = report(console, *schema, instance);
    if (reported == exit_io) print_error(console, instance.error().message);
    status = std::max(status, reported);
  }
  return status;
}

}  // namespace

void add_schema_commands(CLI::App& root, CommandLine& line) {
  CLI::App* group = add_group(root, "schema", "Check JSON against a JSON Schema (2020-12)",
                              "flywheel schema validate --schema order.schema.json order.json");
  CLI::App* command = add_command(
      *group, "validate", "Print one JSON result line for each instance",
      "flywheel schema validate --schema order.schema.json --registry schemas order.json");
  auto options = std::make_shared<ValidateOptions>();
  command->add_option("--schema", options->schema, "The schema")->type_name("FILE")->required();
  command
      ->add_option("--registry", options->registry,
                   "Schemas that may be referred to: every .json file below this folder")
      ->type_name("DIR");
  command
      ->add_option(
          "--registry-base", options->registry_base,
          "The URI that stands for the registry's folder (default: " + options->registry_base + ")")
      ->type_name("URI");
  command->add_flag("--format-assertion", options->asserts_format,
                    "Refuse what breaks a format; otherwise formats are annotations");
  command
      ->add_option("instance", options->instances,
                   "JSON files to check; - reads one instance a line from standard input")
      ->type_name("FILE")
      ->required();
  command->callback([options, &line] {
    line.run = [options](Console& console) { return validate(console, *options); };
  });
}

}  // namespace app
