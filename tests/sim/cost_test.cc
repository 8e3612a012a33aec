// What a job costs does not grow with history: of everything that whole lives ask the store,
// nothing looks through a table that keeps what has ended.
#include "tests/sim/lives.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sim {
namespace {

constexpr std::array<std::string_view, 8> growing = {
    "jobs",    "job_payloads",        "job_results", "sends",
    "journal", "journal_checkpoints", "posts",       "packet_warnings"};
// Partial indices: they hold what is unfinished.
constexpr std::array<std::string_view, 6> small = {"jobs_in_line",  "jobs_oldest",  "jobs_delayed",
                                                   "jobs_expiring", "jobs_running", "jobs_held"};

bool looks_through(std::string_view step) {
  const bool is_scan = std::ranges::any_of(growing, [&](std::string_view table) {
    const std::string scan = fmt::format("SCAN {}", table);
    return step == scan || step.starts_with(scan + " ");
  });
  return is_scan && std::ranges::none_of(small, [&](std::string_view index) {
           return step.find(fmt::format("INDEX {}", index)) != std::string_view::npos;
         });
}

// Steps along the primary key to the first row; and what SQLite plans for foreign keys of a new
// lane, but skips while none is broken.
bool is_bounded(std::string_view sql) {
  const bool is_first_row = sql.ends_with("ORDER BY seq DESC LIMIT 1") && !sql.contains("WHERE");
  return is_first_row || sql.starts_with("INSERT INTO lanes ");
}

std::vector<std::string> plan_of(Ground& ground, const std::string& sql) {
  std::size_t values = 0;
  for (std::size_t n = 1; sql.find(fmt::format("${}", n)) != std::string::npos; ++n) values = n;
  const auto plan = ground.write(
      [&](store::Tx& tx) { return tx.query("EXPLAIN QUERY PLAN " + sql, store::Values(values)); });
  EXPECT_TRUE(plan) << plan.error().message;
  std::vector<std::string> steps;
  for (const auto& row : plan ? *plan : std::vector<store::Row>()) {
    steps.push_back(row.at(3).text());
  }
  return steps;
}

TEST(Cost, NoStatementOfALifeLooksThroughWhatHasEnded) {
  Ground ground;
  ground.remembers_statements = true;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    ASSERT_EQ(told(live(ground, seed, setting_of(seed))), "") << "seed " << seed;
  }
  EXPECT_GT(ground.statements.size(), 60u);
  for (const auto& sql : ground.statements) {
    for (const auto& step : plan_of(ground, sql)) {
      EXPECT_FALSE(looks_through(step) && !is_bounded(sql)) << step << "\n" << sql;
    }
  }
}

TEST(Cost, AScanIsSeen) {
  Ground ground;
  const auto steps = plan_of(ground, "SELECT id FROM jobs WHERE kind = $1");
  ASSERT_EQ(steps.size(), 1u);
  EXPECT_TRUE(looks_through(steps.front())) << steps.front();
}

}  // namespace
}  // namespace sim
