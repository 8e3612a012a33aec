#include "bridge/services/schedule/cron.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace schedule {
namespace {

using cctz::civil_minute;
using ::testing::HasSubstr;

civil_minute next(std::string_view text, civil_minute from) {
  auto cron = Cron::parse(text);
  EXPECT_TRUE(cron) << cron.error().message;
  return cron ? cron->next_from(from) : civil_minute();
}

std::string refusal(std::string_view text) {
  auto cron = Cron::parse(text);
  EXPECT_FALSE(cron) << text;
  return cron ? "" : cron.error().message;
}

TEST(Cron, FindsTheNextMatchingMinuteItselfIncluded) {
  const civil_minute from(2026, 11, 26, 10, 17);  // a Thursday
  EXPECT_EQ(next("* * * * *", from), from);
  EXPECT_EQ(next("*/15 * * * *", from), civil_minute(2026, 11, 26, 10, 30));
  EXPECT_EQ(next("5-10/5,50 9-11 * * *", from), civil_minute(2026, 11, 26, 10, 50));
  EXPECT_EQ(next("0 8 * * *", from), civil_minute(2026, 11, 27, 8, 0));
  EXPECT_EQ(next("0 0 1 1 *", from), civil_minute(2027, 1, 1, 0, 0));
  EXPECT_EQ(next("0 0 29 2 *", from), civil_minute(2028, 2, 29, 0, 0));
  EXPECT_EQ(next("0 0 29 feb *", civil_minute(2096, 3, 1)), civil_minute(2104, 2, 29));
}

TEST(Cron, TakesNamesInAnyCaseAndSundayAsZeroOrSeven) {
  const civil_minute from(2026, 11, 26, 10, 17);
  const civil_minute sunday(2026, 11, 29, 0, 0);
  for (const char* text : {"0 0 * * 0", "0 0 * * 7", "0 0 * * SUN", "0 0 * * sun", "0 0 * * 7-7"}) {
    EXPECT_EQ(next(text, from), sunday) << text;
  }
  EXPECT_EQ(next("0 0 * * fri-sun", civil_minute(2026, 11, 28, 1)), sunday);
  EXPECT_EQ(next("0 0 * * 0-0/5", from), sunday);  // not Friday
  EXPECT_EQ(next("0 0 * Dec-DEC Mon", from), civil_minute(2026, 12, 7));
}

TEST(Cron, EitherDayMatchesUnlessOneHasAStar) {
  const civil_minute from(2026, 11, 2, 0, 1);  // a Monday
  EXPECT_EQ(next("0 0 13 * fri", from), civil_minute(2026, 11, 6));
  EXPECT_EQ(next("0 0 3 * fri", from), civil_minute(2026, 11, 3));
  EXPECT_EQ(next("0 0 13 * *", from), civil_minute(2026, 11, 13));
  EXPECT_EQ(next("0 0 * * fri", from), civil_minute(2026, 11, 6));
  // Odd days that are Fridays.
  EXPECT_EQ(next("0 0 */2 * fri", from), civil_minute(2026, 11, 13));
}

TEST(Cron, KnowsTheNicknames) {
  const civil_minute from(2026, 11, 26, 10, 17);
  EXPECT_EQ(next("@hourly", from), civil_minute(2026, 11, 26, 11, 0));
  EXPECT_EQ(next("@daily", from), civil_minute(2026, 11, 27));
  EXPECT_EQ(next("@midnight", from), civil_minute(2026, 11, 27));
  EXPECT_EQ(next("@weekly", from), civil_minute(2026, 11, 29));
  EXPECT_EQ(next("@monthly", from), civil_minute(2026, 12, 1));
  EXPECT_EQ(next("@Yearly", from), civil_minute(2027, 1, 1));
  EXPECT_EQ(next("@annually", from), civil_minute(2027, 1, 1));
  EXPECT_THAT(refusal("@reboot"), HasSubstr("unknown word"));
}

TEST(Cron, ErrorsNameTheFieldAndTheColumn) {
  EXPECT_EQ(refusal("61 * * * *"),
            "cron expression \"61 * * * *\": minute (column 1): 61 is not between 0 and 59");
  EXPECT_THAT(refusal("0  25 * * *"), HasSubstr("hour (column 4): 25 is not between 0 and 23"));
  EXPECT_THAT(refusal("0 0 0 * *"), HasSubstr("day of month (column 5): 0 is not between 1"));
  EXPECT_THAT(refusal("0 0 1 13 *"), HasSubstr("month (column 7): 13 is not between 1 and 12"));
  EXPECT_THAT(refusal("0 0 1 foo *"), HasSubstr("month (column 7): \"foo\" is not a number or a"));
  EXPECT_THAT(refusal("0 0 * * 8"), HasSubstr("day of week (column 9): 8 is not between 0 and 7"));
  EXPECT_THAT(refusal("1,2,x * * * *"), HasSubstr("minute (column 5): \"x\" is not a number"));
  EXPECT_THAT(refusal("1, * * * *"), HasSubstr("minute (column 3): a number is missing"));
  EXPECT_THAT(refusal("-5 * * * *"), HasSubstr("minute (column 1)"));
  EXPECT_THAT(refusal("9-5 * * * *"), HasSubstr("minute (column 1): the range 9-5 is upside down"));
  EXPECT_THAT(refusal("*/0 * * * *"), HasSubstr("minute (column 3): the step 0"));
  EXPECT_THAT(refusal("*/60 * * * *"), HasSubstr("the step 60 is not between 1 and 59"));
  EXPECT_THAT(refusal("5/10 * * * *"), HasSubstr("minute (column 2): a step needs a range"));
  EXPECT_THAT(refusal("5x * * * *"), HasSubstr("minute (column 2): \"x\" is not expected here"));
  EXPECT_THAT(refusal("99999999999 * * * *"), HasSubstr("minute (column 1)"));
  EXPECT_THAT(refusal("* * * *"), HasSubstr("4 fields instead of 5"));
  EXPECT_THAT(refusal("* * * * * *"), HasSubstr("6 fields instead of 5"));
  EXPECT_THAT(refusal(""), HasSubstr("0 fields instead of 5"));
  EXPECT_THAT(refusal(std::string(2000, '*')), HasSubstr("longer than"));
}

TEST(Cron, DatesThatNeverComeAreRefused) {
  EXPECT_THAT(refusal("0 0 30 2 *"), HasSubstr("day of month (column 5): no such day"));
  EXPECT_THAT(refusal("0 0 31 2,4,6,9,11 *"), HasSubstr("would never run"));
  // With a day of the week it runs on those days.
  EXPECT_EQ(next("0 0 30 2 mon", civil_minute(2026, 1, 1)), civil_minute(2026, 2, 2));
  EXPECT_EQ(next("0 0 31 4,5 *", civil_minute(2026, 1, 1)), civil_minute(2026, 5, 31));
  // The rarest date there is: a 29th of February on one day of the week.
  EXPECT_EQ(next("0 0 29 2 */6", civil_minute(2028, 3, 1)), civil_minute(2032, 2, 29));
}

}  // namespace
}  // namespace schedule
