// The words of an expression. Internal to Expression.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace workflow {

struct Token {
  enum class Kind { name, literal, sign, end };
  Kind kind = Kind::end;
  std::size_t column = 1;
  std::string text = {};  // a name or a sign
  base::json::value value = {};
};

// The last one is `end`. invalid names the column.
base::Result<std::vector<Token>> tokens_of(std::string_view text);

std::unexpected<base::Error> wrong_at(std::size_t column, std::string_view what);

}  // namespace workflow
