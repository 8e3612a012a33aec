// flywheel backup and flywheel restore: which store they mean, and what they leave behind.
#include "bridge/app/bridge.h"
#include "bridge/app/exit_status.h"
#include "bridge/app/held_signals.h"
#include "bridge/base/json.h"
#include "bridge/store/sqlite_store.h"
#include "tests/app/process.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace app {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class StoreCommands : public testing::Test {
 protected:
  void SetUp() override {
    folder.write(".flywheel/chatgpt.json",
                 R"({"crt_url": "http://127.0.0.1:9/c/1", "mcp_server": "test",
                     "writer_agent": "tester", "bridge": {"store": "data/own.db"}})");
    write("INSERT INTO store_meta (name, value) VALUES ('test', 1)");
  }
  // One write into the store, which is closed afterwards.
  void write(std::string sql) const {
    boost::asio::io_context loop{1};
    const auto steps = bridge_migrations();
    const auto opened = store::SqliteStore::open(
        {.path = store, .threading = store::Threading::in_caller}, loop.get_executor(), steps);
    ASSERT_TRUE(opened) << opened.error().message;
    bool is_written = false;
    boost::asio::co_spawn(loop, (*opened)->write([sql](store::Tx& tx) { return tx.execute(sql); }),
                          [&](const std::exception_ptr&, const base::Result<std::int64_t>& done) {
                            is_written = done.has_value();
                          });
    loop.run();
    ASSERT_TRUE(is_written);
  }
  Finished run(std::vector<std::string> arguments) const {
    return flywheel(std::move(arguments), {}, folder.path());
  }
  static std::string text_in(const Finished& finished, const char* member) {
    const auto told = base::parse_json(finished.out);
    EXPECT_TRUE(told) << finished.out << finished.err;
    return told ? std::string(told->at(member).as_string()) : "";
  }
  // The exit status where Ctrl-C came before anything was done: a signal that waits outlives exec.
  int run_interrupted(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), FLYWHEEL_PROGRAM);
    std::vector<char*> words;
    for (auto& word : arguments) words.push_back(word.data());
    words.push_back(nullptr);
    const pid_t process = ::fork();
    if (process == 0) {
      sigset_t interrupt;
      ::sigemptyset(&interrupt);
      ::sigaddset(&interrupt, SIGINT);
      ::signal(SIGINT, SIG_DFL);
      ::sigprocmask(SIG_BLOCK, &interrupt, nullptr);
      ::raise(SIGINT);
      if (::chdir(folder.path().c_str()) == 0) ::execv(words[0], words.data());
      ::_exit(126);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(process, &status, 0), process);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::vector<std::string> copies() const {
    std::vector<std::string> names;
    if (!std::filesystem::exists(folder.path() / "copies")) return names;
    for (const auto& file : std::filesystem::directory_iterator(folder.path() / "copies")) {
      names.push_back(file.path().filename().string());
    }
    return names;
  }

  TestFolder folder;
  const std::string store = (folder.path() / "data" / "own.db").string();
  const std::string copy = (folder.path() / "copies" / "copy.db").string();
  const std::string elsewhere = (folder.path() / "elsewhere").string();
};

TEST_F(StoreCommands, MeanTheConfiguredStoreInWhicheverStateDirectory) {
  const auto backup = run({"backup", copy, "--state", elsewhere, "--json"});
  ASSERT_EQ(backup.status, 0) << backup.err;
  EXPECT_EQ(text_in(backup, "store"), store);
  const auto restored = run({"restore", copy, "--state", elsewhere, "--json"});
  ASSERT_EQ(restored.status, 0) << restored.err;
  EXPECT_EQ(text_in(restored, "store"), store);
  EXPECT_THAT(text_in(restored, "replaced"), StartsWith(store + ".replaced-"));
  EXPECT_FALSE(std::filesystem::exists(elsewhere + "/flywheel.db"));
}

TEST_F(StoreCommands, MeanTheOneThatServeWasGiven) {
  const std::string other = (folder.path() / "other.db").string();
  const auto none = run({"backup", copy, "--store", other});
  EXPECT_THAT(none.err, HasSubstr("back up " + other + ": there is no store"));
  std::filesystem::copy_file(store, other);
  const auto backup = run({"backup", copy, "--store", other, "--json"});
  ASSERT_EQ(backup.status, 0) << backup.err;
  EXPECT_EQ(text_in(backup, "store"), other);
}

// Which store is meant cannot be known.
TEST_F(StoreCommands, DoNothingUnderAConfigurationThatCannotBeRead) {
  folder.write(".flywheel/chatgpt.json", "{");
  const auto backup = run({"backup", copy, "--state", elsewhere});
  EXPECT_EQ(backup.status, 78) << backup.err;
  EXPECT_THAT(copies(), IsEmpty());
}

TEST_F(StoreCommands, ADamagedStoreIsNotCopied) {
  // What comes last in the file is then of these rows.
  write(
      "INSERT INTO store_meta (name, value) WITH RECURSIVE rows (i) AS (SELECT 1 UNION ALL "
      "SELECT i + 1 FROM rows WHERE i < 500) SELECT printf('%0300d', i), i FROM rows");
  std::fstream file(store);
  file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(store)) - 8192);
  file << std::string(8192, '\xff') << std::flush;
  const auto backup = run({"backup", copy});
  EXPECT_NE(backup.status, 0);
  EXPECT_THAT(backup.err, HasSubstr("nothing is written"));
  EXPECT_THAT(copies(), IsEmpty());
}

TEST_F(StoreCommands, AFileThatCannotBeMadeIsToldApartFromOneThatFails) {
  ASSERT_EQ(run({"backup", copy}).status, 0);
  const std::string file = (folder.path() / ".flywheel" / "chatgpt.json").string();
  for (const auto* name : {"/new.db", "/deeper/new.db"}) {
    const auto backup = run({"backup", file + name});
    EXPECT_EQ(backup.status, exit_cannot_create) << backup.err;
    EXPECT_THAT(backup.err, HasSubstr(file));
  }
  const auto nowhere = run({"restore", copy, "--store", file + "/deeper/new.db"});
  EXPECT_EQ(nowhere.status, exit_cannot_create) << nowhere.err;
  const auto of_a_folder = run({"restore", (folder.path() / "data").string()});
  EXPECT_EQ(of_a_folder.status, exit_io) << of_a_folder.err;
}

TEST_F(StoreCommands, ADiskThatTakesNoMoreIsNoDaemonThatIsAway) {
  std::filesystem::create_directories(folder.path() / "copies");
  // Less than the store has, and enough for what SQLite keeps beside it.
  const auto backup = run_program(
      {"sh", "-c", "trap '' XFSZ; ulimit -f 128; exec " FLYWHEEL_PROGRAM " backup " + copy}, {},
      folder.path());
  EXPECT_EQ(backup.status, exit_io) << backup.err;
  EXPECT_THAT(copies(), IsEmpty());
}

TEST_F(StoreCommands, AnInterruptedOneLeavesNothingBehind) {
  EXPECT_EQ(run_interrupted({"backup", copy}), exit_interrupted);
  EXPECT_THAT(copies(), IsEmpty());
  ASSERT_EQ(run({"backup", copy}).status, 0);
  EXPECT_EQ(run_interrupted({"restore", copy}), exit_interrupted);
  for (const auto& file : std::filesystem::directory_iterator(folder.path() / "data")) {
    const std::string name = file.path().filename().string();
    EXPECT_EQ(name.find(".part-"), std::string::npos) << name;
    EXPECT_EQ(name.find(".replaced-"), std::string::npos) << name;
  }
}

// Nothing of the backup is in its place before the key that goes with it is.
TEST_F(StoreCommands, ARestoreWhoseNewKeyCannotBeTakenReplacesNothing) {
  ASSERT_EQ(run({"backup", copy}).status, 0);
  folder.write("elsewhere/marker.key", "short\n");
  const auto refused = run({"restore", copy, "--state", elsewhere, "--new-marker-key"});
  EXPECT_EQ(refused.status, 78);
  EXPECT_THAT(refused.err, HasSubstr("marker.key is damaged"));
  for (const auto& file : std::filesystem::directory_iterator(folder.path() / "data")) {
    EXPECT_EQ(file.path().string().find(".replaced-"), std::string::npos) << file.path();
  }
  std::filesystem::remove_all(elsewhere);
  const auto taken = run({"restore", copy, "--state", elsewhere, "--new-marker-key", "--json"});
  EXPECT_EQ(taken.status, 0) << taken.err;
  EXPECT_THAT(text_in(taken, "replaced"), StartsWith(store + ".replaced-"));
  EXPECT_TRUE(std::filesystem::exists(elsewhere + "/marker.key"));
}

TEST(HeldSignals, WaitUntilTheyAreAskedFor) {
  HeldSignals signals;
  EXPECT_FALSE(signals.have_come());
  ::raise(SIGTERM);
  EXPECT_TRUE(signals.have_come());
  EXPECT_TRUE(signals.have_come());
}

TEST(HeldSignals, WhatComesTooLateEndsNobody) {
  {
    HeldSignals signals;
    ::raise(SIGTERM);
    EXPECT_TRUE(signals.have_come());
    ::raise(SIGINT);
    ::raise(SIGHUP);
  }
  HeldSignals later;
  EXPECT_FALSE(later.have_come());
}

TEST(HeldSignals, WhatIsIgnoredStaysIgnored) {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  {
    HeldSignals signals;
    ::raise(SIGHUP);
    EXPECT_FALSE(signals.have_come());
  }
  std::signal(SIGHUP, before);
}

}  // namespace
}  // namespace app
