// The Merkle tree of RFC 6962 (section 2.1), grown leaf by leaf. Pure.
#pragma once

#include "bridge/base/hash.h"
#include "bridge/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace engine {

// Remembers the roots of the largest complete subtrees only: O(log n) of memory, O(1) hashes per
// leaf on average.
class MerkleTree {
 public:
  MerkleTree() = default;
  // From `state()`. invalid: not the state of a tree of that size.
  static base::Result<MerkleTree> from_state(std::int64_t size, std::string_view state);

  void append(std::string_view leaf);
  std::int64_t size() const { return size_; }
  // SHA-256 of nothing for the empty tree.
  base::Sha256 root() const;
  // The subtree roots, largest first, 32 bytes each.
  std::string state() const;

 private:
  std::int64_t size_ = 0;
  std::vector<base::Sha256> subtrees_;
};

}  // namespace engine
