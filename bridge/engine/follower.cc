#include "bridge/base/limits.h"
#include "bridge/engine/journal.h"
#include "cdp/try.h"

#include <algorithm>

namespace engine {

void JournalTail::add(std::shared_ptr<const Entry> entry) {
  // Only somebody who cuts the journal under a running program makes a gap; `verify` tells of it.
  if (!entries_.empty() && entries_.back()->sequence + 1 != entry->sequence) entries_.clear();
  entries_.push_back(std::move(entry));
  if (entries_.size() > limits::journal_tail_max) entries_.pop_front();
  notice_.notify();
}

base::Task<std::vector<std::shared_ptr<const Entry>>> Follower::next(base::Instant deadline) {
  std::vector<std::shared_ptr<const Entry>> found;
  const auto& tail = tail_.entries_;
  for (;;) {
    if (!tail.empty() && tail.front()->sequence <= after_ + 1) {
      const auto known =
          std::min(tail.size(), static_cast<std::size_t>(after_ + 1 - tail.front()->sequence));
      const auto end = std::min(tail.size(), known + limits::follow_entries_max);
      for (std::size_t i = known; i < end; ++i) found.push_back(tail[i]);
    } else {
      auto read = [journal = &journal_, after = after_](store::Tx& tx) {
        return journal->page(tx, after, limits::follow_entries_max);
      };
      CO_TRY(auto page, co_await store_.read(std::move(read)));
      for (auto& entry : page.entries) {
        found.push_back(std::make_shared<const Entry>(std::move(entry)));
      }
      // What was committed during the read is in the tail now.
      if (found.empty() && !tail.empty() && tail.back()->sequence > after_) continue;
    }
    if (!found.empty()) {
      BRIDGE_ASSERT(found.front()->sequence == after_ + 1);
      after_ = found.back()->sequence;
      co_return found;
    }
    if (clock_.now() >= deadline) co_return found;
    co_await tail_.notice_.wait(clock_, deadline);
  }
}

}  // namespace engine
