// What each keyword compiles to. The schema was checked against its meta-schema, but a dialect of
// its own may have let other types pass: a value of an unexpected type means nothing.
#include "bridge/schema/compiler.h"
#include "bridge/schema/number.h"
#include "bridge/schema/uri.h"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

namespace schema {

using base::Code;
using base::fail;

namespace {

const json::object* object_member(const json::object& object, std::string_view keyword) {
  const auto* value = object.if_contains(keyword);
  return value ? value->if_object() : nullptr;
}

const json::array* array_member(const json::object& object, std::string_view keyword) {
  const auto* value = object.if_contains(keyword);
  return value ? value->if_array() : nullptr;
}

std::optional<std::string_view> text_member(const json::object& object, std::string_view keyword) {
  const auto* value = object.if_contains(keyword);
  if (!value || !value->is_string()) return std::nullopt;
  return std::string_view(value->get_string());
}

const json::value* number_member(const json::object& object, std::string_view keyword) {
  const auto* value = object.if_contains(keyword);
  return value && value->is_number() ? value : nullptr;
}

// A count beyond 2^62 is beyond every size: a maximum that always holds, a minimum that never does.
void read_count(const json::object& object, std::string_view keyword, std::size_t& count) {
  const auto* value = number_member(object, keyword);
  if (!value) return;
  if (value->is_int64() && value->get_int64() >= 0) {
    count = static_cast<std::size_t>(value->get_int64());
  } else if (value->is_double() && value->get_double() >= 0 && value->get_double() < 0x1p62) {
    count = static_cast<std::size_t>(value->get_double());
  } else if (value->is_uint64() || value->is_double()) {
    count = no_bound;
  }
}

std::vector<std::string_view> texts(const json::array& array) {
  std::vector<std::string_view> all;
  for (const auto& item : array) {
    if (item.is_string()) all.push_back(item.get_string());
  }
  return all;
}

Types types_of(std::string_view name) {
  using enum json::kind;
  constexpr Types integers = type_bit(int64) | type_bit(uint64);
  if (name == "null") return type_bit(null);
  if (name == "boolean") return type_bit(bool_);
  if (name == "integer") return integers | integral_double_bit;
  if (name == "number") return integers | type_bit(double_);
  if (name == "string") return type_bit(string);
  if (name == "array") return type_bit(array);
  if (name == "object") return type_bit(object);
  return 0;
}

Types types_of(const json::value& keyword) {
  if (keyword.is_string()) return types_of(std::string_view(keyword.get_string()));
  Types types = 0;
  if (const auto* list = keyword.if_array()) {
    for (const auto name : texts(*list)) types |= types_of(name);
  }
  return types;
}

template <class... Keyword>
bool has_any(const json::object& object, Keyword... keywords) {
  return (object.contains(keywords) || ...);
}

}  // namespace

base::Result<> Compiler::fill(Node& node, const Site& site) {
  if (const auto* boolean = site.schema->if_bool()) {
    node.is_false = !*boolean;
    if (node.is_false) node.types = 0;
    return {};
  }
  const auto* object = site.schema->if_object();
  if (!object) {
    return fail(Code::invalid, fmt::format("{}: neither an object nor a boolean, so not a schema",
                                           place_name(*site.resource, site.pointer)));
  }
  TRY(const Dialect dialect, dialect_of(*site.resource));
  TRY_OK(fill_core(node, site, *object));
  if (dialect.validation) {
    if (const auto* types = object->if_contains("type")) node.types = types_of(*types);
    fill_values(node, *object);
    fill_number(node, *object);
  }
  TRY_OK(fill_string(node, site, *object, dialect));
  TRY_OK(fill_array(node, site, *object, dialect));
  TRY_OK(fill_object(node, site, *object, dialect));
  if (dialect.applicator) TRY_OK(fill_applicators(node, site, *object));
  return {};
}

base::Result<> Compiler::fill_core(Node& node, const Site& site, const json::object& object) {
  for (const std::string_view keyword : {"$ref", "$dynamicRef"}) {
    const auto reference = text_member(object, keyword);
    if (!reference) continue;
    const std::string uri = resolve_uri(site.resource->uri, *reference);
    auto target = resolve(uri);
    if (!target) {
      return fail(Code::invalid,
                  fmt::format("{}: cannot resolve \"{}\": {}",
                              place_name(*site.resource, site.pointer + "/" + std::string(keyword)),
                              *reference, target.error().message));
    }
    Operation operation{Operation::Kind::ref, keyword, {}};
    if (keyword == "$dynamicRef" && target->is_dynamic) {
      const std::string name = percent_decoded(split_fragment(uri).fragment);
      const auto number = static_cast<std::uint32_t>(dynamic_names_.size());
      operation.kind = Operation::Kind::dynamic_ref;
      operation.dynamic_anchor = dynamic_names_.try_emplace(name, number).first->second;
      program_->uses_dynamic_scope = true;
    }
    TRY(const Node* branch, node_at(std::move(target->site)));
    operation.branches.push_back(branch);
    node.operations.push_back(std::move(operation));
  }
  return {};
}

base::Result<const Node*> Compiler::subschema(const Site& site, std::string_view keyword) {
  const auto* schema = site.schema->get_object().if_contains(keyword);
  if (!schema) return nullptr;
  return node_at(child(site, *schema, fmt::format("{}/{}", site.pointer, keyword)));
}

base::Result<std::vector<const Node*>> Compiler::subschemas(const Site& site,
                                                            std::string_view keyword) {
  std::vector<const Node*> nodes;
  if (const auto* list = array_member(site.schema->get_object(), keyword)) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      const std::string pointer = fmt::format("{}/{}/{}", site.pointer, keyword, i);
      TRY(const Node* node, node_at(child(site, (*list)[i], pointer)));
      nodes.push_back(node);
    }
  }
  return nodes;
}

base::Result<> Compiler::fill_applicators(Node& node, const Site& site,
                                          const json::object& object) {
  using Kind = Operation::Kind;
  for (const auto& [keyword, kind] : {std::pair<std::string_view, Kind>{"allOf", Kind::all_of},
                                      {"anyOf", Kind::any_of},
                                      {"oneOf", Kind::one_of}}) {
    TRY(auto branches, subschemas(site, keyword));
    if (!branches.empty()) node.operations.push_back({kind, keyword, std::move(branches)});
  }
  if (object.contains("not")) {
    TRY(const Node* negated, subschema(site, "not"));
    node.operations.push_back({Kind::negation, "not", {negated}});
  }
  if (object.contains("if")) {
    TRY(const Node* condition, subschema(site, "if"));
    TRY(const Node* then, subschema(site, "then"));
    TRY(const Node* otherwise, subschema(site, "else"));
    node.operations.push_back({Kind::conditional, "if", {condition, then, otherwise}});
  }
  return {};
}

void Compiler::fill_values(Node& node, const json::object& object) {
  for (const std::string_view keyword : {"enum", "const"}) {
    const auto* value = object.if_contains(keyword);
    if (!value) continue;
    Operation operation{Operation::Kind::one_value, keyword, {}};
    if (keyword == "const") {
      operation.values.push_back(value);
    } else if (const auto* list = value->if_array()) {
      for (const auto& item : *list) operation.values.push_back(&item);
    }
    const bool all_strings =
        std::ranges::all_of(operation.values, [](const auto* item) { return item->is_string(); });
    if (all_strings && !operation.values.empty()) {
      std::vector<std::string_view> strings;
      strings.reserve(operation.values.size());
      for (const auto* item : operation.values) strings.push_back(item->get_string());
      std::ranges::sort(strings);
      const auto repeated = std::ranges::unique(strings);
      strings.erase(repeated.begin(), repeated.end());
      operation.strings = KeyTable(std::move(strings));
    }
    node.operations.push_back(std::move(operation));
  }
}

void Compiler::fill_number(Node& node, const json::object& object) {
  NumberRules rules;
  rules.minimum = number_member(object, "minimum");
  rules.maximum = number_member(object, "maximum");
  rules.exclusive_minimum = number_member(object, "exclusiveMinimum");
  rules.exclusive_maximum = number_member(object, "exclusiveMaximum");
  rules.multiple_of = number_member(object, "multipleOf");
  if (rules.multiple_of && compare_numbers(*rules.multiple_of, json::value(0)) <= 0) {
    rules.multiple_of = nullptr;
  }
  if (rules.minimum || rules.maximum || rules.exclusive_minimum || rules.exclusive_maximum ||
      rules.multiple_of) {
    node.number = &program_->numbers.emplace_back(rules);
  }
}

base::Result<const Regex*> Compiler::regex(std::string_view pattern, const Site& site,
                                           std::string_view below) {
  if (auto known = regexes_.find(pattern); known != regexes_.end()) return known->second;
  auto compiled = Regex::compile(pattern);
  if (!compiled) {
    return fail(
        Code::invalid,
        fmt::format("{}: \"{}\": {}", place_name(*site.resource, site.pointer + std::string(below)),
                    pattern, compiled.error().message));
  }
  const Regex* kept = &program_->regexes.emplace_back(*std::move(compiled));
  regexes_.emplace(pattern, kept);
  return kept;
}

base::Result<> Compiler::fill_string(Node& node, const Site& site, const json::object& object,
                                     const Dialect& dialect) {
  StringRules rules;
  if (dialect.validation) {
    read_count(object, "minLength", rules.length_min);
    read_count(object, "maxLength", rules.length_max);
    if (const auto pattern = text_member(object, "pattern")) {
      TRY(rules.pattern, regex(*pattern, site, "/pattern"));
      rules.pattern_text = *pattern;
    }
  }
  if (const auto format = text_member(object, "format");
      format && (dialect.format_assertion || program_->options.assert_format)) {
    rules.format = format_check(*format);
    rules.format_name = *format;
  }
  if (rules.length_min > 0 || rules.length_max != no_bound || rules.pattern || rules.format) {
    node.string = &program_->strings.emplace_back(rules);
  }
  return {};
}

base::Result<> Compiler::fill_array(Node& node, const Site& site, const json::object& object,
                                    const Dialect& dialect) {
  if (!has_any(object, "minItems", "maxItems", "uniqueItems", "prefixItems", "items", "contains",
               "unevaluatedItems")) {
    return {};
  }
  ArrayRules rules;
  if (dialect.validation) {
    read_count(object, "minItems", rules.items_min);
    read_count(object, "maxItems", rules.items_max);
    read_count(object, "minContains", rules.contains_min);
    read_count(object, "maxContains", rules.contains_max);
    const auto* unique = object.if_contains("uniqueItems");
    rules.unique = unique && unique->is_bool() && unique->get_bool();
  }
  if (dialect.applicator) {
    TRY(rules.prefix, subschemas(site, "prefixItems"));
    TRY(rules.items, subschema(site, "items"));
    TRY(rules.contains, subschema(site, "contains"));
  }
  if (dialect.unevaluated) {
    TRY(rules.unevaluated, subschema(site, "unevaluatedItems"));
  }
  node.array = &program_->arrays.emplace_back(std::move(rules));
  return {};
}

base::Result<> Compiler::fill_object(Node& node, const Site& site, const json::object& object,
                                     const Dialect& dialect) {
  if (!has_any(object, "minProperties", "maxProperties", "required", "dependentRequired",
               "properties", "patternProperties", "additionalProperties", "propertyNames",
               "dependentSchemas", "dependencies", "unevaluatedProperties")) {
    return {};
  }
  ObjectRules rules;
  std::map<std::string_view, Property> named;
  if (dialect.validation) {
    read_count(object, "minProperties", rules.properties_min);
    read_count(object, "maxProperties", rules.properties_max);
    if (const auto* required = array_member(object, "required")) {
      for (const auto name : texts(*required)) named[name].is_required = true;
    }
    rules.required_count = named.size();
  }
  if (dialect.applicator) {
    if (const auto* properties = object_member(object, "properties")) {
      for (const auto& [name, schema] : *properties) {
        const std::string pointer =
            fmt::format("{}/properties/{}", site.pointer, pointer_token(name));
        TRY(named[name].schema, node_at(child(site, schema, pointer)));
      }
    }
    if (const auto* patterns = object_member(object, "patternProperties")) {
      for (const auto& [pattern, schema] : *patterns) {
        const std::string below = "/patternProperties/" + pointer_token(pattern);
        TRY(const Regex* compiled, regex(pattern, site, below));
        TRY(const Node* branch, node_at(child(site, schema, site.pointer + below)));
        rules.patterns.push_back({compiled, pattern, branch});
      }
    }
    TRY(rules.additional, subschema(site, "additionalProperties"));
    TRY(rules.property_names, subschema(site, "propertyNames"));
  }
  TRY_OK(fill_dependencies(rules, site, object, dialect));
  if (dialect.unevaluated) {
    TRY(rules.unevaluated, subschema(site, "unevaluatedProperties"));
  }
  std::vector<std::string_view> names;
  for (const auto& [name, property] : named) {
    names.push_back(name);
    rules.properties.push_back(property);
  }
  rules.names = KeyTable(std::move(names));
  node.object = &program_->objects.emplace_back(std::move(rules));
  return {};
}

// `dependencies` of earlier drafts is either of its two successors.
base::Result<> Compiler::fill_dependencies(ObjectRules& rules, const Site& site,
                                           const json::object& object, const Dialect& dialect) {
  for (const std::string_view keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    const auto* dependencies = object_member(object, keyword);
    if (!dependencies) continue;
    for (const auto& [trigger, dependent] : *dependencies) {
      Dependency dependency{trigger, keyword, {}};
      if (const auto* names = dependent.if_array()) {
        if (!dialect.validation || keyword == "dependentSchemas") continue;
        dependency.required = texts(*names);
      } else {
        if (!dialect.applicator || keyword == "dependentRequired") continue;
        const std::string pointer =
            fmt::format("{}/{}/{}", site.pointer, keyword, pointer_token(trigger));
        TRY(dependency.schema, node_at(child(site, dependent, pointer)));
      }
      rules.dependencies.push_back(std::move(dependency));
    }
  }
  return {};
}

}  // namespace schema
