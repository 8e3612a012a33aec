// Entries of the journal as others see them, and which of them somebody wants.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/result.h"
#include "bridge/engine/journal.h"
#include "bridge/services/events/own.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace events {

namespace json = boost::json;

// The entry as CloudEvents 1.0.2 in JSON: type flywheel.<noun>.<verb>.v1, id its sequence.
json::object cloud_event(const engine::Entry& entry, std::string_view instance);

// A type as events have it, as entries have it, as a noun alone or with "*" for the verb, as Wish
// wants it: "packet.sent", or "packet." for all that begin so. "*" alone and what is written for no
// noun ("flywheel.*") is everything. invalid: a "*" that is not the last of its parts.
base::Result<std::string> type_pattern(std::string_view word);
// The pattern of all types.
inline constexpr std::string_view everything = "";

// The category that an entry says it is of ("travel-commerce"), lower case with dashes; empty:
// none.
std::string category_of(const engine::Entry& entry);
// Whether some entry of this pattern may say one; others never match a wish for categories.
bool may_have_category(std::string_view pattern);
// The same spelling for what people write: "Travel & Commerce" is "travel-commerce".
std::string category_key(std::string_view name);

// Which events somebody wants; an empty list wants all, and an event must be on every list.
struct Wish {
  std::vector<std::string> types;  // patterns
  std::vector<std::string> subjects;
  std::vector<std::string> categories;  // keys
  std::optional<Listener> only = {};    // whose own it must be; nothing: anybody's

  bool matches(const engine::Entry& entry) const;
  friend bool operator==(const Wish&, const Wish&) = default;
};

// By one of several.
bool is_wanted_by(const std::vector<Wish>& wishes, const engine::Entry& entry);

// From lists separated by commas. invalid: see type_pattern.
base::Result<Wish> wish_of(std::string_view types, std::string_view subjects);

}  // namespace events
