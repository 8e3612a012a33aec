// Commands that work the queue themselves, where no daemon runs, on a disk that fails.
#include "tests/e2e/project.h"

#include <chrono>
#include <future>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace e2e {
namespace {

using testing::HasSubstr;

class OwnQueue : public Project {
 protected:
  // What the disk does from now on; see faulty_disk.c.
  void disk(std::string_view word) const { folder.write("disk", word); }
  // The command beside this one, on that disk.
  std::future<Finished> begin(const std::vector<std::string>& words) const {
    std::vector<std::string> command{"env", "LD_PRELOAD=" FAULTY_DISK_LIBRARY,
                                     "FAULTY_DISK=" + (folder.path() / "disk").string(),
                                     FLYWHEEL_PROGRAM};
    command.insert(command.end(), words.begin(), words.end());
    return std::async(std::launch::async, [command, where = folder.path()] {
      return app::run_program(command, {}, where);
    });
  }
  // True as soon as this holds; false if the command ends before.
  template <class Holds>
  static bool comes_before_end(const std::future<Finished>& command, Holds holds) {
    while (!holds()) {
      if (command.wait_for(std::chrono::milliseconds(10)) == std::future_status::ready) {
        return holds();
      }
    }
    return true;
  }
  std::size_t asked() const { return site->ledger(url).requests.size(); }
  std::size_t accepted() const { return site->ledger(url).accepted().size(); }
  // How many different messages these are: the first line of each is its marker.
  std::size_t different() const {
    std::set<std::string> markers;
    for (const auto& post : site->ledger(url).accepted()) {
      markers.insert(post.text.substr(0, post.text.find('\n')));
    }
    return markers.size();
  }
};

// Nobody would end a command that waits for what a dead store tells no more, and it would keep the
// store and the profile from everybody else.
TEST_F(OwnQueue, AFailedSyncEndsWhoWorksItAndTheNextOneGoesOn) {
  fixture::Knobs knobs;
  knobs.generate_ms_min = knobs.generate_ms_max = 3000;
  configure(knobs);
  auto sending = begin({"send", packets + "spec-lock.json"});
  EXPECT_TRUE(comes_before_end(sending, [this] { return accepted() == 1; }));
  disk("fsync");
  const auto sent = sending.get();
  EXPECT_EQ(sent.status, 74) << sent.err;
  EXPECT_THAT(sent.err, HasSubstr("the store can be used no more"));

  disk("");
  // The first may be answered in the store already; this one is given up before a page is ready.
  EXPECT_EQ(run({"send", packets + "acceptance-gate.json", "--wait", "1"}).status, 124);
  EXPECT_EQ(accepted(), 1u);
  const std::size_t before = asked();
  auto draining = begin({"drain"});
  EXPECT_TRUE(comes_before_end(draining, [&] { return asked() > before; }));
  disk("fsync");
  const auto drained = draining.get();
  EXPECT_EQ(drained.status, 74) << drained.err;
  EXPECT_THAT(drained.err, HasSubstr("the store can be used no more"));

  disk("");
  const auto again = run({"send", packets + "spec-lock.json"});
  EXPECT_EQ(again.status, 0) << again.err;
  // Whether the second went out before the disk failed again is as it may be.
  EXPECT_LE(accepted(), 2u);
  EXPECT_EQ(accepted(), different());
}

}  // namespace
}  // namespace e2e
