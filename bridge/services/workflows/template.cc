#include "bridge/services/workflows/template.h"

#include "bridge/services/workflows/expression_functions.h"
#include "bridge/services/workflows/expression_tokens.h"

#include <iterator>

#include <fmt/format.h>

namespace workflow {

namespace json = boost::json;
using base::Result;

namespace {

constexpr std::string_view opening = "${{";
constexpr std::string_view closing = "}}";

// Where the expression that begins at `from` ends; texts in quotes may hold braces.
std::size_t end_of(std::string_view text, std::size_t from) {
  bool is_quoted = false;
  for (std::size_t i = from; i < text.size(); ++i) {
    if (text[i] == '\'') is_quoted = !is_quoted;
    if (!is_quoted && text.substr(i).starts_with(closing)) return i;
  }
  return std::string_view::npos;
}

Result<Expression> parse_at(std::string_view text, std::size_t from, std::size_t end) {
  auto expression = Expression::parse(text.substr(from, end - from));
  if (expression || from == 0) return expression;
  auto error = expression.error();
  error.message = fmt::format("in the expression at column {}: {}", from + 1, error.message);
  return std::unexpected(std::move(error));
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// The pointer is one for the whole walk, and said only where something is wrong.
Result<json::value> fill_at(const json::value& tree, std::string& pointer, const Known& known,
                            Budget& budget) {
  if (const auto* text = tree.if_string()) {
    auto parsed = Template::parse(*text);
    auto value = parsed ? parsed->evaluate(known, budget)
                        : Result<json::value>(std::unexpected(parsed.error()));
    if (value) return value;
    auto error = value.error();
    error.message = fmt::format("{}: {}", pointer.empty() ? "the text" : pointer, error.message);
    return std::unexpected(std::move(error));
  }
  const std::size_t here = pointer.size();
  if (const auto* list = tree.if_array()) {
    json::array filled;
    for (std::size_t i = 0; i < list->size(); ++i) {
      fmt::format_to(std::back_inserter(pointer), "/{}", i);
      TRY(auto item, fill_at((*list)[i], pointer, known, budget));
      pointer.resize(here);
      filled.push_back(std::move(item));
    }
    return filled;
  }
  if (const auto* object = tree.if_object()) {
    json::object filled;
    for (const auto& [key, member] : *object) {
      pointer += pointer_token(key);
      TRY(auto value, fill_at(member, pointer, known, budget));
      pointer.resize(here);
      filled.emplace(key, std::move(value));
    }
    return filled;
  }
  return tree;
}

using Look = std::function<void(const std::string&, std::string_view)>;

void look_at(const json::value& tree, std::string& pointer, const Look& look) {
  if (const auto* text = tree.if_string()) look(pointer, *text);
  const std::size_t here = pointer.size();
  if (const auto* list = tree.if_array()) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      fmt::format_to(std::back_inserter(pointer), "/{}", i);
      look_at((*list)[i], pointer, look);
      pointer.resize(here);
    }
  }
  if (const auto* object = tree.if_object()) {
    for (const auto& [key, member] : *object) {
      pointer += pointer_token(key);
      look_at(member, pointer, look);
      pointer.resize(here);
    }
  }
}

}  // namespace

Result<Template> Template::parse(std::string_view text) {
  Template made;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto begin = text.find(opening, at);
    if (begin == std::string_view::npos) break;
    const auto end = end_of(text, begin + opening.size());
    if (end == std::string_view::npos) {
      return wrong_at(begin + 1, "the expression that begins here does not end with }}");
    }
    if (begin > at) made.parts_.push_back({std::string(text.substr(at, begin - at)), {}});
    TRY(auto expression, parse_at(text, begin + opening.size(), end));
    made.parts_.push_back({{}, std::move(expression)});
    at = end + closing.size();
  }
  if (at < text.size() || text.empty()) {
    made.parts_.push_back({std::string(text.substr(at)), {}});
  }
  return made;
}

Result<json::value> Template::evaluate(const Known& known, Budget& budget) const {
  if (parts_.size() == 1 && parts_[0].expression) {
    return parts_[0].expression->evaluate(known, budget);
  }
  std::string text;
  for (const auto& part : parts_) {
    if (!part.expression) {
      text += part.text;
      continue;
    }
    TRY(const auto value, part.expression->evaluate(known, budget));
    const std::string words = as_text(value);
    TRY_OK(spend(budget, words.size()));
    text += words;
  }
  return json::value(std::move(text));
}

std::vector<const Expression*> Template::expressions() const {
  std::vector<const Expression*> found;
  for (const auto& part : parts_) {
    if (part.expression) found.push_back(&*part.expression);
  }
  return found;
}

Result<Expression> parse_condition(std::string_view text) {
  const std::string_view whole = trimmed(text);
  if (whole.starts_with(opening) &&
      end_of(whole, opening.size()) + closing.size() == whole.size()) {
    return parse_at(whole, opening.size(), whole.size() - closing.size());
  }
  return Expression::parse(text);
}

Result<json::value> fill(const json::value& tree, const Known& known, Budget& budget) {
  std::string pointer;
  return fill_at(tree, pointer, known, budget);
}

void each_text(const json::value& tree, const std::string& pointer, const Look& look) {
  std::string at = pointer;
  look_at(tree, at, look);
}

std::optional<std::string> object_with_long_key(const json::value& tree, std::size_t most) {
  if (const auto* list = tree.if_array()) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (auto found = object_with_long_key((*list)[i], most))
        return fmt::format("/{}{}", i, *found);
    }
  }
  if (const auto* object = tree.if_object()) {
    for (const auto& [key, member] : *object) {
      if (key.size() > most) return "";
      if (auto found = object_with_long_key(member, most)) return pointer_token(key) + *found;
    }
  }
  return std::nullopt;
}

std::string pointer_token(std::string_view name) {
  std::string token = "/";
  for (const char c : name) {
    if (c == '~') {
      token += "~0";
    } else if (c == '/') {
      token += "~1";
    } else {
      token += c;
    }
  }
  return token;
}

}  // namespace workflow
