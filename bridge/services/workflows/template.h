// JSON whose texts hold expressions: "Plan ${{ inputs.city }}".
#pragma once

#include "bridge/services/workflows/expression.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace workflow {

// One text. If it is a single expression and nothing else, its value keeps its kind; else every
// expression becomes text.
class Template {
 public:
  // invalid: names the column in the text.
  static base::Result<Template> parse(std::string_view text);
  base::Result<base::json::value> evaluate(const Known& known, Budget& budget) const;

  std::vector<const Expression*> expressions() const;

 private:
  struct Part {
    std::string text;
    std::optional<Expression> expression;
  };
  std::vector<Part> parts_;
};

// The expression of an `if`, which may stand in ${{ }} or bare.
base::Result<Expression> parse_condition(std::string_view text);

// The tree with every text evaluated; keys stay as they are. invalid: names the text's pointer.
base::Result<base::json::value> fill(const base::json::value& tree, const Known& known,
                                     Budget& budget);

// Calls `look` with the pointer and the content of every text of the tree. The pointer changes
// after the call.
void each_text(const base::json::value& tree, const std::string& pointer,
               const std::function<void(const std::string&, std::string_view)>& look);

// The pointer of the first object in which a key has more than `most` bytes.
std::optional<std::string> object_with_long_key(const base::json::value& tree, std::size_t most);

// A name as a token of a JSON Pointer, with the slash before it.
std::string pointer_token(std::string_view name);

}  // namespace workflow
