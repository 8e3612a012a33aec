// A browser that is attached to outlives the daemon, and with it the page where Send was clicked.
#include "tests/app/daemon_process.h"
#include "tests/kill/arena.h"

#include <csignal>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace kill_test {
namespace {

namespace json = boost::json;
using app::DaemonProcess;
using namespace std::chrono_literals;

TEST(LeftTab, CannotSendAnyMoreOnceAnotherDaemonWorks) {
  const Arena arena;
  fixture::Knobs knobs;
  knobs.click_delay_ms = 600'000;  // longer than anybody looks for the message
  const std::string url = arena.site->new_conversation(knobs);
  const app::TestFolder folder;
  const json::object config{{"crt_url", url},
                            {"mcp_server", "test"},
                            {"writer_agent", "tester"},
                            {"bridge", {{"listen", "127.0.0.1:0"}}}};
  folder.write(".flywheel/chatgpt.json", json::serialize(config));
  const std::size_t tabs_before = arena.browser.tabs();
  const auto in = [](std::chrono::seconds time) { return std::chrono::steady_clock::now() + time; };
  DaemonProcess::Options options{.project = folder.path(),
                                 .arguments = {"--attach", arena.browser.url()},
                                 .environment = {"FLYWHEEL_FAULT=exchange.clicked"}};
  DaemonProcess killed(options);
  ASSERT_TRUE(killed.wait_ready(in(60s))) << killed.log();
  const std::string packet = std::string(SOURCE_DIR) + "/fixtures/packets/spec-lock.json";
  ASSERT_EQ(app::flywheel({"send", "--no-wait", packet}, {}, folder.path()).status, 0);
  ASSERT_EQ(killed.wait_end(in(60s)), 128 + SIGKILL) << killed.log();
  EXPECT_EQ(arena.browser.tabs(), tabs_before + 1);

  knobs.click_delay_ms = 0;
  arena.site->set_knobs(url, knobs);
  options.environment.clear();
  DaemonProcess next(options);
  ASSERT_TRUE(next.wait_ready(in(60s))) << next.log();
  const auto sent = app::flywheel({"send", packet}, {}, folder.path());

  EXPECT_EQ(sent.status, 0) << sent.err << next.log();
  EXPECT_EQ(arena.site->ledger(url).posts.size(), 1u);
  EXPECT_EQ(arena.browser.tabs(), tabs_before + 1);
  next.signal(SIGTERM);
  EXPECT_EQ(next.wait_end(in(30s)), 0) << next.log();
  EXPECT_EQ(arena.browser.tabs(), tabs_before);
}

}  // namespace
}  // namespace kill_test
