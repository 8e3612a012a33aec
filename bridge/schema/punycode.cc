#include "bridge/schema/punycode.h"

#include <algorithm>
#include <cstdint>

namespace schema {
namespace {

constexpr std::uint32_t base = 36, t_min = 1, t_max = 26, skew = 38, damp = 700;
constexpr std::uint32_t label_points_max = 256;

std::uint32_t threshold(std::uint32_t k, std::uint32_t bias) {
  return k <= bias ? t_min : std::min(k - bias, t_max);
}

std::uint32_t adapted(std::uint64_t delta, std::uint32_t points, bool is_first) {
  delta = is_first ? delta / damp : delta / 2;
  delta += delta / points;
  std::uint32_t k = 0;
  for (; delta > ((base - t_min) * t_max) / 2; k += base) delta /= base - t_min;
  return k + static_cast<std::uint32_t>((base - t_min + 1) * delta / (delta + skew));
}

int digit(char c) {
  if (c >= 'a' && c <= 'z') return c - 'a';
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= '0' && c <= '9') return c - '0' + 26;
  return -1;
}

}  // namespace

std::optional<std::u32string> punycode_decoded(std::string_view text) {
  if (text.empty() || text.size() > label_points_max) return std::nullopt;
  std::u32string out;
  if (const auto hyphen = text.rfind('-'); hyphen != text.npos) {
    for (unsigned char c : text.substr(0, hyphen)) {
      if (c >= 0x80) return std::nullopt;
      out += c;
    }
    text.remove_prefix(hyphen + 1);
  }
  std::uint32_t bias = 72;
  std::uint64_t point = 128;
  std::uint64_t index = 0;
  while (!text.empty()) {
    const std::uint64_t before = index;
    std::uint64_t weight = 1;
    for (std::uint32_t k = base;; k += base) {
      if (text.empty()) return std::nullopt;
      const int value = digit(text.front());
      if (value < 0) return std::nullopt;
      text.remove_prefix(1);
      index += static_cast<std::uint64_t>(value) * weight;
      if (index > 0x7FFFFFFF) return std::nullopt;
      const std::uint32_t t = threshold(k, bias);
      if (static_cast<std::uint32_t>(value) < t) break;
      weight *= base - t;
      if (weight > 0x7FFFFFFF) return std::nullopt;
    }
    const auto points = static_cast<std::uint32_t>(out.size() + 1);
    bias = adapted(index - before, points, before == 0);
    point += index / points;
    index %= points;
    if (point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return std::nullopt;
    out.insert(static_cast<std::size_t>(index), 1, static_cast<char32_t>(point));
    ++index;
  }
  return out;
}

std::size_t punycode_size(std::u32string_view label) {
  std::size_t size =
      static_cast<std::size_t>(std::ranges::count_if(label, [](char32_t c) { return c < 0x80; }));
  auto done = static_cast<std::uint32_t>(size);
  if (size > 0) ++size;  // the delimiter
  const std::uint32_t basic = done;
  std::uint32_t bias = 72;
  std::uint64_t delta = 0;
  for (char32_t point = 128; done < label.size(); ++point, ++delta) {
    char32_t next = 0x10FFFF;
    for (char32_t c : label) {
      if (c >= point) next = std::min(next, c);
    }
    delta += std::uint64_t{next - point} * (done + 1);
    point = next;
    for (char32_t c : label) {
      if (c < point) ++delta;
      if (c != point) continue;
      std::uint64_t rest = delta;
      for (std::uint32_t k = base;; k += base) {
        const std::uint32_t t = threshold(k, bias);
        ++size;
        if (rest < t) break;
        rest = (rest - t) / (base - t);
      }
      bias = adapted(delta, done + 1, done == basic);
      delta = 0;
      ++done;
    }
  }
  return size;
}

}  // namespace schema
