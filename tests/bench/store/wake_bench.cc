// How soon an idle lane goes on once a job for it is durable: wake_bench FOLDER [JOBS]. One job at
// a time, each handed in when the lane has been idle for a moment. Counted from the commit, on the
// thread that writes, until the woken runner's claim is being written there, and until the job's
// handler is called, which waits for the claim to be durable too. Prints one JSON line.
#include "bridge/engine/runner.h"
#include "bridge/engine/schema.h"
#include "bridge/store/sqlite_store.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

namespace {

namespace asio = boost::asio;
using Time = base::Instant;

constexpr auto idle_time = std::chrono::milliseconds(5);
const engine::LaneId lane{"bench"};

// Notes when the next commit is durable.
class Commits final : public base::Faults {
 public:
  base::Result<> at(std::string_view point) override {
    if (point == "store.committed" && is_awaited.exchange(false))
      committed = base::Instant::clock::now();
    return {};
  }
  std::atomic<bool> is_awaited = false;
  std::atomic<Time> committed{};
};

double ms_between(Time from, Time to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

struct Took {
  std::vector<double> claim, handler;
};

std::string summary(std::vector<double>& took) {
  std::ranges::sort(took);
  return fmt::format(R"({{"p50_ms": {:.2f}, "p99_ms": {:.2f}}})", took[took.size() / 2],
                     took[took.size() * 99 / 100]);
}

class Bench {
 public:
  Bench(asio::io_context& loop, store::SqliteStore& store, Commits& commits)
      : commits_(commits),
        timeline_(clock_, "bench"),
        bells_(loop.get_executor()),
        queue_(options(), random_),
        engine_{store, queue_, clock_, timeline_, bells_, faults_, "bench"},
        runner_(engine_, lane, handlers_) {
    handlers_["bench"] = [this](engine::Claim, engine::LaneContext&) { return handle(); };
  }

  asio::awaitable<void> drive() { co_await runner_.run(); }

  asio::awaitable<void> measure(int jobs) {
    for (int i = 0; i < jobs; ++i) {
      co_await clock_.sleep_until(clock_.now() + idle_time);
      const engine::NewJob job{
          .kind = "bench", .lane = lane, .sender = "bench", .principal = "bench"};
      const auto done = co_await engine_.store.write([this, &job](store::Tx& tx) -> base::Result<> {
        commits_.is_awaited = true;
        TRY_OK(queue_.declare_lane(tx, lane, "bench"));
        TRY_OK(queue_.submit(tx, job, timeline_.now()));
        return {};
      });
      BRIDGE_ASSERT(done);
    }
    co_await clock_.sleep_until(clock_.now() + std::chrono::seconds(1));
    runner_.stop();
  }

  Took took;

 private:
  engine::QueueOptions options() {
    engine::QueueOptions options;
    options.on_change = [this](store::Tx&, const engine::Change& change, const engine::Now&) {
      if (change.verb == "claimed") claimed_ = base::Instant::clock::now();
      return base::Result<>();
    };
    options.ring = [this](const std::string& bell) { bells_.ring(bell); };
    return options;
  }

  base::Task<engine::Outcome> handle() {
    const Time committed = commits_.committed;
    took.claim.push_back(ms_between(committed, claimed_));
    took.handler.push_back(ms_between(committed, clock_.now()));
    co_return engine::Outcome{engine::Outcome::Done{nullptr}};
  }

  Commits& commits_;
  base::SystemClock clock_;
  base::SystemRandom random_;
  base::Faults faults_;
  engine::Timeline timeline_;
  engine::Bells bells_;
  engine::Queue queue_;
  engine::Engine engine_;
  std::map<std::string, engine::Handler> handlers_;
  engine::Runner runner_;
  std::atomic<Time> claimed_{};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: wake_bench FOLDER [JOBS]\n");
    return 64;
  }
  const std::string path = std::filesystem::path(argv[1]) / "wake.db";
  const int jobs = argc > 2 ? std::max(1, std::atoi(argv[2])) : 500;
  for (const auto* ending : {"", "-wal", "-shm"}) std::filesystem::remove(path + ending);
  asio::io_context loop;
  Commits commits;
  auto store = store::SqliteStore::open({.path = path, .faults = &commits}, loop.get_executor(),
                                        engine::migrations());
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message);
    return base::exit_status(store.error().code);
  }
  Bench bench(loop, **store, commits);
  const auto fail = [](std::exception_ptr error) { BRIDGE_ASSERT(!error); };
  asio::co_spawn(loop, bench.drive(), fail);
  asio::co_spawn(loop, bench.measure(jobs), fail);
  loop.run();
  fmt::print(R"({{"jobs": {}, "to_claim": {}, "to_handler": {}}}
)",
             bench.took.claim.size(), summary(bench.took.claim), summary(bench.took.handler));
}
