#include "bridge/services/schedule/cron.h"

#include "bridge/base/ascii.h"
#include "bridge/base/limits.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace schedule {
namespace {

using base::Code;
using base::fail;

constexpr std::array<std::string_view, 12> month_names{"jan", "feb", "mar", "apr", "may", "jun",
                                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> day_names{"sun", "mon", "tue", "wed",
                                                    "thu", "fri", "sat"};

struct Field {
  std::string_view name;
  int first;
  int last;
  std::span<const std::string_view> names = {};  // of first, first + 1, …
};

constexpr std::array<Field, 5> fields{{{"minute", 0, 59},
                                       {"hour", 0, 23},
                                       {"day of month", 1, 31},
                                       {"month", 1, 12, month_names},
                                       {"day of week", 0, 7, day_names}}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> nicknames{
    {{"@hourly", "0 * * * *"},
     {"@daily", "0 0 * * *"},
     {"@midnight", "0 0 * * *"},
     {"@weekly", "0 0 * * 0"},
     {"@monthly", "0 0 1 * *"},
     {"@yearly", "0 0 1 1 *"},
     {"@annually", "0 0 1 1 *"}}};

struct Values {
  std::bitset<60> set;
  bool has_star = false;
};

// Reads one field, which starts at `column` (from 1) of the expression.
class FieldParser {
 public:
  FieldParser(const Field& field, std::string_view text, std::size_t column)
      : field_(field), text_(text), column_(column) {}

  base::Result<Values> parse() {
    Values values;
    do {
      TRY_OK(parse_element(values));
    } while (take(','));
    if (at_ < text_.size()) {
      return wrong(at_, fmt::format("\"{}\" is not expected here", text_.substr(at_)));
    }
    return values;
  }

 private:
  base::Result<> parse_element(Values& values) {
    int first = field_.first;
    int last = field_.last;
    const std::size_t start = at_;
    bool is_range = true;
    if (take('*')) {
      values.has_star = true;
      // Sunday once, so that steps in the week do not count it twice.
      if (field_.last == 7) last = 6;
    } else {
      TRY(first, parse_value());
      is_range = take('-');
      last = first;
      if (is_range) {
        TRY(last, parse_value());
        if (field_.last == 7 && last == 0 && first > 0) last = 7;  // fri-sun
        if (last < first) {
          return wrong(start, fmt::format("the range {}-{} is upside down", first, last));
        }
      }
    }
    int step = 1;
    if (const std::size_t slash = at_; take('/')) {
      TRY(step, parse_number());
      if (!is_range) return wrong(slash, "a step needs a range or *, as in 0-30/5 or */5");
      if (step < 1 || step > field_.last) {
        return wrong(slash + 1,
                     fmt::format("the step {} is not between 1 and {}", step, field_.last));
      }
    }
    for (int value = first; value <= last; value += step) values.set.set(std::size_t(value));
    return {};
  }

  base::Result<int> parse_value() {
    const std::size_t start = at_;
    for (std::size_t i = 0; i < field_.names.size(); ++i) {
      const std::string_view name = field_.names[i];
      if (base::lower(text_.substr(at_, name.size())) != name) continue;
      at_ += name.size();
      return field_.first + static_cast<int>(i);
    }
    TRY(const int value, parse_number());
    if (value >= field_.first && value <= field_.last) return value;
    return wrong(start,
                 fmt::format("{} is not between {} and {}", value, field_.first, field_.last));
  }

  base::Result<int> parse_number() {
    int value = 0;
    const char* begin = text_.data() + at_;
    const char* end = text_.data() + text_.size();
    const bool has_digit = begin != end && *begin >= '0' && *begin <= '9';
    const auto [stop, error] = std::from_chars(begin, end, value);
    if (!has_digit || error != std::errc()) {
      return wrong(at_, begin == end
                            ? std::string("a number is missing")
                            : fmt::format("\"{}\" is not a number{}", text_.substr(at_),
                                          field_.names.empty() ? " of this field" : " or a name"));
    }
    at_ += static_cast<std::size_t>(stop - begin);
    return value;
  }

  bool take(char c) {
    const bool is_there = at_ < text_.size() && text_[at_] == c;
    if (is_there) ++at_;
    return is_there;
  }

  std::unexpected<base::Error> wrong(std::size_t at, const std::string& why) const {
    return fail(Code::invalid, fmt::format("{} (column {}): {}", field_.name, column_ + at, why));
  }

  const Field& field_;
  std::string_view text_;
  std::size_t column_;
  std::size_t at_ = 0;
};

struct Word {
  std::string_view text;
  std::size_t column;
};

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  for (std::size_t at = 0;;) {
    at = text.find_first_not_of(" \t", at);
    if (at == std::string_view::npos) return words;
    const std::size_t end = std::min(text.find_first_of(" \t", at), text.size());
    words.push_back({text.substr(at, end - at), at + 1});
    at = end;
  }
}

base::Result<std::array<Values, fields.size()>> parse_fields(const std::vector<Word>& words) {
  std::array<Values, fields.size()> values;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    FieldParser parser(fields[i], words[i].text, words[i].column);
    TRY(values[i], parser.parse());
  }
  return values;
}

template <std::size_t size>
std::bitset<size> first_bits(const std::bitset<60>& set) {
  std::bitset<size> out;
  for (std::size_t i = 0; i < size; ++i) out[i] = set[i];
  return out;
}

int days_in_longest(int month) {
  if (month == 2) return 29;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

}  // namespace

base::Result<Cron> Cron::parse(std::string_view text) {
  const auto wrong = [&](const std::string& why) {
    return fail(Code::invalid, fmt::format("cron expression \"{}\": {}", text, why));
  };
  if (text.size() > limits::cron_bytes_max) {
    return fail(Code::invalid,
                fmt::format("a cron expression is longer than {} bytes", limits::cron_bytes_max));
  }
  std::vector<Word> words = words_of(text);
  if (words.size() == 1 && words[0].text.starts_with('@')) {
    const auto known = std::ranges::find(nicknames, base::lower(words[0].text),
                                         &decltype(nicknames)::value_type::first);
    if (known == nicknames.end()) {
      return wrong(
          fmt::format("column {}: unknown word; there are @hourly, @daily, @midnight, "
                      "@weekly, @monthly, @yearly and @annually",
                      words[0].column));
    }
    words = words_of(known->second);
  }
  if (words.size() != fields.size()) {
    return wrong(
        fmt::format("{} fields instead of 5: minute, hour, day of month, month, "
                    "day of week",
                    words.size()));
  }
  auto values = parse_fields(words);
  if (!values) return wrong(values.error().message);
  const auto& [minutes, hours, days, months, week_days] = *values;
  Cron cron;
  cron.minutes_ = minutes.set;
  cron.hours_ = first_bits<24>(hours.set);
  cron.days_ = first_bits<32>(days.set);
  cron.months_ = first_bits<13>(months.set);
  cron.week_days_ = first_bits<7>(week_days.set);
  if (week_days.set[7]) cron.week_days_.set(0);
  cron.is_either_day_ = !days.has_star && !week_days.has_star;
  const auto is_possible = [&](int month) {
    return cron.months_[std::size_t(month)] &&
           (cron.days_ << std::size_t(31 - days_in_longest(month))).any();
  };
  bool is_any_possible = cron.is_either_day_;
  for (int month = 1; month <= 12; ++month) is_any_possible |= is_possible(month);
  if (!is_any_possible) {
    return wrong(
        fmt::format("day of month (column {}): no such day in the months of the field "
                    "month (column {}), so it would never run",
                    words[2].column, words[3].column));
  }
  return cron;
}

bool Cron::matches_day(cctz::civil_day day) const {
  // cctz counts the week from Monday.
  const std::size_t week_day = (std::size_t(cctz::get_weekday(day)) + 1) % 7;
  if (!months_[std::size_t(day.month())]) return false;
  const bool by_date = days_[std::size_t(day.day())];
  const bool by_week = week_days_[week_day];
  return is_either_day_ ? by_date || by_week : by_date && by_week;
}

bool Cron::matches(cctz::civil_minute minute) const {
  return minutes_[std::size_t(minute.minute())] && hours_[std::size_t(minute.hour())] &&
         matches_day(cctz::civil_day(minute));
}

cctz::civil_minute Cron::next_from(cctz::civil_minute from) const {
  // The calendar repeats after 400 years, so a day that has not come by then never comes.
  const cctz::civil_year end = cctz::civil_year(from) + 401;
  for (cctz::civil_day day(from); cctz::civil_year(day) < end;) {
    if (!months_[std::size_t(day.month())]) {
      day = cctz::civil_day(cctz::civil_month(day) + 1);
      continue;
    }
    const bool is_first_day = day == cctz::civil_day(from);
    for (int hour = is_first_day ? from.hour() : 0; hour < 24 && matches_day(day); ++hour) {
      if (!hours_[std::size_t(hour)]) continue;
      const bool is_first_hour = is_first_day && hour == from.hour();
      for (int minute = is_first_hour ? from.minute() : 0; minute < 60; ++minute) {
        if (!minutes_[std::size_t(minute)]) continue;
        return cctz::civil_minute(day.year(), day.month(), day.day(), hour, minute);
      }
    }
    ++day;
  }
  BRIDGE_ASSERT(!"parse refuses expressions that never match");
  return from;
}

}  // namespace schedule
