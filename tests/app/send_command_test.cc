// flywheel send by a daemon that takes its time, or ends and is started anew.
#include "tests/app/daemon_commands.h"

#include <chrono>
#include <future>

#include <boost/json/parse.hpp>

namespace app {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;

class SendOverARestart : public DaemonCommands {
 protected:
  // In the background, until its packet is in the queue, which is paused.
  void send(std::vector<std::string> more = {}) {
    ASSERT_EQ(run({"queue", "pause"}).status, 0);
    std::vector<std::string> arguments{"send", SOURCE_DIR "/fixtures/packets/rfp-plan.json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    sent = std::async(std::launch::async, [this, arguments] { return run(arguments); });
    const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (id.empty() && std::chrono::steady_clock::now() < until) {
      const auto listed = run({"packet", "list", "--json"});
      ASSERT_EQ(listed.status, 0) << listed.err;
      const auto answer = json::parse(listed.out);
      const auto& items = answer.at("items").as_array();
      if (!items.empty()) id = std::string(items.front().at("id").as_string());
    }
    ASSERT_FALSE(id.empty());
  }
  void stop() {
    EXPECT_EQ(service->stop(), 0) << folder.read("log");
    service.reset();
  }

  std::future<Finished> sent;
  std::string id;
};

TEST_F(SendOverARestart, TheCommandWaitsOnAtTheDaemonsNewAddress) {
  ASSERT_NO_FATAL_FAILURE(send());
  stop();
  std::filesystem::remove(folder.path() / "notify");
  ASSERT_NO_FATAL_FAILURE(SetUp());
  ASSERT_EQ(run({"packet", "cancel", id}).status, 0);
  const auto finished = sent.get();
  EXPECT_EQ(finished.status, 76) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("waiting for the daemon to come back"));
  EXPECT_THAT(finished.err, Not(HasSubstr("flywheel packet show")));
}

TEST_F(SendOverARestart, WhoGivesUpIsToldHowToGoOn) {
  ASSERT_NO_FATAL_FAILURE(send({"--wait=15", "--json"}));
  stop();
  const auto finished = sent.get();
  EXPECT_EQ(finished.status, 69) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("flywheel packet show " + id));
  const auto told = json::parse(finished.out);
  EXPECT_EQ(told.at("id").as_string(), id);
  EXPECT_TRUE(told.at("error").at("retryable").as_bool());
}

using SendThatWaits = DaemonCommands;

// The daemon holds each answer for as long as the command still waits, to its last second.
TEST_F(SendThatWaits, AsksNoMoreOftenThanItIsAnswered) {
  ASSERT_EQ(run({"queue", "pause"}).status, 0);
  const auto finished = run({"send", SOURCE_DIR "/fixtures/packets/rfp-plan.json", "--wait=1"});
  EXPECT_EQ(finished.status, 124) << finished.err;
  EXPECT_EQ(service->stop(), 0) << folder.read("log");
  service.reset();
  const std::string log = folder.read("log");
  int asked = 0;
  const std::string_view route = R"("route":"/api/packets/{id}")";
  for (auto at = log.find(route); at != log.npos; at = log.find(route, at + 1)) ++asked;
  EXPECT_GE(asked, 1) << log;
  EXPECT_LE(asked, 3);
}

}  // namespace
}  // namespace app
