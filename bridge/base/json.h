// JSON as the outside world must write it, and as hashes need it.
#pragma once

#include "bridge/base/limits.h"
#include "bridge/base/result.h"

#include <initializer_list>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace base {

namespace json = boost::json;

// RFC 8259 with nothing optional: duplicate keys, invalid UTF-8, lone surrogates and more than
// `depth_max` levels are refused (invalid, with line and column); a leading BOM is ignored.
// Integers beyond 64 bits become doubles; a number too large for a double is refused.
Result<json::value> parse_json(std::string_view text,
                               std::size_t depth_max = limits::json_depth_max);

// RFC 8785 (JSON Canonicalization Scheme): keys by UTF-16 code units, ECMAScript numbers.
std::string canonical_json(const json::value& value);
// The same of an object as it is without some of its members.
std::string canonical_json_without(const json::object& object,
                                   std::initializer_list<std::string_view> names);
// Adds a string as canonical JSON has it, quoted.
void append_canonical(std::string& out, std::string_view text);

// A number as ECMAScript's Number::toString writes it, which RFC 8785 requires. `value` is finite.
std::string ecmascript_number(double value);

}  // namespace base
