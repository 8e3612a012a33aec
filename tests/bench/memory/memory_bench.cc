// Searches in much that is remembered, beside bare FTS5:
//
//   memory_bench FOLDER [ENTRIES [QUESTIONS [KIND]]]
//
// Fills a store in FOLDER with entries of 60 words (a vocabulary of 50,000 words after Zipf, 100
// agents in ten fleets, a quarter private) and a bare FTS5 table with the same texts, then asks
// both the same questions in turn. Prints a JSON line for every kind of question, with the time of
// one and the CPU time that it took on average. The store stays: another run asks at once.
#include "bridge/engine/schema.h"
#include "bridge/services/agents/rules.h"
#include "bridge/services/memory/memory.h"
#include "bridge/store/sqlite_store.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <random>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <malloc.h>

namespace {

using namespace services;

constexpr int agents_count = 100;
constexpr int fleets_count = 10;
constexpr int words_count = 50'000;
constexpr int words_each = 60;
constexpr int batch = 2000;
constexpr int questions_usually = 200;

constexpr std::array bare_steps = {store::Migration{"bench", 1, R"sql(
  CREATE VIRTUAL TABLE bare USING fts5 (
    title, content, tokenize = 'unicode61 remove_diacritics 2'
  )
)sql"}};

std::string word(int number) {
  std::string text;
  for (number += 26; number > 0; number /= 26) text += static_cast<char>('a' + number % 26);
  return text;
}

class Words {
 public:
  Words() {
    double sum = 0;
    for (int i = 0; i < words_count; ++i) sums_.push_back(sum += 1 / (i + 2.7));
  }
  std::string text(int count) {
    std::uniform_real_distribution<double> any(0, sums_.back());
    std::string out;
    for (int i = 0; i < count; ++i) {
      const auto at = std::ranges::upper_bound(sums_, any(random_)) - sums_.begin();
      out += (i == 0 ? "" : " ") +
             word(static_cast<int>(std::min<std::ptrdiff_t>(at, words_count - 1)));
    }
    return out;
  }
  int between(int low, int high) { return std::uniform_int_distribution(low, high)(random_); }

 private:
  std::vector<double> sums_;
  std::mt19937 random_{7};
};

struct Kind {
  std::string_view name;
  int low, high;  // ranks of the words
  int words;
};
constexpr std::array kinds = {
    Kind{"one rare word", 5000, 50'000, 1}, Kind{"one usual word", 200, 5000, 1},
    Kind{"one common word", 20, 200, 1},    Kind{"one of the 20 commonest", 0, 20, 1},
    Kind{"two usual words", 50, 1000, 2},   Kind{"three common words", 0, 100, 3},
};

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// What one question after the other took.
class Times {
 public:
  void begin() {
    start_ = std::chrono::steady_clock::now();
    cpu_start_ = std::clock();
  }
  void end() {
    took_.push_back(ms_since(start_));
    cpu_ += std::clock() - cpu_start_;
  }
  double at(double part) {
    std::ranges::sort(took_);
    const auto last = static_cast<double>(took_.size() - 1);
    return took_[static_cast<std::size_t>(std::floor(part * last))];
  }
  // Of a question on average.
  double cpu_ms() const {
    return static_cast<double>(cpu_) * 1e3 / CLOCKS_PER_SEC / static_cast<double>(took_.size());
  }

 private:
  std::vector<double> took_;
  std::chrono::steady_clock::time_point start_;
  std::clock_t cpu_start_ = 0;
  std::clock_t cpu_ = 0;
};

class Bench {
 public:
  Bench(store::Store& store, int questions)
      : store_(store), questions_(questions), memory_(store, journal_, clock_) {}

  // Questions whose kind has `name` in it.
  base::Task<> run(std::int64_t entries, std::string_view name) {
    CO_TRY_OK(co_await register_agents());
    CO_TRY_OK(co_await fill(entries));
    for (const auto& kind : kinds) {
      if (!kind.name.contains(name)) continue;
      CO_TRY_OK(co_await measure(kind, "operator", {.principal = "bench"}));
      CO_TRY_OK(co_await measure(kind, "agent", {.principal = "bench", .agent = "agent-7"}));
    }
    co_return base::Result<>();
  }

 private:
  base::Task<> register_agents() {
    co_return co_await store_.write([this](store::Tx& tx) -> base::Result<> {
      const agents::Act act{tx, journal_, clock_.wall(), "bench"};
      const auto catalogue = agents::Catalogue::built_in();
      for (int i = 0; i < agents_count; ++i) {
        TRY(const auto known, agents::look(tx, fmt::format("agent-{}", i)));
        if (known) continue;
        TRY_OK(agents::add(act, catalogue,
                           {.name = fmt::format("agent {}", i),
                            .category = fmt::format("fleet {}", i % fleets_count)}));
      }
      return {};
    });
  }

  base::Task<> fill(std::int64_t entries) {
    CO_TRY(const auto row, co_await store_.read([](store::Tx& tx) {
      return tx.query_one("SELECT COUNT(*) FROM memory_entries");
    }));
    const auto start = std::chrono::steady_clock::now();
    const std::int64_t there = row->at(0).integer();
    for (std::int64_t done = there; done < entries; done += batch) {
      CO_TRY_OK(co_await store_.write([this](store::Tx& tx) { return add_batch(tx); }));
    }
    if (there < entries) {
      fmt::print("{{\"filled\": {}, \"seconds\": {:.0f}}}\n", entries, ms_since(start) / 1e3);
    }
    co_return base::Result<>();
  }

  base::Result<> add_batch(store::Tx& tx) {
    using memory::Sharing;
    const memory::Act act{tx, journal_, clock_.wall(), "bench"};
    constexpr std::array<std::string_view, 4> types = {"reply", "note", "knowledge", "analysis"};
    constexpr std::array sharings = {Sharing::nobody, Sharing::fleet, Sharing::all, Sharing::all};
    for (int i = 0; i < batch; ++i) {
      TRY(const auto owner, memory::owner_of(tx, fmt::format("agent-{}", words_.between(0, 99))));
      const auto pick = static_cast<std::size_t>(words_.between(0, 3));
      memory::NewEntry entry{.title = words_.text(4),
                             .content = words_.text(words_each),
                             .type = std::string(types[pick]),
                             .tags = {fmt::format("bd-{}", words_.between(0, 999))},
                             .sharing = sharings[static_cast<std::size_t>(words_.between(0, 3))]};
      TRY_OK(tx.execute("INSERT INTO bare (title, content) VALUES ($1, $2)",
                        {entry.title, entry.content}));
      TRY_OK(memory::remember(act, owner, memory::Origin::reply, std::move(entry), {}));
    }
    return {};
  }

  base::Task<> bare(std::string text) {
    CO_TRY_OK(co_await store_.read([text](store::Tx& tx) {
      return tx.query(
          "SELECT rowid, title, snippet(bare, 1, '[', ']', '…', 24) FROM bare WHERE bare MATCH $1 "
          "ORDER BY rank LIMIT 20",
          {text});
    }));
    co_return base::Result<>();
  }

  base::Task<> measure(Kind kind, std::string_view by, memory::Asker asker) {
    const std::string which = asker.agent.empty() ? "conversation" : asker.agent;
    Times own;
    Times theirs;
    int bounded = 0;
    for (int i = 0; i < questions_; ++i) {
      std::string text;
      for (int w = 0; w < kind.words; ++w)
        text += word(words_.between(kind.low, kind.high - 1)) + " ";
      auto query = memory::Query::parse(text);
      own.begin();
      CO_TRY(const auto found,
             co_await memory_.search(asker, which, {.query = *std::move(query), .limit = 20}));
      own.end();
      bounded += found.is_bounded ? 1 : 0;
      theirs.begin();
      CO_TRY_OK(co_await bare(text));
      theirs.end();
    }
    fmt::print(
        "{{\"question\": \"{}\", \"by\": \"{}\", \"p50_ms\": {:.2f}, \"p95_ms\": {:.2f}, "
        "\"cpu_ms\": {:.2f}, \"bare_p50_ms\": {:.2f}, \"bare_p95_ms\": {:.2f}, "
        "\"bare_cpu_ms\": {:.2f}, \"bounded\": {}}}\n",
        kind.name, by, own.at(0.5), own.at(0.95), own.cpu_ms(), theirs.at(0.5), theirs.at(0.95),
        theirs.cpu_ms(), bounded);
    std::fflush(stdout);
    co_return base::Result<>();
  }

  store::Store& store_;
  int questions_;
  engine::Journal journal_;
  base::SystemClock clock_;
  memory::Memory memory_;
  Words words_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: memory_bench FOLDER [ENTRIES [QUESTIONS [KIND]]]\n");
    return 64;
  }
  // The bare question about a common word sorts very many rows. The small pieces of memory that it
  // gives back would all be put together in the question after it, which would pay for them.
  mallopt(M_MXFAST, 0);
  boost::asio::io_context loop(1);
  std::vector<store::Migration> steps(bare_steps.begin(), bare_steps.end());
  for (const auto part : {engine::migrations(), agents::migrations(), memory::migrations()}) {
    steps.insert(steps.end(), part.begin(), part.end());
  }
  auto store = store::SqliteStore::open({.path = std::string(argv[1]) + "/memory.db"},
                                        loop.get_executor(), steps);
  if (!store) {
    fmt::print(stderr, "memory_bench: {}\n", store.error().message);
    return 1;
  }
  int status = 1;
  Bench bench(**store, argc > 3 ? std::atoi(argv[3]) : questions_usually);
  auto story = [&]() -> boost::asio::awaitable<void> {
    const auto done =
        co_await bench.run(argc > 2 ? std::atoll(argv[2]) : 1'000'000, argc > 4 ? argv[4] : "");
    if (!done) fmt::print(stderr, "memory_bench: {}\n", done.error().message);
    status = done ? 0 : 1;
  };
  boost::asio::co_spawn(loop, story(), [](const std::exception_ptr& bug) {
    if (bug) std::rethrow_exception(bug);
  });
  loop.run();
  return status;
}
