#include "bridge/schema/ecma_pattern.h"

#include "bridge/base/ascii.h"
#include "bridge/base/limits.h"
#include "bridge/schema/utf8.h"

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include <fmt/format.h>

namespace schema {
namespace {

using base::Code;
using base::fail;

constexpr std::uint32_t quantifier_max = 65535;  // PCRE2's own bound

// ECMA-262 WhiteSpace and LineTerminator, and everything else, as contents of a class.
constexpr std::string_view space_class =
    R"(\x{09}-\x{0d}\x{20}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029})"
    R"(\x{202f}\x{205f}\x{3000}\x{feff})";
constexpr std::string_view not_space_class =
    R"(\x{00}-\x{08}\x{0e}-\x{1f}\x{21}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027})"
    R"(\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff})";

bool is_syntax_character(char32_t c) {
  return c < 0x80 && c != 0 &&
         std::string_view("^$\\.*+?()[]{}|/").find(static_cast<char>(c)) != std::string_view::npos;
}
bool is_name_part(char32_t c) {
  return base::is_letter(c) || base::is_digit(c) || c == '_' || c == '$' || c >= 0x80;
}

// A recursive descent over the grammar of ECMA-262, section 22.2.1, with the parameter
// +UnicodeMode.
class Translator {
 public:
  explicit Translator(std::string_view text) : text_(text) {}

  base::Result<std::string> run() {
    TRY_OK(count_groups());
    TRY_OK(disjunction(0));
    if (!at_end()) return wrong(peek() == ')' ? "unmatched )" : "unexpected character");
    for (const auto& [number, offset] : references_) {
      if (number > groups_.size()) {
        at_ = offset;
        return wrong(fmt::format("there is no group {}", number));
      }
    }
    return std::move(out_);
  }

 private:
  static constexpr char32_t end = ~char32_t{0};

  bool at_end() const { return at_ >= text_.size(); }
  char32_t peek() const { return at_end() ? end : decode_utf8(text_, at_).code_point; }
  bool sees(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  char32_t next() {
    const auto decoded = decode_utf8(text_, at_);
    at_ += decoded.size;
    return decoded.code_point;
  }
  bool accept(std::string_view what) {
    if (!sees(what)) return false;
    at_ += what.size();
    return true;
  }
  std::unexpected<base::Error> wrong(std::string_view what) const {
    return fail(Code::invalid,
                fmt::format("not an ECMA-262 regular expression: {} at offset {}", what, at_));
  }
  void literal(char32_t c) {
    if (base::is_letter(c) || base::is_digit(c)) {
      out_ += static_cast<char>(c);
    } else {
      out_ += fmt::format("\\x{{{:x}}}", static_cast<std::uint32_t>(c));
    }
  }

  // Names and the number of groups are needed before the first reference to them.
  base::Result<> count_groups() {
    bool in_class = false;
    for (at_ = 0; !at_end();) {
      const char32_t c = next();
      if (c == '\\' && !at_end()) {
        next();
      } else if (c == '[') {
        in_class = true;
      } else if (c == ']') {
        in_class = false;
      } else if (c == '(' && !in_class) {
        if (!sees("?")) {
          groups_.emplace_back();
        } else if (sees("?<") && !sees("?<=") && !sees("?<!")) {
          at_ += 2;
          TRY(std::string name, group_name());
          if (numbers_.contains(name)) return wrong("a group with this name exists already");
          groups_.push_back(name);
          numbers_.emplace(std::move(name), groups_.size());
        }
      }
    }
    at_ = 0;
    return {};
  }

  base::Result<std::string> group_name() {
    const std::size_t start = at_;
    while (!at_end() && is_name_part(peek())) next();
    std::string name(text_.substr(start, at_ - start));
    if (name.empty() || base::is_digit(static_cast<unsigned char>(name[0])) || !accept(">")) {
      return wrong("a group name needs letters, digits, _ or $ and a closing >");
    }
    return name;
  }

  base::Result<> disjunction(std::size_t depth) {
    if (depth > limits::pattern_group_depth_max) return wrong("groups are nested too deeply");
    while (!at_end() && peek() != ')') {
      if (accept("|")) {
        out_ += '|';
        continue;
      }
      TRY_OK(term(depth));
    }
    return {};
  }

  base::Result<> term(std::size_t depth) {
    const char32_t c = peek();
    switch (c) {
      case '^':
        next();
        out_ += '^';
        return {};
      case '$':
        next();
        out_ += '$';
        return {};
      case '*':
      case '+':
      case '?':
        return wrong("nothing to repeat");
      case '{':
      case '}':
      case ']':
        return wrong(fmt::format("a lone {0}; write \\{0}", static_cast<char>(c)));
      case '(':
        return group(depth);
      case '\\':
        if (accept("\\b")) {
          out_ += "\\b";
          return {};
        }
        if (accept("\\B")) {
          out_ += "\\B";
          return {};
        }
        next();
        TRY_OK(atom_escape());
        return quantifier();
      case '.':
        next();
        out_ += R"([^\x{0a}\x{0d}\x{2028}\x{2029}])";
        return quantifier();
      case '[':
        next();
        TRY_OK(character_class());
        return quantifier();
      default:
        literal(next());
        return quantifier();
    }
  }

  base::Result<> group(std::size_t depth) {
    bool repeatable = true;
    if (accept("(?:")) {
      out_ += "(?:";
    } else if (sees("(?=") || sees("(?!") || sees("(?<=") || sees("(?<!")) {
      const std::size_t size = text_[at_ + 2] == '<' ? 4 : 3;
      out_ += text_.substr(at_, size);
      at_ += size;
      repeatable = false;
    } else if (accept("(?<")) {
      TRY_OK(group_name());  // Groups are numbered here; `count_groups` knows the names.
      out_ += '(';
    } else if (sees("(?")) {
      return wrong("unknown kind of group; ECMA-262 has (?: (?= (?! (?<= (?<! and (?<name>");
    } else {
      next();
      out_ += '(';
    }
    TRY_OK(disjunction(depth + 1));
    if (!accept(")")) return wrong("a group is not closed with )");
    out_ += ')';
    if (repeatable) return quantifier();
    const char32_t c = peek();
    if (c == '*' || c == '+' || c == '?' || c == '{') return wrong("a lookaround cannot repeat");
    return {};
  }

  base::Result<> quantifier() {
    if (accept("*")) {
      out_ += '*';
    } else if (accept("+")) {
      out_ += '+';
    } else if (accept("?")) {
      out_ += '?';
    } else if (accept("{")) {
      TRY(const std::uint32_t low, count());
      out_ += fmt::format("{{{}", low);
      if (accept(",")) {
        out_ += ',';
        if (peek() != '}') {
          TRY(const std::uint32_t high, count());
          if (high < low) return wrong("the numbers of a quantifier are out of order");
          out_ += std::to_string(high);
        }
      }
      if (!accept("}")) return wrong("a quantifier is not closed with }");
      out_ += '}';
    } else {
      return {};
    }
    if (accept("?")) out_ += '?';
    return {};
  }

  base::Result<std::uint32_t> count() {
    if (!base::is_digit(peek())) return wrong("a quantifier needs a number");
    std::uint32_t number = 0;
    while (base::is_digit(peek())) {
      number = number * 10 + static_cast<std::uint32_t>(next() - '0');
      if (number > quantifier_max) {
        return wrong(fmt::format("a quantifier above {} is not supported", quantifier_max));
      }
    }
    return number;
  }

  // After a backslash, outside a class.
  base::Result<> atom_escape() {
    const char32_t c = peek();
    if (c >= '1' && c <= '9') {
      const std::size_t offset = at_;
      TRY(const std::uint32_t number, count());
      references_.emplace_back(number, offset);
      out_ += fmt::format("\\g{{{}}}", number);
      return {};
    }
    if (accept("k")) {
      if (!accept("<")) return wrong("\\k needs <name>");
      TRY(const std::string name, group_name());
      const auto place = numbers_.find(name);
      if (place == numbers_.end()) return wrong("there is no group of this name");
      out_ += fmt::format("\\g{{{}}}", place->second);
      return {};
    }
    if (c == 's' || c == 'S') {
      next();
      out_ += '[';
      out_ += c == 's' ? space_class : not_space_class;
      out_ += ']';
      return {};
    }
    TRY(const bool is_set, set_escape());
    if (is_set) return {};
    TRY(const char32_t character, character_escape(false));
    literal(character);
    return {};
  }

  // \d \D \w \W \p{} \P{}: the same inside and outside a class. True if there was one.
  base::Result<bool> set_escape() {
    const char32_t c = peek();
    if (c == 'd' || c == 'D' || c == 'w' || c == 'W') {
      out_ += '\\';
      out_ += static_cast<char>(next());
      return true;
    }
    if (c != 'p' && c != 'P') return false;
    next();
    const auto close = text_.find('}', at_);
    if (!accept("{") || close == text_.npos) return wrong("\\p needs {property}");
    const auto name = text_.substr(at_, close - at_);
    for (unsigned char letter : name) {
      if (!base::is_letter(letter) && !base::is_digit(letter) && letter != '_' && letter != '=') {
        return wrong("a Unicode property has letters, digits, _ and =");
      }
    }
    // PCRE2 has no name for the complement of Unassigned.
    const bool is_assigned = name == "Assigned";
    const auto property = is_assigned ? "Cn" : pcre2_property(name);
    if (!property) return wrong(fmt::format("unknown Unicode property {}", name));
    out_ += (c == 'P') != is_assigned ? "\\P{" : "\\p{";
    out_ += *property + "}";
    at_ = close + 1;
    return true;
  }

  // The character an escape stands for, after the backslash.
  base::Result<char32_t> character_escape(bool in_class) {
    if (at_end()) return wrong("a backslash ends the pattern");
    const char32_t c = next();
    switch (c) {
      case 'f':
        return U'\f';
      case 'n':
        return U'\n';
      case 'r':
        return U'\r';
      case 't':
        return U'\t';
      case 'v':
        return U'\v';
      case '0':
        if (base::is_digit(peek())) return wrong("octal escapes are not allowed");
        return U'\0';
      case 'c':
        if (!base::is_letter(peek())) return wrong("\\c needs a letter");
        return next() % 32;
      case 'x':
        return hex(2);
      case 'u':
        return unicode_escape();
      default:
        break;
    }
    if (is_syntax_character(c) || (in_class && c == '-')) return c;
    if (in_class && c == 'b') return U'\b';
    at_ -= 1;
    return wrong(c < 0x80 ? fmt::format("\\{} is not an escape of ECMA-262", static_cast<char>(c))
                          : std::string("a character that must not be escaped"));
  }

  base::Result<char32_t> hex(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i) {
      const char32_t c = peek();
      const char32_t lower = c | 0x20;
      if (base::is_digit(c)) {
        value = value * 16 + (c - '0');
      } else if (base::is_letter(c) && lower <= 'f') {
        value = value * 16 + (lower - 'a' + 10);
      } else {
        return wrong(fmt::format("{} hexadecimal digits are needed", digits));
      }
      next();
    }
    return value;
  }

  base::Result<char32_t> unicode_escape() {
    if (accept("{")) {
      char32_t value = 0;
      if (peek() == '}') return wrong("\\u{} needs a code point");
      while (!accept("}")) {
        TRY(const char32_t digit, hex(1));
        value = value * 16 + digit;
        if (value > 0x10FFFF) return wrong("a code point above 10FFFF");
      }
      return scalar(value);
    }
    TRY(const char32_t unit, hex(4));
    if (unit >= 0xD800 && unit < 0xDC00 && accept("\\u")) {
      TRY(const char32_t low, hex(4));
      if (low < 0xDC00 || low > 0xDFFF) return wrong("a lone surrogate, which no text contains");
      return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    return scalar(unit);
  }

  base::Result<char32_t> scalar(char32_t value) {
    if (value >= 0xD800 && value <= 0xDFFF) {
      return wrong("a lone surrogate, which no text contains");
    }
    return value;
  }

  // After the opening bracket.
  base::Result<> character_class() {
    const bool negated = accept("^");
    if (accept("]")) {
      out_ += negated ? "\\p{Any}" : "(?!)";
      return {};
    }
    out_ += negated ? "[^" : "[";
    while (!accept("]")) {
      if (at_end()) return wrong("a class is not closed with ]");
      TRY(const auto low, class_atom());
      if (!sees("-") || sees("-]")) {
        if (low) literal(*low);
        continue;
      }
      next();
      if (at_end()) return wrong("a class is not closed with ]");
      TRY(const auto high, class_atom());
      if (!low || !high) return wrong("a range needs a character on both sides; write \\-");
      if (*high < *low) return wrong("a range is out of order");
      literal(*low);
      out_ += '-';
      literal(*high);
    }
    out_ += ']';
    return {};
  }

  // A character, or nothing after a set such as \d, which is then written already.
  base::Result<std::optional<char32_t>> class_atom() {
    if (!accept("\\")) return next();
    if (accept("s")) {
      out_ += space_class;
      return std::nullopt;
    }
    if (accept("S")) {
      out_ += not_space_class;
      return std::nullopt;
    }
    TRY(const bool is_set, set_escape());
    if (is_set) return std::nullopt;
    TRY(const char32_t character, character_escape(true));
    return character;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string out_;
  std::vector<std::string> groups_;
  std::map<std::string, std::size_t> numbers_;
  std::vector<std::pair<std::uint32_t, std::size_t>> references_;
};

}  // namespace

base::Result<std::string> pcre2_pattern(std::string_view ecma) {
  if (ecma.size() > limits::pattern_bytes_max) {
    return fail(Code::invalid, fmt::format("the regular expression is longer than {} bytes",
                                           limits::pattern_bytes_max));
  }
  if (!is_utf8(ecma)) return fail(Code::invalid, "the regular expression is not UTF-8");
  return Translator(ecma).run();
}

}  // namespace schema
