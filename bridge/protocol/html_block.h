// Where a block of HTML begins and ends in a Markdown text. Inside of one a fence is no fence.
#pragma once

#include <optional>
#include <string_view>

namespace protocol {

// The seven kinds of CommonMark, in its order.
enum class HtmlBlock { raw, comment, instruction, declaration, cdata, element, tag };

// The kind that begins with this line, which is given from its first character that is no space.
// `tag`, a line that holds one tag alone, cannot interrupt a paragraph.
std::optional<HtmlBlock> html_block_in(std::string_view line, bool is_in_paragraph);

// True if the block ends with this line. An `element` and a `tag` end before a blank line instead.
bool ends_html_block(HtmlBlock kind, std::string_view line);

}  // namespace protocol
