#include "bridge/app/verification.h"

#include "bridge/app/exit_status.h"

#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace app {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json::object unfinished(std::int64_t checked, std::int64_t next_after) {
  return {{"valid", nullptr}, {"finished", false},        {"checked", checked},
          {"checkpoints", 2}, {"next_after", next_after}, {"vouched", next_after},
          {"broken", nullptr}};
}

json::object finished(bool is_valid) {
  return {{"valid", is_valid}, {"finished", true},      {"checked", 900},   {"checkpoints", 1},
          {"vouched", 0},      {"next_after", nullptr}, {"broken", nullptr}};
}

// A daemon that gives these answers, one after the other.
class Verification : public testing::Test {
 protected:
  base::Result<json::object> verify(std::vector<json::object> answers) {
    boost::asio::io_context loop;
    std::optional<base::Result<json::object>> found;
    const auto ask = [this, &answers](std::int64_t after) -> base::Task<json::value> {
      asked.push_back(after);
      if (asked.size() > answers.size()) {
        co_return base::fail(base::Code::unavailable, "the daemon has gone");
      }
      co_return json::value(answers.at(asked.size() - 1));
    };
    boost::asio::co_spawn(
        loop, verify_journal(ask, [this](std::string_view text) { told.emplace_back(text); }),
        [&found](const std::exception_ptr& error, base::Result<json::object> result) {
          if (error) std::rethrow_exception(error);
          found = std::move(result);
        });
    loop.run();
    return *std::move(found);
  }

  std::vector<std::int64_t> asked;
  std::vector<std::string> told;
};

TEST_F(Verification, GoesOnUntilTheJournalEnds) {
  const auto found = verify({unfinished(500, 400), unfinished(900, 800), finished(true)});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(asked, ElementsAre(0, 400, 800));
  EXPECT_THAT(told, ElementsAre(HasSubstr("400"), HasSubstr("800")));
  EXPECT_EQ(found->at("checkpoints"), 5);
  EXPECT_EQ(found->at("vouched"), 800);
  EXPECT_EQ(exit_status_of_verification(*found), exit_ok);
}

TEST_F(Verification, OnlyAWholeGoodJournalEndsInZero) {
  const auto bad = verify({finished(false)});
  ASSERT_TRUE(bad) << bad.error().message;
  EXPECT_THAT(told, IsEmpty());
  EXPECT_EQ(exit_status_of_verification(*bad), exit_negative);
  EXPECT_EQ(exit_status_of_verification(unfinished(5, 5)), exit_negative);
  EXPECT_EQ(exit_status_of_verification({{"valid", true}, {"finished", false}}), exit_negative);
  EXPECT_EQ(exit_status_of_verification({}), exit_negative);
}

TEST_F(Verification, EndsWhereNothingIsGained) {
  const auto stuck = verify({unfinished(500, 400), unfinished(500, 400)});
  ASSERT_FALSE(stuck);
  EXPECT_THAT(stuck.error().message, HasSubstr("no further than entry 400"));
  asked.clear();
  const auto gone = verify({unfinished(500, 400)});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, base::Code::unavailable);
}

}  // namespace
}  // namespace app
