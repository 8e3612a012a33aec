// The daemon under a service manager: the units that are installed, and what is told to the manager
// over a real datagram socket.
#include "tests/app/service.h"

#include "bridge/app/config.h"
#include "bridge/app/service_manager.h"
#include "bridge/base/limits.h"

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace app {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// What systemd would read: every assignment in order, by section and name.
class Unit {
 public:
  explicit Unit(const std::string& name) {
    std::ifstream in(std::string(SYSTEMD_UNITS) + "/" + name);
    std::string section;
    for (std::string line; std::getline(in, line);) {
      if (line.empty() || line.starts_with('#')) continue;
      if (line.starts_with('[')) {
        section = line;
        continue;
      }
      const auto equals = line.find('=');
      EXPECT_NE(equals, std::string::npos) << name << ": " << line;
      values_[section + line.substr(0, equals)].push_back(line.substr(equals + 1));
    }
    EXPECT_THAT(values_, Not(IsEmpty())) << name;
  }
  std::vector<std::string> all(const std::string& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? std::vector<std::string>() : found->second;
  }
  std::string last(const std::string& key) const {
    const auto found = all(key);
    return found.empty() ? "(none)" : found.back();
  }

 private:
  std::map<std::string, std::vector<std::string>> values_;
};

std::vector<std::string> words_of(const std::string& command) {
  std::istringstream in(command);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// The command of a unit without the program, with our own folder in the place of the system's.
std::vector<std::string> arguments_of(const std::string& command, const TestFolder& folder) {
  auto words = words_of(command);
  EXPECT_THAT(words.front(), testing::EndsWith("/flywheel"));
  words.erase(words.begin());
  for (auto& word : words) {
    if (word == "/etc/flywheel/chatgpt.json") word = folder.path() / "chatgpt.json";
    if (word.starts_with("/var/lib/flywheel")) {
      word.replace(0, std::string("/var/lib/flywheel").size(), folder.path() / "state");
    }
    EXPECT_FALSE(word.starts_with("/etc") || word.starts_with("/var")) << word;
  }
  return words;
}

TEST(Units, TheDaemonSaysWhenItIsReadyAndThatItIsAlive) {
  const Unit unit("flywheel.service");
  EXPECT_EQ(unit.last("[Service]Type"), "notify");
  EXPECT_EQ(unit.last("[Service]NotifyAccess"), "main");
  EXPECT_GE(std::atoi(unit.last("[Service]WatchdogSec").c_str()), 10);
  EXPECT_GE(std::atoi(unit.last("[Service]TimeoutStopSec").c_str()), 15);
  EXPECT_EQ(unit.last("[Service]Restart"), "on-failure");
  EXPECT_EQ(unit.last("[Service]User"), "flywheel");
  EXPECT_EQ(unit.last("[Service]StateDirectoryMode"), "0700");
  EXPECT_EQ(unit.last("[Install]WantedBy"), "multi-user.target");
}

// However long a disk or a browser's package is broken.
TEST(Units, AreStartedAgainAndAgainButNotInATightLoop) {
  for (const auto* name : {"flywheel.service", "flywheel-browser.service"}) {
    const Unit unit(name);
    EXPECT_GE(std::atoi(unit.last("[Service]RestartSec").c_str()), 5) << name;
  }
  EXPECT_EQ(Unit("flywheel.service").last("[Unit]StartLimitIntervalSec"), "0");
}

// What `flywheel serve` ends in, given this and no more, with the project in this folder.
int end_of_serve(const TestFolder& project, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"serve", "--headless"});
  return flywheel(more, {}, project.path()).status;
}

TEST(Units, WhatOnlyAPersonMendsIsNotTriedAgain) {
  const auto statuses =
      words_of(Unit("flywheel.service").last("[Service]RestartPreventExitStatus"));
  const auto stays_down = [&](int status) {
    EXPECT_THAT(statuses, Contains(std::to_string(status)));
    return status;
  };
  const TestFolder project;
  EXPECT_EQ(stays_down(end_of_serve(project)), 78) << "no configuration";
  project.write(".flywheel/chatgpt.json",
                R"({"crt_url": "http://127.0.0.1:9/c/1", "mcp_server": "test",
                    "writer_agent": "tester", "bridge": {"listen": "127.0.0.1:0"}})");
  EXPECT_EQ(stays_down(end_of_serve(project, {"--listne", "x"})), 64);
  EXPECT_EQ(stays_down(end_of_serve(project, {"--writer", "another"})), 77);
  EXPECT_EQ(stays_down(end_of_serve(project, {"--listen", "nowhere"})), 65);
  const std::string letter = project.write("letter.db", std::string(8192, 'x'));
  EXPECT_EQ(stays_down(end_of_serve(project, {"--store", letter})), 1) << "no store of ours";
  project.write(".flywheel/schemas/resp-estimate.schema.json", R"({"type": "objekt"})");
  EXPECT_EQ(stays_down(end_of_serve(project)), 65) << "a message type that is none";
  // Time mends these: another daemon that has the store, a disk, a failed start.
  for (const auto* passing : {"69", "70", "73", "74", "75"}) {
    EXPECT_THAT(statuses, Not(Contains(passing)));
  }
}

// Chromium hangs where memory cannot be made executable, and needs user namespaces to lock itself
// up.
TEST(Units, WhatStartsABrowserLeavesItWhatItNeeds) {
  for (const auto* name : {"flywheel.service", "flywheel-browser.service"}) {
    const Unit unit(name);
    EXPECT_EQ(unit.last("[Service]MemoryDenyWriteExecute"), "(none)") << name;
    EXPECT_EQ(unit.last("[Service]SystemCallFilter"), "(none)") << name;
    EXPECT_THAT(words_of(unit.last("[Service]RestrictNamespaces")), Contains("user")) << name;
    EXPECT_THAT(words_of(unit.last("[Service]RestrictAddressFamilies")), Contains("AF_NETLINK"));
    EXPECT_EQ(unit.last("[Service]NoNewPrivileges"), "yes") << name;
    EXPECT_EQ(unit.last("[Service]ProtectSystem"), "strict") << name;
    EXPECT_EQ(unit.last("[Service]CapabilityBoundingSet"), "") << name;
    EXPECT_EQ(unit.last("[Service]OOMPolicy"), "continue") << name;
    EXPECT_EQ(unit.last("[Service]UMask"), "0077") << name;
  }
  EXPECT_EQ(Unit("with-browser.conf").last("[Service]MemoryDenyWriteExecute"), "yes");
}

TEST(Units, TheBrowserListensWhereTheDropInLooks) {
  const Unit browser("flywheel-browser.service");
  const Unit drop_in("with-browser.conf");
  const auto words = words_of(browser.last("[Service]ExecStart"));
  const std::string profile = words_of(drop_in.last("[Service]ExecStart")).back();
  EXPECT_THAT(words, Contains("--user-data-dir=" + profile));
  EXPECT_THAT(words, Contains("--remote-debugging-port=0"));
  EXPECT_THAT(words, Not(Contains("--no-sandbox")));
  EXPECT_THAT(browser.all("[Service]ExecStartPre"),
              Contains(HasSubstr(profile + "/DevToolsActivePort")));
  EXPECT_EQ(drop_in.last("[Unit]Wants"), "flywheel-browser.service");
  EXPECT_EQ(drop_in.last("[Unit]Requires"), "(none)")
      << "a restart of the browser is one of it alone";
  // A list is emptied before it is set anew.
  EXPECT_THAT(drop_in.all("[Service]ExecStart"), ElementsAre("", HasSubstr("--attach")));
}

// systemd hands the socket to the service of its name.
TEST(Units, TheSocketHoldsTheAddressThatTheDaemonHasByDefault) {
  const Unit socket("flywheel.socket");
  const auto config = parse_config(
      R"({"crt_url": "http://127.0.0.1:9/c/1", "mcp_server": "test", "writer_agent": "tester"})",
      "/p/.flywheel/chatgpt.json");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(socket.all("[Socket]ListenStream"), ElementsAre(config->listen));
  EXPECT_EQ(socket.last("[Socket]Backlog"), std::to_string(limits::http_accepts_pending));
  EXPECT_EQ(socket.last("[Socket]Accept"), "(none)") << "one daemon for all connections";
  EXPECT_EQ(socket.last("[Socket]Service"), "(none)");
  EXPECT_EQ(socket.last("[Install]WantedBy"), "sockets.target");
  EXPECT_EQ(Unit("flywheel.service").last("[Unit]Requires"), "(none)") << "it is an option";
}

TEST(Units, TheCommandLinesAreUnderstood) {
  for (const auto* name : {"flywheel.service", "with-browser.conf"}) {
    const TestFolder folder;
    const auto arguments = arguments_of(Unit(name).last("[Service]ExecStart"), folder);
    const Finished finished = flywheel(arguments);
    // Nothing but the configuration is missing.
    EXPECT_EQ(finished.status, 78) << name << ": " << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("chatgpt.json")) << name;
    auto misspelt = arguments;
    misspelt.push_back("--atach");
    EXPECT_EQ(flywheel(misspelt).status, 64) << name;
  }
}

TEST(ServiceManager, HearsWhatItIsToldOnAPathAndAnAbstractName) {
  const TestFolder folder;
  const std::string path = folder.path() / "notify";
  for (const std::string& name : {path, fmt::format("@flywheel-test-{}", ::getpid())}) {
    const Manager manager(name);
    const Environment environment({{"NOTIFY_SOCKET", name}});
    notify_service_manager("READY=1");
    EXPECT_EQ(manager.next(), "READY=1") << name;
  }
  notify_service_manager("READY=1");  // nobody is there: nothing happens
}

TEST(ServiceManager, TheWatchdogIsFedTwiceInItsTimeAndOnlyByTheProcessItNames) {
  EXPECT_FALSE(watchdog_period());
  Environment usual({{"WATCHDOG_USEC", "30000000"}});
  EXPECT_EQ(watchdog_period(), std::chrono::seconds(15));
  {
    const Environment other({{"WATCHDOG_PID", "1"}});
    EXPECT_FALSE(watchdog_period());
  }
  const Environment ours({{"WATCHDOG_PID", std::to_string(::getpid())}});
  EXPECT_EQ(watchdog_period(), std::chrono::seconds(15));
  for (const std::string bad : {"", "0", "-5", "soon"}) {
    const Environment odd({{"WATCHDOG_USEC", bad}});
    EXPECT_FALSE(watchdog_period()) << bad;
  }
}

TEST(ServiceManager, ASocketIsInheritedOnlyIfItIsMeantForUs) {
  EXPECT_EQ(inherited_socket(), -1);
  const std::string own = std::to_string(::getpid());
  EXPECT_EQ((Environment({{"LISTEN_FDS", "1"}, {"LISTEN_PID", "1"}}), inherited_socket()), -1);
  const Environment meant({{"LISTEN_FDS", "1"}, {"LISTEN_PID", own}});
  EXPECT_EQ(inherited_socket(), 3);
}

TEST(ServiceManager, ADaemonTellsThatItIsReadyAliveAndStopping) {
  const TestFolder folder;
  folder.write("chatgpt.json", R"({"crt_url": "http://127.0.0.1:9/c/1", "mcp_server": "test",
                                   "writer_agent": "tester",
                                   "bridge": {"listen": "127.0.0.1:0"}})");
  const Manager manager(folder.path() / "notify");
  const Environment environment(
      {{"NOTIFY_SOCKET", folder.path() / "notify"}, {"WATCHDOG_USEC", "200000"}});
  Service service(arguments_of(Unit("flywheel.service").last("[Service]ExecStart"), folder),
                  folder);
  EXPECT_THAT(manager.until("READY=1"), Not(IsEmpty())) << folder.read("log");
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "state" / "daemon.json"));
  // The unit may write nowhere else: the folder of the configuration is read-only there.
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "state" / "flywheel.db"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / ".flywheel"));
  EXPECT_THAT(manager.until("WATCHDOG=1"), Not(IsEmpty()));
  EXPECT_THAT(manager.until("WATCHDOG=1"), Not(IsEmpty()));
  const TestFolder elsewhere;
  const Environment place({{"FLYWHEEL_CONFIG", folder.path() / "chatgpt.json"},
                           {"FLYWHEEL_STATE", folder.path() / "state"}});
  const auto listed = flywheel({"packet", "list"}, {}, elsewhere.path());
  EXPECT_EQ(listed.status, 0) << listed.err;
  EXPECT_EQ(service.stop(), 0) << folder.read("log");
  EXPECT_THAT(manager.until("STOPPING=1"), Not(IsEmpty()));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "state" / "daemon.json"));
}

}  // namespace
}  // namespace app
