#include "bridge/services/workflows/expression_tokens.h"

#include "bridge/base/ascii.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>

namespace workflow {

namespace json = boost::json;
using base::Result;

namespace {

bool begins_name(char c) { return base::is_letter(c) || c == '_'; }
bool is_in_name(char c) { return begins_name(c) || base::is_digit(c) || c == '-'; }

class Tokenizer {
 public:
  explicit Tokenizer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> all() {
    std::vector<Token> tokens;
    for (;;) {
      while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' ||
                                    text_[at_] == '\r')) {
        ++at_;
      }
      TRY(auto token, next());
      tokens.push_back(std::move(token));
      if (tokens.back().kind == Token::Kind::end) return tokens;
    }
  }

 private:
  std::size_t column() const { return at_ + 1; }

  Result<Token> next() {
    if (at_ == text_.size()) return Token{Token::Kind::end, column()};
    const char c = text_[at_];
    if (begins_name(c)) return name();
    if (base::is_digit(c) ||
        (c == '-' && at_ + 1 < text_.size() && base::is_digit(text_[at_ + 1]))) {
      return number();
    }
    if (c == '\'') return quoted();
    if (c == '"') return wrong_at(column(), "texts stand in single quotes: 'text'");
    return sign();
  }

  Token name() {
    const std::size_t from = at_;
    while (at_ < text_.size() && is_in_name(text_[at_])) ++at_;
    Token token{Token::Kind::name, from + 1, std::string(text_.substr(from, at_ - from))};
    if (token.text == "true" || token.text == "false") {
      token.kind = Token::Kind::literal;
      token.value = token.text == "true";
    } else if (token.text == "null") {
      token.kind = Token::Kind::literal;
    }
    return token;
  }

  Result<Token> number() {
    const std::size_t from = at_;
    if (text_[at_] == '-') ++at_;
    const auto is_part = [&](char c) {
      const bool is_signed = (c == '-' || c == '+') && (text_[at_ - 1] | 0x20) == 'e';
      return base::is_digit(c) || c == '.' || c == 'e' || c == 'E' || is_signed;
    };
    while (at_ < text_.size() && is_part(text_[at_])) ++at_;
    auto value = base::parse_json(text_.substr(from, at_ - from));
    if (!value) return wrong_at(from + 1, "this is no number");
    return Token{Token::Kind::literal, from + 1, {}, *std::move(value)};
  }

  Result<Token> quoted() {
    const std::size_t from = at_++;
    std::string content;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] != '\'') {
        content += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '\'') {
        content += text_[++at_];
      } else {
        ++at_;
        return Token{Token::Kind::literal, from + 1, {}, json::value(std::move(content))};
      }
    }
    return wrong_at(from + 1, "the text that begins here does not end");
  }

  Result<Token> sign() {
    static constexpr std::array<std::string_view, 14> signs = {
        "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", "[", "]", "."};
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with(',')) {
      ++at_;
      return Token{Token::Kind::sign, at_, ","};
    }
    const auto found =
        std::ranges::find_if(signs, [&](std::string_view one) { return rest.starts_with(one); });
    if (found == signs.end()) {
      return wrong_at(column(), fmt::format("\"{}\" means nothing here", rest.substr(0, 1)));
    }
    Token token{Token::Kind::sign, column(), std::string(*found)};
    at_ += found->size();
    return token;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::unexpected<base::Error> wrong_at(std::size_t column, std::string_view what) {
  return base::fail(base::Code::invalid, fmt::format("column {}: {}", column, what),
                    "wrong_expression");
}

Result<std::vector<Token>> tokens_of(std::string_view text) { return Tokenizer(text).all(); }

}  // namespace workflow
