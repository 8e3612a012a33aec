#include "bridge/services/actions/definition.h"

#include "bridge/base/hash.h"
#include "bridge/schema/registry.h"
#include "bridge/services/actions/action_limits.h"
#include "bridge/services/actions/place.h"
#include "cdp/json_text.h"

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
      "properties": {
        "agent": {"type": "string", "minLength": 1, "maxLength": 200},
        "name": {"type": "string", "description": "As it is called; the bridge says it."}}})json"},
    BuiltIn{"memory.purge", 75, "architect", "Deletes everything that an agent remembers.", R"json({
      "type": "object", "additionalProperties": false, "required": ["agent"],
      "properties": {
        "agent": {"type": "string", "minLength": 1, "maxLength": 200},
        "name": {"type": "string", "description": "As it is called; the bridge says it."}}})json"},
};

auto wrong(std::string_view name, std::string_view pointer, std::string_view why) {
  return base::fail(Code::invalid, fmt::format("/bridge/actions/{}{}: {}", name, pointer, why),
                    "configuration");
}

Result<schema::Schema> compiled(const json::value& document) {
  return schema::Schema::compile(schema::Registry(), document);
}

constexpr std::string_view result_place = "result.";

// The names that are no parameters of the schema. Those that must stand somewhere must be required.
std::optional<std::string> unknown_place(const std::vector<std::string>& names,
                                         const json::value& params, bool is_needed) {
  const auto* object = params.if_object();
  const auto* list = object ? object->if_contains(is_needed ? "required" : "properties") : nullptr;
  for (const auto& name : names) {
    if (name.starts_with(result_place)) continue;
    const bool is_there =
        list && (list->is_array() ? std::ranges::any_of(list->get_array(),
                                                        [&](const json::value& one) {
                                                          return one.is_string() &&
                                                                 one.get_string() == name;
                                                        })
                                  : list->as_object().contains(name));
    if (!is_there) return name;
  }
  return std::nullopt;
}

std::vector<std::string> places_of(const std::vector<std::string>& argv) {
  std::vector<std::string> names;
  for (const auto& word : argv) {
    if (auto name = place_in(word)) names.push_back(*std::move(name));
  }
  return names;
}

Result<std::vector<std::string>> words_in(const std::string& name, const json::object& given) {
  const auto* argv = given.if_contains("argv");
  if (!argv || !argv->is_array() || argv->get_array().empty()) {
    return wrong(name, "/argv", "must be the program and its arguments");
  }
  std::vector<std::string> words;
  for (const auto& word : argv->get_array()) words.emplace_back(word.as_string());
  if (!std::filesystem::path(words.front()).is_absolute()) {
    return wrong(name, "/argv/0", "must be an absolute path: no shell and no PATH is asked");
  }
  return words;
}

Result<Program> program_of(const std::string& name, const json::object& given) {
  Program program;
  TRY(program.argv, words_in(name, given));
  if (const auto* environment = given.if_contains("environment")) {
    for (const auto& [key, value] : environment->as_object()) {
      program.environment[key] = std::string(value.as_string());
    }
  }
  program.folder = cdp::text_in(given, "folder");
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

// Reads what is done into `definition`, with the names that are its places: those that must have a
// value, and the others.
struct Places {
  std::vector<std::string> needed, others;
};
Result<Places> read_deed(Definition& definition, const json::object& given) {
  if (definition.kind == Kind::program) {
    TRY(definition.program, program_of(definition.name, given));
    return Places{places_of(definition.program.argv), {}};
  }
  auto call = http_call_of(given);
  if (!call) return wrong(definition.name, "", call.error().message);
  definition.call = *std::move(call);
  return Places{path_places(definition.call), other_places(definition.call)};
}

Result<> check_places(const Definition& definition, const Places& places,
                      std::string_view pointer) {
  auto unknown = unknown_place(places.needed, definition.params, true);
  if (!unknown) unknown = unknown_place(places.others, definition.params, false);
  if (!unknown) return {};
  return wrong(definition.name, pointer,
               fmt::format("{{{}}} is no parameter that is always there", *unknown));
}

Result<> add_undo(Definition& definition, const json::object& given) {
  const auto* configured = given.if_contains("undo");
  if (!configured) return {};
  auto undo = std::make_shared<Definition>(definition);
  Places places;
  if (definition.kind == Kind::program) {
    TRY(undo->program.argv, words_in(definition.name + "/undo", configured->as_object()));
    places.needed = places_of(undo->program.argv);
  } else {
    auto call = http_undo_of(configured->as_object(), definition.call);
    if (!call) return wrong(definition.name, "/undo", call.error().message);
    undo->call = *std::move(call);
    places = {path_places(undo->call), other_places(undo->call)};
  }
  TRY_OK(check_places(*undo, places, "/undo"));
  for (const auto& names : {places.needed, places.others}) {
    for (const auto& name : names) {
      if (name.starts_with(result_place)) undo->results.push_back(name);
    }
  }
  TRY(undo->schema, compiled(json::object()));
  definition.undo = std::move(undo);
  return {};
}

// A secret can be changed, and nobody can guess it by the hash.
std::string hash_without_secrets(json::object given) {
  if (auto* headers = given.if_contains("headers")) {
    for (auto& [name, value] : headers->as_object()) {
      if (auto* object = value.if_object()) object->erase("secret");
    }
  }
  return base::sha256_hex(base::canonical_json(given));
}

Result<Definition> configured_one(const std::string& name, const json::object& given) {
  const auto kind = cdp::text_in(given, "kind");
  if (kind != "program" && kind != "http") {
    return wrong(name, "/kind",
                 fmt::format("\"{}\" is no kind of action: only \"program\" and \"http\"", kind));
  }
  const auto* params = given.if_contains("params");
  if (!params) return wrong(name, "/params", "a JSON Schema of its parameters is missing");
  auto schema = compiled(*params);
  if (!schema) return wrong(name, "/params", schema.error().message);
  const auto tier = agents::tier_of(cdp::text_in(given, "min_tier"));
  if (!tier) return wrong(name, "/min_tier", "must be a tier");
  TRY(auto raises, raises_of(name, given));
  Definition definition{.name = name,
                        .description = cdp::text_in(given, "description"),
                        .kind = kind == "http" ? Kind::http : Kind::program,
                        .risk = given.at("risk").to_number<int>(),
                        .min_tier = *tier,
                        .params = *params,
                        .schema = *std::move(schema),
                        .raises = std::move(raises),
                        .hash = hash_without_secrets(given)};
  TRY(const auto places, read_deed(definition, given));
  TRY_OK(check_places(definition, places, ""));
  for (const auto& names : {places.needed, places.others}) {
    if (std::ranges::any_of(names, [](const auto& one) { return one.starts_with(result_place); })) {
      return wrong(name, "", "only its undo knows what it gave");
    }
  }
  TRY_OK(add_undo(definition, given));
  return definition;
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

std::string_view name(Kind kind) {
  return kind == Kind::builtin ? "builtin" : kind == Kind::program ? "program" : "http";
}

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

const Definition* Catalogue::find(std::string_view name, std::string_view undoes) const {
  const auto found = all_.find(name);
  if (found == all_.end()) return nullptr;
  return undoes.empty() ? &found->second : found->second.undo.get();
}

}  // namespace services::actions
