// Several conversations of one account at the same time, as many as bridge.limits.parallel allows:
// a real Chromium with a tab for each, judged by what the site saw.
#include "tests/e2e/fleet.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace e2e {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

class Parallel : public Fleet {
 protected:
  void SetUp() override {
    Fleet::SetUp();
    bridge["limits"] =
        json::object{{"pause_seconds", 1}, {"sends_per_window", 10'000}, {"parallel", 2}};
  }
  // Asks a GPT, new to the registry, in a chat of its own; where the query is.
  std::string ask(std::string_view agent) const {
    const auto link = fmt::format("{}/g/g-0a1b2c3d4-{}", site->origin(), agent);
    post("/api/gpt-agents/register", {{"name", agent}, {"link", link}, {"category", "Core"}});
    const auto asked = post(fmt::format("/api/gpt-agents/{}/query", agent),
                            {{"query", fmt::format("What does {} say?", agent)}});
    return std::string(asked.at("links").at("self").as_string());
  }
  // The text of its answer.
  std::string answer(const std::string& query) const {
    json::value view;
    for (int looks = 0; looks < 5; ++looks) {
      view = get(query + "?wait=40");
      if (view.at("state") != "open") break;
    }
    EXPECT_EQ(view.at("state"), "answered") << json::serialize(view);
    if (view.at("state") != "answered") return {};
    return std::string(view.at("answer").at("text").as_string());
  }
  // Until the site has accepted so many messages.
  void wait_accepted(std::size_t count, const std::string& packet) const {
    const auto until = std::chrono::steady_clock::now() + 120s;
    while (site->ledger().accepted().size() < count && std::chrono::steady_clock::now() < until) {
      const auto state = get(packet + "?wait=1").at("state");
      if (state != "queued" && state != "running") break;
    }
    EXPECT_EQ(site->ledger().accepted().size(), count);
  }
  // When the only message of the conversation came, and when its answer was written to the end.
  struct Times {
    std::int64_t asked = 0, answered = 0;
  };
  Times times(const std::string& conversation) const {
    EXPECT_NE(conversation, "");
    if (conversation.empty()) return {};
    const auto ledger = site->ledger(conversation);
    const auto posts = ledger.accepted();
    EXPECT_EQ(posts.size(), 1u) << conversation;
    EXPECT_EQ(ledger.replies.size(), 1u) << conversation;
    if (posts.size() != 1 || ledger.replies.size() != 1) return {};
    return {posts[0].arrived_ns, ledger.replies[0].last_byte_ns};
  }
  // The chat with a GPT that was asked.
  std::string chat_with(std::string_view agent) const {
    for (const auto& id : site->conversations()) {
      if (site->address(id).contains(fmt::format("-{}/c/", agent))) return id;
    }
    return {};
  }
  std::size_t entries(std::string_view type) const {
    return get(fmt::format("/api/audit?type={}", type)).at("items").as_array().size();
  }
};

TEST_F(Parallel, TwoConversationsAreUnderWayAtOnceAndAThirdWaits) {
  fixture::Knobs slow;
  slow.generate_ms_min = slow.generate_ms_max = 20'000;
  start(slow);
  const auto sent = run({"send", "--no-wait", "--json", packets + "spec-lock.json"});
  ASSERT_EQ(sent.status, 0) << sent.err;
  const std::string id(parsed(sent.out).at("id").as_string());
  const auto query = ask("second");
  wait_accepted(2, "/api/packets/" + id);
  const auto waiting = ask("third");

  const auto packet = get("/api/packets/" + id + "?wait=40");
  EXPECT_EQ(packet.at("state"), "done") << json::serialize(packet);
  EXPECT_EQ(packet.at("response").at("msg_type"), "SPEC_LOCK_RESPONSE");
  EXPECT_THAT(answer(query), HasSubstr("second"));
  EXPECT_THAT(answer(waiting), HasSubstr("third"));
  const auto one = times(url);
  const auto other = times(chat_with("second"));
  EXPECT_LT(other.asked, one.answered) << "the second message waited for the first answer";
  EXPECT_LT(one.asked, other.answered) << "the first message waited for the second answer";
  EXPECT_GT(times(chat_with("third")).asked, std::min(one.answered, other.answered));
  // Neither put its text in for nothing because the pause between two sends was the other's.
  EXPECT_EQ(entries("packet.retrying") + entries("query.retrying"), 0u);
}

}  // namespace
}  // namespace e2e
