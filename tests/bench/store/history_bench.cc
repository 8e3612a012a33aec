// What a job costs after a long history: history_bench FOLDER [JOBS_MAX]. Fills a daemon's store in
// FOLDER with finished jobs, and at 1,000, 100,000 and 1,000,000 of them has new ones submitted,
// claimed, taken through every stage and completed, each step a durable transaction of its own with
// its journal entries. Prints JSON lines. The store stays, to measure a start with it.
#include "bridge/app/bridge.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <sys/resource.h>

namespace {

using engine::Stage;

constexpr int sample = 300;
constexpr std::int64_t jobs_at_once = 20'000;
const engine::LaneId lane{"chat:bench"};

double cpu_ms() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto ms = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return ms(used.ru_utime) + ms(used.ru_stime);
}

// Copies of the finished job `pattern`, numbered from..to, with three journal entries each.
base::Result<> copy(store::Tx& tx, std::int64_t pattern, std::int64_t from, std::int64_t to) {
  TRY_OK(tx.execute(
      "INSERT INTO jobs SELECT n.i, 'copy-' || n.i, kind, lane, sender, principal, 'copy-' || n.i, "
      "body_hash, 'bead-' || (n.i % 1000), thread, band, cost, state, stage, attempt, failures, "
      "epoch, doubtful, in_line, ready_et, since_et, parent, deadline_at, error_code, "
      "error_detail, queued_at, claimed_at, intent_at, armed_at, sent_at, replied_at, ended_at "
      "FROM jobs, (WITH RECURSIVE n(i) AS (SELECT $2 UNION ALL SELECT i + 1 FROM n WHERE i < $3) "
      "SELECT i FROM n) n WHERE seq = $1",
      {pattern, from, to}));
  for (const std::string table : {"job_payloads", "job_results"}) {
    const std::string value = table == "job_payloads" ? "payload" : "result";
    TRY_OK(tx.execute(fmt::format("INSERT INTO {0} SELECT jobs.seq, {1} FROM jobs, {0} pattern "
                                  "WHERE pattern.seq = $1 AND jobs.seq BETWEEN $2 AND $3",
                                  table, value),
                      {pattern, from, to}));
  }
  TRY(const auto last, tx.query_one("SELECT MAX(seq) FROM journal", {}));
  const std::int64_t first = last->at(0).integer() + 1;
  TRY_OK(
      tx.execute("INSERT INTO journal SELECT $1 + n.i, time_at, type, 'copy-' || (n.i / 3), actor, "
                 "'copy-' || (n.i / 3), cause, data, hash FROM journal, "
                 "(WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $2) "
                 "SELECT i FROM n) n WHERE seq = 1",
                 {first, (to - from + 1) * 3 - 1}));
  return {};
}

class Bench {
  template <class Work>
  auto write(Work work) {
    return bridge_.store().write(std::move(work));
  }
  engine::Now now() const { return bridge_.timeline().now(); }

 public:
  explicit Bench(app::Bridge& bridge) : bridge_(bridge) {}

  base::Task<> run(std::int64_t jobs_max) {
    CO_TRY_OK(co_await write([this](store::Tx& tx) {
      return bridge_.queue().declare_lane(tx, lane, bridge_.settings().account);
    }));
    CO_TRY_OK(co_await one_job());
    CO_TRY(const auto pattern, co_await write([](store::Tx& tx) {
             return tx.query_one("SELECT MAX(seq) FROM jobs WHERE state = 'done'", {});
           }));
    std::int64_t size = pattern->at(0).integer();
    for (const std::int64_t wanted : {1'000, 100'000, 1'000'000}) {
      if (wanted > jobs_max) break;
      while (size < wanted) {
        const std::int64_t to = std::min(wanted, size + jobs_at_once);
        CO_TRY_OK(co_await write(
            [&](store::Tx& tx) { return copy(tx, pattern->at(0).integer(), size + 1, to); }));
        size = to;
      }
      CO_TRY_OK(co_await measure(wanted));
      size += 2 * sample;
    }
    co_return base::Result<>();
  }

 private:
  base::Task<> measure(std::int64_t size) {
    // The log of what was filled in is copied into the database meanwhile.
    for (int i = 0; i < sample; ++i) CO_TRY_OK(co_await one_job());
    std::vector<double> took;
    const double cpu = cpu_ms();
    for (int i = 0; i < sample; ++i) {
      const auto start = std::chrono::steady_clock::now();
      CO_TRY_OK(co_await one_job());
      took.push_back(
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
              .count());
    }
    std::ranges::sort(took);
    fmt::print("{{\"jobs\": {}, \"median_ms\": {:.2f}, \"p99_ms\": {:.2f}, \"cpu_ms\": {:.3f}}}\n",
               size, took[sample / 2], took[sample * 99 / 100], (cpu_ms() - cpu) / sample);
    std::fflush(stdout);
    co_return base::Result<>();
  }

  base::Task<> one_job() {
    const auto& queue = bridge_.queue();
    engine::NewJob job{.kind = "packet",
                       .lane = lane,
                       .sender = "agent",
                       .principal = "agent",
                       .key = fmt::format("job-{}", ++made_),
                       .body_hash = "0",
                       .payload = {{"packet", std::string(1000, 'x')}},
                       .subject = "bead"};
    CO_TRY_OK(co_await write([&](store::Tx& tx) { return queue.submit(tx, job, now()); }));
    CO_TRY(const auto turn, co_await write([&](store::Tx& tx) {
             return queue.claim(tx, lane, bridge_.store().incarnation(), now());
           }));
    if (!std::holds_alternative<engine::Claim>(turn)) {
      co_return base::fail(base::Code::internal, std::get<engine::Idle>(turn).detail);
    }
    const engine::Lease lease = std::get<engine::Claim>(turn).lease;
    for (const Stage stage : {Stage::intent, Stage::armed, Stage::sent, Stage::replied}) {
      CO_TRY_OK(
          co_await write([&](store::Tx& tx) { return queue.set_stage(tx, lease, stage, now()); }));
    }
    co_return co_await write([&](store::Tx& tx) {
      return queue.complete(tx, lease, boost::json::object{{"response", std::string(2000, 'y')}},
                            now());
    });
  }

  app::Bridge& bridge_;
  int made_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: history_bench FOLDER [JOBS_MAX]\n");
    return 64;
  }
  boost::asio::io_context loop(1);
  base::SystemClock clock;
  base::Faults faults;
  app::BridgeSettings settings;
  settings.state = argv[1];
  settings.store = (settings.state / "flywheel.db").string();
  settings.account = "bench";
  settings.packets.url = "http://127.0.0.1:1/c/00000000-0000-0000-0000-000000000000";
  auto bridge = app::Bridge::open(loop.get_executor(), clock, faults, std::move(settings));
  if (!bridge) {
    fmt::print(stderr, "history_bench: {}\n", bridge.error().message);
    return 1;
  }
  int status = 1;
  Bench bench(**bridge);
  const std::int64_t jobs_max = argc > 2 ? std::atoll(argv[2]) : 1'000'000;
  auto story = [&]() -> boost::asio::awaitable<void> {
    const auto done = co_await bench.run(jobs_max);
    if (!done) fmt::print(stderr, "history_bench: {}\n", done.error().message);
    status = done ? 0 : 1;
    co_await (*bridge)->stop();
  };
  boost::asio::co_spawn(loop, story(), [](const std::exception_ptr& bug) {
    if (bug) std::rethrow_exception(bug);
  });
  loop.run();
  return status;
}
