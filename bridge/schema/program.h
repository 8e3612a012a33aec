// What a schema compiles to: a graph of nodes, one a subschema, with the rules of each kind of
// value apart, so that a check looks only at rules that can apply.
#pragma once

#include "bridge/schema/format.h"
#include "bridge/schema/key_table.h"
#include "bridge/schema/regex.h"
#include "bridge/schema/schema.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

namespace schema {

struct Node;

inline constexpr std::size_t no_bound = ~std::size_t{0};

// A set of JSON types: bit k stands for values of boost::json::kind k.
using Types = std::uint16_t;
constexpr Types type_bit(json::kind kind) {
  return static_cast<Types>(1u << static_cast<unsigned>(kind));
}
// Doubles with an integer value are in the set too, for "integer".
inline constexpr Types integral_double_bit = 1u << 8;
inline constexpr Types all_types = 0xFF;

struct NumberRules {
  const json::value* minimum = nullptr;
  const json::value* maximum = nullptr;
  const json::value* exclusive_minimum = nullptr;
  const json::value* exclusive_maximum = nullptr;
  const json::value* multiple_of = nullptr;
};

struct StringRules {
  std::size_t length_min = 0;  // code points
  std::size_t length_max = no_bound;
  const Regex* pattern = nullptr;
  std::string_view pattern_text;
  FormatCheck format = nullptr;
  std::string_view format_name;
};

struct ArrayRules {
  std::size_t items_min = 0;
  std::size_t items_max = no_bound;
  bool unique = false;
  std::vector<const Node*> prefix;
  const Node* items = nullptr;
  const Node* contains = nullptr;
  std::size_t contains_min = 1;
  std::size_t contains_max = no_bound;
  const Node* unevaluated = nullptr;
};

struct Property {
  const Node* schema = nullptr;  // null: only required
  bool is_required = false;
};

struct PatternProperty {
  const Regex* regex;
  std::string_view text;
  const Node* schema;
};

struct Dependency {
  std::string_view trigger;
  std::string_view keyword;                // as the schema spells it
  std::vector<std::string_view> required;  // or
  const Node* schema = nullptr;
};

struct ObjectRules {
  std::size_t properties_min = 0;
  std::size_t properties_max = no_bound;
  KeyTable names;  // of properties and required
  std::vector<Property> properties;
  std::size_t required_count = 0;
  std::vector<PatternProperty> patterns;
  const Node* additional = nullptr;
  const Node* property_names = nullptr;
  std::vector<Dependency> dependencies;
  const Node* unevaluated = nullptr;

  bool visits_members() const {
    return !names.empty() || !patterns.empty() || additional || property_names;
  }
};

struct Operation {
  enum class Kind { ref, dynamic_ref, all_of, any_of, one_of, negation, conditional, one_value };
  Kind kind;
  std::string_view keyword;
  std::vector<const Node*> branches;  // conditional: if, then, else; the last two may be null
  std::uint32_t dynamic_anchor = 0;   // dynamic_ref: its number
  std::vector<const json::value*> values{};  // one_value: of `enum` or `const`
  KeyTable strings{};                        // one_value: if all are strings
};

struct Node {
  Types types = all_types;
  bool is_trivial = false;        // `types` says everything
  bool is_false = false;          // the schema `false`
  std::uint32_t resource = 0;     // index into Program::resources
  const Node* same_as = nullptr;  // checks exactly as that node does
  const NumberRules* number = nullptr;
  const StringRules* string = nullptr;
  const ArrayRules* array = nullptr;
  const ObjectRules* object = nullptr;
  std::vector<Operation> operations;

  const json::value* source = nullptr;
  std::string pointer;  // of the source, from its resource's root
};

struct ProgramResource {
  std::string uri;
  std::vector<const Node*> dynamic_anchors;  // by number; null where it has none
};

struct Program {
  Options options;
  const Node* root = nullptr;
  bool uses_dynamic_scope = false;
  std::vector<ProgramResource> resources;

  // Owners; deques keep addresses.
  std::deque<Node> nodes;
  std::deque<NumberRules> numbers;
  std::deque<StringRules> strings;
  std::deque<ArrayRules> arrays;
  std::deque<ObjectRules> objects;
  std::deque<Regex> regexes;
  std::vector<std::shared_ptr<const json::value>> documents;
};

}  // namespace schema
