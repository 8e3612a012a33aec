// The page is a route of its own: it reads every form of answer, and is compared with the network.
#include "bridge/protocol/extraction.h"
#include "tests/chat/conversation_fixture.h"

#include <array>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace chat_test {
namespace {

namespace json = boost::json;

constexpr std::array every_shell = {"B", "C", "D"};

bool is_response(const json::object& object) { return object.contains("proto"); }

// The response in an answer that the end marker ends.
json::object response_in(base::Result<protocol::Extraction> found, const std::string& name) {
  const auto extraction = must_be(std::move(found));
  EXPECT_TRUE(extraction.is_end_marked) << name;
  EXPECT_TRUE(is_response(extraction.value)) << name;
  return extraction.value;
}

json::object response_in(const World& w, const chat::RawReply& reply) {
  if (reply.route != "dom") {
    return response_in(protocol::extract(reply.text, w.prompt.end_marker, is_response), w.name);
  }
  protocol::SeenReply seen{.blocks = {}, .text = reply.text};
  for (const auto& block : reply.blocks) seen.blocks.push_back({block.language, block.text});
  return response_in(protocol::extract(seen, w.prompt.end_marker, is_response), w.name);
}

// The story for answers of these forms on every shell.
void on_forms(const std::vector<const char*>& forms, const std::function<Story(World&)>& story,
              chat::ChatOptions options = {}, std::string_view changes = "") {
  std::vector<Case> cases;
  for (const char* shell : every_shell) {
    for (const char* form : forms) {
      const auto knobs = fmt::format(R"({{"reply": "{}"{}}})", form, changes);
      cases.push_back({fmt::format("{} {}", shell, knobs), with(shell, knobs), story, options});
    }
  }
  in_worlds(cases);
}

// The response that the answer holds, by the route.
std::function<Story(World&)> reads_by(std::string_view route) {
  return [route](World& w) -> Story {
    const auto sent = must_be(co_await w.send());
    const auto reply = must_be(co_await w.reply(sent));
    EXPECT_EQ(reply.route, route) << w.name;
    const auto expected =
        response_in(protocol::extract(w.answer(), w.prompt.end_marker, is_response), w.name);
    EXPECT_EQ(response_in(w, reply), expected) << w.name << "\n" << reply.text;
  };
}

const std::vector<const char*> object_forms = {"no_fence", "writing_block", "nested_fence"};

TEST(Routes, ThePageTellsTheResponseInEveryForm) {
  on_forms(object_forms, reads_by("dom"), {.routes = chat::Routes::dom_only});
}

TEST(Routes, TheNetworkTellsTheResponseInEveryForm) { on_forms(object_forms, reads_by("network")); }

Story agrees(World& w) {
  const auto sent = must_be(co_await w.send());
  const auto reply = must_be(co_await w.whole_reply(sent));
  EXPECT_EQ(reply.route, "network") << w.name;
  const auto settled = must_be(co_await w.chat->settle(sent, w.prompt, reply));
  for (const auto& one : settled.differences) ADD_FAILURE() << w.name << ": " << one;
}

TEST(Routes, ThatAgreeOnCodeAreNoDifference) {
  on_forms({"valid", "prose", "several_blocks", "nested_fence", "odd_spaces"}, agrees);
}

TEST(Routes, ThatAgreeOnWordsAreNoDifference) {
  on_forms({"no_fence", "writing_block", "refusal"}, agrees);
}

// It is compared with the network, and with the page as it is in the end.
TEST(Routes, AnAnswerThatWasReadFromThePageIsComparedToo) {
  on_forms({"valid", "no_fence"}, [](World& w) -> Story {
    const auto sent = must_be(co_await w.send());
    auto reply = must_be(co_await w.whole_reply(sent));
    (void)must_be(co_await w.chat->settle(sent, w.prompt, reply));
    const auto shown = must_be(co_await w.chat->look(1)).turns.back();
    reply.route = "dom";
    reply.text = shown.text;
    reply.blocks = shown.blocks;
    const auto same = must_be(co_await w.chat->settle(sent, w.prompt, reply));
    for (const auto& one : same.differences) ADD_FAILURE() << w.name << ": " << one;

    (reply.blocks.empty() ? reply.text : reply.blocks.front().text) += "\nand more";
    const auto other = must_be(co_await w.chat->settle(sent, w.prompt, reply));
    EXPECT_EQ(other.differences.size(), 2u) << w.name;
  });
}

// The page draws another verdict than the one that came.
constexpr std::string_view other_verdict =
    R"(, "page_replaces": "\"verdict\": \"ok\"", "page_shows": "\"verdict\": \"no\"")";

std::function<Story(World&)> differs_in(std::string_view what) {
  return [what](World& w) -> Story {
    const auto sent = must_be(co_await w.send());
    const auto reply = must_be(co_await w.whole_reply(sent));
    EXPECT_EQ(reply.route, "network") << w.name;
    EXPECT_TRUE(reply.text == w.answer()) << w.name;
    const auto settled = must_be(co_await w.chat->settle(sent, w.prompt, reply));
    EXPECT_EQ(settled.differences.size(), 1u) << w.name;
    if (settled.differences.empty()) co_return;
    EXPECT_NE(settled.differences[0].find(what), std::string::npos) << settled.differences[0];
  };
}

TEST(Routes, AnotherCodeBlockOnThePageIsTold) {
  on_forms({"valid", "nested_fence"}, differs_in("another code block"), {}, other_verdict);
}

TEST(Routes, OtherWordsOnThePageAreToldWhereThereIsNoFence) {
  on_forms({"no_fence", "writing_block"}, differs_in("other words"), {}, other_verdict);
}

TEST(Routes, APageThatShowsOnlyALittleIsTold) {
  auto knobs = with("C", R"({"reply": "fixed", "page_shows": "One more. "})");
  for (int step = 0; step < 20; ++step) knobs.page_replaces += "One more step of the plan. ";
  knobs.reply_text = knobs.page_replaces + "THE-END";
  std::vector<Case> cases;
  for (const char* shell : every_shell) {
    knobs.shell = shell;
    cases.push_back({shell, knobs, differs_in("less")});
  }
  in_worlds(cases);
}

}  // namespace
}  // namespace chat_test
