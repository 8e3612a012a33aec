// When something is to run: a cron expression in a time zone, or a fixed interval. Pure arithmetic.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/services/schedule/cron.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <cctz/time_zone.h>

namespace schedule {

using base::WallTime;

class Schedule {
 public:
  // `text` is a cron expression (see Cron) read in `zone`, or "every 90s", "every 15m",
  // "every 1h30m", "every 1d" (days of 24 hours), counted from `start`.
  // invalid: says which part of the text is wrong and where, or that the zone is unknown.
  static base::Result<Schedule> parse(std::string_view text, std::string_view zone = "UTC",
                                      WallTime start = {});

  // The first run after `time`; nothing only where WallTime ends (the year 2262).
  //
  // Where the zone's clocks jump forward, the runs they skip happen once, all together, at the
  // first minute after the jump. Where clocks go back, a run happens at the first of the two equal
  // times. An expression that runs in every hour means elapsed time instead: it goes on through the
  // repeated hour and has nothing to make up for in the skipped one.
  std::optional<WallTime> next_after(WallTime time) const;

  // The run that is due at `now` when the last one was at `last_run`: the newest of those since, so
  // that a long absence is made up for by one run. The caller records what is returned as the last
  // run. Nothing is due while `now` is before `last_run`; a caller whose clock was set back
  // records `now` as the last run.
  std::optional<WallTime> due(WallTime last_run, WallTime now) const;

  const std::string& text() const { return text_; }

 private:
  struct Interval {
    std::chrono::seconds length;
    WallTime start;
  };
  struct Calendar {
    Cron cron;
    cctz::time_zone zone;
  };

  Schedule(std::string text, std::variant<Interval, Calendar> rule)
      : text_(std::move(text)), rule_(std::move(rule)) {}

  static base::Result<Interval> parse_interval(std::string_view text, WallTime start);

  std::string text_;
  std::variant<Interval, Calendar> rule_;
};

}  // namespace schedule
