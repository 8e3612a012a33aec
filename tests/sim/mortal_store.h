// The store as one life of the program sees it.
#pragma once

#include "tests/sim/world.h"

namespace sim {

// It may fail or hang, the life may end around a commit, and to the dead it never answers.
class MortalStore final : public store::Store {
 public:
  explicit MortalStore(World& world) : world_(world) {}
  std::int64_t generation() const override { return world_.generation; }
  const std::string& incarnation() const override { return world_.ground.store->incarnation(); }
  bool is_short_of_space() const override { return false; }

 protected:
  base::Task<> submit(bool writes, Work work) override;

 private:
  base::Task<> commit(Work work);
  boost::asio::awaitable<void> end(std::string_view when);

  World& world_;
};

}  // namespace sim
