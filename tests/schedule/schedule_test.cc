#include "bridge/services/schedule/schedule.h"

#include "bridge/base/random.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <map>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace schedule {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

WallTime utc(int year, unsigned month, unsigned day, int hour = 0, int minute = 0) {
  using namespace std::chrono;
  return sys_days(std::chrono::year(year) / month / day) + hours(hour) + minutes(minute);
}

Schedule made(std::string_view text, std::string_view zone = "UTC", WallTime start = {}) {
  auto schedule = Schedule::parse(text, zone, start);
  EXPECT_TRUE(schedule) << schedule.error().message;
  return *schedule;
}

// The next runs in UTC, as "30T01:00".
std::vector<std::string> runs(const Schedule& schedule, WallTime from, int count) {
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) {
    from = *schedule.next_after(from);
    out.push_back(base::rfc3339(from).substr(8, 8));
  }
  return out;
}

TEST(Schedule, RunsInItsTimeZone) {
  EXPECT_EQ(made("0 9 * * mon-fri", "America/New_York").next_after(utc(2026, 7, 3, 20)),
            utc(2026, 7, 6, 13));
  EXPECT_EQ(made("0 9 * * *", "Asia/Kathmandu").next_after(utc(2026, 1, 1)),
            utc(2026, 1, 1, 3, 15));
}

TEST(Schedule, TheRunAfterARunIsALaterOne) {
  const auto schedule = made("30 4 * * *");
  EXPECT_EQ(schedule.next_after(utc(2026, 1, 1, 4, 29)), utc(2026, 1, 1, 4, 30));
  EXPECT_EQ(schedule.next_after(utc(2026, 1, 1, 4, 30) - 1ns), utc(2026, 1, 1, 4, 30));
  EXPECT_EQ(schedule.next_after(utc(2026, 1, 1, 4, 30)), utc(2026, 1, 2, 4, 30));
  EXPECT_EQ(schedule.next_after(utc(2026, 1, 1, 4, 30) + 1ns), utc(2026, 1, 2, 4, 30));
}

// Berlin, 29 March 2026: 02:00 +01:00 becomes 03:00 +02:00, at 01:00 UTC.
TEST(Schedule, RunsThatAGapSkipsHappenOnceAtItsEnd) {
  EXPECT_THAT(runs(made("30 2 * * *", "Europe/Berlin"), utc(2026, 3, 28), 3),
              ElementsAre("28T01:30", "29T01:00", "30T00:30"));
  EXPECT_THAT(runs(made("*/10 2 * * *", "Europe/Berlin"), utc(2026, 3, 28, 1, 45), 3),
              ElementsAre("28T01:50", "29T01:00", "30T00:00"));
  // What is due at the end of the gap anyway is the same run.
  EXPECT_THAT(runs(made("0 2,3 * * *", "Europe/Berlin"), utc(2026, 3, 29), 2),
              ElementsAre("29T01:00", "30T00:00"));
}

// Berlin, 25 October 2026: 03:00 +02:00 becomes 02:00 +01:00, at 01:00 UTC.
TEST(Schedule, RunsThatAnOverlapRepeatsHappenOnce) {
  EXPECT_THAT(runs(made("30 2 * * *", "Europe/Berlin"), utc(2026, 10, 24), 3),
              ElementsAre("24T00:30", "25T00:30", "26T01:30"));
  EXPECT_EQ(made("30 2 * * *", "Europe/Berlin").next_after(utc(2026, 10, 25, 1, 10)),
            utc(2026, 10, 26, 1, 30));
}

TEST(Schedule, WhatRunsInEveryHourKeepsItsPaceThroughGapAndOverlap) {
  EXPECT_THAT(runs(made("30 * * * *", "Europe/Berlin"), utc(2026, 3, 29), 3),
              ElementsAre("29T00:30", "29T01:30", "29T02:30"));
  EXPECT_THAT(runs(made("30 * * * *", "Europe/Berlin"), utc(2026, 10, 25), 3),
              ElementsAre("25T00:30", "25T01:30", "25T02:30"));
}

TEST(Schedule, AWholeDayMayBeSkipped) {
  // Samoa had no 30 December 2011: midnight of the 31st was 10:00 UTC of the 30th.
  EXPECT_THAT(runs(made("0 12 * * *", "Pacific/Apia"), utc(2011, 12, 29), 3),
              ElementsAre("29T22:00", "30T10:00", "30T22:00"));
}

TEST(Schedule, IntervalsCountFromTheirStart) {
  const auto schedule = made("every 1h30m", "UTC", utc(2026, 1, 1, 0, 10));
  EXPECT_EQ(schedule.next_after(utc(2025, 1, 1)), utc(2026, 1, 1, 0, 10));
  EXPECT_EQ(schedule.next_after(utc(2026, 1, 1, 0, 10)), utc(2026, 1, 1, 1, 40));
  EXPECT_EQ(schedule.next_after(utc(2026, 1, 1, 1, 39)), utc(2026, 1, 1, 1, 40));
  EXPECT_EQ(made("every 15m").next_after(utc(2026, 1, 1, 7, 16)), utc(2026, 1, 1, 7, 30));
}

TEST(Schedule, BadIntervalsAreRefusedWithTheColumn) {
  const auto refusal = [](std::string_view text) {
    auto schedule = Schedule::parse(text);
    EXPECT_FALSE(schedule) << text;
    return schedule ? "" : schedule.error().message;
  };
  EXPECT_EQ(refusal("every 15"),
            "interval \"every 15\" (column 9): one of the units d, h, m and s is missing");
  EXPECT_THAT(refusal("every "), HasSubstr("(column 7): a number is missing"));
  EXPECT_THAT(refusal("every m"), HasSubstr("(column 7): a number is missing"));
  EXPECT_THAT(refusal("every 5m2h"), HasSubstr("(column 10): units come once each"));
  EXPECT_THAT(refusal("every 5m5m"), HasSubstr("units come once each"));
  EXPECT_THAT(refusal("every 0s"), HasSubstr("must be between"));
  EXPECT_THAT(refusal("every 400d"), HasSubstr("must be between"));
  EXPECT_THAT(refusal("every 99999999999d"), HasSubstr("too large"));
}

TEST(Schedule, OnlyNamesOfZonesAreZones) {
  for (const char* zone :
       {"", "Mars/Base", "/etc/localtime", "../zoneinfo/UTC", "file:/etc/passwd", ":UTC"}) {
    auto schedule = Schedule::parse("@daily", zone);
    ASSERT_FALSE(schedule) << zone;
    EXPECT_THAT(schedule.error().message, HasSubstr("unknown time zone"));
  }
}

TEST(Schedule, MissedRunsAreMadeUpForByOne) {
  const auto schedule = made("*/5 * * * *");
  const WallTime last = utc(2026, 1, 1);
  EXPECT_EQ(schedule.due(last, last + 4min), std::nullopt);
  EXPECT_EQ(schedule.due(last, last + 5min), last + 5min);
  const WallTime back = utc(2027, 3, 4, 5, 6);
  const auto due = schedule.due(last, back);
  EXPECT_EQ(due, utc(2027, 3, 4, 5, 5));
  EXPECT_EQ(schedule.due(*due, back), std::nullopt);
  EXPECT_EQ(schedule.due(back, last), std::nullopt);
  const auto each_second = made("every 1s");
  for (const auto away : {1s, 2s, 3s, 100s, 12345s}) {
    EXPECT_EQ(each_second.due(last, last + away), last + away);
    EXPECT_EQ(each_second.due(last + 1ms, last + away + 999ms), last + away);
  }
}

// One minute of a zone's clock, as the C library has it: an opinion of its own.
struct Minute {
  WallTime at;
  int year, month, day, hour, minute, week_day;
  long civil = 0;  // grows with the clock

  Minute(WallTime time, const std::tm& tm)
      : at(time),
        year(tm.tm_year),
        month(tm.tm_mon + 1),
        day(tm.tm_mday),
        hour(tm.tm_hour),
        minute(tm.tm_min),
        week_day(tm.tm_wday),
        civil((((year * 13L + month) * 32 + day) * 24 + hour) * 60 + minute) {}
};

std::vector<Minute> minutes_of(const char* zone, WallTime from, WallTime to) {
  setenv("TZ", zone, 1);
  tzset();
  std::vector<Minute> out;
  for (WallTime at = from; at < to; at += 1min) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(at);
    std::tm tm{};
    localtime_r(&seconds, &tm);
    out.emplace_back(at, tm);
  }
  unsetenv("TZ");
  tzset();
  return out;
}

// A field made of numbers or a star, and what it means.
struct RandomField {
  std::string text = "*";
  std::array<bool, 60> values{};
  bool is_star = true;

  RandomField(base::Random& random, int first, int last, std::uint64_t star_in_four) {
    std::fill_n(values.begin() + first, last - first + 1, true);
    if (random.below(4) < star_in_four) return;
    is_star = false;
    values.fill(false);
    text.clear();
    for (auto left = 1 + random.below(3); left > 0; --left) {
      const auto any = [&] {
        return first + static_cast<int>(random.below(std::uint64_t(last - first + 1)));
      };
      const int a = any();
      const int b = std::max(a, any());
      const int step = 1 + static_cast<int>(random.below(5));
      const bool is_range = random.below(2) == 0;
      text += (text.empty() ? "" : ",") +
              (is_range ? fmt::format("{}-{}/{}", a, b, step) : std::to_string(a));
      for (int value = a; value <= (is_range ? b : a); value += step) {
        values[std::size_t(value)] = true;
      }
    }
  }
};

struct RandomCron {
  RandomField minute, hour, day, month, week_day;

  explicit RandomCron(base::Random& random)
      : minute(random, 0, 59, 0),
        hour(random, 0, 23, 1),
        day(random, 1, 31, 2),
        month(random, 1, 12, 3),
        week_day(random, 0, 6, 2) {}

  std::string text() const {
    return fmt::format("{} {} {} {} {}", minute.text, hour.text, day.text, month.text,
                       week_day.text);
  }
  bool matches(const Minute& at) const {
    if (!has(minute, at.minute) || !has(hour, at.hour) || !has(month, at.month)) return false;
    const bool by_date = has(day, at.day);
    const bool by_week = has(week_day, at.week_day);
    return day.is_star || week_day.is_star ? by_date && by_week : by_date || by_week;
  }
  bool is_every_hour() const {
    return std::count(hour.values.begin(), hour.values.end(), true) == 24;
  }

 private:
  static bool has(const RandomField& field, int value) { return field.values[std::size_t(value)]; }
};

// The runs by walking along every minute. `skipped` has what the clock jumps over, by the minute
// that comes after.
std::vector<WallTime> walked(const RandomCron& cron, const std::vector<Minute>& minutes,
                             const std::map<std::size_t, std::vector<Minute>>& skipped) {
  std::vector<WallTime> out;
  long latest = 0;  // the furthest the clock has been
  const bool is_every_hour = cron.is_every_hour();
  auto gap = skipped.begin();
  for (std::size_t i = 0; i < minutes.size(); ++i) {
    const Minute& minute = minutes[i];
    const bool is_new = minute.civil > latest;
    bool runs = (is_new || is_every_hour) && cron.matches(minute);
    if (gap != skipped.end() && gap->first == i) {
      for (const Minute& lost : gap->second) runs |= !is_every_hour && cron.matches(lost);
      ++gap;
    }
    if (runs) out.push_back(minute.at);
    if (is_new) latest = minute.civil;
  }
  return out;
}

// The gaps found by walking: the clock's minutes between two that follow each other in time.
std::map<std::size_t, std::vector<Minute>> gaps_in(const std::vector<Minute>& minutes) {
  std::map<std::size_t, std::vector<Minute>> out;
  const auto step = [](Minute& m) {
    std::tm tm{};
    tm.tm_year = m.year, tm.tm_mon = m.month - 1, tm.tm_mday = m.day;
    tm.tm_hour = m.hour, tm.tm_min = m.minute + 1;
    timegm(&tm);  // carries the minute into hours, days and years
    m = Minute(m.at, tm);
  };
  for (std::size_t i = 1; i < minutes.size(); ++i) {
    if (minutes[i - 1].civil + 1 == minutes[i].civil) continue;
    Minute next = minutes[i - 1];
    for (step(next); next.civil < minutes[i].civil; step(next)) out[i].push_back(next);
  }
  return out;
}

struct Window {
  const char* zone;
  int year;
  int years;
};

class ScheduleWindow : public testing::TestWithParam<Window> {};

TEST_P(ScheduleWindow, AgreesWithWalkingAlongEveryMinute) {
  const auto& [zone, year, years] = GetParam();
  const WallTime from = utc(year, 1, 1);
  const WallTime to = utc(year + years, 1, 1);
  const auto minutes = minutes_of(zone, from, to);
  const auto gaps = gaps_in(minutes);
  base::SeededRandom random(static_cast<std::uint64_t>(year) * 1000 + std::string(zone).size());
  for (int round = 0; round < 6; ++round) {
    const RandomCron cron(random);
    SCOPED_TRACE(fmt::format("{} in {}", cron.text(), zone));
    auto schedule = Schedule::parse(cron.text(), zone);
    if (!schedule) {  // a date that never comes
      EXPECT_THAT(schedule.error().message, HasSubstr("would never run"));
      EXPECT_TRUE(walked(cron, minutes, gaps).empty());
      continue;
    }
    const auto expected = walked(cron, minutes, gaps);
    std::vector<WallTime> found;
    for (auto at = schedule->next_after(from - 1min); *at < to; at = schedule->next_after(*at)) {
      found.push_back(*at);
    }
    ASSERT_EQ(found, expected);
    for (int look = 0; look < 20 && !expected.empty(); ++look) {
      const WallTime last = from + 1s * random.below(std::uint64_t((to - from) / 1s));
      const WallTime now = last + 1s * random.below(std::uint64_t((to - last) / 1s));
      const auto newest = std::ranges::upper_bound(expected, now);
      std::optional<WallTime> due;
      if (newest != expected.begin() && newest[-1] > last) due = newest[-1];
      EXPECT_EQ(schedule->due(last, now), due) << base::rfc3339(last) << " " << base::rfc3339(now);
    }
  }
}

// Leap years, both hemispheres, a gap of half an hour, one at midnight, one of a whole day, zones
// that change their offset by decree.
INSTANTIATE_TEST_SUITE_P(
    Zones, ScheduleWindow,
    testing::Values(Window{"UTC", 2023, 2}, Window{"Europe/Berlin", 2027, 2},
                    Window{"America/New_York", 2026, 2}, Window{"Australia/Lord_Howe", 2024, 2},
                    Window{"America/Santiago", 2025, 2}, Window{"Pacific/Apia", 2011, 2},
                    Window{"Africa/Casablanca", 2026, 2}, Window{"Asia/Pyongyang", 2015, 1},
                    Window{"America/Sao_Paulo", 2017, 2}, Window{"Europe/Lisbon", 1995, 3},
                    Window{"Asia/Kolkata", 2096, 2}),
    [](const auto& info) {
      std::string name = info.param.zone;
      std::ranges::replace(name, '/', '_');
      return name;
    });

}  // namespace
}  // namespace schedule
