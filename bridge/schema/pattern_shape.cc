#include "bridge/schema/pattern_shape.h"

#include "bridge/base/ascii.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace schema {
namespace {

// A repeat of so many characters counts as going over the whole text.
constexpr std::size_t few_characters = 64;
constexpr std::size_t whole_text = std::numeric_limits<std::size_t>::max();

std::uint64_t product(std::uint64_t a, std::uint64_t b) {
  return a > pattern_ways_max / b ? pattern_ways_max : std::min(a * b, pattern_ways_max);
}

std::uint64_t power(std::uint64_t base, std::size_t exponent) {
  std::uint64_t result = 1;
  for (std::size_t i = 0; base > 1 && i < exponent && result < pattern_ways_max; ++i) {
    result = product(result, base);
  }
  return result;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  PatternShape run() {
    while (at_ < text_.size()) read(text_[at_++]);
    while (groups_.size() > 1) close();
    shape_.ways = groups_.front().ways();
    return shape_;
  }

 private:
  struct Group {
    std::uint64_t alternatives = 1, inner = 1;
    std::uint64_t ways() const { return product(alternatives, inner); }
  };

  bool sees(char c) const { return at_ < text_.size() && text_[at_] == c; }

  void read(char c) {
    switch (c) {
      case '\\':
        return escape();
      case '[':
        return skip_class();
      case '(':
        groups_.emplace_back();
        return;
      case '|':
        ++groups_.back().alternatives;
        return;
      case ')':
        return close();
      case '*':
      case '+':
        ++shape_.scans;
        return;
      case '{': {
        const std::size_t most = times();
        if (most > few_characters) ++shape_.scans;
        shape_.silent = std::max(shape_.silent, least_);
        return;
      }
      default:
        return;
    }
  }

  void escape() {
    if (at_ == text_.size()) return;
    const char c = text_[at_++];
    if (c == 'g') {
      ++shape_.scans;
      shape_.silent = whole_text;
    }
    const bool has_name = c == 'g' || c == 'p' || c == 'P' || c == 'x';
    if (has_name && sees('{')) at_ = std::min(text_.find('}', at_), text_.size());
  }

  void skip_class() {
    while (at_ < text_.size() && text_[at_] != ']') at_ += text_[at_] == '\\' ? 2 : 1;
  }

  void close() {
    if (groups_.size() == 1) return;
    const std::uint64_t ways = groups_.back().ways();
    groups_.pop_back();
    std::size_t copies = 1;
    if (sees('{')) {
      ++at_;
      copies = times();
      // Every copy repeats what is repeated in it.
      ++shape_.scans;
    }
    groups_.back().inner = product(groups_.back().inner, power(ways, copies));
  }

  // After the brace: how often at most; `least_` is how often at least.
  std::size_t times() {
    least_ = number();
    if (!sees(',')) return least_;
    ++at_;
    return sees('}') ? whole_text : std::max(least_, number());
  }
  std::size_t number() {
    std::size_t value = 0;
    while (at_ < text_.size() && base::is_digit(static_cast<unsigned char>(text_[at_]))) {
      value = std::min<std::size_t>(value * 10 + static_cast<std::size_t>(text_[at_++] - '0'),
                                    1'000'000);
    }
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t least_ = 0;
  std::vector<Group> groups_{1};
  PatternShape shape_;
};

}  // namespace

PatternShape shape_of(std::string_view pcre2) { return Reader(pcre2).run(); }

}  // namespace schema
