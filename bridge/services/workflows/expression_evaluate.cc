#include "bridge/services/workflows/expression.h"
#include "bridge/services/workflows/expression_functions.h"
#include "bridge/services/workflows/expression_tokens.h"
#include "bridge/services/workflows/workflow_limits.h"

#include <algorithm>
#include <optional>
#include <variant>

#include <fmt/format.h>

namespace workflow {

namespace json = boost::json;
using base::Result;

namespace {

// A value that is read where it lies, or one that was made.
class Held {
 public:
  Held(const json::value* lies) : value_(lies) {}
  Held(json::value made) : value_(std::move(made)) {}

  const json::value& operator*() const {
    const auto* const* lies = std::get_if<const json::value*>(&value_);
    return lies ? **lies : std::get<json::value>(value_);
  }
  bool is_made() const { return std::holds_alternative<json::value>(value_); }

 private:
  std::variant<const json::value*, json::value> value_;
};

// About how much memory a copy takes; stops counting above `most`.
std::size_t weight(const json::value& value, std::size_t most) {
  std::size_t sum = 8;
  if (const auto* text = value.if_string()) sum += text->size();
  if (const auto* list = value.if_array()) {
    for (const auto& item : *list) {
      if (sum > most) return sum;
      sum += weight(item, most - sum);
    }
  }
  if (const auto* object = value.if_object()) {
    for (const auto& [key, member] : *object) {
      if (sum > most) return sum;
      sum += key.size() + weight(member, most - sum);
    }
  }
  return sum;
}

// Looking at two values is as much work as copying a part of one.
constexpr std::size_t comparisons_a_copy = 16;

std::size_t compared_bytes(const json::value& left, const json::value& right) {
  if (left.kind() != right.kind()) return 0;
  const std::size_t most = limits::expression_output_bytes_max * comparisons_a_copy;
  return std::min(weight(left, most), weight(right, most));
}

std::optional<std::size_t> position_in(const json::array& list, const json::value& key) {
  if (!key.is_number()) return std::nullopt;
  const double number = key.to_number<double>();
  const bool is_in = number >= 0 && number < static_cast<double>(list.size());
  if (!is_in || number != static_cast<double>(static_cast<std::size_t>(number))) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(number);
}

const json::value* member_of(const json::value& whole, const json::value& key) {
  static const json::value nothing;
  if (const auto* object = whole.if_object()) {
    const auto* name = key.if_string();
    const auto* member = name ? object->if_contains(*name) : nullptr;
    return member ? member : &nothing;
  }
  if (const auto* list = whole.if_array()) {
    const auto position = position_in(*list, key);
    return position ? &(*list)[*position] : &nothing;
  }
  return &nothing;
}

}  // namespace

class Evaluation {
 public:
  Evaluation(const Expression& expression, const Known& known, Budget& budget)
      : expression_(expression), known_(known), budget_(budget) {}

  Result<json::value> whole() {
    TRY(const auto held, value(static_cast<std::uint32_t>(expression_.nodes_.size() - 1)));
    if (!held.is_made()) TRY_OK(spend(budget_, weight(*held, budget_.bytes)));
    return *held;
  }

 private:
  using Kind = Expression::Kind;

  // As deep as the tree is, which expression_nodes_max bounds.
  Result<Held> value(std::uint32_t position) {
    const auto& node = expression_.nodes_[position];
    if (budget_.steps == 0) return wrong_at(node.column, "evaluating takes too many steps");
    --budget_.steps;
    switch (node.kind) {
      case Kind::literal:
        return Held(&node.literal);
      case Kind::inputs:
        return whole_of(known_.inputs);
      case Kind::run:
        return whole_of(known_.run);
      case Kind::job: {
        static const json::value nothing;
        const auto* job = known_.jobs.if_contains(node.name);
        return Held(job ? job : &nothing);
      }
      case Kind::index:
        return index(node);
      case Kind::call:
        return function(node);
      case Kind::negation: {
        TRY(const auto of, value(node.children[0]));
        return Held(json::value(!is_true(*of)));
      }
      case Kind::conjunction:
      case Kind::disjunction: {
        TRY(auto left, value(node.children[0]));
        if (is_true(*left) == (node.kind == Kind::disjunction)) return left;
        return value(node.children[1]);
      }
      default:
        return comparison(node);
    }
  }

  Result<Held> whole_of(const json::object& object) {
    TRY_OK(spend(budget_, weight(object, budget_.bytes)));
    return Held(json::value(object));
  }

  Result<Held> index(const Expression::Node& node) {
    const auto& of = expression_.nodes_[node.children[0]];
    TRY(const auto key, value(node.children[1]));
    // What is read whole only to take one member out of it is not copied.
    if (of.kind == Kind::inputs || of.kind == Kind::run) {
      const auto& object = of.kind == Kind::inputs ? known_.inputs : known_.run;
      const auto* name = (*key).if_string();
      const auto* member = name ? object.if_contains(*name) : nullptr;
      static const json::value nothing;
      return Held(member ? member : &nothing);
    }
    TRY(const auto whole, value(node.children[0]));
    const auto* member = member_of(*whole, *key);
    if (!whole.is_made()) return Held(member);
    TRY_OK(spend(budget_, weight(*member, budget_.bytes)));
    return Held(json::value(*member));
  }

  Result<Held> function(const Expression::Node& node) {
    std::vector<json::value> arguments;
    for (const auto child : node.children) {
      TRY(const auto argument, value(child));
      if (!argument.is_made()) TRY_OK(spend(budget_, weight(*argument, budget_.bytes)));
      arguments.push_back(*argument);
    }
    auto result = call(node.name, arguments, known_.situation, budget_);
    if (!result) return wrong_at(node.column, result.error().message);
    return Held(*std::move(result));
  }

  Result<Held> comparison(const Expression::Node& node) {
    TRY(const auto left, value(node.children[0]));
    TRY(const auto right, value(node.children[1]));
    TRY_OK(spend(budget_, compared_bytes(*left, *right) / comparisons_a_copy));
    if (node.kind == Kind::equal || node.kind == Kind::unequal) {
      return Held(json::value(is_equal(*left, *right) == (node.kind == Kind::equal)));
    }
    std::partial_ordering order = std::partial_ordering::unordered;
    if ((*left).is_number() && (*right).is_number()) {
      order = (*left).to_number<double>() <=> (*right).to_number<double>();
    } else if ((*left).is_string() && (*right).is_string()) {
      order = std::string_view((*left).get_string()) <=> std::string_view((*right).get_string());
    } else {
      return wrong_at(node.column, "two numbers or two texts can be put in order, not these");
    }
    const bool is_so = node.kind == Kind::less         ? order < 0
                       : node.kind == Kind::less_equal ? order <= 0
                       : node.kind == Kind::greater    ? order > 0
                                                       : order >= 0;
    return Held(json::value(is_so));
  }

  const Expression& expression_;
  const Known& known_;
  Budget& budget_;
};

Result<json::value> Expression::evaluate(const Known& known, Budget& budget) const {
  return Evaluation(*this, known, budget).whole();
}

bool is_true(const json::value& value) {
  if (value.is_null()) return false;
  if (const auto* flag = value.if_bool()) return *flag;
  if (value.is_number()) return value.to_number<double>() != 0;
  if (const auto* text = value.if_string()) return !text->empty();
  return true;
}

std::string as_text(const json::value& value) {
  if (const auto* text = value.if_string()) return std::string(*text);
  if (value.is_null()) return {};
  if (const auto* number = value.if_int64()) return std::to_string(*number);
  if (const auto* number = value.if_uint64()) return std::to_string(*number);
  return base::canonical_json(value);
}

}  // namespace workflow
