#include "bridge/app/run_report.h"

#include "bridge/app/foreign_text.h"
#include "bridge/base/limits.h"
#include "bridge/services/workflows/workflow_limits.h"
#include "bridge/services/workflows/yaml.h"

#include <algorithm>

#include <fmt/format.h>

namespace app {

namespace json = boost::json;
using boost::asio::awaitable;

namespace {

const json::object* object_of(const json::object& view, std::string_view key) {
  const auto* value = view.if_contains(key);
  return value ? value->if_object() : nullptr;
}

// What people are asked for an action.
std::string waits_for_people(const json::object& action) {
  const auto state = text_in(action, "state");
  if (state == "waiting") return "  waits for: flywheel action approve " + text_in(action, "id");
  return state == "held" ? "  held: " + text_in(action, "id") : std::string();
}

// Whom a query waits for that no conversation answers.
std::string waits_for_agent(const json::object& query) {
  const auto* agent = object_of(query, "agent");
  if (!agent || text_in(query, "state") != "open") return {};
  const auto acked = text_in(query, "acked");
  return fmt::format("  waits for an answer in the inbox of {} ({})", line_in(*agent, "name"),
                     acked.empty() ? "not read yet" : "read " + acked);
}

// What the job of this name waits for; empty: for nothing but its turn or itself.
std::string waiting_of(const json::object& run, std::string_view id, const json::object& job) {
  if (const auto* action = object_of(job, "action")) return waits_for_people(*action);
  if (const auto* query = object_of(job, "query")) return waits_for_agent(*query);
  if (text_in(job, "state") != "approval") return {};
  return fmt::format("  waits for: flywheel workflow approve {} {}", text_in(run, "id"), shown(id));
}

std::string error_in(const json::object& view) {
  const auto* error = object_of(view, "error");
  return error ? fmt::format("  {}: {}", line_in(*error, "code"), line_in(*error, "detail"))
               : std::string();
}

int exit_of(const json::object& run) {
  const auto result = result_of(run);
  if (result == "success" || text_in(run, "state") != "finished") return exit_ok;
  return exit_job_failed;
}

}  // namespace

std::string result_of(const json::object& view) {
  const auto* result = view.if_contains("result");
  return result && result->is_string() ? std::string(result->get_string()) : text_in(view, "state");
}

void print_run_line(Console& console, const json::object& run) {
  console.out << fmt::format("{}  {:<24}  {:<10}  {}/{}  {}\n", text_in(run, "id"),
                             line_in(run, "workflow"), result_of(run),
                             text_in(run, "steps_finished"), text_in(run, "steps"),
                             text_in(run, "created"));
}

void print_run(Console& console, const json::object& run) {
  print_run_line(console, run);
  const auto* jobs = run.if_contains("jobs");
  if (!jobs || !jobs->is_object()) return;
  for (const auto& [id, value] : jobs->get_object()) {
    if (!value.is_object()) continue;
    const auto& job = value.get_object();
    std::string line = fmt::format("  {:<24}  {:<10}", shown(id), result_of(job));
    line += error_in(job) + waiting_of(run, id, job);
    line += trust_in(job, "approval_note");
    if (job.contains("approval_note")) line += "  " + line_in(job, "approval_note");
    if (job.contains("approval_note_at"))
      line += " … (all of it: " + line_in(job, "approval_note_at") + ")";
    console.out << line << '\n';
  }
  if (const auto error = error_in(run); !error.empty()) console.out << error << '\n';
  const auto* outputs = object_of(run, "outputs");
  if (!outputs || outputs->empty()) return;
  console.out << "outputs" << trust_in(run, "outputs") << '\n';
  print_pretty(console, *outputs);
}

std::string run_path(const std::string& run) { return "/api/gpt-workflows/runs/" + encoded(run); }

awaitable<int> follow(Console& console, http::Client& client, std::string id, int wait_s) {
  const auto until = base::Instant::clock::now() + std::chrono::seconds(wait_s);
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(until - base::Instant::clock::now());
    const auto wait = std::clamp<std::int64_t>(left.count(), 0, limits::http_wait_max.count());
    const auto answer =
        co_await client.call_json({.target = fmt::format("{}?wait={}", run_path(id), wait)});
    if (!answer) co_return print_failed(console, answer.error());
    if (!answer->is_object()) co_return exit_bug;
    const auto& run = answer->get_object();
    const bool has_ended = text_in(run, "state") == "finished";
    if (!has_ended && wait > 0) continue;
    if (console.is_json) {
      print_json(console, *answer);
    } else {
      print_run(console, run);
    }
    if (!has_ended && wait_s > 0) co_return exit_timeout;
    co_return exit_of(run);
  }
}

base::Result<json::object> inputs_of(Console& console, const RunInputs& inputs) {
  json::object all;
  if (!inputs.file.empty()) {
    TRY(const auto text, read_input(console, inputs.file, limits::yaml_bytes_max));
    TRY(auto parsed, workflow::parse_yaml(text));
    if (!parsed.value.is_object()) {
      return base::fail(base::Code::invalid, inputs.file + ": must hold names and values");
    }
    all = std::move(parsed.value.get_object());
  }
  for (const auto& input : inputs.given) {
    const auto sign = input.find('=');
    if (sign == std::string::npos) {
      return base::fail(base::Code::invalid, fmt::format("--input {}: write NAME=VALUE", input));
    }
    const std::string text = input.substr(sign + 1);
    auto value = base::parse_json(text);
    all[input.substr(0, sign)] = value ? *std::move(value) : json::value(text);
  }
  return all;
}

void add_wait(CLI::App& command, int& wait_s) {
  command.add_option("--wait", wait_s, "Wait so long for the end of the run")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 86'400));
}

void add_inputs(CLI::App& command, RunInputs& inputs) {
  command.add_option("--input,-i", inputs.given, "An input; what is JSON is taken as such")
      ->type_name("NAME=VALUE");
  command.add_option("--inputs", inputs.file, "All inputs, as YAML or JSON")->type_name("FILE");
}

}  // namespace app
