// What an older program wrote means the same to this one.
#include "bridge/engine/queue.h"
#include "bridge/engine/schema.h"
#include "tests/store/fixture.h"

#include <string>
#include <utility>
#include <vector>

namespace engine {
namespace {

// Why everything is paused, and why each lane is, after the upgrade of a store whose lanes were
// paused so.
using Paused = std::pair<std::string, std::vector<std::string>>;

Paused upgraded(const std::vector<std::string>& paused) {
  constexpr std::size_t steps_before = 9;
  const store::Folder folder;
  boost::asio::io_context loop;
  const store::SqliteOptions options{.path = folder / "store.db", .ballast_bytes = 0};
  base::SeededRandom random{7};
  const Queue queue{{}, random};
  const auto in_store = [&](std::span<const store::Migration> steps, auto work) {
    auto opened = store::SqliteStore::open(options, loop.get_executor(), steps);
    BRIDGE_ASSERT(opened);
    const auto done = store::run(loop, (*opened)->write(std::move(work)));
    EXPECT_TRUE(done) << (done ? "" : done.error().message);
  };
  in_store(migrations().first(steps_before), [&](store::Tx& tx) -> base::Result<> {
    for (std::size_t i = 0; i < paused.size(); ++i) {
      const LaneId lane{"lane-" + std::to_string(i)};
      TRY_OK(queue.declare_lane(tx, lane, "account"));
      if (!paused[i].empty()) TRY_OK(queue.pause(tx, lane, paused[i]));
    }
    return {};
  });
  Paused found;
  in_store(migrations(), [&](store::Tx& tx) -> base::Result<> {
    TRY(found.first, queue.everything_paused(tx));
    TRY(const auto rows, tx.query("SELECT paused FROM lanes ORDER BY id"));
    for (const auto& row : rows) found.second.push_back(row.at(0).text());
    return {};
  });
  return found;
}

TEST(Upgrade, AllLanesPausedForOneReasonAreEverythingPaused) {
  EXPECT_EQ(upgraded({"lunch", "lunch"}), (Paused{"lunch", {"", ""}}));
}

TEST(Upgrade, LanesPausedByThemselvesStaySo) {
  EXPECT_EQ(upgraded({"lunch", ""}), (Paused{"", {"lunch", ""}}));
  EXPECT_EQ(upgraded({"lunch", "holiday"}), (Paused{"", {"lunch", "holiday"}}));
  EXPECT_EQ(upgraded({}), (Paused{"", {}}));
}

}  // namespace
}  // namespace engine
