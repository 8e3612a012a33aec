#include "bridge/services/schedule/schedule.h"

#include "bridge/base/limits.h"
#include "bridge/services/schedule/zone.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace schedule {
namespace {

using base::Code;
using base::fail;
using std::chrono::seconds;
using Second = cctz::time_point<seconds>;

constexpr std::string_view every = "every ";

Second floor_second(WallTime time) { return std::chrono::floor<seconds>(time); }

std::optional<WallTime> to_wall(Second second) {
  const auto last = std::chrono::floor<seconds>(WallTime::max());
  if (second > last) return {};
  return WallTime(second);
}

// The first whole minute of the zone's clock at or after `second`.
Second whole_minute(Second second, const cctz::time_zone& zone) {
  const int past = cctz::convert(second, zone).second();
  return past == 0 ? second : second + seconds(60 - past);
}

// When the minute comes for the first time, or would have come.
Second run_of(cctz::civil_minute minute, const cctz::time_zone& zone) {
  const auto found = zone.lookup(cctz::civil_second(minute));
  return found.kind == cctz::time_zone::civil_lookup::SKIPPED ? whole_minute(found.trans, zone)
                                                              : found.pre;
}

Second next_by_calendar(const Cron& cron, const cctz::time_zone& zone, Second after) {
  // run_of never decreases, so the first minute whose run is late enough has the earliest run.
  cctz::civil_minute minute(cctz::convert(after, zone));
  for (;;) {
    minute = cron.next_from(minute);
    const Second run = run_of(minute, zone);
    if (run > after) return run;
    ++minute;
  }
}

Second next_by_elapsed_time(const Cron& cron, const cctz::time_zone& zone, Second after) {
  // Between two changes of the zone's offset, the calendar and the time run in step.
  Second from = whole_minute(after + seconds(1), zone);
  for (;;) {
    const cctz::civil_second begin = cctz::convert(from, zone);
    const cctz::civil_second found(cron.next_from(cctz::civil_minute(begin)));
    const Second run = from + seconds(found - begin);
    cctz::time_zone::civil_transition change;
    if (!zone.next_transition(from, &change)) return run;
    const Second at = zone.lookup(change.to).trans;
    if (run < at) return run;
    from = whole_minute(at, zone);
  }
}

}  // namespace

base::Result<Schedule::Interval> Schedule::parse_interval(std::string_view text, WallTime start) {
  constexpr std::string_view units = "dhms";
  constexpr seconds lengths[] = {seconds(86400), seconds(3600), seconds(60), seconds(1)};
  const auto wrong = [&](std::size_t at, std::string_view why) {
    return fail(Code::invalid, fmt::format("interval \"{}\" (column {}): {}", text, at + 1, why));
  };
  if (text.size() > limits::cron_bytes_max) {
    return fail(Code::invalid,
                fmt::format("an interval is longer than {} bytes", limits::cron_bytes_max));
  }
  seconds length(0);
  std::size_t unit_from = 0;
  std::size_t at = std::min(text.find_first_not_of(' ', every.size()), text.size());
  const std::size_t begin = at;
  while (at < text.size() || at == begin) {
    unsigned count = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + text.size(), count);
    if (error == std::errc::invalid_argument) return wrong(at, "a number is missing");
    const auto unit_at = static_cast<std::size_t>(stop - text.data());
    if (error != std::errc() || count > limits::schedule_interval_max / seconds(1)) {
      return wrong(at, "the number is too large");
    }
    const std::size_t unit = unit_at < text.size() ? units.find(text[unit_at]) : units.npos;
    if (unit == units.npos) return wrong(unit_at, "one of the units d, h, m and s is missing");
    if (unit < unit_from) return wrong(unit_at, "units come once each and go from d to s");
    length += count * lengths[unit];
    unit_from = unit + 1;
    at = unit_at + 1;
  }
  if (length < limits::schedule_interval_min || length > limits::schedule_interval_max) {
    return wrong(begin, fmt::format("must be between {} s and {} d",
                                    limits::schedule_interval_min / seconds(1),
                                    limits::schedule_interval_max / seconds(86400)));
  }
  return Interval{length, start};
}

base::Result<Schedule> Schedule::parse(std::string_view text, std::string_view zone,
                                       WallTime start) {
  TRY(cctz::time_zone found, find_zone(zone));
  if (text.starts_with(every)) {
    TRY(Interval interval, parse_interval(text, start));
    return Schedule(std::string(text), interval);
  }
  TRY(Cron cron, Cron::parse(text));
  return Schedule(std::string(text), Calendar{std::move(cron), std::move(found)});
}

std::optional<WallTime> Schedule::next_after(WallTime time) const {
  if (const auto* interval = std::get_if<Interval>(&rule_)) {
    if (time < interval->start) return interval->start;
    const auto count = (time - interval->start) / interval->length + 1;
    if (WallTime::max() - interval->start < count * interval->length) return {};
    return interval->start + count * interval->length;
  }
  const auto& [cron, zone] = std::get<Calendar>(rule_);
  const Second after = floor_second(time);
  return to_wall(cron.is_every_hour() ? next_by_elapsed_time(cron, zone, after)
                                      : next_by_calendar(cron, zone, after));
}

std::optional<WallTime> Schedule::due(WallTime last_run, WallTime now) const {
  auto newest = next_after(last_run);
  if (!newest || *newest > now) return {};
  // next_after never decreases: halve the seconds between a time whose next run is due and one
  // whose next run is not.
  WallTime due_after = last_run;
  WallTime not_due_after = now;
  while (not_due_after - due_after > seconds(1)) {
    const WallTime middle = due_after + (not_due_after - due_after) / 2;
    const auto run = next_after(middle);
    if (run && *run <= now) {
      newest = run;
      due_after = *run;
    } else {
      not_due_after = middle;
    }
  }
  // The last second may hold one run more.
  for (auto run = newest; run && *run <= now; run = next_after(*run)) newest = run;
  return newest;
}

}  // namespace schedule
