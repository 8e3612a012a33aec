#include "bridge/protocol/markdown.h"

#include "bridge/base/limits.h"

#include <array>
#include <memory>
#include <random>

#include <cmark-gfm.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace protocol {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string told(bool is_fenced, int line, std::string_view text) {
  return fmt::format("{} from line {}: {}", is_fenced ? "fenced" : "indented", line, text);
}

std::vector<std::string> found_in(std::string_view markdown) {
  std::vector<std::string> out;
  for (const auto& block : markdown_parts(markdown).blocks) {
    out.push_back(told(block.is_fenced, block.line, block.text));
  }
  return out;
}

std::vector<std::string> found_by_cmark(std::string_view markdown) {
  const std::unique_ptr<cmark_node, decltype(&cmark_node_free)> root(
      cmark_parse_document(markdown.data(), markdown.size(), CMARK_OPT_DEFAULT), &cmark_node_free);
  const std::unique_ptr<cmark_iter, decltype(&cmark_iter_free)> walk(cmark_iter_new(root.get()),
                                                                     &cmark_iter_free);
  std::vector<std::string> out;
  while (cmark_iter_next(walk.get()) != CMARK_EVENT_DONE) {
    cmark_node* node = cmark_iter_get_node(walk.get());
    if (cmark_node_get_type(node) != CMARK_NODE_CODE_BLOCK) continue;
    int length = 0;
    int offset = 0;
    char mark = 0;
    const bool is_fenced = cmark_node_get_fenced(node, &length, &offset, &mark) != 0;
    const int line = cmark_node_get_start_line(node) + (is_fenced ? 1 : 0);
    out.push_back(told(is_fenced, line, cmark_node_get_literal(node)));
  }
  return out;
}

// Whatever begins, continues or ends a block, in any order. A few pieces are favoured in each text,
// so that what they build together grows deep.
std::string some_text(std::uint64_t seed) {
  constexpr auto pieces =
      std::to_array<std::string_view>({"\n",        "\n\n",      " ",
                                       "  ",        "    ",      "\t",
                                       "> ",        ">",         "- ",
                                       "* ",        "+ ",        "-",
                                       "*",         "1. ",       "2) ",
                                       "10. ",      "1.\t",      "-\t",
                                       "```",       "~~~",       "````",
                                       "`",         "~",         "```json",
                                       "---",       "===",       "=",
                                       "***",       "_",         "# ",
                                       "###",       "#a",        "a",
                                       "b c",       "{\"a\":1}", "<div>",
                                       "</p>",      "<!--",      "-->",
                                       "<?",        "?>",        "<!A",
                                       "]]>",       "<b>",       "<pre",
                                       "</pre>",    "<x",        "/>",
                                       "=\"",       "'",         "   ",
                                       "      ",    "<hr/>",     "<SCRIPT>",
                                       "</script>", "<![CDATA[", "<a href=\"x\" b>"});
  std::mt19937_64 random(seed);
  const auto any = [&] { return pieces[random() % pieces.size()]; };
  std::array<std::string_view, 6> favoured;
  for (auto& piece : favoured) piece = any();
  std::string text;
  for (std::size_t left = 1 + random() % 40; left > 0; --left) {
    const auto choice = random() % 9;
    text += choice < 6 ? favoured[random() % favoured.size()]
                       : (choice == 6 ? pieces[random() % 2] : any());
  }
  return text;
}

TEST(Markdown, FindsTheBlocksThatCmarkFinds) {
  std::size_t blocks = 0;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    const std::string text = some_text(seed);
    const auto found = found_in(text);
    ASSERT_EQ(found, found_by_cmark(text)) << "seed " << seed << ":\n" << text;
    blocks += found.size();
  }
  EXPECT_GT(blocks, 2000u);
}

TEST(Markdown, WorkIsLinearForEveryKindOfText) {
  constexpr std::size_t bytes = 1u << 17;
  constexpr std::size_t steps_a_byte_max = limits::markdown_depth_max + 4;
  const auto expect_linear = [](const std::string& text) {
    EXPECT_LE(markdown_parts(text).steps, steps_a_byte_max * text.size()) << text.substr(0, 40);
  };
  for (const std::string_view piece :
       {"<!--", "a<!--", "![l",     "[",       "[a]: x\n",   "*a ",     "**",  "_a ",
        "&",    "<",     "<a ",     "<a b=\"", "`",          "~",       "` ",  ">",
        "> ",   "- ",    "-\t",     "* ",      "1. ",        "-\n",     ">\n", "\n",
        "a\n",  "a\n\n", "    a\n", "```\n",   "~~~\n```\n", "<pre>\n", "</",  "# ",
        "|a",   "\t",    " ",       "\\",      "\r",         "a\n===\n"}) {
    expect_linear(repeated(piece, bytes / piece.size()));
    expect_linear("a" + repeated(piece, bytes / piece.size()));
  }
  expect_linear(repeated("- ", bytes / 4) + repeated("\n", bytes / 2));
  expect_linear(repeated("> ", bytes / 4) + repeated("\na", bytes / 4));
  std::string staircase;
  for (std::size_t depth = 0; staircase.size() < bytes / 2; ++depth) {
    staircase += std::string(2 * depth, ' ') + "- a\n";
  }
  expect_linear(staircase + repeated("\n", bytes / 2));
}

TEST(Markdown, NestsAsDeepAsItMayAndTakesTheRestForText) {
  const std::string deep = repeated("> ", limits::markdown_depth_max);
  EXPECT_THAT(found_in(deep + "```\n" + deep + "{}\n"), ElementsAre("fenced from line 2: {}\n"));
  EXPECT_THAT(found_in(deep + "> ```\n" + deep + "> {}\n"), IsEmpty());
  EXPECT_THAT(found_in(deep + "> a\n\n```\n{}\n"), ElementsAre("fenced from line 4: {}\n"));
}

TEST(Markdown, AFenceIsClosedByAFenceOfItsOwnContainer) {
  const auto is_closed = [](std::string_view markdown) {
    return markdown_parts(markdown).blocks.at(0).is_closed;
  };
  EXPECT_TRUE(is_closed("```\na\n```"));
  EXPECT_TRUE(is_closed("> ```\n> a\n> ````  \nb"));
  EXPECT_FALSE(is_closed("```\na\n> ```"));
  EXPECT_FALSE(is_closed("````\na\n```"));
  EXPECT_FALSE(is_closed("```\na\n~~~"));
  EXPECT_FALSE(is_closed("```\na\n    ```"));
  EXPECT_FALSE(is_closed("> ```\n> a\n```"));
}

TEST(Markdown, TheLinesOfFencedBlocksAloneAreBlanked) {
  EXPECT_EQ(markdown_parts("a\n```json\n{}\n```\n\n    {}\n> ~~~\n> b\nc").outside_fences,
            "a\n\n\n\n\n    {}\n\n\nc\n");
  EXPECT_EQ(markdown_parts("a\r\n```\r\nb\r```\rc").outside_fences, "a\n\n\n\nc\n");
}

TEST(Markdown, TheLanguageIsTheFirstWordInLowerCase) {
  const auto language = [](std::string_view markdown) {
    return markdown_parts(markdown).blocks.at(0).language;
  };
  EXPECT_EQ(language("\xEF\xBB\xBF```JSON\n"), "json");
  EXPECT_EQ(language("~~~  json{1,2} `x`\n"), "json");
  EXPECT_EQ(language("```\t\n"), "");
}

TEST(Markdown, BlocksBeyondTheMostThatAreReadStayInTheText) {
  const auto parts = markdown_parts(repeated("```\n{}\n```\n", limits::reply_blocks_max + 1));
  EXPECT_EQ(parts.blocks.size(), limits::reply_blocks_max);
  EXPECT_EQ(parts.outside_fences, repeated("\n", 3 * limits::reply_blocks_max) + "```\n{}\n```\n");
}

}  // namespace
}  // namespace protocol
