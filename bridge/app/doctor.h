// What flywheel doctor finds, and its parts that need no browser.
#pragma once

#include "bridge/app/config.h"
#include "bridge/base/clock.h"

#include <string>
#include <string_view>
#include <vector>

namespace app {

enum class Health { ok, note, bad };

struct Finding {
  std::string what;
  Health health = Health::ok;
  std::string detail;
  std::string remedy = {};  // empty when there is nothing to do
};
using Findings = std::vector<Finding>;

// The state directory and the keys in it: who may read and write them, and whether the one of the
// markers is the store's.
Findings check_files(const Config& config);
// The store, its disk and what is in it; also while a daemon works it. Changes nothing.
Findings check_store(const Config& config, base::WallTime now);
// The unit of systemd, where there is one.
Findings check_service_unit();

}  // namespace app
