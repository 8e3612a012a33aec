// How many steps a second workflows do whose jobs are done at once: runs at the same time, each a
// hundred chains wide, over real lanes, durable at every step. Prints one JSON line.
#include "bridge/base/clock.h"
#include "bridge/base/faults.h"
#include "bridge/base/random.h"
#include "bridge/base/scope.h"
#include "bridge/engine/runner.h"
#include "bridge/engine/schema.h"
#include "bridge/services/posts.h"
#include "bridge/services/workflows/workflows.h"
#include "bridge/store/sqlite_store.h"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using namespace std::chrono_literals;

constexpr int width = 100;

int number(int argc, char** argv, int at, int otherwise) {
  if (argc <= at) return otherwise;
  const std::string_view text = argv[at];
  int value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

workflow::Definition definition(int steps) {
  json::object jobs;
  for (int i = 0; i < steps; ++i) {
    json::object job{{"uses", "gpt/nobody"}, {"with", json::object{{"query", "go"}}}};
    if (i >= width) {
      job["needs"] = fmt::format("s{}", i - width);
      job["with"].as_object()["query"] = fmt::format("${{{{ jobs.s{}.outputs.text }}}}", i - width);
    }
    jobs[fmt::format("s{}", i)] = std::move(job);
  }
  auto made = workflow::Definition::from_json(
      json::object{{"name", "bench"}, {"max_parallel", width}, {"jobs", std::move(jobs)}});
  BRIDGE_ASSERT(made);
  return *std::move(made);
}

struct Bench {
  Bench(const std::string& path, int lanes) {
    std::vector<store::Migration> migrations;
    for (const auto part : {engine::migrations(), services::workflow_migrations()}) {
      migrations.insert(migrations.end(), part.begin(), part.end());
    }
    auto opened = store::SqliteStore::open({.path = path}, loop.get_executor(), migrations);
    BRIDGE_ASSERT(opened);
    store = *std::move(opened);
    engine::QueueOptions options;
    options.ring = [this](const std::string& bell) { bells.ring(bell); };
    options.on_change = [this](store::Tx& tx, const engine::Change& change,
                               const engine::Now& now) {
      return flows->on_job_change(tx, change, now);
    };
    queue.emplace(std::move(options), random);
    for (int i = 0; i < lanes; ++i) names.push_back({fmt::format("lane:{}", i)});
    services::StepKinds kinds;
    kinds["gpt"] = kind();
    flows.emplace(loop.get_executor(),
                  services::Workflows::Needs{*store, *queue, journal, timeline, bells, clock},
                  std::move(kinds));
    engine.emplace(engine::Engine{*store, *queue, clock, timeline, bells, faults, "bench"});
    handlers["step"] = [](engine::Claim, engine::LaneContext&) -> base::Task<engine::Outcome> {
      co_return engine::Outcome{engine::Outcome::Done{json::object{{"text", "done"}}}};
    };
  }

  services::StepKind kind() {
    return {.check = [](store::Tx&,
                        const workflow::Step&) { return std::vector<protocol::Violation>(); },
            .job_of = [this](store::Tx&,
                             const services::StepStart& start) -> base::Result<engine::NewJob> {
              const auto lane = ++jobs % names.size();
              return engine::NewJob{
                  .kind = "step", .lane = names[lane], .sender = "bench", .payload = start.with};
            },
            .outputs_of = [](const engine::Job& job) -> base::Result<json::value> {
              return *job.result;
            }};
  }

  asio::awaitable<void> run(int runs, int steps) {
    base::Scope tasks(loop.get_executor());
    const auto ready = co_await store->write([this](store::Tx& tx) -> base::Result<> {
      for (const auto& lane : names) TRY_OK(queue->declare_lane(tx, lane, "nobody"));
      return {};
    });
    BRIDGE_ASSERT(ready);
    const services::Caller caller{.principal = "bench", .name = "bench", .may_write = true};
    BRIDGE_ASSERT(co_await flows->create(caller, definition(steps), ""));
    std::vector<std::string> ids;
    for (int i = 0; i < runs; ++i) {
      const auto begun = co_await flows->execute(caller, "bench", {}, "");
      BRIDGE_ASSERT(begun);
      ids.push_back(begun->run);
    }
    std::vector<std::unique_ptr<engine::Runner>> runners;
    const auto began = clock.now();
    for (const auto& lane : names) {
      runners.push_back(std::make_unique<engine::Runner>(*engine, lane, handlers));
      tasks.spawn(runners.back()->run());
    }
    for (const auto& id : ids) {
      const auto ended = co_await flows->wait(caller, id, clock.now() + 1h);
      BRIDGE_ASSERT(ended && ended->at("result") == "success");
    }
    const double seconds = std::chrono::duration<double>(clock.now() - began).count();
    fmt::print(
        "{{\"runs\":{},\"steps\":{},\"lanes\":{},\"seconds\":{:.3f},"
        "\"steps_per_second\":{:.0f}}}\n",
        runs, runs * steps, names.size(), seconds, runs * steps / seconds);
    co_await tasks.join();
  }

  asio::io_context loop{1};
  base::SystemClock clock;
  engine::Timeline timeline{clock, "boot"};
  engine::Bells bells{loop.get_executor()};
  engine::Journal journal;
  base::SystemRandom random;
  base::Faults faults;
  std::unique_ptr<store::SqliteStore> store;
  std::optional<engine::Queue> queue;
  std::optional<services::Workflows> flows;
  std::optional<engine::Engine> engine;
  std::vector<engine::LaneId> names;
  std::map<std::string, engine::Handler> handlers;
  std::size_t jobs = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: workflow_bench FOLDER [RUNS [STEPS [LANES]]]\n", stderr);
    return 64;
  }
  const std::filesystem::path file = std::filesystem::path(argv[1]) / "workflow_bench.db";
  std::filesystem::remove(file);
  Bench bench(file, number(argc, argv, 4, 64));
  asio::co_spawn(bench.loop, bench.run(number(argc, argv, 2, 10), number(argc, argv, 3, 1000)),
                 [](const std::exception_ptr& error) {
                   if (error) std::rethrow_exception(error);
                 });
  bench.loop.run();
}
