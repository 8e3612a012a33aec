// Commands from the command line, with a daemon that runs.
#pragma once

#include "tests/app/service.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace app {

class DaemonCommands : public testing::Test {
 protected:
  explicit DaemonCommands(std::string_view more_settings = "") : more_settings_(more_settings) {}
  void SetUp() override {
    folder.write(".flywheel/chatgpt.json",
                 R"({"crt_url": "http://127.0.0.1:9/c/1", "mcp_server": "test",
                     "writer_agent": "tester", "bridge": {"listen": "127.0.0.1:0")" +
                     more_settings_ + "}}");
    const Manager manager(folder.path() / "notify");
    const Environment environment({{"NOTIFY_SOCKET", folder.path() / "notify"}});
    service.emplace(std::vector<std::string>{"serve", "--headless"}, folder);
    ASSERT_THAT(manager.until("READY=1"), testing::Not(testing::IsEmpty())) << folder.read("log");
  }
  void TearDown() override {
    if (service) EXPECT_EQ(service->stop(), 0) << folder.read("log");
  }
  Finished run(std::vector<std::string> arguments, std::string_view input = {}) const {
    return flywheel(std::move(arguments), input, folder.path());
  }

  TestFolder folder;
  std::optional<Service> service;

 private:
  std::string more_settings_;
};

}  // namespace app
