#include "bridge/services/beads/watcher.h"

#include "bridge/base/random.h"
#include "tests/beads/samples.h"

#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace beads {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class WatcherTest : public testing::Test {
 protected:
  std::vector<std::string> look(std::vector<Bead> beads) {
    std::vector<std::string> out;
    for (const Report& report : watcher_.look({std::move(beads), false}, judge_)) {
      out.push_back(std::string(name(report.kind)) + " " + report.id + " " + report.status);
    }
    return out;
  }

  Watcher watcher_;
  std::set<std::string> open_gates_;
  Watcher::JudgeGate judge_ = [this](const Bead& bead) {
    return open_gates_.contains(bead.id()) ? Gate{} : Gate{{"shut"}, {}};
  };
  Bead bead_ = sample("bd-rl42");
};

TEST_F(WatcherTest, ABeadThatNeedsAPlanIsToldOnceUntilItChanges) {
  const Bead marked = with(bead_, {{"labels", json::array{"needs-plan"}}});
  EXPECT_THAT(look({bead_}), IsEmpty());
  EXPECT_THAT(look({marked}), ElementsAre("needs_plan bd-rl42 in_progress"));
  EXPECT_THAT(look({marked}), IsEmpty());
  EXPECT_THAT(look({with(marked, {{"priority", 0}, {"updated_at", "later"}})}), IsEmpty());
  const Bead changed = with(marked, {{"description", "Other"}});
  EXPECT_THAT(look({changed}), ElementsAre("needs_plan bd-rl42 in_progress"));
  EXPECT_THAT(look({with(changed, {{"labels", json::array()}})}), IsEmpty());
  EXPECT_THAT(look({with(changed, {{"labels", nullptr}, {"status", "needs-plan"}})}),
              ElementsAre("needs_plan bd-rl42 needs-plan"));
}

TEST_F(WatcherTest, AClosureWithoutAGateIsToldOnceUntilItIsReopened) {
  EXPECT_THAT(look({bead_}), IsEmpty());
  const Bead closed = with(bead_, {{"status", "closed"}});
  EXPECT_THAT(look({closed}), ElementsAre("closed_without_gate bd-rl42 closed"));
  EXPECT_THAT(look({closed}), IsEmpty());
  EXPECT_THAT(look({with(bead_, {{"status", "tombstone"}})}), IsEmpty());
  EXPECT_THAT(look({bead_}), IsEmpty());
  EXPECT_THAT(look({with(bead_, {{"status", "tombstone"}})}),
              ElementsAre("closed_without_gate bd-rl42 tombstone"));
}

TEST_F(WatcherTest, AGateIsJudgedWhenTheBeadIsClosed) {
  open_gates_.insert("bd-rl42");
  const Bead closed = with(bead_, {{"status", "closed"}});
  EXPECT_THAT(look({closed}), IsEmpty());
  open_gates_.clear();  // A text edited after the closure makes the answer stale, not the closure.
  EXPECT_THAT(look({closed}), IsEmpty());
}

TEST_F(WatcherTest, ABeadThatIsNotInTheFileKeepsWhatIsKnown) {
  const Bead closed = with(bead_, {{"status", "closed"}});
  EXPECT_THAT(look({closed}), ElementsAre("closed_without_gate bd-rl42 closed"));
  EXPECT_THAT(look({}), IsEmpty());
  EXPECT_THAT(look({closed}), IsEmpty());
}

TEST_F(WatcherTest, RemembersOverARestart) {
  look(sample_beads().all);
  auto again = Watcher::from_text(watcher_.to_text());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, watcher_);
  watcher_ = *again;
  EXPECT_THAT(look(sample_beads().all), IsEmpty());
  for (const char* text : {"", "[]", "{}", R"({"version":2})", R"({"version":1,"planned":{}})",
                           R"({"version":1,"planned":{"a":1},"closed":{}})",
                           R"({"version":1,"planned":{},"closed":{"a":1}})"}) {
    EXPECT_FALSE(Watcher::from_text(text)) << text;
  }
}

// Whatever happens to beads and whenever the watcher restarts, each closure with a shut gate is
// told exactly once, and none else.
TEST_F(WatcherTest, EveryUngatedClosureIsToldOnce) {
  base::SeededRandom random(7);
  const char* const statuses[] = {"open", "in_progress", "blocked", "closed", "tombstone"};
  std::map<std::string, bool> was_closed;
  std::vector<Bead> all;
  for (int i = 0; i < 6; ++i) all.push_back(with(bead_, {{"id", fmt::format("bd-n{}", i)}}));
  for (int step = 0; step < 3000; ++step) {
    std::multiset<std::string> expected;
    std::vector<Bead> present;
    for (Bead& bead : all) {
      if (random.below(4) == 0) bead = with(bead, {{"status", statuses[random.below(5)]}});
      if (random.below(8) == 0) {
        if (!open_gates_.erase(bead.id())) open_gates_.insert(bead.id());
      }
      if (random.below(10) == 0) continue;  // half written: this one is missing
      present.push_back(bead);
      bool& closed = was_closed[bead.id()];
      if (bead.is_closed() && !closed && !open_gates_.contains(bead.id())) {
        expected.insert("closed_without_gate " + bead.id() + " " + std::string(bead.status()));
      }
      closed = bead.is_closed();
    }
    const auto told = look(present);
    ASSERT_EQ(std::multiset<std::string>(told.begin(), told.end()), expected) << step;
    if (random.below(3) == 0) watcher_ = *Watcher::from_text(watcher_.to_text());
  }
}

}  // namespace
}  // namespace beads
