#include "bridge/protocol/markdown.h"

#include "bridge/base/limits.h"
#include "bridge/base/result.h"

#include <memory>

#include <cmark-gfm.h>

namespace protocol {
namespace {

struct Free {
  void operator()(cmark_node* node) const { cmark_node_free(node); }
  void operator()(cmark_iter* iterator) const { cmark_iter_free(iterator); }
};

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::string language_of(std::string_view info) {
  std::string word(info.substr(0, info.find_first_of(" \t{")));
  for (char& c : word) {
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  }
  return word;
}

// True if the block's last line is its closing fence. cmark counts that line to the block.
bool is_closed(cmark_node* node, int fence_length, char fence,
               const std::vector<std::string_view>& lines) {
  const int last = cmark_node_get_end_line(node);
  if (last <= cmark_node_get_start_line(node) || std::size_t(last) > lines.size()) return false;
  std::string_view line = lines[std::size_t(last) - 1];
  const std::size_t end = line.find_last_not_of(" \t\r");
  if (end == std::string_view::npos) return false;
  line = line.substr(0, end + 1);
  const std::size_t before = line.find_last_not_of(fence);
  const std::size_t run = before == std::string_view::npos ? line.size() : line.size() - before - 1;
  // Only the marks of containing quotes and lists may stand before it.
  return run >= std::size_t(fence_length) &&
         line.substr(0, line.size() - run).find_first_not_of(" \t>") == std::string_view::npos;
}

}  // namespace

MarkdownParts markdown_parts(std::string_view markdown) {
  MarkdownParts parts;
  const std::unique_ptr<cmark_node, Free> root(
      cmark_parse_document(markdown.data(), markdown.size(), CMARK_OPT_DEFAULT));
  BRIDGE_ASSERT(root);
  std::vector<std::string_view> lines = split_lines(markdown);
  std::vector<bool> is_blanked(lines.size(), false);
  const std::unique_ptr<cmark_iter, Free> walk(cmark_iter_new(root.get()));
  while (cmark_iter_next(walk.get()) != CMARK_EVENT_DONE) {
    cmark_node* node = cmark_iter_get_node(walk.get());
    if (cmark_node_get_type(node) != CMARK_NODE_CODE_BLOCK) continue;
    if (parts.blocks.size() == limits::reply_blocks_max) break;
    CodeBlock block;
    int length = 0;
    int offset = 0;
    char fence = 0;
    block.is_fenced = cmark_node_get_fenced(node, &length, &offset, &fence) != 0;
    block.text = cmark_node_get_literal(node);
    block.line = cmark_node_get_start_line(node);
    if (block.is_fenced) {
      ++block.line;
      block.language = language_of(cmark_node_get_fence_info(node));
      block.is_closed = is_closed(node, length, fence, lines);
      for (int line = cmark_node_get_start_line(node); line <= cmark_node_get_end_line(node);
           ++line) {
        if (std::size_t(line) <= lines.size()) is_blanked[std::size_t(line) - 1] = true;
      }
    }
    parts.blocks.push_back(std::move(block));
  }
  parts.outside_fences.reserve(markdown.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!is_blanked[i]) parts.outside_fences += lines[i];
    parts.outside_fences += '\n';
  }
  return parts;
}

}  // namespace protocol
