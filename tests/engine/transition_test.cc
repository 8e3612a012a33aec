// Every state by every operation: what it becomes, or that it is refused and stays as it was.
#include "tests/engine/fixture.h"

#include <map>

#include <fmt/format.h>

namespace engine {
namespace {

// A job brought to a state by the ordinary way.
struct Made {
  Fixture f;
  JobId id;
  Lease lease;
};

void make(Made& made, std::string_view state) {
  auto& f = made.f;
  auto job = f.job();
  if (state == "expired") job.deadline = f.clock.wall() + 1min;
  made.id = f.submit(job).value().job.id;
  made.lease = {made.id, lane, 0, 0};
  if (state == "queued") return;
  if (state == "expired") {
    f.pass(2min);
    f.idle();
    return;
  }
  if (state == "cancelled") {
    BRIDGE_ASSERT(f.cancel(made.id));
    return;
  }
  made.lease = f.claim().lease;
  if (state == "done") BRIDGE_ASSERT(f.complete(made.lease));
  if (state == "failed") BRIDGE_ASSERT(f.fail(made.lease, base::Code::invalid));
  const auto slash = state.find('/');
  if (slash == std::string_view::npos) return;
  BRIDGE_ASSERT(f.advance(made.lease, *stage_named(state.substr(slash + 1))));
  if (state.starts_with("held/")) BRIDGE_ASSERT(f.hold(made.lease));
  if (state.starts_with("waiting/")) BRIDGE_ASSERT(f.release(made.lease));
}

// "refused", or nothing if it was done.
std::string act(Made& made, std::string_view operation) {
  auto& f = made.f;
  const auto word = [](const auto& result) { return std::string(result ? "" : "refused"); };
  if (operation == "claim") {
    const auto turn = f.turn();
    return std::holds_alternative<Claim>(turn) ? "" : "refused";
  }
  if (const auto stage = stage_named(operation)) return word(f.stage(made.lease, *stage));
  if (operation == "renew") return word(f.renew(made.lease));
  if (operation == "complete") return word(f.complete(made.lease));
  if (operation == "fail") return word(f.fail(made.lease, base::Code::invalid));
  if (operation == "fail again") return word(f.fail(made.lease, base::Code::timeout));
  if (operation == "hold") return word(f.hold(made.lease));
  if (operation == "release") return word(f.release(made.lease));
  if (operation == "cancel") return word(f.cancel(made.id));
  if (operation == "retry") return word(f.retry(made.id));
  const auto verdict = verdict_named(operation);
  BRIDGE_ASSERT(verdict);
  return word(f.resolve(made.id, *verdict));
}

std::string shown(const Job& job) { return fmt::format("{}/{}", name(job.state), name(job.stage)); }

using Row = std::map<std::string, std::string>;

// What is not named is refused.
const std::map<std::string, Row> table = {
    {"queued/none", {{"claim", "running/none"}, {"cancel", "cancelled/none"}}},
    {"running/none",
     {{"none", "running/none"},
      {"intent", "running/intent"},
      {"renew", "running/none"},
      {"complete", "done/none"},
      {"fail", "failed/none"},
      {"fail again", "queued/none"},
      {"hold", "held/none"},
      {"release", "queued/none"},
      {"cancel", "cancelled/none"}}},
    {"running/intent",
     {{"none", "running/none"},
      {"intent", "running/intent"},
      {"armed", "running/armed"},
      {"renew", "running/intent"},
      {"complete", "done/intent"},
      {"fail", "failed/intent"},
      {"fail again", "queued/none"},
      {"hold", "held/intent"},
      {"release", "queued/none"},
      {"cancel", "cancelled/intent"}}},
    {"running/armed",
     {{"none", "running/none"},
      {"sent", "running/sent"},
      {"renew", "running/armed"},
      {"complete", "done/armed"},
      {"fail", "held/armed"},
      {"fail again", "running/armed"},
      {"hold", "held/armed"},
      {"release", "running/armed"}}},
    {"running/sent",
     {{"replied", "running/replied"},
      {"renew", "running/sent"},
      {"complete", "done/sent"},
      {"fail", "failed/sent"},
      {"fail again", "running/sent"},
      {"hold", "held/sent"},
      {"release", "running/sent"}}},
    {"running/replied",
     {{"renew", "running/replied"},
      {"complete", "done/replied"},
      {"fail", "failed/replied"},
      {"fail again", "running/replied"},
      {"hold", "held/replied"},
      {"release", "running/replied"}}},
    {"waiting/armed", {{"claim", "running/armed"}}},
    {"waiting/sent", {{"claim", "running/sent"}}},
    {"waiting/replied", {{"claim", "running/replied"}}},
    {"held/none", {{"not-sent", "queued/none"}, {"abandon", "failed/none"}}},
    {"held/intent", {{"not-sent", "queued/none"}, {"abandon", "failed/intent"}}},
    {"held/armed",
     {{"sent", "running/sent"}, {"not-sent", "queued/none"}, {"abandon", "failed/armed"}}},
    {"held/sent", {{"sent", "running/sent"}, {"abandon", "failed/sent"}}},
    {"held/replied", {{"sent", "running/replied"}, {"abandon", "failed/replied"}}},
    {"done/none", {}},
    {"failed/none", {{"retry", "queued/none"}}},
    {"cancelled/none", {{"retry", "queued/none"}}},
    {"expired/none", {{"retry", "queued/none"}}},
};

constexpr const char* operations[] = {
    "claim",      "none", "intent",  "armed",  "sent",  "replied", "renew",    "complete", "fail",
    "fail again", "hold", "release", "cancel", "retry", "sent",    "not-sent", "abandon"};

// `sent` is a stage of a leased job and a verdict on a held one.
std::string act_or_resolve(Made& made, std::string_view state, std::string_view operation) {
  if (operation == "sent" && state.starts_with("held/")) {
    return made.f.resolve(made.id, Verdict::sent) ? "" : "refused";
  }
  return act(made, operation);
}

class Transitions : public testing::TestWithParam<std::string> {};

TEST_P(Transitions, EveryOperationDoesWhatTheTableSays) {
  const std::string state = GetParam();
  for (const std::string operation : operations) {
    Made made;
    make(made, state.ends_with("/none") && !state.starts_with("held")
                   ? state.substr(0, state.find('/'))
                   : state);
    const std::string before = shown(made.f.get(made.id));
    const std::string refused = act_or_resolve(made, state, operation);
    const std::string after = shown(made.f.get(made.id));
    const auto& row = table.at(state);
    const auto expected = row.find(operation);
    if (expected == row.end()) {
      EXPECT_EQ(refused, "refused") << state << " " << operation << " gave " << after;
      EXPECT_EQ(after, before) << state << " " << operation;
    } else {
      EXPECT_EQ(refused, "") << state << " " << operation;
      EXPECT_EQ(after, expected->second) << state << " " << operation;
    }
  }
}

std::vector<std::string> states_of_table() {
  std::vector<std::string> states;
  for (const auto& [state, row] : table) states.push_back(state);
  return states;
}

INSTANTIATE_TEST_SUITE_P(Table, Transitions, testing::ValuesIn(states_of_table()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '/', '_');
                           return name;
                         });

}  // namespace
}  // namespace engine
