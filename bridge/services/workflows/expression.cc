#include "bridge/services/workflows/expression.h"

#include "bridge/base/nearest.h"
#include "bridge/services/workflows/expression_functions.h"
#include "bridge/services/workflows/expression_tokens.h"
#include "bridge/services/workflows/workflow_limits.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

namespace workflow {

using base::Code;
using base::Result;

Budget::Budget()
    : steps(limits::expression_steps_max), bytes(limits::expression_output_bytes_max) {}

// By recursive descent; one function a level of binding, the loosest first.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<Expression> whole() {
    TRY_OK(disjunction());
    if (now().kind != Token::Kind::end) {
      return wrong_at(now().column, fmt::format("an operator was expected, not {}", shown(now())));
    }
    return std::move(made_);
  }

 private:
  using Kind = Expression::Kind;
  using Position = std::uint32_t;

  const Token& now() const { return tokens_[at_]; }
  bool is_sign(std::string_view sign) const {
    return now().kind == Token::Kind::sign && now().text == sign;
  }
  bool takes(std::string_view sign) {
    if (!is_sign(sign)) return false;
    ++at_;
    return true;
  }
  static std::string shown(const Token& token) {
    if (token.kind == Token::Kind::end) return "the end";
    return token.kind == Token::Kind::literal ? "a value" : fmt::format("\"{}\"", token.text);
  }
  Result<> expect(std::string_view sign) {
    if (takes(sign)) return {};
    return wrong_at(now().column, fmt::format("\"{}\" was expected, not {}", sign, shown(now())));
  }

  Result<Position> add(Expression::Node node) {
    if (made_.nodes_.size() >= limits::expression_nodes_max) {
      return wrong_at(node.column, "the expression has too many parts");
    }
    made_.nodes_.push_back(std::move(node));
    return static_cast<Position>(made_.nodes_.size() - 1);
  }

  struct Binary {
    std::string_view sign;
    Kind kind;
  };
  template <std::size_t n>
  Result<Position> binary(const std::array<Binary, n>& operators,
                          Result<Position> (ExpressionParser::*tighter)()) {
    TRY(Position left, (this->*tighter)());
    for (;;) {
      const auto found =
          std::ranges::find_if(operators, [&](const Binary& one) { return is_sign(one.sign); });
      if (found == operators.end()) return left;
      const std::size_t column = now().column;
      ++at_;
      TRY(const Position right, (this->*tighter)());
      TRY(left, add({.kind = found->kind, .column = column, .children = {left, right}}));
    }
  }
  Result<Position> disjunction() {
    static constexpr std::array<Binary, 1> ors = {{{"||", Kind::disjunction}}};
    return binary(ors, &ExpressionParser::conjunction);
  }
  Result<Position> conjunction() {
    static constexpr std::array<Binary, 1> ands = {{{"&&", Kind::conjunction}}};
    return binary(ands, &ExpressionParser::equality);
  }
  Result<Position> equality() {
    static constexpr std::array<Binary, 2> equals = {{{"==", Kind::equal}, {"!=", Kind::unequal}}};
    return binary(equals, &ExpressionParser::order);
  }
  Result<Position> order() {
    static constexpr std::array<Binary, 4> orders = {{{"<=", Kind::less_equal},
                                                      {">=", Kind::greater_equal},
                                                      {"<", Kind::less},
                                                      {">", Kind::greater}}};
    return binary(orders, &ExpressionParser::negation);
  }
  Result<Position> negation() {
    std::vector<std::size_t> columns;
    while (is_sign("!")) {
      columns.push_back(now().column);
      ++at_;
    }
    TRY(Position of, access());
    while (!columns.empty()) {
      TRY(of, add({.kind = Kind::negation, .column = columns.back(), .children = {of}}));
      columns.pop_back();
    }
    return of;
  }

  // A value and what is taken out of it.
  Result<Position> access() {
    TRY(Position value, primary());
    for (;;) {
      const std::size_t column = now().column;
      if (takes(".")) {
        if (now().kind != Token::Kind::name) {
          return wrong_at(now().column, fmt::format("a name was expected, not {}", shown(now())));
        }
        TRY(const Position name, add({.kind = Kind::literal,
                                      .column = now().column,
                                      .literal = base::json::value(now().text)}));
        ++at_;
        TRY(value, index(value, name, column));
      } else if (takes("[")) {
        TRY(const Position by, nested());
        TRY_OK(expect("]"));
        TRY(value, index(value, by, column));
      } else {
        return value;
      }
    }
  }
  Result<Position> index(Position of, Position by, std::size_t column) {
    const auto& key = made_.nodes_[by];
    const auto* name = key.kind == Kind::literal ? key.literal.if_string() : nullptr;
    const Kind whole = made_.nodes_[of].kind;
    if (whole == Kind::inputs && name) made_.inputs_.insert(std::string(*name));
    if (whole == Kind::job) {
      const std::vector<std::string> members = {"result", "outputs", "error"};
      const std::string given = name ? std::string(*name) : std::string();
      if (std::ranges::find(members, given) == members.end()) {
        return wrong_at(key.column, fmt::format("a job has result, outputs and error{}",
                                                base::suggestion(given, members)));
      }
    }
    return add({.kind = Kind::index, .column = column, .children = {of, by}});
  }

  Result<Position> nested() {
    if (++depth_ > limits::expression_depth_max) {
      return wrong_at(now().column, "the expression is nested too deep");
    }
    auto inner = disjunction();
    --depth_;
    return inner;
  }

  Result<Position> primary() {
    const Token token = now();
    if (token.kind == Token::Kind::literal) {
      ++at_;
      return add({.kind = Kind::literal, .column = token.column, .literal = token.value});
    }
    if (token.kind == Token::Kind::name) {
      ++at_;
      return is_sign("(") ? call(token) : context(token);
    }
    if (!takes("(")) {
      return wrong_at(token.column, fmt::format("a value was expected, not {}", shown(token)));
    }
    TRY(const Position inner, nested());
    TRY_OK(expect(")"));
    return inner;
  }

  Result<Position> context(const Token& token) {
    if (token.text == "inputs") {
      made_.reads_inputs_ = true;
      return add({.kind = Kind::inputs, .column = token.column});
    }
    if (token.text == "run") return add({.kind = Kind::run, .column = token.column});
    if (token.text != "jobs") {
      return wrong_at(token.column,
                      fmt::format("there is no \"{}\"{}", token.text,
                                  base::suggestion(token.text, {"inputs", "jobs", "run"})));
    }
    std::string job;
    if (takes(".") && now().kind == Token::Kind::name) {
      job = now().text;
      ++at_;
    } else if (takes("[") && now().kind == Token::Kind::literal && now().value.is_string()) {
      job = std::string(now().value.get_string());
      ++at_;
      TRY_OK(expect("]"));
    } else {
      return wrong_at(now().column, "after \"jobs\" comes the name of a job: jobs.plan");
    }
    made_.jobs_.insert(job);
    return add({.kind = Kind::job, .column = token.column, .name = std::move(job)});
  }

  Result<Position> call(const Token& token) {
    const auto* function = function_named(token.text);
    if (!function) {
      return wrong_at(token.column, fmt::format("there is no function \"{}\"{}", token.text,
                                                base::suggestion(token.text, function_names())));
    }
    TRY_OK(expect("("));
    std::vector<Position> arguments;
    while (!is_sign(")")) {
      if (!arguments.empty()) TRY_OK(expect(","));
      TRY(const Position argument, nested());
      arguments.push_back(argument);
    }
    ++at_;
    if (arguments.size() < function->arguments_min || arguments.size() > function->arguments_max) {
      return wrong_at(token.column, fmt::format("write {}", function->usage));
    }
    if (function->is_status) made_.asks_status_ = true;
    return add({.kind = Kind::call,
                .column = token.column,
                .name = token.text,
                .children = std::move(arguments)});
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  Expression made_;
};

Result<Expression> Expression::parse(std::string_view text) {
  if (text.size() > limits::expression_bytes_max) {
    return base::fail(
        Code::invalid,
        fmt::format("the expression has more than {} bytes", limits::expression_bytes_max),
        "wrong_expression");
  }
  TRY(auto tokens, tokens_of(text));
  return ExpressionParser(std::move(tokens)).whole();
}

}  // namespace workflow
