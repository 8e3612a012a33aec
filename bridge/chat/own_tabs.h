// Which tabs of a person's browser are ours. Such a browser outlives the program, so they stand in
// a file: what a killed process left there could still send, and the next one closes it first.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "cdp/browser.h"

#include <filesystem>
#include <string>
#include <vector>

namespace chat {

class OwnTabs {
 public:
  // `file` is made when it is needed; empty: nothing outlives the object.
  OwnTabs(std::filesystem::path file, base::Clock& clock) : file_(std::move(file)), clock_(clock) {}

  // Closes the tabs that stand in the file and waits until they have gone. Tabs that are not in
  // this browser went with another. unavailable: one does not close.
  base::Task<> close_left(cdp::Browser& browser);
  // To be called before the tab loads a page: nothing can be sent from one that the file does not
  // know. Forgets those that have been closed meanwhile.
  base::Task<> add(cdp::Browser& browser, std::string target);

 private:
  base::Task<> forget_closed(cdp::Browser& browser);
  void read();
  base::Result<> write() const;

  const std::filesystem::path file_;
  base::Clock& clock_;
  std::vector<std::string> targets_;
};

}  // namespace chat
