// A run of a thousand steps, whose daemon is killed in the middle.
#include "tests/e2e/fleet.h"

#include <array>
#include <csignal>
#include <map>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace e2e {
namespace {

using namespace std::chrono_literals;

constexpr int steps = 1000;
constexpr int width = 10;  // chains side by side
constexpr int kills = 3;
constexpr std::array<std::string_view, width> agents{
    "culture-code",         "design-studio-pro", "showbuilder-gpt", "aegis-sentinel",
    "sentinel-audit-nexus", "shield-core",       "wanderweave",     "travel-fleet-gpt",
    "hotel-optimizer-x",    "atlas-pathfinder"};

// Each step writes to its chain's agent, and says what message came before.
json::object long_workflow() {
  json::object jobs;
  for (int i = 0; i < steps; ++i) {
    json::object job{
        {"uses", fmt::format("message/{}", agents[static_cast<std::size_t>(i % width)])}};
    if (i < width) {
      job["with"] = {{"text", fmt::format("step {} after nothing", i)}};
    } else {
      const std::string before = fmt::format("s{}", i - width);
      job["needs"] = before;
      job["with"] = {
          {"text", fmt::format("step {} after ${{{{ jobs.{}.outputs.message }}}}", i, before)}};
    }
    jobs[fmt::format("s{}", i)] = std::move(job);
  }
  return {{"name", "long"}, {"jobs", std::move(jobs)}};
}

class LongRun : public Fleet {
 protected:
  std::int64_t finished_steps() const {
    const auto status = get("/api/gpt-workflows/long/status");
    return status.at("last_run").at("steps_finished").as_int64();
  }
  // The messages that a run wrote to the agent, by their texts.
  std::map<std::string, std::string> written_to(std::string_view agent, const std::string& run) {
    std::map<std::string, std::string> written;
    const auto path = fmt::format("/api/gpt-agents/{}/messages?thread={}&limit=100", agent, run);
    for (std::string next = path; !next.empty();) {
      const auto page = get(next);
      for (const auto& message : page.at("items").as_array()) {
        const bool is_new =
            written.emplace(message.at("text").as_string(), message.at("id").as_string()).second;
        EXPECT_TRUE(is_new) << "written twice: " << message.at("text");
      }
      const auto& cursor = page.at("next_cursor");
      next = cursor.is_string() ? path + "&cursor=" + std::string(cursor.as_string()) : "";
    }
    return written;
  }
};

TEST_F(LongRun, OfAThousandStepsGoesOnAfterKillsAndDoesNoneTwice) {
  start();
  post("/api/gpt-workflows/create", long_workflow());
  const auto run = execute("long", {});
  std::int64_t seen = 0;
  for (int killed = 0; killed < kills; ++killed) {
    const auto wanted = (killed + 1) * steps / (kills + 1);
    while ((seen = finished_steps()) < wanted) {
    }
    ASSERT_LT(seen, steps) << "it ended before it could be killed";
    daemon->signal(SIGKILL);
    ASSERT_EQ(daemon->wait_end(std::chrono::steady_clock::now() + 30s), 128 + SIGKILL);
    launch();
    ASSERT_GE(finished_steps(), seen) << "a step that had ended is forgotten";
  }

  const auto view = ended(run, 300s);
  ASSERT_EQ(result_of(view), "success");
  EXPECT_EQ(view.at("steps_finished"), steps);
  for (int chain = 0; chain < width; ++chain) {
    const auto written = written_to(agents[static_cast<std::size_t>(chain)], run);
    EXPECT_EQ(written.size(), static_cast<std::size_t>(steps / width));
    std::string before = "nothing";
    for (int i = chain; i < steps; i += width) {
      const auto found = written.find(fmt::format("step {} after {}", i, before));
      ASSERT_NE(found, written.end()) << "step " << i << " after " << before;
      before = found->second;
    }
  }
}

}  // namespace
}  // namespace e2e
