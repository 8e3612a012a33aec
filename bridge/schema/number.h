// JSON values as JSON Schema compares them: numbers by their mathematical value.
#pragma once

#include <compare>
#include <cstdint>

#include <boost/json/value.hpp>

namespace schema {

namespace json = boost::json;

// Exact, also between integers and doubles. Both values are numbers; doubles are finite.
std::strong_ordering compare_numbers(const json::value& a, const json::value& b);

// True for 1, 1.0 and 1e300.
bool is_integer(double number);

// True if `number` is `divisor` times an integer, both taken as the decimal numbers they are
// written as (0.3 is a multiple of 0.1). `divisor` is positive.
bool is_multiple_of(const json::value& number, const json::value& divisor);

// 1 equals 1.0; members of objects have no order. Recurses as deep as the shallower value.
bool equal(const json::value& a, const json::value& b);
// Equal values have equal hashes.
std::uint64_t hash_of(const json::value& value);

}  // namespace schema
