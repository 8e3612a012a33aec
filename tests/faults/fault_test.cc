// Many workflow runs in a real Chromium on a site where a part of the messages meets a fault (cut
// streams, error cards, malformed answers, limits, failed requests) and tabs are lost: nearly all
// complete, and nothing is sent twice.
//
//   FLYWHEEL_FAULT_RUNS=300    how many runs; 12 without it
//   FLYWHEEL_FAULT_PERCENT=5   so many of a hundred messages
//   FLYWHEEL_FAULT_SEED=…      the faults of another run
//   FLYWHEEL_FAULT_UNKNOWN=1   also posts that were not taken without a word. The first message of
//                              a new chat is then held for a person, and there is none: such a run
//                              does not end
#include "tests/e2e/fleet.h"
#include "tests/kill/arena.h"
#include "tests/support/kept_seed.h"

#include <cstdlib>
#include <deque>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace e2e {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t runs_default = 12;
constexpr std::int64_t percent_default = 5;
constexpr std::size_t runs_at_once = 6;
constexpr std::size_t messages_a_lost_tab = 40;
constexpr auto run_ends = 600s;

std::int64_t number_of(const char* variable, std::int64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoll(text, nullptr, 10);
}

struct Errand {
  std::string workflow;
  json::object inputs;
};

// The three use cases and the three examples, each run about something of its own.
Errand errand(std::int64_t number) {
  const std::string about = fmt::format("matter {}", number);
  switch (number % 6) {
    case 0:
      return {"content-creation", {{"topic", about}}};
    case 1:
      return {"security-audit", {{"target", about}}};
    case 2:
      return {"travel-planning", {{"destination", about}, {"days", 3}}};
    case 3:
      return {"paris-blog-post", {{"theme", about}}};
    case 4:
      return {"deployment-audit",
              {{"service", about}, {"version", "1"}, {"environment", "production"}}};
    default:
      return {"parallel-research", {{"question", about}}};
  }
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

class Faults : public Fleet {
 protected:
  struct Open {
    std::string id;
    std::chrono::steady_clock::time_point until;
  };

  void begin(std::int64_t number) {
    auto wanted = errand(number);
    open.push_back({execute(wanted.workflow, std::move(wanted.inputs)),
                    std::chrono::steady_clock::now() + run_ends});
  }
  // Looks at the oldest run for a second, and at the others for none.
  void look() {
    for (std::size_t i = open.size(); i-- > 0;) {
      const auto run = open[i];
      const auto view =
          get(fmt::format("/api/gpt-workflows/runs/{}?wait={}", run.id, i == 0 ? 1 : 0));
      if (!view.is_object()) continue;
      for (const auto& [name, job] : view.at("jobs").as_object()) {
        if (job.at("state") == "approval") approve(run.id, name);
      }
      const bool is_over = std::chrono::steady_clock::now() >= run.until;
      if (view.at("state") != "finished" && !is_over) continue;
      take(view);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  void take(const json::value& view) {
    ++ended_runs;
    for (const auto& [name, job] : view.at("jobs").as_object()) {
      attempts += job.at("attempts").as_int64();
    }
    if (result_of(view) == "success") {
      ++completed;
      return;
    }
    std::cout << fmt::format("{} of {}: {}\n", view.at("id").as_string().c_str(),
                             view.at("workflow").as_string().c_str(), result_of(view));
    for (const auto& [name, job] : view.at("jobs").as_object()) {
      if (job.at("result") == "success" || job.at("result") == "skipped") continue;
      std::cout << fmt::format("  {}: {}\n", std::string_view(name), json::serialize(job));
    }
  }
  void judge() const {
    const auto ledger = site->ledger();
    std::map<std::string, int> faults;
    std::set<std::string> markers;
    for (const auto& post : ledger.posts) {
      if (!post.fault.empty()) ++faults[post.fault];
    }
    const auto accepted = ledger.accepted();
    for (const auto& post : accepted) {
      EXPECT_TRUE(markers.insert(first_line(post.text)).second) << "twice: " << post.text;
    }
    int met = 0;
    for (const auto& [name, count] : faults) {
      std::cout << fmt::format("  {:<22} {}\n", name, count);
      met += count;
    }
    std::cout << fmt::format("  {:<22} {}\n", "lost tab", lost_tabs);
    std::cout << fmt::format(
        "{} of {} runs completed; {} messages accepted, none twice; {} of {} posts met a fault\n",
        completed, ended_runs, accepted.size(), met, ledger.posts.size());
  }

  std::optional<test::KeptSeed> kept;  // judges with the fixture's end
  std::deque<Open> open;
  std::int64_t ended_runs = 0, completed = 0, attempts = 0;
  int lost_tabs = 0;
};

TEST_F(Faults, NearlyAllRunsCompleteAndNothingIsSentTwice) {
  const auto runs = number_of("FLYWHEEL_FAULT_RUNS", runs_default);
  const auto percent = number_of("FLYWHEEL_FAULT_PERCENT", percent_default);
  const auto seed = static_cast<std::int64_t>(
      kept.emplace("FLYWHEEL_FAULT_SEED", "faults", std::random_device()() % 1000).value());
  std::cout << fmt::format("the same faults again: FLYWHEEL_FAULT_SEED={}\n", seed) << std::flush;
  kill_test::SharedBrowser browser;
  ASSERT_NE(browser.url(), "");
  start({.faults_percent = percent,
         .faults_unknown = number_of("FLYWHEEL_FAULT_UNKNOWN", 0) != 0,
         .faults_seed = seed},
        {"--attach", browser.url()});
  for (std::int64_t number = 0; number < 6; ++number) create(errand(number).workflow);

  std::int64_t begun = 0;
  std::size_t next_loss = messages_a_lost_tab / 2;
  while (begun < runs || !open.empty()) {
    while (begun < runs && open.size() < runs_at_once) begin(begun++);
    look();
    if (site->ledger().accepted().size() >= next_loss) {
      next_loss += messages_a_lost_tab;
      if (browser.lose_a_tab("/c/")) ++lost_tabs;
    }
    if (HasFatalFailure()) return;
  }
  judge();
  EXPECT_GE(completed * 100, ended_runs * 99);
}

}  // namespace
}  // namespace e2e
