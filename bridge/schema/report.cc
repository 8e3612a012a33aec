#include "bridge/schema/report.h"

#include "bridge/base/utf8.h"
#include "bridge/schema/number.h"
#include "bridge/schema/uri.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace schema {
namespace {

constexpr std::size_t brief_bytes_max = 60;
constexpr std::size_t listed_max = 12;

}  // namespace

std::string Token::text() const {
  switch (kind_) {
    case Kind::none:
      return {};
    case Kind::name:
      return "/" + pointer_token(name_);
    case Kind::index:
      return "/" + std::to_string(index_);
  }
  return {};
}

std::string Place::keyword_location() const {
  std::vector<const Place*> way;
  for (const Place* place = this; place->from; place = place->from) way.push_back(place);
  std::string location;
  for (auto place = way.rbegin(); place != way.rend(); ++place) {
    location += "/" + pointer_token((*place)->keyword) + (*place)->below_keyword.text();
  }
  return location;
}

std::string Place::instance_location() const {
  std::vector<const Place*> way;
  for (const Place* place = this; place->from; place = place->from) way.push_back(place);
  std::string location;
  for (auto place = way.rbegin(); place != way.rend(); ++place) location += (*place)->member.text();
  return location;
}

Violation violation_at(const Program& program, const Node& node, const Place& place,
                       std::string_view keyword, std::string message) {
  // The schema `false` has no keyword; the one that holds it says more than none.
  const std::string below = node.is_false ? std::string() : "/" + std::string(keyword);
  return {.instance_location = place.instance_location(),
          .keyword_location = place.keyword_location() + below,
          .absolute_keyword_location =
              program.resources[node.resource].uri + "#" + pointer_fragment(node.pointer + below),
          .keyword = std::string(node.is_false ? place.keyword : keyword),
          .message = std::move(message)};
}

std::string type_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "an integer";
    case json::kind::double_:
      return is_integer(value.get_double()) ? "an integer" : "a number";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
  }
  return "a value";
}

std::string allowed_types(Types types) {
  using enum json::kind;
  std::vector<std::string_view> names;
  const auto add = [&](Types bits, std::string_view name) {
    if (types & bits) names.push_back(name);
  };
  add(type_bit(object), "an object");
  add(type_bit(array), "an array");
  add(type_bit(string), "a string");
  if (types & type_bit(double_)) {
    names.push_back("a number");
  } else {
    add(type_bit(int64), "an integer");
  }
  add(type_bit(bool_), "a boolean");
  add(type_bit(null), "null");
  return fmt::format("{}", fmt::join(names, " or "));
}

std::string brief(const json::value& value) {
  if (value.is_object() || value.is_array()) return type_name(value);
  std::string text = value.is_double() && std::isfinite(value.get_double())
                         ? base::ecmascript_number(value.get_double())
                         : json::serialize(value);
  if (text.size() > brief_bytes_max) {
    text.resize(base::beginning_of(text, brief_bytes_max).size());
    text += "…";
  }
  return text;
}

std::string counted(std::size_t count, std::string_view singular, std::string_view plural) {
  return fmt::format("{} {}", count, count == 1 ? singular : plural);
}

std::string listed(const std::vector<std::string_view>& names) {
  if (names.empty()) return "none";
  const std::size_t shown = std::min(names.size(), listed_max);
  std::string all = fmt::format("{}", fmt::join(names.begin(), names.begin() + long(shown), ", "));
  if (shown < names.size()) all += fmt::format(" and {} more", names.size() - shown);
  return all;
}

bool is_annotation(std::string_view keyword) {
  static const std::set<std::string_view> silent{"$anchor",
                                                 "$comment",
                                                 "$defs",
                                                 "$dynamicAnchor",
                                                 "$dynamicRef",
                                                 "$id",
                                                 "$ref",
                                                 "$schema",
                                                 "$vocabulary",
                                                 "allOf",
                                                 "anyOf",
                                                 "const",
                                                 "contains",
                                                 "definitions",
                                                 "dependencies",
                                                 "dependentRequired",
                                                 "dependentSchemas",
                                                 "else",
                                                 "enum",
                                                 "exclusiveMaximum",
                                                 "exclusiveMinimum",
                                                 "if",
                                                 "items",
                                                 "maxContains",
                                                 "maxItems",
                                                 "maxLength",
                                                 "maxProperties",
                                                 "maximum",
                                                 "minContains",
                                                 "minItems",
                                                 "minLength",
                                                 "minProperties",
                                                 "minimum",
                                                 "multipleOf",
                                                 "not",
                                                 "oneOf",
                                                 "pattern",
                                                 "patternProperties",
                                                 "additionalProperties",
                                                 "prefixItems",
                                                 "properties",
                                                 "propertyNames",
                                                 "required",
                                                 "then",
                                                 "type",
                                                 "unevaluatedItems",
                                                 "unevaluatedProperties",
                                                 "uniqueItems"};
  return !silent.contains(keyword);
}

}  // namespace schema
