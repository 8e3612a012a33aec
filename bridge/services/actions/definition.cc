#include "bridge/services/actions/definition.h"

#include "bridge/base/hash.h"
#include "bridge/schema/registry.h"
#include "bridge/services/actions/action_limits.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

namespace services::actions {

namespace json = boost::json;
using base::Code;
using base::Result;

namespace {

struct BuiltIn {
  std::string_view name;
  int risk;
  std::string_view min_tier;
  std::string_view description;
  std::string_view params;
};

constexpr std::array builtin_actions = {
    BuiltIn{"memory.store", 5, "visitor", "Stores an entry in the agent's own memory.", R"json({
      "type": "object", "additionalProperties": false, "required": ["content"],
      "properties": {
        "content": {"type": "string", "minLength": 1, "maxLength": 100000},
        "title": {"type": "string", "maxLength": 200},
        "type": {"type": "string", "maxLength": 50},
        "tags": {"type": "array", "maxItems": 20, "items": {"type": "string"}}}})json"},
    BuiltIn{"message.send", 10, "visitor", "Sends a message to another agent.", R"json({
      "type": "object", "additionalProperties": false, "required": ["to", "text"],
      "properties": {
        "to": {"type": "string", "minLength": 1, "maxLength": 200},
        "text": {"type": "string", "minLength": 1, "maxLength": 100000},
        "topic": {"type": "string", "maxLength": 200},
        "thread": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$"}}})json"},
    BuiltIn{"packet.submit", 30, "citizen", "Queues a packet for the conversation.", R"json({
      "type": "object", "additionalProperties": false, "required": ["packet"],
      "properties": {"packet": {"type": "object"}}})json"},
    BuiltIn{"workflow.run", 40, "operator", "Starts a run of a workflow.", R"json({
      "type": "object", "additionalProperties": false, "required": ["workflow"],
      "properties": {
        "workflow": {"type": "string", "minLength": 1, "maxLength": 200},
        "inputs": {"type": "object"}}})json"},
    BuiltIn{"agent.deregister", 60, "architect", "Removes an agent from the registry.", R"json({
      "type": "object", "additionalProperties": false, "required": ["agent"],
      "properties": {"agent": {"type": "string", "minLength": 1, "maxLength": 200}}})json"},
    BuiltIn{"memory.purge", 75, "architect", "Deletes everything that an agent remembers.", R"json({
      "type": "object", "additionalProperties": false, "required": ["agent"],
      "properties": {"agent": {"type": "string", "minLength": 1, "maxLength": 200}}})json"},
};

auto wrong(std::string_view name, std::string_view pointer, std::string_view why) {
  return base::fail(Code::invalid, fmt::format("/bridge/actions/{}{}: {}", name, pointer, why),
                    "configuration");
}

Result<schema::Schema> compiled(const json::value& document) {
  return schema::Schema::compile(schema::Registry(), document);
}

std::string text_in(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

// Every "{name}" in the words must be a parameter that the schema requires as a plain value.
std::optional<std::string> unknown_word(const std::vector<std::string>& argv,
                                        const json::value& params) {
  const auto* object = params.if_object();
  const auto* required = object ? object->if_contains("required") : nullptr;
  for (const auto& word : argv) {
    if (!word.starts_with('{') || !word.ends_with('}')) continue;
    const auto wanted = word.substr(1, word.size() - 2);
    const bool is_there = required && required->is_array() &&
                          std::ranges::any_of(required->get_array(), [&](const json::value& one) {
                            return one.is_string() && one.get_string() == wanted;
                          });
    if (!is_there) return wanted;
  }
  return std::nullopt;
}

Result<Program> program_of(const std::string& name, const json::object& given) {
  Program program;
  const auto* argv = given.if_contains("argv");
  if (!argv || !argv->is_array() || argv->get_array().empty()) {
    return wrong(name, "/argv", "must be the program and its arguments");
  }
  for (const auto& word : argv->get_array()) program.argv.emplace_back(word.as_string());
  if (!std::filesystem::path(program.argv.front()).is_absolute()) {
    return wrong(name, "/argv/0", "must be an absolute path: no shell and no PATH is asked");
  }
  if (const auto* environment = given.if_contains("environment")) {
    for (const auto& [key, value] : environment->as_object()) {
      program.environment[key] = std::string(value.as_string());
    }
  }
  program.folder = text_in(given, "folder");
  if (const auto* timeout = given.if_contains("timeout_seconds")) {
    program.timeout_s = timeout->to_number<int>();
  }
  if (const auto* most = given.if_contains("output_bytes_max")) {
    program.output_bytes_max = most->to_number<std::size_t>();
  }
  return program;
}

Result<std::vector<Raise>> raises_of(const std::string& name, const json::object& given) {
  std::vector<Raise> raises;
  const auto* listed = given.if_contains("raise");
  if (!listed) return raises;
  for (const auto& item : listed->as_array()) {
    const auto& one = item.as_object();
    auto when = compiled(one.at("when"));
    if (!when) return wrong(name, "/raise", when.error().message);
    raises.push_back({*std::move(when), one.at("add").to_number<int>()});
  }
  return raises;
}

Result<Definition> configured_one(const std::string& name, const json::object& given) {
  const auto kind = text_in(given, "kind");
  if (kind != "program") {
    return wrong(name, "/kind", fmt::format("\"{}\" is no kind of action: only \"program\"", kind));
  }
  const auto* params = given.if_contains("params");
  if (!params) return wrong(name, "/params", "a JSON Schema of its parameters is missing");
  auto schema = compiled(*params);
  if (!schema) return wrong(name, "/params", schema.error().message);
  const auto tier = agents::tier_of(text_in(given, "min_tier"));
  if (!tier) return wrong(name, "/min_tier", "must be a tier");
  TRY(auto program, program_of(name, given));
  if (const auto word = unknown_word(program.argv, *params)) {
    return wrong(name, "/argv", fmt::format("{{{}}} is no parameter that is always there", *word));
  }
  TRY(auto raises, raises_of(name, given));
  return Definition{.name = name,
                    .description = text_in(given, "description"),
                    .kind = Kind::program,
                    .risk = given.at("risk").to_number<int>(),
                    .min_tier = *tier,
                    .params = *params,
                    .schema = *std::move(schema),
                    .raises = std::move(raises),
                    .program = std::move(program),
                    .hash = base::sha256_hex(base::canonical_json(given))};
}

Definition built_in(const BuiltIn& one) {
  auto params = *base::parse_json(one.params);
  auto schema = compiled(params);
  BRIDGE_ASSERT(schema);
  json::object told{{"name", one.name}, {"risk", one.risk}, {"params", params}};
  return {.name = std::string(one.name),
          .description = std::string(one.description),
          .kind = Kind::builtin,
          .risk = one.risk,
          .min_tier = agents::tier_of(one.min_tier).value(),
          .params = std::move(params),
          .schema = *std::move(schema),
          .raises = {},
          .hash = base::sha256_hex(base::canonical_json(told))};
}

}  // namespace

std::string_view name(Kind kind) { return kind == Kind::builtin ? "builtin" : "program"; }

Result<Catalogue> Catalogue::load(const std::vector<std::string>& builtins,
                                  const json::object& configured) {
  Catalogue catalogue;
  for (const auto& one : builtin_actions) {
    if (std::ranges::find(builtins, one.name) == builtins.end()) continue;
    catalogue.all_.emplace(one.name, built_in(one));
  }
  for (const auto& [key, value] : configured) {
    const std::string name(key);
    if (std::ranges::find(builtin_actions, name, &BuiltIn::name) != builtin_actions.end()) {
      return wrong(name, "", "is the name of a built-in action");
    }
    if (catalogue.all_.size() >= limits::actions_max) {
      return wrong(name, "", fmt::format("more than {} actions", limits::actions_max));
    }
    TRY(auto definition, configured_one(name, value.as_object()));
    catalogue.all_.emplace(name, std::move(definition));
  }
  return catalogue;
}

const Definition* Catalogue::find(std::string_view name) const {
  const auto found = all_.find(name);
  return found == all_.end() ? nullptr : &found->second;
}

}  // namespace services::actions
