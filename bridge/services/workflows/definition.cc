#include "bridge/services/workflows/definition.h"

#include "bridge/base/nearest.h"
#include "bridge/schema/registry.h"
#include "bridge/schema/schema.h"
#include "bridge/services/workflows/definition_rules.h"
#include "bridge/services/workflows/template.h"
#include "embedded/workflow_schema.h"

#include <algorithm>
#include <cmath>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace workflow {

namespace json = boost::json;
using base::Code;
using base::Result;
using protocol::Violation;

namespace {

const schema::Schema& compiled_schema() {
  static const schema::Schema compiled = [] {
    auto document = base::parse_json(definition_schema());
    BRIDGE_ASSERT(document);
    auto made = schema::Schema::compile(schema::Registry(), *std::move(document));
    BRIDGE_ASSERT(made);
    return *std::move(made);
  }();
  return compiled;
}

std::unexpected<protocol::Refusal> refused(std::string_view doing,
                                           std::vector<Violation> violations) {
  std::string message = fmt::format("{}: {}", doing, to_line(violations.front()));
  if (violations.size() > 1) message += fmt::format(" (and {} more)", violations.size() - 1);
  return std::unexpected(
      protocol::Refusal{{Code::invalid, std::move(message), "invalid"}, std::move(violations)});
}

std::chrono::milliseconds milliseconds(const json::value& seconds) {
  return std::chrono::milliseconds(std::llround(seconds.to_number<double>() * 1000));
}

std::string text_of(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

Retry retry_of(const json::object& given) {
  Retry retry;
  if (const auto* most = given.if_contains("max_attempts")) {
    retry.attempts_max = most->to_number<int>();
  }
  if (const auto* wait = given.if_contains("interval_seconds"))
    retry.interval = milliseconds(*wait);
  if (const auto* rate = given.if_contains("backoff_rate")) {
    retry.backoff_rate = rate->to_number<double>();
  }
  if (const auto* most = given.if_contains("max_delay_seconds")) {
    retry.delay_max = milliseconds(*most);
  }
  return retry;
}

// A job that satisfies the schema. What refers to others is filled in by the rules.
Step step_of(std::string_view id, const json::object& job) {
  Step step{.id = std::string(id)};
  const std::string uses = text_of(job, "uses");
  const auto slash = uses.find('/');
  step.kind = uses.substr(0, slash);
  if (slash != std::string::npos) step.target = uses.substr(slash + 1);
  if (const auto* with = job.if_contains("with")) step.with = with->get_object();
  if (const auto* condition = job.if_contains("if")) {
    const auto* flag = condition->if_bool();
    step.condition = flag ? (*flag ? "success()" : "false") : std::string(condition->get_string());
  }
  if (const auto* timeout = job.if_contains("timeout_seconds")) {
    step.timeout = std::max(milliseconds(*timeout), std::chrono::milliseconds(1));
  }
  if (const auto* retry = job.if_contains("retry")) step.retry = retry_of(retry->get_object());
  if (const auto* approval = job.if_contains("approval")) {
    const auto* flag = approval->if_bool();
    step.needs_approval = !flag || *flag;
    if (!flag) step.approval_note = text_of(approval->get_object(), "note");
  }
  const auto* goes_on = job.if_contains("continue_on_error");
  step.continue_on_error = goes_on && goes_on->get_bool();
  return step;
}

std::vector<std::size_t> numbers_in(const json::value& list) {
  std::vector<std::size_t> numbers;
  for (const auto& item : list.as_array()) numbers.push_back(item.to_number<std::size_t>());
  return numbers;
}

json::array numbers(const std::vector<std::size_t>& list) {
  return json::array(list.begin(), list.end());
}

Result<schema::Schema> compile_input(const json::value& declared) {
  return schema::Schema::compile(schema::Registry(), declared);
}

bool has_room_for(const json::object& inputs, std::vector<Violation>& violations) {
  const std::size_t size = json::serialize(inputs).size();
  if (size <= limits::workflow_inputs_bytes_max) return true;
  violations.push_back({"/inputs", "limits",
                        fmt::format("the inputs have {} bytes as JSON, and a run takes at most {}",
                                    size, limits::workflow_inputs_bytes_max)});
  return false;
}

}  // namespace

std::string_view definition_schema() { return embedded::workflow_schema().front().content; }

protocol::Checked<Definition> Definition::from_json(json::value document) {
  constexpr std::string_view doing = "read workflow";
  auto found = compiled_schema().check(document);
  if (!found) return std::unexpected(protocol::Refusal{found.error(), {}});
  std::vector<Violation> violations;
  for (auto& one : *found) {
    violations.push_back(
        {std::move(one.instance_location), std::move(one.keyword), std::move(one.message)});
  }
  if (!violations.empty()) return refused(doing, std::move(violations));
  Definition made;
  made.document = std::move(document.get_object());
  made.name = text_of(made.document, "name");
  if (const auto* inputs = made.document.if_contains("inputs")) made.inputs = inputs->get_object();
  if (const auto* outputs = made.document.if_contains("outputs")) {
    made.outputs = outputs->get_object();
  }
  if (const auto* most = made.document.if_contains("max_parallel")) {
    made.parallel_max = most->to_number<int>();
  }
  for (const auto& [id, job] : made.document.at("jobs").get_object()) {
    made.steps.push_back(step_of(id, job.get_object()));
  }
  for (const auto& [name, declared] : made.inputs) {
    if (auto compiled = compile_input(declared); !compiled) {
      violations.push_back({"/inputs" + pointer_token(name), "schema", compiled.error().message});
    }
  }
  apply_rules(made, violations);
  if (!violations.empty()) return refused(doing, std::move(violations));
  return made;
}

json::object to_json(const Step& step) {
  json::object kept{{"kind", step.kind},
                    {"target", step.target},
                    {"with", step.with},
                    {"needs", numbers(step.needs)},
                    {"dependants", numbers(step.dependants)},
                    {"reads", numbers(step.reads)},
                    {"reads_inputs", step.reads_inputs},
                    {"if", step.condition},
                    {"attempts_max", step.retry.attempts_max},
                    {"interval_ms", step.retry.interval.count()},
                    {"backoff_rate", step.retry.backoff_rate},
                    {"delay_max_ms", step.retry.delay_max.count()},
                    {"approval", step.needs_approval},
                    {"approval_note", step.approval_note},
                    {"continue_on_error", step.continue_on_error}};
  if (step.timeout) kept["timeout_ms"] = step.timeout->count();
  return kept;
}

Result<Step> step_from(std::string id, const json::value& kept) {
  const auto& object = kept.as_object();
  Step step{
      .id = std::move(id),
      .kind = text_of(object, "kind"),
      .target = text_of(object, "target"),
      .with = object.at("with").as_object(),
      .needs = numbers_in(object.at("needs")),
      .dependants = numbers_in(object.at("dependants")),
      .condition = text_of(object, "if"),
      .timeout = std::nullopt,
      .retry = {.attempts_max = object.at("attempts_max").to_number<int>(),
                .interval =
                    std::chrono::milliseconds(object.at("interval_ms").to_number<std::int64_t>()),
                .backoff_rate = object.at("backoff_rate").to_number<double>(),
                .delay_max =
                    std::chrono::milliseconds(object.at("delay_max_ms").to_number<std::int64_t>())},
      .needs_approval = object.at("approval").as_bool(),
      .approval_note = text_of(object, "approval_note"),
      .continue_on_error = object.at("continue_on_error").as_bool(),
      .reads = numbers_in(object.at("reads")),
      .reads_inputs = object.at("reads_inputs").as_bool()};
  if (const auto* timeout = object.if_contains("timeout_ms")) {
    step.timeout = std::chrono::milliseconds(timeout->to_number<std::int64_t>());
  }
  return step;
}

protocol::Checked<json::object> checked_inputs(const json::object& declared,
                                               const json::object& given) {
  std::vector<Violation> violations;
  std::vector<std::string> names;
  json::object inputs;
  if (!has_room_for(given, violations)) return refused("execute workflow", std::move(violations));
  for (const auto& [name, document] : declared) {
    names.emplace_back(name);
    const std::string pointer = "/inputs" + pointer_token(name);
    const auto* value = given.if_contains(name);
    if (!value) {
      const auto* schema = document.if_object();
      const auto* instead = schema ? schema->if_contains("default") : nullptr;
      if (instead) {
        inputs[name] = *instead;
      } else {
        violations.push_back({pointer, "required", "this input must be given"});
      }
      continue;
    }
    inputs[name] = *value;
    const auto compiled = compile_input(document);
    auto found = compiled
                     ? compiled->check(*value)
                     : Result<std::vector<schema::Violation>>(std::unexpected(compiled.error()));
    if (!found) {
      violations.push_back({pointer, "limits", found.error().message});
      continue;
    }
    for (auto& one : *found) {
      violations.push_back({pointer + one.instance_location, one.keyword, one.message});
    }
  }
  for (const auto& [name, value] : given) {
    if (declared.contains(name)) continue;
    violations.push_back(
        {"/inputs" + pointer_token(name), "additionalProperties",
         fmt::format("the workflow has no such input{}", base::suggestion(name, names))});
  }
  // What stands instead of an input that is not given counts too.
  if (violations.empty()) has_room_for(inputs, violations);
  if (!violations.empty()) return refused("execute workflow", std::move(violations));
  return inputs;
}

}  // namespace workflow
