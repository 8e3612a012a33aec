#include "bridge/chat/comparison.h"

#include "bridge/base/ascii.h"

#include <algorithm>

namespace chat {
namespace {

// The lines without white space and quote marks around them, and without empty ones at the ends.
std::string lines_of(std::string_view text) {
  constexpr std::string_view around = " \t\r>";
  std::string lines;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line.remove_prefix(std::min(line.find_first_not_of(around), line.size()));
    line = line.substr(0, line.find_last_not_of(around) + 1);
    if (!lines.empty() || !line.empty()) lines.append(line).push_back('\n');
  }
  lines.resize(lines.find_last_not_of('\n') + 1);
  return lines;
}

// Letters and digits of every script, without what stands between them.
std::string letters_of(std::string_view text) {
  constexpr std::string_view no_break_space = "\u00a0";
  std::string letters;
  letters.reserve(text.size());
  while (!text.empty()) {
    if (text.starts_with(no_break_space)) {
      text.remove_prefix(no_break_space.size());
      continue;
    }
    const auto byte = static_cast<unsigned char>(text.front());
    if (byte >= 0x80 || base::is_alphanumeric(byte)) letters.push_back(text.front());
    text.remove_prefix(1);
  }
  return letters;
}

bool comes_within(std::string_view part, std::string_view whole) {
  for (const char letter : whole) {
    if (part.starts_with(letter)) part.remove_prefix(1);
  }
  return part.empty();
}

bool is_partial(const std::vector<CodeBlock>& blocks) {
  return std::ranges::any_of(blocks, &CodeBlock::partial);
}

// A page draws the sources of an answer as it likes.
bool cites(std::string_view markdown) {
  constexpr std::string_view citation_begins = "\ue200";
  return markdown.contains(citation_begins);
}

std::string all_letters(const std::string& text, const std::vector<CodeBlock>& blocks) {
  std::string letters = letters_of(text);
  for (const auto& block : blocks) letters += letters_of(block.text);
  return letters;
}

std::vector<std::string> code_of(const std::vector<CodeBlock>& blocks) {
  std::vector<std::string> code;
  for (const auto& block : blocks) code.push_back(lines_of(block.text));
  return code;
}

}  // namespace

std::vector<std::string> differences(const Turn& shown, std::string_view markdown) {
  std::vector<std::string> found;
  const std::string answer = lines_of(markdown);
  const bool is_other_code = std::ranges::any_of(shown.blocks, [&](const CodeBlock& block) {
    return !block.partial && !answer.contains(lines_of(block.text));
  });
  if (is_other_code) {
    found.emplace_back("the page shows another code block than the network brought");
  }
  const std::string letters = letters_of(markdown);
  if (shown.blocks.empty() && !cites(markdown) && !comes_within(letters_of(shown.text), letters)) {
    found.emplace_back("the page shows other words than the network brought");
  }
  // Addresses of links and the like are not shown, but they are not the half of an answer.
  constexpr std::size_t undrawn = 32;  // the name of a block's language, the opening of a document
  const std::size_t drawn = all_letters(shown.text, shown.blocks).size() + undrawn;
  const bool is_less = 2 * drawn < letters.size();
  if (is_less && !is_partial(shown.blocks) && !cites(markdown)) {
    found.emplace_back("the page shows less than the network brought");
  }
  return found;
}

std::vector<std::string> changes(const RawReply& read, const Turn& shown) {
  if (is_partial(read.blocks) || is_partial(shown.blocks)) return {};
  const bool is_same = code_of(read.blocks) == code_of(shown.blocks) &&
                       letters_of(read.text) == letters_of(shown.text);
  if (is_same) return {};
  return {"the page shows another answer than the one that was accepted"};
}

}  // namespace chat
