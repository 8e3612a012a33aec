#include "bridge/engine/merkle.h"

#include <algorithm>
#include <bit>

namespace engine {
namespace {

std::string_view bytes_of(const base::Sha256& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

base::Sha256 node(const base::Sha256& left, const base::Sha256& right) {
  std::string bytes(1, '\x01');
  bytes += bytes_of(left);
  bytes += bytes_of(right);
  return base::sha256(bytes);
}

}  // namespace

base::Result<MerkleTree> MerkleTree::from_state(std::int64_t size, std::string_view state) {
  const auto subtrees = static_cast<std::size_t>(std::popcount(static_cast<std::uint64_t>(size)));
  if (size < 0 || state.size() != subtrees * sizeof(base::Sha256)) {
    return base::fail(base::Code::invalid, "read Merkle tree: not the state of its size");
  }
  MerkleTree tree;
  tree.size_ = size;
  tree.subtrees_.resize(subtrees);
  for (auto& subtree : tree.subtrees_) {
    std::copy_n(state.begin(), subtree.size(), subtree.begin());
    state.remove_prefix(subtree.size());
  }
  return tree;
}

void MerkleTree::append(std::string_view leaf) {
  std::string bytes(1, '\0');
  bytes += leaf;
  base::Sha256 grown = base::sha256(bytes);
  // As in binary counting: every trailing one of the size is a subtree that becomes complete.
  for (std::int64_t rest = size_; (rest & 1) != 0; rest >>= 1) {
    grown = node(subtrees_.back(), grown);
    subtrees_.pop_back();
  }
  subtrees_.push_back(grown);
  ++size_;
}

base::Sha256 MerkleTree::root() const {
  if (subtrees_.empty()) return base::sha256("");
  base::Sha256 joined = subtrees_.back();
  for (std::size_t i = subtrees_.size() - 1; i-- > 0;) joined = node(subtrees_[i], joined);
  return joined;
}

std::string MerkleTree::state() const {
  std::string bytes;
  for (const auto& subtree : subtrees_) bytes += bytes_of(subtree);
  return bytes;
}

}  // namespace engine
