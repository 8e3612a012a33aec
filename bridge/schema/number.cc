#include "bridge/schema/number.h"

#include <charconv>
#include <cmath>
#include <functional>
#include <string_view>

namespace schema {
namespace {

using Wide = unsigned __int128;

std::strong_ordering compare_integers(const json::value& a, const json::value& b) {
  if (a.is_uint64() && b.is_uint64()) return a.get_uint64() <=> b.get_uint64();
  if (a.is_int64() && b.is_int64()) return a.get_int64() <=> b.get_int64();
  if (a.is_int64()) {
    if (a.get_int64() < 0) return std::strong_ordering::less;
    return static_cast<std::uint64_t>(a.get_int64()) <=> b.get_uint64();
  }
  return 0 <=> compare_integers(b, a);
}

std::strong_ordering order(double a, double b) {
  if (a < b) return std::strong_ordering::less;
  return a > b ? std::strong_ordering::greater : std::strong_ordering::equal;
}

std::strong_ordering compare_double_with_integer(double a, const json::value& b) {
  if (a >= 0x1p64) return std::strong_ordering::greater;
  if (a < -0x1p63) return std::strong_ordering::less;
  // The whole part fits an integer exactly; the fraction decides a tie.
  const double whole = std::trunc(a);
  const json::value integer = whole < 0 ? json::value(static_cast<std::int64_t>(whole))
                                        : json::value(static_cast<std::uint64_t>(whole));
  const auto by_whole = compare_integers(integer, b);
  return by_whole != 0 ? by_whole : order(a, whole);
}

// value = digits * 10^exponent, sign dropped.
struct Decimal {
  std::uint64_t digits = 0;
  int exponent = 0;
};

Decimal decimal_of(const json::value& value) {
  if (value.is_uint64()) return {value.get_uint64(), 0};
  if (value.is_int64()) {
    const auto number = static_cast<std::uint64_t>(value.get_int64());
    return {value.get_int64() < 0 ? 0 - number : number, 0};
  }
  char text[40];
  const auto end = std::to_chars(text, text + sizeof text, std::abs(value.get_double()),
                                 std::chars_format::scientific)
                       .ptr;
  // "d.ddde+xx": at most 17 digits, so they fit.
  Decimal decimal;
  const char* at = text;
  bool in_fraction = false;
  for (; at != end && *at != 'e'; ++at) {
    if (*at == '.') {
      in_fraction = true;
      continue;
    }
    decimal.digits = decimal.digits * 10 + static_cast<std::uint64_t>(*at - '0');
    if (in_fraction) --decimal.exponent;
  }
  if (at != end && *++at == '+') ++at;
  int exponent = 0;
  std::from_chars(at, end, exponent);
  decimal.exponent += exponent;
  return decimal;
}

std::uint64_t power_of_ten_modulo(int exponent, std::uint64_t modulus) {
  Wide result = 1 % modulus;
  Wide base = 10 % modulus;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = result * base % modulus;
    base = base * base % modulus;
  }
  return static_cast<std::uint64_t>(result);
}

std::uint64_t mixed(std::uint64_t hash) {
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93u;
  return hash ^ (hash >> 32);
}

}  // namespace

std::strong_ordering compare_numbers(const json::value& a, const json::value& b) {
  if (a.is_double()) {
    return b.is_double() ? order(a.get_double(), b.get_double())
                         : compare_double_with_integer(a.get_double(), b);
  }
  if (b.is_double()) return 0 <=> compare_double_with_integer(b.get_double(), a);
  return compare_integers(a, b);
}

bool is_integer(double number) { return std::isfinite(number) && std::trunc(number) == number; }

bool is_multiple_of(const json::value& number, const json::value& divisor) {
  if (number.is_int64() && divisor.is_int64()) {
    return number.get_int64() % divisor.get_int64() == 0;
  }
  const Decimal a = decimal_of(number);
  const Decimal b = decimal_of(divisor);
  if (a.digits == 0) return true;
  const int shift = a.exponent - b.exponent;
  if (shift >= 0) {
    const Wide left = a.digits % b.digits;
    return left * power_of_ten_modulo(shift, b.digits) % b.digits == 0;
  }
  Wide scaled = b.digits;
  for (int i = shift; i < 0; ++i) {
    scaled *= 10;
    if (scaled > a.digits) return false;
  }
  return a.digits % scaled == 0;
}

bool equal(const json::value& a, const json::value& b) {
  if (a.is_number()) return b.is_number() && compare_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case json::kind::bool_:
      return a.get_bool() == b.get_bool();
    case json::kind::string:
      return a.get_string() == b.get_string();
    case json::kind::array: {
      const auto& left = a.get_array();
      const auto& right = b.get_array();
      return std::equal(left.begin(), left.end(), right.begin(), right.end(), equal);
    }
    case json::kind::object: {
      const auto& left = a.get_object();
      const auto& right = b.get_object();
      if (left.size() != right.size()) return false;
      for (const auto& member : left) {
        const auto* other = right.if_contains(member.key());
        if (!other || !equal(member.value(), *other)) return false;
      }
      return true;
    }
    default:
      return true;
  }
}

std::uint64_t hash_of(const json::value& value) {
  const std::hash<std::string_view> text_hash;
  switch (value.kind()) {
    case json::kind::int64:
      return mixed(static_cast<std::uint64_t>(value.get_int64()));
    case json::kind::uint64:
      return mixed(value.get_uint64());
    case json::kind::double_: {
      const double number = value.get_double();
      if (is_integer(number) && number >= 0 && number < 0x1p64) {
        return mixed(static_cast<std::uint64_t>(number));
      }
      if (is_integer(number) && number < 0 && number >= -0x1p63) {
        return mixed(static_cast<std::uint64_t>(static_cast<std::int64_t>(number)));
      }
      return mixed(std::hash<double>()(number));
    }
    case json::kind::string:
      return text_hash(value.get_string());
    case json::kind::array: {
      std::uint64_t hash = 11;
      for (const auto& item : value.get_array()) hash = mixed(hash) + hash_of(item);
      return hash;
    }
    case json::kind::object: {
      std::uint64_t hash = 13;
      for (const auto& member : value.get_object()) {
        hash += mixed(text_hash(member.key()) + 3 * hash_of(member.value()));
      }
      return hash;
    }
    case json::kind::bool_:
      return value.get_bool() ? 5 : 7;
    default:
      return 3;
  }
}

}  // namespace schema
