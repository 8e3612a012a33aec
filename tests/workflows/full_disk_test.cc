// What is accepted, and what not, while the disk of the store is full.
#include "tests/workflows/life.h"

#include <cstdlib>
#include <filesystem>

namespace services {
namespace {

// A store in a file, first on a disk with room and then on one that is full.
class FullDisk : public testing::Test {
 protected:
  FullDisk() {
    std::string name = testing::TempDir() + "full-disk-XXXXXX";
    BRIDGE_ASSERT(::mkdtemp(name.data()));
    folder = name;
    open(4096);
    planner.agent = life->add_agent("Planner", agents::Kind::cli, "");
  }
  ~FullDisk() override {
    memory.reset();
    life.reset();
    std::filesystem::remove_all(folder);
  }
  // A store that cannot take its ballast is one on a full disk.
  void fill() {
    open(std::size_t(1) << 55);
    ASSERT_TRUE(life->store->is_short_of_space());
  }
  auto remember(std::string content, std::string request) {
    return life->run(memory->store({.principal = planner.principal, .agent = planner.agent},
                                   planner.agent, {.content = std::move(content)}, request,
                                   "hash of " + request));
  }
  auto act(std::string request) {
    return life->run(life->acts->ask(
        planner, "",
        {.action = "message.send", .params = json::object{{"to", "Planner"}, {"text", "hi"}}},
        {.key = request, .hash = "hash of " + request}));
  }
  auto execute(std::string request) {
    return life->run(life->flows->execute(Life::ann, "w", {}, std::move(request)));
  }

  std::filesystem::path folder;
  base::Faults no_faults;
  std::optional<Life> life;
  std::optional<memory::Memory> memory;
  Caller planner = Life::caller("8", "Planner");

 private:
  void open(std::size_t ballast_bytes) {
    memory.reset();
    life.reset();
    life.emplace((folder / "store.db").string(), 1, 10'000, &no_faults, ballast_bytes);
    memory.emplace(*life->store, life->journal, life->clock);
  }
};

constexpr std::string_view asking =
    "{name: w, jobs: {ask: {uses: gpt/Planner, with: {query: What is new?}}}}";

TEST_F(FullDisk, WhatIsNewIsRefusedAndWhatWasAnsweredIsAnsweredAgain) {
  life->create(asking);
  const auto entry = remember("first", "m");
  ASSERT_TRUE(entry) << entry.error().message;
  const auto asked = act("a");
  ASSERT_TRUE(asked && asked->asked);
  const auto run = execute("r");
  ASSERT_TRUE(run) << run.error().message;
  fill();
  EXPECT_EQ(remember("second", "n").error().reason, "disk_full");
  EXPECT_EQ(act("b").error().reason, "disk_full");
  EXPECT_EQ(execute("s").error().reason, "disk_full");
  EXPECT_EQ(life->try_create("{name: v, jobs: {a: {uses: gpt/x}}}").error().reason, "disk_full");
  const Caller root{.principal = "key:0", .name = "root", .is_admin = true};
  const auto registered =
      life->run(life->registry->add(root, {.name = "Late", .kind = agents::Kind::cli}, {}));
  EXPECT_EQ(registered.error().reason, "disk_full");
  EXPECT_EQ(remember("first", "m")->entry.id, entry->entry.id);
  EXPECT_EQ(act("a")->asked->id, asked->asked->id);
  EXPECT_EQ(execute("r")->run, run->run);
}

TEST_F(FullDisk, WhatEndsSomethingOrMakesRoomIsStillDone) {
  life->create(asking);
  const auto entry = remember("first", "m");
  ASSERT_TRUE(entry) << entry.error().message;
  const auto run = execute("r");
  ASSERT_TRUE(run) << run.error().message;
  const auto sent =
      life->run(life->letters->send(Life::ann, {.to = "Planner", .text = "Hello"}, {}));
  ASSERT_TRUE(sent) << sent.error().message;
  fill();
  const auto acked = life->run(life->letters->ack(planner, planner.agent, sent->message.id));
  EXPECT_TRUE(acked) << acked.error().message;
  const auto cancelled =
      life->run(life->flows->cancel(Life::ann, run->run, workflow::Wish::cancel, ""));
  ASSERT_TRUE(cancelled) << cancelled.error().message;
  EXPECT_EQ(cancelled->at("result"), "cancelled");
  const auto retried = life->run(life->flows->retry(Life::ann, run->run));
  EXPECT_EQ(retried.error().reason, "disk_full");
  const auto removed = life->run(memory->remove(
      {.principal = planner.principal, .agent = planner.agent}, planner.agent, entry->entry.id));
  EXPECT_TRUE(removed) << removed.error().message;
}

}  // namespace
}  // namespace services
