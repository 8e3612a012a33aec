// How many durable transactions a second: store_bench FOLDER [PRODUCERS [TRANSACTIONS]]. Each
// transaction looks up a key, inserts a job under it and appends an entry, as accepting a packet
// does; a producer sends its next when the last is durable.
#include "bridge/store/sqlite_store.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/core.h>

namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr store::Migration tables[] = {{"bench", 1, R"(
CREATE TABLE jobs (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;
CREATE TABLE entries (id INTEGER PRIMARY KEY, job INTEGER NOT NULL, kind TEXT NOT NULL) STRICT;
)"}};

base::Result<std::int64_t> accept(store::Tx& tx, const std::string& key, const std::string& body) {
  TRY(auto known, tx.query_one("SELECT id FROM jobs WHERE key = $1", {key}));
  if (known) return known->at(0).integer();
  TRY(auto rows,
      tx.query("INSERT INTO jobs (key, body) VALUES ($1, $2) RETURNING id", {key, body}));
  const auto id = rows.at(0).at(0).integer();
  TRY_OK(tx.execute("INSERT INTO entries (job, kind) VALUES ($1, $2)", {id, "accepted"}));
  return id;
}

asio::awaitable<void> produce(store::Store& store, int producer, int count,
                              std::vector<double>& took) {
  const std::string body(500, 'x');
  for (int i = 0; i < count; ++i) {
    const auto start = Clock::now();
    const auto done = co_await store.write([key = fmt::format("{}-{}", producer, i), &body](
                                               store::Tx& tx) { return accept(tx, key, body); });
    BRIDGE_ASSERT(done);
    took.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: store_bench FOLDER [PRODUCERS [TRANSACTIONS]]\n");
    return 64;
  }
  const std::string path = std::filesystem::path(argv[1]) / "bench.db";
  const int producers = argc > 2 ? std::atoi(argv[2]) : 64;
  const int total = argc > 3 ? std::atoi(argv[3]) : 100'000;
  for (const auto* ending : {"", "-wal", "-shm"}) std::filesystem::remove(path + ending);
  asio::io_context loop;
  auto store = store::SqliteStore::open({.path = path}, loop.get_executor(), tables);
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message);
    return base::exit_status(store.error().code);
  }
  std::vector<double> took;
  took.reserve(static_cast<std::size_t>(total));
  const auto start = Clock::now();
  for (int i = 0; i < producers; ++i) {
    asio::co_spawn(loop, produce(**store, i, total / producers, took),
                   [](std::exception_ptr error) { BRIDGE_ASSERT(!error); });
  }
  loop.run();
  const std::chrono::duration<double> seconds = Clock::now() - start;
  std::ranges::sort(took);
  fmt::print("{} producers: {:.0f} durable transactions/s, p50 {:.2f} ms, p99 {:.2f} ms\n",
             producers, static_cast<double>(took.size()) / seconds.count(), took[took.size() / 2],
             took[took.size() * 99 / 100]);
}
