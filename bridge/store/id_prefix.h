// Ids that people call by their beginning: how much of one is enough, which rows begin so, and what
// is said if several do.
#pragma once

#include "bridge/base/result.h"
#include "bridge/store/store.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace store {

struct ByPrefix {
  std::string_view noun;    // what has such an id: "key"
  std::string_view column;  // where the ids are: hexadecimal digits and dashes
  std::string_view prefix;
  std::string where = {};  // "WHERE …" of what else must be, with `values` as $1 and on
  Values values = {};
};

// At least limits::id_prefix_min characters.
bool is_enough_of_id(std::string_view prefix);

// invalid, reason ambiguous_id.
base::Error ambiguous_id(std::string_view noun, std::string_view prefix);
// not_found.
base::Error no_such_id(std::string_view noun, std::string_view prefix);

// What follows "SELECT … FROM …", and all values of the statement.
struct Ending {
  std::string text;
  Values values;
};
// Of the rows whose ids begin so, by id, by an index of the column if there is one.
Ending rows_beginning(ByPrefix wanted, std::size_t limit);

// What `select` makes a vector of, given the text and the values of an Ending.
template <class Select>
using Selected = typename std::invoke_result_t<const Select&, const std::string&,
                                               Values>::value_type::value_type;

// The one row whose id begins so; nothing: there is none, or so much of an id is not enough.
// invalid, reason ambiguous_id: there are several.
template <class Select>
base::Result<std::optional<Selected<Select>>> look_by_prefix(ByPrefix wanted,
                                                             const Select& select) {
  const auto noun = wanted.noun, prefix = wanted.prefix;
  if (!is_enough_of_id(prefix)) return std::nullopt;
  auto ending = rows_beginning(std::move(wanted), 2);
  TRY(auto found, select(ending.text, std::move(ending.values)));
  if (found.empty()) return std::nullopt;
  if (found.size() > 1) return std::unexpected(ambiguous_id(noun, prefix));
  return std::move(found.front());
}

// The same, with not_found for nothing.
template <class Select>
base::Result<Selected<Select>> find_by_prefix(ByPrefix wanted, const Select& select) {
  const auto noun = wanted.noun, prefix = wanted.prefix;
  TRY(auto found, look_by_prefix(std::move(wanted), select));
  if (!found) return std::unexpected(no_such_id(noun, prefix));
  return *std::move(found);
}

}  // namespace store
