#include "bridge/schema/evaluator.h"

#include "bridge/base/limits.h"
#include "bridge/schema/evaluated.h"
#include "bridge/schema/findings.h"
#include "bridge/schema/number.h"
#include "bridge/schema/report.h"
#include "bridge/schema/uri.h"
#include "bridge/schema/utf8.h"

#include <algorithm>
#include <array>

#include <boost/json/monotonic_resource.hpp>
#include <fmt/format.h>

namespace schema {
namespace {

// The resources entered on the way here, innermost first.
struct Scope {
  const Scope* outer;
  std::uint32_t resource;
};

// Checks one value. Without reporting it stops at the first violation and allocates nothing but
// what patterns and large `unevaluated*` need; the rules are the same code.
template <bool reports>
class Evaluator : public Findings<reports> {
 public:
  using typename Findings<reports>::Here;
  using Findings<reports>::Findings;

  bool run(const json::value& instance) {
    const Scope scope{nullptr, program_.root->resource};
    return check(*program_.root, instance, scope, nullptr, Here{}) && !exhausted_;
  }

 private:
  using Findings<reports>::annotate;
  using Findings<reports>::annotates_;
  using Findings<reports>::annotations_;
  using Findings<reports>::exhausted_;
  using Findings<reports>::forget_annotations;
  using Findings<reports>::forget_violations;
  using Findings<reports>::is_enough;
  using Findings<reports>::keep_place;
  using Findings<reports>::program_;
  using Findings<reports>::spend;
  using Findings<reports>::steps_left_;
  using Findings<reports>::violated;
  using Findings<reports>::violated_at;
  using Findings<reports>::violations_;

  // ---- One schema and one value.

  bool check(const Node& start, const json::value& value, const Scope& outer, Evaluated* seen,
             const Here& here) {
    const Node* node = &start;
    if constexpr (!reports) {
      while (node->same_as) node = node->same_as;
    }
    if (!has_type(*node, value)) return wrong_type(*node, value, here);
    if (node->is_trivial && !annotates_) return true;
    if (depth_ == program_.options.depth_max) exhausted_ = true;
    if (!spend(1)) return false;
    ++depth_;
    bool ok = false;
    if (program_.uses_dynamic_scope && node->resource != outer.resource) {
      const Scope inner{&outer, node->resource};
      ok = check_rules(*node, value, inner, seen, here);
    } else {
      ok = check_rules(*node, value, outer, seen, here);
    }
    --depth_;
    return ok;
  }

  static bool has_type(const Node& node, const json::value& value) {
    if (node.types & type_bit(value.kind())) return true;
    return (node.types & integral_double_bit) && value.is_double() &&
           is_integer(value.get_double());
  }

  bool wrong_type(const Node& node, const json::value& value, const Here& here) {
    return violated(node, here, "type", [&] {
      if (node.is_false) return std::string("is not allowed here");
      return fmt::format("must be {}, but is {}", allowed_types(node.types), type_name(value));
    });
  }

  bool check_rules(const Node& node, const json::value& value, const Scope& scope, Evaluated* seen,
                   const Here& here) {
    const std::size_t annotations_before = annotations_.size();
    const bool ok = needs_tracking(node, value) ? check_tracked(node, value, scope, seen, here)
                                                : check_direct(node, value, scope, seen, here);
    if constexpr (reports) {
      if (!ok) {
        forget_annotations(annotations_before);
      } else if (annotates_) {
        annotate(node, here);
      }
    }
    return ok;
  }

  static bool needs_tracking(const Node& node, const json::value& value) {
    if (node.object && node.object->unevaluated) return value.is_object();
    return node.array && node.array->unevaluated && value.is_array();
  }

  bool check_direct(const Node& node, const json::value& value, const Scope& scope, Evaluated* seen,
                    const Here& here) {
    bool ok = true;
    switch (value.kind()) {
      case json::kind::string:
        if (node.string) ok = check_string(node, value.get_string(), here);
        break;
      case json::kind::object:
        if (node.object) ok = check_object(node, value, scope, seen, here);
        break;
      case json::kind::array:
        if (node.array) ok = check_array(node, value.get_array(), scope, seen, here);
        break;
      case json::kind::int64:
      case json::kind::uint64:
      case json::kind::double_:
        if (node.number) ok = check_number(node, value, here);
        break;
      default:
        break;
    }
    if (!ok && is_enough()) return false;
    for (const auto& operation : node.operations) {
      if (!apply(operation, node, value, scope, seen, here)) {
        ok = false;
        if (is_enough()) return false;
      }
    }
    return ok;
  }

  // With `unevaluated*`, which sees what its neighbours saw but not what its cousins saw.
  bool check_tracked(const Node& node, const json::value& value, const Scope& scope,
                     Evaluated* seen, const Here& here) {
    const bool is_object = value.is_object();
    Evaluated own(is_object ? value.get_object().size() : value.get_array().size());
    bool ok = check_direct(node, value, scope, &own, here);
    if (!ok && is_enough()) return false;
    std::size_t index = 0;
    if (is_object) {
      for (const auto& member : value.get_object()) {
        if (own.is_marked(index++)) continue;
        const auto below =
            here.down("unevaluatedProperties", Token(), Token(std::string_view(member.key())));
        ok &= check(*node.object->unevaluated, member.value(), scope, nullptr, below);
        if (!ok && is_enough()) return false;
      }
    } else {
      for (const auto& item : value.get_array()) {
        if (!own.is_marked(index)) {
          const auto below = here.down("unevaluatedItems", Token(), Token(index));
          ok &= check(*node.array->unevaluated, item, scope, nullptr, below);
          if (!ok && is_enough()) return false;
        }
        ++index;
      }
    }
    if (seen) seen->mark_all();
    return ok;
  }

  // ---- Numbers and strings.

  bool check_number(const Node& node, const json::value& value, const Here& here) {
    const NumberRules& rules = *node.number;
    bool ok = true;
    const auto test = [&](bool holds, std::string_view keyword, std::string_view text,
                          const json::value* bound) {
      if (holds) return true;
      ok = violated(node, here, keyword, [&] {
        return fmt::format("must be {} {}, but is {}", text, brief(*bound), brief(value));
      });
      return !is_enough();
    };
    const bool more = (!rules.minimum || test(compare_numbers(value, *rules.minimum) >= 0,
                                              "minimum", "at least", rules.minimum)) &&
                      (!rules.maximum || test(compare_numbers(value, *rules.maximum) <= 0,
                                              "maximum", "at most", rules.maximum)) &&
                      (!rules.exclusive_minimum ||
                       test(compare_numbers(value, *rules.exclusive_minimum) > 0,
                            "exclusiveMinimum", "more than", rules.exclusive_minimum)) &&
                      (!rules.exclusive_maximum ||
                       test(compare_numbers(value, *rules.exclusive_maximum) < 0,
                            "exclusiveMaximum", "less than", rules.exclusive_maximum));
    if (more && rules.multiple_of) {
      test(is_multiple_of(value, *rules.multiple_of), "multipleOf", "a multiple of",
           rules.multiple_of);
    }
    return ok;
  }

  bool check_string(const Node& node, std::string_view text, const Here& here) {
    const StringRules& rules = *node.string;
    bool ok = true;
    if (!check_length(node, text, here)) {
      ok = false;
      if (is_enough()) return false;
    }
    if (rules.pattern && !matches(*rules.pattern, text)) {
      ok = violated(node, here, "pattern",
                    [&] { return fmt::format("must match the pattern {}", rules.pattern_text); });
      if (is_enough()) return false;
    }
    if (rules.format && !rules.format(text)) {
      ok = violated(node, here, "format", [&] {
        return fmt::format("must be in the format {}, but is {}", rules.format_name,
                           brief(json::value(text)));
      });
    }
    return ok;
  }

  bool check_length(const Node& node, std::string_view text, const Here& here) {
    const StringRules& rules = *node.string;
    // A code point takes 1 to 4 bytes, so that mostly no counting is needed.
    const bool is_clear = text.size() <= rules.length_max && text.size() / 4 >= rules.length_min;
    if (is_clear) return true;
    const std::size_t length = code_point_count(text);
    bool ok = true;
    if (length < rules.length_min) {
      ok = violated(node, here, "minLength", [&] {
        return fmt::format("must have at least {}, but has {}",
                           counted(rules.length_min, "character", "characters"), length);
      });
    }
    if (length > rules.length_max) {
      ok = violated(node, here, "maxLength", [&] {
        return fmt::format("must have at most {}, but has {}",
                           counted(rules.length_max, "character", "characters"), length);
      });
    }
    return ok;
  }

  bool matches(const Regex& regex, std::string_view text) {
    if (exhausted_) return false;
    const Match match = regex.search(text, memory_, steps_left_);
    if (match == Match::exhausted) exhausted_ = true;
    return match == Match::yes;
  }

  // ---- Arrays.

  bool check_array(const Node& node, const json::array& array, const Scope& scope, Evaluated* seen,
                   const Here& here) {
    const ArrayRules& rules = *node.array;
    bool ok = true;
    if (array.size() < rules.items_min) {
      ok = violated(node, here, "minItems", [&] {
        return fmt::format("must have at least {}, but has {}",
                           counted(rules.items_min, "item", "items"), array.size());
      });
    }
    if (array.size() > rules.items_max) {
      ok = violated(node, here, "maxItems", [&] {
        return fmt::format("must have at most {}, but has {}",
                           counted(rules.items_max, "item", "items"), array.size());
      });
    }
    if ((!ok && is_enough()) || !spend(array.size())) return false;
    const std::size_t prefix = std::min(rules.prefix.size(), array.size());
    for (std::size_t i = 0; i < prefix; ++i) {
      ok &= check(*rules.prefix[i], array[i], scope, nullptr,
                  here.down("prefixItems", Token(i), Token(i)));
      if (!ok && is_enough()) return false;
      if (seen) seen->mark(i);
    }
    if (rules.items) {
      for (std::size_t i = prefix; i < array.size(); ++i) {
        ok &= check(*rules.items, array[i], scope, nullptr, here.down("items", Token(), Token(i)));
        if (!ok && is_enough()) return false;
      }
      if (seen) seen->mark_all();
    }
    if (rules.contains && !check_contains(node, array, scope, seen, here)) ok = false;
    if (!ok && is_enough()) return false;
    if (rules.unique && !check_unique(node, array, here)) ok = false;
    return ok;
  }

  bool check_contains(const Node& node, const json::array& array, const Scope& scope,
                      Evaluated* seen, const Here& here) {
    const ArrayRules& rules = *node.array;
    std::size_t found = 0;
    const std::size_t kept = violations_.size();
    for (std::size_t i = 0; i < array.size() && !exhausted_; ++i) {
      if (check(*rules.contains, array[i], scope, nullptr,
                here.down("contains", Token(), Token(i)))) {
        ++found;
        if (seen) seen->mark(i);
        const bool is_decided = found >= rules.contains_min && rules.contains_max == no_bound;
        if (is_decided && !seen && !annotates_) break;
      }
      forget_violations(kept);
    }
    if (found < rules.contains_min) {
      return violated(node, here, rules.contains_min == 1 ? "contains" : "minContains", [&] {
        return fmt::format("must contain at least {} as `contains` describes, but has {}",
                           counted(rules.contains_min, "item", "items"), found);
      });
    }
    if (found > rules.contains_max) {
      return violated(node, here, "maxContains", [&] {
        return fmt::format("must contain at most {} as `contains` describes, but has {}",
                           counted(rules.contains_max, "item", "items"), found);
      });
    }
    return true;
  }

  bool check_unique(const Node& node, const json::array& array, const Here& here) {
    const auto repeated = [&](std::size_t first, std::size_t second) {
      return violated(node, here, "uniqueItems", [&] {
        return fmt::format("must have no equal items, but items {} and {} are equal",
                           std::min(first, second), std::max(first, second));
      });
    };
    constexpr std::size_t few = 8;
    if (array.size() <= few) {
      for (std::size_t i = 1; i < array.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          if (equal(array[i], array[j])) return repeated(j, i);
        }
      }
      return true;
    }
    std::vector<std::pair<std::uint64_t, std::size_t>> hashes;
    hashes.reserve(array.size());
    for (std::size_t i = 0; i < array.size(); ++i) hashes.emplace_back(hash_of(array[i]), i);
    std::ranges::sort(hashes);
    for (std::size_t i = 1; i < hashes.size(); ++i) {
      for (std::size_t j = i; j > 0 && hashes[j - 1].first == hashes[i].first; --j) {
        if (!spend(1)) return false;
        if (equal(array[hashes[j - 1].second], array[hashes[i].second])) {
          return repeated(hashes[j - 1].second, hashes[i].second);
        }
      }
    }
    return true;
  }

  // ---- Objects.

  bool check_object(const Node& node, const json::value& value, const Scope& scope, Evaluated* seen,
                    const Here& here) {
    const ObjectRules& rules = *node.object;
    const json::object& object = value.get_object();
    bool ok = true;
    if (object.size() < rules.properties_min) {
      ok = violated(node, here, "minProperties", [&] {
        return fmt::format("must have at least {}, but has {}",
                           counted(rules.properties_min, "property", "properties"), object.size());
      });
    }
    if (object.size() > rules.properties_max) {
      ok = violated(node, here, "maxProperties", [&] {
        return fmt::format("must have at most {}, but has {}",
                           counted(rules.properties_max, "property", "properties"), object.size());
      });
    }
    if ((!ok && is_enough()) || !spend(object.size())) return false;
    std::size_t required_seen = 0;
    if (rules.visits_members()) {
      std::size_t index = 0;
      for (const auto& member : object) {
        ok &= check_member(node, member, index++, required_seen, scope, seen, here);
        if (!ok && is_enough()) return false;
      }
    }
    if (required_seen < rules.required_count) {
      ok = false;
      if (is_enough()) return false;
      report_missing(node, object, here);
    }
    for (const auto& dependency : rules.dependencies) {
      if (!object.contains(dependency.trigger)) continue;
      ok &= check_dependency(node, dependency, value, scope, seen, here);
      if (!ok && is_enough()) return false;
    }
    return ok;
  }

  bool check_member(const Node& node, const json::key_value_pair& member, std::size_t index,
                    std::size_t& required_seen, const Scope& scope, Evaluated* seen,
                    const Here& here) {
    const ObjectRules& rules = *node.object;
    const std::string_view key = member.key();
    bool ok = true;
    bool is_known = false;
    if (const auto position = rules.names.find(key); position != KeyTable::npos) {
      const Property& property = rules.properties[position];
      required_seen += property.is_required;
      if (property.schema) {
        is_known = true;
        ok = check(*property.schema, member.value(), scope, nullptr,
                   here.down("properties", Token(key), Token(key)));
        if (!ok && is_enough()) return false;
      }
    }
    for (const auto& pattern : rules.patterns) {
      if (!matches(*pattern.regex, key)) continue;
      is_known = true;
      ok &= check(*pattern.schema, member.value(), scope, nullptr,
                  here.down("patternProperties", Token(pattern.text), Token(key)));
      if (!ok && is_enough()) return false;
    }
    if (!is_known && rules.additional) {
      is_known = true;
      const auto below = here.down("additionalProperties", Token(), Token(key));
      ok &= rules.additional->is_false
                ? unknown_member(*rules.additional, rules, below)
                : check(*rules.additional, member.value(), scope, nullptr, below);
      if (!ok && is_enough()) return false;
    }
    if (is_known && seen) seen->mark(index);
    if (rules.property_names) ok &= check_name(*rules.property_names, key, scope, here);
    return ok;
  }

  bool check_name(const Node& names, std::string_view key, const Scope& scope, const Here& here) {
    std::array<unsigned char, 256> buffer;  // Long names take from the heap.
    json::monotonic_resource memory(buffer.data(), buffer.size());
    return check(names, json::value(key, &memory), scope, nullptr,
                 here.down("propertyNames", Token(), Token(key)));
  }

  bool unknown_member(const Node& node, const ObjectRules& rules, const Here& here) {
    return violated(node, here, "", [&] {
      std::vector<std::string_view> known;
      for (std::size_t i = 0; i < rules.properties.size(); ++i) {
        if (rules.properties[i].schema) known.push_back(rules.names.keys()[i]);
      }
      return fmt::format("is not a known property; known here: {}", listed(known));
    });
  }

  void report_missing(const Node& node, const json::object& object, const Here& here) {
    const ObjectRules& rules = *node.object;
    for (std::size_t i = 0; i < rules.properties.size(); ++i) {
      const std::string_view name = rules.names.keys()[i];
      if (!rules.properties[i].is_required || object.contains(name)) continue;
      violated(node, here, "required",
               [&] { return fmt::format("lacks the required property \"{}\"", name); });
    }
  }

  bool check_dependency(const Node& node, const Dependency& dependency, const json::value& value,
                        const Scope& scope, Evaluated* seen, const Here& here) {
    if (dependency.schema) {
      return check(*dependency.schema, value, scope, seen,
                   here.down(dependency.keyword, Token(dependency.trigger)));
    }
    bool ok = true;
    for (const auto name : dependency.required) {
      if (value.get_object().contains(name)) continue;
      ok = violated(node, here, dependency.keyword, [&] {
        return fmt::format("lacks the property \"{}\", which \"{}\" requires", name,
                           dependency.trigger);
      });
      if (is_enough()) return false;
    }
    return ok;
  }

  // ---- Schemas for the same value.

  bool apply(const Operation& operation, const Node& node, const json::value& value,
             const Scope& scope, Evaluated* seen, const Here& here) {
    using Kind = Operation::Kind;
    switch (operation.kind) {
      case Kind::ref:
        return check(*operation.branches[0], value, scope, seen, here.down(operation.keyword));
      case Kind::dynamic_ref:
        return check(dynamic_target(operation, scope), value, scope, seen,
                     here.down(operation.keyword));
      case Kind::all_of:
        return apply_all(operation, value, scope, seen, here);
      case Kind::any_of:
        return apply_any(operation, node, value, scope, seen, here);
      case Kind::one_of:
        return apply_one(operation, node, value, scope, seen, here);
      case Kind::negation:
        return apply_not(operation, node, value, scope, here);
      case Kind::conditional:
        return apply_if(operation, value, scope, seen, here);
      case Kind::one_value:
        return apply_values(operation, node, value, here);
    }
    return false;
  }

  // The outermost resource in scope with the anchor wins.
  const Node& dynamic_target(const Operation& operation, const Scope& scope) const {
    const Node* target = operation.branches[0];
    for (const Scope* at = &scope; at; at = at->outer) {
      const auto& anchors = program_.resources[at->resource].dynamic_anchors;
      if (const Node* node = anchors[operation.dynamic_anchor]) target = node;
    }
    return *target;
  }

  bool apply_all(const Operation& operation, const json::value& value, const Scope& scope,
                 Evaluated* seen, const Here& here) {
    bool ok = true;
    for (std::size_t i = 0; i < operation.branches.size(); ++i) {
      ok &= check(*operation.branches[i], value, scope, seen, here.down("allOf", Token(i)));
      if (!ok && is_enough()) return false;
    }
    return ok;
  }

  // A branch whose findings count only if it holds.
  bool try_branch(const Node& branch, const json::value& value, const Scope& scope, Evaluated* seen,
                  const Here& here) {
    if (!seen) return check(branch, value, scope, nullptr, here);
    Evaluated own(size_of(value));
    const bool ok = check(branch, value, scope, &own, here);
    if (ok) seen->merge(own);
    return ok;
  }
  static std::size_t size_of(const json::value& value) {
    if (auto* object = value.if_object()) return object->size();
    auto* array = value.if_array();
    return array ? array->size() : 0;
  }

  bool apply_any(const Operation& operation, const Node& node, const json::value& value,
                 const Scope& scope, Evaluated* seen, const Here& here) {
    const std::size_t place = keep_place();
    bool any = false;
    for (std::size_t i = 0; i < operation.branches.size() && !exhausted_; ++i) {
      any |= try_branch(*operation.branches[i], value, scope, seen, here.down("anyOf", Token(i)));
      // With `seen` every branch that holds contributes.
      if (any && !seen && !annotates_) break;
    }
    if (any) {
      forget_violations(place);
      return true;
    }
    return violated_at(place, node, here, "anyOf", [&] {
      return fmt::format("matches none of the {} alternatives", operation.branches.size());
    });
  }

  bool apply_one(const Operation& operation, const Node& node, const json::value& value,
                 const Scope& scope, Evaluated* seen, const Here& here) {
    const std::size_t place = keep_place();
    std::vector<std::size_t> held;
    std::size_t count = 0;
    for (std::size_t i = 0; i < operation.branches.size() && !exhausted_; ++i) {
      if (!try_branch(*operation.branches[i], value, scope, seen, here.down("oneOf", Token(i)))) {
        continue;
      }
      if (++count > 1 && is_enough()) return false;
      if constexpr (reports) held.push_back(i);
    }
    if (count == 1) {
      forget_violations(place);
      return true;
    }
    if (count > 1) forget_violations(place + 1);
    return violated_at(place, node, here, "oneOf", [&] {
      if (count == 0) {
        return fmt::format("matches none of the {} alternatives", operation.branches.size());
      }
      return fmt::format("must match exactly one alternative, but matches those at {}",
                         fmt::join(held, ", "));
    });
  }

  bool apply_not(const Operation& operation, const Node& node, const json::value& value,
                 const Scope& scope, const Here& here) {
    const std::size_t kept = violations_.size();
    const std::size_t annotations_before = annotations_.size();
    const bool held = check(*operation.branches[0], value, scope, nullptr, here.down("not"));
    forget_violations(kept);
    forget_annotations(annotations_before);
    if (!held) return true;
    return violated(node, here, "not",
                    [] { return std::string("must not match the schema of `not`, but does"); });
  }

  bool apply_if(const Operation& operation, const json::value& value, const Scope& scope,
                Evaluated* seen, const Here& here) {
    const std::size_t kept = violations_.size();
    const bool held = try_branch(*operation.branches[0], value, scope, seen, here.down("if"));
    forget_violations(kept);
    const Node* next = operation.branches[held ? 1 : 2];
    return !next || check(*next, value, scope, seen, here.down(held ? "then" : "else"));
  }

  bool apply_values(const Operation& operation, const Node& node, const json::value& value,
                    const Here& here) {
    const bool held =
        operation.strings.empty()
            ? std::ranges::any_of(operation.values,
                                  [&](const json::value* other) { return equal(*other, value); })
            : value.is_string() && operation.strings.find(value.get_string()) != KeyTable::npos;
    if (held) return true;
    return violated(node, here, operation.keyword, [&] {
      std::vector<std::string> texts;
      texts.reserve(operation.values.size());
      for (const auto* allowed : operation.values) texts.push_back(brief(*allowed));
      if (texts.size() == 1) return fmt::format("must be {}, but is {}", texts[0], brief(value));
      const std::vector<std::string_view> views(texts.begin(), texts.end());
      return fmt::format("must be one of {}, but is {}", listed(views), brief(value));
    });
  }

  std::size_t depth_ = 0;
  Regex::Memory memory_;
};

template <class Located>
json::object& add_unit(json::array& units, bool valid, const Located& at) {
  units.push_back(json::object{{"valid", valid},
                               {"keywordLocation", at.keyword_location},
                               {"absoluteKeywordLocation", at.absolute_keyword_location},
                               {"instanceLocation", at.instance_location}});
  return units.back().get_object();
}

base::Error out_of_bounds(const Program& program) {
  return {
      base::Code::invalid,
      fmt::format("check against schema {}#: not decided within {} steps, {} nested schemas and "
                  "the bounds of patterns; make the value smaller or the schema simpler",
                  program.resources[program.root->resource].uri, program.options.steps_max,
                  program.options.depth_max),
      "schema_bounds"};
}

}  // namespace

bool evaluate_flag(const Program& program, const json::value& instance) {
  return Evaluator<false>(program).run(instance);
}

base::Result<std::vector<Violation>> evaluate_errors(const Program& program,
                                                     const json::value& instance) {
  // Most values are valid, and the quick check says so in a fraction of the time.
  if (evaluate_flag(program, instance)) return std::vector<Violation>();
  Evaluator<true> evaluator(program);
  const bool ok = evaluator.run(instance);
  if (evaluator.exhausted()) return std::unexpected(out_of_bounds(program));
  BRIDGE_ASSERT(ok == evaluator.violations().empty());
  return std::move(evaluator.violations());
}

base::Result<json::object> evaluate_basic(const Program& program, const json::value& instance) {
  // Annotations are told only of valid values.
  Evaluator<true> evaluator(program, evaluate_flag(program, instance));
  const bool ok = evaluator.run(instance);
  if (evaluator.exhausted()) return std::unexpected(out_of_bounds(program));
  json::array units;
  if (!ok) {
    for (const auto& error : evaluator.violations()) {
      json::object& unit = add_unit(units, false, error);
      unit["error"] = error.message;
    }
  } else {
    for (const auto& held : evaluator.annotations()) {
      json::object& unit = add_unit(units, true, held);
      if (held.value) unit["annotation"] = *held.value;
    }
  }
  const Node& root = *program.root;
  json::object output{{"valid", ok},
                      {"keywordLocation", ""},
                      {"absoluteKeywordLocation",
                       program.resources[root.resource].uri + "#" + pointer_fragment(root.pointer)},
                      {"instanceLocation", ""}};
  output[ok ? "annotations" : "errors"] = std::move(units);
  return output;
}

}  // namespace schema
