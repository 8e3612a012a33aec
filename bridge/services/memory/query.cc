#include "bridge/services/memory/query.h"

#include "bridge/services/memory/memory_limits.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace services::memory {

using base::Code;

namespace {

// Control characters cannot be looked for, and a NUL would end the text for SQLite.
bool is_space(char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; }

bool is_ascii_letter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// The code point at `at`, and moves behind it. `text` is valid UTF-8.
char32_t next(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  char32_t point = first < 0xE0 ? first & 0x1F : first < 0xF0 ? first & 0x0F : first & 0x07;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) {
    point = (point << 6) | (static_cast<unsigned char>(text[at++]) & 0x3F);
  }
  return point;
}

// Beyond ASCII, where the blocks of punctuation, symbols and emoji lie; all else counts as letters,
// which at worst finds nothing.
bool is_sign(char32_t point) {
  static constexpr std::array<std::pair<char32_t, char32_t>, 10> blocks = {{
      {0x80, 0xA9},
      {0xAB, 0xB1},
      {0xBB, 0xBB},
      {0xBF, 0xBF},
      {0x2000, 0x206F},
      {0x2190, 0x2BFF},
      {0x3000, 0x3004},
      {0x3008, 0x3020},
      {0xFE10, 0xFE6F},
      {0x1F000, 0x1FAFF},
  }};
  return std::ranges::any_of(
      blocks, [point](const auto& block) { return block.first <= point && point <= block.second; });
}

std::size_t letters_in(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t point = next(text, at);
    const bool is_letter =
        point < 0x80 ? is_ascii_letter(static_cast<char>(point)) : !is_sign(point);
    if (is_letter) ++count;
  }
  return count;
}

// Every phrase of the text, those without letters too.
std::vector<Phrase> split(std::string_view text) {
  std::vector<Phrase> found;
  std::size_t at = 0;
  while (at < text.size()) {
    if (is_space(text[at])) {
      ++at;
      continue;
    }
    // A quote without an end reaches to the end.
    const bool is_quoted = text[at] == '"';
    const std::size_t begin = is_quoted ? at + 1 : at;
    std::size_t end = begin;
    while (end < text.size() && (is_quoted ? text[end] != '"' : !is_space(text[end]))) ++end;
    std::string words(text.substr(begin, end - begin));
    std::ranges::replace_if(words, is_space, ' ');
    found.push_back({std::move(words)});
    at = is_quoted ? end + 1 : end;
  }
  return found;
}

}  // namespace

base::Result<Query> Query::parse(std::string_view text) {
  if (text.size() > limits::memory_query_bytes_max) {
    return base::fail(Code::invalid, fmt::format("must have at most {} bytes, but has {}",
                                                 limits::memory_query_bytes_max, text.size()));
  }
  auto phrases = split(text);
  if (!phrases.empty() && !text.ends_with('"') && phrases.back().text.ends_with('*')) {
    auto& last = phrases.back();
    last.text.erase(last.text.find_last_not_of('*') + 1);
    last.is_prefix = letters_in(last.text) > 0;
    if (last.is_prefix && letters_in(last.text) < limits::memory_prefix_letters_min) {
      return base::fail(Code::invalid,
                        fmt::format("\"{}*\" is too short: give at least {} letters before the *",
                                    last.text, limits::memory_prefix_letters_min));
    }
  }
  std::erase_if(phrases, [](const Phrase& phrase) { return letters_in(phrase.text) == 0; });
  if (phrases.empty()) {
    return base::fail(Code::invalid, "must hold a letter or a digit to look for");
  }
  if (phrases.size() > limits::memory_query_words_max) {
    return base::fail(Code::invalid, fmt::format("must have at most {} words, but has {}",
                                                 limits::memory_query_words_max, phrases.size()));
  }
  return Query(std::move(phrases));
}

}  // namespace services::memory
