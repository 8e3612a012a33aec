#include "bridge/chat/delta_stream.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace chat {
namespace {

std::string frame(std::string_view json) { return fmt::format("data: {}\n\n", json); }

std::string added(std::string_view id, std::string_view role, std::string_view text,
                  std::string_view status, std::string_view rest = "") {
  return frame(fmt::format(
      R"({{"p":"","o":"add","v":{{"message":{{"id":"{}","author":{{"role":"{}"}},)"
      R"("content":{{"content_type":"text","parts":["{}"]}},"status":"{}","recipient":"all",)"
      R"("metadata":{{}}{}}},"conversation_id":"c-1"}},"c":1}})",
      id, role, text, status, rest));
}

const std::string hello = "event: delta_encoding\ndata: \"v1\"\n\n";
const std::string question = added("u-1", "user", "ask", "finished_successfully");
const std::string terminal =
    frame(R"({"p":"","o":"patch","v":[{"p":"/message/content/parts/0","o":"append","v":"!"},)"
          R"({"p":"/message/status","o":"replace","v":"finished_successfully"},)"
          R"({"p":"/message/end_turn","o":"replace","v":true},)"
          R"({"p":"/message/metadata","o":"append","v":{"finish_details":{"type":"stop"}}}]})");

DeltaStream read(std::string_view text) {
  DeltaStream stream;
  stream.feed(text);
  return stream;
}

TEST(DeltaStream, LastCharactersOfTheTerminalPatchBelongToTheAnswer) {
  const auto stream = read(hello + question + added("a-1", "assistant", "", "in_progress") +
                           frame(R"({"p":"/message/content/parts/0","o":"append","v":"Hel"})") +
                           frame(R"({"v":"lo"})") + terminal);

  ASSERT_NE(stream.answer(), nullptr);
  EXPECT_EQ(stream.answer()->text, "Hello!");
  EXPECT_TRUE(stream.answer()->is_finished());
  EXPECT_EQ(stream.answer()->finish, "stop");
  EXPECT_FALSE(stream.is_damaged());
}

TEST(DeltaStream, CutsAnywhereGiveTheSameText) {
  const std::string bytes = hello + question + added("a-1", "assistant", "", "in_progress") +
                            frame(R"({"v":"Gr\u00fc\u00df"})") +
                            frame("{\"v\":\" \u65e5\u672c\"}") + terminal;
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    DeltaStream stream;
    stream.feed(std::string_view(bytes).substr(0, cut));
    stream.feed(std::string_view(bytes).substr(cut));
    ASSERT_NE(stream.answer(), nullptr) << cut;
    ASSERT_EQ(stream.answer()->text, "Grüß 日本!") << cut;
  }
}

TEST(DeltaStream, FinishedEchoesToolsAndThoughtsAreNoAnswer) {
  const auto stream =
      read(hello + added("s-1", "system", "", "finished_successfully", R"(,"end_turn":true)") +
           question + added("t-1", "tool", "42", "finished_successfully", R"(,"end_turn":true)") +
           added("x-1", "assistant", "plan", "finished_successfully",
                 R"(,"end_turn":true,"channel":"commentary")") +
           added("y-1", "assistant", "code", "finished_successfully",
                 R"(,"end_turn":true,"metadata":{"is_visually_hidden_from_conversation":true})"));

  EXPECT_EQ(stream.answer(), nullptr);
  EXPECT_EQ(stream.input_id(), "u-1");
}

TEST(DeltaStream, AnAnswerToSomebodyElsesQuestionIsNotOurs) {
  const auto stream = read(
      hello + question + added("u-2", "user", "other", "finished_successfully") +
      added("a-2", "assistant", "theirs", "in_progress", R"(,"metadata":{"parent_id":"u-2"})"));

  EXPECT_EQ(stream.answer(), nullptr);
}

TEST(DeltaStream, AHiddenMessageBetweenTheQuestionAndItsAnswerIsNobodysQuestion) {
  const auto stream =
      read(hello + question +
           added("h-1", "user", "context", "finished_successfully",
                 R"(,"metadata":{"is_visually_hidden_from_conversation":true,"parent_id":"u-1"})") +
           added("a-1", "assistant", "ours", "in_progress", R"(,"metadata":{"parent_id":"h-1"})"));

  ASSERT_NE(stream.answer(), nullptr);
  EXPECT_EQ(stream.answer()->text, "ours");
  EXPECT_EQ(stream.input_id(), "u-1");
}

TEST(DeltaStream, TruncateCutsCharactersAndReplaceStartsOver) {
  const auto stream = read(hello + added("a-1", "assistant", "Grü", "in_progress") +
                           frame(R"({"p":"/message/content/parts/0","o":"truncate","v":2})") +
                           frame(R"({"o":"append","v":"!"})"));
  EXPECT_EQ(stream.answer()->text, "G!");

  const auto replaced =
      read(hello + added("a-1", "assistant", "draft", "in_progress") +
           frame(R"({"p":"/message/content/parts/0","o":"replace","v":"final"})"));
  EXPECT_EQ(replaced.answer()->text, "final");
}

TEST(DeltaStream, ReplayedSlicesAfterAHandOffDoNotDoubleTheText) {
  DeltaStream stream;
  const std::string start =
      hello + question + added("a-1", "assistant", "", "in_progress") + frame(R"({"v":"Hel"})");
  stream.feed(start + frame(R"({"type":"stream_handoff","topic":"conversation-turn-1"})"));
  ASSERT_TRUE(stream.is_handed_off());

  stream.feed_item(start, std::nullopt);
  stream.feed_item(frame(R"({"v":"lo"})") + terminal, std::nullopt);

  EXPECT_EQ(stream.answer()->text, "Hello!");
}

TEST(DeltaStream, TheEndOfTheFirstConnectionMayComeInTheMiddleOfASlice) {
  DeltaStream stream;
  stream.feed(hello + question + added("a-1", "assistant", "", "in_progress") +
              frame(R"({"type":"stream_handoff","topic":"conversation-turn-1"})") + "data: [DO");
  stream.feed_item("data: {\"v\":\"He", std::nullopt);
  stream.feed("NE]\n\n");
  stream.feed_item("llo\"}\n\n", std::nullopt);

  EXPECT_EQ(stream.answer()->text, "Hello");
  EXPECT_FALSE(stream.is_damaged());
}

TEST(DeltaStream, KnownSequenceNumbersAreDropped) {
  DeltaStream stream;
  stream.feed(hello + added("a-1", "assistant", "", "in_progress"));
  for (const std::uint64_t sequence : {0u, 1u, 0u, 1u, 2u}) {
    stream.feed_item(frame(fmt::format(R"({{"v":"{}"}})", sequence)), sequence);
  }
  EXPECT_EQ(stream.answer()->text, "012");
  EXPECT_FALSE(stream.is_damaged());
}

TEST(DeltaStream, ASkippedSequenceNumberIsAHoleAndTheTextProvesNothing) {
  const auto after = [](const std::vector<std::uint64_t>& sequences) {
    DeltaStream stream;
    stream.feed(hello + added("a-1", "assistant", "", "in_progress"));
    for (const auto sequence : sequences) stream.feed_item(frame(R"({"v":"x"})"), sequence);
    EXPECT_EQ(stream.is_damaged(), stream.has_hole());
    return stream.has_hole();
  };
  EXPECT_FALSE(after({7, 8, 9})) << "numbers may begin anywhere";
  EXPECT_FALSE(after({7, 8, 7, 8, 9})) << "repeated after a reconnection";
  EXPECT_TRUE(after({7, 9}));
  EXPECT_TRUE(after({0, 2, 1})) << "what comes late stands at the wrong place";
}

TEST(DeltaStream, AHandOffNamesItsTopicItselfOrAmongItsWays) {
  const auto topic = [](std::string_view words) {
    return read(frame(fmt::format(R"({{"type":"stream_handoff",{}}})", words))).handoff_topic();
  };
  EXPECT_EQ(topic(R"("topic":"turn-1")"), "turn-1");
  EXPECT_EQ(topic(R"("topic_id":"turn-1")"), "turn-1");
  EXPECT_EQ(topic(R"("options":[7,{"type":"resume"},{"type":"ws","topic_id":"turn-1"}])"),
            "turn-1");
  EXPECT_EQ(topic(R"("options":{})"), "");
}

TEST(DeltaStream, AChangeOfNothingIsDamage) {
  EXPECT_TRUE(read(hello + frame(R"({"v":"lost"})")).is_damaged());
  EXPECT_TRUE(read("event: delta_encoding\ndata: \"v2\"\n\n").is_damaged());
  EXPECT_TRUE(read(frame("{broken")).is_damaged());
  EXPECT_TRUE(read(hello + added("a", "assistant", "x", "in_progress") +
                   frame(R"({"p":"/message/content/parts/7","o":"append","v":"hole"})"))
                  .is_damaged());
}

// What is not understood must not leave a shorter or longer text that looks whole.
TEST(DeltaStream, AChangeOfTheTextThatIsNotUnderstoodIsDamage) {
  const auto is_damaged_by = [](std::string_view change) {
    return read(hello + added("a-1", "assistant", "Hello", "in_progress") + frame(change))
        .is_damaged();
  };
  EXPECT_TRUE(is_damaged_by(R"({"p":"/message/content/parts/0","o":"insert","v":"x"})"));
  EXPECT_TRUE(is_damaged_by(R"({"p":"/message/content/parts/0","o":"remove"})"));
  EXPECT_TRUE(is_damaged_by(R"({"p":"/message/content/parts","o":"append","v":["more"]})"));
  EXPECT_TRUE(is_damaged_by(R"({"p":"/message/content/text","o":"insert","v":"x"})"));
  EXPECT_FALSE(is_damaged_by(R"({"p":"/message/metadata/safe_urls","o":"remove"})"));
  EXPECT_FALSE(is_damaged_by(R"({"p":"/message/metadata/safe_urls","o":"append","v":["x"]})"));
}

TEST(DeltaStream, ATextWithoutPartsGrowsAndShrinksToo) {
  const std::string code =
      frame(R"({"p":"","o":"add","v":{"message":{"id":"t-1","author":{"role":"assistant"},)"
            R"("content":{"content_type":"code","text":"pow"},"recipient":"python"}}})");
  const auto change = [](std::string_view words) {
    return frame(fmt::format(R"({{"p":"/message/content/text",{}}})", words));
  };
  const auto stream = read(hello + code + change(R"("o":"append","v":" of 7, 9")") +
                           change(R"("o":"truncate","v":1)") + change(R"("o":"append","v":"8")"));

  ASSERT_EQ(stream.messages().size(), 1u);
  EXPECT_EQ(stream.messages().front().text, "pow of 7, 8");
  EXPECT_FALSE(stream.is_damaged());
}

TEST(DeltaStream, ModerationAndErrorFramesAreTold) {
  EXPECT_TRUE(read(frame(R"({"type":"moderation","moderation_response":{"blocked":true}})"))
                  .is_moderated());
  EXPECT_EQ(read(frame(R"({"type":"error","message":"too busy"})")).error(), "too busy");
  EXPECT_TRUE(read("data: [DONE]\n\n").is_complete());
}

TEST(Sse, LineEndsOfEveryKindAndCommentsAreRead) {
  std::vector<std::string> seen;
  SseParser parser;
  const auto sink = [&](const SseEvent& event) { seen.push_back(event.name + "=" + event.data); };
  for (const char c :
       std::string("\xEF\xBB\xBF: hi\r\nevent: a\r\ndata: 1\rdata:2\n\nid: 7\ndata\n\n")) {
    parser.feed(std::string_view(&c, 1), sink);
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"a=1\n2", "message="}));
}

}  // namespace
}  // namespace chat
