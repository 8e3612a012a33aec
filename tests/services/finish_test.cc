#include "bridge/services/finish.h"

#include "bridge/protocol/message_types.h"

#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace services {
namespace {

std::string example(const std::string& name) {
  std::ifstream in(std::string(SOURCE_DIR) + "/fixtures/packets/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

protocol::Packet packet() {
  static const auto types = protocol::MessageTypes::built_in();
  auto parsed = protocol::Packet::parse(example("spec-lock.json"), types);
  EXPECT_TRUE(parsed);
  return *parsed;
}

std::string valid_answer() {
  return fmt::format("```json\n{}\n```\nEND\n", example("replies/spec-lock.json"));
}

TEST(ReplyFinish, IsReachedAtTheLastCharacterAndNotBefore) {
  const auto asked = packet();
  std::string text = valid_answer();
  text.replace(text.find("END\n"), 4, "FLYWHEEL-END-1");
  ReplyFinish finish(asked, "FLYWHEEL-END-1");
  for (std::size_t size = 1; size < text.size(); size += 7) {
    EXPECT_FALSE(finish.is_reached(std::string_view(text).substr(0, size))) << size;
  }
  EXPECT_TRUE(finish.is_reached(text));
}

TEST(ReplyFinish, GivesTheAnswerThatReachedTheLineOnceAndForThatTextOnly) {
  const auto asked = packet();
  std::string text = valid_answer();
  text.replace(text.find("END\n"), 4, "FLYWHEEL-END-1");
  ReplyFinish finish(asked, "FLYWHEEL-END-1");
  EXPECT_FALSE(finish.take({.text = text}));
  ASSERT_TRUE(finish.is_reached(text));
  EXPECT_FALSE(finish.take({.text = text + " and more"}));
  EXPECT_FALSE(finish.take({.text = text, .blocks = {{"json", "{}"}}}));
  EXPECT_TRUE(finish.take({.text = text}));
  EXPECT_FALSE(finish.take({.text = text}));
}

TEST(ReplyFinish, IsReachedByAValidAnswerBehindOneThatIsNot) {
  const auto asked = packet();
  std::string valid = valid_answer();
  valid.replace(valid.find("END\n"), 4, "FLYWHEEL-END-1");
  std::string text = "```json\n{\"a\": 1}\n```\nFLYWHEEL-END-1";
  ReplyFinish finish(asked, "FLYWHEEL-END-1");
  EXPECT_FALSE(finish.is_reached(text));
  EXPECT_FALSE(finish.is_reached(text += "\n\n"));
  EXPECT_TRUE(finish.is_reached(text += valid));
  EXPECT_TRUE(finish.take({.text = text}));
}

TEST(ReplyFinish, ATextThatBecameShorterIsReadAnew) {
  const auto asked = packet();
  std::string text = valid_answer();
  text.replace(text.find("END\n"), 4, "FLYWHEEL-END-1");
  ReplyFinish finish(asked, "FLYWHEEL-END-1");
  EXPECT_FALSE(finish.is_reached(text + "and more prose that will be taken back"));
  EXPECT_TRUE(finish.is_reached(text));
}

}  // namespace
}  // namespace services
