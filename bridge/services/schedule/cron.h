// Cron expressions as sets of calendar minutes; time zones are none of their business.
#pragma once

#include "bridge/base/result.h"

#include <bitset>
#include <string_view>

#include <cctz/civil_time.h>

namespace schedule {

// minute hour day-of-month month day-of-week, each `*`, a number, a range `a-b`, either with a step
// `/n`, or a list of those with commas; months and days of the week also by their first three
// letters, and Sunday is 0 or 7. Or @hourly, @daily, @midnight, @weekly, @monthly, @yearly,
// @annually. As in crontab(5), a day matches if either of its two fields does, unless one of them
// contains a `*`: then both must.
class Cron {
 public:
  // invalid: the message names the field and the column, or says why no date can ever match.
  static base::Result<Cron> parse(std::string_view text);

  bool matches(cctz::civil_minute minute) const;
  // The first matching minute at or after `from`. There always is one.
  cctz::civil_minute next_from(cctz::civil_minute from) const;
  // True if no hour of a matching day is left out, as in "*/5 * * * *".
  bool is_every_hour() const { return hours_.all(); }

 private:
  bool matches_day(cctz::civil_day day) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;      // 1-31
  std::bitset<13> months_;    // 1-12
  std::bitset<7> week_days_;  // Sunday is 0
  bool is_either_day_ = false;
};

}  // namespace schedule
