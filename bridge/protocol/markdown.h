// The code blocks of a Markdown text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace protocol {

struct CodeBlock {
  bool is_fenced = false;
  bool is_closed = true;  // false for a fence that runs to the end of its container
  std::string language;   // the first word of the info string, in lower case
  std::string text;
  int line = 1;  // of the block's first line of text
};

struct MarkdownParts {
  std::vector<CodeBlock> blocks;  // at most limits::reply_blocks_max
  // The text with the lines of fenced blocks blanked, so that line numbers stay.
  std::string outside_fences;
};

MarkdownParts markdown_parts(std::string_view markdown);

}  // namespace protocol
