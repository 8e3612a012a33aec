// What a person types to find something, read as words and nothing else.
#pragma once

#include "bridge/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace services::memory {

struct Phrase {
  std::string text;        // one word, or what stood between quotes
  bool is_prefix = false;  // the beginning of a word
};

// Valid by construction: at least one phrase has a letter or a digit. All of them must be found.
class Query {
 public:
  // Words are separated by white space; "several in quotes" stand side by side; a last word that
  // ends in "*" is the beginning of one. Everything else means itself: there are no operators.
  // invalid: nothing to look for, too long, too many words, or too short a beginning.
  static base::Result<Query> parse(std::string_view text);

  const std::vector<Phrase>& phrases() const { return phrases_; }

 private:
  explicit Query(std::vector<Phrase> phrases) : phrases_(std::move(phrases)) {}
  std::vector<Phrase> phrases_;
};

}  // namespace services::memory
