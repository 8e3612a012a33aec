// Which items or members of a value some keyword has looked at, for `unevaluated*`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace schema {

class Evaluated {
 public:
  explicit Evaluated(std::size_t size) : words_((size + 63) / 64) {
    if (words_ > few_.size()) many_.resize(words_);
  }

  void mark(std::size_t index) { word(index / 64) |= bit(index); }
  void mark_all() {
    for (std::size_t i = 0; i < words_; ++i) word(i) = ~std::uint64_t{0};
  }
  bool is_marked(std::size_t index) const { return (word(index / 64) & bit(index)) != 0; }
  // `other` is of the same size.
  void merge(const Evaluated& other) {
    for (std::size_t i = 0; i < words_; ++i) word(i) |= other.word(i);
  }

 private:
  static std::uint64_t bit(std::size_t index) { return std::uint64_t{1} << (index % 64); }
  std::uint64_t& word(std::size_t i) { return many_.empty() ? few_[i] : many_[i]; }
  const std::uint64_t& word(std::size_t i) const { return many_.empty() ? few_[i] : many_[i]; }

  std::size_t words_;
  std::array<std::uint64_t, 4> few_{};
  std::vector<std::uint64_t> many_;
};

}  // namespace schema
