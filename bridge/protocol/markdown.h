// The code blocks of a Markdown text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace protocol {

struct CodeBlock {
  bool is_fenced = false;
  bool is_closed = true;  // false for a fence that runs to the end of its container
  std::string language;   // the first word of the info string, in lower case
  std::string text;       // every line ends with a line feed
  int line = 1;           // of the block's first line of text
};

struct MarkdownParts {
  std::vector<CodeBlock> blocks;  // at most limits::reply_blocks_max
  // The text with the lines of fenced blocks blanked, so that line numbers stay.
  std::string outside_fences;
  // Bytes read and blocks looked at, for the test of the promise below.
  std::size_t steps = 0;
};

// Reads the block structure of CommonMark and nothing of what stands inside of paragraphs: work and
// memory are linear in the text, whatever it is. Two things differ from the book: a quote or list
// nested deeper than limits::markdown_depth_max is text, and so is a link reference definition.
// See Markdown.WorkIsLinearForEveryKindOfText and Markdown.FindsTheBlocksThatCmarkFinds.
MarkdownParts markdown_parts(std::string_view markdown);

}  // namespace protocol
