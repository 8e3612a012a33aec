// For a command that works without a loop and takes back what it began when it is asked to end.
#pragma once

#include <csignal>

namespace app {

// While it lives SIGINT, SIGTERM and SIGHUP do nothing to this thread, which asks for them instead.
// What the program was started to ignore (nohup) stays ignored.
class HeldSignals {
 public:
  HeldSignals();
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals();

  // True from the first of them on.
  bool have_come();

 private:
  sigset_t held_{};
  sigset_t before_{};
  bool have_come_ = false;
};

}  // namespace app
