// flywheel workflow: jobs in the order of their needs.
#include "bridge/app/foreign_text.h"
#include "bridge/app/remote_call.h"
#include "bridge/app/run_report.h"
#include "bridge/base/limits.h"
#include "bridge/services/workflows/definition.h"
#include "bridge/services/workflows/yaml.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

struct WorkflowOptions {
  BridgeOptions bridge;
  std::string file, which, step, note;
  RunInputs inputs;
  int wait_s = 0;
  bool is_at_once = false;
  bool is_rejected = false;
};
using Story = std::function<awaitable<int>(Console&, const WorkflowOptions&, http::Client&)>;

// ---- definitions

struct Read {
  std::map<std::string, workflow::Place> places;  // of YAML
  protocol::Checked<workflow::Definition> definition;
};

// JSON where the name says so; else YAML, of which JSON is nearly a part.
base::Result<Read> read_definition(Console& console, const std::string& path) {
  TRY(const std::string text, read_input(console, path, limits::yaml_bytes_max));
  workflow::Yaml document;
  if (path.ends_with(".json")) {
    TRY(document.value, base::parse_json(text));
  } else {
    TRY(document, workflow::parse_yaml(text, workflow::YamlPlaces::kept));
  }
  return Read{std::move(document.places),
              workflow::Definition::from_json(std::move(document.value))};
}

// Where the nearest member that is there begins: "12:5: ", or nothing.
std::string place_of(const Read& read, std::string pointer) {
  for (;;) {
    const auto found = read.places.find(pointer);
    if (found != read.places.end()) {
      return fmt::format("{}:{}: ", found->second.line, found->second.column);
    }
    if (pointer.empty()) return {};
    pointer.resize(pointer.rfind('/'));
  }
}

int report(Console& console, const std::string& path, const Read& read) {
  const auto& definition = read.definition;
  if (definition) {
    if (console.is_json) {
      print_json(console, {{"valid", true}, {"errors", json::array()}});
    } else {
      console.out << fmt::format("{}: valid, {} job{}\n", path, definition->steps.size(),
                                 definition->steps.size() == 1 ? "" : "s");
    }
    return exit_ok;
  }
  json::array errors;
  for (const auto& one : definition.error().violations) {
    if (console.is_json) {
      errors.push_back(
          {{"pointer", one.pointer}, {"keyword", one.keyword}, {"detail", one.detail}});
    } else {
      console.err << fmt::format("{}:{}{}\n", path, place_of(read, one.pointer), to_line(one));
    }
  }
  if (console.is_json) print_json(console, {{"valid", false}, {"errors", std::move(errors)}});
  return exit_negative;
}

int validate(Console& console, const WorkflowOptions& options) {
  const auto read = read_definition(console, options.file);
  if (read) return report(console, options.file, *read);
  const auto& error = read.error();
  if (error.code != base::Code::invalid) return print_failed(console, error);
  if (console.is_json) {
    print_json(
        console,
        {{"valid", false},
         {"errors", json::array{json::object{
                        {"pointer", ""}, {"keyword", error.reason}, {"detail", error.message}}}}});
  } else {
    print_error(console, fmt::format("{}: {}", options.file, error.message));
  }
  return exit_status_of(error);
}

http::ClientRequest creation_of(const workflow::Definition& definition) {
  return {.method = "POST",
          .target = "/api/gpt-workflows/create",
          .body = json::value(definition.document)};
}

awaitable<int> create(Console& console, const WorkflowOptions& options, http::Client& client) {
  const auto read = read_definition(console, options.file);
  if (!read) co_return print_failed(console, read.error());
  if (!read->definition) co_return report(console, options.file, *read);
  auto request = creation_of(*read->definition);
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    if (!answer.is_object()) return;
    const auto& workflow = answer.get_object();
    console.out << fmt::format("{}  {}, version {}\n", text_in(workflow, "id"),
                               line_in(workflow, "name"), text_in(workflow, "version"));
  });
}

awaitable<int> list(Console& console, const WorkflowOptions&, http::Client& client) {
  const auto target = fmt::format("/api/gpt-workflows?limit={}", limits::http_page_max);
  co_return co_await call(console, client, {.target = target}, [&](const json::value& answer) {
    for (const auto& item : items_of(answer)) {
      if (!item.is_object()) continue;
      const auto& workflow = item.get_object();
      console.out << fmt::format("{}  {:<32}  version {}\n", text_in(workflow, "id"),
                                 line_in(workflow, "name"), text_in(workflow, "version"));
    }
    if (items_of(answer).empty()) console.err << "no workflows\n";
  });
}

awaitable<int> remove(Console& console, const WorkflowOptions& options, http::Client& client) {
  http::ClientRequest request{.method = "DELETE",
                              .target = "/api/gpt-workflows/" + encoded(options.which)};
  co_return co_await call(console, client, std::move(request), [&](const json::value&) {
    console.out << options.which << " deleted\n";
  });
}

// ---- runs

// Of what is in the file, which is handed in first (what is known so already stays as it is); where
// there is no such file, of the workflow.
awaitable<int> run(Console& console, const WorkflowOptions& options, http::Client& client) {
  auto inputs = inputs_of(console, options.inputs);
  if (!inputs) co_return print_failed(console, inputs.error());
  std::string which = options.which;
  std::error_code none;
  if (std::filesystem::is_regular_file(which, none)) {
    const auto read = read_definition(console, which);
    if (!read) co_return print_failed(console, read.error());
    if (!read->definition) co_return report(console, which, *read);
    const auto made = co_await client.call_json(creation_of(*read->definition));
    if (!made) co_return print_failed(console, made.error());
    which = read->definition->name;
  }
  http::ClientRequest request{
      .method = "POST",
      .target = fmt::format("/api/gpt-workflows/{}/execute", encoded(which)),
      .body = json::value(json::object{{"inputs", *std::move(inputs)}})};
  const auto answer = co_await client.call_json(std::move(request));
  if (!answer) co_return print_failed(console, answer.error());
  if (!answer->is_object()) co_return exit_bug;
  co_return co_await follow(console, client, text_in(answer->get_object(), "id"), options.wait_s);
}

// Of a run; where no run has such an id, of a workflow.
awaitable<int> status(Console& console, const WorkflowOptions& options, http::Client& client) {
  const auto found = co_await client.call_json({.target = run_path(options.which)});
  if (found || found.error().code != base::Code::not_found) {
    co_return co_await follow(console, client, options.which, options.wait_s);
  }
  const auto target = fmt::format("/api/gpt-workflows/{}/status", encoded(options.which));
  co_return co_await call(console, client, {.target = target}, [&](const json::value& answer) {
    const auto* workflow = answer.if_object();
    if (!workflow) return;
    console.out << fmt::format("{}  {}, version {}\n", text_in(*workflow, "id"),
                               line_in(*workflow, "name"), text_in(*workflow, "version"));
    const auto* recent = workflow->if_contains("recent_runs");
    if (!recent || !recent->is_array()) return;
    for (const auto& one : recent->get_array()) {
      if (one.is_object()) print_run_line(console, one.get_object());
    }
  });
}

awaitable<int> post(Console& console, http::Client& client, std::string target, json::object body) {
  http::ClientRequest request{
      .method = "POST", .target = std::move(target), .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    if (answer.is_object()) print_run(console, answer.get_object());
  });
}

awaitable<int> cancel(Console& console, const WorkflowOptions& options, http::Client& client) {
  json::object body{{"at_once", options.is_at_once}};
  if (!options.note.empty()) body["note"] = options.note;
  co_return co_await post(console, client, run_path(options.which) + "/cancel", std::move(body));
}

awaitable<int> retry(Console& console, const WorkflowOptions& options, http::Client& client) {
  co_return co_await post(console, client, run_path(options.which) + "/retry", {});
}

awaitable<int> approve(Console& console, const WorkflowOptions& options, http::Client& client) {
  json::object body{{"decision", options.is_rejected ? "reject" : "approve"}};
  if (!options.note.empty()) body["note"] = options.note;
  co_return co_await post(
      console, client,
      fmt::format("{}/steps/{}/approve", run_path(options.which), encoded(options.step)),
      std::move(body));
}

// ---- the command line

void add_file(CLI::App& command, WorkflowOptions& options) {
  command.add_option("file", options.file, "The definition: YAML or JSON, - for standard input")
      ->type_name("FILE")
      ->required();
}

void add_which(CLI::App& command, WorkflowOptions& options, const std::string& text) {
  command.add_option("which", options.which, text)->type_name("ID")->required();
}

void add_validate(CLI::App& group, CommandLine& line) {
  CLI::App* command = add_command(group, "validate", "Check a definition, without the daemon",
                                  "flywheel workflow validate travel-planning.yaml");
  auto options = std::make_shared<WorkflowOptions>();
  add_file(*command, *options);
  command->callback([options, &line] {
    line.run = [options](Console& console) { return validate(console, *options); };
  });
}

}  // namespace

void add_workflow_commands(CLI::App& root, CommandLine& line) {
  CLI::App* group = add_group(root, "workflow", "Jobs in the order of their needs",
                              "flywheel workflow run travel-planning --wait 600");
  const auto add = [&](const std::string& name, const std::string& summary,
                       const std::string& example, Story story,
                       const std::function<void(CLI::App&, WorkflowOptions&)>& more) {
    add_remote_command<WorkflowOptions>(*group, line, name, summary, example, std::move(story),
                                        more);
  };
  const auto of_run = [](CLI::App& command, WorkflowOptions& options) {
    add_which(command, options, "The run's id, or its unique beginning");
  };
  add_validate(*group, line);
  add("create", "Hand a definition in; of a known name it is the next version",
      "flywheel workflow create travel-planning.yaml", create, add_file);
  add("list", "List them, newest first", "flywheel workflow list", list, {});
  add("delete", "Remove it; its runs can still be read", "flywheel workflow delete travel-planning",
      remove, [](CLI::App& command, WorkflowOptions& options) {
        add_which(command, options, "The workflow's name, or the beginning of its id");
      });
  add("run", "Begin a run, also of what is in a file, which is handed in first",
      "flywheel workflow run travel-planning --input destination=Paris --input "
      "days=3 --wait 600",
      run, [](CLI::App& command, WorkflowOptions& options) {
        add_which(command, options,
                  "A file with its definition, if there is one called so; else the workflow's "
                  "name, or the beginning of its id");
        add_inputs(command, options.inputs);
        add_wait(command, options.wait_s);
      });
  add("status", "Show a run with its jobs, or a workflow with its newest runs",
      "flywheel workflow status 0197c2 --wait 60", status,
      [](CLI::App& command, WorkflowOptions& options) {
        add_which(command, options, "A run's id, or a workflow's name or id");
        add_wait(command, options.wait_s);
      });
  add("cancel", "Take back what can be, and begin nothing more", "flywheel workflow cancel 0197c2",
      cancel, [&](CLI::App& command, WorkflowOptions& options) {
        of_run(command, options);
        command.add_flag("--at-once", options.is_at_once,
                         "Wait for nothing, and let nothing clean up");
        command.add_option("--note", options.note, "Why")->type_name("TEXT");
      });
  add("retry", "Go on from what failed", "flywheel workflow retry 0197c2", retry, of_run);
  add("approve", "Decide a job that waits for it", "flywheel workflow approve 0197c2 publish",
      approve, [&](CLI::App& command, WorkflowOptions& options) {
        of_run(command, options);
        command.add_option("step", options.step, "The job's name in the workflow")
            ->type_name("STEP")
            ->required();
        command.add_flag("--reject", options.is_rejected, "Refuse it instead");
        command.add_option("--note", options.note, "Why")->type_name("TEXT");
      });
}

}  // namespace app
