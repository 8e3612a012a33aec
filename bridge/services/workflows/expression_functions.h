// The functions of expressions. Internal to Expression.
#pragma once

#include "bridge/services/workflows/expression.h"

#include <string>
#include <string_view>
#include <vector>

namespace workflow {

struct Function {
  std::string_view name;
  std::string_view usage;  // "join(list, separator)"
  std::size_t arguments_min, arguments_max;
  bool is_status;
};

// Null: there is none.
const Function* function_named(std::string_view name);
std::vector<std::string> function_names();

bool is_equal(const base::json::value& a, const base::json::value& b);

// Of a function that is there, with as many arguments as it takes. invalid: they do not fit.
base::Result<base::json::value> call(std::string_view name,
                                     const std::vector<base::json::value>& arguments,
                                     const Situation& situation, Budget& budget);

// Takes `bytes` out of the budget; invalid: there are not so many.
base::Result<> spend(Budget& budget, std::size_t bytes);

}  // namespace workflow
