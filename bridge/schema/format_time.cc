#include "bridge/base/ascii.h"
#include "bridge/schema/format.h"

#include <optional>

namespace schema {
namespace {

// Exactly `count` digits from the front.
std::optional<int> take_number(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int number = 0;
  for (char c : text.substr(0, count)) {
    if (!base::is_digit(c)) return std::nullopt;
    number = number * 10 + (c - '0');
  }
  text.remove_prefix(count);
  return number;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

int days_in(int year, int month) {
  constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && is_leap ? 29 : days[month - 1];
}

// The offset from UTC in minutes, at the end of the text.
std::optional<int> take_offset(std::string_view& text) {
  if (take(text, 'Z') || take(text, 'z')) return 0;
  const bool is_west = text.starts_with('-');
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  const int offset = *hour * 60 + *minute;
  return is_west ? -offset : offset;
}

// One or more digits and a unit; false leaves the text as it was.
bool take_quantity(std::string_view& text, char unit) {
  std::size_t digits = 0;
  while (digits < text.size() && base::is_digit(text[digits])) ++digits;
  if (digits == 0 || digits == text.size() || text[digits] != unit) return false;
  text.remove_prefix(digits + 1);
  return true;
}

// Units in order and without gaps, as "1H30M" or "30M5S" but not "1H5S".
bool take_quantities(std::string_view& text, std::string_view units) {
  std::size_t first = 0;
  while (first < units.size() && !take_quantity(text, units[first])) ++first;
  if (first == units.size()) return false;
  for (std::size_t i = first + 1; i < units.size() && take_quantity(text, units[i]); ++i) {
  }
  return true;
}

}  // namespace

bool is_date(std::string_view text) {
  const auto year = take_number(text, 4);
  if (!year || !take(text, '-')) return false;
  const auto month = take_number(text, 2);
  if (!month || *month < 1 || *month > 12 || !take(text, '-')) return false;
  const auto day = take_number(text, 2);
  return day && *day >= 1 && *day <= days_in(*year, *month) && text.empty();
}

bool is_time(std::string_view text) {
  const auto hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return false;
  const auto minute = take_number(text, 2);
  if (!minute || *minute > 59 || !take(text, ':')) return false;
  const auto second = take_number(text, 2);
  if (!second || *second > 60) return false;
  if (take(text, '.')) {
    if (!take_number(text, 1)) return false;
    while (take_number(text, 1)) {
    }
  }
  const auto offset = take_offset(text);
  if (!offset || !text.empty()) return false;
  // A leap second is the last of a day in UTC.
  constexpr int day_minutes = 24 * 60;
  return *second < 60 ||
         (*hour * 60 + *minute - *offset + 2 * day_minutes) % day_minutes == day_minutes - 1;
}

bool is_date_time(std::string_view text) {
  return text.size() > 11 && (text[10] == 'T' || text[10] == 't') && is_date(text.substr(0, 10)) &&
         is_time(text.substr(11));
}

bool is_duration(std::string_view text) {
  if (!take(text, 'P')) return false;
  if (take_quantity(text, 'W')) return text.empty();
  const bool has_date = take_quantities(text, "YMD");
  if (take(text, 'T')) return take_quantities(text, "HMS") && text.empty();
  return has_date && text.empty();
}

}  // namespace schema
