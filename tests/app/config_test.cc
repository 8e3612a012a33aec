#include "bridge/app/config.h"

#include "bridge/app/bridge.h"
#include "bridge/base/limits.h"
#include "bridge/base/nearest.h"
#include "tests/app/process.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view minimal =
    R"({"crt_url": "http://127.0.0.1:9000/c/1", "mcp_server": "work", "writer_agent": "teal"})";

std::string with_bridge(std::string_view bridge) {
  std::string text(minimal);
  text.insert(text.size() - 1, ", \"bridge\": " + std::string(bridge));
  return text;
}

std::string refusal_of(std::string_view text) {
  auto config = parse_config(text, "/p/.flywheel/chatgpt.json");
  return config ? "" : config.error().message;
}

TEST(Config, ThreeMembersAreEnough) {
  auto config = parse_config(minimal, "/p/.flywheel/chatgpt.json");

  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->crt_url, "http://127.0.0.1:9000/c/1");
  EXPECT_EQ(config->writer_agent, "teal");
  EXPECT_EQ(config->project, "/p");
  EXPECT_EQ(config->state, "/p/.flywheel/state");
  EXPECT_EQ(config->store, "/p/.flywheel/state/flywheel.db");
  EXPECT_EQ(config->browser.profile_dir, "/p/.flywheel/state/profiles/work");
  EXPECT_EQ(config->browser.window_width, 1280);
  EXPECT_EQ(config->page_profiles, "/p/.flywheel/pages");
  EXPECT_EQ(config->message_types, "/p/.flywheel/schemas");
  EXPECT_EQ(config->draft, DraftPolicy::stop);
  EXPECT_EQ(config->timeouts.reply, std::chrono::minutes(30));
  EXPECT_EQ(config->limits.sends_per_window, 80);
  EXPECT_EQ(config->limits.parallel, 1);
  EXPECT_THAT(config->senders, IsEmpty());
  EXPECT_THAT(config->webhooks.allow_private, IsEmpty());
  EXPECT_FALSE(config->webhooks.needs_handshake);
}

TEST(Config, WhatTheFileSaysGoesBeforeTheDefaults) {
  auto config =
      parse_config(with_bridge(R"({"state": "/var/lib/fw", "store": "/disk/fw.db", "draft": "clear",
                      "senders": ["a", "b"], "browser": {"executable": "chromium",
                      "headless": true, "window": {"width": 800}},
                      "timeouts": {"ready_seconds": 5}, "limits": {"parallel": 3},
                      "webhooks": {"allow_private": ["10.0.0.0/8"], "authority": "ca.pem"}})"),
                   "/p/.flywheel/chatgpt.json");

  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->state, "/var/lib/fw");
  EXPECT_EQ(config->store, "/disk/fw.db");
  EXPECT_EQ(config->draft, DraftPolicy::clear);
  EXPECT_THAT(config->senders, ElementsAre("a", "b"));
  EXPECT_EQ(config->browser.executable, "chromium");
  EXPECT_TRUE(config->browser.is_headless);
  EXPECT_EQ(config->browser.window_width, 800);
  EXPECT_EQ(config->browser.window_height, 900);
  EXPECT_EQ(config->browser.profile_dir, "/var/lib/fw/profiles/work");
  EXPECT_EQ(config->timeouts.ready, std::chrono::seconds(5));
  EXPECT_EQ(config->limits.parallel, 3);
  EXPECT_THAT(config->webhooks.allow_private, ElementsAre("10.0.0.0/8"));
  EXPECT_EQ(config->webhooks.authority, "/p/ca.pem");
}

TEST(Config, EveryTimeoutReachesWhatItIsFor) {
  const auto config = parse_config(
      with_bridge(R"({"timeouts": {"start_seconds": 11, "ready_seconds": 12, "send_seconds": 13,
                                   "reply_seconds": 14, "silence_seconds": 15}})"),
      "/p/.flywheel/chatgpt.json");
  ASSERT_TRUE(config) << config.error().message;
  const auto settings = bridge_settings(*config, {});
  EXPECT_EQ(settings.chrome.launch.start_limit, std::chrono::seconds(11));
  EXPECT_EQ(settings.chrome.chat.ready_limit, std::chrono::seconds(12));
  EXPECT_EQ(settings.chrome.chat.send_limit, std::chrono::seconds(13));
  EXPECT_EQ(settings.exchange.reply, std::chrono::seconds(14));
  EXPECT_EQ(settings.chrome.chat.silence_limit, std::chrono::seconds(15));
  // A command's own browser is no other.
  const auto own = browser_settings(*config, {});
  EXPECT_EQ(own.launch.start_limit, std::chrono::seconds(11));
  EXPECT_EQ(own.chat.send_limit, std::chrono::seconds(13));
  EXPECT_EQ(own.chat.silence_limit, std::chrono::seconds(15));
}

TEST(Config, SaysByDefaultWhatHoldsWithoutIt) {
  const auto config = parse_config(minimal, "/p/.flywheel/chatgpt.json");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->timeouts.send, chat::ChatOptions().send_limit);
  EXPECT_EQ(config->timeouts.silence, chat::ChatOptions().silence_limit);
  EXPECT_EQ(config->timeouts.ready, chat::ChatOptions().ready_limit);
  EXPECT_EQ(config->timeouts.start, cdp::LaunchOptions().start_limit);
}

TEST(Config, AnotherStateDirectoryTakesTheStoreAndTheProfileAlong) {
  auto config = parse_config(minimal, "/etc/fw/chatgpt.json");
  ASSERT_TRUE(config) << config.error().message;
  set_state(*config, "/var/lib/fw");
  EXPECT_EQ(config->state, "/var/lib/fw");
  EXPECT_EQ(config->store, "/var/lib/fw/flywheel.db");
  EXPECT_EQ(config->browser.profile_dir, "/var/lib/fw/profiles/work");

  auto placed = parse_config(
      with_bridge(R"({"store": "/disk/fw.db", "browser": {"profile_dir": "/disk/profile"}})"),
      "/etc/fw/chatgpt.json");
  ASSERT_TRUE(placed) << placed.error().message;
  set_state(*placed, "/var/lib/fw");
  EXPECT_EQ(placed->store, "/disk/fw.db");
  EXPECT_EQ(placed->browser.profile_dir, "/disk/profile");
}

TEST(Config, NeedsNoFile) {
  const auto config = parse_config(minimal, {});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->file, "");
  EXPECT_EQ(config->project, "");
}

TEST(Config, AnUnknownKeyNamesTheNearestKnownOne) {
  EXPECT_THAT(refusal_of(with_bridge(R"({"brwoser": {}})")),
              HasSubstr("/bridge/brwoser: unknown key \"brwoser\"; did you mean browser?"));
  EXPECT_THAT(refusal_of(with_bridge(R"({"timeouts": {"ready_secs": 1}})")),
              HasSubstr("/bridge/timeouts/ready_secs: unknown key \"ready_secs\"; did you mean "
                        "ready_seconds?"));
  EXPECT_THAT(refusal_of(with_bridge(R"({"browser": {"zzz": 1}})")),
              HasSubstr("known are executable, profile_dir, headless, window"));
}

TEST(Config, AnUnknownKeyInsideAListOrOfAnActionNamesTheNearestKnownOneToo) {
  EXPECT_THAT(refusal_of(with_bridge(
                  R"({"auth": {"jwt": [{"issuer": "i", "audience": "a", "algorithm": "HS256",
                                        "key_file": "k", "key_id": "1"}]}})")),
              HasSubstr("/bridge/auth/jwt/0/key_id: unknown key \"key_id\"; known are issuer, "
                        "audience, algorithm, key_file, kid, scopes_claim"));
  EXPECT_THAT(refusal_of(with_bridge(
                  R"({"auth": {"jwt": [{"issuer": "i", "audeince": "a", "algorithm": "HS256",
                                        "key_file": "k"}]}})")),
              HasSubstr("unknown key \"audeince\"; did you mean audience?"));
  const auto action = [](std::string_view more) {
    return with_bridge(R"({"actions": {"deploy.staging": {"kind": "program", "description": "d",
                           "params": {}, "risk": 10, "min_tier": "citizen", "argv": ["/bin/true"])" +
                       std::string(more) + "}}}");
  };
  EXPECT_EQ(refusal_of(action("")), "");
  EXPECT_THAT(refusal_of(action(R"(, "timeout_secs": 5)")),
              HasSubstr("/bridge/actions/deploy.staging/timeout_secs: unknown key "
                        "\"timeout_secs\"; did you mean timeout_seconds?"));
  EXPECT_THAT(refusal_of(action(R"(, "raise": [{"when": true, "add": 1, "zzz": 2}])")),
              HasSubstr("/raise/0/zzz: unknown key \"zzz\"; known are when, add"));
}

// What no Origin header ever equals would be listed in vain.
TEST(Config, AnOriginIsWhatABrowserSends) {
  const auto origins = [](std::string_view one) {
    return with_bridge(fmt::format(R"({{"origins": ["https://ok.example", "{}"]}})", one));
  };
  for (const std::string_view good :
       {"https://dash.example", "http://dash.example:8080", "http://[fd00::1]:3000",
        "http://127.0.0.1:443", "chrome-extension://abcdefghijklmnop"}) {
    EXPECT_EQ(refusal_of(origins(good)), "") << good;
  }
  for (const std::string_view bad :
       {"https://dash.example/", "https://dash.example/app", "https://dash.example?x",
        "https://dash.example#x", "https://ann@dash.example", "https://dash.example:443",
        "http://dash.example:80", "https://"}) {
    EXPECT_THAT(refusal_of(origins(bad)), HasSubstr("\n  /bridge/origins/1: ")) << bad;
    EXPECT_THAT(refusal_of(origins(bad)), HasSubstr("without a path, a slash at the end")) << bad;
  }
}

TEST(Config, AStoreIsAFileAndNoUrl) {
  EXPECT_THAT(refusal_of(with_bridge(R"({"store": "postgresql://db/fw"})")),
              HasSubstr("\n  /bridge/store: only the path of an SQLite file is understood"));
}

TEST(Config, EveryViolationIsToldWithItsPointer) {
  const std::string refusal =
      refusal_of(R"({"crt_url": "ftp://x", "mcp_server": "../up", "bridge": {"draft": "keep"}})");
  EXPECT_THAT(refusal, HasSubstr("configuration /p/.flywheel/chatgpt.json:\n"));
  EXPECT_THAT(refusal, HasSubstr("\n  /crt_url: "));
  EXPECT_THAT(refusal, HasSubstr("\n  /mcp_server: "));
  EXPECT_THAT(refusal, HasSubstr("\n  /bridge/draft: "));
  EXPECT_THAT(refusal, HasSubstr("\n  (root): "));
  EXPECT_THAT(refusal, HasSubstr("writer_agent"));
  EXPECT_THAT(refusal_of("{"), HasSubstr("not JSON"));
  EXPECT_THAT(refusal_of("[]"), HasSubstr("(root): "));
}

// What the file may say, the queue can keep.
TEST(Config, NoMoreSendsAreAllowedThanTheQueueCounts) {
  const auto sends = [](int count) {
    return with_bridge(fmt::format(R"({{"limits": {{"sends_per_window": {}}}}})", count));
  };
  EXPECT_TRUE(parse_config(sends(limits::cap_count_max), "/p/.flywheel/chatgpt.json"));
  EXPECT_THAT(refusal_of(sends(limits::cap_count_max + 1)),
              HasSubstr("/bridge/limits/sends_per_window: "));
}

TEST(Config, FromOneToEightConversationsAreWorkedOnAtOnce) {
  const auto parallel = [](int count) {
    return with_bridge(fmt::format(R"({{"limits": {{"parallel": {}}}}})", count));
  };
  EXPECT_TRUE(parse_config(parallel(8), "/p/.flywheel/chatgpt.json"));
  for (const int count : {0, 9}) {
    EXPECT_THAT(refusal_of(parallel(count)), HasSubstr("/bridge/limits/parallel: "));
  }
}

TEST(Config, IsFoundFromBelow) {
  const TestFolder project;
  project.write(".flywheel/chatgpt.json", minimal);
  project.write("a/b/c", "");
  auto config = find_config({}, project.path() / "a" / "b");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->project, project.path());
}

TEST(Config, TheOneGivenGoesFirst) {
  const TestFolder folder;
  const std::string file = folder.write("my.json", minimal);
  auto config = find_config(file, "/");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->project, folder.path());
}

TEST(Config, AMissingOneSaysWhatToDo) {
  const TestFolder empty;
  auto config = find_config({}, empty.path());
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, base::Code::not_found);
  EXPECT_THAT(config.error().message, HasSubstr("create one with \"crt_url\""));
}

TEST(Config, TheProjectsOwnExampleIsValid) {
  auto config = load_config(SOURCE_DIR "/.flywheel/chatgpt.json");
  EXPECT_TRUE(config) << config.error().message;
}

TEST(Nearest, TakesSlipsOfTheFingersAndNothingElse) {
  EXPECT_EQ(base::nearest("vlaidate", {"build", "validate"}), "validate");
  EXPECT_EQ(base::nearest("buid", {"build", "validate"}), "build");
  EXPECT_EQ(base::nearest("frobnicate", {"build", "validate"}), "");
}

}  // namespace
}  // namespace app
