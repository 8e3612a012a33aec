// The children of this process. It reaps for its browsers, so that what left the group of a browser
// or program becomes its child too, once the parent of that has ended.
#pragma once

#include <vector>

namespace cdp {

// Those of every thread, the ended ones that nobody has waited for among them.
std::vector<int> children();

// As long as this lives, its owner waits for the ended children of a process group, and for the one
// that leads or led it. For one thread.
class WaitedGroup {
 public:
  explicit WaitedGroup(int group);
  WaitedGroup(const WaitedGroup&) = delete;
  WaitedGroup& operator=(const WaitedGroup&) = delete;
  ~WaitedGroup();

 private:
  const int group_;
};

// Waits for the ended children that nobody else waits for, which would stay in the table of
// processes for good; says how many these were. Left to others are the groups above, the group of
// this process itself, and crash handlers, for which a Process waits.
int reap_orphans();

}  // namespace cdp
