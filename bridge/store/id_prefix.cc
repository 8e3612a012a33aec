#include "bridge/store/id_prefix.h"

#include "bridge/base/limits.h"

#include <fmt/format.h>

namespace store {

using base::Code;

bool is_enough_of_id(std::string_view prefix) { return prefix.size() >= limits::id_prefix_min; }

base::Error ambiguous_id(std::string_view noun, std::string_view prefix) {
  return {Code::invalid,
          fmt::format("find {} {}: several ids begin so; give more of it", noun, prefix),
          "ambiguous_id"};
}

base::Error no_such_id(std::string_view noun, std::string_view prefix) {
  return {Code::not_found, fmt::format("find {} {}: there is none", noun, prefix)};
}

Ending rows_beginning(ByPrefix wanted, std::size_t limit) {
  const auto first = wanted.values.size() + 1;
  Ending ending{.text = {}, .values = std::move(wanted.values)};
  // All characters of an id sort below "g".
  ending.values.emplace_back(std::string(wanted.prefix));
  ending.values.emplace_back(fmt::format("{}g", wanted.prefix));
  ending.text =
      fmt::format("{0} {1} {2} >= ${3} AND {2} < ${4} ORDER BY {2} LIMIT {5}", wanted.where,
                  wanted.where.empty() ? "WHERE" : "AND", wanted.column, first, first + 1, limit);
  return ending;
}

}  // namespace store
