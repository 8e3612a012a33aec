// Work per call does not grow with history.
#include "tests/engine/fixture.h"

#include <set>

namespace engine {
namespace {

// Passes statements on and remembers how the database goes about them.
class Explaining final : public store::Tx {
 public:
  explicit Explaining(store::Tx& tx) : tx_(tx) {}
  base::Result<std::vector<store::Row>> query(std::string_view sql, store::Values values) override {
    explain(sql, values);
    return tx_.query(sql, std::move(values));
  }
  base::Result<store::Part<store::Row>> query_part(std::string_view sql, store::Values values,
                                                   std::size_t most) override {
    explain(sql, values);
    return tx_.query_part(sql, std::move(values), most);
  }
  base::Result<std::int64_t> execute(std::string_view sql, store::Values values) override {
    explain(sql, values);
    return tx_.execute(sql, std::move(values));
  }
  void after_commit(std::function<void()> told) override { tx_.after_commit(std::move(told)); }
  base::Result<> undoing(const std::function<base::Result<>()>& work) override {
    return tx_.undoing(work);
  }

  std::set<std::string> scans;
  std::set<std::string> by_state;  // looks at all jobs of a state, of whichever lane
  std::string steps;               // all of them
  int statements = 0;

 private:
  void explain(std::string_view sql, const store::Values& values) {
    ++statements;
    const auto plan = tx_.query("EXPLAIN QUERY PLAN " + std::string(sql), values);
    ASSERT_TRUE(plan) << plan.error().message;
    for (const auto& row : *plan) {
      const std::string& step = row.at(3).text();
      steps += step + '\n';
      const bool is_partial = step.find("INDEX jobs_running") != std::string::npos;
      if (step.find("SCAN jobs") != std::string::npos && !is_partial) {
        scans.insert(step + ": " + std::string(sql));
      }
      if (step.find("INDEX jobs_by_state") != std::string::npos) by_state.emplace(sql);
      if (step.find("TEMP B-TREE") != std::string::npos &&
          sql.find("FROM jobs") != std::string_view::npos) {
        scans.insert(step + ": " + std::string(sql));
      }
    }
  }
  store::Tx& tx_;
};

void add_history(Fixture& f, int jobs) {
  const auto id = f.add();
  ASSERT_TRUE(f.complete(f.claim().lease));
  const auto added = f.write([&](store::Tx& tx) {
    return tx.execute(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i <= $1) "
        "INSERT INTO jobs SELECT i, 'old-' || i, kind, lane, sender, principal, 'key-' || i, "
        "body_hash, subject, thread, band, cost, state, stage, attempt, failures, epoch, doubtful, "
        "in_line, ready_et, since_et, parent, deadline_at, error_code, error_detail, queued_at, "
        "claimed_at, intent_at, armed_at, sent_at, replied_at, ended_at "
        "FROM n, jobs WHERE jobs.id = $2",
        {jobs, id.text});
  });
  ASSERT_EQ(added.value(), jobs);
}

TEST(History, AHundredThousandFinishedJobsAreNeverLookedThrough) {
  Fixture f;
  add_history(f, 100'000);
  ASSERT_TRUE(f.write([](store::Tx& tx) { return tx.execute("ANALYZE"); }));
  auto job = f.job();
  job.key = "new";
  job.deadline = f.clock.wall() + 1h;
  const auto explained = [&](auto work) {
    const auto seen = f.write([&](store::Tx& tx) -> base::Result<std::set<std::string>> {
      Explaining explaining(tx);
      TRY_OK(work(explaining));
      EXPECT_GT(explaining.statements, 0);
      return explaining.scans;
    });
    ASSERT_TRUE(seen) << seen.error().message;
    EXPECT_EQ(*seen, std::set<std::string>{});
  };
  std::optional<Claim> claim;
  explained([&](store::Tx& tx) { return f.queue.submit(tx, job, f.now()); });
  explained([&](store::Tx& tx) { return f.queue.is_drained(tx, f.now()); });
  explained([&](store::Tx& tx) -> base::Result<> {
    TRY(auto turn, f.queue.claim(tx, lane, f.holder, f.now()));
    claim = std::get<Claim>(std::move(turn));
    return {};
  });
  explained([&](store::Tx& tx) { return f.queue.renew(tx, claim->lease, f.now()); });
  explained(
      [&](store::Tx& tx) { return f.queue.set_stage(tx, claim->lease, Stage::intent, f.now()); });
  explained(
      [&](store::Tx& tx) { return f.queue.set_stage(tx, claim->lease, Stage::armed, f.now()); });
  explained([&](store::Tx& tx) { return f.queue.recover(tx, "life-2", 1, f.now()); });
  explained([&](store::Tx& tx) { return f.queue.expire(tx, f.now()); });
  explained([&](store::Tx& tx) { return f.queue.counts(tx); });
  explained([&](store::Tx& tx) { return f.queue.lanes(tx, f.now()); });
  explained([&](store::Tx& tx) { return f.queue.lane_pages(tx, "account"); });
  explained(
      [&](store::Tx& tx) { return f.queue.trip(tx, "account", Trip::challenge, "", {}, f.now()); });
  explained([&](store::Tx& tx) { return f.queue.block(tx, lane, "", "/c/1", f.now()); });
  explained([&](store::Tx& tx) { return open_breakers(tx, f.now()); });
  explained([&](store::Tx& tx) { return f.queue.unblock(tx, lane); });
  explained([&](store::Tx& tx) { return f.queue.close_breaker(tx, "account"); });
  explained([&](store::Tx& tx) { return f.queue.retire_lane(tx, lane); });
  explained([&](store::Tx& tx) { return f.queue.lanes(tx, f.now()); });
  explained([&](store::Tx& tx) -> base::Result<> {
    TRY(auto turn, f.queue.claim(tx, lane, f.holder, f.now()));
    claim = std::get<Claim>(std::move(turn));
    return {};
  });
  explained([&](store::Tx& tx) {
    return f.queue.complete(tx, claim->lease, base::json::object(), f.now());
  });
}

// Nobody has told SQLite what the tables hold.
TEST(History, AClaimLooksAtNoQueuedJobOfAnotherLane) {
  Fixture f;
  auto job = f.job();
  job.deadline = f.clock.wall() + 1h;
  ASSERT_TRUE(f.submit(job));
  const auto seen = f.write([&](store::Tx& tx) -> base::Result<std::set<std::string>> {
    Explaining explaining(tx);
    TRY(auto turn, f.queue.claim(explaining, lane, f.holder, f.now()));
    EXPECT_TRUE(std::holds_alternative<Claim>(turn));
    TRY_OK(
        f.queue.complete(explaining, std::get<Claim>(turn).lease, base::json::object(), f.now()));
    return explaining.by_state;
  });
  ASSERT_TRUE(seen) << seen.error().message;
  EXPECT_EQ(*seen, std::set<std::string>{});
}

TEST(History, AListOfAnAgentsJobsLooksAtNoOthers) {
  Fixture f;
  const auto plan = f.write([&](store::Tx& tx) -> base::Result<std::string> {
    Explaining explaining(tx);
    const Filter filter{.kind = "packet", .agent = "0193e2b4-0000-7000-8000-000000000001"};
    TRY_OK(f.queue.list(explaining, filter, {}, 10));
    EXPECT_EQ(explaining.scans, std::set<std::string>{});
    return explaining.steps;
  });
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_NE(plan->find("INDEX payloads_of_agents"), std::string::npos) << *plan;
}

}  // namespace
}  // namespace engine
