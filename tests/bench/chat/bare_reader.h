// The least that any client of the browser must do for a chat job: raw commands, and the bytes of
// the stream searched for its end. What it takes is the browser's and the site's, not a driver's.
#pragma once

#include "cdp/page.h"

#include <functional>
#include <string>
#include <vector>

namespace bench {

struct BareJob {
  std::string job;
  std::string text;
};

struct BareTimes {
  std::string job;
  std::int64_t ready_ns = 0;
  std::int64_t read_ns = 0;
};

// Posts every text in turn, by a paste, into a conversation of the look-alike that is open in the
// page, and tells the times of each. Times are nanoseconds of the steady clock.
cdp::Task<> read_barely(cdp::Page& page, const std::vector<BareJob>& jobs,
                        const std::function<void(const BareTimes&)>& tell);

}  // namespace bench
