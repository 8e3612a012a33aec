// flywheel bead watch.
#pragma once

#include "bridge/app/console.h"

#include <optional>
#include <string>

namespace app {

struct BeadWatchOptions {
  std::string workspace = ".";
  std::optional<std::string> config;  // whose message types are known
  bool is_once = false;
  bool is_baseline = false;
};

// Prints one line a report until it is interrupted, or after one look. What was printed is
// remembered in `.beads/flywheel/watch.json`, so that no later call prints it again; of two at the
// same time the second is refused. A crash between printing and remembering prints again: a report
// is never lost.
int run_bead_watch(Console& console, const BeadWatchOptions& options);

}  // namespace app
