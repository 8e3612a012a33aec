// What a test of the whole program needs: a project whose conversation is on a look-alike site of
// this process; the site's ledger is the judge.
#pragma once

#include "bridge/base/json.h"
#include "fixtures/chatgpt/site.h"
#include "tests/app/process.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace e2e {

namespace json = boost::json;
using app::Finished;
using app::flywheel;

inline const std::string packets = std::string(SOURCE_DIR) + "/fixtures/packets/";

inline json::value parsed(const std::string& text) {
  auto value = base::parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : json::value();
}

// A project whose configured conversation is on a site of this process.
class Project : public testing::Test {
 protected:
  void configure(const fixture::Knobs& knobs = {}) {
    auto started = fixture::Site::start({.knobs = knobs});
    ASSERT_TRUE(started) << started.error().message;
    site = *std::move(started);
    url = site->new_conversation(knobs);
    write_configuration();
  }
  void write_configuration() const {
    folder.write(".flywheel/chatgpt.json", json::serialize(json::object{{"crt_url", url},
                                                                        {"mcp_server", "test"},
                                                                        {"writer_agent", "tester"},
                                                                        {"bridge", bridge}}));
  }
  Finished run(std::vector<std::string> arguments, std::string_view input = {}) const {
    return flywheel(std::move(arguments), input, folder.path());
  }
  // Whatever happened, nothing was sent twice and nothing forbidden was pressed.
  void TearDown() override {
    if (!site) return;
    EXPECT_EQ(site->ledger().duplicates(), 0u);
    for (const auto& wire : site->ledger().forbidden) ADD_FAILURE() << wire.wire;
  }

  app::TestFolder folder;
  json::object bridge{{"timeouts", json::object{{"ready_seconds", 10}}}};
  std::unique_ptr<fixture::Site> site;
  std::string url;
};

}  // namespace e2e
